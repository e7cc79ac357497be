// SPDX-License-Identifier: MIT
// Lazy initialisation, the policy that applies to this process, and the destinations of its events.
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <string.h>
#include <sys/auxv.h>

#include "base/file.h"
#include "policy/builtin.h"
#include "process/process.h"
#include "process/reload.h"
#include "process/start.h"
#include "process/starting.h"
#include "real/elf.h"
#include "real/fault.h"
#include "real/fork.h"
#include "real/kernel.h"
#include "real/section.h"
#include "real/system.h"
#include "state/identity.h"
#include "state/record.h"
#include "state/shared.h"
#include "state/trouble.h"

enum { BUSY_MOST_MS = 900 }; // must be below 1000: await passes it as nanoseconds of a timespec

RB_START_DATA _Atomic int rb_process_state = RB_PROCESS_NEW;

enum { NAME_SIZE = 256 };

static char program[NAME_SIZE] = "?"; // of the executable
static char started[NAME_SIZE];       // under which the program was started: the name of a link or of a script; or ""
static const char *forced_log;        // REBOUND_LOG, NULL when not set
static const char *forced_state;      // REBOUND_STATE, NULL when not set
static bool builtin;                  // the policy is a built-in one, which has no log

static struct rb_summary_page *summary;
static uint32_t summary_user;     // the effective user when the page was mapped
static _Atomic bool summary_left; // the page was given up

// The policy that was checked last against the program's name; the lowest bit is set if it excludes this program.
static _Atomic uintptr_t judged_policy;

static const struct rb_policy *last_policy(void)
{
    return (const struct rb_policy *) (atomic_load(&judged_policy) & ~(uintptr_t) 1);
}

// Returns a variable of the environment. NULL in secure execution (setuid programs), where the caller controls the
// environment.
static RB_START_CODE const char *environment(enum rb_start_variable variable)
{
    const char *value = rb_start_value(variable);
    return value && !rb_elf_auxiliary(AT_SECURE) ? value : NULL;
}

// Returns a variable that fits into a path buffer, else NULL.
static const char *setting(enum rb_start_variable variable)
{
    const char *value = environment(variable);
    return value && strlen(value) < RB_POLICY_PATH_SIZE ? value : NULL;
}

static RB_START_CODE bool is_disabled(void)
{
    const char *disable = environment(RB_START_DISABLE);
    return disable && strcmp(disable, "0") != 0;
}

// Copies the part of a path after the last slash.
static void copy_name(char out[NAME_SIZE], const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    size_t length = strnlen(name, NAME_SIZE - 1);
    memcpy(out, name, length);
    out[length] = '\0';
}

// The kernel writes the name of an executable that was removed or replaced with " (deleted)" at its end.
static void find_program(void)
{
    static const char deleted[] = " (deleted)";
    static char path[RB_POLICY_PATH_SIZE];
    long length = rb_kernel(SYS_readlinkat, AT_FDCWD, "/proc/self/exe", path, sizeof(path) - 1);
    const char *name = (const char *) rb_elf_auxiliary(AT_EXECFN);
    size_t suffix = sizeof(deleted) - 1;
    if (name)
        copy_name(started, name);
    if (length > (long) suffix && memcmp(path + length - suffix, deleted, suffix) == 0)
        length -= (long) suffix;
    if (length > 0) {
        path[length] = '\0';
        name = path;
    }
    if (name)
        copy_name(program, name);
}

static const char *log_destination(const struct rb_policy *policy)
{
    if (forced_log)
        return forced_log;
    return policy ? rb_policy_process(policy)->log : "off";
}

// Records in the state that the log cannot be written.
static void note_log(const struct rb_policy *policy, enum rb_loss error)
{
    const char *destination = log_destination(policy);
    if (strcmp(destination, "off") != 0)
        rb_trouble_note(destination, error, program);
}

static void on_reload(enum rb_reload_event event, const char *path, const struct rb_diagnostic *diagnostic, int error)
{
    static const char *const words[] = {
        [RB_RELOAD_LOADED] = "loaded",         [RB_RELOAD_RELOADED] = "reloaded",   [RB_RELOAD_INVALID] = "invalid",
        [RB_RELOAD_UNREADABLE] = "unreadable", [RB_RELOAD_UNTRUSTED] = "untrusted",
    };
    const struct rb_policy *policy = last_policy();
    rb_record_reload(event == RB_RELOAD_LOADED || event == RB_RELOAD_RELOADED);
    if (event != RB_RELOAD_LOADED) // a normal start is not logged
        note_log(policy, rb_log_policy(log_destination(policy), program, words[event], path, diagnostic, error));
}

// The callback for the settings of the state. It runs during a matched call, so the policy in force is the one that
// matched.
static struct rb_shared_settings state_settings(void)
{
    const struct rb_policy *policy = last_policy();
    struct rb_shared_settings settings = {.state = "private", .cells = RB_CELLS_DEFAULT};
    if (policy) {
        settings.state = rb_policy_process(policy)->state;
        settings.cells = rb_policy_process(policy)->state_cells;
    }
    if (forced_state)
        settings.state = forced_state;
    return settings;
}

static void on_state_trouble(const char *path, enum rb_store_error error)
{
    const struct rb_policy *policy = last_policy();
    note_log(policy, rb_log_state(log_destination(policy), program, rb_store_error_name(error), path));
}

// ---- the page of `rebound run --summary` ----

// The page belongs to the user whose process mapped it. Gives it up if the effective user is another one.
static void leave_summary(void)
{
    if (summary && rb_kernel_euid() != summary_user && !atomic_load(&summary_left) && rb_summary_give_up(summary))
        atomic_store(&summary_left, true);
}

// Returns the page, or NULL. The page is mapped again when the process has its former user again. So a vfork child that
// changes its user does not take the page from its parent.
static struct rb_summary_page *summary_page(void)
{
    if (summary && atomic_load_explicit(&summary_left, memory_order_relaxed) && !rb_sandbox_bars_files() &&
        rb_kernel_euid() == summary_user && rb_summary_take_back(summary, setting(RB_START_SUMMARY)))
        atomic_store(&summary_left, false);
    return summary;
}

// ---- initialisation ----

// Returns whether the library acts in this process. Paths are static, because the first call may run on a small stack.
static bool initialise(void)
{
    static char path[RB_POLICY_PATH_SIZE];
    struct rb_reload_places places = {.named = environment(RB_START_POLICY),
                                      .config = environment(RB_START_CONFIG),
                                      .home = environment(RB_START_HOME)};
    if (is_disabled() || rb_reload_locate(&places, path) != 0)
        return false;
    find_program();
    builtin = rb_builtin_is(path);
    forced_log = setting(RB_START_LOG);
    forced_state = setting(RB_START_STATE);
    rb_shared_start(state_settings, on_state_trouble);
    summary_user = rb_kernel_euid();
    summary = rb_summary_attach(setting(RB_START_SUMMARY));
    if (summary)
        rb_identity_notify(leave_summary);
    rb_reload_start(path, environment(RB_START_SET), on_reload);
    return true;
}

// Changes the state from `from` to `to`. Returns false if another thread changed it first.
static RB_START_CODE bool process_enter(enum rb_process_state from, enum rb_process_state to)
{
    int state = from;
    return atomic_compare_exchange_strong(&rb_process_state, &state, to);
}

// Runs in a forked child, where a busy thread does not exist: the child starts the initialisation again.
static void process_forked(void)
{
    process_enter(RB_PROCESS_BUSY, RB_PROCESS_LOADED);
}

RB_START_CODE void rb_process_load(void)
{
    if (!process_enter(RB_PROCESS_NEW, RB_PROCESS_BUSY))
        return;
    rb_start_copy();
    rb_starting_load();
    rb_fork_notify(NULL, NULL, process_forked);
    bool off = is_disabled();
    const char *log = rb_start_value(RB_START_LOG);
    // Records the stderr of the process now, because the program may close it before its first logged call. The system
    // call for this is skipped if the log cannot be stderr.
    if (!off && (!log || strcmp(log, "stderr") == 0))
        rb_sink_start();
    process_enter(RB_PROCESS_BUSY, off ? RB_PROCESS_OFF : RB_PROCESS_LOADED);
}

// Waits while another thread is busy. The first connects of a threaded program often come at the same time, and all of
// them should be retried. After a timeout no thread waits again: the busy thread may have left by longjmp out of a
// signal handler, or may wait for a file system.
static void await(void)
{
    static _Atomic bool given_up;
    uint64_t until_ms = rb_system_coarse_ms() + BUSY_MOST_MS, now_ms;
    while (atomic_load(&rb_process_state) == RB_PROCESS_BUSY && !atomic_load(&given_up)) {
        now_ms = rb_system_coarse_ms();
        struct rb_kernel_time left = {.nanoseconds = (long) (until_ms - now_ms) * 1000000};
        if (now_ms >= until_ms)
            atomic_store(&given_up, true);
        else
            rb_kernel(SYS_futex, &rb_process_state, FUTEX_WAIT_PRIVATE, RB_PROCESS_BUSY, &left, NULL, 0);
    }
}

bool rb_process_init(void)
{
    static __thread bool initialising; // a signal handler in this thread must not wait for this thread
    int saved = errno;
    rb_process_load();
    if (process_enter(RB_PROCESS_LOADED, RB_PROCESS_BUSY)) {
        initialising = true;
        process_enter(RB_PROCESS_BUSY, initialise() ? RB_PROCESS_READY : RB_PROCESS_OFF);
        rb_kernel(SYS_futex, &rb_process_state, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0); // the threads in await
        initialising = false;
    } else if (!initialising) {
        await();
    }
    errno = saved;
    return atomic_load_explicit(&rb_process_state, memory_order_acquire) == RB_PROCESS_READY;
}

const struct rb_policy *rb_process_policy(void)
{
    const struct rb_policy *policy = rb_reload_current(rb_system_coarse_ms());
    uintptr_t judged = atomic_load_explicit(&judged_policy, memory_order_relaxed);
    if ((judged & ~(uintptr_t) 1) != (uintptr_t) policy) {
        judged = (uintptr_t) policy | (policy && !rb_policy_covers_program(policy, program, *started ? started : NULL));
        atomic_store_explicit(&judged_policy, judged, memory_order_relaxed);
    }
    return judged & 1 ? NULL : policy;
}

const char *rb_process_program(void)
{
    return program;
}

void rb_process_count_call(const char *policy)
{
    struct rb_summary_page *page = rb_sandbox_is_filtered() ? NULL : summary_page();
    if (page)
        rb_summary_count(page, policy, RB_SUMMARY_CALLS);
}

void rb_process_count_host(const struct rb_target *target, unsigned counter)
{
    struct rb_summary_page *page = rb_sandbox_is_filtered() ? NULL : summary_page();
    char host[RB_LABEL_SIZE];
    if (!page)
        return;
    rb_target_format(target, host, sizeof(host));
    rb_summary_count_host(page, host, counter);
}

void rb_process_begin_wait(const struct rb_target *target, const struct rb_call *call)
{
    struct rb_summary_page *page = rb_sandbox_is_filtered() ? NULL : summary_page();
    uint64_t since_ms = page ? atomic_load_explicit(&call->start->since_ms, memory_order_relaxed) : 0;
    char host[RB_LABEL_SIZE];
    if (since_ms == 0)
        return;
    rb_target_format(target, host, sizeof(host));
    rb_summary_begin_wait(page, host, since_ms);
}

static void count(const struct rb_event *event)
{
    static const int counters[] = {
        [RB_VERDICT_RETRY] = RB_SUMMARY_RETRIES,
        [RB_VERDICT_STOP] = RB_SUMMARY_STOPPED,
        [RB_VERDICT_RECOVERED] = RB_SUMMARY_RECOVERED,
        [RB_VERDICT_REFUSED] = RB_SUMMARY_REFUSED,
        [RB_VERDICT_RESENT] = -1,
        [RB_VERDICT_STALE] = RB_SUMMARY_RECOVERED,
        [RB_VERDICT_WAITED] = -1,
    };
    struct rb_summary_page *page = summary_page();
    if (page && counters[event->verdict] >= 0)
        rb_summary_count(page, event->policy, (enum rb_summary_counter) counters[event->verdict]);
    if (page && event->verdict == RB_VERDICT_STOP && event->reason == RB_REASON_STACK)
        rb_summary_count(page, event->policy, RB_SUMMARY_STACK);
    if (page && event->verdict == RB_VERDICT_STOP && event->reason == RB_REASON_STACK)
        rb_summary_count_host(page, event->host, RB_SUMMARY_NOT_REPEATED + event->stack);
    if (page && event->verdict == RB_VERDICT_WAITED)
        rb_summary_note_wait(page, event->host, event->delay_ms);
}

static void write_event(const struct rb_event *event, const struct rb_call *call)
{
    const struct rb_policy *policy = last_policy();
    count(event);
    rb_record_event(call, event, program);
    note_log(policy, rb_log_event(log_destination(policy), program, event));
}

// Reports that the wait for the host to start has ended. Not inlined, so that only such a wait pays for the stack
// frame.
//   ended: the event that ends the wait
static __attribute__((noinline)) void report_wait(const struct rb_event *ended, const struct rb_call *call)
{
    uint64_t waited_ms = rb_absent_take(call->start, call->tries > 0, rb_system_now_ms());
    struct rb_event event = {
        .verdict = RB_VERDICT_WAITED,
        .policy = ended->policy,
        .host = ended->host,
        .api = ended->api,
        .cause = ended->cause,
        .attempt = ended->attempt,
        .delay_ms = waited_ms,
    };
    if (waited_ms > 0)
        write_event(&event, call);
}

void rb_process_event(const struct rb_event *event, const struct rb_call *call)
{
    if (rb_sandbox_is_filtered())
        return;
    if (call->start)
        report_wait(event, call);
    write_event(event, call);
}

// Not inlined, as report_wait.
static __attribute__((noinline)) void report_started(const struct rb_call *call, const char *policy, enum rb_api api,
                                                     const struct rb_target *target)
{
    char host[RB_LABEL_SIZE];
    rb_target_format(target, host, sizeof(host));
    struct rb_event event = {
        .policy = policy, .host = host, .api = api, .cause = RB_CAUSE_NONE, .attempt = rb_call_attempts(call)};
    report_wait(&event, call);
}

void rb_process_started(const struct rb_call *call, const char *policy, enum rb_api api, const struct rb_target *target)
{
    if (call->start && !rb_sandbox_is_filtered())
        report_started(call, policy, api, target);
}

void rb_process_success(const struct rb_call *call, const char *policy, enum rb_api api, const struct rb_target *target)
{
    rb_process_started(call, policy, api, target);
    rb_record_success(call, policy, api);
}

void rb_process_report(struct rb_event *event, const struct rb_target *target, const struct rb_call *call)
{
    char host[RB_LABEL_SIZE];
    rb_target_format(target, host, sizeof(host));
    event->host = host;
    event->attempt = rb_call_attempts(call);
    rb_process_event(event, call);
}

// ---- the log of a process that drops its privileges ----

static _Atomic bool left_log; // the line was written

// Returns the destination of the log; "off" if the library does not act. A built-in policy names none, so it is not
// loaded for this.
static const char *process_log(void)
{
    const struct rb_policy *policy = NULL;
    if (!rb_process_active() || (!builtin && !(policy = rb_process_policy())))
        return "off";
    return log_destination(policy);
}

// Returns the destination of the log if it is a file that can be opened, else NULL.
static const char *process_log_file(void)
{
    const char *log = rb_sandbox_bars_files() || atomic_load(&left_log) ? "off" : process_log();
    return strcmp(log, "off") == 0 || strcmp(log, "stderr") == 0 ? NULL : log;
}

static void leave_log(const char *log, enum rb_loss error, uint32_t user)
{
    if (!atomic_exchange(&left_log, true))
        rb_log_announce_loss(log, program, error, user);
}

static uint32_t next_user(uint32_t user, uint32_t now)
{
    return user == UINT32_MAX ? now : user;
}

void rb_process_before_users(uint32_t real, uint32_t effective, uint32_t saved)
{
    enum { ROOT = 0 };
    struct rb_kernel_users now = rb_kernel_users();
    if (now.effective != ROOT || next_user(real, now.real) == ROOT || next_user(effective, now.effective) == ROOT ||
        next_user(saved, now.saved) == ROOT) // such a process can become root again
        return;
    const char *log = process_log_file();
    if (log && rb_sink_is_for_root(log))
        leave_log(log, RB_LOSS_DENIED, effective);
}

void rb_process_before_root(const char *directory)
{
    const char *log = process_log_file();
    uint32_t user = rb_kernel_euid();
    if (log && rb_sink_is_missing_in(directory, log))
        leave_log(log, RB_LOSS_ABSENT, user);
}

// ---- the process restricts itself ----

void rb_process_before_sandbox(enum rb_sandbox_state next)
{
    const char *log = process_log();
    rb_shared_check(); // in a forked child: finds the child's own identity
    enum rb_loss error = rb_log_sandbox(log, program, next == RB_SANDBOX_SECCOMP ? "seccomp" : "landlock");
    if (next == RB_SANDBOX_LANDLOCK && rb_process_active()) {
        rb_system_now_ms(); // reads the offset of the clock
        rb_shared();
    }
    if (strcmp(log, "off") != 0)
        rb_trouble_note(log, error, program);
}

void rb_process_enter_filter(void)
{
    rb_shared_detach();
    rb_fault_rest();
}

void rb_process_leave_sandbox(void)
{
    const char *log = process_log();
    rb_fault_resume();
    rb_log_sandbox(log, program, "refused");
}

void rb_process_end(void)
{
    struct rb_summary_page *page = NULL;
    int state = rb_sandbox_is_filtered() ? RB_PROCESS_OFF : atomic_load(&rb_process_state);
    if (state == RB_PROCESS_LOADED)
        page = rb_summary_attach(setting(RB_START_SUMMARY));
    if (state == RB_PROCESS_READY) {
        rb_shared_end();
        page = summary_page();
    }
    if (page)
        rb_summary_end(page);
}

// SPDX-License-Identifier: MIT
// The process: lazy initialisation, the policy that applies to it, and where its events go.
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>

#include "policy/reload.h"
#include "real/elf.h"
#include "real/kernel.h"
#include "real/system.h"
#include "state/process.h"
#include "state/record.h"
#include "state/shared.h"
#include "state/trouble.h"

_Atomic int rb_process_state = RB_PROCESS_NEW;

// Copied at initialisation: programs overwrite argv and environ.
static char program[256] = "?";
static char forced_log[RB_POLICY_PATH_SIZE];   // REBOUND_LOG, "" when not set
static char forced_state[RB_POLICY_PATH_SIZE]; // REBOUND_STATE, likewise
static struct rb_summary_page *summary;

// The policy last looked at, with the lowest bit set when it leaves this program out.
static _Atomic uintptr_t judged_policy;

static const struct rb_policy *last_policy(void)
{
    return (const struct rb_policy *) (atomic_load(&judged_policy) & ~(uintptr_t) 1);
}

static const char *environment(const char *name)
{
    const char *value = rb_elf_auxiliary(AT_SECURE) ? NULL : getenv(name);
    return value && *value ? value : NULL;
}

static void find_program(void)
{
    char path[RB_POLICY_PATH_SIZE];
    long length = rb_kernel(SYS_readlinkat, AT_FDCWD, "/proc/self/exe", path, sizeof path - 1);
    const char *name = (const char *) rb_elf_auxiliary(AT_EXECFN);
    if (length > 0) {
        path[length] = '\0';
        name = path;
    }
    if (!name)
        return;
    const char *slash = strrchr(name, '/');
    name = slash ? slash + 1 : name;
    memcpy(program, name, strnlen(name, sizeof program - 1) + 1);
    program[sizeof program - 1] = '\0';
}

static void find_text(const char *name, char out[RB_POLICY_PATH_SIZE])
{
    const char *text = environment(name);
    if (text && strlen(text) < RB_POLICY_PATH_SIZE)
        memcpy(out, text, strlen(text) + 1);
}

static const char *log_destination(const struct rb_policy *policy)
{
    if (forced_log[0])
        return forced_log;
    return policy ? rb_policy_process(policy)->log : "off";
}

// Says once that the log cannot be written, to those who look at the state.
static void note_log(const struct rb_policy *policy, enum rb_sink_error error)
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
    if (event != RB_RELOAD_LOADED) // the usual case is no news
        note_log(policy, rb_log_policy(log_destination(policy), program, words[event], path, diagnostic, error));
}

// Asked once, in a matched call: the policy in force is the one that matched.
static struct rb_shared_settings state_settings(void)
{
    const struct rb_policy *policy = last_policy();
    struct rb_shared_settings settings = {.state = "private", .cells = RB_CELLS_DEFAULT};
    if (policy) {
        settings.state = rb_policy_process(policy)->state;
        settings.cells = rb_policy_process(policy)->state_cells;
    }
    if (forced_state[0])
        settings.state = forced_state;
    return settings;
}

static void on_state_trouble(const char *path, enum rb_store_error error)
{
    const struct rb_policy *policy = last_policy();
    note_log(policy, rb_log_state(log_destination(policy), program, rb_store_error_name(error), path));
}

// Must happen while the library is loaded: the program may close its stderr before the first call that is logged. It
// costs one system call, which is left out where the log cannot be stderr.
static void remember_stderr(void)
{
    if (!forced_log[0] || strcmp(forced_log, "stderr") == 0)
        rb_sink_start();
}

// Returns whether the library acts here at all.
static bool initialise(void)
{
    char path[RB_POLICY_PATH_SIZE];
    const char *disable = environment("REBOUND_DISABLE");
    if (disable && strcmp(disable, "0") != 0)
        return false;
    if (rb_policy_locate(NULL, rb_elf_auxiliary(AT_SECURE) != 0, path) != 0)
        return false;
    find_program();
    find_text("REBOUND_LOG", forced_log);
    remember_stderr();
    find_text("REBOUND_STATE", forced_state);
    rb_shared_start(state_settings, on_state_trouble);
    summary = rb_summary_attach(environment(RB_SUMMARY_ENV));
    rb_policy_start(path, on_reload);
    return true;
}

bool rb_process_init(void)
{
    int fresh = RB_PROCESS_NEW, saved = errno;
    if (!atomic_compare_exchange_strong(&rb_process_state, &fresh, RB_PROCESS_BUSY))
        return fresh == RB_PROCESS_READY;
    bool acts = initialise();
    atomic_store_explicit(&rb_process_state, acts ? RB_PROCESS_READY : RB_PROCESS_OFF, memory_order_release);
    errno = saved;
    return acts;
}

const struct rb_policy *rb_process_policy(void)
{
    const struct rb_policy *policy = rb_policy_current(rb_system_coarse_ms());
    uintptr_t judged = atomic_load_explicit(&judged_policy, memory_order_relaxed);
    if ((judged & ~(uintptr_t) 1) != (uintptr_t) policy) {
        judged = (uintptr_t) policy | (policy && !rb_policy_covers_program(policy, program));
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
    if (summary)
        rb_summary_count(summary, policy, RB_SUMMARY_CALLS);
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
    };
    if (summary && counters[event->verdict] >= 0)
        rb_summary_count(summary, event->policy, (enum rb_summary_counter) counters[event->verdict]);
}

void rb_process_event(const struct rb_event *event, const struct rb_call *call)
{
    const struct rb_policy *policy = last_policy();
    count(event);
    rb_record_event(call, event, program);
    note_log(policy, rb_log_event(log_destination(policy), program, event));
}

void rb_process_report(struct rb_event event, const struct rb_target *target, const struct rb_call *call)
{
    char host[RB_LABEL_SIZE];
    rb_target_format(target, host, sizeof host);
    event.host = host;
    event.attempt = call->attempt;
    rb_process_event(&event, call);
}

void rb_process_end(void)
{
    if (atomic_load(&rb_process_state) != RB_PROCESS_READY)
        return;
    rb_shared_end();
    if (summary)
        rb_summary_end(summary);
}

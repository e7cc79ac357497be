// SPDX-License-Identifier: MIT
// Mappings that are cut short, and the program's own action for SIGBUS beside our handler. Each test has a process of
// its own: actions are for ever.
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "real/fault.h"

enum { SIZE = 3 * 4096, LIMIT_S = 20, PASSED = 0, FAILED = 1, HANDLED = 42 };

#define CHECK(condition)                                                                                               \
    if (!(condition))                                                                                                  \
    fail_at(__LINE__, #condition)

static void fail_at(int line, const char *what)
{
    dprintf(STDERR_FILENO, "line %d: not true: %s\n", line, what);
    _exit(FAILED);
}

static int ending_of(void (*body)(void))
{
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        alarm(LIMIT_S);
        signal(SIGBUS, SIG_DFL); // cmocka has one, too
        body();
        _exit(PASSED);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void passes(void (*body)(void))
{
    assert_int_equal(ending_of(body), PASSED);
}

// A mapping of a file that has lost its end, and with it all pages but the first.
static volatile char *cut_mapping(void)
{
    char name[] = "/tmp/rebound-fault-XXXXXX";
    int fd = mkstemp(name);
    CHECK(fd >= 0 && unlink(name) == 0 && ftruncate(fd, SIZE) == 0);
    char *memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(memory != MAP_FAILED);
    memset(memory, 'x', SIZE);
    CHECK(ftruncate(fd, 10) == 0 && close(fd) == 0);
    return memory;
}

static volatile char *watched_mapping(void)
{
    volatile char *memory = cut_mapping();
    rb_fault_watch((const void *) memory, SIZE);
    return memory;
}

static int act(const struct sigaction *action, struct sigaction *old)
{
    return rb_fault_sigaction(SIGBUS, action, old);
}

// ---- mappings ----

static void touch_watched(void)
{
    volatile char *memory = watched_mapping();
    errno = EXDEV;
    CHECK(memory[SIZE - 1] == 0 && memory[0] == 0 && errno == EXDEV);
    memory[SIZE - 1] = 'y'; // and is memory
    CHECK(memory[SIZE - 1] == 'y');
}

static void touch_several(void)
{
    volatile char *first = watched_mapping(), *second = watched_mapping();
    CHECK(second[5000] == 0 && first[5000] == 0);
    rb_fault_unwatch((const void *) first);
    volatile char *third = watched_mapping();
    CHECK(third[5000] == 0);
}

static void test_watched_mapping_reads_zeros(void **state)
{
    (void) state;
    passes(touch_watched);
    passes(touch_several);
}

static void touch_another(void)
{
    watched_mapping();
    cut_mapping()[SIZE - 1] = 'y';
}

static void touch_unwatched(void)
{
    volatile char *memory = watched_mapping();
    rb_fault_unwatch((const void *) memory);
    memory[SIZE - 1] = 'y';
}

static void send_to_itself(void)
{
    watched_mapping();
    kill(getpid(), SIGBUS);
    pause();
}

// A SIGBUS that does not concern a watched mapping ends the program as without the library, whoever raises it.
static void test_default_action(void **state)
{
    void (*const bodies[])(void) = {touch_another, touch_unwatched, send_to_itself};
    (void) state;
    for (unsigned i = 0; i < sizeof(bodies) / sizeof(*bodies); i++) {
        int status = ending_of(bodies[i]);
        assert_true(WIFSIGNALED(status));
        assert_int_equal(WTERMSIG(status), SIGBUS);
    }
}

// ---- the program's action ----

static sigjmp_buf back;
static volatile const void *fault_at;
static volatile sig_atomic_t calls;

static void on_info(int number, siginfo_t *info, void *context)
{
    (void) context;
    CHECK(number == SIGBUS && info->si_code == BUS_ADRERR);
    fault_at = info->si_addr;
    siglongjmp(back, 1);
}

static void on_signal(int number)
{
    CHECK(number == SIGBUS);
    calls++;
}

static void own_fault(void)
{
    volatile char *ours = watched_mapping(), *theirs = cut_mapping();
    struct sigaction action = {.sa_sigaction = on_info, .sa_flags = SA_SIGINFO};
    CHECK(act(&action, NULL) == 0);
    if (sigsetjmp(back, 1) == 0)
        theirs[6000] = 'y';
    CHECK(fault_at == theirs + 6000);
    CHECK(ours[6000] == 0);
}

static void set_before(void)
{
    struct sigaction action = {.sa_handler = on_signal};
    CHECK(act(&action, NULL) == 0);
    CHECK(watched_mapping()[6000] == 0 && calls == 0);
    kill(getpid(), SIGBUS);
    CHECK(calls == 1);
}

static void test_handler_gets_its_own(void **state)
{
    (void) state;
    passes(own_fault);
    passes(set_before);
}

static void see_default(void)
{
    struct sigaction before, seen;
    CHECK(sigaction(SIGBUS, NULL, &before) == 0);
    watched_mapping();
    CHECK(act(NULL, &seen) == 0 && seen.sa_handler == SIG_DFL && seen.sa_flags == before.sa_flags);
}

static void see_handlers(void)
{
    struct sigaction one = {.sa_handler = on_signal, .sa_flags = SA_NODEFER},
                     two = {.sa_sigaction = on_info, .sa_flags = SA_SIGINFO | SA_RESTART}, seen;
    const int flags = SA_SIGINFO | SA_NODEFER | SA_RESTART | SA_ONSTACK;
    sigaddset(&one.sa_mask, SIGUSR1);
    volatile char *memory = watched_mapping();
    CHECK(act(&one, &seen) == 0 && seen.sa_handler == SIG_DFL);
    CHECK(act(&two, &seen) == 0 && seen.sa_handler == on_signal && (seen.sa_flags & flags) == SA_NODEFER);
    CHECK(sigismember(&seen.sa_mask, SIGUSR1) == 1 && sigismember(&seen.sa_mask, SIGUSR2) == 0);
    seen = two;
    CHECK(act(&seen, &seen) == 0 && seen.sa_sigaction == on_info && (seen.sa_flags & flags) == two.sa_flags);
    CHECK(memory[6000] == 0);
}

static void see_ignored(void)
{
    struct sigaction action = {.sa_handler = SIG_IGN}, seen;
    watched_mapping();
    CHECK(act(&action, NULL) == 0);
    kill(getpid(), SIGBUS);
    CHECK(act(NULL, &seen) == 0 && seen.sa_handler == SIG_IGN);
    action.sa_handler = SIG_DFL; // and our handler comes back
    CHECK(act(&action, &seen) == 0 && seen.sa_handler == SIG_IGN);
    CHECK(watched_mapping()[6000] == 0);
}

// A program that calls the kernel directly sees our handler and may install it again.
static void put_ours_back(void)
{
    struct sigaction own = {.sa_handler = on_signal}, ours;
    volatile char *memory = watched_mapping();
    CHECK(act(&own, NULL) == 0 && sigaction(SIGBUS, NULL, &ours) == 0);
    CHECK(act(&ours, NULL) == 0);
    kill(getpid(), SIGBUS);
    CHECK(calls == 1 && memory[6000] == 0);
}

static void see_by_signal(void)
{
    volatile char *memory = watched_mapping();
    CHECK(rb_fault_signalled(SIGBUS, rb_libc_signal(SIGBUS, on_signal)) == SIG_DFL);
    CHECK(memory[6000] == 0 && calls == 0);
    kill(getpid(), SIGBUS);
    CHECK(calls == 1);
    CHECK(rb_fault_signalled(SIGBUS, rb_libc_signal(SIGBUS, SIG_DFL)) == on_signal);
    CHECK(watched_mapping()[6000] == 0);
    CHECK(rb_fault_signalled(SIGUSR1, rb_libc_signal(SIGUSR1, SIG_IGN)) == SIG_DFL);
}

static void test_program_sees_its_own(void **state)
{
    (void) state;
    passes(see_default);
    passes(see_handlers);
    passes(see_ignored);
    passes(see_by_signal);
    passes(put_ours_back);
}

// A SA_RESETHAND handler is reset by the program's signals, not by ours.
static void one_time(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESETHAND}, seen;
    volatile char *first = watched_mapping(), *second = watched_mapping();
    CHECK(act(&action, NULL) == 0);
    CHECK(first[6000] == 0 && calls == 0);
    CHECK(act(NULL, &seen) == 0 && seen.sa_handler == on_signal && (seen.sa_flags & SA_RESETHAND));
    kill(getpid(), SIGBUS);
    CHECK(calls == 1);
    CHECK(act(NULL, &seen) == 0 && seen.sa_handler == SIG_DFL);
    CHECK(second[6000] == 0);
    kill(getpid(), SIGBUS);
    _exit(HANDLED);
}

static void test_handler_for_one_time(void **state)
{
    (void) state;
    int status = ending_of(one_time);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGBUS);
}

// ---- children ----

static void vfork_child_sets_its_own(void)
{
    struct sigaction own = {.sa_handler = on_signal}, seen;
    volatile char *memory = watched_mapping();
    CHECK(act(&own, NULL) == 0);
    pid_t child = vfork(); // NOLINT(clang-analyzer-security.insecureAPI.vfork)
    if (child == 0) {
        struct sigaction none = {.sa_handler = SIG_DFL};
        _exit(act(&none, &seen) == 0 && seen.sa_handler == on_signal ? PASSED : FAILED);
    }
    int status = FAILED;
    CHECK(waitpid(child, &status, 0) == child && status == PASSED);
    CHECK(act(NULL, &seen) == 0 && seen.sa_handler == on_signal);
    CHECK(memory[6000] == 0);
}

static void fork_child_is_as_good(void)
{
    volatile char *memory = watched_mapping();
    pid_t child = fork();
    if (child == 0) {
        struct sigaction own = {.sa_handler = on_signal};
        CHECK(act(&own, NULL) == 0);
        CHECK(memory[6000] == 0 && calls == 0);
        kill(getpid(), SIGBUS);
        CHECK(calls == 1);
        _exit(PASSED);
    }
    int status = FAILED;
    CHECK(waitpid(child, &status, 0) == child && status == PASSED);
    CHECK(memory[6000] == 0);
}

static void test_children(void **state)
{
    (void) state;
    passes(vfork_child_sets_its_own);
    passes(fork_child_is_as_good);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_watched_mapping_reads_zeros), cmocka_unit_test(test_default_action),
        cmocka_unit_test(test_handler_gets_its_own),        cmocka_unit_test(test_program_sees_its_own),
        cmocka_unit_test(test_handler_for_one_time),        cmocka_unit_test(test_children),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

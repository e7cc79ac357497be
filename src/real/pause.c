// SPDX-License-Identifier: MIT
// Waits by libc's nanosleep, or by futex_waitv where the handlers of the program differ in SA_RESTART.
#include "real/pause.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <time.h>

#include "real/elf.h"
#include "real/kernel.h"
#include "real/sandbox.h"
#include "real/system.h"

#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449 // on all architectures, since Linux 5.16
#endif

// ---- signals ----

// The kernel's struct sigaction, which differs from libc's.
struct kernel_action {
    sighandler_t handler;
    unsigned long flags;
    void (*restorer)(void);
    uint64_t mask;
};

// The signals whose handlers can run in this thread, as sets of the kernel.
struct handlers {
    uint64_t restarting; // with SA_RESTART
    uint64_t ending;     // without
};

// Adds the current handlers to *seen. A handler with SA_RESETHAND is gone after it has run, and another thread may
// replace a handler. So the caller looks before and after a wait.
static void note_handlers(struct handlers *seen)
{
    uint64_t blocked = 0;
    rb_kernel(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &blocked, RB_KERNEL_SIGNALS);
    for (int number = 1; number < NSIG; number++) {
        struct kernel_action action;
        bool fault = number == SIGSEGV || number == SIGBUS || number == SIGFPE || number == SIGILL ||
                     number == SIGTRAP || number == SIGSYS || number == SIGABRT;
        if (fault || (blocked & rb_kernel_signal(number)) ||
            rb_kernel(SYS_rt_sigaction, number, NULL, &action, RB_KERNEL_SIGNALS) != 0 || action.handler == SIG_DFL ||
            action.handler == SIG_IGN)
            continue;
        if (action.flags & SA_RESTART)
            seen->restarting |= rb_kernel_signal(number);
        else if (!rb_system_is_signal_of_libc(number))
            seen->ending |= rb_kernel_signal(number);
    }
}

bool rb_pause_all_restart(void)
{
    struct handlers seen = {0};
    note_handlers(&seen);
    return seen.ending == 0;
}

// ---- waits ----

typedef int cancel_type_fn(int type, int *old);
typedef void test_cancel_fn(void);
typedef int nanosleep_fn(const struct rb_kernel_time *time, struct rb_kernel_time *left);

// Returns 0, -EINTR if a handler without SA_RESTART has run, or the error of a kernel or sandbox that refuses the call.
static int wait_by_futex(uint64_t ms, unsigned how)
{
    static const uint32_t never_woken;
    const struct {
        uint64_t value, address;
        uint32_t flags, reserved;
    } waiter = {.address = (uintptr_t) &never_woken, .flags = 2 /* FUTEX_32 */ | 128 /* FUTEX_PRIVATE_FLAG */};
    uint64_t end_ns = rb_system_now_ns() + ms * 1000000;
    const struct {
        int64_t seconds, nanoseconds;
    } end = {(int64_t) (end_ns / 1000000000), (int64_t) (end_ns % 1000000000)};
    cancel_type_fn *set_type = how & RB_PAUSE_CANCELS ? (cancel_type_fn *) rb_elf_libc("pthread_setcanceltype") : NULL;
    int type = PTHREAD_CANCEL_DEFERRED;
    if (set_type)
        set_type(PTHREAD_CANCEL_ASYNCHRONOUS, &type);
    long result = rb_kernel(SYS_futex_waitv, &waiter, 1, 0, &end, CLOCK_MONOTONIC);
    if (set_type)
        set_type(type, NULL);
    return result == -ETIMEDOUT || result == -EAGAIN || result >= 0 ? 0 : (int) result;
}

// Returns 0, or -EINTR if any handler has run. In both libcs the symbol nanosleep takes the kernel's time structure.
static int wait_by_sleep(uint64_t ms, unsigned how)
{
    struct rb_kernel_time left = {(long) (ms / 1000), (long) (ms % 1000) * 1000000};
    nanosleep_fn *function = how & RB_PAUSE_CANCELS ? (nanosleep_fn *) rb_elf_libc("nanosleep") : NULL;
    if (!function)
        return (int) rb_kernel(SYS_nanosleep, &left, NULL);
    int saved = errno, result = function(&left, NULL) == 0 ? 0 : -errno;
    errno = saved;
    return result;
}

// One wait, which may end early with result 0.
static int wait_once(uint64_t ms, unsigned how, struct handlers *seen)
{
    if (seen->restarting && seen->ending) {
        int result = wait_by_futex(ms, how);
        if (result == 0 || result == -EINTR)
            return result;
    }
    int result = wait_by_sleep(ms, how);
    if (rb_sandbox_is_filtered())
        return -ECANCELED;
    if (result != -EINTR || !(how & RB_PAUSE_RESTARTS))
        return result;
    note_handlers(seen);
    if (seen->ending == 0)
        return 0;
    return seen->restarting ? -ECANCELED : -EINTR;
}

int rb_pause_wait(uint64_t ms, unsigned how)
{
    struct handlers seen = {0};
    uint64_t begun_ns = rb_system_now_ns(), gone_ms = 0;
    int result = 0;
    if (how & RB_PAUSE_RESTARTS)
        note_handlers(&seen);
    while (result == 0 && gone_ms < ms) {
        result = wait_once(ms - gone_ms, how, &seen);
        gone_ms = begun_ns ? (rb_system_now_ns() - begun_ns) / 1000000 : ms; // 0: the clock cannot be read
    }
    return result;
}

void rb_pause_test_cancel(void)
{
    static _Atomic(void *) found;
    static _Atomic bool looked;
    if (!atomic_load_explicit(&looked, memory_order_acquire)) {
        atomic_store_explicit(&found, rb_elf_libc("pthread_testcancel"), memory_order_relaxed);
        atomic_store_explicit(&looked, true, memory_order_release);
    }
    test_cancel_fn *function = (test_cancel_fn *) atomic_load_explicit(&found, memory_order_relaxed);
    if (function)
        function();
}

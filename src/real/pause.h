// SPDX-License-Identifier: MIT
// Waits that signals and pthread_cancel end as they would end a blocking connect(2).
//
// No wait uses a descriptor: other threads of the program may close it and open a file with its number, and a forked
// child would keep it. No wait holds anything, so a thread may leave it by siglongjmp or by cancellation.
#ifndef RB_REAL_PAUSE_H
#define RB_REAL_PAUSE_H

#include <stdbool.h>
#include <stdint.h>

enum {
    RB_PAUSE_RESTARTS = 1, // handlers with SA_RESTART do not end the wait (signal(7))
    RB_PAUSE_CANCELS = 2,  // the wait is a cancellation point, even for a cancellation that is pending already
};

// Waits for `ms` on CLOCK_MONOTONIC. Without RB_PAUSE_RESTARTS, every signal handler ends the wait; a blocking connect
// with SO_SNDTIMEO behaves in this way.
//   how: the sum of RB_PAUSE_*
// Returns 0, -EINTR, or -ECANCELED: a handler has run, and it is unknown whether that handler has SA_RESTART. Another
// negative errno means that no wait is possible, for example in a sandbox. -ECANCELED is also returned if another
// thread has installed a seccomp filter during the wait. Keeps errno. Async-signal-safe.
//
// The method. nanosleep(2) returns after every handler, whatever SA_RESTART says. If all handlers agree on SA_RESTART,
// their flags tell whether to wait on. libc's own nanosleep is called, because it is a cancellation point in glibc and
// in musl; a raw system call is not.
//
// If some handlers have SA_RESTART and others do not, futex_waitv(2) waits, which obeys the flag of the handler that
// ran. libc has no function for this call, so the thread takes the cancellation type PTHREAD_CANCEL_ASYNCHRONOUS for
// its duration. glibc before 2.41 does the same in each of its cancellation points. Two effects are known from there:
// a cancellation also ends a handler that runs during the wait, and a handler that leaves by siglongjmp leaves the
// thread with this cancellation type.
//
// -ECANCELED is returned if the handlers differ and the kernel is older than 5.16, or if a sandbox refuses futex_waitv.
// It is also returned if another thread has changed the flags during the wait so that the handlers differ now.
int rb_pause_wait(uint64_t ms, unsigned how);

// Acts on a pending cancellation of this thread, as pthread_testcancel(3) does. Does nothing with glibc before 2.34,
// whose libc.so.6 lacks this function. Async-signal-safe.
void rb_pause_test_cancel(void);

// True if no handler that can run in this thread lacks SA_RESTART. Many runtimes install crash handlers without
// SA_RESTART, but these never return into a wait. So handlers of fault signals do not count. The signals that libc uses
// itself do not count either.
bool rb_pause_all_restart(void);

#endif

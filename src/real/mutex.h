// SPDX-License-Identifier: MIT
// A lock between the threads of one process. A thread that waits for it sleeps in the kernel, and lends its real-time
// priority to the holder. A thread that ends or is cancelled leaves no lock.
//
// The word has the format of a futex with priority inheritance (FUTEX_LOCK_PI, see futex(2)): the thread id of the
// holder, and FUTEX_WAITERS when the kernel has to be asked to pass the lock on. A lock without waiters is taken and
// given without a system call for the lock itself. Where the kernel or a sandbox refuses such futexes, a thread waits
// with FUTEX_WAIT on a second word, and checks now and then whether the holder still exists.
//
// All signals are blocked while the lock is held, except those that the thread's own faults raise and the one with
// which libc changes the user id of all threads. The signal of pthread_cancel is blocked too, so that an asynchronous
// cancellation acts after the lock was given back.
#ifndef RB_REAL_MUTEX_H
#define RB_REAL_MUTEX_H

#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

// Zero-initialized: free.
struct rb_mutex {
    _Atomic uint32_t word;
    _Atomic uint32_t turn,
        sleepers; // threads that wait without priority inheritance: incremented to wake one; how many
};

enum rb_mutex_result {
    RB_MUTEX_REFUSED,   // the caller does not hold the lock
    RB_MUTEX_TAKEN,     // the caller holds the lock
    RB_MUTEX_TAKEN_OVER // the same, but the thread that held the lock ended, or left by longjmp from the handler of a
                        // fault. It may have left a change half done
};

// Takes the lock and waits for it if necessary. *saved receives the signal mask for rb_mutex_give.
// Returns RB_MUTEX_REFUSED in the handler of a fault that happened while this thread held the lock, and when the kernel
// refuses to block the signals; then the signal mask is unchanged. Async-signal-safe, no cancellation point, keeps
// errno. Only for threads of the process that owns the memory: the caller excludes children of vfork.
enum rb_mutex_result rb_mutex_take(struct rb_mutex *mutex, sigset_t *saved);

// The same, but returns RB_MUTEX_REFUSED at once when a living thread holds the lock.
enum rb_mutex_result rb_mutex_try(struct rb_mutex *mutex, sigset_t *saved);

// Gives the lock back and restores the signal mask. Keeps errno. If the lock was held across a fork, the child gives it
// back too.
void rb_mutex_give(struct rb_mutex *mutex, const sigset_t *saved);

// Makes the lock free, whoever holds it. For a forked child, whose other threads do not exist.
void rb_mutex_reset(struct rb_mutex *mutex);

#endif

// SPDX-License-Identifier: MIT
// For net/park and wire. What the replaced waits share: the program's wait is made in slices, one for each call to the
// kernel.
#ifndef RB_NET_PARK_PERIOD_H
#define RB_NET_PARK_PERIOD_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

enum { RB_PERIOD_MS = 1000000, RB_PERIOD_SECOND = 1000000000 }; // in nanoseconds

#define RB_PERIOD_NEVER UINT64_MAX // the deadline of a wait without limit

// A copy of the program's arrays: on the stack if small, otherwise in pages from the kernel. These pages leak if the
// program leaves the wait by longjmp, or if another thread installs a seccomp filter during the wait.
struct rb_period_space {
    void *at;
    size_t size; // 0 if the copy is on the stack
};

// Returns memory of `size` bytes in *space: `small`, or pages from the kernel if small_size is less. Returns false
// without memory.
bool rb_period_take_space(struct rb_period_space *space, void *small, size_t small_size, size_t size);
void rb_period_give_space(const struct rb_period_space *space);

// The end of a program's wait.
struct rb_period_end {
    uint64_t until; // the deadline
    int only;       // the only descriptor of a wait that can be the program's own limit for a connect; -1: none
};

// The shortest wait that counts as the program's own limit for a connect. Shorter waits are ticks of a loop.
enum { RB_PERIOD_LIMIT_MS = 300 };

// True when a wait with this timeout, which the kernel accepts, can be the program's own limit.
bool rb_period_is_limit(const struct timespec *timeout);

// Deadlines are on the clock of rb_system_now_ns. NULL waits without limit.
uint64_t rb_period_deadline(uint64_t began, const struct timespec *timeout);
bool rb_period_is_over(uint64_t until);

// True when the wait must look for events again: its deadline has not passed, or a connect was given up just now
// because the deadline has passed.
bool rb_period_goes_on(const struct rb_period_end *end);

// The time from `now` to `end` in the same unit. RB_PERIOD_NEVER stays RB_PERIOD_NEVER.
uint64_t rb_period_left(uint64_t end, uint64_t now);

// Makes the attempts that are due. Gives the only connect up if the wait ends before its next attempt is due. Returns
// the timeout of the next call to the kernel: until the program's deadline or the next attempt. The two use different
// clocks: the clock of the attempts also runs while the machine is suspended.
const struct timespec *rb_period_next(const struct rb_period_end *end, struct timespec *out);

// Shortens the timeout of a call to the kernel in which a parked connect is hidden, so that the call ends when an
// attempt is due. Returns `timeout` or `out`, which may be the same.
//   due_ms: rb_due_next_ms, read under the lock under which the connect was seen to be parked. Without the lock another
//     thread could be making the attempt, and the time of the next one would be missed
const struct timespec *rb_period_shorten(const struct timespec *timeout, uint64_t due_ms, struct timespec *out);

// True when the kernel accepts this timeout.
bool rb_period_is_time(const struct timespec *timeout);

// Signals are blocked between two calls to the kernel. A signal that arrives there interrupts the next call, as it
// would have interrupted the single long wait. During the call, the program's mask is in force. So a handler that
// leaves by siglongjmp and a cancellation leave no signal blocked. There are two exceptions, in which the cleanup
// handlers of a cancelled thread run with these signals blocked: the thread is cancelled between two calls, or glibc is
// 2.41 or newer, where a cancellation acts after the call of the kernel has returned.
struct rb_period_signals {
    sigset_t own;
    bool blocked;
    const sigset_t *within; // the signal mask during the calls to the kernel
};

// Acts on a pending cancellation, then blocks the signals. mask: the program's mask for the wait, or NULL.
// rb_period_restore_signals ends this.
void rb_period_block_signals(struct rb_period_signals *signals, const sigset_t *mask);
void rb_period_restore_signals(const struct rb_period_signals *signals);

// Returns true if the program has a seccomp filter, which may allow no other system call than the one of the program's
// own wait. Then the rest of the wait must be made by that call, and the signals are restored.
//   mask: as for rb_period_block_signals
bool rb_period_is_filtered(struct rb_period_signals *signals, const sigset_t *mask);

#endif

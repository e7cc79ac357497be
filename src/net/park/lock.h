// SPDX-License-Identifier: MIT
// Private to net/park. The lock of the connects in flight: it protects the table of flights, their due times and the
// index of epoll registrations.
//
// Rules:
//   - A function that needs the lock ends in `_locked`. Such a function never takes the lock.
//   - The lock is held for a few system calls that cannot block, never across a wait or a cancellation point.
//   - A thread waits for the lock as long as necessary, because a call that continued without it could give the program
//     a wrong answer. real/mutex.h describes the wait, the blocked signals, and what happens when the holder ends.
//   - A process that does not own the table (a vfork child) never gets the lock, and neither does a process with a
//   seccomp filter of its own: taking the lock makes system calls.
//   - Words that are read without the lock are atomic: the state of a flight, the slot of a descriptor, the
//   registrations
//     (struct rb_watch), rb_descriptor_flights, rb_due_next_ms and rb_change_count. Such an answer may be outdated.
#ifndef RB_NET_PARK_LOCK_H
#define RB_NET_PARK_LOCK_H

#include <signal.h>
#include <stdbool.h>

// Takes the lock. *saved receives the signal mask for rb_lock_give. Returns false in a vfork child, in a process with a
// seccomp filter of its own, and in the handler of a fault that happened while this thread held the lock; then the
// caller must change nothing. Both functions keep errno.
//
// A fork is made with the lock held, so that the child gets a consistent table. Parent and child each call
// rb_lock_give.
bool rb_lock_take(sigset_t *saved);
void rb_lock_give(const sigset_t *saved);

// True in the process that owns the tables; false in a vfork child and in a child that was made without fork(3). False
// also in a process with a seccomp filter of its own; otherwise makes a system call.
bool rb_lock_is_ours(void);

#endif

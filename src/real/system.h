// SPDX-License-Identifier: MIT
// Clock, random numbers, sleep, memory and signals, independent of interposed libc functions.
#ifndef RB_REAL_SYSTEM_H
#define RB_REAL_SYSTEM_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Milliseconds on CLOCK_BOOTTIME: monotonic, continues during suspend, and the same for all processes of a host. The
// offset of a time namespace is subtracted; it is read from /proc on the first call in a process.
uint64_t rb_system_now_ms(void);

// Call in the child after fork: the child's time namespace may differ from its parent's.
void rb_system_clock_forked(void);

// Nanoseconds on CLOCK_MONOTONIC, the clock of poll and select timeouts.
uint64_t rb_system_now_ns(void);

// CLOCK_MONOTONIC in milliseconds with a resolution of a few milliseconds, at a quarter of the cost. For limits such as
// "once a second".
uint64_t rb_system_coarse_ms(void);

// A hash of the kernel's boot id, the same in all containers of a host. Boot clocks restart when it changes. 0:
// unknown.
uint64_t rb_system_boot(void);

// Seconds since 1970 by libc, for dates in headers; and milliseconds since 1970 by the kernel, for events.
int64_t rb_system_unix_s(void);
uint64_t rb_system_unix_ms(void);

// A uniform random number. Not for secrets. Takes no lock and makes no system call for seeding after the thread's first
// use.
uint32_t rb_system_random(void);

// Waits for `ms` even if signals arrive. For code inside libcurl calls and lookups, which also continue after signals.
// A cancellation point, as those are. Changes errno. Returns at once if the program has a seccomp filter of its own.
void rb_system_sleep(uint64_t ms);

// Allocates the blocks of a new file, so that a write to its mapping cannot fail on a full file system. Writes zeros if
// the file system does not support fallocate. Leaves the file offset at 0.
//   size: in bytes
// Returns 0 or a negative errno.
int rb_system_allocate(int fd, uint64_t size);

// Blocks the thread's signals, except those that its own faults raise: a blocked fault signal ends the program, and so
// does a blocked SIGSYS in a sandbox that handles system calls with it. The signals that libc uses itself also stay
// unblocked. Returns false on failure; then nothing is blocked. Keeps errno.
bool rb_system_block_signals(sigset_t *saved);
// True for the signals that libc uses itself: the first real-time signals, for thread cancellation and to change the
// user id of all threads.
bool rb_system_is_signal_of_libc(int number);
// The same for a thread that takes a lock (real/mutex.h): also blocks SIGABRT, and the signal of pthread_cancel, so
// that an asynchronous cancellation waits until the mask is restored.
bool rb_system_block_for_lock(sigset_t *saved);
// True when the signal mask blocks the signal of pthread_cancel. libc does not let a program block this signal.
bool rb_system_blocks_cancellation(const sigset_t *mask);
// Restores the signal mask that one of these functions saved. Keeps errno.
void rb_system_restore_signals(const sigset_t *saved);
// The same with the kernel's signal set, because libc's takes 128 bytes of stack.
bool rb_system_hold_signals(uint64_t *saved);
void rb_system_release_signals(uint64_t saved);

// The number in a file of one number, such as a setting in /proc/sys. 0: it cannot be read. Async-signal-safe.
uint64_t rb_system_setting(const char *path);

// A field of /proc/self/statm in bytes (proc(5)). 0: unknown.
uint64_t rb_system_used(unsigned field, uint64_t page_size);

// The pid, read from the kernel, so that it is right in a vfork child.
int rb_system_pid(void);

// The start time of a process in clock ticks since boot (proc(5), field 22 of stat), without the offset of a time
// namespace. 0: unknown, or the process has ended.
//   process: its pid in decimal, or "self"
uint64_t rb_system_start_ticks(const char *process);

#endif

// SPDX-License-Identifier: MIT
// Clock, dice and sleep: what the pure engine gets from outside.
#ifndef RB_REAL_SYSTEM_H
#define RB_REAL_SYSTEM_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Milliseconds on CLOCK_BOOTTIME: monotonic, goes on through suspend, the same for all processes of a host. In a time
// namespace too: what the namespace adds is taken off. Its offset is read from /proc with the first call of a process.
uint64_t rb_system_now_ms(void);

// To be called in a child after fork: its time namespace may be another one than its parent's.
void rb_system_clock_forked(void);

// Nanoseconds on CLOCK_MONOTONIC, as time-outs of waits count.
uint64_t rb_system_now_ns(void);

// The same to the nearest few milliseconds, at a quarter of the cost; only for "once a second" decisions.
uint64_t rb_system_coarse_ms(void);

// A number for this start of the kernel, the same in all containers: clocks since boot begin anew with it. 0: not
// known.
uint64_t rb_system_boot(void);

// Seconds since 1970, for dates in headers; and milliseconds, for events.
int64_t rb_system_unix_s(void);
uint64_t rb_system_unix_ms(void);

// A uniform random number. Not for secrets. No lock, no system call after the thread's first use.
uint32_t rb_system_random(void);

// Waits as a blocking connect(2) waits: a signal whose handler has SA_RESTART does not end it, another one does.
// Not a cancellation point: nothing could give the timer back. Holds one descriptor while it waits.
// Returns 0, -EINTR, or the negative errno of timerfd_create (-EMFILE, ...).
int rb_system_wait_restartable(uint64_t ms);

// Waits out `ms` whatever signals arrive. For code inside libcurl calls, which swallow signals as well, and for
// lookups. A cancellation point, as those are. Changes errno.
void rb_system_sleep(uint64_t ms);

// Zeroed memory straight from the kernel, NULL when there is none; async-signal-safe. Keeps errno.
void *rb_system_memory(size_t size);
// The same, shared with the children that fork makes.
void *rb_system_memory_shared(size_t size);
// The same for this process alone, in the place of what is mapped there. False: there is none, nothing is changed.
bool rb_system_memory_over(void *mapping, size_t size);
void rb_system_memory_free(void *memory, size_t size);

// Takes the space of a new file, so that a write to its mapping cannot meet a full file system. Writes zeros where the
// file system has no call for that; leaves the file's position at the start.
//   size: in bytes
// Returns 0 or a negative errno.
int rb_system_allocate(int fd, uint64_t size);

// Blocks the thread's signals, but not those that a fault of its own raises: blocked, they would end the program, and a
// sandbox that answers system calls by SIGSYS would do so, too. False: refused, nothing is blocked. Keeps errno.
bool rb_system_block_signals(sigset_t *saved);
// Sets the thread's blocked signals again, to what the function above saved. Keeps errno.
void rb_system_restore_signals(const sigset_t *saved);

// True for what no program maps, NULL too: the kernel answers EFAULT where reading it here would crash. For where a
// system call for each pointer is too much: other bad ones are not found.
static inline bool rb_system_is_wild(const void *memory)
{
    enum { PAGE = 4096 };
    return (uintptr_t) memory < PAGE || (uintptr_t) memory > UINTPTR_MAX - PAGE;
}

// True when the kernel can read all of this memory of the program's, so that a copy does not crash. Keeps errno.
bool rb_system_can_read(const void *memory, size_t size);

// The process's number, from the kernel: right in a vfork child, too.
int rb_system_pid(void);

// When a process began, in clock ticks since boot (proc(5), field 22 of its stat) by the host's clock; 0: not known, or
// gone.
//   process: its number, or "self"
uint64_t rb_system_start_ticks(const char *process);

#endif

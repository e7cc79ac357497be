// SPDX-License-Identifier: MIT
// Futexes with priority inheritance, by system calls of our own.
#include "real/mutex.h"

#include <errno.h>
#include <linux/futex.h>

#include "real/clock.h"
#include "real/kernel.h"
#include "real/system.h"

enum {
    NANOSECONDS_PER_MS = 1000000,
    LOOK_MS = 20, // without priority inheritance: how often a waiting thread checks whether the holder still exists
    KERNEL_S = 1  // with it: how long one call waits. A sandbox may refuse only the holder's call that passes it on
};

static const struct rb_kernel_time ONE_MS = {0, NANOSECONDS_PER_MS}, LOOK = {0, LOOK_MS *NANOSECONDS_PER_MS};

static bool replace(struct rb_mutex *mutex, uint32_t from, uint32_t to)
{
    return atomic_compare_exchange_strong_explicit(&mutex->word, &from, to, memory_order_acquire, memory_order_relaxed);
}

static long futex(_Atomic uint32_t *word, int operation, uint32_t value, const struct rb_kernel_time *timeout)
{
    return rb_kernel(SYS_futex, word, operation | FUTEX_PRIVATE_FLAG, value, timeout, NULL, 0);
}

// True when the holder has ended and the kernel does not pass the lock on.
static bool is_dead(uint32_t word)
{
    return !(word & FUTEX_WAITERS) && rb_kernel(SYS_tgkill, rb_system_pid(), word & FUTEX_TID_MASK, 0) == -ESRCH;
}

// This thread holds the lock already. The signal of pthread_cancel is blocked only while a lock is held, and libc does
// not let the program block it. So if it was not blocked, the function that took the lock was left by longjmp.
static enum rb_mutex_result take_again(const sigset_t *saved)
{
    return rb_system_blocks_cancellation(saved) ? RB_MUTEX_REFUSED : RB_MUTEX_TAKEN_OVER;
}

// Waits a short time for the holder to give the lock back.
static void wait_without_inheritance(struct rb_mutex *mutex, uint32_t word)
{
    uint32_t turn = atomic_load(&mutex->turn);
    long result = 0;
    atomic_fetch_add(&mutex->sleepers, 1);
    if (atomic_load(&mutex->word) == word)
        result = futex(&mutex->turn, FUTEX_WAIT, turn, &LOOK);
    atomic_fetch_sub(&mutex->sleepers, 1);
    if (result != 0 && result != -EAGAIN && result != -EINTR && result != -ETIMEDOUT)
        rb_kernel(SYS_nanosleep, &ONE_MS, NULL); // a sandbox refuses this call too
}

// Lets the kernel take the lock for this thread. Returns true when this thread holds it.
//   word: the lock's word, with a holder
//   dead: set when the holder has ended
static bool ask_kernel(struct rb_mutex *mutex, uint32_t word, bool *dead)
{
    struct rb_kernel_time limit = {0, 0};
    rb_clock_read(CLOCK_REALTIME, &limit); // the clock of FUTEX_LOCK_PI
    limit.seconds += KERNEL_S;
    long result = futex(&mutex->word, FUTEX_LOCK_PI, 0, &limit);
    switch (result) {
    case 0: // FUTEX_OWNER_DIED: the kernel passed the lock on because the holder ended
        word = atomic_fetch_and_explicit(&mutex->word, ~(uint32_t) FUTEX_OWNER_DIED, memory_order_acquire);
        *dead = word & FUTEX_OWNER_DIED;
        return true;
    case -ESRCH:
        *dead = true;
        break;
    case -EAGAIN:  // the holder is ending
    case -EINVAL:  // the holder has ended, and the thread to which the kernel gave the lock has not run yet
    case -EDEADLK: // the holder waits for a lock of the program that this thread holds
        rb_kernel(SYS_nanosleep, &ONE_MS, NULL);
        break;
    case -EINTR:
    case -ETIMEDOUT:
        break;
    default: // the kernel, an emulator or a sandbox refuses futexes with priority inheritance
        *dead = is_dead(word);
        if (!*dead)
            wait_without_inheritance(mutex, word);
        break;
    }
    return false;
}

// The lock was not free at first.
static enum rb_mutex_result wait_for(struct rb_mutex *mutex, uint32_t self, const sigset_t *saved)
{
    for (;;) {
        bool dead = false;
        uint32_t word = atomic_load(&mutex->word), holder = word & FUTEX_TID_MASK;
        if (holder == self)
            return take_again(saved);
        if (word == 0) {
            if (replace(mutex, 0, self))
                return RB_MUTEX_TAKEN;
            continue;
        }
        if (ask_kernel(mutex, word, &dead))
            return dead ? RB_MUTEX_TAKEN_OVER : RB_MUTEX_TAKEN;
        word = atomic_load(&mutex->word);
        if (dead && (word & FUTEX_TID_MASK) == holder && replace(mutex, word, self))
            return RB_MUTEX_TAKEN_OVER;
    }
}

static enum rb_mutex_result begin(struct rb_mutex *mutex, uint32_t *self, sigset_t *saved)
{
    if (!rb_system_block_for_lock(saved))
        return RB_MUTEX_REFUSED;
    *self = (uint32_t) rb_kernel(SYS_gettid);
    return replace(mutex, 0, *self) ? RB_MUTEX_TAKEN : RB_MUTEX_REFUSED;
}

enum rb_mutex_result rb_mutex_take(struct rb_mutex *mutex, sigset_t *saved)
{
    uint32_t self = 0;
    enum rb_mutex_result result = begin(mutex, &self, saved);
    if (result != RB_MUTEX_REFUSED || !self)
        return result;
    result = wait_for(mutex, self, saved);
    if (result == RB_MUTEX_REFUSED)
        rb_system_restore_signals(saved);
    return result;
}

enum rb_mutex_result rb_mutex_try(struct rb_mutex *mutex, sigset_t *saved)
{
    uint32_t self = 0;
    enum rb_mutex_result result = begin(mutex, &self, saved);
    if (result != RB_MUTEX_REFUSED || !self)
        return result;
    uint32_t word = atomic_load(&mutex->word);
    if ((word & FUTEX_TID_MASK) == self)
        result = take_again(saved);
    else if (word != 0 && is_dead(word) && replace(mutex, word, self))
        result = RB_MUTEX_TAKEN_OVER;
    if (result == RB_MUTEX_REFUSED)
        rb_system_restore_signals(saved);
    return result;
}

// The word has the thread id of this thread, or of its parent if the lock was held across a fork.
void rb_mutex_give(struct rb_mutex *mutex, const sigset_t *saved)
{
    uint32_t holder = atomic_load_explicit(&mutex->word, memory_order_relaxed) & FUTEX_TID_MASK;
    if (!atomic_compare_exchange_strong(&mutex->word, &holder, 0)) {
        atomic_fetch_and(&mutex->word, ~(uint32_t) FUTEX_OWNER_DIED);
        if (futex(&mutex->word, FUTEX_UNLOCK_PI, 0, NULL) != 0)
            atomic_store(&mutex->word, 0);
    }
    if (atomic_load(&mutex->sleepers) > 0) {
        atomic_fetch_add(&mutex->turn, 1);
        futex(&mutex->turn, FUTEX_WAKE, 1, NULL);
    }
    rb_system_restore_signals(saved);
}

void rb_mutex_reset(struct rb_mutex *mutex)
{
    atomic_store(&mutex->word, 0);
    atomic_store(&mutex->sleepers, 0);
}

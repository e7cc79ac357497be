// SPDX-License-Identifier: MIT
// Time, signals and copies of the program's arrays in replaced waits.
#include "net/park/period.h"

#include "base/arithmetic.h"
#include "net/park/life.h"
#include "real/memory.h"
#include "real/pages.h"
#include "real/pause.h"
#include "real/sandbox.h"
#include "real/system.h"

bool rb_period_take_space(struct rb_period_space *space, void *small, size_t small_size, size_t size)
{
    *space = (struct rb_period_space){.at = small};
    if (size <= small_size)
        return true;
    space->at = rb_pages_memory(size);
    space->size = size;
    return space->at != NULL;
}

void rb_period_give_space(const struct rb_period_space *space)
{
    if (space->size && space->at && !rb_sandbox_is_filtered())
        rb_pages_memory_free(space->at, space->size);
}

uint64_t rb_period_deadline(uint64_t began, const struct timespec *timeout)
{
    uint64_t seconds = timeout ? (uint64_t) timeout->tv_sec : 0;
    if (!timeout || seconds > RB_PERIOD_NEVER / RB_PERIOD_SECOND / 2)
        return RB_PERIOD_NEVER;
    return began + seconds * RB_PERIOD_SECOND + (uint64_t) timeout->tv_nsec;
}

bool rb_period_is_over(uint64_t until)
{
    return until != RB_PERIOD_NEVER && rb_system_now_ns() >= until;
}

bool rb_period_is_limit(const struct timespec *timeout)
{
    return timeout && (timeout->tv_sec > 0 || timeout->tv_nsec >= (long) RB_PERIOD_LIMIT_MS * RB_PERIOD_MS);
}

bool rb_period_goes_on(const struct rb_period_end *end)
{
    return !rb_period_is_over(end->until) || (end->only >= 0 && rb_life_before_end(end->only, 0) == 0);
}

uint64_t rb_period_left(uint64_t end, uint64_t now)
{
    return end == RB_PERIOD_NEVER ? RB_PERIOD_NEVER : end > now ? end - now : 0;
}

const struct timespec *rb_period_next(const struct rb_period_end *end, struct timespec *out)
{
    uint64_t now_ms = rb_system_now_ms(), next_ms = rb_period_left(rb_life_tick(now_ms), now_ms);
    uint64_t left = rb_period_left(end->until, rb_system_now_ns());
    if (end->only >= 0)
        next_ms = rb_arithmetic_min(next_ms, rb_life_before_end(end->only, left / RB_PERIOD_MS));
    if (next_ms < left / RB_PERIOD_MS)
        left = next_ms * RB_PERIOD_MS;
    if (left == RB_PERIOD_NEVER)
        return NULL;
    *out = (struct timespec){.tv_sec = (time_t) (left / RB_PERIOD_SECOND), .tv_nsec = (long) (left % RB_PERIOD_SECOND)};
    return out;
}

const struct timespec *rb_period_shorten(const struct timespec *timeout, uint64_t due_ms, struct timespec *out)
{
    uint64_t left_ms = rb_period_left(due_ms, rb_system_now_ms());
    uint64_t timeout_ms = rb_period_deadline(0, timeout) / RB_PERIOD_MS;
    if (due_ms == RB_PERIOD_NEVER || left_ms >= timeout_ms)
        return timeout;
    *out = (struct timespec){.tv_sec = (time_t) (left_ms / 1000), .tv_nsec = (long) (left_ms % 1000) * RB_PERIOD_MS};
    return out;
}

bool rb_period_is_time(const struct timespec *timeout)
{
    return !timeout || (rb_memory_is_readable(timeout, sizeof(*timeout)) && timeout->tv_sec >= 0 &&
                        timeout->tv_nsec >= 0 && timeout->tv_nsec < RB_PERIOD_SECOND);
}

void rb_period_block_signals(struct rb_period_signals *signals, const sigset_t *mask)
{
    rb_pause_test_cancel(); // a pending cancellation would act in the next call of libc, with all signals blocked
    signals->blocked = !rb_sandbox_is_filtered() && rb_system_block_signals(&signals->own);
    signals->within = mask || !signals->blocked ? mask : &signals->own;
}

void rb_period_restore_signals(const struct rb_period_signals *signals)
{
    if (signals->blocked)
        rb_system_restore_signals(&signals->own);
}

bool rb_period_is_filtered(struct rb_period_signals *signals, const sigset_t *mask)
{
    if (!rb_sandbox_is_filtered())
        return false;
    rb_period_restore_signals(signals);
    *signals = (struct rb_period_signals){.within = mask};
    return true;
}

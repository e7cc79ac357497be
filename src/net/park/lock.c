// SPDX-License-Identifier: MIT
// The lock of the connects in flight.
#include "net/park/lock.h"

#include "net/park/due.h"
#include "real/fork.h"
#include "real/mutex.h"
#include "real/sandbox.h"
#include "real/system.h"

static struct rb_mutex mutex;

bool rb_lock_is_ours(void)
{
    return !rb_sandbox_is_filtered() && rb_fork_owns(rb_system_pid());
}

bool rb_lock_take(sigset_t *saved)
{
    if (!rb_lock_is_ours())
        return false;
    enum rb_mutex_result result = rb_mutex_take(&mutex, saved);
    if (result == RB_MUTEX_TAKEN_OVER)
        rb_due_repair_locked();
    if (result != RB_MUTEX_REFUSED && rb_sandbox_is_filtered()) { // another thread has ended all flights meanwhile
        rb_mutex_give(&mutex, saved);
        result = RB_MUTEX_REFUSED;
    }
    return result != RB_MUTEX_REFUSED;
}

void rb_lock_give(const sigset_t *saved)
{
    rb_mutex_give(&mutex, saved);
}

// SPDX-License-Identifier: MIT
// The table of hosts for start.wait, and the start of the process.
#include "process/starting.h"

#include <string.h>
#include <strings.h>
#include <sys/utsname.h>

#include "base/arithmetic.h"
#include "real/clock.h"
#include "real/elf.h"
#include "real/kernel.h"
#include "real/pause.h"
#include "real/sandbox.h"
#include "real/section.h"
#include "real/system.h"
#include "state/cells.h"

static struct rb_absent hosts;
static RB_START_DATA struct rb_kernel_time begun; // on CLOCK_BOOTTIME

// Not a system call: a filter that the process has inherited may not allow it.
RB_START_CODE void rb_starting_load(void)
{
    rb_clock_read(CLOCK_BOOTTIME, &begun);
}

bool rb_starting_covers(const struct rb_section *section, const struct rb_target *target)
{
    return !section->wide || rb_target_is_near(target);
}

// True for a lookup of this machine's own name. This machine has started. Many programs look up its name, and continue
// without an answer.
static __attribute__((noinline)) bool is_own_name(const struct rb_target *target)
{
    struct utsname system;
    size_t length = target->name_length;
    if (!target->name || target->port > 0 || target->family == AF_UNIX)
        return false;
    if (length > 0 && target->name[length - 1] == '.')
        length--;
    return rb_kernel(SYS_uname, &system) == 0 && length == strlen(system.nodename) &&
           strncasecmp(target->name, system.nodename, length) == 0;
}

static __attribute__((noinline)) void starting_find(struct rb_call *call, const struct rb_section *section,
                                                    const struct rb_target *target)
{
    struct rb_kernel_time now = begun;
    rb_clock_read(CLOCK_BOOTTIME, &now);
    int64_t age_ns = (int64_t) (now.seconds - begun.seconds) * 1000000000 + (now.nanoseconds - begun.nanoseconds);
    uint64_t age = age_ns > 0 ? (uint64_t) age_ns / 1000000 : 0, wait_ms = section->rules.start_wait_ms;
    if (age >= wait_ms || !rb_starting_covers(section, target) || (section->wide && is_own_name(target)))
        return;
    struct rb_absent_host *host = rb_absent_find(&hosts, rb_cell_host(target));
    if (!host || atomic_load(&host->succeeded))
        return;
    atomic_store(&host->until_ms, rb_arithmetic_add(rb_system_now_ms(), wait_ms - age));
    if (target->name && target->port > 0) {
        struct rb_target bare = *target;
        bare.port = 0;
        struct rb_absent_host *name = rb_absent_find(&hosts, rb_cell_host(&bare));
        if (name)
            rb_absent_continue(name, host);
    }
    call->start = host;
}

// The threads in rb_starting_wait, by their pthread_t. A thread that is cancelled there stays in the table until a
// thread with the same pthread_t takes its place. A thread without a place is not known to wait.
enum { WAITING = 16 };
static _Atomic uintptr_t waiting[WAITING];
static _Atomic bool any_waiting; // a thread has waited, perhaps long ago
static _Atomic bool ending;

typedef pthread_t self_fn(void);

bool rb_starting_wait(void)
{
    enum { STEP_MS = 50 };
    int waited = 0;
    self_fn *function = (self_fn *) rb_elf_libc("pthread_self");
    uintptr_t self = function ? (uintptr_t) function() : 0, there = 0;
    _Atomic uintptr_t *place = waiting;
    atomic_store_explicit(&any_waiting, true, memory_order_relaxed);
    while (place < waiting + WAITING && !atomic_compare_exchange_strong(place, &there, self) && there != self) {
        place++;
        there = 0;
    }
    for (int ms = 0; ms < RB_ABSENT_EVERY_MS && waited == 0 && !atomic_load(&ending); ms += STEP_MS)
        waited = rb_pause_wait(STEP_MS, RB_PAUSE_CANCELS);
    if (place < waiting + WAITING)
        atomic_store(place, 0);
    return waited == 0 && !atomic_load(&ending) && !rb_sandbox_is_filtered();
}

bool rb_starting_holds(pthread_t thread)
{
    if (!atomic_load_explicit(&any_waiting, memory_order_relaxed))
        return false;
    for (unsigned i = 0; i < WAITING; i++)
        if (atomic_load(&waiting[i]) == (uintptr_t) thread)
            return true;
    return false;
}

void rb_starting_end(void)
{
    atomic_store(&ending, true);
}

void rb_starting_begin(struct rb_call *call, const struct rb_section *section, const struct rb_target *target)
{
    if (section->rules.start_wait_ms > 0)
        starting_find(call, section, target);
}

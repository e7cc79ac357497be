// SPDX-License-Identifier: MIT
// Attaching, looking after the mapping, and who we are in it.
#include "state/shared.h"

#include <errno.h>

#include "policy/file.h"
#include "policy/policy.h"
#include "real/fork.h"
#include "real/kernel.h"
#include "real/system.h"
#include "state/names.h"

enum { LOOK_EVERY_MS = 10, SIGN_EVERY_MS = 1000, TABLE_NEIGHBOURS = 16, MAKE_TURNS = 4 };

// Nothing, being attached by the process whose pid is in the upper half, or there.
enum { PHASE_NONE, PHASE_BUSY, PHASE_READY, PHASE_NOT };
static _Atomic uint64_t phase;

static struct rb_state current; // written once, before PHASE_READY
static _Atomic bool shared;     // not our own memory
static char path[RB_POLICY_PATH_SIZE];
static struct rb_file_identity attached; // the file at `path` when it was mapped
static _Atomic bool missed;              // it is not there any more

static rb_shared_settings_fn *find_settings;
static rb_shared_trouble_fn *tell_trouble;

static _Atomic uint64_t looked_ms, signed_ms;
static _Atomic uint64_t self; // 0: not known
static _Atomic uint32_t place;

void rb_shared_start(rb_shared_settings_fn *settings, rb_shared_trouble_fn *trouble)
{
    find_settings = settings;
    tell_trouble = trouble;
}

// ---- who we are ----

uint64_t rb_shared_self(void)
{
    enum { PID_MASK = (1 << RB_PROCESS_PID_BITS) - 1 };
    uint64_t known = atomic_load_explicit(&self, memory_order_relaxed), pid = (uint64_t) rb_system_pid() & PID_MASK;
    if ((known & PID_MASK) == pid)
        return known;
    known = rb_system_start_ticks("self") << RB_PROCESS_PID_BITS | pid;
    atomic_store_explicit(&self, known, memory_order_relaxed);
    return known;
}

static uint64_t mix(uint64_t word)
{
    word *= UINT64_C(0x9e3779b97f4a7c15);
    return word ^ word >> 32;
}

// Threads differ by the address of their own variables, forked processes by their pid.
unsigned rb_shared_stripe(void)
{
    static __thread char mine;
    uint64_t word = (uintptr_t) &mine ^ atomic_load_explicit(&self, memory_order_relaxed);
    return (unsigned) (mix(word) % RB_STATE_STRIPES);
}

// A place near the one that the hash names. Where all are taken the first one gives way: whoever lives comes back with
// its next look.
static void sign_in(const struct rb_state *state)
{
    uint64_t me = rb_shared_self(), first = mix(me);
    uint32_t at = atomic_load_explicit(&place, memory_order_relaxed);
    if (atomic_load_explicit(&state->processes[at % RB_STATE_PROCESSES], memory_order_relaxed) == me)
        return;
    for (unsigned i = 0; i < TABLE_NEIGHBOURS; i++) {
        uint64_t nobody = 0;
        at = (uint32_t) ((first + i) % RB_STATE_PROCESSES);
        if (atomic_compare_exchange_strong(&state->processes[at], &nobody, me) || nobody == me) {
            atomic_store_explicit(&place, at, memory_order_relaxed);
            return;
        }
    }
    at = (uint32_t) (first % RB_STATE_PROCESSES);
    atomic_store_explicit(&state->processes[at], me, memory_order_relaxed);
    atomic_store_explicit(&place, at, memory_order_relaxed);
}

// In a child: its first call looks, and signs in.
static void forked(void)
{
    atomic_store_explicit(&looked_ms, 0, memory_order_relaxed);
    atomic_store_explicit(&signed_ms, 0, memory_order_relaxed);
    rb_system_clock_forked();
}

// ---- attaching ----

static void complain(enum rb_store_error error)
{
    if (tell_trouble)
        tell_trouble(path, error);
}

// A file on a disk outlives the system whose clock it speaks of.
static void mind_the_boot(const struct rb_state *state)
{
    uint64_t now = rb_system_boot(), then = atomic_load(&state->header->boot);
    if (now == 0 || then == now || !atomic_compare_exchange_strong(&state->header->boot, &then, now))
        return;
    for (unsigned i = 0; i < RB_STATE_PROCESSES; i++)
        atomic_store(&state->processes[i], 0);
    rb_state_forget(state, (uint64_t) rb_system_unix_s());
}

// After the file is made, all names are looked at again from the first one on: another process may have made the file
// at an earlier name. A file that is removed before it is opened is made again, a few times.
static enum rb_store_error open_or_make(struct rb_store_file *file, const struct rb_shared_settings *settings)
{
    enum rb_store_error error = RB_STORE_ABSENT;
    for (unsigned turn = 0; turn < MAKE_TURNS && error == RB_STORE_ABSENT; turn++) {
        error = rb_store_open(file, settings->state, rb_kernel_euid(), true, path, sizeof path);
        if (error == RB_STORE_ABSENT && rb_store_make(path, settings->cells) != RB_STORE_SOUND)
            return RB_STORE_DENIED;
    }
    return error;
}

static enum rb_store_error attach_file(const struct rb_shared_settings *settings)
{
    struct rb_store_file file;
    enum rb_store_error error = open_or_make(&file, settings);
    if (error != RB_STORE_SOUND)
        return error;
    error = rb_store_map_file(&current, &file, true);
    rb_store_close(&file);
    return error;
}

static bool attach(void)
{
    struct rb_shared_settings settings = {.state = "private", .cells = RB_CELLS_DEFAULT};
    if (find_settings)
        settings = find_settings();
    bool wanted = rb_store_path(settings.state, rb_kernel_euid(), path, sizeof path);
    enum rb_store_error error = wanted ? attach_file(&settings) : RB_STORE_SOUND;
    bool there = wanted && error == RB_STORE_SOUND;
    atomic_store(&shared, there);
    if (error != RB_STORE_SOUND)
        complain(error);
    if (there) {
        rb_file_identify(path, &attached);
        mind_the_boot(&current);
    }
    return there || rb_store_private(&current, settings.cells);
}

// Attaching may have been left by a fork in the middle of it, in the parent: the child takes it over.
static const struct rb_state *attach_once(void)
{
    uint64_t seen = atomic_load_explicit(&phase, memory_order_acquire);
    uint64_t busy = (uint64_t) rb_system_pid() << 32 | PHASE_BUSY;
    int saved = errno;
    if (seen == PHASE_READY)
        return &current;
    if (seen == PHASE_NOT || seen == busy || !atomic_compare_exchange_strong(&phase, &seen, busy))
        return NULL;
    bool done = attach();
    if (done)
        sign_in(&current);
    rb_fork_notify(NULL, forked);
    atomic_store_explicit(&phase, done ? PHASE_READY : PHASE_NOT, memory_order_release);
    errno = saved;
    return done ? &current : NULL;
}

const struct rb_state *rb_shared_attached(void)
{
    return atomic_load_explicit(&phase, memory_order_acquire) == PHASE_READY ? &current : NULL;
}

// ---- looking after it ----

static bool every(_Atomic uint64_t *last_ms, uint64_t now_ms, uint64_t period_ms)
{
    uint64_t last = atomic_load_explicit(last_ms, memory_order_relaxed);
    return now_ms - last >= period_ms && atomic_compare_exchange_strong(last_ms, &last, now_ms);
}

static void look_at_mapping(void)
{
    if (!atomic_load_explicit(&shared, memory_order_relaxed) || rb_store_is_whole(&current))
        return;
    atomic_store(&shared, false);
    if (rb_store_replace(&current))
        complain(RB_STORE_DAMAGED);
}

// A file that is gone, or another one now, stays with those who have it mapped. (In a program that changed its root
// the path leads nowhere, too.)
static void look_at_path(void)
{
    struct rb_file_identity now;
    if (!atomic_load_explicit(&shared, memory_order_relaxed) || atomic_load_explicit(&missed, memory_order_relaxed))
        return;
    bool same = rb_file_identify(path, &now) == 0 && now.device == attached.device && now.inode == attached.inode;
    if (!same && !atomic_exchange(&missed, true))
        complain(RB_STORE_ABSENT);
}

void rb_shared_look(void)
{
    uint64_t now_ms = rb_system_coarse_ms();
    if (!rb_shared_attached() || !every(&looked_ms, now_ms, LOOK_EVERY_MS))
        return;
    look_at_mapping();
    if (!every(&signed_ms, now_ms, SIGN_EVERY_MS))
        return;
    look_at_path();
    sign_in(&current);
}

const struct rb_state *rb_shared(void)
{
    if (!rb_shared_attached())
        return attach_once();
    rb_shared_look();
    return &current;
}

bool rb_shared_policy_is_off(const char *policy)
{
    const struct rb_state *state = rb_shared();
    if (!state || atomic_load_explicit(&state->header->policies_off, memory_order_relaxed) == 0)
        return false;
    const struct rb_state_policy *found = rb_names_find_policy(state, policy);
    return found && atomic_load_explicit(&found->off, memory_order_relaxed) == 1;
}

void rb_shared_end(void)
{
    const struct rb_state *state = rb_shared_attached();
    if (!state)
        return;
    look_at_mapping();
    uint64_t me = rb_shared_self();
    atomic_compare_exchange_strong(&state->processes[atomic_load(&place) % RB_STATE_PROCESSES], &me, 0);
}

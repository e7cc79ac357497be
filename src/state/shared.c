// SPDX-License-Identifier: MIT
// Attaching, following the effective user and the file, and who we are in the state.
//
// The state in use is a slot whose user is the effective user. `current` names it. Readers take no lock: a slot's
// memory is never unmapped, and what they find in it must be valid whatever stands there. What changes slots is done
// under a lock that nobody waits for: a thread that does not get it goes on with the current slot, or without a state.
#include "state/shared.h"

#include "base/file.h"
#include "base/hash.h"
#include "policy/policy.h"
#include "real/fork.h"
#include "real/kernel.h"
#include "real/system.h"
#include "state/identity.h"
#include "state/names.h"
#include "state/slot.h"

enum { LEAVE_YIELDS = 100, LEAVE_TURNS = 1000 };
enum {
    LOOK_EVERY_MS = 10,
    CHECK_EVERY_MS = 500,
    DENIED_MS = 5000,
    FAILED_MS = 1000,
    TABLE_NEIGHBOURS = 16,
    MAKE_TURNS = 4
};

static _Atomic(struct rb_slot *) current; // NULL: not attached, or the user has changed since
static _Atomic bool begun;                // it was attached once
static _Atomic uint64_t looked_ms, checked_ms, failed_ms;

// The state that this thread was given last. Another thread may have made another one current meanwhile, for another
// user.
static __thread const struct rb_state *mine;

static rb_shared_settings_fn *find_settings;
static rb_shared_trouble_fn *tell_trouble;

static _Atomic uint64_t self; // 0: not known
static _Atomic uint32_t place;

// Under the lock.
static bool wanted; // a file, and not memory of our own
static char path[RB_POLICY_PATH_SIZE];
static unsigned name_index; // of the path, in the order of the names
static unsigned reported;   // errors that were told, as bits
static uint64_t denied_ms;  // when the system did not let us open or make the file; 0: it did

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

// Threads differ by the address of their own variables, forked processes by their pid.
unsigned rb_shared_stripe(void)
{
    uint64_t word = (uintptr_t) &mine ^ atomic_load_explicit(&self, memory_order_relaxed);
    return (unsigned) (rb_hash_word(word) % RB_STATE_STRIPES);
}

// A place near the one that the hash names. Where all are taken the first one gives way: whoever lives comes back with
// its next look.
static void sign_in(const struct rb_state *state)
{
    uint64_t me = rb_shared_self(), first = rb_hash_word(me);
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

// The place is free for others. A file that was cut short is left alone.
static void sign_out_locked(const struct rb_state *state)
{
    uint64_t me = rb_shared_self();
    if (rb_store_is_whole(state))
        atomic_compare_exchange_strong(&state->processes[atomic_load(&place) % RB_STATE_PROCESSES], &me, 0);
}

// ---- giving up the file of another user ----

static _Atomic bool locked;
static _Atomic bool leave_asked; // by a thread that may not have got the lock

static uint32_t user_of(const struct rb_slot *slot)
{
    return atomic_load_explicit(&slot->user, memory_order_relaxed);
}

static bool has_file(const struct rb_slot *slot)
{
    return atomic_load_explicit(&slot->kind, memory_order_relaxed) == RB_SLOT_FILE;
}

// The slot in use, if it is the effective user's.
static struct rb_slot *current_of(uint32_t user)
{
    struct rb_slot *slot = atomic_load_explicit(&current, memory_order_acquire);
    return slot && user_of(slot) == user ? slot : NULL;
}

// Where the system refuses memory the file stays mapped, and is given up by a later call.
static void leave_others_locked(void)
{
    uint32_t user = rb_kernel_euid();
    struct rb_slot *slot = atomic_load(&current);
    if (slot && has_file(slot) && user_of(slot) != user)
        atomic_store(&current, NULL);
    while ((slot = rb_slot_of_another(user))) {
        sign_out_locked(&slot->state);
        if (!rb_slot_leave(slot, RB_SLOT_LEFT))
            break;
    }
}

static bool try_lock(void)
{
    return !atomic_exchange(&locked, true);
}

// False: another thread has the lock. Signals are blocked meanwhile: a handler that leaves by a jump would keep the
// lock for ever.
static bool lock(sigset_t *saved)
{
    if (!rb_system_block_signals(saved))
        return false;
    if (try_lock())
        return true;
    rb_system_restore_signals(saved);
    return false;
}

static void unlock(const sigset_t *saved)
{
    do {
        if (atomic_exchange(&leave_asked, false))
            leave_others_locked();
        atomic_store(&locked, false);
    } while (atomic_load(&leave_asked) && try_lock());
    rb_system_restore_signals(saved);
}

// If another thread has the lock, that thread does it, right before it gives the lock back. It is waited for, so that
// the file is given up when the program goes on, but not for ever: it may be stopped.
static void shared_leave(void)
{
    sigset_t saved;
    atomic_store(&leave_asked, true);
    for (unsigned turn = 0; turn < LEAVE_TURNS; turn++) {
        if (lock(&saved)) {
            unlock(&saved);
            return;
        }
        if (turn < LEAVE_YIELDS)
            rb_kernel(SYS_sched_yield);
        else
            rb_system_sleep(1);
    }
}

// In a child: its first call looks, and signs in. A thread that had the lock is not in the child.
static void shared_forked(void)
{
    atomic_store(&locked, false);
    atomic_store_explicit(&looked_ms, 0, memory_order_relaxed);
    atomic_store_explicit(&checked_ms, 0, memory_order_relaxed);
    rb_system_clock_forked();
}

// ---- attaching ----

static void shared_report(enum rb_store_error what)
{
    if (tell_trouble)
        tell_trouble(path, what);
}

static void complain(enum rb_store_error error)
{
    unsigned bit = 1U << error;
    if (!(reported & bit))
        shared_report(error);
    reported |= bit;
}

// A file on a disk outlives the system whose clock it speaks of.
static void check_boot(const struct rb_state *state)
{
    uint64_t now = rb_system_boot(), then = atomic_load(&state->header->boot);
    if (now == 0 || then == now || !atomic_compare_exchange_strong(&state->header->boot, &then, now))
        return;
    for (unsigned i = 0; i < RB_STATE_PROCESSES; i++)
        atomic_store(&state->processes[i], 0);
    rb_state_forget(state, (uint64_t) rb_system_unix_s());
}

static struct rb_shared_settings ask(void)
{
    return find_settings ? find_settings() : (struct rb_shared_settings){"private", RB_CELLS_DEFAULT};
}

// After the file is made, all names are looked at again from the first one on: another process may have made the file
// at an earlier name. A file that is removed before it is opened is made again, a few times.
static enum rb_store_error open_or_make_locked(struct rb_store_file *file, uint32_t user)
{
    struct rb_shared_settings settings = ask();
    enum rb_store_error error = RB_STORE_ABSENT;
    for (unsigned turn = 0; turn < MAKE_TURNS && error == RB_STORE_ABSENT; turn++) {
        error = rb_store_open(file, settings.state, user, true, path, sizeof path);
        if (error == RB_STORE_ABSENT && rb_store_make(path, settings.cells) != RB_STORE_SOUND)
            return RB_STORE_DENIED;
    }
    return error;
}

static bool is_same(const struct rb_slot *slot, uint64_t device, uint64_t inode)
{
    return slot && has_file(slot) && slot->device == device && slot->inode == inode;
}

// Finds the user's file and maps it where it is not mapped yet. Returns the slot with the file, or NULL and the error.
//   now: the slot in use, of this user, or NULL
static struct rb_slot *map_locked(uint32_t user, struct rb_slot *now, enum rb_store_error *error)
{
    struct rb_store_file file;
    *error = open_or_make_locked(&file, user);
    denied_ms = *error == RB_STORE_DENIED ? rb_system_coarse_ms() : 0;
    if (*error != RB_STORE_SOUND)
        return NULL;
    bool same = is_same(now, file.device, file.inode);
    struct rb_slot *slot = same ? now : rb_slot_map(&file, user, now);
    name_index = file.index;
    rb_store_close(&file);
    if (!slot)
        *error = RB_STORE_DENIED;
    else if (!same)
        check_boot(&slot->state);
    return slot;
}

static struct rb_slot *attach_locked(uint32_t user)
{
    enum rb_store_error error = RB_STORE_SOUND;
    struct rb_shared_settings settings = ask();
    wanted = !rb_store_is_private(settings.state);
    struct rb_slot *slot = wanted ? map_locked(user, NULL, &error) : NULL;
    if (error != RB_STORE_SOUND)
        complain(error);
    return slot ? slot : rb_slot_private(settings.cells, user, atomic_load(&current));
}

// Returns NULL where another thread has the lock or has changed the user, or there is no memory.
static struct rb_slot *shared_attach(uint32_t user)
{
    sigset_t saved;
    uint64_t now_ms = rb_system_coarse_ms(), failed = atomic_load_explicit(&failed_ms, memory_order_relaxed);
    if (failed > 0 && now_ms - failed < FAILED_MS)
        return NULL;
    if (!atomic_exchange(&begun, true)) {
        rb_fork_notify(NULL, shared_forked);
        rb_identity_notify(shared_leave);
    }
    if (!lock(&saved))
        return NULL;
    if (rb_kernel_euid() != user) {
        unlock(&saved);
        return NULL;
    }
    struct rb_slot *slot = current_of(user); // another thread may have been faster
    slot = slot ? slot : attach_locked(user);
    if (slot)
        sign_in(&slot->state);
    atomic_store_explicit(&failed_ms, slot ? 0 : now_ms, memory_order_relaxed);
    atomic_store_explicit(&checked_ms, now_ms, memory_order_relaxed);
    atomic_store_explicit(&current, slot, memory_order_release);
    unlock(&saved);
    return slot;
}

// ---- looking after it ----

static bool every(_Atomic uint64_t *last_ms, uint64_t now_ms, uint64_t period_ms)
{
    uint64_t last = atomic_load_explicit(last_ms, memory_order_relaxed);
    return now_ms - last >= period_ms && atomic_compare_exchange_strong(last_ms, &last, now_ms);
}

static void look_at_mapping_locked(struct rb_slot *slot)
{
    if (has_file(slot) && !rb_store_is_whole(&slot->state) && rb_slot_leave(slot, RB_SLOT_PRIVATE))
        complain(RB_STORE_DAMAGED);
}

// A look at the path tells whether the file is still there, without a descriptor. A file at a later name is left as
// soon as there is one at an earlier name: two processes may have made one each.
static bool is_in_place_locked(const struct rb_slot *slot)
{
    struct rb_file_identity there;
    return has_file(slot) && name_index == 0 && rb_file_identify(path, &there) == 0 &&
           is_same(slot, there.device, there.inode);
}

// A file that was removed or replaced is followed: the process takes the one that stands there now, or makes a new one.
// A state of our own, because the file could not be used, ends in the same way. Where there is no file to be had, the
// process goes on with what it has. (In a program that changed its root the path may lead nowhere.)
static struct rb_slot *follow_locked(struct rb_slot *slot)
{
    struct rb_file_identity there;
    enum rb_store_error error;
    if (!wanted || is_in_place_locked(slot) || rb_store_is_private(ask().state))
        return slot;
    if (denied_ms != 0 && rb_system_coarse_ms() - denied_ms < DENIED_MS)
        return slot;
    bool had_file = has_file(slot);
    uint64_t device = slot->device, inode = slot->inode;
    struct rb_slot *next = map_locked(user_of(slot), slot, &error);
    if (!next) {
        complain(had_file && rb_file_identify(path, &there) != 0 ? RB_STORE_ABSENT : error);
        return slot;
    }
    if (!had_file || !is_same(next, device, inode))
        shared_report(RB_STORE_REPLACED);
    if (next != slot && has_file(slot))
        rb_slot_leave(slot, RB_SLOT_LEFT);
    return next;
}

// Returns the slot to go on with.
static struct rb_slot *shared_check(struct rb_slot *slot)
{
    sigset_t saved;
    uint64_t now_ms = rb_system_coarse_ms();
    if (!every(&looked_ms, now_ms, LOOK_EVERY_MS) || !lock(&saved))
        return slot;
    if (slot == current_of(rb_kernel_euid())) {
        look_at_mapping_locked(slot);
        if (every(&checked_ms, now_ms, CHECK_EVERY_MS)) {
            slot = follow_locked(slot);
            sign_in(&slot->state);
            atomic_store_explicit(&current, slot, memory_order_release);
        }
    }
    unlock(&saved);
    return slot;
}

const struct rb_state *rb_shared(void)
{
    uint32_t user = rb_kernel_euid();
    struct rb_slot *slot = current_of(user);
    if (slot) {
        slot = shared_check(slot);
    } else {
        if (atomic_load(&current)) // a change that no hook has seen
            rb_identity_changed();
        slot = shared_attach(user);
    }
    mine = slot ? &slot->state : NULL;
    return mine;
}

const struct rb_state *rb_shared_attached(void)
{
    if (mine || !atomic_load_explicit(&begun, memory_order_relaxed))
        return mine;
    struct rb_slot *slot = current_of(rb_kernel_euid());
    return slot ? &slot->state : NULL;
}

void rb_shared_look(void)
{
    if (atomic_load_explicit(&begun, memory_order_relaxed))
        rb_shared();
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
    sigset_t saved;
    struct rb_slot *slot = current_of(rb_kernel_euid());
    if (!slot || !lock(&saved))
        return;
    look_at_mapping_locked(slot);
    sign_out_locked(&slot->state);
    unlock(&saved);
}

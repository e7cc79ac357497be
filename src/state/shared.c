// SPDX-License-Identifier: MIT
// Attaches the state, follows the effective user and the file, and registers this process in the state.
//
// The state in use is a slot whose user is the effective user; `current` points to it. Readers take no lock: a slot's
// memory is never unmapped, and any content must be harmless. Slots change under a lock that no thread waits for. A
// thread that does not get it continues with the current slot, or without a state.
#include "state/shared.h"

#include "base/file.h"
#include "base/hash.h"
#include "policy/policy.h"
#include "real/fork.h"
#include "real/kernel.h"
#include "real/mutex.h"
#include "real/pause.h"
#include "real/sandbox.h"
#include "real/system.h"
#include "state/identity.h"
#include "state/label.h"
#include "state/slot.h"

enum { LEAVE_TURNS = 1000 }; // of one millisecond
enum {
    LOOK_EVERY_MS = 10,
    CHECK_EVERY_MS = 500,
    DENIED_MS = 5000,
    FAILED_MS = 1000,
    TABLE_NEIGHBOURS = 16,
    MAKE_TURNS = 4
};

static _Atomic(struct rb_slot *) current; // NULL: not attached, or the user has changed since
static _Atomic bool begun;                // a state was attached once
static _Atomic uint64_t mapping_checked_ms, path_checked_ms, failed_ms;

// The state that this thread got last. Meanwhile another thread may have made another state current, for another user.
static __thread const struct rb_state *mine;

static rb_shared_settings_fn *find_settings;
static rb_shared_trouble_fn *tell_trouble;

static _Atomic uint64_t self; // 0: not known
static _Atomic uint32_t place;

// Protected by the lock.
static bool wanted; // a file is wanted, not private memory
static char path[RB_POLICY_PATH_SIZE];
static unsigned name_index; // index of the path's name
static unsigned reported;   // bits of the errors that were reported
static uint64_t denied_ms;  // when opening or making the file last failed with RB_STORE_DENIED; 0: it worked

void rb_shared_start(rb_shared_settings_fn *settings, rb_shared_trouble_fn *trouble)
{
    find_settings = settings;
    tell_trouble = trouble;
}

// ---- this process ----

uint64_t rb_shared_self(void)
{
    enum { PID_MASK = (1 << RB_PROCESS_PID_BITS) - 1 };
    uint64_t known = atomic_load_explicit(&self, memory_order_relaxed);
    if (rb_sandbox_is_filtered())
        return known;
    uint64_t pid = (uint64_t) rb_system_pid() & PID_MASK;
    if ((known & PID_MASK) == pid)
        return known;
    known = rb_system_start_ticks("self") << RB_PROCESS_PID_BITS | pid;
    atomic_store_explicit(&self, known, memory_order_relaxed);
    return known;
}

// Threads differ by the address of a thread-local variable, forked processes by their pid.
unsigned rb_shared_stripe(void)
{
    uint64_t word = (uintptr_t) &mine ^ atomic_load_explicit(&self, memory_order_relaxed);
    return (unsigned) (rb_hash_word(word) % RB_STATE_STRIPES);
}

// Enters this process in the table, near the place that its hash names. If all places there are taken, the first one is
// overwritten; a process that is overwritten enters again with its next check.
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

// Frees the place of this process. A truncated file is not touched.
static void sign_out_locked(const struct rb_state *state)
{
    uint64_t me = rb_shared_self();
    if (rb_store_is_whole(state))
        atomic_compare_exchange_strong(&state->processes[atomic_load(&place) % RB_STATE_PROCESSES], &me, 0);
}

// ---- giving up the file of another user ----

static struct rb_mutex mutex;
static _Atomic bool leave_asked; // set by a thread that did not get the lock

static uint32_t user_of(const struct rb_slot *slot)
{
    return atomic_load_explicit(&slot->user, memory_order_relaxed);
}

static bool has_file(const struct rb_slot *slot)
{
    return atomic_load_explicit(&slot->kind, memory_order_relaxed) == RB_SLOT_FILE;
}

// Returns the slot in use if it belongs to the effective user, else NULL.
static struct rb_slot *current_of(uint32_t user)
{
    struct rb_slot *slot = atomic_load_explicit(&current, memory_order_acquire);
    return slot && user_of(slot) == user ? slot : NULL;
}

// Gives up the files of other users. If there is no memory for that, the file stays mapped and a later call tries
// again.
static void leave_others_locked(void)
{
    uint32_t user = rb_kernel_euid();
    struct rb_slot *slot = atomic_load(&current);
    if (slot && has_file(slot) && user_of(slot) != user)
        atomic_store(&current, NULL);
    while ((slot = rb_slot_of_another(user))) {
        sign_out_locked(&slot->state);
        if (!rb_slot_give_up(slot, RB_SLOT_GIVEN_UP))
            break;
    }
}

// Takes the lock. Returns false if another thread has it. A thread that ended while it held the lock may have left a
// change half done, which is harmless: any content of a slot must be.
static bool lock(sigset_t *saved)
{
    return rb_mutex_try(&mutex, saved) != RB_MUTEX_REFUSED;
}

static void unlock(const sigset_t *saved)
{
    sigset_t again = *saved;
    do {
        if (atomic_exchange(&leave_asked, false))
            leave_others_locked();
        rb_mutex_give(&mutex, &again);
    } while (atomic_load(&leave_asked) && lock(&again));
}

// Gives up other users' files. If another thread has the lock, it does so right before it releases the lock. This
// thread waits for that, so that the file is given up when the program continues, but only for a limited time, because
// the other thread may be stopped.
static void shared_leave(void)
{
    sigset_t saved;
    atomic_store(&leave_asked, true);
    for (unsigned turn = 0; turn < LEAVE_TURNS; turn++) {
        if (lock(&saved)) {
            unlock(&saved);
            return;
        }
        rb_pause_wait(1, 0); // not a cancellation point, as the program's call is none
    }
}

// Runs in a forked child, whose first call then checks the state and registers the child. A thread that held the lock
// does not exist in the child.
static void shared_forked(void)
{
    rb_mutex_reset(&mutex);
    atomic_store_explicit(&mapping_checked_ms, 0, memory_order_relaxed);
    atomic_store_explicit(&path_checked_ms, 0, memory_order_relaxed);
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

// Resets a state of an earlier start of the kernel: a file on a disk survives a reboot, but its clock readings are
// invalid.
static void check_boot(const struct rb_state *state)
{
    uint64_t now = rb_system_boot(), then = atomic_load(&state->header->boot);
    if (now == 0 || then == now || !atomic_compare_exchange_strong(&state->header->boot, &then, now))
        return;
    for (unsigned i = 0; i < RB_STATE_PROCESSES; i++)
        atomic_store(&state->processes[i], 0);
    rb_state_reset(state, (uint64_t) rb_system_unix_s());
}

static struct rb_shared_settings ask(void)
{
    return find_settings ? find_settings() : (struct rb_shared_settings){"private", RB_CELLS_DEFAULT};
}

// After making the file, all names are checked again from the first one, because another process may have made the file
// with an earlier name. If the file is removed before it is opened, it is made again, a few times.
static enum rb_store_error open_or_make_locked(struct rb_store_file *file, uint32_t user)
{
    struct rb_shared_settings settings = ask();
    enum rb_store_error error = RB_STORE_ABSENT;
    for (unsigned turn = 0; turn < MAKE_TURNS && error == RB_STORE_ABSENT; turn++) {
        error = rb_store_open(file, settings.state, user, true, path, sizeof(path));
        if (error == RB_STORE_ABSENT && rb_store_make(path, settings.cells) != RB_STORE_SOUND)
            return RB_STORE_DENIED;
    }
    return error;
}

static bool is_same(const struct rb_slot *slot, uint64_t device, uint64_t inode)
{
    return slot && has_file(slot) && slot->device == device && slot->inode == inode;
}

// Finds the user's file, and maps it if it is not mapped. Returns its slot, or NULL and the error.
//   now: the user's slot in use, or NULL
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
    wanted = !rb_store_is_private(settings.state) && !rb_sandbox_bars_files();
    struct rb_slot *slot = wanted ? map_locked(user, NULL, &error) : NULL;
    if (error != RB_STORE_SOUND)
        complain(error);
    return slot ? slot : rb_slot_private(settings.cells, user, atomic_load(&current));
}

// Returns NULL if another thread has the lock or has changed the user, or if there is no memory.
static struct rb_slot *shared_attach(uint32_t user)
{
    sigset_t saved;
    uint64_t now_ms = rb_system_coarse_ms(), failed = atomic_load_explicit(&failed_ms, memory_order_relaxed);
    if (failed > 0 && now_ms - failed < FAILED_MS)
        return NULL;
    if (!atomic_exchange(&begun, true)) {
        rb_fork_notify(NULL, NULL, shared_forked);
        rb_identity_notify(shared_leave);
    }
    if (!lock(&saved))
        return NULL;
    if (rb_kernel_euid() != user) {
        unlock(&saved);
        return NULL;
    }
    struct rb_slot *slot = current_of(user); // another thread may have attached first
    slot = slot ? slot : attach_locked(user);
    if (slot)
        sign_in(&slot->state);
    atomic_store_explicit(&failed_ms, slot ? 0 : now_ms, memory_order_relaxed);
    atomic_store_explicit(&path_checked_ms, now_ms, memory_order_relaxed);
    atomic_store_explicit(&current, slot, memory_order_release);
    unlock(&saved);
    return slot;
}

// ---- checking the file ----

static bool every(_Atomic uint64_t *last_ms, uint64_t now_ms, uint64_t period_ms)
{
    uint64_t last = atomic_load_explicit(last_ms, memory_order_relaxed);
    return now_ms - last >= period_ms && atomic_compare_exchange_strong(last_ms, &last, now_ms);
}

static void look_at_mapping_locked(struct rb_slot *slot)
{
    if (has_file(slot) && !rb_store_is_whole(&slot->state) && rb_slot_give_up(slot, RB_SLOT_PRIVATE))
        complain(RB_STORE_DAMAGED);
}

// Switches to the file that is now at the path, or to a new one, if the old one was removed or replaced. Private
// memory, used because the file could not be, is replaced in the same way. If there is no file, the process continues
// with the current slot. (In a program that changed its root directory, the path may not exist.)
//
// Checking the path needs no descriptor. A file with a later name is given up if there is one with an earlier name: two
// processes may have made one each.
static struct rb_slot *follow_locked(struct rb_slot *slot)
{
    struct rb_file_identity there;
    enum rb_store_error error;
    bool in_place = has_file(slot) && name_index == 0 && rb_file_identify(path, &there) == 0 &&
                    is_same(slot, there.device, there.inode);
    if (!wanted || in_place || rb_sandbox_bars_files() || rb_store_is_private(ask().state))
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
        rb_slot_give_up(slot, RB_SLOT_GIVEN_UP);
    return next;
}

// Checks the slot. Returns the slot to use from now on.
static struct rb_slot *shared_check(struct rb_slot *slot)
{
    sigset_t saved;
    uint64_t now_ms = rb_system_coarse_ms();
    if (!every(&mapping_checked_ms, now_ms, LOOK_EVERY_MS) || !lock(&saved))
        return slot;
    if (slot == current_of(rb_kernel_euid())) {
        look_at_mapping_locked(slot);
        if (every(&path_checked_ms, now_ms, CHECK_EVERY_MS)) {
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
    if (rb_sandbox_is_filtered())
        return NULL;
    uint32_t user = rb_kernel_euid();
    struct rb_slot *slot = current_of(user);
    if (slot) {
        slot = shared_check(slot);
    } else {
        if (atomic_load(&current)) // the user changed without a hook
            rb_identity_changed();
        slot = shared_attach(user);
    }
    mine = slot ? &slot->state : NULL;
    return mine;
}

const struct rb_state *rb_shared_attached(void)
{
    if (rb_sandbox_is_filtered())
        return NULL;
    if (mine || !atomic_load_explicit(&begun, memory_order_relaxed))
        return mine;
    struct rb_slot *slot = current_of(rb_kernel_euid());
    return slot ? &slot->state : NULL;
}

bool rb_shared_secret(uint64_t key[2])
{
    const struct rb_state *state = rb_shared_attached();
    for (unsigned i = 0; state && i < 2; i++)
        key[i] = atomic_load_explicit(&state->header->secret[i], memory_order_relaxed);
    return state != NULL;
}

void rb_shared_check(void)
{
    if (atomic_load_explicit(&begun, memory_order_relaxed))
        rb_shared();
}

bool rb_shared_policy_is_off(const char *policy)
{
    const struct rb_state *state = rb_shared();
    if (!state || atomic_load_explicit(&state->header->policies_off, memory_order_relaxed) == 0)
        return false;
    const struct rb_state_policy *found = rb_label_find_policy(state, policy);
    return found && atomic_load_explicit(&found->off, memory_order_relaxed) == 1;
}

// Removes this process from the state in use, and gives the file up.
static void detach_locked(void)
{
    struct rb_slot *slot = atomic_exchange(&current, NULL);
    if (!slot)
        return;
    look_at_mapping_locked(slot);
    sign_out_locked(&slot->state);
    if (has_file(slot))
        rb_slot_give_up(slot, RB_SLOT_GIVEN_UP);
}

void rb_shared_detach(void)
{
    sigset_t saved;
    for (unsigned turn = 0; turn < LEAVE_TURNS && atomic_load(&begun); turn++) {
        if (lock(&saved)) {
            detach_locked();
            unlock(&saved);
            return;
        }
        rb_pause_wait(1, 0);
    }
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

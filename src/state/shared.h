// SPDX-License-Identifier: MIT
// The state that this process uses: shared with the user's other processes, or private if that is not possible.
//
// The state belongs to the effective user, and each access compares the user. It is attached by the first call to a
// host that the policy covers, never earlier. When the user changes, the old file is given up at once
// (state/identity.h), and the next call attaches to the new user's file. When the file is removed or replaced, the
// process switches to the new one within half a second, if it makes calls. While one thread attaches, other threads
// work without a state. Pointers into a state stay valid forever (state/slot.h), a mapping is inherited by fork, and no
// descriptor is kept open.
#ifndef RB_STATE_SHARED_H
#define RB_STATE_SHARED_H

#include "state/store.h"

// Which state to attach to; asked each time a file has to be found.
struct rb_shared_settings {
    const char *state; // as for rb_store_path
    uint32_t cells;    // number of cells of a new file
};
typedef struct rb_shared_settings rb_shared_settings_fn(void);

// Called if the state is not the one that was asked for, at most once per reason. Also called each time a file is used
// in place of one that was lost (RB_STORE_REPLACED).
typedef void rb_shared_trouble_fn(const char *path, enum rb_store_error error);

// Sets both callbacks. Without this call the state is private.
void rb_shared_start(rb_shared_settings_fn *settings, rb_shared_trouble_fn *trouble);

// Returns the state of the effective user; attaches it if needed, and checks it as rb_shared_check does. NULL if there
// is no memory, or another thread is attaching. One system call. Lock-free, async-signal-safe, keeps errno.
const struct rb_state *rb_shared(void);

// Returns the state that rb_shared or rb_shared_check returned last in this thread, without a system call. For use
// right after them. NULL: none.
const struct rb_state *rb_shared_attached(void);

// Copies the key for hashes of credentials from the state of rb_shared_attached. Returns false if there is no state.
bool rb_shared_secret(uint64_t key[2]);

// Call before the state is used again after a wait. As rb_shared, but does nothing if no state was attached.
//
// Every few milliseconds, the first caller checks whether the mapping is still backed by the whole file. If the file
// was truncated, private memory replaces the mapping at the same address. A truncation between two checks is repaired
// when the memory is touched (real/fault.h). Twice a second the caller also checks whether the file is still at its
// path, and whether this process is in the table of processes.
void rb_shared_check(void);

// Returns this process as one word: start time in clock ticks since boot << RB_PROCESS_PID_BITS | pid. Also correct
// right after a fork.
uint64_t rb_shared_self(void);

// Returns the stripe of counters of this thread, below RB_STATE_STRIPES.
unsigned rb_shared_stripe(void);

// Returns whether `rebound policy off` switched this policy off.
bool rb_shared_policy_is_off(const char *policy);

// Call before the program gets a seccomp filter (real/sandbox.h): removes this process from the table of processes, and
// replaces a mapped file by private memory. Waits for a thread that is attaching. rb_shared returns NULL while there is
// a filter, and otherwise attaches anew. Keeps errno.
void rb_shared_detach(void);

// Call at the end of the process: removes it from the table of processes.
void rb_shared_end(void);

#endif

// SPDX-License-Identifier: MIT
// The state that this process works on: shared with the user's other processes, or, where that cannot be, its own.
//
// The state is that of the effective user, which each access compares. It is attached by the first call of a host that
// the policy covers, never before. When the user changes, the old file is given up at once (state/identity.h), and the
// next call attaches to the file of the new user. When the file is removed or replaced, the process takes the new one
// within half a second of calls. A thread that comes while another one attaches does without a state. Pointers into a
// state stay good for ever (state/slot.h), a mapping is inherited by fork, and no descriptor is held.
#ifndef RB_STATE_SHARED_H
#define RB_STATE_SHARED_H

#include "state/store.h"

// What to attach to, asked each time a file has to be found.
struct rb_shared_settings {
    const char *state; // as for rb_store_path
    uint32_t cells;    // of a file that has to be made
};
typedef struct rb_shared_settings rb_shared_settings_fn(void);

// Told when the state is not the one that was asked for, at most once for each reason. And told each time that a file
// is in use in place of one that was lost (RB_STORE_REPLACED).
typedef void rb_shared_trouble_fn(const char *path, enum rb_store_error error);

// Says where settings come from and trouble goes to. Without it the state is private.
void rb_shared_start(rb_shared_settings_fn *settings, rb_shared_trouble_fn *trouble);

// The state of the effective user, attached when it was not, and looked at. NULL: there is no memory, or another thread
// is attaching. One system call. Lock-free, async-signal-safe, keeps errno.
const struct rb_state *rb_shared(void);

// The state that rb_shared or rb_shared_look found last in this thread, without a system call; for right after them.
// NULL: none.
const struct rb_state *rb_shared_attached(void);

// To be called before the state is touched again after a while; as rb_shared, but does nothing as long as no state was
// attached. Every few milliseconds, whoever comes first looks whether the mapping may still be touched: a file that was
// cut short is replaced by memory of our own, at the same place. One that is cut within these milliseconds is mended
// when it is touched (real/fault.h). Twice a second also whether the file is still at its path, and whether this
// process stands in the table of processes.
void rb_shared_look(void);

// This process as one word: start time in clock ticks since boot << RB_PROCESS_PID_BITS | pid. Right after a fork, too.
uint64_t rb_shared_self(void);

// The stripe of counters for this thread, below RB_STATE_STRIPES.
unsigned rb_shared_stripe(void);

// Whether somebody switched this policy off.
bool rb_shared_policy_is_off(const char *policy);

// The end of the process: it leaves the table of processes.
void rb_shared_end(void);

#endif

// SPDX-License-Identifier: MIT
// Hosts that this process waits for until they have started (start.wait): which calls may wait, and for how long.
#ifndef RB_PROCESS_STARTING_H
#define RB_PROCESS_STARTING_H

#include <pthread.h>

#include "engine/call.h"
#include "policy/section.h"
#include "policy/target.h"

// Records the start of the process, which start.wait counts from. Call this when the library is loaded. A forked child
// counts from the start of the program that it runs.
void rb_starting_load(void);

// Returns true if start.wait of the section, where it is not off, covers the target. In a section for all hosts (*), it
// covers only hosts that are not public (rb_target_is_near). Async-signal-safe.
bool rb_starting_covers(const struct rb_section *section, const struct rb_target *target);

// Sets call->start if start.wait of the section covers the target and the host has not succeeded yet. In a section for
// all hosts, the lookup of this machine's own name is not covered. Call this after rb_call_begin. Costs one comparison
// without start.wait. Async-signal-safe.
//   target: without a port, the lookup of the name; its wait continues with the first connect to one of the ports
void rb_starting_begin(struct rb_call *call, const struct rb_section *section, const struct rb_target *target);

// Waits RB_ABSENT_EVERY_MS between two lookups of a name. Returns false if the lookup must end: after rb_starting_end,
// or if a signal handler has run. Alone, the lookup would have ended before, and the handler may ask the program to
// end. A cancellation point.
bool rb_starting_wait(void);

// Returns true while a thread is in rb_starting_wait. Costs one load if no thread has ever waited.
bool rb_starting_holds(pthread_t thread);

// Ends all waits of rb_starting_wait, now and later: the process is about to end. Async-signal-safe.
void rb_starting_end(void);

#endif

// SPDX-License-Identifier: MIT
// Counting what happened to the program's calls, for all processes: counters of the policy, the ring of events.
#ifndef RB_STATE_RECORD_H
#define RB_STATE_RECORD_H

#include "engine/call.h"
#include "engine/event.h"

// A call that succeeded at once. On the path of every call: a few relaxed additions on lines of this thread's stripe.
void rb_record_success(const struct rb_call *call, const char *policy, enum rb_api api);

// Every other decision. A verdict other than RETRY ends the call.
//   program: the executable's name
void rb_record_event(const struct rb_call *call, const struct rb_event *event, const char *program);

// A policy was read again, or could not be.
void rb_record_reload(bool succeeded);

#endif

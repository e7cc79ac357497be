// SPDX-License-Identifier: MIT
// Counts calls and decisions for all processes: counters of the policy, ring of events.
#ifndef RB_STATE_RECORD_H
#define RB_STATE_RECORD_H

#include "engine/call.h"
#include "engine/event.h"

// Counts a call that succeeded at once. Every call does this, so it costs only a few relaxed additions in this thread's
// stripe.
void rb_record_success(const struct rb_call *call, const char *policy, enum rb_api api);

// Counts every other decision. A verdict other than RETRY ends the call.
void rb_record_event(const struct rb_call *call, const struct rb_event *event, const char *program);

// Records that a policy was reloaded, or that the reload failed.
void rb_record_reload(bool succeeded);

#endif

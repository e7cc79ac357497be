// SPDX-License-Identifier: MIT
// Lines of the log that are lost: counted for all processes, with the last one's destination and reason.
#ifndef RB_STATE_TROUBLE_H
#define RB_STATE_TROUBLE_H

#include <stdbool.h>

#include "engine/event.h"
#include "state/layout.h"

// Notes how a line of the log fared, in the state of this process. A lost line is counted, and the state then names its
// destination. The first one of this process for each user and reason is an event, too. A line that was written ends
// the trouble with its destination. Without a state nothing is noted. Lock-free, async-signal-safe, keeps errno.
//   destination: "stderr" or a path
//   error: of rb_log_event and its like
//   program: the executable's name
void rb_trouble_note(const char *destination, enum rb_sink_error error, const char *program);

// Copies the trouble with the log that is not over. False: there is none, or it is being written. Its texts are
// terminated and printable, its error is one of enum rb_sink_error.
bool rb_trouble_get(const struct rb_state *state, struct rb_state_trouble *trouble);

#endif

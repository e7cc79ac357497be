// SPDX-License-Identifier: MIT
// Counts lost log lines for all processes, and stores destination and reason of the last one.
#ifndef RB_STATE_TROUBLE_H
#define RB_STATE_TROUBLE_H

#include <stdbool.h>

#include "engine/event.h"
#include "state/layout.h"

// Records whether a log line was written, in the state of this process. A lost line is counted, and the state then
// names its destination. The first lost line of this process for each user and reason also becomes an event. A written
// line ends the trouble with its destination. Without a state nothing is recorded. Lock-free, async-signal-safe, keeps
// errno.
//   destination: "stderr" or a path
//   error: result of rb_log_event or another function of the log
//   program: the executable's name
void rb_trouble_note(const char *destination, enum rb_loss error, const char *program);

// Copies the current trouble with the log. Returns false if there is none, or it is being written. The texts are
// terminated and printable, and the error is a valid enum rb_loss.
bool rb_trouble_get(const struct rb_state *state, struct rb_state_trouble *trouble);

#endif

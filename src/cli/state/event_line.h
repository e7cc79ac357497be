// SPDX-License-Identifier: MIT
// Prints an event for `rebound events`.
#ifndef RB_CLI_STATE_EVENT_LINE_H
#define RB_CLI_STATE_EVENT_LINE_H

#include "state/view.h"

// Prints one line: text, or a JSON object with the same names as in the log.
void rb_event_print(const struct rb_view_event *event, bool json);

#endif

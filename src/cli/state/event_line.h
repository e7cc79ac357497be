// SPDX-License-Identifier: MIT
// An event as `rebound events` shows it.
#ifndef RB_CLI_EVENT_LINE_H
#define RB_CLI_EVENT_LINE_H

#include "state/view.h"

// Prints one line: for a person, or a JSON object whose names are those of the log.
void rb_event_print(const struct rb_view_event *event, bool json);

#endif

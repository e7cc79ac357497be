// SPDX-License-Identifier: MIT
// What `rebound status --json` prints.
#ifndef RB_CLI_STATUS_H
#define RB_CLI_STATUS_H

#include "cli/snapshot.h"

// Prints the whole as one JSON object. Returns 0 or -ENOMEM.
int rb_status_json(const struct rb_state_file *file, const struct rb_snapshot *snapshot);

#endif

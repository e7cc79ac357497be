// SPDX-License-Identifier: MIT
// The JSON output of `rebound status --json`.
#ifndef RB_CLI_STATE_STATUS_H
#define RB_CLI_STATE_STATUS_H

#include <cjson/cJSON.h>

#include "cli/state/snapshot.h"

// Returns the whole state as one JSON object.
cJSON *rb_status_json(const struct rb_state_file *file, const struct rb_snapshot *snapshot);

#endif

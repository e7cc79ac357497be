// SPDX-License-Identifier: MIT
// The HTTP server of `rebound metrics --listen`.
#ifndef RB_CLI_STATE_SERVE_H
#define RB_CLI_STATE_SERVE_H

#include "cli/state/state_file.h"

// Serves the metrics at /metrics until SIGINT or SIGTERM. Opens the state file again for each request if it was
// replaced. Reports errors. Returns an exit status, RB_EXIT_MISUSE for an invalid place.
//   place: "PORT", "ADDRESS:PORT" or "[ADDRESS]:PORT"; the default address is 127.0.0.1; port 0 means any free port
int rb_serve_metrics(struct rb_state_file *file, const char *place);

#endif

// SPDX-License-Identifier: MIT
// The HTTP server behind `rebound metrics --listen`.
#ifndef RB_CLI_SERVE_H
#define RB_CLI_SERVE_H

#include "cli/state/state_file.h"

// Serves the metrics at /metrics until SIGINT or SIGTERM. The file is looked for again at each request.
//   place: "PORT", "ADDRESS:PORT" or "[ADDRESS]:PORT"; without an address it is 127.0.0.1, with port 0 any free one
// Returns an exit status, after saying what went wrong; RB_EXIT_MISUSE for a place that is none.
int rb_serve_metrics(struct rb_state_file *file, const char *place);

#endif

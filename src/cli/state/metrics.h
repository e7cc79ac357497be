// SPDX-License-Identifier: MIT
// The metrics and their exposition (Prometheus' text format 0.0.4, names and labels as OpenMetrics wants them).
//
// Labels hold the names of policies, reasons and outcomes, and for breakers and calls the host and port: never a URL, a
// query or a header. Of hosts, breakers name at most RB_METRICS_HOSTS, and each number of calls at most RB_BUSIEST_MAX
// for each policy.
#ifndef RB_CLI_METRICS_H
#define RB_CLI_METRICS_H

#include <stdio.h>

#include "cli/state/snapshot.h"

enum { RB_METRICS_HOSTS = 256 };

#define RB_METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"

// Writes all families. The hosts are the first ones of the snapshot: take it with RB_ORDER_STATE, for those whose
// breaker is not closed to come first.
void rb_metrics_write(FILE *out, const struct rb_snapshot *snapshot);

// The same in memory that the caller frees. Returns NULL without memory.
char *rb_metrics_text(const struct rb_state_file *file, size_t *length);

#endif

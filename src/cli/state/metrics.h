// SPDX-License-Identifier: MIT
// Metrics in Prometheus' text format 0.0.4, with names and labels that OpenMetrics accepts.
//
// Labels contain policies, reasons and outcomes; for breakers and calls also host and port. They never contain a URL, a
// query or a header field. Breakers list at most RB_METRICS_HOSTS hosts, and each number of calls at most
// RB_BUSIEST_MAX hosts per policy.
#ifndef RB_CLI_STATE_METRICS_H
#define RB_CLI_STATE_METRICS_H

#include <stdio.h>

#include "cli/state/snapshot.h"

enum { RB_METRICS_HOSTS = 256 };

#define RB_METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"

// Writes all families, with the first hosts of the snapshot. Take the snapshot with RB_ORDER_STATE, so that hosts whose
// breaker is not closed come first.
void rb_metrics_write(FILE *out, const struct rb_snapshot *snapshot);

// Returns the same as text that the caller frees, or NULL without memory.
char *rb_metrics_text(const struct rb_state_file *file, size_t *length);

#endif

// SPDX-License-Identifier: MIT
// The log: one JSON line per decision, one write per line.
#ifndef RB_OBSERVE_LOG_H
#define RB_OBSERVE_LOG_H

#include "base/text.h"
#include "engine/event.h"
#include "policy/diagnostic.h"
#include "process/sink.h"

// Writes an event to `destination` ("off", "stderr" or a path), as rb_sink_write does: it never waits and keeps errno.
// A line that cannot be written is lost.
//   program: the executable's name
// Returns why it is lost, or RB_SINK_OK, also without a log.
enum rb_sink_error rb_log_event(const char *destination, const char *program, const struct rb_event *event);

// Appends the same line, without its newline, for an event of another process at another time.
void rb_log_format(struct rb_text *line, uint64_t unix_ms, int pid, const char *program, const struct rb_event *event);

// Appends a line, without its newline, about a log that cannot be written.
//   destination: "stderr" or a path; user: the effective one of the process that could not write
void rb_log_format_trouble(struct rb_text *line, uint64_t unix_ms, int pid, const char *program,
                           const char *destination, enum rb_sink_error error, uint32_t user);

// Writes a line of the same fields about this process, whose next lines will be lost, while it still can. The line is
// left out while it stands among the last ones of the log: each worker of a daemon comes here. Uses 8 KiB of stack,
// keeps errno.
//   error, user: as the process will meet and have them
void rb_log_leave(const char *destination, const char *program, enum rb_sink_error error, uint32_t user);

// Writes what happened to the policy: "loaded", "reloaded", "invalid", "unreadable" or "untrusted" as `what`, with the
// first error. Its place is left out for line 0.
//   diagnostic: may be NULL; error: negative errno or 0
enum rb_sink_error rb_log_policy(const char *destination, const char *program, const char *what, const char *path,
                                 const struct rb_diagnostic *diagnostic, int error);

// The same for what happened to the state: its file and why it is not used.
enum rb_sink_error rb_log_state(const char *destination, const char *program, const char *what, const char *path);

#endif

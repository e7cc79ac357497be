// SPDX-License-Identifier: MIT
// The log: one JSON line per decision, one write per line.
#ifndef RB_PROCESS_LOG_H
#define RB_PROCESS_LOG_H

#include "base/text.h"
#include "engine/event.h"
#include "policy/diagnostic.h"
#include "process/sink.h"

// Writes an event to `destination` ("off", "stderr" or a path) by rb_sink_write, which never blocks and keeps errno.
// Returns why the line is lost, or RB_LOSS_NONE, also if the log is off.
//   program: the executable's name
enum rb_loss rb_log_event(const char *destination, const char *program, const struct rb_event *event);

// Appends the line of an event, without its newline. The event may be of another process and of another time.
void rb_log_format(struct rb_text *line, uint64_t unix_ms, int pid, const char *program, const struct rb_event *event);

// Appends a line, without its newline, about a log that cannot be written.
//   destination: "stderr" or a path
//   user: the effective user of the process that could not write
void rb_log_format_trouble(struct rb_text *line, uint64_t unix_ms, int pid, const char *program,
                           const char *destination, enum rb_loss error, uint32_t user);

// Writes such a line while this process can still write: its next lines will be lost. If the end of the log already
// contains the line, it is not written again, because each worker of a daemon calls this. Uses 8 KiB of stack, keeps
// errno.
//   error, user: the error that the process will get, and its user then
void rb_log_announce_loss(const char *destination, const char *program, enum rb_loss error, uint32_t user);

// Writes a line about the policy. `what` is "loaded", "reloaded", "invalid", "unreadable" or "untrusted". The line
// contains the first error, with its position. If the error is in REBOUND_SET, this name stands for the file.
//   diagnostic: may be NULL
//   error: negative errno or 0
enum rb_loss rb_log_policy(const char *destination, const char *program, const char *what, const char *path,
                           const struct rb_diagnostic *diagnostic, int error);

// Writes a line about a restriction that the process installs on itself.
//   what: "seccomp", "landlock" or "refused"
enum rb_loss rb_log_sandbox(const char *destination, const char *program, const char *what);

// Writes a line about the state: its file and why it is not used.
enum rb_loss rb_log_state(const char *destination, const char *program, const char *what, const char *path);

#endif

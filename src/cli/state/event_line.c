// SPDX-License-Identifier: MIT
// Prints events.
#include "cli/state/event_line.h"
#include "process/log.h"

#include <inttypes.h>
#include <stdio.h>

#include "cli/moment.h"
#include "cli/say.h"
#include "policy/value.h"
#include "process/log.h"

enum { CAUSE_SIZE = 24, LINE_SIZE = 512, JSON_SIZE = 4096 };

// The HTTP status or the name of the cause; "" for a success.
static const char *event_line_cause_of(const struct rb_view_event *event, char out[CAUSE_SIZE])
{
    if (event->cause == RB_CAUSE_STATUS)
        snprintf(out, CAUSE_SIZE, "%u", event->status);
    else
        snprintf(out, CAUSE_SIZE, "%s", event->cause == RB_CAUSE_NONE ? "" : rb_cause_name(event->cause));
    return out;
}

static void print_trouble(const struct rb_view_event *event)
{
    char time[RB_MOMENT_SIZE], line[LINE_SIZE];
    snprintf(line, sizeof(line), "%s %s[%d] log %s cannot be written by user %" PRIu32 ": %s",
             rb_moment_format(event->unix_ms, time), event->program, event->pid, event->host, event->user,
             rb_loss_text(event->log_error));
    rb_say_clean(stdout, line);
    putchar('\n');
}

static void print_text(const struct rb_view_event *event)
{
    char time[RB_MOMENT_SIZE], cause[CAUSE_SIZE], attempt[24], delay[32], line[LINE_SIZE];
    event_line_cause_of(event, cause);
    snprintf(attempt, sizeof(attempt), event->attempt > 0 ? "attempt %u" : "no attempt", event->attempt);
    int length = snprintf(line, sizeof(line), "%s %s[%d] %s %s%s%s%s%s %s%s%s: %s",
                          rb_moment_format(event->unix_ms, time), event->program, event->pid, event->policy,
                          event->host, *event->method ? " " : "", event->method, *event->path ? " " : "", event->path,
                          attempt, *cause ? ", " : "", cause, rb_verdict_name(event->verdict));
    size_t used = (size_t) length < sizeof(line) ? (size_t) length : sizeof(line) - 1;
    if (event->verdict == RB_VERDICT_WAITED) {
        rb_moment_waited(event->delay_ms, delay, sizeof(delay));
        snprintf(line + used, sizeof(line) - used, " %s", delay);
    } else if (event->verdict == RB_VERDICT_RETRY) {
        rb_value_write_duration(event->delay_ms, delay, sizeof(delay));
        snprintf(line + used, sizeof(line) - used, " in %s", delay);
    } else if (event->reason != RB_REASON_NONE) {
        snprintf(line + used, sizeof(line) - used, event->stack != RB_STACK_NONE ? " (%s: %s)" : " (%s)",
                 rb_reason_name(event->reason), rb_stack_name(event->stack));
    }
    rb_say_clean(stdout, line);
    putchar('\n');
}

// Prints the event in the format of the log.
static void print_json(const struct rb_view_event *event)
{
    char buffer[JSON_SIZE];
    struct rb_text line = {.at = buffer, .size = sizeof(buffer)};
    struct rb_request_line request = {rb_slice_of(event->method), rb_slice_of(event->path)};
    struct rb_event logged = {.verdict = event->verdict,
                              .policy = event->policy,
                              .host = event->host,
                              .api = event->api,
                              .way = event->way,
                              .stack = event->stack,
                              .request = &request,
                              .cause = event->cause,
                              .status = event->status,
                              .attempt = event->attempt,
                              .delay_ms = event->delay_ms,
                              .reason = event->reason};
    if (event->verdict == RB_VERDICT_LOG)
        rb_log_format_trouble(&line, rb_moment_clamp(event->unix_ms), event->pid, event->program, event->host,
                              event->log_error, event->user);
    else
        rb_log_format(&line, rb_moment_clamp(event->unix_ms), event->pid, event->program, &logged);
    printf("%.*s\n", (int) line.length, line.at);
}

void rb_event_print(const struct rb_view_event *event, bool json)
{
    if (json)
        print_json(event);
    else if (event->verdict == RB_VERDICT_LOG)
        print_trouble(event);
    else
        print_text(event);
}

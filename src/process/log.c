// SPDX-License-Identifier: MIT
// The JSON lines of the log.
#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/text.h"
#include "engine/classify.h"
#include "process/log.h"
#include "real/pages.h"
#include "real/system.h"

static void put_name(struct rb_text *line, const char *name)
{
    rb_text_string(line, ",\"");
    rb_text_string(line, name);
    rb_text_string(line, "\":");
}

static void put_string(struct rb_text *line, const char *name, const char *value)
{
    put_name(line, name);
    rb_text_json_bytes(line, value, strlen(value)); // not rb_text_json, which needs more stack
}

static void put_slice(struct rb_text *line, const char *name, struct rb_slice value)
{
    if (value.length == 0)
        return;
    put_name(line, name);
    rb_text_json_bytes(line, value.at, value.length);
}

static void put_number(struct rb_text *line, const char *name, uint64_t value)
{
    put_name(line, name);
    rb_text_number(line, value, 1);
}

static void begin_at(struct rb_text *line, int64_t unix_s, unsigned ms, int pid, const char *program)
{
    rb_text_string(line, "{\"time\":\"");
    rb_text_time(line, unix_s, ms);
    rb_text_string(line, "\"");
    put_number(line, "pid", (uint64_t) pid);
    put_string(line, "program", program);
}

// A line that is being built. It begins with the newline that rb_sink_write may need. The program's errno is saved. The
// text lies in pages from the kernel, because the program's stack may be small.
struct entry {
    struct rb_text line;
    int saved_errno;
};

// Frees a line that is not written.
static void log_drop(struct entry *entry)
{
    if (entry->line.size > 0)
        rb_pages_memory_free(entry->line.at, RB_SINK_LINE_MAX);
    errno = entry->saved_errno;
}

// Begins a line; log_end or log_drop ends it. Returns false if the log is off. Without memory the line is cut at its
// start, so log_end does not write it.
static bool log_begin(struct entry *entry, const char *destination, const char *program)
{
    static char no_room;
    struct timespec now = {0};
    if (strcmp(destination, "off") == 0)
        return false;
    entry->saved_errno = errno;
    char *room = rb_pages_memory(RB_SINK_LINE_MAX);
    entry->line = (struct rb_text){.at = room ? room : &no_room, .size = room ? RB_SINK_LINE_MAX : 0};
    rb_text_string(&entry->line, "\n");
    clock_gettime(CLOCK_REALTIME, &now);
    begin_at(&entry->line, now.tv_sec, (unsigned) (now.tv_nsec / 1000000), rb_system_pid(), program);
    return true;
}

// Writes the line, unless it was cut: then it is not valid JSON. Always inlined, so that a line needs less stack.
__attribute__((always_inline)) static inline enum rb_loss log_end(struct entry *entry, const char *destination)
{
    rb_text_string(&entry->line, "}\n");
    bool whole = entry->line.cut == 0;
    enum rb_loss error = whole ? rb_sink_write(destination, entry->line.at, entry->line.length) : RB_LOSS_FAILED;
    log_drop(entry);
    return error;
}

static void put_cause(struct rb_text *line, const struct rb_event *event)
{
    char status[8];
    struct rb_text text = {.at = status, .size = sizeof(status) - 1};
    if (event->cause == RB_CAUSE_NONE)
        return;
    if (event->cause != RB_CAUSE_STATUS) {
        put_string(line, "cause", rb_cause_name(event->cause));
        return;
    }
    rb_text_number(&text, event->status, 1);
    status[text.length] = '\0';
    put_string(line, "cause", status);
}

static void put_times(struct rb_text *line, const struct rb_times *times)
{
    put_name(line, "times_ms");
    rb_text_string(line, "{\"lookup\":");
    rb_text_number(line, times->lookup_ms, 1);
    put_number(line, "connect", times->connect_ms);
    put_number(line, "tls", times->tls_ms);
    put_number(line, "first_byte", times->first_byte_ms);
    put_number(line, "total", times->total_ms);
    rb_text_string(line, "}");
}

static void log_put_event(struct rb_text *line, const struct rb_event *event)
{
    put_string(line, "policy", event->policy);
    put_string(line, "host", event->host);
    put_string(line, "api", rb_api_name(event->api));
    if (event->way != RB_WAY_NONE)
        put_string(line, "way", rb_way_name(event->way));
    if (event->request) {
        put_slice(line, "method", event->request->method);
        put_slice(line, "path", event->request->path);
    }
    put_cause(line, event);
    put_number(line, "attempt", event->attempt);
    if (event->verdict == RB_VERDICT_WAITED)
        put_number(line, "waited_ms", event->delay_ms);
    if (event->verdict == RB_VERDICT_RETRY)
        put_number(line, "delay_ms", event->delay_ms);
    put_string(line, "decision", rb_verdict_name(event->verdict));
    if (event->reason != RB_REASON_NONE)
        put_string(line, "reason", rb_reason_name(event->reason));
    if (event->reason == RB_REASON_STACK && event->stack != RB_STACK_NONE)
        put_string(line, "stack", rb_stack_name(event->stack));
    if (event->hint != RB_HINT_NONE)
        put_string(line, "hint", rb_hint_source_name(event->hint));
    if (event->resends > 0)
        put_number(line, "resends", event->resends);
    if (event->times)
        put_times(line, event->times);
}

enum rb_loss rb_log_event(const char *destination, const char *program, const struct rb_event *event)
{
    struct entry entry;
    if (!log_begin(&entry, destination, program))
        return RB_LOSS_NONE;
    log_put_event(&entry.line, event);
    return log_end(&entry, destination);
}

void rb_log_format(struct rb_text *line, uint64_t unix_ms, int pid, const char *program, const struct rb_event *event)
{
    begin_at(line, (int64_t) (unix_ms / 1000), (unsigned) (unix_ms % 1000), pid, program);
    log_put_event(line, event);
    rb_text_string(line, "}");
}

static void put_trouble(struct rb_text *line, const char *destination, enum rb_loss error, uint32_t user)
{
    put_string(line, "decision", rb_verdict_name(RB_VERDICT_LOG));
    put_string(line, "reason", rb_loss_name(error));
    put_string(line, "file", destination);
    put_number(line, "uid", user);
}

void rb_log_format_trouble(struct rb_text *line, uint64_t unix_ms, int pid, const char *program,
                           const char *destination, enum rb_loss error, uint32_t user)
{
    begin_at(line, (int64_t) (unix_ms / 1000), (unsigned) (unix_ms % 1000), pid, program);
    put_trouble(line, destination, error, user);
    rb_text_string(line, "}");
}

void rb_log_announce_loss(const char *destination, const char *program, enum rb_loss error, uint32_t user)
{
    enum { RECENT = 4096 };
    struct entry entry;
    if (!log_begin(&entry, destination, program))
        return;
    char *recent = rb_pages_memory(RECENT);
    const char *fields = entry.line.at + entry.line.length;
    put_trouble(&entry.line, destination, error, user);
    size_t size = (size_t) (entry.line.at + entry.line.length - fields);
    size_t length = recent ? rb_sink_read_end(destination, recent, RECENT) : 0;
    bool announced = false; // a recent line ends with the same fields
    for (size_t at = 0; at + size < length && !announced; at++)
        announced = recent[at + size] == '}' && memcmp(recent + at, fields, size) == 0;
    if (announced)
        log_drop(&entry);
    else
        log_end(&entry, destination);
    if (recent)
        rb_pages_memory_free(recent, RECENT);
}

// Writes a line about a file that the library reads.
static enum rb_loss log_write_file(const char *destination, const char *program, const char *decision, const char *what,
                                   const char *path, const struct rb_diagnostic *diagnostic, int error)
{
    struct entry entry;
    struct rb_text *line = &entry.line;
    if (!log_begin(&entry, destination, program))
        return RB_LOSS_NONE;
    put_string(line, "decision", decision);
    put_string(line, "reason", what);
    put_string(line, "file", diagnostic && diagnostic->file ? diagnostic->file : path);
    if (diagnostic && diagnostic->line > 0)
        put_number(line, "line", diagnostic->line);
    if (diagnostic && diagnostic->column > 0)
        put_number(line, "column", diagnostic->column);
    if (diagnostic)
        put_string(line, "message", diagnostic->message);
    if (error)
        put_number(line, "errno", (uint64_t) -error);
    return log_end(&entry, destination);
}

enum rb_loss rb_log_sandbox(const char *destination, const char *program, const char *what)
{
    struct entry entry;
    if (!log_begin(&entry, destination, program))
        return RB_LOSS_NONE;
    put_string(&entry.line, "decision", "sandbox");
    put_string(&entry.line, "reason", what);
    return log_end(&entry, destination);
}

enum rb_loss rb_log_state(const char *destination, const char *program, const char *what, const char *path)
{
    return log_write_file(destination, program, "state", what, path, NULL, 0);
}

enum rb_loss rb_log_policy(const char *destination, const char *program, const char *what, const char *path,
                           const struct rb_diagnostic *diagnostic, int error)
{
    return log_write_file(destination, program, "policy", what, path, diagnostic, error);
}

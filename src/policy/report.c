// SPDX-License-Identifier: MIT
// Collects the errors and warnings of one policy file and delivers them ordered by line and column.
#include "policy/report.h"

#include <stdarg.h>

// REPORT_MAX is the number of errors that are kept. It limits the memory for a file that is no policy, for example a
// binary. The other two are sizes in bytes; REPORT_TEXT_MAX is the longest part of a source line that is kept.
enum { REPORT_MAX = 1000, REPORT_MESSAGE_SIZE = 512, REPORT_TEXT_MAX = 1024 };

struct rb_complaint {
    struct rb_complaint *next, *previous;
    struct rb_diagnostic diagnostic;
};

// Copies a source line. Replaces NUL bytes by '?', because the receiver expects a NUL-terminated string. Always
// inlined, so that a wrong policy needs less stack.
__attribute__((always_inline)) static inline const char *keep_text(struct rb_arena *scratch, struct rb_slice text)
{
    size_t length = text.length < REPORT_TEXT_MAX ? text.length : REPORT_TEXT_MAX;
    char *copy = rb_arena_copy(scratch, text.at, length);
    for (size_t i = 0; copy && i < length; i++)
        copy[i] = copy[i] ? copy[i] : '?';
    return copy;
}

// Inserts the error into the list, which is ordered by line and column. The search starts at the end, because the
// reader finds most errors in the order of lines. Checks that compare several keys run after the whole file has been
// read, and their errors can belong to any line.
static void report_insert(struct rb_report *report, struct rb_complaint *entry)
{
    const struct rb_diagnostic *added = &entry->diagnostic;
    struct rb_complaint *before = report->last;
    while (before && (before->diagnostic.line > added->line ||
                      (before->diagnostic.line == added->line && before->diagnostic.file == added->file &&
                       before->diagnostic.column > added->column)))
        before = before->previous;
    entry->previous = before;
    entry->next = before ? before->next : report->first;
    *(entry->next ? &entry->next->previous : &report->last) = entry;
    *(before ? &before->next : &report->first) = entry;
}

// Writes the text with its conversions: %s, %.*s, %u and %d are supported. vsnprintf is not used: glibc's needs 1.5 KiB
// of stack.
static void report_format(struct rb_writer *writer, const char *format, va_list arguments)
{
    for (const char *end; *format; format = end) {
        end = format + strcspn(format, "%");
        rb_write_bytes(writer, format, (size_t) (end - format));
        if (strncmp(end, "%.*s", 4) == 0) {
            size_t most = (size_t) va_arg(arguments, int);
            const char *text = va_arg(arguments, const char *);
            rb_write_bytes(writer, text, strnlen(text, most));
            end += 4;
        } else if (*end) {
            char conversion = end[1];
            if (conversion == 's')
                rb_write_text(writer, va_arg(arguments, const char *));
            else
                rb_write_number(writer, va_arg(arguments, unsigned));
            end += 2;
        }
    }
}

// Returns true if the report has an error (or a warning) at this place of a text that is not the file. Such a text
// concerns every section, so each section may find the same error.
static bool is_known(const struct rb_report *report, const struct rb_line *line, unsigned column, bool warning)
{
    for (const struct rb_complaint *entry = report->first; line->file && entry; entry = entry->next)
        if (entry->diagnostic.file == line->file && entry->diagnostic.column == column &&
            entry->diagnostic.warning == warning)
            return true;
    return false;
}

static const char *text_to_keep(const struct rb_report *report, const struct rb_line *line)
{
    if (line->file)
        return line->text.at;
    return line->number > 0 ? keep_text(report->scratch, line->text) : NULL;
}

void rb_report_add(struct rb_report *report, const struct rb_line *line, unsigned column, const char *suggestion,
                   const char *format, ...)
{
    if (is_known(report, line, column, false))
        return;
    report->elsewhere += line->file != NULL;
    if (++report->count > REPORT_MAX + 1)
        return;
    struct rb_complaint *entry = rb_arena_take(report->scratch, sizeof(*entry));
    char *message = rb_arena_take(report->scratch, REPORT_MESSAGE_SIZE);
    if (!entry || !message)
        return;
    bool last = report->count > REPORT_MAX;
    va_list arguments;
    va_start(arguments, format);
    struct rb_writer writer = rb_writer_on(message, REPORT_MESSAGE_SIZE);
    report_format(&writer, format, arguments);
    va_end(arguments);
    entry->diagnostic = (struct rb_diagnostic){
        .file = line->file ? line->file : report->file,
        .line = line->number,
        .column = column,
        .text = text_to_keep(report, line),
        .message = last ? "there are more errors; the rest of them is not shown" : message,
        .suggestion = last ? NULL : suggestion,
    };
    report_insert(report, entry);
}

void rb_report_warn(struct rb_report *report, const struct rb_line *line, unsigned column, const char *suggestion,
                    const char *message)
{
    if (is_known(report, line, column, true) || ++report->warnings > REPORT_MAX)
        return;
    struct rb_complaint *entry = rb_arena_take(report->scratch, sizeof(*entry));
    if (!entry || !message)
        return;
    entry->diagnostic = (struct rb_diagnostic){
        .warning = true,
        .file = line->file ? line->file : report->file,
        .line = line->number,
        .column = column,
        .text = text_to_keep(report, line),
        .message = message,
        .suggestion = suggestion,
    };
    report_insert(report, entry);
}

void rb_report_deliver(const struct rb_report *report, rb_report_fn *receive, void *context)
{
    for (const struct rb_complaint *entry = report->first; receive && entry; entry = entry->next)
        receive(context, &entry->diagnostic);
}

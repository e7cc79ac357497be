// SPDX-License-Identifier: MIT
// Prints errors and warnings of policy files in the format of a compiler.
#include "cli/policy/diagnose.h"

#include <string.h>

#include "base/escape.h"
#include "cli/say.h"

// Longest excerpt of a line, and its longest part before the column, in bytes.
enum { EXCERPT_MAX = 200, EXCERPT_BEFORE = 100 };

static const char ellipsis[] = "...";

static void print_place(FILE *stream, bool colour, const struct rb_diagnostic *diagnostic)
{
    char numbers[32] = ": ";
    if (diagnostic->line > 0)
        snprintf(numbers, sizeof(numbers), ":%u:%u: ", diagnostic->line, diagnostic->column);
    rb_say_styled(stream, colour, RB_STYLE_BOLD, diagnostic->file);
    rb_say_styled(stream, colour, RB_STYLE_BOLD, numbers);
}

// Prints a part of a source line. A tab stays a tab, and so does its copy above the caret.
static void diagnose_print_part(FILE *stream, const char *text, size_t length, bool blank)
{
    for (struct rb_escaped next; length > 0; text += next.taken, length -= next.taken) {
        next = rb_escape_next(RB_ESCAPE_TEXT, text, length);
        if (*text == '\t')
            putc('\t', stream);
        else if (blank)
            fprintf(stream, "%*s", next.columns, "");
        else
            fwrite(next.bytes, 1, next.length, stream);
    }
}

static void print_source(FILE *stream, bool colour, const char *text, size_t column)
{
    size_t length = strlen(text), start = 0;
    if (column == 0 || column > length + 1)
        column = length + 1;
    if (length > EXCERPT_MAX && column > EXCERPT_BEFORE)
        start = rb_escape_whole(text, column - EXCERPT_BEFORE);
    size_t end = length - start > EXCERPT_MAX ? rb_escape_whole(text, start + EXCERPT_MAX) : length;
    fprintf(stream, "  %s", start > 0 ? ellipsis : "");
    diagnose_print_part(stream, text + start, end - start, false);
    fprintf(stream, "%s\n  %*s", end < length ? ellipsis : "", start > 0 ? (int) strlen(ellipsis) : 0, "");
    diagnose_print_part(stream, text + start, rb_escape_whole(text, column - 1) - start, true);
    rb_say_styled(stream, colour, RB_STYLE_MARK, "^");
    putc('\n', stream);
}

void rb_diagnose_print(FILE *stream, bool colour, const struct rb_diagnostic *diagnostic)
{
    print_place(stream, colour, diagnostic);
    if (diagnostic->warning)
        rb_say_styled(stream, colour, RB_STYLE_WARNING, "warning: ");
    else
        rb_say_styled(stream, colour, RB_STYLE_ERROR, "error: ");
    rb_say_clean(stream, diagnostic->message);
    if (diagnostic->suggestion) {
        fputs("; did you mean '", stream);
        rb_say_clean(stream, diagnostic->suggestion);
        fputs("'?", stream);
    }
    putc('\n', stream);
    if (diagnostic->text)
        print_source(stream, colour, diagnostic->text, diagnostic->column);
}

void rb_diagnose_to_stderr(void *context, const struct rb_diagnostic *diagnostic)
{
    (void) context;
    if (!diagnostic->warning)
        rb_diagnose_print(stderr, rb_say_colour(stderr), diagnostic);
}

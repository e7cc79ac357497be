// SPDX-License-Identifier: MIT
// Prints errors of policy files in the format of a compiler.
#include "cli/policy/diagnose.h"

#include <string.h>

#include "cli/say.h"

// Longest excerpt of a line, and its longest part before the column, in bytes.
enum { EXCERPT_MAX = 200, EXCERPT_BEFORE = 100 };

static const char ellipsis[] = "...";

static bool is_continuation(char c)
{
    return ((unsigned char) c & 0xc0) == 0x80;
}

static void print_place(FILE *stream, bool colour, const struct rb_diagnostic *diagnostic)
{
    char numbers[32] = ": ";
    if (diagnostic->line > 0)
        snprintf(numbers, sizeof(numbers), ":%u:%u: ", diagnostic->line, diagnostic->column);
    rb_say_styled(stream, colour, RB_STYLE_BOLD, diagnostic->file);
    rb_say_styled(stream, colour, RB_STYLE_BOLD, numbers);
}

// Copies the tabs before the column, so that the caret is aligned for every tab width.
static void print_caret(FILE *stream, bool colour, const char *text, size_t start, size_t column)
{
    fputs("  ", stream);
    if (start > 0)
        fprintf(stream, "%*s", (int) strlen(ellipsis), "");
    for (size_t i = start; i + 1 < column; i++)
        if (!is_continuation(text[i]))
            putc(text[i] == '\t' ? '\t' : ' ', stream);
    rb_say_styled(stream, colour, RB_STYLE_MARK, "^");
    putc('\n', stream);
}

static void print_source(FILE *stream, bool colour, const char *text, size_t column)
{
    size_t length = strlen(text), start = 0;
    if (column == 0 || column > length + 1)
        column = length + 1;
    if (length > EXCERPT_MAX && column > EXCERPT_BEFORE)
        start = column - EXCERPT_BEFORE;
    while (start > 0 && is_continuation(text[start]))
        start--;
    size_t end = length - start > EXCERPT_MAX ? start + EXCERPT_MAX : length;
    while (end > start && is_continuation(text[end]))
        end--;
    fprintf(stream, "  %s", start > 0 ? ellipsis : "");
    rb_say_clean_part(stream, text + start, end - start);
    fprintf(stream, "%s\n", end < length ? ellipsis : "");
    print_caret(stream, colour, text, start, column);
}

void rb_diagnose_print(FILE *stream, bool colour, const struct rb_diagnostic *diagnostic)
{
    print_place(stream, colour, diagnostic);
    rb_say_styled(stream, colour, RB_STYLE_ERROR, "error: ");
    rb_say_clean(stream, diagnostic->message);
    if (diagnostic->suggestion) {
        fputs("; did you mean '", stream);
        rb_say_clean(stream, diagnostic->suggestion);
        fputs("'?", stream);
    }
    putc('\n', stream);
    if (diagnostic->line > 0 && diagnostic->text)
        print_source(stream, colour, diagnostic->text, diagnostic->column);
}

void rb_diagnose_to_stderr(void *context, const struct rb_diagnostic *diagnostic)
{
    (void) context;
    rb_diagnose_print(stderr, rb_say_colour(stderr), diagnostic);
}

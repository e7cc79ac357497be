// SPDX-License-Identifier: MIT
// Messages on stderr, and errors of stdout.
#include "cli/say.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/escape.h"

static const char *const style_codes[] = {
    [RB_STYLE_PLAIN] = "\x1b[0m",      [RB_STYLE_BOLD] = "\x1b[1m",    [RB_STYLE_ERROR] = "\x1b[1;31m",
    [RB_STYLE_WARNING] = "\x1b[1;35m", [RB_STYLE_MARK] = "\x1b[1;32m",
};

static void say(enum rb_style style, const char *kind, const char *format, va_list arguments)
{
    char text[RB_SAY_SIZE], shown[RB_SAY_SIZE];
    vsnprintf(text, sizeof(text), format, arguments);
    rb_escape_fit(shown, sizeof(shown), text, sizeof(shown));
    bool colour = *kind && rb_say_colour(stderr);
    fprintf(stderr, "rebound: %s%s%s%s\n", colour ? style_codes[style] : "", kind,
            colour ? style_codes[RB_STYLE_PLAIN] : "", shown);
}

void rb_say_error(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    say(RB_STYLE_ERROR, "error: ", format, arguments);
    va_end(arguments);
}

void rb_say_warning(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    say(RB_STYLE_WARNING, "warning: ", format, arguments);
    va_end(arguments);
}

void rb_say_note(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    say(RB_STYLE_BOLD, "", format, arguments);
    va_end(arguments);
}

// stdin is opened for writing, the others for reading. So a write to a closed stdout still fails.
void rb_say_guard(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) >= 0)
            continue;
        int opened = open("/dev/null", (fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) | O_CLOEXEC);
        if (opened >= 0 && opened != fd) { // never true, because open returns the lowest free number
            dup3(opened, fd, O_CLOEXEC);
            close(opened);
        }
    }
}

bool rb_say_colour(FILE *stream)
{
    const char *no_colour = getenv("NO_COLOR"), *terminal = getenv("TERM");
    return !(no_colour && *no_colour) && terminal && strcmp(terminal, "dumb") != 0 && isatty(fileno(stream));
}

size_t rb_say_clean_part(FILE *stream, const char *text, size_t length)
{
    size_t columns = 0;
    for (struct rb_escaped next; length > 0; text += next.taken, length -= next.taken) {
        next = rb_escape_next(RB_ESCAPE_TEXT, text, length);
        fwrite(next.bytes, 1, next.length, stream);
        columns += next.columns;
    }
    return columns;
}

size_t rb_say_clean(FILE *stream, const char *text)
{
    return rb_say_clean_part(stream, text, strlen(text));
}

void rb_say_padded(FILE *stream, const char *text, size_t width)
{
    for (size_t columns = rb_say_clean(stream, text); columns < width; columns++)
        putc(' ', stream);
}

void rb_say_style(FILE *stream, bool colour, enum rb_style style)
{
    fputs(colour ? style_codes[style] : "", stream);
}

void rb_say_styled(FILE *stream, bool colour, enum rb_style style, const char *text)
{
    rb_say_style(stream, colour, style);
    rb_say_clean(stream, text);
    rb_say_style(stream, colour, RB_STYLE_PLAIN);
}

int rb_say_finish(int status, int trouble)
{
    errno = 0;
    bool failed = ferror(stdout) != 0;
    if (fflush(stdout) == 0 && !failed)
        return status;
    rb_say_error("cannot write to standard output%s%s", errno ? ": " : "", errno ? strerror(errno) : "");
    return trouble;
}

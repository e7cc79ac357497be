// SPDX-License-Identifier: MIT
// Messages to the user on stderr, colour, and errors of stdout.
#ifndef RB_CLI_SAY_H
#define RB_CLI_SAY_H

#include <stdbool.h>
#include <stdio.h>

enum { RB_SAY_SIZE = 8192 }; // longer lines are cut

enum rb_style { RB_STYLE_PLAIN, RB_STYLE_BOLD, RB_STYLE_ERROR, RB_STYLE_WARNING, RB_STYLE_MARK };

// Print one line on stderr with one write: "rebound: error: ...", "rebound: warning: ...", "rebound: ...". The line
// is written in the form RB_ESCAPE_TEXT (base/escape.h), because names come from outside and could control the
// terminal.
void rb_say_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void rb_say_warning(const char *format, ...) __attribute__((format(printf, 1, 2)));
void rb_say_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

// Opens closed standard descriptors on /dev/null. Otherwise a file of ours could get number 2 and receive the messages.
// The descriptors are close-on-exec, so a program that `rebound run` starts finds them closed again.
void rb_say_guard(void);

// True if `stream` is a terminal with colours and NO_COLOR is not set.
bool rb_say_colour(FILE *stream);

// Write text in the form RB_ESCAPE_TEXT (base/escape.h). rb_say_clean_part writes only the first `length` bytes. Return
// the number of columns on a terminal.
size_t rb_say_clean(FILE *stream, const char *text);
size_t rb_say_clean_part(FILE *stream, const char *text, size_t length);

// As rb_say_clean, with spaces up to `width` columns.
void rb_say_padded(FILE *stream, const char *text, size_t width);

// Begins a style, or ends it with RB_STYLE_PLAIN, if `colour` is true. For text that has its final form already.
void rb_say_style(FILE *stream, bool colour, enum rb_style style);

// Prints text in a style, or plain without colour.
void rb_say_styled(FILE *stream, bool colour, enum rb_style style, const char *text);

// Flushes stdout. Returns `status`, or reports a write error and returns `trouble`.
int rb_say_finish(int status, int trouble);

#endif

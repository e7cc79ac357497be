// SPDX-License-Identifier: MIT
// What the command says to people: lines on stderr, colour, and whether stdout took what was written.
#ifndef RB_CLI_SAY_H
#define RB_CLI_SAY_H

#include <stdbool.h>
#include <stdio.h>

enum { RB_SAY_SIZE = 8192 }; // a line is cut at this many bytes

enum rb_style { RB_STYLE_BOLD, RB_STYLE_ERROR, RB_STYLE_WARNING, RB_STYLE_MARK };

// One line on stderr in one write: "rebound: error: ...", "rebound: warning: ...", "rebound: ...". Control characters
// become '?': names come from outside, and a terminal obeys them.
void rb_say_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void rb_say_warning(const char *format, ...) __attribute__((format(printf, 1, 2)));
void rb_say_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

// Opens the standard descriptors that are closed on /dev/null, for this process alone: a file of ours that got number 2
// would receive the messages. The program that we become finds them closed again.
void rb_say_guard(void);

// True when `stream` is a terminal that shows colours and NO_COLOR is not set.
bool rb_say_colour(FILE *stream);

// Writes text with control characters but tabs replaced by '?'; the other one the first `length` bytes of it.
void rb_say_clean(FILE *stream, const char *text);
void rb_say_clean_part(FILE *stream, const char *text, size_t length);

// Prints text in a style, plain without colour.
void rb_say_styled(FILE *stream, bool colour, enum rb_style style, const char *text);

// Flushes stdout. Returns `status`, or `trouble` after saying so when something could not be written.
int rb_say_finish(int status, int trouble);

#endif

// SPDX-License-Identifier: MIT
// Text slices without a terminating NUL, and a bounded writer. Used instead of stdio and ctype, which depend on the
// locale and may allocate.
#ifndef RB_BASE_SLICE_H
#define RB_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

// A borrowed piece of text; not terminated.
struct rb_slice {
    const char *at;
    size_t length;
};

static inline bool rb_char_blank(char c)
{
    return c == ' ' || c == '\t';
}

static inline bool rb_char_digit(char c)
{
    return c >= '0' && c <= '9';
}

static inline char rb_char_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char) (c + ('a' - 'A')) : c;
}

static inline bool rb_char_alnum(char c)
{
    char low = rb_char_lower(c);
    return rb_char_digit(c) || (low >= 'a' && low <= 'z');
}

static inline struct rb_slice rb_slice_of(const char *text)
{
    return (struct rb_slice){text, strlen(text)};
}

static inline bool rb_slice_is(struct rb_slice slice, const char *word)
{
    return strlen(word) == slice.length && memcmp(slice.at, word, slice.length) == 0;
}

// Returns true if the slice is `word`, ignoring the case of ASCII letters. Unlike strncasecmp, the comparison does not
// depend on the locale.
//   word: in lower case
static inline bool rb_slice_is_nocase(struct rb_slice slice, const char *word)
{
    size_t same = 0;
    while (same < slice.length && word[same] && rb_char_lower(slice.at[same]) == word[same])
        same++;
    return same == slice.length && !word[same];
}

// Removes blanks from both ends.
static inline struct rb_slice rb_slice_trim(struct rb_slice slice)
{
    for (; slice.length > 0 && rb_char_blank(slice.at[0]); slice.length--)
        slice.at++;
    while (slice.length > 0 && rb_char_blank(slice.at[slice.length - 1]))
        slice.length--;
    return slice;
}

// Takes the next item from a comma-separated list. The item is trimmed and may be empty. After the last item rest->at
// is NULL. Returns false when no item is left.
static inline bool rb_slice_next(struct rb_slice *rest, struct rb_slice *item)
{
    if (!rest->at)
        return false;
    const char *comma = memchr(rest->at, ',', rest->length);
    size_t taken = comma ? (size_t) (comma - rest->at) : rest->length;
    *item = rb_slice_trim((struct rb_slice){rest->at, taken});
    rest->at = comma ? comma + 1 : NULL;
    rest->length = comma ? rest->length - taken - 1 : 0;
    return true;
}

// Writes text into a buffer of `size` bytes (at least 1). The text is always terminated; text that does not fit is
// dropped.
struct rb_writer {
    char *out;
    size_t size;
    size_t length;
};

static inline struct rb_writer rb_writer_on(char *out, size_t size)
{
    out[0] = '\0';
    return (struct rb_writer){out, size, 0};
}

static inline void rb_write_bytes(struct rb_writer *writer, const char *at, size_t length)
{
    size_t room = writer->size - writer->length - 1;
    size_t taken = length < room ? length : room;
    memcpy(writer->out + writer->length, at, taken);
    writer->length += taken;
    writer->out[writer->length] = '\0';
}

static inline void rb_write_text(struct rb_writer *writer, const char *text)
{
    rb_write_bytes(writer, text, strlen(text));
}

static inline void rb_write_number(struct rb_writer *writer, uint64_t number)
{
    char digits[20];
    size_t at = sizeof(digits);
    do {
        digits[--at] = (char) ('0' + number % 10);
        number /= 10;
    } while (number > 0);
    rb_write_bytes(writer, digits + at, sizeof(digits) - at);
}

// Writes `number` / 10^decimals (0 to 3) without trailing zeros: 1500 with 3 decimals is "1.5".
static inline void rb_write_scaled(struct rb_writer *writer, uint64_t number, unsigned decimals)
{
    static const uint64_t powers[] = {1, 10, 100, 1000};
    for (; decimals > 0 && number % 10 == 0; decimals--)
        number /= 10;
    rb_write_number(writer, number / powers[decimals]);
    rb_write_text(writer, decimals > 0 ? "." : "");
    while (decimals-- > 0)
        rb_write_number(writer, number / powers[decimals] % 10);
}

#endif

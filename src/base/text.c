// SPDX-License-Identifier: MIT
// Builds a line in a fixed buffer.
#include <string.h>

#include "base/civil.h"
#include "base/text.h"

void rb_text_bytes(struct rb_text *text, const char *bytes, size_t length)
{
    size_t room = text->size - text->length;
    size_t fits = length < room ? length : room;
    memcpy(text->at + text->length, bytes, fits);
    text->length += fits;
    text->cut += length - fits;
}

void rb_text_string(struct rb_text *text, const char *string)
{
    rb_text_bytes(text, string, strlen(string));
}

// Not inlined, so that its callers have no buffer on the stack.
__attribute__((noinline)) void rb_text_number(struct rb_text *text, uint64_t number, unsigned digits)
{
    char out[24];
    size_t at = sizeof(out);
    do
        out[--at] = (char) ('0' + number % 10);
    while ((number /= 10) != 0);
    while (at > 0 && sizeof(out) - at < digits)
        out[--at] = '0';
    rb_text_bytes(text, out + at, sizeof(out) - at);
}

// Returns the length of the UTF-8 sequence at `s` (RFC 3629, section 4), or 0 if it is invalid.
static unsigned utf8_length(const unsigned char *s)
{
    if (s[0] < 0x80)
        return 1;
    unsigned length = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
    unsigned low = s[0] == 0xe0 ? 0xa0 : s[0] == 0xf0 ? 0x90 : 0x80;
    unsigned high = s[0] == 0xed ? 0x9f : s[0] == 0xf4 ? 0x8f : 0xbf;
    if (s[0] < 0xc2 || s[0] > 0xf4 || s[1] < low || s[1] > high)
        return 0;
    for (unsigned i = 2; i < length; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    return length;
}

void rb_text_json(struct rb_text *text, const char *string)
{
    static const char hex[] = "0123456789abcdef";
    const unsigned char *s = (const unsigned char *) string;
    rb_text_string(text, "\"");
    while (*s) {
        unsigned length = utf8_length(s);
        if (length == 0)
            rb_text_string(text, "\xef\xbf\xbd");
        else if (*s < 0x20 || *s == 0x7f)
            rb_text_bytes(text, (const char[]){'\\', 'u', '0', '0', hex[*s >> 4], hex[*s & 15]}, 6);
        else if (*s == '"' || *s == '\\')
            rb_text_bytes(text, (const char[]){'\\', (char) *s}, 2);
        else
            rb_text_bytes(text, (const char *) s, length);
        s += length ? length : 1;
    }
    rb_text_string(text, "\"");
}

void rb_text_time(struct rb_text *text, int64_t unix_s, unsigned ms)
{
    struct rb_civil civil = rb_civil_from_unix(unix_s);
    const unsigned values[] = {(unsigned) civil.year,
                               (unsigned) civil.month,
                               (unsigned) civil.day,
                               (unsigned) civil.hour,
                               (unsigned) civil.minute,
                               (unsigned) civil.second,
                               ms};
    static const unsigned char digits[] = {4, 2, 2, 2, 2, 2, 3};
    for (unsigned i = 0; i < sizeof(digits); i++) {
        rb_text_number(text, values[i], digits[i]);
        rb_text_bytes(text, &"--T::.Z"[i], 1);
    }
}

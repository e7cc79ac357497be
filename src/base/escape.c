// SPDX-License-Identifier: MIT
// Decodes UTF-8, decides which characters are shown as they are, and writes the forms of the others.
#include "base/escape.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { FIRST_SUPPLEMENTARY = 0x10000, SEQUENCE_MAX = 4 }; // a code point; the bytes of the longest UTF-8 sequence

// Tables of ranges are sorted, and end with a range that is above all characters.
struct range {
    uint32_t first, last;
};

// Characters that are not shown as they are: controls, separators of lines and paragraphs, and what Unicode calls
// default ignorable and format characters, among them all that change the direction of writing.
static const struct range hidden[] = {
    {0x0000, 0x001f},   {0x007f, 0x009f},   {0x00ad, 0x00ad},   {0x034f, 0x034f},         {0x0600, 0x0605},
    {0x061c, 0x061c},   {0x06dd, 0x06dd},   {0x070f, 0x070f},   {0x115f, 0x1160},         {0x17b4, 0x17b5},
    {0x180b, 0x180f},   {0x200b, 0x200f},   {0x2028, 0x202e},   {0x2060, 0x206f},         {0x3164, 0x3164},
    {0xfe00, 0xfe0f},   {0xfeff, 0xfeff},   {0xffa0, 0xffa0},   {0xfff0, 0xfffb},         {0xfffe, 0xffff},
    {0x1bca0, 0x1bca3}, {0x1d173, 0x1d17a}, {0xe0000, 0xe0fff}, {UINT32_MAX, UINT32_MAX},
};

// Combining characters of common scripts.
static const struct range combining[] = {
    {0x0300, 0x036f}, {0x0483, 0x0489}, {0x0591, 0x05bd}, {0x05bf, 0x05bf},         {0x05c1, 0x05c2}, {0x05c4, 0x05c5},
    {0x0610, 0x061a}, {0x064b, 0x065f}, {0x0670, 0x0670}, {0x06d6, 0x06dc},         {0x06df, 0x06e4}, {0x06e7, 0x06e8},
    {0x06ea, 0x06ed}, {0x0900, 0x0902}, {0x093a, 0x093a}, {0x093c, 0x093c},         {0x0941, 0x0948}, {0x094d, 0x094d},
    {0x0e31, 0x0e31}, {0x0e34, 0x0e3a}, {0x0e47, 0x0e4e}, {0x1ab0, 0x1aff},         {0x1dc0, 0x1dff}, {0x20d0, 0x20ff},
    {0x302a, 0x302d}, {0x3099, 0x309a}, {0xfe20, 0xfe2f}, {UINT32_MAX, UINT32_MAX},
};

// Characters that take two columns: East Asian wide and full-width ones, and pictographs.
static const struct range wide[] = {
    {0x1100, 0x115e},   {0x2e80, 0x303e},   {0x3041, 0x33ff},         {0x3400, 0x4dbf},   {0x4e00, 0xa4cf},
    {0xa960, 0xa97c},   {0xac00, 0xd7a3},   {0xf900, 0xfaff},         {0xfe30, 0xfe6f},   {0xff01, 0xff60},
    {0xffe0, 0xffe6},   {0x16fe0, 0x18aff}, {0x1b000, 0x1b2ff},       {0x1f300, 0x1f64f}, {0x1f680, 0x1f6ff},
    {0x1f900, 0x1f9ff}, {0x20000, 0x3fffd}, {UINT32_MAX, UINT32_MAX},
};

static bool escape_holds(const struct range *ranges, uint32_t code)
{
    while (code > ranges->last)
        ranges++;
    return code >= ranges->first;
}

static unsigned escape_columns(uint32_t code)
{
    return escape_holds(combining, code) ? 0 : escape_holds(wide, code) ? 2 : 1;
}

// Decodes the UTF-8 sequence at `s` (RFC 3629, section 4), which has `left` bytes. Returns its length. Returns 0 if the
// sequence is invalid or incomplete; *code is then the first byte.
static unsigned escape_decode(const unsigned char *s, size_t left, uint32_t *code)
{
    *code = s[0];
    if (s[0] < 0x80)
        return 1;
    unsigned length = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
    unsigned low = s[0] == 0xe0 ? 0xa0 : s[0] == 0xf0 ? 0x90 : 0x80;
    unsigned high = s[0] == 0xed ? 0x9f : s[0] == 0xf4 ? 0x8f : 0xbf;
    if (s[0] < 0xc2 || s[0] > 0xf4 || left < length || s[1] < low || s[1] > high)
        return 0;
    uint32_t found = s[0] & (0x7fu >> length);
    for (unsigned i = 1; i < length; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
        found = found << 6 | (s[i] & 0x3f);
    }
    *code = found;
    return length;
}

static void escape_put(struct rb_escaped *out, const char *bytes, size_t length)
{
    memcpy(out->bytes + out->length, bytes, length);
    out->length = (unsigned char) (out->length + length);
}

// Appends a backslash, a letter and a number of `digits` hexadecimal digits.
static void escape_put_hex(struct rb_escaped *out, char letter, uint32_t number, unsigned digits)
{
    static const char hex[] = "0123456789abcdef";
    escape_put(out, (const char[]){'\\', letter}, 2);
    while (digits-- > 0)
        escape_put(out, &hex[number >> (4 * digits) & 15], 1);
}

static void escape_put_text(struct rb_escaped *out, bool valid, uint32_t code)
{
    if (!valid || code < 0x80)
        escape_put_hex(out, 'x', code, 2);
    else if (code < FIRST_SUPPLEMENTARY)
        escape_put_hex(out, 'u', code, 4);
    else
        escape_put_hex(out, 'U', code, 8);
}

static void escape_put_json(struct rb_escaped *out, bool valid, uint32_t code)
{
    uint32_t above = code - FIRST_SUPPLEMENTARY;
    if (!valid) {
        escape_put(out, "\xef\xbf\xbd", 3);
    } else if (code < FIRST_SUPPLEMENTARY) {
        escape_put_hex(out, 'u', code, 4);
    } else {
        escape_put_hex(out, 'u', 0xd800 | above >> 10, 4);
        escape_put_hex(out, 'u', 0xdc00 | (above & 0x3ff), 4);
    }
}

// True if the first character of a text is shown as it is.
static bool escape_is_plain(const unsigned char *s, size_t left)
{
    uint32_t code;
    return escape_decode(s, left, &code) > 0 && !escape_holds(hidden, code);
}

struct rb_escaped rb_escape_next(enum rb_escape_form form, const char *text, size_t left)
{
    const unsigned char *s = (const unsigned char *) text;
    uint32_t code;
    struct rb_escaped out = {.length = 0};
    unsigned length = escape_decode(s, left, &code);
    bool doubled = form == RB_ESCAPE_JSON && *s == '"';
    out.taken = (unsigned char) (length > 0 ? length : 1);
    if (*s == '\\')
        doubled = form == RB_ESCAPE_JSON || (left > 1 && (strchr("\\xuU", s[1]) || !escape_is_plain(s + 1, left - 1)));
    if (escape_is_plain(s, left)) {
        escape_put(&out, "\\", doubled);
        escape_put(&out, text, length);
        out.columns = (unsigned char) (escape_columns(code) + doubled);
        return out;
    }
    if (form == RB_ESCAPE_JSON)
        escape_put_json(&out, length > 0, code);
    else
        escape_put_text(&out, length > 0, code);
    out.columns = out.length;
    return out;
}

size_t rb_escape_fit(char *out, size_t size, const char *text, size_t columns)
{
    size_t left = strlen(text), length = 0, used = 0;
    size_t cut = 0, cut_used = 0; // where '~' goes if the text is cut
    for (struct rb_escaped next; left > 0; text += next.taken, left -= next.taken) {
        next = rb_escape_next(RB_ESCAPE_TEXT, text, left);
        if (used + next.columns > columns || length + next.length >= size) {
            if (cut + 1 < size)
                out[cut++] = '~';
            out[cut] = '\0';
            return cut_used + 1;
        }
        memcpy(out + length, next.bytes, next.length);
        length += next.length;
        used += next.columns;
        if (used < columns && length + 1 < size) {
            cut = length;
            cut_used = used;
        }
    }
    out[length] = '\0';
    return used;
}

size_t rb_escape_fitting(const char *shown, size_t columns)
{
    const char *at = shown;
    uint32_t code;
    for (size_t used = 0; *at;) {
        unsigned length = escape_decode((const unsigned char *) at, strnlen(at, SEQUENCE_MAX), &code);
        used += escape_columns(code);
        if (used > columns)
            break;
        at += length > 0 ? length : 1;
    }
    return (size_t) (at - shown);
}

size_t rb_escape_whole(const char *text, size_t length)
{
    for (size_t back = 1; back < SEQUENCE_MAX && back <= length; back++) {
        unsigned char byte = (unsigned char) text[length - back];
        size_t needed = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
        if ((byte & 0xc0) != 0x80)
            return needed > back ? length - back : length;
    }
    return length;
}

// SPDX-License-Identifier: MIT
// Scans JSON token by token. One bit for each open container says whether it is an object.
#include "base/scan.h"

static void scan_skip(struct rb_scan *scan, size_t count)
{
    scan->rest.at += count;
    scan->rest.length -= count;
}

static void scan_skip_blanks(struct rb_scan *scan)
{
    while (scan->rest.length > 0 && memchr(" \t\n\r", scan->rest.at[0], 4))
        scan_skip(scan, 1);
}

static enum rb_scan_token scan_finish(struct rb_scan *scan, enum rb_scan_token last)
{
    scan->state = RB_SCAN_FINISHED;
    scan->last = last;
    return last;
}

// Returns the value of a hexadecimal digit, or -1.
static int scan_hex(char c)
{
    char low = rb_char_lower(c);
    return rb_char_digit(c) ? c - '0' : low >= 'a' && low <= 'f' ? low - 'a' + 10 : -1;
}

// Returns the length of the character or escape at the start of `text`; 0 if it is cut, -1 if it is invalid.
static int scan_character(struct rb_slice text)
{
    if ((unsigned char) text.at[0] < ' ')
        return -1;
    if (text.at[0] != '\\')
        return 1;
    if (text.length == 1)
        return 0;
    if (text.at[1] != 'u')
        return text.at[1] != '\0' && strchr("\"\\/bfnrt", text.at[1]) ? 2 : -1;
    for (size_t i = 2; i < 6; i++) {
        if (i == text.length)
            return 0;
        if (scan_hex(text.at[i]) < 0)
            return -1;
    }
    return 6;
}

// Reads a string, whose first quote is next. Returns `token`.
static enum rb_scan_token scan_string(struct rb_scan *scan, enum rb_scan_token token)
{
    scan_skip(scan, 1);
    const char *begin = scan->rest.at;
    while (scan->rest.length > 0 && scan->rest.at[0] != '"') {
        int length = scan_character(scan->rest);
        if (length <= 0)
            return scan_finish(scan, length < 0 ? RB_SCAN_INVALID : RB_SCAN_CUT);
        scan_skip(scan, (size_t) length);
    }
    if (scan->rest.length == 0)
        return scan_finish(scan, RB_SCAN_CUT);
    scan->text = (struct rb_slice){begin, (size_t) (scan->rest.at - begin)};
    scan_skip(scan, 1);
    return token;
}

// Moves *at past digits. Returns how many there were.
static size_t scan_digits(struct rb_slice text, size_t *at)
{
    size_t begin = *at;
    while (*at < text.length && rb_char_digit(text.at[*at]))
        ++*at;
    return *at - begin;
}

// Returns the length of the number at the start of `text`; 0 if there is none. A number at the end of the text may be
// cut: *cut is set then.
static size_t scan_number(struct rb_slice text, bool *cut)
{
    size_t at = text.at[0] == '-', first = at;
    size_t digits = scan_digits(text, &at);
    bool valid = digits > 0 && (digits == 1 || text.at[first] != '0');
    if (valid && at < text.length && text.at[at] == '.') {
        at++;
        valid = scan_digits(text, &at) > 0;
    }
    if (valid && at < text.length && (text.at[at] == 'e' || text.at[at] == 'E')) {
        at++;
        at += at < text.length && (text.at[at] == '+' || text.at[at] == '-');
        valid = scan_digits(text, &at) > 0;
    }
    *cut = at == text.length;
    return valid || (*cut && (digits <= 1 || text.at[first] != '0')) ? at : 0;
}

// Returns the length of true, false or null at the start of `text`, 0 for another word. Sets *cut if the text ends in
// the middle of such a word.
static size_t scan_word(struct rb_slice text, bool *cut)
{
    static const char words[][6] = {"true", "false", "null"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        size_t length = strlen(words[i]), there = text.length < length ? text.length : length;
        *cut = there < length;
        if (memcmp(text.at, words[i], there) == 0)
            return there;
    }
    return 0;
}

static enum rb_scan_token scan_scalar(struct rb_scan *scan)
{
    bool cut, number = scan->rest.at[0] == '-' || rb_char_digit(scan->rest.at[0]);
    size_t length = number ? scan_number(scan->rest, &cut) : scan_word(scan->rest, &cut);
    if (length == 0)
        return scan_finish(scan, RB_SCAN_INVALID);
    // A number that is the whole text is complete.
    if (cut && !(number && scan->depth == 0 && rb_char_digit(scan->rest.at[length - 1])))
        return scan_finish(scan, RB_SCAN_CUT);
    scan->text = (struct rb_slice){scan->rest.at, length};
    scan_skip(scan, length);
    return RB_SCAN_OTHER;
}

static enum rb_scan_token scan_open(struct rb_scan *scan, bool object)
{
    if (scan->depth == RB_SCAN_DEPTH_MAX)
        return scan_finish(scan, RB_SCAN_INVALID);
    uint64_t bit = UINT64_C(1) << scan->depth++;
    scan->objects = object ? scan->objects | bit : scan->objects & ~bit;
    scan->state = object ? RB_SCAN_WANT_KEY_OR_CLOSE : RB_SCAN_WANT_VALUE_OR_CLOSE;
    scan_skip(scan, 1);
    return object ? RB_SCAN_OBJECT : RB_SCAN_ARRAY;
}

static bool scan_in_object(const struct rb_scan *scan)
{
    return scan->depth > 0 && scan->objects >> (scan->depth - 1) & 1;
}

static enum rb_scan_token scan_close(struct rb_scan *scan)
{
    if (scan->rest.at[0] != (scan_in_object(scan) ? '}' : ']'))
        return scan_finish(scan, RB_SCAN_INVALID);
    scan_skip(scan, 1);
    scan->depth--;
    scan->state = RB_SCAN_WANT_COMMA_OR_CLOSE;
    return RB_SCAN_CLOSE;
}

static enum rb_scan_token scan_value(struct rb_scan *scan)
{
    scan->state = RB_SCAN_WANT_COMMA_OR_CLOSE;
    switch (scan->rest.at[0]) {
    case '{':
        return scan_open(scan, true);
    case '[':
        return scan_open(scan, false);
    case '"':
        return scan_string(scan, RB_SCAN_STRING);
    default:
        return scan_scalar(scan);
    }
}

// Reads the name of a member and the colon behind it.
static enum rb_scan_token scan_key(struct rb_scan *scan)
{
    if (scan->rest.at[0] != '"')
        return scan_finish(scan, RB_SCAN_INVALID);
    if (scan_string(scan, RB_SCAN_KEY) != RB_SCAN_KEY)
        return scan->last;
    scan_skip_blanks(scan);
    if (scan->rest.length == 0)
        return scan_finish(scan, RB_SCAN_CUT);
    if (scan->rest.at[0] != ':')
        return scan_finish(scan, RB_SCAN_INVALID);
    scan_skip(scan, 1);
    scan->state = RB_SCAN_WANT_VALUE;
    return RB_SCAN_KEY;
}

struct rb_scan rb_scan_begin(struct rb_slice text)
{
    return (struct rb_scan){.rest = text, .state = RB_SCAN_WANT_VALUE};
}

enum rb_scan_token rb_scan_next(struct rb_scan *scan)
{
    if (scan->state == RB_SCAN_FINISHED)
        return scan->last;
    scan_skip_blanks(scan);
    bool complete = scan->state == RB_SCAN_WANT_COMMA_OR_CLOSE && scan->depth == 0;
    if (scan->rest.length == 0)
        return scan_finish(scan, complete ? RB_SCAN_END : RB_SCAN_CUT);
    if (complete)
        return scan_finish(scan, RB_SCAN_INVALID);
    char next = scan->rest.at[0];
    if (scan->state == RB_SCAN_WANT_COMMA_OR_CLOSE) {
        if (next != ',')
            return scan_close(scan);
        scan_skip(scan, 1);
        scan->state = scan_in_object(scan) ? RB_SCAN_WANT_KEY : RB_SCAN_WANT_VALUE;
        return rb_scan_next(scan);
    }
    if (scan->state == RB_SCAN_WANT_KEY_OR_CLOSE)
        return next == '}' ? scan_close(scan) : scan_key(scan);
    if (scan->state == RB_SCAN_WANT_KEY)
        return scan_key(scan);
    if (scan->state == RB_SCAN_WANT_VALUE_OR_CLOSE && next == ']')
        return scan_close(scan);
    return scan_value(scan);
}

// Resolves the escape or character at the start of a valid string. Returns its value; above 127 for any other than
// ASCII.
static unsigned scan_resolve(struct rb_slice text, size_t *length)
{
    static const char letters[] = "bfnrt", meanings[] = "\b\f\n\r\t";
    *length = 1;
    if (text.at[0] != '\\')
        return (unsigned char) text.at[0];
    *length = 2;
    if (text.at[1] != 'u') {
        const char *letter = strchr(letters, text.at[1]);
        return (unsigned char) (letter ? meanings[letter - letters] : text.at[1]);
    }
    unsigned value = 0;
    *length = 6;
    for (size_t i = 2; i < 6; i++)
        value = value * 16 + (unsigned) scan_hex(text.at[i]);
    return value;
}

bool rb_scan_is(struct rb_slice text, const char *word)
{
    for (; text.length > 0; word++) {
        size_t length;
        if (scan_resolve(text, &length) != (unsigned char) *word || *word == '\0')
            return false;
        text.at += length;
        text.length -= length;
    }
    return *word == '\0';
}

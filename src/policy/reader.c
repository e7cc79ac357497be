// SPDX-License-Identifier: MIT
// The strict reader: inih splits headers and pairs, and this file rejects lines that inih would silently misread.
//
// inih alone splits a long line into two, joins an indented line to the previous one, accepts ':' for '=', ignores text
// after ']', does not know quotes, keeps only one error, cuts names of sections at 49 bytes and passes no line number
// to the handler. So each line is checked first. inih gets an accepted line without indentation and comment, and an
// empty line in place of a rejected one.
//
// inih splits a line in place: it writes NUL bytes into its line buffer and passes pointers into it. The buffer is a
// copy of a part of the text, so the offset of such a pointer gives the position in the text. Names, values and columns
// are taken from there. inih does not report a header by itself. Its name ends at the first NUL byte of the buffer when
// inih asks for the next line.
//
// inih's run-time variables (ini_max_line and others) exist only in some builds, so they are not used. inih's line
// buffer is on the stack by default, and each call of the reader function receives its size.
//
// A byte order mark at the start of the text is skipped, because editors on Windows write one.
#include "policy/reader.h"

#include <ini.h>

#include "base/hash.h"

// Bytes of inih's buffer that a line cannot use.
enum { INIH_LINE_OVERHEAD = 2 };

struct reader {
    const char *next, *end; // the unread text
    struct rb_line line;    // the current line
    const char *buffer;     // inih's line buffer
    struct rb_slice copied; // the part of the text that the buffer holds
    bool header;            // the buffer holds a header that is not reported yet
    struct rb_report *report;
    const struct rb_reader_events *events;
    void *user;
};

unsigned rb_reader_column(const struct rb_line *line, const char *at)
{
    return (unsigned) (at - line->text.at) + 1;
}

#define refuse(reader, at, ...)                                                                                        \
    rb_report_add((reader)->report, &(reader)->line, rb_reader_column(&(reader)->line, at), NULL, __VA_ARGS__)

// Takes the next line. A carriage return before the line feed belongs to the line end.
static void take_line(struct reader *reader)
{
    const char *start = reader->next;
    const char *stop = memchr(start, '\n', (size_t) (reader->end - start));
    reader->next = stop ? stop + 1 : reader->end;
    size_t length = (size_t) ((stop ? stop : reader->end) - start);
    if (length > 0 && start[length - 1] == '\r')
        length--;
    reader->line.number++;
    reader->line.text = (struct rb_slice){start, length};
}

// Returns the number of leading bytes without control characters and DEL, rounded down to a multiple of 8. Comments are
// most of a file, and the policy is read whenever a program needs it, so 8 bytes are checked at once.
static size_t printable_run(struct rb_slice text)
{
    size_t run = 0;
    for (uint64_t word; run + sizeof(word) <= text.length; run += sizeof(word)) {
        memcpy(&word, text.at + run, sizeof(word));
        uint64_t low = word & rb_word_of(0x7f);
        uint64_t from_blank = low + rb_word_of(0x80 - ' '), del = low + rb_word_of(1);
        if ((((from_blank ^ del) | word) & rb_word_of(0x80)) != rb_word_of(0x80))
            break;
    }
    return run;
}

static bool bytes_clean(struct reader *reader, size_t limit)
{
    static const char hex_digits[] = "0123456789abcdef";
    struct rb_slice text = reader->line.text;
    for (size_t i = printable_run(text); i < text.length; i++) {
        unsigned char byte = (unsigned char) text.at[i];
        if (byte == 0) {
            refuse(reader, text.at + i, "a NUL byte in the line (a binary file, or UTF-16?)");
            return false;
        }
        if ((byte < ' ' && byte != '\t') || byte == 0x7f) {
            const char hex[] = {hex_digits[byte >> 4], hex_digits[byte & 0xf], '\0'};
            refuse(reader, text.at + i, "a control character (0x%s) in the line", hex);
            return false;
        }
    }
    if (text.length > limit) {
        refuse(reader, text.at + limit, "the line is too long: %u bytes, at most %u are allowed",
               (unsigned) text.length, (unsigned) limit);
        return false;
    }
    return true;
}

// Removes an inline comment: a semicolon after a blank, outside double quotes, and the rest of the line.
static struct rb_slice without_comment(struct rb_slice text)
{
    bool quoted = false;
    if (!memchr(text.at, ';', text.length))
        return text;
    for (size_t i = 0; i < text.length; i++) {
        quoted ^= text.at[i] == '"';
        if (!quoted && text.at[i] == ';' && (i == 0 || rb_char_blank(text.at[i - 1])))
            text.length = i;
    }
    return rb_slice_trim(text);
}

static bool admit_header(struct reader *reader, struct rb_slice text)
{
    const char *close = memchr(text.at, ']', text.length);
    if (!close) {
        refuse(reader, text.at, "the section is not closed: ']' is missing");
        return false;
    }
    const char *after = close + 1;
    if (after < text.at + text.length) {
        struct rb_slice rest = rb_slice_trim((struct rb_slice){after, (size_t) (text.at + text.length - after)});
        refuse(reader, rest.at, "text after ']'");
        return false;
    }
    return true;
}

static bool admit_pair(struct reader *reader, struct rb_slice text)
{
    const char *equals = memchr(text.at, '=', text.length);
    const char *colon = memchr(text.at, ':', equals ? (size_t) (equals - text.at) : text.length);
    if (!equals)
        refuse(reader, colon ? colon : text.at,
               colon ? "':' does not separate key and value: write '='"
                     : "'=' is missing: a line is a [section] or key = value");
    else if (colon)
        refuse(reader, colon, "a ':' in the key: key and value are separated by '='");
    return equals && !colon;
}

// Writes the version of the line that inih may see. Returns its length in `out`.
static struct rb_slice admit(struct reader *reader, size_t limit)
{
    static const struct rb_slice nothing = {"", 0};
    struct rb_slice text = rb_slice_trim(reader->line.text);
    bool header = text.length > 0 && text.at[0] == '[', admitted = bytes_clean(reader, limit);
    if (admitted && (text.length == 0 || text.at[0] == ';' || text.at[0] == '#'))
        return nothing;
    if (admitted) {
        text = without_comment(text);
        admitted = header ? admit_header(reader, text) : admit_pair(reader, text);
    }
    if (!admitted && header)
        reader->events->section(reader->user, &reader->line, (struct rb_slice){NULL, 0});
    return admitted ? text : nothing;
}

// Reports the header that inih has split.
static void end_header(struct reader *reader)
{
    size_t length = strlen(reader->buffer + 1);
    struct rb_slice name = rb_slice_trim((struct rb_slice){reader->copied.at + 1, length});
    bool split = length + 1 < reader->copied.length && name.length > 0;
    if (!split) {
        refuse(reader, reader->copied.at, "the section has no name");
        name.at = NULL;
    }
    reader->header = false;
    reader->events->section(reader->user, &reader->line, name);
}

// The reader function of inih (ini_reader).
static char *feed(char *out, int size, void *stream)
{
    struct reader *reader = stream;
    if (reader->header)
        end_header(reader);
    if (reader->next == reader->end)
        return NULL;
    take_line(reader);
    struct rb_slice text = admit(reader, (size_t) size - INIH_LINE_OVERHEAD);
    memcpy(out, text.at, text.length);
    // Semicolons that are left belong to a key or a value, but inih would cut the line there. The value is taken from
    // the source line, so another character does no harm.
    for (char *mark = memchr(out, ';', text.length); mark;
         mark = memchr(mark, ';', text.length - (size_t) (mark - out)))
        *mark = ',';
    out[text.length] = '\0';
    reader->buffer = out;
    reader->copied = text;
    reader->header = text.length > 0 && text.at[0] == '[';
    return out;
}

// Removes the quotes of a value. Quotes must enclose the whole value.
static bool unquote(struct reader *reader, struct rb_slice *value)
{
    const char *quote = memchr(value->at, '"', value->length);
    if (!quote)
        return true;
    const char *close = memchr(quote + 1, '"', (size_t) (value->at + value->length - quote - 1));
    if (!close) {
        refuse(reader, quote, "the double quote is not closed");
        return false;
    }
    if (quote != value->at || close != value->at + value->length - 1) {
        refuse(reader, quote == value->at ? close + 1 : quote, "double quotes go around the whole value");
        return false;
    }
    *value = rb_slice_trim((struct rb_slice){quote + 1, (size_t) (close - quote - 1)});
    return true;
}

// The text that inih's buffer holds at `at`. The result's at is NULL where `at` is no place in the buffer.
static struct rb_slice in_text(const struct reader *reader, const char *at)
{
    size_t length = strlen(at), place = (size_t) ((uintptr_t) at - (uintptr_t) reader->buffer);
    if (place > reader->copied.length || length > reader->copied.length - place)
        return (struct rb_slice){NULL, 0};
    return (struct rb_slice){reader->copied.at + place, length};
}

// inih has split a pair.
static int take_pair(void *user, const char *section, const char *name, const char *text)
{
    struct reader *reader = user;
    struct rb_slice key = in_text(reader, name), value = in_text(reader, text);
    (void) section;
    if (!value.at || key.at != reader->copied.at)
        return 0;
    if (key.length == 0) {
        refuse(reader, key.at, "the key before '=' is missing");
        return 1;
    }
    if (!unquote(reader, &value))
        return 1;
    if (value.length == 0) {
        refuse(reader, memchr(key.at, '=', reader->copied.length), "the value after '=' is missing");
        return 1;
    }
    reader->events->pair(reader->user, &reader->line, key, value);
    return 1;
}

void rb_reader_run(const char *text, size_t length, struct rb_report *report, const struct rb_reader_events *events,
                   void *user)
{
    static const char mark[] = "\xef\xbb\xbf";
    size_t skip = length >= 3 && memcmp(text, mark, 3) == 0 ? 3 : 0;
    struct reader reader = {
        .next = text + skip, .end = text + length, .report = report, .events = events, .user = user};
    int line = ini_parse_stream(feed, &reader, take_pair, &reader);
    if (line != 0 && report->count == 0) { // cannot happen with clean lines, but an error is better than half a policy
        reader.line.number = line > 0 ? (unsigned) line : 0;
        rb_report_add(report, &reader.line, 1, NULL, "the line cannot be read");
    }
}

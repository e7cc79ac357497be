// SPDX-License-Identifier: MIT
// The strict reader: looks at every line before inih does, and refuses what inih would misread in silence.
//
// inih on its own reads a long line as two, cuts names at 49 bytes, joins an indented line to the one above, takes ':'
// for '=', ignores text after ']', knows no quotes, keeps one error and tells the handler no line number. So inih gets
// each line only once it is clean: without indentation and comment, a short stand-in for a section's name, and an empty
// line in place of a refused one. What stands in the source is kept beside it, for values and columns.
//
// inih's run-time variables (ini_max_line and others) exist in some builds of it only; nothing here refers to them. Its
// line buffer is on the stack by default and its size arrives with every call of the reader function.
//
// A byte order mark at the very start is accepted and skipped, because editors on Windows write one.
#include "policy/reader.h"

#include <ini.h>

#include "base/hash.h"

// Bytes that inih needs in its buffer besides the line itself.
enum { INIH_LINE_OVERHEAD = 2 };

struct reader {
    const char *next, *end; // what is not read yet; next is NULL after the last line
    struct rb_line line;    // the one being read
    struct rb_slice key, value;
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

// Cuts the next line off; a carriage return before the line feed is part of the line end.
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

// How many bytes from the start are neither controls nor DEL, in steps of 8: comments are most of a file, and a policy
// is read at the start of every program.
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
    struct rb_slice text = reader->line.text;
    for (size_t i = printable_run(text); i < text.length; i++) {
        unsigned char byte = (unsigned char) text.at[i];
        if (byte == 0) {
            refuse(reader, text.at + i, "a NUL byte in the line (a binary file, or UTF-16?)");
            return false;
        }
        if ((byte < ' ' && byte != '\t') || byte == 0x7f) {
            refuse(reader, text.at + i, "a control character (0x%02x) in the line", byte);
            return false;
        }
    }
    if (text.length > limit) {
        refuse(reader, text.at + limit, "the line is too long: %zu bytes, at most %zu are allowed", text.length, limit);
        return false;
    }
    return true;
}

// Cuts an inline comment off, which starts with a semicolon after a blank, outside double quotes.
static struct rb_slice without_comment(struct rb_slice text)
{
    bool quoted = false;
    if (!memchr(text.at, ';', text.length))
        return text;
    for (size_t i = 0; i < text.length; i++) {
        quoted ^= text.at[i] == '"';
        if (!quoted && text.at[i] == ';' && (i == 0 || rb_text_blank(text.at[i - 1])))
            text.length = i;
    }
    return rb_slice_trim(text);
}

static bool section_clean(struct reader *reader, struct rb_slice text, struct rb_slice *name)
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
    *name = rb_slice_trim((struct rb_slice){text.at + 1, (size_t) (close - text.at - 1)});
    if (name->length == 0) {
        refuse(reader, text.at, "the section has no name");
        return false;
    }
    return true;
}

static void read_section(struct reader *reader, struct rb_slice text)
{
    struct rb_slice name = {NULL, 0};
    if (!section_clean(reader, text, &name))
        name.at = NULL;
    reader->events->section(reader->user, &reader->line, name);
}

// Takes the quotes off a value; they go around the whole of it or not at all.
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

static bool pair_clean(struct reader *reader, struct rb_slice text)
{
    const char *equals = memchr(text.at, '=', text.length);
    const char *colon = memchr(text.at, ':', equals ? (size_t) (equals - text.at) : text.length);
    if (!equals) {
        refuse(reader, colon ? colon : text.at,
               colon ? "':' does not separate key and value: write '='"
                     : "'=' is missing: a line is a [section] or key = value");
        return false;
    }
    reader->key = rb_slice_trim((struct rb_slice){text.at, (size_t) (equals - text.at)});
    if (reader->key.length == 0) {
        refuse(reader, equals, "the key before '=' is missing");
        return false;
    }
    if (colon) {
        refuse(reader, colon, "a ':' in the key: key and value are separated by '='");
        return false;
    }
    reader->value = rb_slice_trim((struct rb_slice){equals + 1, (size_t) (text.at + text.length - equals - 1)});
    if (!unquote(reader, &reader->value))
        return false;
    if (reader->value.length == 0) {
        refuse(reader, equals, "the value after '=' is missing");
        return false;
    }
    return true;
}

// Decides what inih may see of the line. Returns its length in `out`.
static size_t clean_line(struct reader *reader, char *out, size_t limit)
{
    static const char standin[] = "[section]";
    struct rb_slice text = rb_slice_trim(reader->line.text);
    bool section = text.length > 0 && text.at[0] == '[';
    if (!bytes_clean(reader, limit)) {
        if (section)
            reader->events->section(reader->user, &reader->line, (struct rb_slice){NULL, 0});
        return 0;
    }
    if (text.length == 0 || text.at[0] == ';' || text.at[0] == '#')
        return 0;
    text = without_comment(text);
    if (section) {
        read_section(reader, text);
        memcpy(out, standin, sizeof(standin) - 1);
        return sizeof(standin) - 1;
    }
    if (!pair_clean(reader, text))
        return 0;
    memcpy(out, text.at, text.length);
    return text.length;
}

// inih's source of lines.
static char *feed(char *out, int size, void *stream)
{
    struct reader *reader = stream;
    if (reader->next == reader->end)
        return NULL;
    take_line(reader);
    size_t length = clean_line(reader, out, (size_t) size - INIH_LINE_OVERHEAD);
    // Semicolons left by now are part of a value or key; inih would cut there. The value is taken from the source.
    for (char *mark = memchr(out, ';', length); mark; mark = memchr(mark, ';', length - (size_t) (mark - out)))
        *mark = ',';
    out[length] = '\0';
    return out;
}

// inih has split the line. Its copies have no position and their semicolons replaced: key and value come from the
// source, and inih has to agree on where the key ends.
static int split(void *user, const char *section, const char *name, const char *value)
{
    struct reader *reader = user;
    (void) section;
    (void) value;
    if (strlen(name) != reader->key.length)
        return 0;
    reader->events->pair(reader->user, &reader->line, reader->key, reader->value);
    return 1;
}

void rb_reader_run(const char *text, size_t length, struct rb_report *report, const struct rb_reader_events *events,
                   void *user)
{
    static const char mark[] = "\xef\xbb\xbf";
    size_t skip = length >= 3 && memcmp(text, mark, 3) == 0 ? 3 : 0;
    struct reader reader = {
        .next = text + skip, .end = text + length, .report = report, .events = events, .user = user};
    int line = ini_parse_stream(feed, &reader, split, &reader);
    if (line != 0 && report->count == 0) { // cannot happen with clean lines; better an error than half a policy
        reader.line.number = line > 0 ? (unsigned) line : 0;
        rb_report_add(report, &reader.line, 1, NULL, "the line cannot be read");
    }
}

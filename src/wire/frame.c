// SPDX-License-Identifier: MIT
#include "wire/frame.h"

enum { SIZE_DIGITS_MAX = 15 }; // hexadecimal digits of a chunk size, so that it fits into 60 bits

// The sets of bytes that the grammar knows. Each set contains those that stand below it in this list.
enum byte_set {
    SET_TEXT = 1, // field values, reason phrases, chunk extensions: all but control characters; with HTAB
    SET_VISIBLE,  // targets: visible ASCII characters
    SET_TOKEN,    // names of fields (RFC 9110, section 5.6.2)
    SET_METHOD    // methods: capital letters, "-" and "_"
};

// For each byte the smallest set that contains it; 0: none.
static const unsigned char smallest_set[256] = {
    ['\t'] = SET_TEXT,           [' '] = SET_TEXT,           ['!'] = SET_TOKEN,
    ['"'] = SET_VISIBLE,         ['#' ... '\''] = SET_TOKEN, ['(' ... ')'] = SET_VISIBLE,
    ['*' ... '+'] = SET_TOKEN,   [','] = SET_VISIBLE,        ['-'] = SET_METHOD,
    ['.'] = SET_TOKEN,           ['/'] = SET_VISIBLE,        ['0' ... '9'] = SET_TOKEN,
    [':' ... '@'] = SET_VISIBLE, ['A' ... 'Z'] = SET_METHOD, ['[' ... ']'] = SET_VISIBLE,
    ['^'] = SET_TOKEN,           ['_'] = SET_METHOD,         ['`' ... 'z'] = SET_TOKEN,
    ['{'] = SET_VISIBLE,         ['|'] = SET_TOKEN,          ['}'] = SET_VISIBLE,
    ['~'] = SET_TOKEN,           [0x80 ... 0xff] = SET_TEXT,
};

static bool in_set(char c, enum byte_set set)
{
    return smallest_set[(unsigned char) c] >= set;
}

// A head that is being read, and what its fields say about the framing.
struct reading {
    const char *text;
    size_t length; // bytes of text
    size_t at;     // bytes read
    size_t limit;  // the line must end before this offset
    bool is_request;
    bool chunked;
    bool has_length;
    bool says_close;
    bool says_keep_alive;
};

static void begin_line(struct reading *reading)
{
    size_t limit = reading->at + RB_FRAME_LINE_MAX;
    reading->limit = limit < RB_FRAME_HEAD_MAX ? limit : RB_FRAME_HEAD_MAX;
}

// Returns COMPLETE if the next byte can be read.
static enum rb_frame_result may_read(const struct reading *reading)
{
    if (reading->at == reading->limit)
        return RB_FRAME_INVALID;
    return reading->at == reading->length ? RB_FRAME_PARTIAL : RB_FRAME_COMPLETE;
}

// Reads the bytes of `word`.
static enum rb_frame_result read_literal(struct reading *reading, const char *word)
{
    for (; *word; word++, reading->at++) {
        enum rb_frame_result result = may_read(reading);
        if (result != RB_FRAME_COMPLETE)
            return result;
        if (reading->text[reading->at] != *word)
            return RB_FRAME_INVALID;
    }
    return RB_FRAME_COMPLETE;
}

// Reads at most `most` bytes of `set`, up to a byte that does not belong to it. Returns COMPLETE if that byte is there.
static enum rb_frame_result read_set(struct reading *reading, enum byte_set set, size_t most, struct rb_slice *found)
{
    size_t begin = reading->at;
    size_t end = reading->length < reading->limit ? reading->length : reading->limit;
    while (reading->at < end && in_set(reading->text[reading->at], set))
        reading->at++;
    *found = (struct rb_slice){reading->text + begin, reading->at - begin};
    return found->length > most ? RB_FRAME_INVALID : may_read(reading);
}

// Like read_set, for at least one byte.
static enum rb_frame_result read_some(struct reading *reading, enum byte_set set, size_t most, struct rb_slice *found)
{
    enum rb_frame_result result = read_set(reading, set, most, found);
    return result == RB_FRAME_COMPLETE && found->length == 0 ? RB_FRAME_INVALID : result;
}

// Reads the digit of the version after "HTTP/1.".
static enum rb_frame_result read_minor(struct reading *reading, struct rb_frame_head *head)
{
    enum rb_frame_result result = may_read(reading);
    if (result != RB_FRAME_COMPLETE)
        return result;
    char digit = reading->text[reading->at++];
    head->minor = digit == '1';
    return digit == '0' || digit == '1' ? RB_FRAME_COMPLETE : RB_FRAME_INVALID;
}

// Reads three digits, of which the first is not 0.
static enum rb_frame_result read_status_code(struct reading *reading, struct rb_frame_head *head)
{
    head->status = 0;
    for (int i = 0; i < 3; i++) {
        enum rb_frame_result result = may_read(reading);
        if (result != RB_FRAME_COMPLETE)
            return result;
        char digit = reading->text[reading->at++];
        if (!rb_char_digit(digit) || (i == 0 && digit == '0'))
            return RB_FRAME_INVALID;
        head->status = head->status * 10 + (unsigned) (digit - '0');
    }
    return RB_FRAME_COMPLETE;
}

// Reads "http://" with any letters before the colon.
static enum rb_frame_result read_scheme(struct reading *reading)
{
    enum rb_frame_result result;
    size_t begin = reading->at;
    while ((result = may_read(reading)) == RB_FRAME_COMPLETE) {
        char low = rb_char_lower(reading->text[reading->at]);
        if (low < 'a' || low > 'z')
            break;
        reading->at++;
    }
    if (result != RB_FRAME_COMPLETE)
        return result;
    return reading->at == begin ? RB_FRAME_INVALID : read_literal(reading, "://");
}

// Reads the beginning of a target (RFC 9112, section 3.2). Other protocols have words or numbers in its place, so that
// their texts are found invalid here.
static enum rb_frame_result read_target_begin(struct reading *reading, const struct rb_frame_head *head)
{
    enum rb_frame_result result = may_read(reading);
    if (result != RB_FRAME_COMPLETE)
        return result;
    char first = reading->text[reading->at];
    if (head->asks == RB_FRAME_ASKS_TUNNEL)
        return rb_char_alnum(first) || first == '[' ? RB_FRAME_COMPLETE : RB_FRAME_INVALID;
    if (first == '/')
        return RB_FRAME_COMPLETE;
    if (first != '*')
        return read_scheme(reading);
    if (!rb_slice_is(head->method, "OPTIONS"))
        return RB_FRAME_INVALID;
    result = read_literal(reading, "* ");
    reading->at -= result == RB_FRAME_COMPLETE; // the blank is read after the target
    return result;
}

static enum rb_frame_result read_target(struct reading *reading, struct rb_frame_head *head)
{
    size_t begin = reading->at;
    enum rb_frame_result result = read_target_begin(reading, head);
    if (result == RB_FRAME_COMPLETE)
        result = read_set(reading, SET_VISIBLE, RB_FRAME_LINE_MAX, &head->target);
    head->target = (struct rb_slice){reading->text + begin, reading->at - begin};
    return result;
}

static enum rb_frame_result read_method(struct reading *reading, struct rb_frame_head *head)
{
    enum rb_frame_result result = read_some(reading, SET_METHOD, RB_FRAME_METHOD_MAX, &head->method);
    if (rb_slice_is(head->method, "HEAD"))
        head->asks = RB_FRAME_ASKS_HEAD;
    else if (rb_slice_is(head->method, "CONNECT"))
        head->asks = RB_FRAME_ASKS_TUNNEL;
    return result == RB_FRAME_COMPLETE ? read_literal(reading, " ") : result;
}

static enum rb_frame_result read_request_line(struct reading *reading, struct rb_frame_head *head)
{
    enum rb_frame_result result = RB_FRAME_COMPLETE;
    if (reading->length > 0 && reading->text[0] == '\r')
        result = read_literal(reading, "\r\n");
    begin_line(reading);
    if (result == RB_FRAME_COMPLETE)
        result = read_method(reading, head);
    if (result == RB_FRAME_COMPLETE)
        result = read_target(reading, head);
    if (result == RB_FRAME_COMPLETE)
        result = read_literal(reading, " HTTP/1.");
    if (result == RB_FRAME_COMPLETE)
        result = read_minor(reading, head);
    return result == RB_FRAME_COMPLETE ? read_literal(reading, "\r\n") : result;
}

static enum rb_frame_result read_reason(struct reading *reading)
{
    struct rb_slice reason;
    enum rb_frame_result result = may_read(reading);
    if (result == RB_FRAME_COMPLETE && reading->text[reading->at] == ' ')
        result = read_set(reading, SET_TEXT, RB_FRAME_LINE_MAX, &reason);
    return result == RB_FRAME_COMPLETE ? read_literal(reading, "\r\n") : result;
}

static enum rb_frame_result read_status_line(struct reading *reading, struct rb_frame_head *head)
{
    enum rb_frame_result result = read_literal(reading, "HTTP/1.");
    if (result == RB_FRAME_COMPLETE)
        result = read_minor(reading, head);
    if (result == RB_FRAME_COMPLETE)
        result = read_literal(reading, " ");
    if (result == RB_FRAME_COMPLETE)
        result = read_status_code(reading, head);
    return result == RB_FRAME_COMPLETE ? read_reason(reading) : result;
}

// Returns false if the value is no number, is above INT64_MAX, or contradicts an earlier field.
static bool note_length(struct reading *reading, struct rb_frame_head *head, struct rb_slice value)
{
    uint64_t number = 0;
    for (size_t i = 0; i < value.length; i++) {
        unsigned digit = (unsigned) (value.at[i] - '0');
        if (!rb_char_digit(value.at[i]) || number > ((uint64_t) INT64_MAX - digit) / 10)
            return false;
        number = number * 10 + digit;
    }
    if (value.length == 0 || (reading->has_length && number != head->content_length))
        return false;
    reading->has_length = true;
    head->content_length = number;
    return true;
}

static void note_connection(struct reading *reading, struct rb_slice value)
{
    struct rb_slice option;
    while (rb_slice_next(&value, &option)) {
        reading->says_close |= rb_slice_is_nocase(option, "close");
        reading->says_keep_alive |= rb_slice_is_nocase(option, "keep-alive");
    }
}

// Returns whether a Content-Type is that of an event stream, without its parameters.
static bool is_event_stream(struct rb_slice type)
{
    static const char event_stream[] = "text/event-stream";
    const char *parameters = memchr(type.at, ';', type.length);
    if (parameters)
        type.length = (size_t) (parameters - type.at);
    return rb_slice_is_nocase(rb_slice_trim(type), event_stream);
}

// Returns false if the field makes the head invalid.
static bool note_field(struct reading *reading, struct rb_frame_head *head, struct rb_slice name, struct rb_slice value)
{
    if (rb_slice_is_nocase(name, "content-length"))
        return note_length(reading, head, value);
    if (rb_slice_is_nocase(name, "transfer-encoding")) {
        bool first = !reading->chunked;
        reading->chunked = true;
        return first && rb_slice_is_nocase(value, "chunked");
    }
    if (rb_slice_is_nocase(name, "connection"))
        note_connection(reading, value);
    else if (!reading->is_request && rb_slice_is_nocase(name, "content-type"))
        head->event_stream |= is_event_stream(value);
    else if (reading->is_request && rb_slice_is_nocase(name, "upgrade"))
        head->upgrades = true;
    else if (reading->is_request && rb_slice_is_nocase(name, "expect"))
        head->expects_continue = true;
    return true;
}

static enum rb_frame_result read_field(struct reading *reading, struct rb_frame_head *head)
{
    struct rb_slice name, value;
    enum rb_frame_result result = read_some(reading, SET_TOKEN, RB_FRAME_LINE_MAX, &name);
    if (result == RB_FRAME_COMPLETE)
        result = read_literal(reading, ":");
    if (result == RB_FRAME_COMPLETE)
        result = read_set(reading, SET_TEXT, RB_FRAME_LINE_MAX, &value);
    if (result == RB_FRAME_COMPLETE)
        result = read_literal(reading, "\r\n");
    if (result != RB_FRAME_COMPLETE)
        return result;
    return note_field(reading, head, name, rb_slice_trim(value)) ? RB_FRAME_COMPLETE : RB_FRAME_INVALID;
}

// Reads the field lines and the empty line.
static enum rb_frame_result read_fields(struct reading *reading, struct rb_frame_head *head)
{
    enum rb_frame_result result;
    head->fields = reading->at;
    while (true) {
        begin_line(reading);
        result = may_read(reading);
        if (result != RB_FRAME_COMPLETE)
            return result;
        if (reading->text[reading->at] == '\r')
            return read_literal(reading, "\r\n");
        result = read_field(reading, head);
        if (result != RB_FRAME_COMPLETE)
            return result;
    }
}

static bool opens_tunnel(const struct rb_frame_head *head, enum rb_frame_asks asked)
{
    return asked == RB_FRAME_ASKS_TUNNEL && head->status >= 200 && head->status < 300;
}

static enum rb_body_kind choose_body(const struct reading *reading, const struct rb_frame_head *head,
                                     enum rb_frame_asks asked)
{
    if (!reading->is_request && (asked == RB_FRAME_ASKS_HEAD || opens_tunnel(head, asked) || head->status < 200 ||
                                 head->status == 204 || head->status == 304))
        return RB_BODY_NONE;
    if (reading->chunked)
        return RB_BODY_CHUNKED;
    if (reading->has_length)
        return RB_BODY_LENGTH;
    return reading->is_request ? RB_BODY_NONE : RB_BODY_UNTIL_CLOSE;
}

// Sets the kind of body (RFC 9112, section 6.3). Returns false if clients disagree about its end.
static bool judge_body(const struct reading *reading, enum rb_frame_asks asked, struct rb_frame_head *head)
{
    if (reading->chunked && (reading->has_length || head->minor == 0))
        return false;
    bool must_not = !reading->is_request && (head->status < 200 || head->status == 204);
    if (must_not && (reading->chunked || head->content_length > 0))
        return false;
    head->body = choose_body(reading, head, asked);
    if (head->body != RB_BODY_LENGTH)
        head->content_length = 0;
    return true;
}

// Sets what the head says about the connection after the message.
static void judge_connection(const struct reading *reading, enum rb_frame_asks asked, struct rb_frame_head *head)
{
    if (reading->is_request)
        head->upgrades |= head->asks == RB_FRAME_ASKS_TUNNEL;
    else
        head->upgrades = head->status == 101 || opens_tunnel(head, asked);
    head->keeps_alive =
        !reading->says_close && (head->minor == 1 || reading->says_keep_alive) && head->body != RB_BODY_UNTIL_CLOSE;
}

enum rb_frame_result rb_frame_read_head(enum rb_frame_kind kind, struct rb_slice text, enum rb_frame_asks asked,
                                        struct rb_frame_head *head)
{
    struct reading reading = {.text = text.at, .length = text.length, .is_request = kind == RB_FRAME_REQUEST};
    *head = (struct rb_frame_head){0};
    begin_line(&reading);
    enum rb_frame_result result =
        reading.is_request ? read_request_line(&reading, head) : read_status_line(&reading, head);
    if (result == RB_FRAME_COMPLETE)
        result = read_fields(&reading, head);
    if (result != RB_FRAME_COMPLETE)
        return result;
    if (!judge_body(&reading, asked, head))
        return RB_FRAME_INVALID;
    head->length = reading.at;
    judge_connection(&reading, asked, head);
    return RB_FRAME_COMPLETE;
}

bool rb_frame_next_field(const struct rb_frame_head *head, struct rb_slice text, size_t *at, struct rb_slice *name,
                         struct rb_slice *value)
{
    size_t begin = *at > 0 ? *at : head->fields;
    const char *line = text.at + begin;
    if (begin + 2 >= head->length) // the empty line
        return false;
    const char *colon = memchr(line, ':', head->length - begin);
    const char *end = memchr(line, '\r', head->length - begin);
    *name = (struct rb_slice){line, (size_t) (colon - line)};
    *value = rb_slice_trim((struct rb_slice){colon + 1, (size_t) (end - colon - 1)});
    *at = (size_t) (end - text.at) + 2;
    return true;
}

// A chunk ends when `left` is 0, so the digits of the next size begin at 0.
static void enter_place(struct rb_frame_body *body, enum rb_frame_place place)
{
    body->place = place;
    if (place == RB_FRAME_AT_SIZE || place == RB_FRAME_AT_TRAILER)
        body->line = 0;
}

void rb_frame_body_begin(struct rb_frame_body *body, const struct rb_frame_head *head)
{
    static const enum rb_frame_place first[] = {
        [RB_BODY_NONE] = RB_FRAME_AT_DONE,
        [RB_BODY_LENGTH] = RB_FRAME_AT_BYTES,
        [RB_BODY_CHUNKED] = RB_FRAME_AT_SIZE,
        [RB_BODY_UNTIL_CLOSE] = RB_FRAME_AT_ANY,
    };
    bool empty = head->body == RB_BODY_LENGTH && head->content_length == 0;
    *body = (struct rb_frame_body){.left = head->content_length};
    enter_place(body, empty ? RB_FRAME_AT_DONE : first[head->body]);
}

// Returns `place` if the condition holds.
static enum rb_frame_place only_if(bool holds, enum rb_frame_place place)
{
    return holds ? place : RB_FRAME_AT_INVALID;
}

static enum rb_frame_place after_size_byte(struct rb_frame_body *body, char c)
{
    char low = rb_char_lower(c);
    bool decimal = rb_char_digit(c);
    if (decimal || (low >= 'a' && low <= 'f')) {
        body->left = body->left * 16 + (unsigned) (decimal ? c - '0' : low - 'a' + 10);
        return body->line <= SIZE_DIGITS_MAX ? RB_FRAME_AT_SIZE : RB_FRAME_AT_INVALID;
    }
    if (body->line == 1) // no digit at all
        return RB_FRAME_AT_INVALID;
    if (c == ';')
        return RB_FRAME_AT_EXTENSION;
    return c == '\r' ? RB_FRAME_AT_SIZE_LF : only_if(rb_char_blank(c), RB_FRAME_AT_BLANK);
}

// Returns the place after the byte `c` of a line. body->line counts this byte.
static enum rb_frame_place place_after(struct rb_frame_body *body, char c)
{
    switch (body->place) {
    case RB_FRAME_AT_SIZE:
        return after_size_byte(body, c);
    case RB_FRAME_AT_BLANK:
        return c == '\r' ? RB_FRAME_AT_SIZE_LF : only_if(rb_char_blank(c), RB_FRAME_AT_BLANK);
    case RB_FRAME_AT_EXTENSION:
        return c == '\r' ? RB_FRAME_AT_SIZE_LF : only_if(in_set(c, SET_TEXT), RB_FRAME_AT_EXTENSION);
    case RB_FRAME_AT_SIZE_LF:
        return only_if(c == '\n', body->left > 0 ? RB_FRAME_AT_CHUNK : RB_FRAME_AT_TRAILER);
    case RB_FRAME_AT_CHUNK_CR:
        return only_if(c == '\r', RB_FRAME_AT_CHUNK_LF);
    case RB_FRAME_AT_CHUNK_LF:
        return only_if(c == '\n', RB_FRAME_AT_SIZE);
    case RB_FRAME_AT_TRAILER:
        return c == '\r' ? RB_FRAME_AT_LAST_LF : only_if(in_set(c, SET_TOKEN), RB_FRAME_AT_NAME);
    case RB_FRAME_AT_NAME:
        return c == ':' ? RB_FRAME_AT_VALUE : only_if(in_set(c, SET_TOKEN), RB_FRAME_AT_NAME);
    case RB_FRAME_AT_VALUE:
        return c == '\r' ? RB_FRAME_AT_VALUE_LF : only_if(in_set(c, SET_TEXT), RB_FRAME_AT_VALUE);
    case RB_FRAME_AT_VALUE_LF:
        return only_if(c == '\n', RB_FRAME_AT_TRAILER);
    case RB_FRAME_AT_LAST_LF:
        return only_if(c == '\n', RB_FRAME_AT_DONE);
    default:
        return RB_FRAME_AT_INVALID;
    }
}

// Takes a byte of a line.
static void take_byte(struct rb_frame_body *body, char c)
{
    body->line++;
    body->trailers += body->place >= RB_FRAME_AT_TRAILER;
    bool fits = body->line <= RB_FRAME_LINE_MAX && body->trailers <= RB_FRAME_HEAD_MAX;
    enum rb_frame_place place = only_if(fits, place_after(body, c));
    if (place != body->place)
        enter_place(body, place);
}

// Takes bytes of a chunk or of a body of known length. Returns how many.
static size_t take_bytes(struct rb_frame_body *body, size_t length)
{
    size_t taken = length < body->left ? length : (size_t) body->left;
    body->left -= taken;
    if (body->left == 0)
        enter_place(body, body->place == RB_FRAME_AT_CHUNK ? RB_FRAME_AT_CHUNK_CR : RB_FRAME_AT_DONE);
    return taken;
}

size_t rb_frame_body_take(struct rb_frame_body *body, const char *bytes, size_t length)
{
    size_t taken = 0;
    if (body->place == RB_FRAME_AT_ANY)
        return length;
    while (taken < length && body->place != RB_FRAME_AT_DONE) {
        if (body->place == RB_FRAME_AT_BYTES || body->place == RB_FRAME_AT_CHUNK) {
            taken += take_bytes(body, length - taken);
            continue;
        }
        take_byte(body, bytes[taken]);
        if (body->place == RB_FRAME_AT_INVALID)
            break;
        taken++;
    }
    return taken;
}

bool rb_frame_body_is_done(const struct rb_frame_body *body)
{
    return body->place == RB_FRAME_AT_DONE;
}

bool rb_frame_body_is_invalid(const struct rb_frame_body *body)
{
    return body->place == RB_FRAME_AT_INVALID;
}

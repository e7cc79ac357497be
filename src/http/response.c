// SPDX-License-Identifier: MIT
// Holding, passing and skipping of header blocks and bodies, in the order in which libcurl calls back.
//
// libcurl gives each header line first to the write callback (only with CURLOPT_HEADER), then to the header callback;
// the body follows the blank line; trailers follow the body.
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "http/response.h"
#include "real/system.h"

// One queued piece: this head, then `length` bytes.
struct piece {
    unsigned length;
    bool header; // for the header callback
};

void rb_response_begin(struct rb_response *response, struct rb_handle *handle, const struct rb_rules *rules)
{
    *response = (struct rb_response){.handle = handle, .rules = rules};
}

static void drop(struct rb_response *response)
{
    response->queue_length = response->flushed = 0;
    response->holding = response->skipping = false;
}

void rb_response_attempt(struct rb_response *response, bool may_hold)
{
    response->may_hold = may_hold;
    response->in_header = response->answered = response->delivered = false;
    response->status = response->blocks = response->redirects = 0;
    drop(response);
    response->after = (struct rb_retry_after){0};
}

void rb_response_end(struct rb_response *response)
{
    free(response->queue);
    response->queue = NULL;
}

// The program's own delivery, as libcurl would do it: no write function means fwrite to a FILE*, stdout by default;
// headers without a header function go to the write function when HEADERDATA is set, else nowhere.
static size_t give_body(const struct rb_handle *handle, char *bytes, size_t length)
{
    void *data = handle->write_data_set ? handle->write_data : stdout;
    return handle->write ? handle->write(bytes, 1, length, data) : fwrite(bytes, 1, length, data);
}

static size_t give_header(const struct rb_handle *handle, char *bytes, size_t length)
{
    if (handle->header)
        return handle->header(bytes, 1, length, handle->header_data);
    if (!handle->header_data)
        return length;
    return handle->write ? handle->write(bytes, 1, length, handle->header_data)
                         : fwrite(bytes, 1, length, handle->header_data);
}

static size_t give(struct rb_response *response, bool header, char *bytes, size_t length)
{
    size_t taken = header ? give_header(response->handle, bytes, length) : give_body(response->handle, bytes, length);
    if (taken != CURL_WRITEFUNC_PAUSE) {
        response->delivered = true;
        response->body_delivered |= !response->in_header && !header;
    }
    return taken;
}

// Delivers nothing twice: pieces behind `flushed` are gone, a paused piece stays in front.
enum rb_delivery rb_response_deliver(struct rb_response *response)
{
    while (response->flushed < response->queue_length) {
        struct piece piece;
        memcpy(&piece, response->queue + response->flushed, sizeof piece);
        char *bytes = response->queue + response->flushed + sizeof piece;
        size_t taken = give(response, piece.header, bytes, piece.length);
        if (taken == CURL_WRITEFUNC_PAUSE)
            return RB_DELIVERY_PAUSED;
        response->flushed += sizeof piece + piece.length;
        if (taken != piece.length) {
            drop(response); // libcurl delivers nothing after a write error
            return RB_DELIVERY_FAILED;
        }
    }
    drop(response);
    return RB_DELIVERED;
}

static bool grow(struct rb_response *response, size_t need)
{
    if (need <= response->queue_size)
        return true;
    size_t size = response->queue_size ? response->queue_size : 4096;
    while (size < need)
        size *= 2;
    char *larger = realloc(response->queue, size);
    if (!larger)
        return false;
    response->queue = larger;
    response->queue_size = size;
    return true;
}

static bool queue(struct rb_response *response, bool header, const char *bytes, size_t length)
{
    struct piece piece = {.length = (unsigned) length, .header = header};
    size_t need = response->queue_length + sizeof piece + length;
    if (length > RB_HELD_MAX || need > RB_HELD_MAX || !grow(response, need))
        return false;
    memcpy(response->queue + response->queue_length, &piece, sizeof piece);
    memcpy(response->queue + response->queue_length + sizeof piece, bytes, length);
    response->queue_length = need;
    return true;
}

// Delivers what was queued, from inside libcurl's callback. Returns `length` to go on, or what to answer libcurl with:
// PAUSE (it brings the same bytes again) or 0 for an error.
static size_t release(struct rb_response *response, size_t length)
{
    switch (rb_response_deliver(response)) {
    case RB_DELIVERED:
        return length;
    case RB_DELIVERY_PAUSED:
        return CURL_WRITEFUNC_PAUSE;
    default:
        return 0;
    }
}

// A block that was shown before is queued as well: only the next status line proves that it was interim again. A body
// proves that it is the response itself this time.
static bool is_queued(const struct rb_response *response)
{
    return !response->overflowed && (response->holding || (response->skipping && response->in_header));
}

static size_t hand_on(struct rb_response *response, bool header, char *bytes, size_t length)
{
    if (is_queued(response)) {
        if (queue(response, header, bytes, length))
            return length;
        response->overflowed = true;
    }
    if (response->holding || response->skipping) {
        size_t answer = release(response, length);
        if (answer != length)
            return answer;
    }
    return give(response, header, bytes, length);
}

// "HTTP/1.1 503 Busy": the three digits after the first blank (RFC 9112, section 4), 0 when there are none.
static unsigned parse_status(const char *line, size_t length)
{
    const char *blank = memchr(line, ' ', length);
    if (!blank || (size_t) (line + length - blank) < 4)
        return 0;
    unsigned status = 0;
    for (int i = 1; i <= 3; i++) {
        if (blank[i] < '0' || blank[i] > '9')
            return 0;
        status = status * 10 + (unsigned) (blank[i] - '0');
    }
    return status;
}

// A whole line, as libcurl hands header lines over: with CURLOPT_HEADER a body that begins alike must not be taken for
// one.
static bool is_status_line(const char *line, size_t length)
{
    return length > 5 && memcmp(line, "HTTP/", 5) == 0 && memchr(line, '\n', length) == line + length - 1 &&
           parse_status(line, length) != 0;
}

// The block just ended turned out to be interim: it will come again with the next attempt.
static void remember_shown(struct rb_response *response)
{
    if (response->delivered) {
        if (response->shown < RB_SHOWN_MAX)
            response->shown_status[response->shown] = (unsigned short) response->status;
        response->shown++;
    }
    response->delivered = false;
}

static bool was_shown(const struct rb_response *response, unsigned block, unsigned status)
{
    return block < response->shown && block < RB_SHOWN_MAX && response->shown_status[block] == status;
}

// A status line begins a block. A held block before it was interim after all: it is delivered first. A block that was
// shown before was interim again: it is dropped.
static size_t begin_block(struct rb_response *response, const char *line, size_t length)
{
    if (response->skipping)
        drop(response);
    if (response->holding) {
        size_t answer = release(response, length);
        if (answer != length)
            return answer;
    }
    if (response->blocks > 0)
        remember_shown(response);
    response->status = parse_status(line, length);
    response->answered = response->in_header = true;
    response->skipping = was_shown(response, response->blocks, response->status);
    response->blocks++;
    response->redirects += response->status / 100 == 3;
    response->after = (struct rb_retry_after){0};
    response->holding = response->may_hold && !response->overflowed && !response->skipping &&
                        response->shown <= RB_SHOWN_MAX && rb_rules_status(response->rules, response->status);
    return length;
}

static void end_block(struct rb_response *response)
{
    response->in_header = false;
    if (response->status / 100 != 1 || response->status == 101)
        return;
    if (response->skipping)
        drop(response);
    remember_shown(response);
    response->status = 0;
}

static void note_retry_after(struct rb_response *response, const char *line, size_t length)
{
    static const char name[] = "retry-after:";
    if (length < sizeof name - 1 || strncasecmp(line, name, sizeof name - 1) != 0)
        return;
    const char *value = line + sizeof name - 1;
    size_t left = length - (sizeof name - 1);
    while (left > 0 && (value[left - 1] == '\r' || value[left - 1] == '\n'))
        left--;
    rb_retry_after_add(&response->after, value, left, rb_system_unix_s());
}

static bool is_blank_line(const char *line, size_t length)
{
    return length > 0 && length <= 2 && (line[0] == '\r' || line[0] == '\n');
}

// With CURLOPT_HEADER a status line comes here first; the header callback then finds its block begun.
size_t rb_response_on_body(char *bytes, size_t size, size_t count, void *context)
{
    struct rb_response *response = context;
    size_t length = size * count;
    bool echo = response->handle->include_header && is_status_line(bytes, length) && !response->body_delivered;
    if (echo && !response->in_header) {
        size_t answer = begin_block(response, bytes, length);
        if (answer != length)
            return answer;
    }
    response->answered = true;
    return hand_on(response, false, bytes, length);
}

size_t rb_response_on_header(char *bytes, size_t size, size_t count, void *context)
{
    struct rb_response *response = context;
    size_t length = size * count;
    if (is_status_line(bytes, length) && !response->in_header) {
        size_t answer = begin_block(response, bytes, length);
        if (answer != length)
            return answer;
    }
    size_t taken = hand_on(response, true, bytes, length);
    if (taken != length)
        return taken;
    if (response->in_header)
        note_retry_after(response, bytes, length);
    if (response->in_header && is_blank_line(bytes, length))
        end_block(response);
    return taken;
}

void rb_response_finish(struct rb_response *response, unsigned followed, bool complete)
{
    bool interim = response->status / 100 == 3 && followed >= response->redirects;
    if (response->skipping && (interim || !complete))
        drop(response);
    if (response->blocks > 0 && !response->holding && !response->body_delivered && interim)
        remember_shown(response);
}

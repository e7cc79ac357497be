// SPDX-License-Identifier: MIT
// Plays calls of random attempts to a response, as libcurl would call back, and compares what the program hears with a
// reference: the transcript of every attempt, of which the program must get exactly what an all-knowing library would
// pass. The choices come from the bytes given, so that a fuzzer or a random generator can make them.
#ifndef RB_TESTS_RESPONSE_PLAY_H
#define RB_TESTS_RESPONSE_PLAY_H

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "curl/response/response_private.h"

enum {
    PLAY_CONTENT_MAX = 160 * 1024,
    PLAY_HEARD_MAX = 2 * 1024 * 1024,
    PLAY_PIECE_MAX = 16 * 1024, // CURL_MAX_WRITE_SIZE
    PLAY_BLOCKS_MAX = 16,
    PLAY_ATTEMPTS_MAX = 6
};

// Through which callback each byte came: the write callback, or the header callback, whose lines stay whole.
enum { PLAY_BODY = 'B', PLAY_LINE = 'L', PLAY_IN_LINE = 'l' };

struct play_heard {
    size_t length;
    char bytes[PLAY_HEARD_MAX], channel[PLAY_HEARD_MAX];
};

// One header block as it was sent.
struct play_block {
    unsigned status;
    size_t start;    // in the transcript
    bool tunnel;     // it is a proxy's answer to CONNECT
    bool complete;   // its blank line came
    bool superseded; // libcurl goes on with another response after it
};

struct play {
    const uint8_t *next; // choices left
    size_t left;
    struct rb_handle handle;
    struct rb_rules rules;
    struct rb_response response;

    // The program.
    unsigned pauses; // that it may still make
    bool stops;      // it may refuse bytes
    bool refused;

    // The attempt.
    bool may_hold;      // as the response was told
    bool tunnel;        // the block under way is a proxy's answer to CONNECT
    unsigned breaks_in; // pieces until the connection breaks; 0: it is broken
    struct play_block blocks[PLAY_BLOCKS_MAX];
    unsigned block_count;
    bool body, trailers, complete;
    size_t body_sent;

    // What came before it.
    unsigned shown[PLAY_ATTEMPTS_MAX * PLAY_BLOCKS_MAX]; // by play_mark
    unsigned shown_count;
    bool tracks, overflowed;

    // The content of a 200, or of a 206 if the program asks for a range.
    bool strong, ranges, sized, coded, part;
    size_t base;    // place of its first byte in the whole content
    size_t content; // its length
    size_t have;    // bytes of it that the program has got
};

static struct play_heard play_got, play_said, play_expected;
static char play_content[PLAY_CONTENT_MAX];

static inline void play_require(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "response: %s\n", what);
    abort();
}

// A choice among n; the first one once there are no bytes left.
static inline unsigned play_choose(struct play *play, unsigned n)
{
    if (play->left == 0)
        return 0;
    play->left--;
    return *play->next++ % n;
}

static inline bool play_rarely(struct play *play, unsigned n)
{
    return play_choose(play, n) == n - 1;
}

static inline void play_append(struct play_heard *heard, int channel, const char *bytes, size_t length)
{
    if (length == 0)
        return;
    play_require(heard->length + length <= PLAY_HEARD_MAX, "endless");
    memcpy(heard->bytes + heard->length, bytes, length);
    memset(heard->channel + heard->length, channel == PLAY_LINE ? PLAY_IN_LINE : channel, length);
    heard->channel[heard->length] = (char) channel;
    heard->length += length;
}

static inline void play_copy(struct play_heard *to, const struct play_heard *from, size_t start, size_t end)
{
    play_require(to->length + (end - start) <= PLAY_HEARD_MAX, "endless");
    memcpy(to->bytes + to->length, from->bytes + start, end - start);
    memcpy(to->channel + to->length, from->channel + start, end - start);
    to->length += end - start;
}

// --- the program

static inline size_t play_hear(struct play *play, int channel, const char *bytes, size_t length)
{
    play_require(!play->refused, "called after it refused bytes");
    if (play->pauses > 0 && play_rarely(play, 4)) {
        play->pauses--;
        return CURL_WRITEFUNC_PAUSE;
    }
    if (play->stops && play_rarely(play, 32)) {
        play->refused = true;
        length = play_choose(play, (unsigned) length);
    }
    play_append(&play_got, channel, bytes, length);
    return length;
}

static inline size_t play_on_body(char *bytes, size_t size, size_t count, void *play)
{
    return play_hear(play, PLAY_BODY, bytes, size * count);
}

static inline size_t play_on_header(char *bytes, size_t size, size_t count, void *play)
{
    return play_hear(play, PLAY_LINE, bytes, size * count);
}

// --- libcurl

// It brings the same bytes again after a pause. False: the attempt ends.
static inline bool play_call(struct play *play, curl_write_callback callback, const char *bytes, size_t length)
{
    static char copy[PLAY_PIECE_MAX];
    size_t taken;
    memcpy(copy, bytes, length);
    do
        taken = callback(copy, 1, length, &play->response);
    while (taken == CURL_WRITEFUNC_PAUSE);
    return taken == length;
}

static inline bool play_goes_on(struct play *play)
{
    if (play->breaks_in > 0)
        play->breaks_in--;
    return play->breaks_in > 0;
}

__attribute__((format(printf, 2, 3))) static inline bool play_line(struct play *play, const char *format, ...)
{
    char line[512];
    va_list arguments;
    va_start(arguments, format);
    size_t length = (size_t) vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    bool echoed = play->handle.include_header && !play->body; // trailers are not
    if (!play_goes_on(play))
        return false;
    if (echoed)
        play_append(&play_said, PLAY_BODY, line, length);
    play_append(&play_said, PLAY_LINE, line, length);
    return (!echoed || play_call(play, rb_response_on_body, line, length)) &&
           play_call(play, rb_response_on_header, line, length);
}

static inline bool play_piece(struct play *play, const char *bytes, size_t length)
{
    if (!play_goes_on(play))
        return false;
    play->body = true;
    play->body_sent += length;
    play_append(&play_said, PLAY_BODY, bytes, length);
    return play_call(play, rb_response_on_body, bytes, length);
}

static inline bool play_pieces(struct play *play, const char *bytes, size_t length)
{
    static const size_t sizes[] = {PLAY_PIECE_MAX, 1, 63, 64, 65, 100, 256, 1000, 4096, 5000};
    for (size_t piece; length > 0; bytes += piece, length -= piece) {
        piece = sizes[play_choose(play, sizeof(sizes) / sizeof(sizes[0]))];
        piece = piece < length ? piece : length;
        if (!play_piece(play, bytes, piece))
            return false;
    }
    return true;
}

static inline bool play_begin_block(struct play *play, unsigned status)
{
    if (play->breaks_in <= 1) { // nothing of it comes
        play->breaks_in = 0;
        return false;
    }
    play->body = false;
    play->blocks[play->block_count++] =
        (struct play_block){.status = status, .start = play_said.length, .tunnel = play->tunnel};
    return play_line(play, "HTTP/1.1 %u Such\r\n", status) && (!play_rarely(play, 3) || play_line(play, "A: b\r\n"));
}

static inline bool play_end_block(struct play *play)
{
    if (!play_line(play, "\r\n"))
        return false;
    play->blocks[play->block_count - 1].complete = true;
    return true;
}

// CURLINFO_REDIRECT_COUNT, the only value that a response asks for.
static long play_followed;

static inline CURLcode play_getinfo(CURL *easy, CURLINFO info, ...)
{
    va_list arguments;
    (void) easy;
    va_start(arguments, info);
    *va_arg(arguments, long *) = play_followed;
    va_end(arguments);
    return CURLE_OK;
}

static const struct rb_libcurl play_library = {.easy_getinfo = play_getinfo};

static inline void play_on_redirect(void *context, const char *location, size_t length)
{
    (void) context;
    (void) location;
    (void) length;
}

static inline void play_on_answer(void *context, unsigned status)
{
    const struct play *play = context;
    (void) status;
    play_require(!play->tunnel, "a proxy's answer was taken for the server's");
}

static inline bool play_is_tunnel(void *context, unsigned status)
{
    const struct play *play = context;
    (void) status;
    return play->tunnel;
}

static const struct rb_response_listener play_listener = {play_on_redirect, play_on_answer, play_is_tunnel};

// A proxy's answers to CONNECT. After 200 libcurl goes on with the request, after 407 with a login.
static inline bool play_tunnels(struct play *play)
{
    static const unsigned statuses[] = {200, 407, 503, 403};
    for (unsigned n = play_choose(play, 3), status = 0; n > 0 && status != 200; n--) {
        status = statuses[play_choose(play, sizeof(statuses) / sizeof(statuses[0]))];
        play->tunnel = true;
        bool came = play_begin_block(play, status) && play_end_block(play);
        play->tunnel = false;
        if (!came || status == 503 || status == 403)
            return false;
    }
    return true;
}

// Blocks before the response itself: libcurl keeps their bodies to itself. It follows a redirect whose block is cut
// off.
static inline bool play_interim(struct play *play, unsigned *followed)
{
    static const unsigned statuses[] = {100, 103, 302, 307, 401, 407, 200};
    for (unsigned n = play_choose(play, 4) + (play_rarely(play, 50) ? 8 : 0); n > 0; n--) {
        unsigned status = statuses[play_choose(play, sizeof(statuses) / sizeof(statuses[0]))];
        bool cut = status / 100 == 3 && play_rarely(play, 8);
        if (!play_begin_block(play, status) || (!cut && !play_end_block(play)))
            return false;
        *followed += status / 100 == 3;
        play_followed = *followed;
        play->blocks[play->block_count - 1].superseded = status / 100 == 1 || status / 100 == 3;
    }
    return true;
}

static inline bool play_trailers(struct play *play)
{
    for (unsigned n = play_rarely(play, 4) ? 2 : 0; n > 0; n--) {
        size_t before = play_said.length;
        bool came = play_line(play, "Trailer: %u\r\n", n);
        play->trailers |= play_said.length > before; // also when the program did not take it
        if (!came)
            return false;
    }
    return true;
}

// --- a response

static inline bool play_identity(struct play *play, const char *etag)
{
    return (!etag || play_line(play, "ETag: %s\r\n", etag)) &&
           (!play->ranges || play_line(play, "Accept-Ranges: bytes\r\n")) &&
           (!play->coded || play_line(play, "Content-Encoding: gzip\r\n"));
}

// What Content-Length says: of a coded content another number than that of the bytes that come.
static inline size_t play_length(const struct play *play)
{
    return play->coded && play->handle.accepts_encoding ? play->content / 2 + 1 : play->content;
}

static inline bool play_whole(struct play *play, const char *etag)
{
    size_t length = play_length(play), end = play->base + length;
    return play_begin_block(play, play->part ? 206 : 200) && play_identity(play, etag) &&
           (!play->part || play_line(play, "Content-Range: bytes %zu-%zu/%zu\r\n", play->base, end - 1, end)) &&
           (!play->sized || play_line(play, "Content-Length: %zu\r\n", length)) && play_end_block(play);
}

static inline bool play_good(struct play *play)
{
    return play_whole(play, play->strong           ? "\"one\""
                            : play_rarely(play, 2) ? "W/\"one\""
                                                   : NULL) &&
           play_pieces(play, play_content, play->content);
}

static inline bool play_other(struct play *play, unsigned status)
{
    size_t length = play_rarely(play, 8) ? 70000 : play_choose(play, 200);
    return play_begin_block(play, status) && (!play_rarely(play, 3) || play_line(play, "Retry-After: 1\r\n")) &&
           play_end_block(play) && (status == 204 || play_pieces(play, play_content, length));
}

// --- the reference for attempts that stand for themselves

static inline unsigned play_mark(const struct play_block *block)
{
    return block->status + (block->tunnel ? 1000 : 0);
}

// How much of what was shown before has come with the attempt, up to this block: in their order, as some need not come
// again.
static inline unsigned play_place(const struct play *play, unsigned block, bool *found)
{
    unsigned at = 0, end = play->shown_count < RB_SHOWN_MAX ? play->shown_count : RB_SHOWN_MAX;
    for (unsigned b = 0; b <= block; b++) {
        unsigned i = at;
        while (i < end && play->shown[i] != play_mark(&play->blocks[b]))
            i++;
        *found = i < end;
        at = *found ? i + 1 : at;
    }
    return at;
}

static inline bool play_was_shown(const struct play *play, unsigned block)
{
    bool found = false;
    play_place(play, block, &found);
    return found;
}

// Whether there is room to record the blocks of the attempt up to this one.
static inline bool play_has_room(const struct play *play, unsigned block)
{
    unsigned shown = play->shown_count;
    for (unsigned i = 0; i < block; i++)
        shown += !play_was_shown(play, i);
    return shown <= RB_SHOWN_MAX;
}

// Whether a proxy's answer is kept from the program: it is not whole, or it is an error that may be repeated.
static inline bool play_keeps_tunnel(const struct play *play, unsigned block)
{
    const struct play_block *tunnel = &play->blocks[block];
    return play->may_hold && !play->overflowed && play_has_room(play, block) &&
           (!tunnel->complete || (tunnel->status != 407 && rb_rules_status(&play->rules, tunnel->status)));
}

// Whether the program is to see it now or not at all: it is not what the attempt ended with.
static inline bool play_is_interim(const struct play *play, unsigned block)
{
    bool last = block + 1 == play->block_count;
    if (play->blocks[block].tunnel)
        return !last || play_was_shown(play, block) ||
               (play->blocks[block].complete && !play_keeps_tunnel(play, block));
    bool looks_it = play_was_shown(play, block) && !play->complete && !play->body && !play->trailers;
    return !last || play->blocks[block].superseded || looks_it;
}

static inline bool play_is_held(const struct play *play, bool may_hold)
{
    unsigned last = play->block_count - 1;
    if (play->block_count == 0 || play_is_interim(play, last))
        return false;
    if (play->blocks[last].tunnel)
        return play_keeps_tunnel(play, last);
    return may_hold && !play->overflowed && !play_was_shown(play, last) && play_has_room(play, last) &&
           rb_rules_status(&play->rules, play->blocks[last].status);
}

// Where there is room, a block goes between those that came before it and those that did not come yet.
static inline void play_insert(struct play *play, unsigned place, unsigned mark)
{
    unsigned at = play->shown_count < RB_SHOWN_MAX ? place : play->shown_count;
    memmove(&play->shown[at + 1], &play->shown[at], (play->shown_count - at) * sizeof(play->shown[0]));
    play->shown[at] = mark;
    play->shown_count++;
}

// What the program must have heard after the attempt, when it was the last one or not.
static inline void play_expect(struct play *play, bool is_last)
{
    struct play before = *play;
    unsigned inserted = 0;
    for (unsigned i = 0; i < play->block_count; i++) {
        size_t end = i + 1 < play->block_count ? play->blocks[i + 1].start : play_said.length;
        bool found, interim = play_is_interim(&before, i);
        unsigned place = play_place(&before, i, &found);
        if (interim ? found : !is_last)
            continue;
        play_copy(&play_expected, &play_said, play->blocks[i].start, end);
        if (interim)
            play_insert(play, place + inserted++, play_mark(&play->blocks[i]));
    }
}

// A refusal may have come anywhere.
static inline void play_compare(const struct play *play)
{
    size_t length = play_got.length;
    play_require(play->refused ? length <= play_expected.length : length == play_expected.length,
                 "the program heard more or less than it should");
    play_require(memcmp(play_got.bytes, play_expected.bytes, length) == 0, "the program heard other bytes");
    play_require(memcmp(play_got.channel, play_expected.channel, length) == 0, "by another callback");
}

// --- attempts

static inline void play_begin_attempt(struct play *play)
{
    play_said.length = 0;
    play->body_sent = 0;
    play_followed = 0;
    play->breaks_in = play_rarely(play, 2) ? 1 + play_choose(play, 24) : UINT32_MAX;
    play->block_count = 0;
    play->body = play->trailers = play->complete = false;
}

static inline void play_first_kind(struct play *play)
{
    static const unsigned statuses[] = {200, 200, 503, 503, 404, 429, 204, 206, 302, 401, 200, 503};
    unsigned followed = 0;
    if (play_tunnels(play) && play_interim(play, &followed)) {
        unsigned status = statuses[play_choose(play, sizeof(statuses) / sizeof(statuses[0]))];
        if (play->part && status == 206)
            status = 200;
        play->complete = (status == 200 ? play_good(play) : play_other(play, status)) && play_trailers(play);
    }
    rb_response_finish(&play->response, followed, play->complete);
}

static inline void play_deliver(struct play *play)
{
    enum rb_delivery delivery;
    while ((delivery = rb_response_deliver(&play->response)) == RB_DELIVERY_PAUSED)
        ;
    play_require(delivery == RB_DELIVERED || play->refused, "a delivery failed by itself");
}

// Returns true when the transfer may be continued from here.
static inline bool play_continuable(const struct play *play)
{
    const struct play_block *last = play->block_count > 0 ? &play->blocks[play->block_count - 1] : NULL;
    unsigned status = play->part ? 206 : 200;
    return last && play->tracks && play->strong && last->status == status && last->complete && !last->superseded &&
           !play_is_interim(play, play->block_count - 1) && !play->trailers && play->body;
}

// As the transfer does it. Returns false after the last attempt, or when the next one is to continue this one.
static inline bool play_alone(struct play *play, bool may_hold, bool *continues)
{
    const struct rb_response *response = &play->response;
    play_begin_attempt(play);
    play->may_hold = may_hold;
    rb_response_hold_tunnels(&play->response, may_hold);
    rb_response_attempt(&play->response, may_hold);
    play_first_kind(play);
    bool passed = rb_response_reached_program(response);
    bool held = play_is_held(play, may_hold);
    if (held && play_said.length < 60000)
        play_require(!passed || play->refused, "a response that could be held was not");
    play->overflowed |= held && rb_response_overflowed(response);
    bool failed = !play->complete || held;
    *continues = passed && failed && may_hold && !play->refused && rb_response_can_continue(response);
    if (*continues)
        play_require(play_continuable(play) || !play->body, "nothing to continue was to be continued");
    else if (!play->complete && play_continuable(play))
        play_require(!may_hold || play->refused, "a broken download cannot be continued");
    bool again =
        failed && may_hold && !passed && !rb_response_overflowed(response) && !play->refused && !play_rarely(play, 8);
    play_expect(play, !again);
    if (!again && !*continues)
        play_deliver(play);
    play_compare(play);
    return again;
}

// --- attempts that continue a download

enum play_plan {
    PLAY_RANGE,
    PLAY_AGAIN,
    PLAY_RANGE_CUT, // well-ended before its end
    PLAY_WRONG_FIRST,
    PLAY_WRONG_LAST,
    PLAY_NO_CONTENT_RANGE,
    PLAY_WRONG_ETAG,
    PLAY_WEAK_ETAG,
    PLAY_WRONG_CODING,
    PLAY_WRONG_LENGTH,
    PLAY_CHANGED,
    PLAY_BUSY,
    PLAY_GONE,
    PLAY_PLANS
};

static inline bool play_partial(struct play *play, const char *etag, size_t first, size_t last, size_t total)
{
    return play_begin_block(play, 206) && play_identity(play, etag) &&
           play_line(play, "Content-Range: bytes %zu-%zu/%zu\r\n", play->base + first, play->base + last,
                     play->base + total) &&
           play_end_block(play);
}

// Bytes of the content that the program lacks and that this attempt sent.
static inline bool play_rest(struct play *play, size_t from, size_t to)
{
    size_t before = play_said.length;
    bool all = play_pieces(play, play_content + from, to - from);
    size_t sent = from + (play_said.length - before);
    if (sent > play->have) {
        play_append(&play_expected, PLAY_BODY, play_content + play->have, sent - play->have);
        play->have = sent;
    }
    return all;
}

// A changed byte among those that the program has, where it is looked at.
static inline bool play_changed(struct play *play)
{
    static char other[PLAY_CONTENT_MAX];
    size_t at = play_choose(play, 256) * 131 % play->have;
    at -= play->ranges && at % RB_DIGEST_BLOCK >= RB_DIGEST_SAMPLE ? at % RB_DIGEST_BLOCK : 0;
    memcpy(other, play_content, play->content);
    other[at] = (char) (other[at] ^ (1 << play_choose(play, 8)));
    return play_whole(play, "\"one\"") && play_pieces(play, other, play->content);
}

static inline bool play_wrong(struct play *play, enum play_plan plan, size_t from, size_t last)
{
    size_t total = play->content;
    switch (plan) {
    case PLAY_WRONG_FIRST:
        from += from == 0 || (from + 1 < total && play_rarely(play, 2)) ? 1 : (size_t) -1;
        return play_partial(play, "\"one\"", from, last > from ? last : from, total + 2) &&
               play_pieces(play, "wrong", 5);
    case PLAY_WRONG_LAST:
        return play_partial(play, "\"one\"", from, last, total + 1) && play_pieces(play, "wrong", 5);
    case PLAY_NO_CONTENT_RANGE:
        return play_begin_block(play, 206) && play_identity(play, "\"one\"") && play_end_block(play) &&
               play_pieces(play, "wrong", 5);
    case PLAY_WRONG_ETAG:
        return play_whole(play, "\"two\"") && play_pieces(play, play_content, play->content);
    case PLAY_WEAK_ETAG:
        return play_whole(play, play_rarely(play, 2) ? "W/\"one\"" : NULL) &&
               play_pieces(play, play_content, play->content);
    case PLAY_WRONG_CODING:
        return play_begin_block(play, 200) && play_identity(play, "\"one\"") &&
               play_line(play, "Content-Encoding: br\r\n") && play_end_block(play) &&
               play_pieces(play, play_content, play->content);
    case PLAY_WRONG_LENGTH:
        return play_begin_block(play, 200) && play_identity(play, "\"one\"") &&
               play_line(play, "Content-Length: %zu\r\n", play_length(play) + 1) && play_end_block(play) &&
               play_pieces(play, play_content, play->content);
    case PLAY_BUSY:
        return play_other(play, 503);
    default:
        return play_other(play, play_rarely(play, 2) ? 416 : 404);
    }
}

// Sends it. Returns true when it ended well; *good: it is the rest of the same content, as far as it came.
static inline bool play_planned(struct play *play, enum play_plan plan, int64_t from, bool *good)
{
    size_t first = from < 0 ? 0 : (size_t) from - play->base, end = play->content;
    *good = false;
    if (plan == PLAY_CHANGED && play->have > 0)
        return play_changed(play);
    bool own = play->part && from < 0 && plan <= PLAY_RANGE_CUT; // the program's range again
    bool cut = own && plan == PLAY_RANGE_CUT && !(play->coded && play->handle.accepts_encoding);
    if (plan == PLAY_AGAIN || plan == PLAY_CHANGED || own) {
        *good = play_whole(play, "\"one\"");
        return *good && play_rest(play, 0, cut ? end / 2 : end);
    }
    if (plan > PLAY_RANGE_CUT)
        return play_wrong(play, plan, first, end > 0 ? end - 1 : 0);
    if (first >= end || play->have >= end)
        return play_other(play, 416);
    if (from < 0) // unasked
        return play_partial(play, "\"one\"", 0, end - 1, end) && play_pieces(play, "wrong", 5);
    *good = play_partial(play, "\"one\"", first, end - 1, end);
    return *good && play_rest(play, first, plan == PLAY_RANGE_CUT ? first + (end - first) / 2 : end);
}

static inline bool play_more(struct play *play)
{
    struct rb_response *response = &play->response;
    bool decoded = play->coded && play->handle.accepts_encoding, good = false;
    unsigned followed = 0;
    enum play_plan plan = play_choose(play, PLAY_PLANS);
    struct rb_asked rest;
    int64_t from = rb_response_continue(response, &rest) ? rest.first : -1;
    play_require(from < 0 || rest.kind == RB_ASKED_FROM, "it asks for an end");
    play_require(from == (play->have > 0 && !decoded ? (int64_t) (play->base + play->have) : -1),
                 "it asks for another range");
    play_begin_attempt(play);
    rb_response_attempt(response, true);
    size_t had = play->have;
    bool ended = play_tunnels(play) && play_interim(play, &followed) && play_planned(play, plan, from, &good);
    if (ended && good && play->body) {
        size_t before = play_said.length;
        ended = play_trailers(play);
        play_copy(&play_expected, &play_said, before, play_said.length);
    }
    rb_response_finish(response, followed, ended);
    bool mended = rb_response_continued(response, ended);
    play_compare(play);
    play_require(!mended || play->have == play->content, "a part was taken for the whole");
    play_require(mended || !ended || !good || play->have < play->content || play->have == had || play->refused,
                 "the whole was not recognised");
    if (play->trailers && !play->refused)
        play_require(!rb_response_can_continue(response), "trailers would come twice");
    return !mended && !play->refused && rb_response_can_continue(response);
}

static inline void play_continue(struct play *play)
{
    play->have = play->body_sent;
    for (unsigned i = 0; i < PLAY_ATTEMPTS_MAX && play_more(play); i++)
        ;
}

// --- the whole

static inline void play_set_up(struct play *play, const uint8_t *choices, size_t count)
{
    static const size_t lengths[] = {100, 0, 1, 64, 200, 4096, 9000, 50000, PLAY_CONTENT_MAX};
    *play = (struct play){.next = choices, .left = count};
    play_got.length = play_expected.length = 0;
    play->handle.curl = &play_library;
    play->handle.write = play_on_body;
    play->handle.header = play_on_header;
    play->handle.write_data = play->handle.header_data = play;
    play->handle.write_data_set = true;
    play->handle.include_header = play_choose(play, 2);
    play->handle.follows = true;
    play->handle.accepts_encoding = play_choose(play, 2);
    rb_rules_put(play->rules.statuses, 503, true);
    rb_rules_put(play->rules.statuses, 429, true);
    if (play_rarely(play, 4))
        rb_rules_put(play->rules.statuses, 401, true);
    if (play_rarely(play, 4))
        rb_rules_put(play->rules.statuses, 407, true);
    play->pauses = play_choose(play, 2) * 16;
    play->stops = play_rarely(play, 8);
    play->tracks = play_choose(play, 4) != 3;
    play->strong = play_choose(play, 4) != 3;
    play->ranges = play_choose(play, 2);
    play->sized = play_choose(play, 2);
    play->coded = play_rarely(play, 4);
    play->content = lengths[play_choose(play, sizeof(lengths) / sizeof(lengths[0]))];
    play->part = play->content > 0 && play_rarely(play, 3);
    play->base = play->part ? play_choose(play, 256) : 0;
    for (uint32_t i = 0; play_content[1] == 0 && i < PLAY_CONTENT_MAX; i++)
        play_content[i] = (char) ('a' + (i * 2654435761U >> 24) % 26);
}

// Plays one call through.
static inline void play_response(const uint8_t *choices, size_t count)
{
    static struct play play;
    bool continues = false;
    play_set_up(&play, choices, count);
    struct rb_asked asked = {.kind = play.part ? RB_ASKED_FROM : RB_ASKED_WHOLE, .first = (int64_t) play.base};
    rb_response_begin(&play.response, &play.handle, &play.rules, play.tracks ? &asked : NULL);
    rb_response_listen(&play.response, &play_listener, &play);
    unsigned attempt = 1;
    while (play_alone(&play, attempt < PLAY_ATTEMPTS_MAX, &continues))
        attempt++;
    if (continues)
        play_continue(&play);
    rb_response_end(&play.response);
}

#endif

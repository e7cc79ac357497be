// SPDX-License-Identifier: MIT
// Holds, passes and skips header blocks and bodies, in the order in which libcurl calls the callbacks.
//
// libcurl gives each header line first to the write callback (only with CURLOPT_HEADER), then to the header callback.
// The body follows the blank line. Trailers follow the body.
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "curl/deliver.h"
#include "curl/response/response_private.h"
#include "real/system.h"

// The kinds of data from libcurl: a header line, the same line for the write callback (CURLOPT_HEADER), a piece of the
// body.
enum kind { LINE, ECHO, CONTENT };

// The head of a queued piece. `length` bytes follow it.
struct piece {
    unsigned length;
    enum kind kind;
};

void rb_response_begin(struct rb_response *response, struct rb_handle *handle, const struct rb_rules *rules,
                       const struct rb_asked *asked)
{
    memset(response, 0, offsetof(struct rb_response, validator));
    response->handle = handle;
    response->rules = rules;
    response->tracking = asked ? RB_TRACKING_VALIDATORS : RB_TRACKING_NOTHING;
    if (asked)
        response->asked = *asked;
    rb_validator_clear(&response->validator);
}

void rb_response_listen(struct rb_response *response, const struct rb_response_listener *listener, void *context)
{
    response->listener = listener;
    response->context = context;
}

// The only place where the treatment changes.
static inline void set_treatment(struct rb_response *response, enum rb_treatment treatment)
{
    response->treatment = treatment;
}

static inline bool is_queuing(const struct rb_response *response)
{
    return response->treatment == RB_TREATMENT_HOLD || response->treatment == RB_TREATMENT_SKIP;
}

static inline bool is_continuing(const struct rb_response *response)
{
    return response->treatment >= RB_TREATMENT_AWAIT;
}

static void drop(struct rb_response *response)
{
    response->queue.length = response->queue.flushed = 0;
    if (is_queuing(response))
        set_treatment(response, RB_TREATMENT_PASS);
}

static void forget_hints(struct rb_response *response)
{
    if (response->hints)
        *response->hints = (struct rb_hints){0};
}

void rb_response_hold_tunnels(struct rb_response *response, bool may_hold)
{
    response->hold_tunnels = may_hold;
}

void rb_response_attempt(struct rb_response *response, enum rb_holding holding)
{
    response->holding = holding;
    response->place = RB_PLACE_OUTSIDE;
    response->body = response->tunnel = false;
    response->status = response->blocks = response->finals = response->redirects = response->matched = 0;
    response->tunnels = 0;
    drop(response);
    forget_hints(response);
    if (is_continuing(response)) {
        set_treatment(response, RB_TREATMENT_AWAIT);
        return;
    }
    if (response->received == RB_RECEIVED_HEADER)
        response->received = RB_RECEIVED_NOTHING;
    if (response->tracking == RB_TRACKING_BODY)
        response->tracking = RB_TRACKING_VALIDATORS;
    response->taken = 0;
}

void rb_response_hold_no_more(struct rb_response *response)
{
    response->holding = RB_HOLD_NOTHING;
}

void rb_response_end(struct rb_response *response)
{
    free(response->queue.at);
    free(response->kept.at);
    free(response->sums);
    free(response->hints);
    response->hints = NULL;
    response->queue = response->kept = (struct rb_queue){0};
    response->sums = NULL;
    if (response->tracking == RB_TRACKING_BODY)
        response->tracking = RB_TRACKING_VALIDATORS;
    set_treatment(response, RB_TREATMENT_PASS);
}

void rb_response_keep(struct rb_response *response)
{
    free(response->kept.at);
    response->kept = response->queue;
    response->queue = (struct rb_queue){0};
}

void rb_response_restore(struct rb_response *response)
{
    free(response->queue.at);
    response->queue = response->kept;
    response->kept = (struct rb_queue){0};
}

static inline size_t give(struct rb_response *response, enum kind kind, char *bytes, size_t length)
{
    size_t taken = kind == LINE ? rb_deliver_header(response->handle, bytes, length)
                                : rb_deliver_body(response->handle, bytes, length);
    if (taken == CURL_WRITEFUNC_PAUSE)
        return taken;
    if (kind == CONTENT) {
        size_t valid = taken < length ? taken : length; // a callback may return any number to cancel
        response->received = RB_RECEIVED_BODY;
        response->taken += (int64_t) valid;
        if (response->tracking == RB_TRACKING_BODY)
            rb_digest_add(&response->sums->digest, bytes, valid);
    } else if (response->received == RB_RECEIVED_NOTHING && (kind == ECHO || rb_deliver_has_header(response->handle))) {
        response->received = RB_RECEIVED_HEADER;
    }
    return taken;
}

// Delivers no piece twice: pieces before `flushed` have been delivered. If the program pauses, the current piece stays
// in the queue.
enum rb_delivery rb_response_deliver(struct rb_response *response)
{
    while (response->queue.flushed < response->queue.length) {
        struct piece piece;
        memcpy(&piece, response->queue.at + response->queue.flushed, sizeof(piece));
        char *bytes = response->queue.at + response->queue.flushed + sizeof(piece);
        size_t taken = give(response, piece.kind, bytes, piece.length);
        if (taken == CURL_WRITEFUNC_PAUSE)
            return RB_DELIVERY_PAUSED;
        response->queue.flushed += sizeof(piece) + piece.length;
        if (taken != piece.length) {
            drop(response); // libcurl delivers nothing after a write error
            return piece.kind == LINE ? RB_DELIVERY_HEADER_REFUSED : RB_DELIVERY_BODY_REFUSED;
        }
    }
    drop(response);
    return RB_DELIVERED;
}

static bool grow(struct rb_response *response, size_t need)
{
    if (need <= response->queue.size)
        return true;
    size_t size = response->queue.size ? response->queue.size : 4096;
    while (size < need)
        size *= 2;
    char *larger = realloc(response->queue.at, size);
    if (!larger)
        return false;
    response->queue.at = larger;
    response->queue.size = size;
    return true;
}

static bool queue(struct rb_response *response, enum kind kind, const char *bytes, size_t length)
{
    struct piece piece = {.length = (unsigned) length, .kind = kind};
    size_t need = response->queue.length + sizeof(piece) + length;
    if (length > RB_HELD_MAX || need > RB_HELD_MAX || !grow(response, need))
        return false;
    memcpy(response->queue.at + response->queue.length, &piece, sizeof(piece));
    memcpy(response->queue.at + response->queue.length + sizeof(piece), bytes, length);
    response->queue.length = need;
    return true;
}

// Delivers the queued pieces from inside libcurl's callback. Returns `length` on success. Else returns the result for
// libcurl: PAUSE, after which libcurl passes the same bytes again, or 0 for an error.
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

// Queues the piece if it belongs to a held response. A header block whose status equals that of a recorded interim
// block is queued as well (SKIP). If another status line follows this block, it was interim again. If a body follows,
// the block is the response itself. Passes every other piece to the program, after the queued ones.
static __attribute__((noinline)) size_t hand_on_queued(struct rb_response *response, enum kind kind, char *bytes,
                                                       size_t length)
{
    bool skipped = response->treatment == RB_TREATMENT_SKIP && response->place == RB_PLACE_HEADER;
    if (!response->overflowed && (response->treatment == RB_TREATMENT_HOLD || skipped)) {
        if (queue(response, kind, bytes, length))
            return length;
        response->overflowed = true;
    }
    size_t answer = release(response, length);
    return answer != length ? answer : give(response, kind, bytes, length);
}

static inline size_t hand_on(struct rb_response *response, enum kind kind, char *bytes, size_t length)
{
    return is_queuing(response) ? hand_on_queued(response, kind, bytes, length) : give(response, kind, bytes, length);
}

// Returns the status of a status line such as "HTTP/1.1 503 Busy": the three digits after the first space (RFC 9112,
// section 4). Returns 0 if there are none.
static unsigned parse_status(const char *line, size_t length)
{
    size_t at = 0;
    while (at < length && line[at] != ' ')
        at++;
    if (length - at < 4)
        return 0;
    unsigned status = 0;
    for (size_t i = at + 1; i <= at + 3; i++) {
        if (line[i] < '0' || line[i] > '9')
            return 0;
        status = status * 10 + (unsigned) (line[i] - '0');
    }
    return status;
}

// Returns the number by which the current block is recorded. A proxy's answer to CONNECT has another one than a
// response with the same status.
static unsigned short mark_of(const struct rb_response *response)
{
    enum { TUNNEL = 1000 };
    return (unsigned short) (response->status + (response->tunnel ? TUNNEL : 0));
}

// Records an interim block at its place in the order of arrival, because an earlier attempt may have lacked it.
static void insert_shown(struct rb_response *response)
{
    unsigned short *place = &response->shown_marks[response->matched];
    if (response->shown < RB_SHOWN_MAX) {
        memmove(place + 1, place, (response->shown - response->matched) * sizeof(*place));
        *place = mark_of(response);
        response->matched++;
    }
    response->shown++;
}

// Records the block that just ended as interim. The next attempt will receive it again.
static void remember_shown(struct rb_response *response)
{
    if (response->received != RB_RECEIVED_NOTHING)
        insert_shown(response);
    if (response->received == RB_RECEIVED_HEADER)
        response->received = RB_RECEIVED_NOTHING;
}

// Returns true if the program has received an interim block like the current one. Searches from the last match on, and
// may skip some blocks: not every attempt receives all of them (a reused proxy tunnel has no CONNECT).
static bool was_shown(struct rb_response *response)
{
    unsigned end = response->shown < RB_SHOWN_MAX ? response->shown : RB_SHOWN_MAX;
    for (unsigned i = response->matched; i < end; i++)
        if (response->shown_marks[i] == mark_of(response)) {
            response->matched = i + 1;
            return true;
        }
    return false;
}

// Returns true if the policy may repeat a response with the current status, whatever its fields say.
static bool is_repeated(const struct rb_response *response)
{
    return rb_rules_status(response->rules, response->status) &&
           (response->holding == RB_HOLD_FAILURES ||
            (response->holding == RB_HOLD_REJECTED && rb_rules_rejects(response->rules, response->status)));
}

// Returns true if the fields of the current block may say that the response is repeated.
static bool may_have_hints(const struct rb_response *response)
{
    const struct rb_rules *rules = response->rules;
    return response->holding != RB_HOLD_NOTHING && response->status >= RB_STATUS_MIN &&
           rules->after == RB_HINT_HONOUR && rules->causes != 0;
}

// Returns true if the complete block stays held until the attempt is decided.
static bool stays_held(const struct rb_response *response)
{
    const struct rb_rules *rules = response->rules;
    struct rb_hint hint = {0};
    if (response->hints)
        hint = rb_hints_judge(response->hints, response->status, rules->after, (struct rb_slice){NULL, 0}, false);
    bool aws = response->hints && rb_hints_need_body(response->hints, response->status);
    bool throttled = hint.verdict == RB_HINT_THROTTLED || (may_have_hints(response) && aws);
    return is_repeated(response) || hint.verdict == RB_HINT_RETRY ||
           (throttled && rules->throttled && (response->holding == RB_HOLD_FAILURES || rules->rejected_throttled));
}

// Returns the treatment of the current block in an attempt that does not continue a download. An answer to CONNECT is
// held until it is complete, because the proxy may break off in the middle of it.
static enum rb_treatment treatment_of(struct rb_response *response)
{
    if (was_shown(response))
        return RB_TREATMENT_SKIP;
    bool failed = is_repeated(response) || may_have_hints(response);
    bool hold = (response->tunnel ? response->hold_tunnels : failed) && !response->overflowed &&
                response->shown <= RB_SHOWN_MAX;
    return hold ? RB_TREATMENT_HOLD : RB_TREATMENT_PASS;
}

// Begins a block at its status line. If a block is held, it was interim, so deliver it first. If a block is skipped, it
// was interim again, so drop it.
static size_t begin_block(struct rb_response *response, unsigned status, size_t length)
{
    if (response->treatment == RB_TREATMENT_SKIP)
        drop(response);
    if (response->treatment == RB_TREATMENT_HOLD) {
        size_t answer = release(response, length);
        if (answer != length)
            return answer;
    }
    if (response->blocks > 0 && !is_continuing(response))
        remember_shown(response);
    if (response->place == RB_PLACE_HEADER) // a redirect whose block was cut off and that libcurl has followed
        response->finals++;
    response->status = status;
    response->tunnel = response->listener && response->listener->is_tunnel(response->context, status);
    response->place = RB_PLACE_HEADER;
    response->blocks++;
    response->tunnels += response->tunnel;
    response->redirects += response->status / 100 == 3 && !response->tunnel;
    forget_hints(response);
    if (!is_continuing(response))
        set_treatment(response, treatment_of(response));
    if (response->tracking != RB_TRACKING_NOTHING)
        rb_validator_clear(&response->validator);
    return length;
}

// Starts the checksum of the body if the response could be continued: a 200, or a 206 with the range that the program
// asked for. Without memory, it cannot be continued.
static void begin_summing(struct rb_response *response)
{
    const struct rb_validator *validator = &response->validator;
    if (response->tracking == RB_TRACKING_NOTHING || is_continuing(response))
        return;
    response->tracking = RB_TRACKING_VALIDATORS;
    bool part = response->status == 206 && validator->partial &&
                (validator->length < 0 || validator->length == validator->last - validator->first + 1) &&
                rb_asked_gets(&response->asked, validator->first, validator->last);
    if ((response->status != 200 && !part) || !validator->strong || response->treatment == RB_TREATMENT_HOLD)
        return;
    if (!response->sums)
        response->sums = malloc(sizeof(*response->sums));
    if (!response->sums)
        return;
    response->tracking = RB_TRACKING_BODY;
    response->sums->digest = (struct rb_digest){.sampled = validator->ranges};
}

// At a blank line, delivers the lines before it, unless the block is an error for which the attempt is repeated. So the
// program gets a proxy's answer to CONNECT before its request is sent, and can refuse it. Another attempt after a 407
// could lock the account. Returns `length`, or the result for libcurl.
static size_t settle_block(struct rb_response *response, const char *line, size_t length)
{
    enum { PROXY_LOGIN = 407 };
    if (response->place != RB_PLACE_HEADER || response->treatment != RB_TREATMENT_HOLD || length == 0 ||
        (line[0] != '\r' && line[0] != '\n'))
        return length;
    bool stays = response->tunnel
                     ? response->status != PROXY_LOGIN && rb_rules_status(response->rules, response->status)
                     : stays_held(response);
    return stays ? length : release(response, length);
}

static void end_block(struct rb_response *response)
{
    response->place = RB_PLACE_OUTSIDE;
    if (!response->tunnel && (response->status / 100 != 1 || response->status == 101)) {
        response->finals++;
        if (response->listener)
            response->listener->on_answer(response->context, response->status);
        begin_summing(response);
        return;
    }
    if (response->treatment == RB_TREATMENT_SKIP)
        drop(response);
    if (!is_continuing(response))
        remember_shown(response);
    if (!response->tunnel)
        response->status = 0;
}

// Without memory, the response has no hints.
static void note_hint(struct rb_response *response, const char *line, size_t length)
{
    const char *colon = memchr(line, ':', length);
    if (!response->hints)
        response->hints = calloc(1, sizeof(*response->hints));
    if (!response->hints || !colon)
        return;
    size_t name = (size_t) (colon - line), end = length;
    while (end > name + 1 && (line[end - 1] == '\r' || line[end - 1] == '\n'))
        end--;
    rb_hints_add(response->hints, (struct rb_slice){line, name}, (struct rb_slice){colon + 1, end - name - 1},
                 rb_system_unix_s());
}

static void note_line(struct rb_response *response, const char *line, size_t length)
{
    size_t size;
    const char *value;
    if (line[0] == '\r' || line[0] == '\n') { // libcurl takes such a line for the blank line, whatever follows
        end_block(response);
        return;
    }
    if (response->status >= RB_STATUS_MIN && response->rules->after != RB_HINT_IGNORE)
        note_hint(response, line, length);
    switch (line[0] | 0x20) { // the first letter excludes most lines
    case 'l':
        value = rb_validator_field(line, length, "location", &size);
        if (value && response->status / 100 == 3 && !response->tunnel && response->handle->follows &&
            response->listener)
            response->listener->on_redirect(response->context, value, size);
        break;
    case 'a':
    case 'c':
    case 'e':
        if (response->tracking != RB_TRACKING_NOTHING)
            rb_validator_note(&response->validator, line, length);
        break;
    default:
        break;
    }
}

// Reads one or more header lines. While the program pauses, libcurl before 8.7 collects lines and then passes them at
// once.
static void note_lines(struct rb_response *response, const char *lines, size_t length)
{
    while (length > 0 && response->place == RB_PLACE_HEADER) {
        const char *end = memchr(lines, '\n', length);
        size_t line = end ? (size_t) (end - lines) + 1 : length;
        note_line(response, lines, line);
        lines += line;
        length -= line;
    }
}

// --- continuing a download

// Returns the place of the first body byte of the continued response in the whole content.
static int64_t first_byte(const struct rb_response *response)
{
    const struct rb_validator *whole = &response->sums->whole;
    return whole->partial ? whole->first : 0;
}

// Called at the first byte of a body, which identifies the response: libcurl does not pass the bodies of interim
// responses. A body whose status may be repeated is dropped, because another attempt may follow.
static enum rb_treatment recognise(struct rb_response *response)
{
    struct rb_sums *sums = response->sums;
    if (response->status == 206 && response->ranged &&
        rb_validator_continues(&sums->whole, &response->validator, first_byte(response) + response->taken))
        return RB_TREATMENT_REST;
    if (response->status == (sums->whole.partial ? 206 : 200) &&
        rb_validator_repeats(&sums->whole, &response->validator)) {
        sums->again = (struct rb_digest){.sampled = sums->digest.sampled};
        sums->to_drop = response->taken;
        return sums->to_drop > 0 ? RB_TREATMENT_DROP : RB_TREATMENT_REST;
    }
    return rb_rules_status(response->rules, response->status) ? RB_TREATMENT_AWAIT : RB_TREATMENT_OTHER;
}

// Drops the bytes that the program has, compares their checksum with that of the delivered bytes, and passes the rest
// on. If the program pauses, libcurl passes all of these bytes again, so undo the dropping.
static size_t drop_again(struct rb_response *response, char *bytes, size_t length)
{
    struct rb_sums *sums = response->sums;
    struct rb_digest before = sums->again;
    int64_t to_drop = sums->to_drop;
    size_t part = (uint64_t) to_drop < length ? (size_t) to_drop : length;
    rb_digest_add(&sums->again, bytes, part);
    sums->to_drop -= (int64_t) part;
    if (sums->to_drop > 0)
        return length;
    if (!rb_digest_equal(&sums->again, &sums->digest)) {
        set_treatment(response, RB_TREATMENT_OTHER);
        return 0;
    }
    size_t taken = part < length ? give(response, CONTENT, bytes + part, length - part) : 0;
    if (taken == CURL_WRITEFUNC_PAUSE) {
        sums->again = before;
        sums->to_drop = to_drop;
        return taken;
    }
    set_treatment(response, RB_TREATMENT_REST);
    return part + taken;
}

static size_t continue_body(struct rb_response *response, char *bytes, size_t length)
{
    if (response->place == RB_PLACE_HEADER) // with CURLOPT_HEADER
        return length;
    if (response->treatment == RB_TREATMENT_AWAIT)
        set_treatment(response, recognise(response));
    switch (response->treatment) {
    case RB_TREATMENT_AWAIT:
        return length;
    case RB_TREATMENT_DROP:
        return drop_again(response, bytes, length);
    case RB_TREATMENT_REST:
        return give(response, CONTENT, bytes, length);
    default:
        return 0;
    }
}

bool rb_response_can_continue(const struct rb_response *response)
{
    if (response->place == RB_PLACE_TRAILERS) // the program would get the trailers twice
        return false;
    if (is_continuing(response))
        return response->treatment != RB_TREATMENT_OTHER;
    return response->tracking == RB_TRACKING_BODY && (response->status == 200 || response->status == 206) &&
           response->place != RB_PLACE_HEADER && !response->validator.coding_cut;
}

static bool is_decoded(const struct rb_response *response)
{
    const struct rb_handle *handle = response->handle;
    return response->sums->whole.coding[0] && handle->accepts_encoding && !handle->raw_content;
}

// A Content-Range means nothing in a 200.
bool rb_response_continue(struct rb_response *response, struct rb_asked *rest)
{
    struct rb_validator *whole = &response->sums->whole;
    if (!is_continuing(response)) {
        *whole = response->validator;
        whole->partial = response->status == 206;
    }
    set_treatment(response, RB_TREATMENT_AWAIT);
    response->ranged = response->taken > 0 && !is_decoded(response);
    bool to_the_end = !whole->partial || (response->asked.kind == RB_ASKED_FROM && whole->last + 1 == whole->total);
    rest->kind = to_the_end ? RB_ASKED_FROM : RB_ASKED_SPAN;
    rest->first = first_byte(response) + response->taken;
    rest->last = whole->last;
    return response->ranged;
}

// If a part has no Content-Length, libcurl accepts any end of the connection as its end. So compare with Content-Range.
bool rb_response_continued(const struct rb_response *response, bool complete)
{
    const struct rb_validator *last = &response->validator;
    int64_t end = last->partial ? last->last + 1 : response->sums->whole.length;
    bool all = end < 0 || is_decoded(response) || first_byte(response) + response->taken == end;
    return complete && all && response->treatment == RB_TREATMENT_REST;
}

int64_t rb_response_received(const struct rb_response *response)
{
    return is_decoded(response) ? -1 : response->taken;
}

// --- queries

struct rb_response_seen rb_response_seen(const struct rb_response *response)
{
    return (struct rb_response_seen){
        .answered = response->blocks > response->tunnels || response->body,
        .body = response->body,
        .cut = response->place == RB_PLACE_HEADER,
        .status = response->tunnel ? 0 : response->status,
        .redirects = response->redirects,
        .finals = response->finals,
    };
}

// Copies the body from the queued pieces. Returns {NULL, 0} if there is none, or without memory. The caller frees it.
static struct rb_slice held_body(const struct rb_response *response)
{
    char *body = response->body && response->queue.length > 0 ? malloc(response->queue.length) : NULL;
    size_t length = 0;
    for (size_t at = 0; body && at < response->queue.length;) {
        struct piece piece;
        memcpy(&piece, response->queue.at + at, sizeof(piece));
        at += sizeof(piece);
        if (piece.kind == CONTENT) {
            memcpy(body + length, response->queue.at + at, piece.length);
            length += piece.length;
        }
        at += piece.length;
    }
    return (struct rb_slice){body, length};
}

struct rb_hint rb_response_hint(const struct rb_response *response)
{
    const struct rb_handle *handle = response->handle;
    bool reads = response->treatment == RB_TREATMENT_HOLD && response->rules->after == RB_HINT_HONOUR;
    struct rb_hints none = {0};
    struct rb_slice body = reads ? held_body(response) : (struct rb_slice){NULL, 0};
    struct rb_hint hint =
        rb_hints_judge(response->hints ? response->hints : &none, response->status, response->rules->after, body,
                       handle->accepts_encoding && !handle->raw_content);
    free((char *) body.at);
    return hint;
}

bool rb_response_continues(const struct rb_response *response)
{
    return is_continuing(response);
}

bool rb_response_brings_rest(const struct rb_response *response)
{
    return response->treatment == RB_TREATMENT_REST;
}

const char *rb_response_etag(const struct rb_response *response)
{
    return response->sums->whole.etag;
}

bool rb_response_reached_program(const struct rb_response *response)
{
    return response->received != RB_RECEIVED_NOTHING;
}

bool rb_response_may_hold(const struct rb_response *response)
{
    return response->holding == RB_HOLD_FAILURES;
}

bool rb_response_overflowed(const struct rb_response *response)
{
    return response->overflowed;
}

void rb_response_progress(const struct rb_response *response, curl_off_t *total, curl_off_t *now)
{
    if (is_continuing(response)) {
        *total = response->sums->whole.length > 0 ? response->sums->whole.length : 0;
        *now = *total > 0 && response->taken > *total
                   ? *total
                   : response->taken; // `taken` counts decoded bytes, which may be more
    } else if (response->treatment == RB_TREATMENT_HOLD) {
        *total = *now = 0;
    }
}

// --- callbacks for libcurl

// libcurl follows a redirect as soon as it has read the Location, even if the rest of the header block never comes.
static bool response_is_followed(const struct rb_response *response)
{
    const struct rb_handle *handle = response->handle;
    long followed = 0;
    if (response->status / 100 != 3)
        return false;
    handle->curl->easy_getinfo(handle->easy, CURLINFO_REDIRECT_COUNT, &followed);
    return followed >= (long) response->redirects;
}

// Returns the status if the bytes are exactly one status line and begin a header block, else 0. libcurl passes header
// lines whole. With CURLOPT_HEADER, this test keeps most bodies that begin with "HTTP/" from being taken for a status
// line. Inside a block, such a line is a field of a careless server, unless it answers the next request.
static unsigned status_of_block(const struct rb_response *response, const char *line, size_t length)
{
    bool alike = length > 5 && memcmp(line, "HTTP/", 5) == 0 && memchr(line, '\n', length) == line + length - 1;
    unsigned status = alike ? parse_status(line, length) : 0;
    return status && response->place == RB_PLACE_HEADER && !response_is_followed(response) ? 0 : status;
}

// With CURLOPT_HEADER, this callback gets a status line before the header callback, so it begins the block.
size_t rb_response_on_body(char *bytes, size_t size, size_t count, void *context)
{
    struct rb_response *response = context;
    size_t length = size * count;
    bool echo = response->handle->include_header && !response->body;
    unsigned status = echo ? status_of_block(response, bytes, length) : 0;
    if (status) {
        size_t answer = begin_block(response, status, length);
        if (answer != length)
            return answer;
    }
    bool content = response->place != RB_PLACE_HEADER;
    response->body |= content;
    if (is_continuing(response))
        return continue_body(response, bytes, length);
    size_t settled = settle_block(response, bytes, length);
    if (settled != length)
        return settled;
    return hand_on(response, content ? CONTENT : ECHO, bytes, length);
}

// If the attempt continues a download, only the trailers of its body are passed to the program.
size_t rb_response_on_header(char *bytes, size_t size, size_t count, void *context)
{
    struct rb_response *response = context;
    size_t length = size * count;
    unsigned status = status_of_block(response, bytes, length);
    if (status) {
        size_t answer = begin_block(response, status, length);
        if (answer != length)
            return answer;
    }
    size_t settled = settle_block(response, bytes, length);
    if (settled != length)
        return settled;
    bool trailer = response->place != RB_PLACE_HEADER && response->treatment == RB_TREATMENT_REST;
    bool dropped = is_continuing(response) && !trailer;
    size_t taken = dropped ? length : hand_on(response, LINE, bytes, length);
    if (taken != length)
        return taken;
    if (response->place == RB_PLACE_HEADER)
        note_lines(response, bytes, length);
    else
        response->place = RB_PLACE_TRAILERS;
    return taken;
}

void rb_response_finish(struct rb_response *response, unsigned followed, bool complete)
{
    bool interim = response->status / 100 == 3 && !response->tunnel && followed >= response->redirects;
    if (response->treatment == RB_TREATMENT_SKIP && (interim || !complete || response->place == RB_PLACE_HEADER))
        drop(response);
    if (interim && response->blocks > 0 && !is_continuing(response) && response->treatment != RB_TREATMENT_HOLD &&
        response->received != RB_RECEIVED_BODY)
        remember_shown(response);
}

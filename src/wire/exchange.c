// SPDX-License-Identifier: MIT
// The bytes of a request and of its response, and the decision about a repetition.
#include "wire/exchange.h"

#include <errno.h>
#include <string.h>

#include "base/arithmetic.h"
#include "base/list.h"
#include "base/path.h"
#include "engine/caller.h"
#include "process/process.h"
#include "real/pages.h"
#include "real/sandbox.h"
#include "real/system.h"
#include "state/cells.h"
#include "state/shared.h"

// SPARE: exchanges without a request, kept for the next one: to map and unmap memory takes longer than the rest of an
// exchange.
enum { SPARE = 16, HTTP_ERROR = 400, HTTP_OK = 200 };

// --- memory

static _Atomic(struct rb_exchange *) spare[SPARE];

static struct rb_exchange *take_exchange(void)
{
    for (unsigned i = 0; i < SPARE; i++) {
        struct rb_exchange *x = atomic_exchange(&spare[i], NULL);
        if (x)
            return x;
    }
    return rb_pages_memory(sizeof(struct rb_exchange));
}

static void give_exchange(struct rb_exchange *x)
{
    for (unsigned i = 0; i < SPARE; i++) {
        struct rb_exchange *none = NULL;
        if (atomic_compare_exchange_strong(&spare[i], &none, x))
            return;
    }
    rb_pages_memory_free(x, sizeof(*x));
}

// Gives the link an exchange, and clears all but its buffers.
static bool begin_exchange(struct rb_link *link)
{
    struct rb_exchange *x = take_exchange();
    if (!x)
        return false;
    memset(x, 0, offsetof(struct rb_exchange, request));
    x->whole = true;
    link->exchange = x;
    link->forget = rb_exchange_end;
    link->give_only = rb_exchange_give_only;
    link->reported = false;
    return true;
}

void rb_exchange_end(struct rb_link *link)
{
    struct rb_exchange *x = link->exchange;
    if (x && link->unpark)
        link->unpark(link);
    link->exchange = NULL;
    if (!x)
        return;
    if (x->call.permit.kind != RB_PERMIT_NONE && !rb_opening_return(&link->opening, &x->call))
        rb_call_abandon(&x->call, rb_system_now_ms());
    give_exchange(x);
}

// --- reports

// Returns why a response or the end of the connection is not answered by a repetition. Reason: RB_REASON_STACK.
static enum rb_stack stack_of(const struct rb_link *link)
{
    const struct rb_exchange *x = link->exchange;
    if (x->stack != RB_STACK_NONE)
        return x->stack;
    if (atomic_load_explicit(&link->wait, memory_order_relaxed) >= RB_LINK_WAIT_LOOP)
        return RB_STACK_LOOP;
    return RB_STACK_WAIT;
}

static void report_exchange(const struct rb_link *link, enum rb_verdict verdict, enum rb_reason reason,
                            uint64_t delay_ms, enum rb_hint_source hint)
{
    const struct rb_exchange *x = link->exchange;
    uint64_t begun_ms = x->call.attempt_started_ms, now_ms = rb_system_now_ms();
    struct rb_times times = {.total_ms = rb_arithmetic_sub(now_ms, begun_ms),
                             .first_byte_ms = rb_arithmetic_sub(x->first_byte_ms, begun_ms)};
    struct rb_event event = {
        .verdict = verdict,
        .policy = x->policy,
        .api = RB_API_HTTP,
        .way = link->way,
        .request = &x->line,
        .stack = reason == RB_REASON_STACK ? stack_of(link) : RB_STACK_NONE,
        .cause = x->cause,
        .status = x->status,
        .delay_ms = delay_ms,
        .reason = reason,
        .hint = hint,
        .times = &times,
    };
    rb_process_report(&event, &link->peer.target, &x->call);
}

static void note_first_byte(struct rb_exchange *x)
{
    if (x->first_byte_ms == 0)
        x->first_byte_ms = rb_system_now_ms();
}

// --- the request

// Returns true if a field of the request has one of these names.
//   names: in lower or upper case, separated by one space
static bool request_has(const struct rb_exchange *x, const char *names)
{
    struct rb_slice text = {x->request, x->request_length}, name, value;
    size_t at = 0;
    while (rb_frame_next_field(&x->head, text, &at, &name, &value))
        if (rb_list_holds(names, name.at, name.length, true))
            return true;
    return false;
}

// With a condition (RFC 9110, section 13.1), a repeated request that changes the resource would fail although the first
// one was carried out. See curl/transfer.c.
static bool may_repeat_method(const struct rb_exchange *x, const struct rb_section_values *values)
{
    struct rb_slice method = x->head.method;
    bool allowed =
        rb_list_holds(values->methods, method.at, method.length, false) || request_has(x, values->idempotency_headers);
    bool reads = rb_list_holds("GET HEAD OPTIONS TRACE PROPFIND REPORT SEARCH", method.at, method.length, false);
    return allowed && (reads || !request_has(x, "If-Match If-None-Match If-Unmodified-Since"));
}

// The head of the request is complete: begins the call. Returns false if the policy does not cover the host any more.
static bool begin_call(struct rb_link *link)
{
    struct rb_exchange *x = link->exchange;
    const struct rb_policy *policy = rb_process_active() ? rb_process_policy() : NULL;
    const struct rb_section *section = policy ? rb_process_match(policy, &link->peer.target, RB_INTERCEPT_HTTP) : NULL;
    uint64_t now_ms = rb_system_now_ms();
    if (!section)
        return false;
    x->rules = section->rules;
    memcpy(x->policy, section->name, strnlen(section->name, sizeof(x->policy) - 1) + 1);
    x->policy[sizeof(x->policy) - 1] = '\0';
    x->allowed = may_repeat_method(x, &section->values);
    x->asks = x->head.asks;
    x->line.method = x->head.method;
    if (x->line.method.length >= RB_STATE_METHOD_SIZE)
        x->line.method.length = RB_STATE_METHOD_SIZE - 1;
    if (x->rules.http_path)
        x->line.path = rb_path_of(x->head.target);
    x->passes = x->head.expects_continue || x->head.upgrades;
    link->reopens = x->rules.tls_reconnect;
    x->reason = RB_REASON_STACK;
    x->stack = x->passes ? RB_STACK_REQUEST : RB_STACK_NONE;
    struct rb_cell *cell =
        rb_cell_get(rb_cell_key(section, &link->peer.target, 0), x->policy, &x->rules, &link->peer.target, now_ms);
    bool opens = link->opening.state == RB_OPENING_MADE, admitted;
    if (opens) {
        rb_cell_continue(cell, &x->call, &x->rules, x->rules.total_ms, now_ms);
        admitted = rb_opening_take_over(&link->opening, &x->call, &link->peer.target, now_ms);
    } else {
        rb_cell_begin(cell, &x->call, &x->rules, x->rules.total_ms, now_ms);
        admitted = rb_call_admit(&x->call, now_ms, NULL);
        rb_process_count_call(x->policy);
    }
    rb_process_count_host(&link->peer.target, RB_SUMMARY_WAY + link->way);
    if (link->tls && link->exchanges == 0)
        rb_process_count_host(&link->peer.target, RB_SUMMARY_TLS_EXAMINED);
    x->total_until_ms = x->call.deadline_ms;
    x->passes = x->passes || !admitted; // the program has sent the request, but the attempt is not recorded
    return true;
}

// Reads the body of the request. Bytes behind its end are a pipelined request.
static bool take_request_body(struct rb_link *link, const char *bytes, size_t length)
{
    struct rb_exchange *x = link->exchange;
    size_t used = rb_frame_body_take(&x->body, bytes, length);
    if (rb_frame_body_is_invalid(&x->body) || used < length)
        return false;
    if (rb_frame_body_is_done(&x->body)) {
        x->headed = false;
        x->seen_length = 0;
        rb_link_enter(link, RB_LINK_SENT);
    }
    return true;
}

// Keeps bytes of the request. Returns false if they do not fit.
static bool keep_request(struct rb_exchange *x, const char *bytes, size_t length)
{
    if (length > sizeof(x->request) - x->request_length)
        return false;
    memcpy(x->request + x->request_length, bytes, length);
    x->request_length += length;
    return true;
}

static bool take_request(struct rb_link *link, const char *bytes, size_t length)
{
    struct rb_exchange *x = link->exchange;
    bool kept = keep_request(x, bytes, length);
    if (x->headed) {
        x->whole = x->whole && kept;
        return take_request_body(link, bytes, length);
    }
    struct rb_slice text = {x->request, x->request_length};
    enum rb_frame_result result =
        kept ? rb_frame_read_head(RB_FRAME_REQUEST, text, RB_FRAME_ASKS_OTHER, &x->head) : RB_FRAME_INVALID;
    if (result != RB_FRAME_COMPLETE)
        return result == RB_FRAME_PARTIAL;
    if (!begin_call(link))
        return false;
    x->headed = true;
    rb_frame_body_begin(&x->body, &x->head);
    return take_request_body(link, text.at + x->head.length, text.length - x->head.length);
}

bool rb_exchange_wrote(struct rb_link *link, const char *bytes, size_t length)
{
    if (length == 0)
        return true;
    if (link->state == RB_LINK_IDLE) {
        if (!begin_exchange(link))
            return false;
        rb_link_enter(link, RB_LINK_SENDING);
        link->short_end_ms = 0;
    }
    return link->state == RB_LINK_SENDING && take_request(link, bytes, length);
}

// --- the response

static void read_hints(struct rb_hints *hints, const struct rb_frame_head *head, struct rb_slice text)
{
    struct rb_slice name, value;
    size_t at = 0;
    int64_t now_s = rb_system_unix_s();
    *hints = (struct rb_hints){0};
    while (rb_frame_next_field(head, text, &at, &name, &value))
        rb_hints_add(hints, name, value, now_s);
}

// Copies the body of a chunked message without its framing. Returns its length.
static size_t dechunk(const struct rb_frame_head *head, struct rb_slice body, char *out)
{
    struct rb_frame_body reader;
    size_t length = 0;
    rb_frame_body_begin(&reader, head);
    for (size_t i = 0; i < body.length; i++) {
        if (reader.place == RB_FRAME_AT_CHUNK)
            out[length++] = body.at[i];
        rb_frame_body_take(&reader, body.at + i, 1);
    }
    return length;
}

// Returns what the server says about a repetition.
static struct rb_hint hint_of_response(const struct rb_exchange *x, const struct rb_frame_head *head,
                                       struct rb_slice text)
{
    struct rb_hints hints;
    struct rb_slice body = {text.at + head->length, text.length - head->length};
    read_hints(&hints, head, text);
    char *plain = head->body == RB_BODY_CHUNKED && body.length > 0 ? rb_pages_memory(RB_EXCHANGE_SIZE) : NULL;
    if (head->body == RB_BODY_CHUNKED)
        body = (struct rb_slice){plain, plain ? dechunk(head, body, plain) : 0};
    struct rb_hint hint = rb_hints_judge(&hints, head->status, x->rules.after, body, false);
    if (plain)
        rb_pages_memory_free(plain, RB_EXCHANGE_SIZE);
    return hint;
}

// Finds out on whose behalf the request was made, because a 429 is shared by the callers of one credential. Not
// inlined, so that only errors pay for the stack frame.
__attribute__((noinline)) static void find_caller(struct rb_exchange *x)
{
    struct rb_slice text = {x->request, x->request_length}, name, value;
    struct rb_frame_head head;
    uint64_t key[2], sum = 0;
    size_t at = 0;
    if (x->call.credential != 0 || !x->call.tenants || !rb_shared_secret(key) ||
        rb_frame_read_head(RB_FRAME_REQUEST, text, RB_FRAME_ASKS_OTHER, &head) != RB_FRAME_COMPLETE)
        return;
    while (rb_frame_next_field(&head, text, &at, &name, &value))
        rb_caller_add(&sum, key, rb_caller_field(name, value));
    x->call.credential = rb_caller_end(sum);
}

// Judges a response or the end of the connection, and reports the decision.
static bool judge_exchange(struct rb_link *link, const struct rb_outcome *outcome, enum rb_reason blocked,
                           const struct rb_hint *hint, uint64_t until_ms)
{
    struct rb_exchange *x = link->exchange;
    uint64_t now_ms = rb_system_now_ms();
    x->cause = outcome->cause;
    x->status = outcome->status;
    x->judged = true;
    x->call.deadline_ms = rb_arithmetic_min(x->total_until_ms, until_ms);
    if (rb_sandbox_is_filtered())
        blocked = RB_REASON_SANDBOX;
    if (rb_rules_status(&x->rules, outcome->status) || (hint && hint->verdict != RB_HINT_NO_VERDICT))
        find_caller(x);
    struct rb_decision decision =
        rb_call_judge(&x->call, outcome, blocked, x->allowed, hint, now_ms, rb_system_random());
    rb_opening_answered(&link->opening);
    x->due_ms = now_ms + decision.delay_ms;
    if (decision.retry)
        report_exchange(link, RB_VERDICT_RETRY, RB_REASON_NONE, decision.delay_ms, decision.hint);
    else if (decision.reason != RB_REASON_DONE)
        report_exchange(link, RB_VERDICT_STOP, decision.reason, 0, decision.hint);
    else if (rb_call_attempts(&x->call) > 1)
        report_exchange(link, RB_VERDICT_RECOVERED, RB_REASON_NONE, 0, RB_HINT_NONE);
    else
        rb_process_success(&x->call, x->policy, RB_API_HTTP, &link->peer.target);
    return decision.retry;
}

// The program reads a response that was not judged before.
static void observe_response(struct rb_link *link)
{
    struct rb_exchange *x = link->exchange;
    struct rb_slice text = {x->seen, x->head.length}; // without its body
    struct rb_outcome outcome = rb_classify_http(x->head.status);
    struct rb_hint hint = {0};
    if (x->head.status >= HTTP_ERROR)
        hint = hint_of_response(x, &x->head, text);
    if (!x->judged && x->call.attempt > 0)
        judge_exchange(link, &outcome, x->reason, &hint, UINT64_MAX);
}

// Reads the body of the response. Returns false at bytes behind its end.
static bool take_response_body(struct rb_link *link, const char *bytes, size_t length)
{
    struct rb_exchange *x = link->exchange;
    bool keeps_alive = x->head.keeps_alive;
    size_t used = rb_frame_body_take(&x->body, bytes, length);
    if (rb_frame_body_is_invalid(&x->body) || used < length)
        return false;
    if (!rb_frame_body_is_done(&x->body))
        return true;
    rb_exchange_end(link);
    link->exchanges++;
    rb_link_enter(link, RB_LINK_IDLE);
    return keeps_alive; // otherwise the program uses the connection no more
}

static bool take_response(struct rb_link *link, const char *bytes, size_t length)
{
    struct rb_exchange *x = link->exchange;
    note_first_byte(x);
    if (link->state == RB_LINK_BODY)
        return take_response_body(link, bytes, length);
    size_t room = sizeof(x->seen) - x->seen_length, kept = length < room ? length : room;
    memcpy(x->seen + x->seen_length, bytes, kept);
    x->seen_length += kept;
    x->passes = true;
    for (;;) {
        struct rb_slice text = {x->seen, x->seen_length};
        enum rb_frame_result result = rb_frame_read_head(RB_FRAME_RESPONSE, text, x->asks, &x->head);
        if (result != RB_FRAME_COMPLETE)
            return result == RB_FRAME_PARTIAL && kept == length;
        if (x->head.upgrades || x->head.status >= HTTP_OK)
            break;
        if (atomic_load_explicit(&link->wait, memory_order_relaxed) < RB_LINK_WAIT_LOOP)
            x->stack = RB_STACK_RESPONSE;
        x->seen_length -= x->head.length; // an interim response
        memmove(x->seen, x->seen + x->head.length, x->seen_length);
    }
    observe_response(link);
    if (x->head.upgrades)
        return false;
    rb_frame_body_begin(&x->body, &x->head);
    rb_link_enter(link, RB_LINK_BODY);
    if (!take_response_body(link, x->seen + x->head.length, x->seen_length - x->head.length))
        return false;
    return kept == length || (link->state == RB_LINK_BODY && take_response_body(link, bytes + kept, length - kept));
}

bool rb_exchange_read(struct rb_link *link, const char *bytes, size_t length)
{
    bool answers = link->state == RB_LINK_SENT || link->state == RB_LINK_PARKED || link->state == RB_LINK_BODY;
    if (length == 0)
        return !answers; // a body until the end of the stream, or a response that was cut off
    return answers && take_response(link, bytes, length);
}

// --- the response before the program reads it

bool rb_exchange_may_hold(const struct rb_link *link)
{
    const struct rb_exchange *x = link->exchange;
    return link->state == RB_LINK_SENT && x && !x->passes && x->whole && x->call.permit.kind != RB_PERMIT_PASSED;
}

static enum rb_look pass_response(struct rb_exchange *x, enum rb_reason reason)
{
    x->passes = true;
    x->reason = reason;
    if (reason == RB_REASON_STACK)
        x->stack = RB_STACK_RESPONSE;
    x->seen_length = 0; // the program reads these bytes
    return RB_LOOK_PASS;
}

// Returns true if a response with this head can lead to a repetition.
static bool may_be_repeated(const struct rb_exchange *x, const struct rb_frame_head *head, struct rb_slice text)
{
    struct rb_hints hints;
    if (head->status < HTTP_ERROR || head->upgrades || head->event_stream)
        return false;
    if (rb_rules_status(&x->rules, head->status))
        return true;
    read_hints(&hints, head, text);
    struct rb_hint hint = rb_hints_judge(&hints, head->status, x->rules.after, (struct rb_slice){NULL, 0}, false);
    return hint.verdict == RB_HINT_THROTTLED || hint.verdict == RB_HINT_RETRY ||
           rb_hints_need_body(&hints, head->status);
}

enum rb_look rb_exchange_look(struct rb_link *link, bool ended, uint64_t until_ms)
{
    struct rb_exchange *x = link->exchange;
    struct rb_slice text = {x->seen, x->seen_length};
    struct rb_frame_head head;
    struct rb_frame_body body;
    bool full = x->seen_length == sizeof(x->seen);
    note_first_byte(x);
    enum { STATUS = RB_EXCHANGE_START - 3 }; // a success need not be whole
    if (text.length >= RB_EXCHANGE_START && text.at[STATUS - 1] == ' ' && text.at[STATUS] >= '2' &&
        text.at[STATUS] <= '3')
        return pass_response(x, RB_REASON_STACK);
    enum rb_frame_result result = rb_frame_read_head(RB_FRAME_RESPONSE, text, x->asks, &head);
    if (result == RB_FRAME_PARTIAL && !ended && !full)
        return RB_LOOK_MORE;
    if (result != RB_FRAME_COMPLETE || !may_be_repeated(x, &head, text))
        return pass_response(x, RB_REASON_STACK);
    rb_frame_body_begin(&body, &head);
    size_t used = rb_frame_body_take(&body, text.at + head.length, text.length - head.length);
    bool whole = rb_frame_body_is_done(&body) || (head.body == RB_BODY_UNTIL_CLOSE && ended);
    if (rb_frame_body_is_invalid(&body) || head.length + used < text.length || (!whole && (ended || full)))
        return pass_response(x, full ? RB_REASON_OVERFLOW : RB_REASON_STACK);
    if (!whole)
        return RB_LOOK_MORE;
    struct rb_hint hint = hint_of_response(x, &head, text);
    struct rb_outcome outcome = rb_classify_http(head.status);
    x->closes = !head.keeps_alive;
    enum rb_reason blocked = x->closes && link->tls && !x->reopens ? RB_REASON_STACK : RB_REASON_NONE;
    if (blocked != RB_REASON_NONE)
        x->stack = RB_STACK_CLOSED;
    if (judge_exchange(link, &outcome, blocked, &hint, until_ms))
        return RB_LOOK_RETRY;
    return pass_response(x, RB_REASON_NONE);
}

bool rb_exchange_broke(struct rb_link *link, int error, bool may_connect, uint64_t until_ms)
{
    struct rb_exchange *x = link->exchange;
    struct rb_outcome outcome = rb_classify_errno(error ? error : ECONNRESET, false);
    enum rb_reason blocked = may_connect ? RB_REASON_NONE : RB_REASON_STACK;
    if (blocked != RB_REASON_NONE)
        x->stack = RB_STACK_CLOSED;
    outcome.sent = RB_SENT_MAYBE;
    x->broke = error ? error : -1;
    if (outcome.cause == RB_CAUSE_OTHER)
        blocked = RB_REASON_PERMANENT;
    if (link->exchanges > 0) // a server may close a kept connection at any time
        outcome.health = RB_HEALTH_IGNORED;
    return judge_exchange(link, &outcome, x->whole ? blocked : RB_REASON_UPLOAD, NULL, until_ms);
}

bool rb_exchange_again(struct rb_link *link)
{
    struct rb_exchange *x = link->exchange;
    if (rb_sandbox_is_filtered() || !rb_call_admit(&x->call, rb_system_now_ms(), NULL)) {
        report_exchange(link, RB_VERDICT_STOP, rb_sandbox_is_filtered() ? RB_REASON_SANDBOX : RB_REASON_BREAKER, 0,
                        RB_HINT_NONE);
        x->passes = true;
        return false;
    }
    if (x->seen_length > 0) {
        memcpy(x->held, x->seen, x->seen_length);
        x->held_length = x->seen_length;
    }
    x->seen_length = 0;
    x->first_byte_ms = 0;
    x->judged = false;
    rb_link_enter(link, RB_LINK_SENT);
    return true;
}

bool rb_exchange_fall_back(struct rb_link *link, enum rb_reason reason)
{
    struct rb_exchange *x = link->exchange;
    if (reason != RB_REASON_NONE)
        report_exchange(link, RB_VERDICT_STOP, reason, 0, RB_HINT_NONE);
    if (x->held_length == 0)
        return false;
    x->given = 0;
    rb_link_enter(link, RB_LINK_DELIVER);
    return true;
}

void rb_exchange_give_up(struct rb_link *link, enum rb_reason reason)
{
    struct rb_exchange *x = link->exchange;
    if (link->state != RB_LINK_PARKED || x->passes)
        return;
    report_exchange(link, RB_VERDICT_STOP, reason, 0, RB_HINT_NONE);
    x->passes = true;
}

bool rb_exchange_give_taken(struct rb_link *link)
{
    struct rb_exchange *x = link->exchange;
    if (!x || x->taken == 0)
        return false;
    memcpy(x->held, x->seen, x->taken);
    x->held_length = x->taken;
    x->taken = x->given = 0;
    x->goes_on = true;
    rb_link_enter(link, RB_LINK_DELIVER);
    return true;
}

bool rb_exchange_give_only(struct rb_link *link)
{
    struct rb_exchange *x = link->exchange;
    bool waits = link->state == RB_LINK_SENT || link->state == RB_LINK_PARKED;
    bool unanswered = x && link->tls && waits && !x->passes && x->taken == 0;
    unanswered = unanswered || (x && x->redials && link->state == RB_LINK_PARKED);
    if (x)
        x->leaves = true;
    if (link->state != RB_LINK_DELIVER && !rb_exchange_give_taken(link) && unanswered && x->held_length > 0)
        rb_exchange_fall_back(link, RB_REASON_INTERRUPTED);
    // A detached link stays parked, because wire/async.c must tell the program that it can read.
    if (link->state == RB_LINK_DELIVER && link->unpark && !link->detached)
        link->unpark(link);
    return link->state == RB_LINK_DELIVER;
}

bool rb_exchange_resume(struct rb_link *link, bool *followed)
{
    struct rb_exchange *x = link->exchange;
    *followed = true;
    if (!x->goes_on)
        return false;
    size_t length = x->held_length;
    x->held_length = x->seen_length = 0;
    x->goes_on = false;
    rb_link_enter(link, RB_LINK_SENT);
    bool leaves = x->leaves; // the exchange may end here
    *followed = rb_exchange_read(link, x->held, length) && !leaves;
    return true;
}

// SPDX-License-Identifier: MIT
// One transfer with all its attempts: match a section, run attempts, judge each result, continue or repeat the request,
// and give the program its result.
#include "curl/transfer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/arithmetic.h"
#include "base/list.h"
#include "base/path.h"
#include "curl/attempt.h"
#include "curl/callbacks.h"
#include "curl/credential.h"
#include "curl/destination.h"
#include "curl/fields.h"
#include "curl/handle.h"
#include "curl/ids.h"
#include "curl/response/saved.h"
#include "curl/via.h"
#include "process/process.h"
#include "process/starting.h"
#include "real/sandbox.h"
#include "real/system.h"
#include "state/cells.h"
#include "state/shared.h"

enum { HTTP_ERROR = 400 };

// --- beginning

static bool is_get(const struct rb_handle *handle)
{
    const char *word = handle->custom_request;
    return !handle->no_body && (word ? strcmp(word, "GET") == 0 : handle->method == RB_METHOD_GET);
}

static bool may_repeat_request(const struct rb_transfer *transfer)
{
    const struct rb_handle *handle = transfer->handle;
    if (transfer->route->repeats_get && is_get(handle))
        return true;
    const struct rb_section_values *values = &transfer->route->section->values;
    const char *method = rb_handle_method(handle);
    bool allowed = rb_list_holds(values->methods, method, strlen(method), false) ||
                   rb_fields_have(handle->headers, values->idempotency_headers);
    bool reads = rb_list_holds("GET HEAD OPTIONS TRACE PROPFIND REPORT SEARCH", method, strlen(method), false);
    if (!allowed || reads)
        return allowed;
    // With a condition (RFC 9110, section 13.1), the server checks the resource before it changes it. If the first
    // attempt has changed the resource, the condition fails in the next attempt. The program would get 412 although the
    // server has carried out its request.
    return handle->time_condition != CURL_TIMECOND_IFUNMODSINCE &&
           !rb_fields_have(handle->headers, "If-Match If-None-Match If-Unmodified-Since");
}

static uint64_t total_limit_ms(const struct rb_transfer *transfer)
{
    uint64_t program = (uint64_t) (transfer->handle->timeout_ms > 0 ? transfer->handle->timeout_ms : 0);
    if (program == 0)
        return transfer->route->rules->total_ms;
    return transfer->route->rules->total_set && transfer->route->rules->total_ms < program
               ? transfer->route->rules->total_ms
               : program;
}

// Computes the credential of the transfer once, if the cell keeps a separate Retry-After time for each credential
// (tenants).
static void find_credential(struct rb_transfer *transfer)
{
    struct rb_call *call = &transfer->call;
    uint64_t key[2];
    if (call->credential == 0 && call->tenants && rb_shared_secret(key))
        call->credential = rb_credential(transfer->handle, key);
}

static void begin_call(struct rb_transfer *transfer)
{
    const struct rb_route *route = transfer->route;
    struct rb_cell *cell = rb_cell_get(route->key, route->policy, route->rules, &route->target, transfer->begun_ms);
    rb_cell_begin(cell, &transfer->call, route->rules, total_limit_ms(transfer), transfer->begun_ms);
    rb_starting_begin(&transfer->call, route->section, &route->target);
    if (transfer->call.tenants && rb_tenants_wait(transfer->call.tenants, transfer->begun_ms))
        find_credential(transfer);
}

// Writes the value of a Location field to `url`. A value without a scheme ("//host/...") gets the scheme of the request
// (RFC 3986, section 5.2.2).
static void read_location(const struct rb_handle *handle, const char *location, size_t length, char *url, size_t size)
{
    const char *scheme = NULL;
    bool bare = length > 2 && location[0] == '/' && location[1] == '/';
    if (bare)
        handle->curl->easy_getinfo(handle->easy, CURLINFO_SCHEME, &scheme);
    snprintf(url, size, "%s%s%.*s", scheme ? scheme : "", scheme ? ":" : "", (int) (length < size ? length : size - 1),
             location);
}

// Makes libcurl refuse the next transfer or redirect, because the breaker of `target` is open.
//   left_ms: how long the breaker stays open
static void refuse(struct rb_transfer *transfer, const struct rb_target *target, uint64_t left_ms)
{
    char label[RB_LABEL_SIZE];
    rb_target_format(target, label, sizeof(label));
    free(transfer->refused_host);
    transfer->refused_host = strdup(label);
    transfer->refused_ms = left_ms;
    rb_attempt_poison(transfer);
}

static const char *refused_host(const struct rb_transfer *transfer)
{
    return transfer->refused_host ? transfer->refused_host : "?";
}

// libcurl is about to follow a redirect. If the redirect leads to another host, the result of this attempt says nothing
// about the first host. If the other host's breaker refuses attempts, libcurl is configured to refuse the redirect.
static void on_redirect(void *context, const char *location, size_t length)
{
    struct rb_transfer *transfer = context;
    struct rb_target target = {0};
    char url[512];
    bool secure, proxied;
    uint64_t left_ms = 0, now_ms = rb_system_now_ms();
    const struct rb_policy *policy = rb_process_policy();
    read_location(transfer->handle, location, length, url, sizeof(url));
    if (!strstr(url, "://")) // a relative reference: the same host
        return;
    const struct rb_section *section = policy && rb_destination_read(url, &target, &secure)
                                           ? rb_process_match(policy, &target, RB_INTERCEPT_CURL)
                                           : NULL;
    rb_attempt_keepalive(transfer, section ? &section->values.socket : &(struct rb_keepalive){0});
    uint64_t via = section ? rb_via_find(transfer->handle, &target, secure, &proxied) : 0;
    uint64_t key = section ? rb_cell_key(section, &target, via) : 0;
    bool left = !transfer->elsewhere && key != transfer->route->key;
    transfer->elsewhere = key != transfer->route->key;
    if (left) // the first host has answered; the rest comes from another host
        rb_call_answered(&transfer->call, true, now_ms);
    if (!section || !section->rules.breaker_on || !transfer->elsewhere)
        return;
    struct rb_cell *cell = rb_cell_get(key, section->name, &section->rules, &target, now_ms);
    if (cell &&
        rb_breaker_would_refuse(&cell->breaker, &section->rules.breaker, rb_cell_ask(key, now_ms), now_ms, &left_ms))
        refuse(transfer, &target, left_ms);
}

// A header block is complete. If the breaker is open or half-open and the status is no error, this is reported now as a
// success, because the body may take long.
static void on_answer(void *context, unsigned status)
{
    struct rb_transfer *transfer = context;
    if (status < HTTP_ERROR && !transfer->elsewhere && transfer->call.permit.kind != RB_PERMIT_NONE &&
        transfer->call.permit.kind != RB_PERMIT_CLOSED)
        rb_call_answered(&transfer->call, false, rb_system_now_ms());
}

// libcurl reports the status of a response as CURLINFO_RESPONSE_CODE from its status line on. It does not do so for a
// proxy's answer to CONNECT. Another host behind a redirect may have a proxy if the first host has none.
static bool is_tunnel(void *context, unsigned status)
{
    struct rb_transfer *transfer = context;
    const struct rb_handle *handle = transfer->handle;
    long reported = 0;
    if (!transfer->route->proxied && !transfer->elsewhere)
        return false;
    handle->curl->easy_getinfo(handle->easy, CURLINFO_RESPONSE_CODE, &reported);
    if (reported == (long) status)
        return false;
    handle->curl->easy_getinfo(handle->easy, CURLINFO_REQUEST_SIZE, &transfer->tunnel_size);
    return true;
}

static const struct rb_response_listener listener = {on_redirect, on_answer, is_tunnel};

// Sets the fields one by one, because clearing the whole structure takes longer than the rest of this function.
bool rb_transfer_begin(struct rb_transfer *transfer, struct rb_response *response, struct rb_handle *handle,
                       const struct rb_policy *policy)
{
    const struct rb_libcurl *curl = handle->curl;
    if (handle->transfer || handle->connect_only || !curl->easy_setopt || !curl->easy_getinfo || !curl->free)
        return false;
    transfer->handle = handle;
    transfer->response = response;
    transfer->route = rb_route_take(handle, policy);
    if (!transfer->route)
        return false;
    long own = handle->timeout_ms;
    transfer->begun_ms = rb_system_now_ms();
    transfer->program_deadline_ms = own > 0 ? transfer->begun_ms + (uint64_t) own : UINT64_MAX;
    transfer->poisoned = transfer->elsewhere = false;
    transfer->fallback = NULL;
    transfer->refused_host = NULL;
    transfer->outcome = (struct rb_outcome){0};
    transfer->connects = transfer->tunnel = 0;
    transfer->code = CURLE_OK;
    transfer->hint = RB_HINT_NONE;
    transfer->starts = false;
    begin_call(transfer);
    transfer->repeatable = may_repeat_request(transfer);
    struct rb_asked asked;
    bool resumable = transfer->route->rules->resume && transfer->repeatable && is_get(handle) &&
                     rb_handle_upload(handle) == RB_UPLOAD_NONE && !handle->raw_transfer &&
                     rb_asked_of_program(handle, &asked);
    rb_response_begin(response, handle, transfer->route->rules, resumable ? &asked : NULL);
    rb_response_listen(response, &listener, transfer);
    rb_replay_begin(&transfer->replay, handle);
    rb_callbacks_arm(handle);
    handle->transfer = transfer;
    rb_process_count_call(transfer->route->policy);
    rb_process_count_host(&transfer->route->target, RB_SUMMARY_WAY + RB_WAY_CURL);
    return true;
}

// --- events

static uint64_t figure_ms(const struct rb_handle *handle, CURLINFO info)
{
    curl_off_t us = 0;
    handle->curl->easy_getinfo(handle->easy, info, &us);
    return us > 0 ? (uint64_t) us / 1000 : 0;
}

// Reads libcurl's times of the attempt that just ended.
static struct rb_times times_of(const struct rb_handle *handle)
{
    return (struct rb_times){
        .lookup_ms = figure_ms(handle, CURLINFO_NAMELOOKUP_TIME_T),
        .connect_ms = figure_ms(handle, CURLINFO_CONNECT_TIME_T),
        .tls_ms = figure_ms(handle, CURLINFO_APPCONNECT_TIME_T),
        .first_byte_ms = figure_ms(handle, CURLINFO_STARTTRANSFER_TIME_T),
        .total_ms = figure_ms(handle, CURLINFO_TOTAL_TIME_T),
    };
}

static void report(const struct rb_transfer *transfer, enum rb_verdict verdict, enum rb_reason reason)
{
    char host[RB_LABEL_SIZE];
    const char *url = NULL; // of the last request; libcurl owns the text until its next call
    struct rb_times times = times_of(transfer->handle);
    if (transfer->route->rules->http_path)
        transfer->handle->curl->easy_getinfo(transfer->handle->easy, CURLINFO_EFFECTIVE_URL, &url);
    struct rb_request_line line = {.path = rb_path_of(rb_slice_of(url ? url : ""))};
    rb_target_format(&transfer->route->target, host, sizeof(host));
    struct rb_event event = {
        .verdict = verdict,
        .policy = transfer->route->policy,
        .host = verdict == RB_VERDICT_REFUSED ? refused_host(transfer) : host,
        .api = RB_API_CURL,
        .request = &line,
        .cause = verdict == RB_VERDICT_REFUSED ? RB_CAUSE_NONE : transfer->outcome.cause,
        .status = transfer->outcome.status,
        .attempt = rb_call_attempts(&transfer->call),
        .delay_ms = transfer->delay_ms,
        .reason = reason,
        .hint = verdict == RB_VERDICT_RETRY || verdict == RB_VERDICT_STOP ? transfer->hint : RB_HINT_NONE,
        .times = verdict == RB_VERDICT_REFUSED ? NULL : &times,
        .resends = rb_attempt_resends(transfer, transfer->code),
    };
    rb_process_event(&event, &transfer->call);
}

// --- values for curl_easy_getinfo (figures)

// Leaves the values of the call with the handle if the call had more than one attempt. If there is a fallback, these
// are the values of its attempt.
//   failed: the program gets the result of the fallback
static void leave_figures(struct rb_transfer *transfer, bool failed)
{
    struct rb_figures *figures = transfer->call.attempt > 1 ? malloc(sizeof(*figures)) : NULL;
    const struct rb_call *call = &transfer->call;
    if (!figures)
        return;
    struct rb_fallback *fallback = transfer->fallback;
    uint64_t counted_ms = fallback ? fallback->begun_ms : call->attempt_started_ms;
    *figures = (struct rb_figures){
        .begun_us = (curl_off_t) (call->attempt_started_ms - transfer->begun_ms) * 1000,
        .moments_us = (curl_off_t) (counted_ms - transfer->begun_ms) * 1000,
        .received = rb_response_continues(transfer->response) ? rb_response_received(transfer->response) : -1,
        .connects = transfer->connects,
        .tunnel = transfer->tunnel,
        .failed = failed,
        .saved = fallback ? fallback->saved : NULL,
    };
    if (fallback)
        fallback->saved = NULL;
    transfer->handle->figures = figures;
}

// Moves the saved values from the handle, where prepare() left them for the time of the attempt, back to the fallback.
static void take_back_continued(const struct rb_transfer *transfer)
{
    struct rb_figures *figures = transfer->handle->figures;
    if (!rb_response_continues(transfer->response) || !figures)
        return;
    transfer->fallback->saved = figures->saved;
    figures->saved = NULL;
    rb_figures_forget(transfer->handle);
}

// --- starting an attempt

// Prepares an attempt. A response is held only if another attempt could follow. After a proxy's refusal of a CONNECT,
// any request can be repeated, because nothing of it was read or sent. While an attempt continues a download, the
// program's callbacks may call curl_easy_getinfo. They must get the values of the response that is being downloaded,
// not of this attempt.
static void prepare(struct rb_transfer *transfer, uint64_t now_ms)
{
    bool may = !transfer->handle->unknown && rb_call_may_retry(&transfer->call, now_ms);
    transfer->elsewhere = false;
    rb_response_hold_tunnels(transfer->response, may);
    enum rb_holding holding = RB_HOLD_NOTHING;
    if (may && rb_replay_rewinds(&transfer->replay))
        holding = transfer->repeatable ? RB_HOLD_FAILURES : RB_HOLD_REJECTED;
    rb_attempt_prepare(transfer, holding);
    if (rb_response_continues(transfer->response))
        leave_figures(transfer, false);
}

bool rb_transfer_hold(struct rb_transfer *transfer)
{
    transfer->delay_ms = rb_call_hold(&transfer->call, transfer->begun_ms);
    return transfer->delay_ms > 0;
}

void rb_transfer_start(struct rb_transfer *transfer)
{
    uint64_t retry_in_ms = 0, now_ms = transfer->delay_ms > 0 ? rb_system_now_ms() : transfer->begun_ms;
    if (rb_call_admit(&transfer->call, now_ms, &retry_in_ms))
        prepare(transfer, now_ms);
    else
        refuse(transfer, &transfer->route->target, retry_in_ms);
}

static void end_refused(struct rb_transfer *transfer, CURLcode *code)
{
    char sentence[CURL_ERROR_SIZE];
    report(transfer, RB_VERDICT_REFUSED, RB_REASON_BREAKER);
    if (*code != CURLE_UNSUPPORTED_PROTOCOL)
        return;
    int written =
        snprintf(sentence, sizeof(sentence), "rebound: the circuit breaker of %.180s is ", refused_host(transfer));
    if (transfer->refused_ms == RB_BREAKER_FOREVER)
        snprintf(sentence + written, sizeof(sentence) - (size_t) written, "held open by rebound breaker open");
    else
        snprintf(sentence + written, sizeof(sentence) - (size_t) written, "open, next attempt in %u.%u s",
                 (unsigned) (transfer->refused_ms / 1000), (unsigned) (transfer->refused_ms % 1000 / 100));
    rb_handle_say(transfer->handle, sentence);
    *code = CURLE_COULDNT_CONNECT;
}

// --- the earlier result that the program gets if a later attempt fails

static void save_result(struct rb_transfer *transfer)
{
    struct rb_fallback *fallback = transfer->fallback;
    fallback->code = transfer->code;
    fallback->error[0] = '\0';
    if (transfer->handle->error)
        snprintf(fallback->error, sizeof(fallback->error), "%s", transfer->handle->error);
}

static void forget_fallback(struct rb_transfer *transfer)
{
    if (!transfer->fallback)
        return;
    rb_saved_free(transfer->fallback->saved);
    free(transfer->fallback->lines);
    free(transfer->fallback);
    transfer->fallback = NULL;
}

// Returns false if memory ran out; then there is no fallback.
static bool save_fallback(struct rb_transfer *transfer)
{
    forget_fallback(transfer);
    struct rb_fallback *fallback = malloc(sizeof(*fallback));
    if (!fallback)
        return false;
    transfer->fallback = fallback;
    fallback->saved = rb_saved_read(transfer->handle);
    fallback->begun_ms = transfer->call.attempt_started_ms;
    fallback->lines = NULL;
    save_result(transfer);
    if (!fallback->saved)
        forget_fallback(transfer);
    return transfer->fallback != NULL;
}

static void fall_back(struct rb_transfer *transfer, CURLcode *code)
{
    *code = transfer->fallback->code;
    rb_handle_say(transfer->handle, transfer->fallback->error);
    leave_figures(transfer, true);
}

// --- deciding

// Returns true if one of the program's callbacks has set another URL for its next transfer. Another attempt would go to
// that URL.
static bool is_led_away(const struct rb_transfer *transfer)
{
    const struct rb_handle *handle = transfer->handle;
    return !handle->parsed_url && handle->route != transfer->route;
}

// Returns the reason why this attempt cannot be repeated under any policy, or RB_REASON_NONE.
static enum rb_reason blocked(const struct rb_transfer *transfer)
{
    const struct rb_response *response = transfer->response;
    bool never_sent = transfer->outcome.sent == RB_SENT_NEVER;
    if (rb_sandbox_is_filtered()) // the filter was installed during the transfer
        return RB_REASON_SANDBOX;
    if (transfer->handle->unknown)
        return RB_REASON_UNKNOWN;
    if (is_led_away(transfer))
        return RB_REASON_INTERRUPTED;
    if (rb_response_continues(response))
        return rb_response_can_continue(response) ? RB_REASON_NONE : RB_REASON_CHANGED;
    if (!rb_replay_possible(&transfer->replay, never_sent))
        return RB_REASON_UPLOAD;
    if (rb_response_overflowed(response))
        return RB_REASON_OVERFLOW;
    if (rb_response_may_hold(response) && rb_response_reached_program(response) && !rb_response_can_continue(response))
        return RB_REASON_DELIVERED;
    return RB_REASON_NONE;
}

// Prepares the next attempt: rewinds the request body, and saves the present result in case the next attempt cannot
// replace it. Returns RB_REASON_NONE, or the reason why there can be no next attempt.
static enum rb_reason ready_next(struct rb_transfer *transfer)
{
    struct rb_response *response = transfer->response;
    bool broke_off = rb_response_reached_program(response);
    bool form = transfer->replay.upload == RB_UPLOAD_FORM;
    if (broke_off && !rb_response_can_continue(response))
        return RB_REASON_DELIVERED;
    if (rb_replay_rewind(&transfer->replay, transfer->outcome.sent == RB_SENT_NEVER) != 0)
        return RB_REASON_UPLOAD;
    if ((form || (broke_off && !rb_response_continues(response))) && !save_fallback(transfer))
        return RB_REASON_RESOURCE;
    if (form)
        rb_response_keep(response);
    else if (broke_off)
        rb_response_continue(response, &(struct rb_asked){0});
    return RB_REASON_NONE;
}

// Judges an attempt whose result is not one of the host: a redirect led to another host, or a proxy refused a CONNECT.
// The host's breaker must not count it. A Retry-After of the other host must not delay other calls of the first host. A
// proxy that throttles its own user must not delay the calls with a credential of the host.
static struct rb_decision judge_apart(struct rb_transfer *transfer, const struct rb_hint *hint, uint32_t draw)
{
    struct rb_call *call = &transfer->call;
    struct rb_not_before *not_before = call->not_before;
    struct rb_tenants *tenants = call->tenants;
    transfer->outcome.health = RB_HEALTH_IGNORED;
    if (transfer->elsewhere)
        call->not_before = NULL;
    call->tenants = NULL;
    struct rb_decision decision = rb_call_judge(call, &transfer->outcome, blocked(transfer), transfer->repeatable, hint,
                                                rb_system_now_ms(), draw);
    call->not_before = not_before;
    call->tenants = tenants;
    return decision;
}

// Returns true if the attempt failed because the host may not have started yet. The program's limit for a connect also
// limits the wait for the start.
static bool awaits_start(struct rb_transfer *transfer)
{
    long connect_ms = transfer->handle->connect_timeout_ms;
    uint64_t deadline_ms = connect_ms > 0 ? transfer->begun_ms + (uint64_t) connect_ms : UINT64_MAX;
    deadline_ms = rb_arithmetic_min(deadline_ms, transfer->program_deadline_ms);
    return !transfer->elsewhere && blocked(transfer) == RB_REASON_NONE &&
           rb_call_awaits_start(&transfer->call, &transfer->outcome, deadline_ms, rb_system_now_ms());
}

// Decides what follows an attempt. If an attempt that continues a download succeeds without the rest of the body, the
// content has changed.
static enum rb_reason judge(struct rb_transfer *transfer)
{
    const struct rb_response *response = transfer->response;
    bool mended = !rb_response_continues(response) || rb_response_continued(response, transfer->code == CURLE_OK);
    uint32_t draw = transfer->outcome.cause == RB_CAUSE_NONE ? 0 : rb_system_random();
    if (transfer->outcome.cause != RB_CAUSE_NONE)
        find_credential(transfer);
    struct rb_hint hint = {0};
    if (transfer->outcome.cause == RB_CAUSE_STATUS)
        hint = rb_response_hint(response);
    transfer->starts = awaits_start(transfer);
    if (transfer->starts) {
        rb_process_begin_wait(&transfer->route->target, &transfer->call);
        transfer->delay_ms = RB_ABSENT_EVERY_MS;
        return ready_next(transfer);
    }
    struct rb_decision decision = transfer->elsewhere || transfer->outcome.tunnel
                                      ? judge_apart(transfer, &hint, draw)
                                      : rb_call_judge(&transfer->call, &transfer->outcome, blocked(transfer),
                                                      transfer->repeatable, &hint, rb_system_now_ms(), draw);
    transfer->delay_ms = decision.delay_ms;
    transfer->hint = decision.hint;
    if (decision.retry)
        return ready_next(transfer);
    return decision.reason == RB_REASON_DONE && !mended ? RB_REASON_CHANGED : decision.reason;
}

// --- ending

// How an attempt ends. Only after RETRY and AWAITS_START another attempt follows.
enum ending {
    ENDING_RETRY,         // the attempt failed and is repeated
    ENDING_AWAITS_START,  // the host may not have started: the attempt is repeated without a report
    ENDING_REFUSED,       // an open breaker refused the attempt or a redirect
    ENDING_NOT_REWOUND,   // libcurl could not rewind a form: the program gets the attempt before
    ENDING_NOT_CONTINUED, // the attempt could not continue a download: the program gets the fallback
    ENDING_STOPPED,       // the attempt failed, and the program gets its result
    ENDING_RECOVERED,     // the attempt succeeded after earlier ones had failed
    ENDING_RESENT,        // the first attempt succeeded; libcurl itself had to send the request again
    ENDING_SUCCESS        // the first attempt succeeded
};

// reason: RB_REASON_NONE: the attempt is repeated; RB_REASON_DONE: it succeeded, or its status is not in retry.on; any
// other value: why there is no further attempt
static enum ending ending_by(const struct rb_transfer *transfer, enum rb_reason reason)
{
    if (reason == RB_REASON_NONE)
        return transfer->starts ? ENDING_AWAITS_START : ENDING_RETRY;
    if (reason != RB_REASON_DONE)
        return rb_response_continues(transfer->response) ? ENDING_NOT_CONTINUED : ENDING_STOPPED;
    if (rb_call_attempts(&transfer->call) > 1)
        return ENDING_RECOVERED;
    return rb_attempt_resends(transfer, transfer->code) > 0 ? ENDING_RESENT : ENDING_SUCCESS;
}

// Leaves the last attempt's values for curl_easy_getinfo. If the attempt continued a download, the saved values of the
// first part are kept with them.
static void leave_last(struct rb_transfer *transfer)
{
    if (!rb_response_continues(transfer->response))
        forget_fallback(transfer);
    leave_figures(transfer, false);
}

// Reports the ending. Sets *code, the program's error text and the values for curl_easy_getinfo.
static enum rb_step conclude(struct rb_transfer *transfer, enum ending ending, enum rb_reason reason, CURLcode *code)
{
    switch (ending) {
    case ENDING_RETRY:
        report(transfer, RB_VERDICT_RETRY, RB_REASON_NONE);
        return RB_TRANSFER_WAIT;
    case ENDING_AWAITS_START:
        return RB_TRANSFER_WAIT;
    case ENDING_REFUSED:
        end_refused(transfer, code);
        break;
    case ENDING_NOT_REWOUND:
        report(transfer, RB_VERDICT_STOP, RB_REASON_UPLOAD);
        rb_response_restore(transfer->response);
        fall_back(transfer, code);
        break;
    case ENDING_NOT_CONTINUED:
        report(transfer, RB_VERDICT_STOP, reason);
        fall_back(transfer, code);
        break;
    case ENDING_STOPPED:
        report(transfer, RB_VERDICT_STOP, reason);
        leave_last(transfer);
        break;
    case ENDING_RECOVERED:
        report(transfer, RB_VERDICT_RECOVERED, RB_REASON_NONE);
        leave_last(transfer);
        break;
    case ENDING_RESENT:
        report(transfer, RB_VERDICT_RESENT, RB_REASON_NONE);
        leave_last(transfer);
        break;
    case ENDING_SUCCESS:
        rb_process_success(&transfer->call, transfer->route->policy, RB_API_CURL, &transfer->route->target);
        leave_last(transfer);
        break;
    }
    return RB_TRANSFER_DONE;
}

// An attempt that was not admitted reached no server, because libcurl was configured to refuse it. An admitted attempt
// is always judged, even if libcurl then refused a redirect, because the result must go to the breaker with the permit.
//
// If an attempt that continues a download has received new bytes and then failed, or if the program has cancelled it,
// the program gets the result of that attempt. So this result goes into the fallback.
enum rb_step rb_transfer_ended(struct rb_transfer *transfer, CURLcode *code)
{
    bool admitted = transfer->call.attempt > 0;
    bool refused = transfer->poisoned && (!admitted || *code == CURLE_UNSUPPORTED_PROTOCOL);
    transfer->code = *code;
    take_back_continued(transfer);
    if (admitted)
        transfer->outcome = rb_attempt_classify(transfer, *code);
    bool broke_off = rb_response_brings_rest(transfer->response) && *code != CURLE_OK;
    bool cancelled = rb_response_continues(transfer->response) && *code == CURLE_ABORTED_BY_CALLBACK;
    if (broke_off || cancelled)
        save_result(transfer);
    rb_attempt_restore(transfer);
    enum rb_reason reason = admitted ? judge(transfer) : RB_REASON_DONE;
    // If libcurl cannot rewind a part of a form, it sends nothing. The response of the attempt before is still held.
    bool not_rewound =
        transfer->fallback && transfer->replay.upload == RB_UPLOAD_FORM && *code == CURLE_SEND_FAIL_REWIND;
    enum ending ending = ending_by(transfer, reason);
    if (refused)
        ending = ENDING_REFUSED;
    else if (not_rewound)
        ending = ENDING_NOT_REWOUND;
    return conclude(transfer, ending, reason, code);
}

// Ends the transfer after a decision to retry that cannot be carried out. For a form, ready_next has put the response
// aside, so restore it.
//   reason: neither RB_REASON_NONE nor RB_REASON_DONE
void rb_transfer_give_up(struct rb_transfer *transfer, enum rb_reason reason, CURLcode *code)
{
    if (transfer->replay.upload == RB_UPLOAD_FORM)
        rb_response_restore(transfer->response);
    *code = transfer->code;
    conclude(transfer, ending_by(transfer, reason), reason, code);
}

bool rb_transfer_again(struct rb_transfer *transfer, CURLcode *code)
{
    uint64_t now_ms = rb_system_now_ms();
    bool away = is_led_away(transfer);
    if (rb_sandbox_is_filtered()) {
        rb_transfer_give_up(transfer, RB_REASON_SANDBOX, code);
        return false;
    }
    if (away || !rb_call_admit(&transfer->call, now_ms, NULL)) {
        rb_transfer_give_up(transfer, away ? RB_REASON_INTERRUPTED : RB_REASON_BREAKER, code);
        return false;
    }
    rb_ids_again(transfer->handle);
    prepare(transfer, now_ms);
    return true;
}

// Delivers nothing, because libcurl delivers nothing after an abort.
void rb_transfer_abort(struct rb_transfer *transfer, CURLcode *code)
{
    rb_transfer_give_up(transfer, RB_REASON_INTERRUPTED, code);
    rb_response_end(transfer->response);
    rb_handle_say(transfer->handle, "Callback aborted");
    *code = CURLE_ABORTED_BY_CALLBACK;
}

bool rb_transfer_goes_on(const struct rb_handle *handle)
{
    if (handle->no_progress || (!handle->progress && !handle->old_progress))
        return true;
    int answer = rb_attempt_show_progress(handle->transfer);
    return answer == 0 || answer == CURL_PROGRESSFUNC_CONTINUE;
}

// --- delivering a held response after the transfer

enum rb_delivery rb_transfer_deliver(struct rb_transfer *transfer, CURLcode *code)
{
    struct rb_handle *handle = transfer->handle;
    rb_handle_data_set_flow(handle, RB_FLOW_LATE);
    enum rb_delivery delivery = rb_response_deliver(transfer->response);
    rb_handle_data_set_flow(handle, delivery == RB_DELIVERY_PAUSED ? RB_FLOW_LATE_PAUSED : RB_FLOW_LIBCURL);
    if (delivery == RB_DELIVERED || delivery == RB_DELIVERY_PAUSED)
        return delivery;
    rb_handle_say(handle, delivery == RB_DELIVERY_HEADER_REFUSED ? "Failed writing header"
                                                                 : "Failure writing output to destination");
    *code = CURLE_WRITE_ERROR;
    return delivery;
}

void rb_transfer_interrupt(struct rb_transfer *transfer, CURLcode code)
{
    rb_handle_data_set_flow(transfer->handle, RB_FLOW_LIBCURL);
    rb_response_end(transfer->response);
    rb_handle_say(transfer->handle, code == CURLE_OPERATION_TIMEDOUT ? "Operation timed out" : "Callback aborted");
}

bool rb_transfer_pause(struct rb_handle *handle, int mask)
{
    if (!rb_handle_data_is_late(handle))
        return false;
    rb_handle_data_set_flow(handle, mask & CURLPAUSE_RECV ? RB_FLOW_LATE_PAUSED : RB_FLOW_LATE);
    return true;
}

void rb_transfer_end(struct rb_transfer *transfer)
{
    struct rb_handle *handle = transfer->handle;
    rb_attempt_restore(transfer);
    if (transfer->call.permit.kind != RB_PERMIT_NONE)
        rb_call_abandon(&transfer->call, rb_system_now_ms());
    rb_handle_data_set_flow(handle, RB_FLOW_LIBCURL);
    handle->transfer = NULL;
    rb_ids_end(handle);
    forget_fallback(transfer);
    free(transfer->refused_host);
    rb_replay_end(&transfer->replay);
    rb_response_end(transfer->response);
    rb_route_leave(transfer->route);
}

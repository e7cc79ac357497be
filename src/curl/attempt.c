// SPDX-License-Identifier: MIT
// Sets the limits, range, callbacks and connection of one attempt on the program's handle.
#include "curl/attempt.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "curl/fields.h"
#include "curl/ids.h"
#include "curl/override.h"

// Returns the shorter of two limits in milliseconds. 0 means no limit.
static long shorter(long a, long b)
{
    return a == 0 || (b != 0 && b < a) ? b : a;
}

static void override_number(const struct rb_transfer *transfer, enum rb_override override, CURLoption option,
                            long number)
{
    struct rb_handle *handle = transfer->handle;
    handle->overrides |= override;
    handle->curl->easy_setopt(handle->easy, option, number);
}

static bool is_first(const struct rb_transfer *transfer)
{
    return transfer->call.attempt <= 1;
}

// Sets the time limits of the attempt: the rest of the program's own limit, and the policy's limits for one attempt.
static void set_limits(const struct rb_transfer *transfer)
{
    const struct rb_handle *handle = transfer->handle;
    const struct rb_rules *rules = transfer->route->rules;
    uint64_t now_ms = transfer->call.attempt_started_ms, deadline_ms = transfer->program_deadline_ms;
    uint64_t left_ms = deadline_ms > now_ms ? deadline_ms - now_ms : 1; // libcurl takes 0 as no limit
    long left = left_ms > INT32_MAX ? INT32_MAX : (long) left_ms;
    if (deadline_ms == UINT64_MAX)
        left = 0;
    bool limit_is_running = handle->timeout_ms && now_ms > transfer->begun_ms;
    if (rules->attempt_ms || limit_is_running)
        override_number(transfer, RB_OVERRIDE_TIMEOUT, CURLOPT_TIMEOUT_MS, shorter(left, (long) rules->attempt_ms));
    if (rules->connect_ms)
        override_number(transfer, RB_OVERRIDE_CONNECT_TIMEOUT, CURLOPT_CONNECTTIMEOUT_MS,
                        shorter(handle->connect_timeout_ms, (long) rules->connect_ms));
}

static long number_of(const struct rb_transfer *transfer, CURLINFO info)
{
    long number = 0;
    transfer->handle->curl->easy_getinfo(transfer->handle->easy, info, &number);
    return number;
}

static bool is_clear_http2(const struct rb_transfer *transfer)
{
    const char *scheme = NULL;
    if (number_of(transfer, CURLINFO_HTTP_VERSION) != CURL_HTTP_VERSION_2_0)
        return false;
    transfer->handle->curl->easy_getinfo(transfer->handle->easy, CURLINFO_SCHEME, &scheme);
    return scheme && strcasecmp(scheme, "http") == 0;
}

// Makes libcurl open a new connection where the kept one may be unusable: it just broke, it has an unread body, or it
// carries cleartext HTTP/2, which fails on its second use (libcurl 7.88.1).
static void set_connection(const struct rb_transfer *transfer)
{
    const struct rb_handle *handle = transfer->handle;
    bool broke = transfer->outcome.cause != RB_CAUSE_STATUS;
    // With CURLOPT_NOBODY and a method other than HEAD, libcurl leaves the body of the response on the connection.
    bool unread = handle->no_body && handle->custom_request && strcmp(handle->custom_request, "HEAD") != 0;
    // If a kept connection breaks, libcurl sends the request again by itself. For this it must rewind the body.
    bool once = transfer->replay.upload == RB_UPLOAD_CALLBACK && !handle->seek && !handle->control;
    if (broke || unread || once || is_clear_http2(transfer))
        override_number(transfer, RB_OVERRIDE_FRESH_CONNECT, CURLOPT_FRESH_CONNECT, 1);
}

// At the start of each attempt, libcurl reads all HSTS hosts from the program's callback and keeps them. The first
// attempt has read them. The program's callback may not support being called again.
static void set_hosts(const struct rb_transfer *transfer)
{
    struct rb_handle *handle = transfer->handle;
    if (!handle->hosts)
        return;
    handle->overrides |= RB_OVERRIDE_HSTS;
    handle->curl->easy_setopt(handle->easy, CURLOPT_HSTSREADFUNCTION, NULL);
}

// --- progress

static int on_progress(void *context, curl_off_t total, curl_off_t now, curl_off_t up_total, curl_off_t up_now)
{
    const struct rb_transfer *transfer = context;
    const struct rb_handle *handle = transfer->handle;
    rb_response_progress(transfer->response, &total, &now);
    if (handle->progress)
        return handle->progress(handle->progress_data, total, now, up_total, up_now);
    return handle->old_progress(handle->progress_data, (double) total, (double) now, (double) up_total,
                                (double) up_now);
}

int rb_attempt_show_progress(struct rb_transfer *transfer)
{
    return on_progress(transfer, 0, 0, 0, 0);
}

static void replace_progress(struct rb_transfer *transfer, bool may_hold)
{
    struct rb_handle *handle = transfer->handle;
    if (handle->no_progress || (!handle->progress && !handle->old_progress) ||
        (!may_hold && !rb_response_continues(transfer->response)))
        return;
    handle->overrides |= RB_OVERRIDE_PROGRESS;
    handle->curl->easy_setopt(handle->easy, CURLOPT_XFERINFOFUNCTION, on_progress);
    handle->curl->easy_setopt(handle->easy, CURLOPT_XFERINFODATA, transfer);
}

// --- options of connections

// libcurl calls this function for each socket, after libcurl has set its own options and before the connect. The
// program's function runs first, so that its options stay. It may also return a socket that is already connected.
static int on_socket(void *context, curl_socket_t fd, curlsocktype purpose)
{
    const struct rb_transfer *transfer = context;
    const struct rb_handle *handle = transfer->handle;
    int result = handle->socket ? handle->socket(handle->socket_data, fd, purpose) : CURL_SOCKOPT_OK;
    if (result == CURL_SOCKOPT_OK)
        rb_keepalive_set((int) fd, &transfer->socket);
    return result;
}

void rb_attempt_keepalive(struct rb_transfer *transfer, const struct rb_keepalive *wanted)
{
    struct rb_handle *handle = transfer->handle;
    transfer->socket = *wanted;
    if (!rb_keepalive_is_on(wanted) || handle->unknown)
        return;
    handle->overrides |= RB_OVERRIDE_SOCKET;
    handle->curl->easy_setopt(handle->easy, CURLOPT_SOCKOPTFUNCTION, on_socket);
    handle->curl->easy_setopt(handle->easy, CURLOPT_SOCKOPTDATA, transfer);
}

// --- continuing a download

// libcurl does not copy the program's header list. So our If-Range is a list entry of its own, and a copy of the
// program's entries follows it. The copy lacks the range of the program, which libcurl would send in place of ours.
// Without memory for the copy, the program's own range is read again from its beginning.
static void set_range(struct rb_transfer *transfer)
{
    char range[48];
    struct rb_asked rest;
    struct rb_handle *handle = transfer->handle;
    struct rb_fallback *fallback = transfer->fallback;
    if (!rb_response_continues(transfer->response) || !rb_response_continue(transfer->response, &rest))
        return;
    free(fallback->lines);
    if (!rb_fields_without(handle->headers, "Range If-Range", &fallback->lines))
        return;
    rb_asked_format(&rest, range, sizeof(range));
    snprintf(fallback->if_range_text, sizeof(fallback->if_range_text), "If-Range: %s",
             rb_response_etag(transfer->response));
    fallback->if_range = (struct curl_slist){fallback->if_range_text, fallback->lines};
    handle->overrides |= RB_OVERRIDE_RANGE;
    handle->curl->easy_setopt(handle->easy, CURLOPT_RANGE, range);
    if (handle->resume_from != 0)
        handle->curl->easy_setopt(handle->easy, CURLOPT_RESUME_FROM_LARGE, (curl_off_t) 0);
    handle->curl->easy_setopt(handle->easy, CURLOPT_HTTPHEADER, &fallback->if_range);
}

// --- the whole attempt

void rb_attempt_prepare(struct rb_transfer *transfer, enum rb_holding holding)
{
    struct rb_handle *handle = transfer->handle;
    handle->response = transfer->response;
    handle->requests = 0;
    handle->connect_size = 0;
    transfer->tunnel_size = -1;
    transfer->old_errno = transfer->route->proxied ? (int) number_of(transfer, CURLINFO_OS_ERRNO) : 0;
    if (!is_first(transfer)) {
        set_range(transfer);
        set_connection(transfer);
        set_hosts(transfer);
    }
    replace_progress(transfer, holding != RB_HOLD_NOTHING);
    rb_attempt_keepalive(transfer, &transfer->route->socket);
    rb_response_attempt(transfer->response, holding);
    rb_replay_attempt(&transfer->replay, holding != RB_HOLD_NOTHING);
    set_limits(transfer);
}

void rb_attempt_poison(struct rb_transfer *transfer)
{
    transfer->poisoned = true;
    override_number(transfer, RB_OVERRIDE_PROTOCOLS, CURLOPT_PROTOCOLS, 0);
}

void rb_attempt_restore(struct rb_transfer *transfer)
{
    transfer->poisoned = false;
    transfer->handle->response = NULL;
    rb_override_end_attempt(transfer->handle);
}

static bool has_time(const struct rb_transfer *transfer, CURLINFO info)
{
    double seconds = 0;
    transfer->handle->curl->easy_getinfo(transfer->handle->easy, info, &seconds);
    return seconds > 0;
}

// Returns how far a failed attempt came. Since libcurl 7.87, the connect time is set only at the end of the TLS
// handshake. The local port is known as soon as the connection exists.
static enum rb_reached reached_by(const struct rb_transfer *transfer)
{
    if (has_time(transfer, CURLINFO_PRETRANSFER_TIME))
        return RB_REACHED_SERVER;
    if (has_time(transfer, CURLINFO_CONNECT_TIME) || number_of(transfer, CURLINFO_LOCAL_PORT) > 0)
        return RB_REACHED_PEER;
    return has_time(transfer, CURLINFO_NAMELOOKUP_TIME) ? RB_REACHED_ADDRESS : RB_REACHED_NOTHING;
}

// Returns the bytes of requests that the attempt has sent to the server. libcurl adds those of CONNECT, which go to the
// proxy. A libcurl without CURLOPT_PREREQFUNCTION counts no requests; there, PRETRANSFER_TIME is 0 before the first
// one.
static int64_t sent_bytes(const struct rb_transfer *transfer)
{
    const struct rb_handle *handle = transfer->handle;
    long size = number_of(transfer, CURLINFO_REQUEST_SIZE);
    if (handle->requests > 0)
        return size - handle->connect_size;
    return transfer->route->proxied && !has_time(transfer, CURLINFO_PRETRANSFER_TIME) ? 0 : size;
}

// After success, only the last status line is needed, so libcurl is not asked for more.
static struct rb_outcome judge_result(const struct rb_transfer *transfer, CURLcode code)
{
    struct rb_response_seen seen = rb_response_seen(transfer->response);
    struct rb_curl_result result = {.code = (int) code,
                                    .answered = seen.answered,
                                    .finished = seen.finals > 0 && seen.finals >= transfer->handle->requests,
                                    .cut = seen.cut,
                                    .http = true};
    if (code == CURLE_OK && seen.status >= 200 && !seen.cut) {
        result.status = seen.status;
        return rb_classify_curl(&result);
    }
    result.request_size = sent_bytes(transfer);
    result.status = (unsigned) number_of(transfer, CURLINFO_RESPONSE_CODE);
    // After a 407, libcurl can send another CONNECT with a login. If that one gets no answer, libcurl still reports the
    // status of the first one. The bytes of the second one count as sent, with libcurl before 8. Newer versions report
    // at least a reset by an errno. libcurl may keep the errno of an earlier attempt.
    bool more = transfer->tunnel_size >= 0 && number_of(transfer, CURLINFO_REQUEST_SIZE) > transfer->tunnel_size;
    int error = (int) number_of(transfer, CURLINFO_OS_ERRNO);
    bool broke = transfer->tunnel_size >= 0 && error == ECONNRESET && error != transfer->old_errno;
    if (!more && !broke)
        result.tunnel = (unsigned) number_of(transfer, CURLINFO_HTTP_CONNECTCODE);
    result.os_errno = error;
    result.tls = has_time(transfer, CURLINFO_APPCONNECT_TIME);
    result.proxied = transfer->route->proxied;
    result.reached = reached_by(transfer);
    return rb_classify_curl(&result);
}

// Records the connects only if there was, or will be, another attempt.
struct rb_outcome rb_attempt_classify(struct rb_transfer *transfer, CURLcode code)
{
    bool redirected = rb_response_seen(transfer->response).redirects > 0;
    unsigned followed = redirected ? (unsigned) number_of(transfer, CURLINFO_REDIRECT_COUNT) : 0;
    rb_response_finish(transfer->response, followed, code == CURLE_OK);
    struct rb_outcome outcome = judge_result(transfer, code);
    if (outcome.cause == RB_CAUSE_NONE && is_first(transfer))
        return outcome;
    long connects = number_of(transfer, CURLINFO_NUM_CONNECTS);
    if (connects > transfer->connects)
        transfer->connects = connects;
    if (connects > 0)
        transfer->tunnel = number_of(transfer, CURLINFO_HTTP_CONNECTCODE);
    // libcurl does not count a connection that could not be established. Such an attempt sends nothing.
    rb_ids_attempt(transfer->handle, connects == 0 && number_of(transfer, CURLINFO_REQUEST_SIZE) == 0 ? 1 : connects);
    return outcome;
}

// The server answers each request with one final response. If the attempt failed, or if a header block was cut off, the
// last request may have none. An HTTP/0.9 response has no header block. If libcurl has begun more requests than this
// explains, it has sent the others again.
unsigned rb_attempt_resends(const struct rb_transfer *transfer, CURLcode code)
{
    struct rb_response_seen seen = rb_response_seen(transfer->response);
    unsigned expected = seen.finals + (seen.cut || (code != CURLE_OK && !seen.body) ? 1 : 0);
    unsigned requests = transfer->handle->requests;
    if (expected == 0)
        expected = 1;
    return requests > expected ? requests - expected : 0;
}

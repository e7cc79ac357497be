// SPDX-License-Identifier: MIT
// The loop of attempts around the real curl_easy_perform.
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "http/perform.h"
#include "http/response.h"
#include "real/guard.h"
#include "real/system.h"
#include "state/cells.h"
#include "state/process.h"

// How often a waiting transfer calls the program's progress callback, and how often a paused late delivery is looked
// at.
enum { PROGRESS_MS = 100, PAUSE_MS = 10 };

// One call of the program.
struct transfer {
    struct rb_handle *handle;
    CURL *easy;
    const struct rb_libcurl *curl;
    struct rb_rules rules; // a copy: the policy may be replaced while we wait
    char policy[RB_SECTION_NAME_SIZE];
    struct rb_target target;
    char name[RB_NAME_SIZE]; // the target's: the program may set another URL from a callback
    struct rb_call call;
    struct rb_response response;
    uint64_t program_deadline_ms; // from CURLOPT_TIMEOUT; UINT64_MAX: none
    bool repeatable;              // the method or an idempotency key allows it
};

static CURLcode real_perform(const struct transfer *transfer)
{
    unsigned depth = rb_guard_enter();
    CURLcode code = transfer->curl->easy_perform(transfer->easy);
    rb_guard_leave(depth);
    return code;
}

// --- whom the transfer is for

// Without a scheme libcurl guesses by the first label of the name (CURLU_GUESS_SCHEME), else takes http.
static bool guessed_http(const struct rb_target *target)
{
    static const char others[][6] = {"dict.", "ftp.", "imap.", "ldap.", "pop3.", "smtp."};
    for (size_t i = 0; target->name && i < sizeof others / sizeof others[0]; i++)
        if (strncasecmp(target->name, others[i], strlen(others[i])) == 0)
            return false;
    return true;
}

// Reads the target out of a URL as libcurl does. False: not HTTP, or no host.
static bool read_url(const char *url, struct rb_target *target)
{
    size_t scheme;
    if (!url || rb_target_from_url(target, url, &scheme) != 0)
        return false;
    if (scheme == 0 && target->port == 0)
        target->port = 80;
    return (scheme == 0 && guessed_http(target)) || (scheme == 4 && strncasecmp(url, "http", 4) == 0) ||
           (scheme == 5 && strncasecmp(url, "https", 5) == 0);
}

// CURLOPT_URL is read once for each time it is set.
static bool target_of_text(struct rb_handle *handle, struct rb_target *target)
{
    if (!handle->target_known) {
        handle->target_http = read_url(handle->url, &handle->target);
        handle->target_known = true;
    }
    *target = handle->target;
    bool bare = handle->default_scheme && handle->url && !strstr(handle->url, "://");
    return handle->target_http && !bare;
}

// CURLOPT_CURLU may change under us: it is read each time. *text holds what the target points to, for libcurl's free.
static bool target_of_object(const struct rb_handle *handle, struct rb_target *target, char **text)
{
    return handle->curl->url_get && handle->curl->url_get(handle->parsed_url, CURLUPART_URL, text, 0) == CURLUE_OK &&
           read_url(*text, target);
}

static void keep_target(struct transfer *transfer, const struct rb_target *target)
{
    transfer->target = *target;
    if (!target->name)
        return;
    size_t length = target->name_length < sizeof transfer->name ? target->name_length : sizeof transfer->name - 1;
    memcpy(transfer->name, target->name, length);
    transfer->target.name = transfer->name;
    transfer->target.name_length = length;
}

// Finds the section for the handle's URL and copies what the call needs of it. Returns false when the call is not ours.
static bool match(struct transfer *transfer, const struct rb_policy *policy, uint64_t *key)
{
    struct rb_handle *handle = transfer->handle;
    struct rb_target target = {0};
    char *text = NULL;
    bool http = handle->parsed_url ? target_of_object(handle, &target, &text) : target_of_text(handle, &target);
    if (handle->port > 0)
        target.port = (uint16_t) handle->port;
    const struct rb_section *section = http ? rb_policy_match(policy, &target, NULL) : NULL;
    bool ours = section && (section->rules.intercept & RB_INTERCEPT_CURL);
    if (ours) {
        transfer->rules = section->rules;
        memcpy(transfer->policy, section->name, strlen(section->name) + 1);
        keep_target(transfer, &target);
        *key = rb_cell_key(section, &target);
    }
    if (text)
        transfer->curl->free(text);
    return ours;
}

static bool has_idempotency_key(const struct transfer *transfer)
{
    for (const struct curl_slist *line = transfer->handle->headers; line; line = line->next) {
        const char *colon = line->data ? strchr(line->data, ':') : NULL;
        if (colon && colon[1] != '\0' && // "Name:" alone removes a header
            rb_list_holds(transfer->rules.idempotency_headers, line->data, (unsigned long) (colon - line->data), true))
            return true;
    }
    return false;
}

static bool may_repeat_request(const struct transfer *transfer)
{
    const char *method = rb_handle_method(transfer->handle);
    return rb_list_holds(transfer->rules.methods, method, strlen(method), false) || has_idempotency_key(transfer);
}

// --- events

static void report(const struct transfer *transfer, enum rb_verdict verdict, const struct rb_outcome *outcome,
                   const struct rb_decision *decision)
{
    char host[RB_LABEL_SIZE];
    rb_target_format(&transfer->target, host, sizeof host);
    struct rb_event event = {
        .verdict = verdict,
        .policy = transfer->policy,
        .host = host,
        .api = "curl",
        .cause = outcome ? outcome->cause : RB_CAUSE_NONE,
        .status = outcome ? outcome->status : 0,
        .attempt = transfer->call.attempt,
        .delay_ms = decision ? decision->delay_ms : 0,
        .reason = decision ? decision->reason : RB_REASON_NONE,
    };
    rb_process_event(&event);
}

// --- one attempt

static long left_of(uint64_t deadline_ms, uint64_t now_ms)
{
    if (deadline_ms == UINT64_MAX)
        return 0;
    uint64_t left = deadline_ms > now_ms ? deadline_ms - now_ms : 1; // 0 would mean no limit
    return left > INT32_MAX ? INT32_MAX : (long) left;
}

// The shorter of two limits in milliseconds, where 0 is none.
static long shorter(long a, long b)
{
    return a == 0 || (b != 0 && b < a) ? b : a;
}

// The attempt gets what is left of the program's own limit, and the policy's limits for one attempt.
static void set_limits(const struct transfer *transfer, uint64_t now_ms)
{
    const struct rb_handle *handle = transfer->handle;
    const struct rb_rules *rules = &transfer->rules;
    bool first = transfer->call.attempt == 1;
    if (rules->attempt_ms || (!first && handle->timeout_ms))
        transfer->curl->easy_setopt(transfer->easy, CURLOPT_TIMEOUT_MS,
                                    shorter(left_of(transfer->program_deadline_ms, now_ms), (long) rules->attempt_ms));
    if (rules->connect_ms)
        transfer->curl->easy_setopt(transfer->easy, CURLOPT_CONNECTTIMEOUT_MS,
                                    shorter(handle->connect_timeout_ms, (long) rules->connect_ms));
}

static void restore_limits(const struct transfer *transfer)
{
    const struct rb_handle *handle = transfer->handle;
    if (transfer->rules.attempt_ms || (transfer->call.attempt > 1 && handle->timeout_ms))
        transfer->curl->easy_setopt(transfer->easy, CURLOPT_TIMEOUT_MS, handle->timeout_ms);
    if (transfer->rules.connect_ms)
        transfer->curl->easy_setopt(transfer->easy, CURLOPT_CONNECTTIMEOUT_MS, handle->connect_timeout_ms);
    if (transfer->call.attempt > 1)
        transfer->curl->easy_setopt(transfer->easy, CURLOPT_FRESH_CONNECT, handle->fresh_connect);
}

static void put_ours(struct transfer *transfer)
{
    const struct rb_libcurl *curl = transfer->curl;
    transfer->handle->performing = true;
    curl->easy_setopt(transfer->easy, CURLOPT_WRITEFUNCTION, rb_response_on_body);
    curl->easy_setopt(transfer->easy, CURLOPT_WRITEDATA, &transfer->response);
    curl->easy_setopt(transfer->easy, CURLOPT_HEADERFUNCTION, rb_response_on_header);
    curl->easy_setopt(transfer->easy, CURLOPT_HEADERDATA, &transfer->response);
}

static void put_theirs(struct transfer *transfer)
{
    rb_handle_return_callbacks(transfer->handle, transfer->easy);
    transfer->handle->performing = false;
}

static struct rb_outcome classify(struct transfer *transfer, CURLcode code)
{
    long request_size = 0, status = 0, os_errno = 0, followed = 0;
    transfer->curl->easy_getinfo(transfer->easy, CURLINFO_REQUEST_SIZE, &request_size);
    transfer->curl->easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
    transfer->curl->easy_getinfo(transfer->easy, CURLINFO_OS_ERRNO, &os_errno);
    transfer->curl->easy_getinfo(transfer->easy, CURLINFO_REDIRECT_COUNT, &followed);
    rb_response_finish(&transfer->response, (unsigned) followed, code == CURLE_OK);
    struct rb_curl_result result = {
        .code = (int) code,
        .request_size = request_size,
        .status = (unsigned) status,
        .answered = transfer->response.answered,
        .os_errno = (int) os_errno,
        .http = true,
    };
    return rb_classify_curl(&result);
}

// Why this attempt cannot be repeated by us, whatever the policy says.
static enum rb_reason blocked(const struct transfer *transfer)
{
    const struct rb_response *response = &transfer->response;
    if (transfer->handle->unknown)
        return RB_REASON_UNKNOWN;
    if (rb_handle_upload(transfer->handle) == RB_UPLOAD_CALLBACK)
        return RB_REASON_UPLOAD;
    if (response->overflowed)
        return RB_REASON_OVERFLOW;
    if (response->may_hold && (response->delivered || response->body_delivered))
        return RB_REASON_DELIVERED;
    return RB_REASON_NONE;
}

static bool could_follow(const struct transfer *transfer, uint64_t now_ms)
{
    return transfer->repeatable && !transfer->handle->unknown &&
           rb_handle_upload(transfer->handle) != RB_UPLOAD_CALLBACK && rb_call_may_retry(&transfer->call, now_ms);
}

static CURLcode attempt(struct transfer *transfer, struct rb_outcome *outcome)
{
    uint64_t now_ms = transfer->call.attempt_started_ms;
    rb_response_attempt(&transfer->response, could_follow(transfer, now_ms));
    set_limits(transfer, now_ms);
    put_ours(transfer);
    CURLcode code = real_perform(transfer);
    put_theirs(transfer);
    *outcome = classify(transfer, code);
    restore_limits(transfer);
    return code;
}

// --- waiting and giving up

static bool aborted(const struct rb_handle *handle)
{
    if (handle->no_progress)
        return false;
    int answer = 0;
    if (handle->progress)
        answer = handle->progress(handle->progress_data, 0, 0, 0, 0);
    else if (handle->old_progress)
        answer = handle->old_progress(handle->progress_data, 0, 0, 0, 0);
    return answer != 0 && answer != CURL_PROGRESSFUNC_CONTINUE;
}

// Waits between attempts; the progress callback stays alive because it is how programs cancel. False: cancelled.
static bool wait_out(const struct transfer *transfer, uint64_t ms)
{
    uint64_t until = rb_system_now_ms() + ms;
    for (uint64_t now = until - ms; now < until; now = rb_system_now_ms()) {
        uint64_t left = until - now;
        rb_system_sleep(left < PROGRESS_MS ? left : PROGRESS_MS);
        if (aborted(transfer->handle))
            return false;
    }
    return true;
}

static void say(const struct transfer *transfer, const char *sentence)
{
    if (transfer->handle->error)
        snprintf(transfer->handle->error, CURL_ERROR_SIZE, "%s", sentence);
}

// A paused delivery goes on when the program resumes it, which it can do from its progress callback only.
static CURLcode deliver_late(struct transfer *transfer, CURLcode code)
{
    struct rb_handle *handle = transfer->handle;
    enum rb_delivery delivery;
    handle->late = true;
    while ((delivery = rb_response_deliver(&transfer->response)) == RB_DELIVERY_PAUSED) {
        for (handle->paused = true; handle->paused; rb_system_sleep(PAUSE_MS)) {
            if (aborted(handle))
                code = CURLE_ABORTED_BY_CALLBACK;
            else if (rb_system_now_ms() >= transfer->program_deadline_ms)
                code = CURLE_OPERATION_TIMEDOUT;
            else
                continue;
            handle->late = handle->paused = false;
            say(transfer, code == CURLE_OPERATION_TIMEDOUT ? "Operation timed out" : "Callback aborted");
            return code;
        }
    }
    handle->late = false;
    if (delivery == RB_DELIVERED)
        return code;
    say(transfer, "Failure writing output to destination");
    return CURLE_WRITE_ERROR;
}

bool rb_http_pause(struct rb_handle *handle, int mask)
{
    if (!handle->late)
        return false;
    handle->paused = mask & CURLPAUSE_RECV;
    return true;
}

// An open breaker. libcurl itself is made to fail before it looks anything up, so that its CURLINFO is that of a fresh
// failure; returning a result without it would leave the previous transfer's figures in place.
static CURLcode refuse(struct transfer *transfer, uint64_t retry_in_ms)
{
    const struct rb_libcurl *curl = transfer->curl;
    const struct rb_handle *handle = transfer->handle;
    char host[RB_LABEL_SIZE], sentence[CURL_ERROR_SIZE];
    curl->easy_setopt(transfer->easy, CURLOPT_PROTOCOLS, 0L);
    CURLcode code = real_perform(transfer);
    if (handle->protocols_text)
        curl->easy_setopt(transfer->easy, CURLOPT_PROTOCOLS_STR, handle->protocols_text);
    else
        curl->easy_setopt(transfer->easy, CURLOPT_PROTOCOLS, handle->protocols);
    report(transfer, RB_VERDICT_REFUSED, NULL, &(struct rb_decision){.reason = RB_REASON_BREAKER});
    if (code != CURLE_UNSUPPORTED_PROTOCOL)
        return code;
    rb_target_format(&transfer->target, host, sizeof host);
    snprintf(sentence, sizeof sentence, "rebound: the circuit breaker of %.180s is open, next attempt in %u.%u s", host,
             (unsigned) (retry_in_ms / 1000), (unsigned) (retry_in_ms % 1000 / 100));
    say(transfer, sentence);
    return CURLE_COULDNT_CONNECT;
}

// --- the call

static uint64_t total_limit_ms(const struct transfer *transfer)
{
    uint64_t program = (uint64_t) (transfer->handle->timeout_ms > 0 ? transfer->handle->timeout_ms : 0);
    if (program == 0)
        return transfer->rules.total_ms;
    return transfer->rules.total_set && transfer->rules.total_ms < program ? transfer->rules.total_ms : program;
}

static void begin(struct transfer *transfer, uint64_t key, uint64_t now_ms)
{
    struct rb_cell *cell = rb_cell_get(key, now_ms);
    struct rb_breaker *breaker = cell && transfer->rules.breaker_on ? &cell->breaker : NULL;
    rb_call_begin(&transfer->call, &transfer->rules, breaker, cell ? &cell->budget : NULL, total_limit_ms(transfer),
                  now_ms);
    long own = transfer->handle->timeout_ms;
    transfer->program_deadline_ms = own > 0 ? now_ms + (uint64_t) own : UINT64_MAX;
    transfer->repeatable = may_repeat_request(transfer);
    rb_response_begin(&transfer->response, transfer->handle, &transfer->rules);
    rb_process_count_call(transfer->policy);
}

// Decides after an attempt and, when it is repeated, waits. Returns true for another attempt; *code may change.
static bool again(struct transfer *transfer, const struct rb_outcome *outcome, CURLcode *code)
{
    uint32_t draw = outcome->cause == RB_CAUSE_NONE ? 0 : rb_system_random();
    struct rb_decision decision = rb_call_judge(&transfer->call, outcome, blocked(transfer), transfer->repeatable,
                                                &transfer->response.after, rb_system_now_ms(), draw);
    if (!decision.retry) {
        if (decision.reason != RB_REASON_DONE)
            report(transfer, RB_VERDICT_STOP, outcome, &decision);
        else if (transfer->call.attempt > 1)
            report(transfer, RB_VERDICT_RECOVERED, outcome, NULL);
        return false;
    }
    report(transfer, RB_VERDICT_RETRY, outcome, &decision);
    if (!wait_out(transfer, decision.delay_ms)) {
        report(transfer, RB_VERDICT_STOP, outcome, &(struct rb_decision){.reason = RB_REASON_INTERRUPTED});
        rb_response_attempt(&transfer->response, false); // as libcurl: nothing is delivered after an abort
        say(transfer, "Callback aborted");
        *code = CURLE_ABORTED_BY_CALLBACK;
        return false;
    }
    if (!rb_call_admit(&transfer->call, rb_system_now_ms(), NULL)) {
        report(transfer, RB_VERDICT_STOP, outcome, &(struct rb_decision){.reason = RB_REASON_BREAKER});
        return false;
    }
    // A connection that just broke may be kept by libcurl; HTTP/2 over cleartext fails on its second use (7.88.1).
    if (outcome->cause != RB_CAUSE_STATUS)
        transfer->curl->easy_setopt(transfer->easy, CURLOPT_FRESH_CONNECT, 1L);
    return true;
}

static CURLcode run(struct transfer *transfer, uint64_t now_ms)
{
    uint64_t retry_in_ms = 0;
    struct rb_outcome outcome;
    CURLcode code;
    if (!rb_call_admit(&transfer->call, now_ms, &retry_in_ms))
        return refuse(transfer, retry_in_ms);
    do
        code = attempt(transfer, &outcome);
    while (again(transfer, &outcome, &code));
    return deliver_late(transfer, code);
}

static bool complete(const struct rb_libcurl *curl)
{
    return curl->easy_setopt && curl->easy_getinfo && curl->free;
}

CURLcode rb_http_perform(struct rb_handle *handle, CURL *easy, const struct rb_policy *policy)
{
    struct transfer transfer; // large: what follows fills in what is used
    uint64_t key;
    transfer.handle = handle;
    transfer.easy = easy;
    transfer.curl = handle->curl;
    if (handle->performing || handle->connect_only || !complete(handle->curl) || !match(&transfer, policy, &key))
        return real_perform(&transfer);
    uint64_t now_ms = rb_system_now_ms();
    begin(&transfer, key, now_ms);
    CURLcode code = run(&transfer, now_ms);
    rb_response_end(&transfer.response);
    return code;
}

void rb_http_note_multi(struct rb_handle *handle, const struct rb_policy *policy)
{
    struct transfer transfer = {.handle = handle, .curl = handle->curl};
    uint64_t key;
    if (!complete(handle->curl) || !match(&transfer, policy, &key))
        return;
    rb_process_count_call(transfer.policy);
    report(&transfer, RB_VERDICT_PASS, NULL, &(struct rb_decision){.reason = RB_REASON_MULTI});
}

// SPDX-License-Identifier: MIT
// The fields of a transfer. The functions in curl/transfer.h work on them.
#ifndef RB_CURL_TRANSFER_DATA_H
#define RB_CURL_TRANSFER_DATA_H

#include "curl/figures.h"
#include "curl/replay.h"
#include "curl/response/response.h"
#include "curl/response/validator.h"
#include "curl/route.h"
#include "engine/call.h"

// The result that the program gets if a further attempt fails: the end of an earlier attempt.
struct rb_fallback {
    struct rb_saved *saved; // owned; NULL: the handle has the values (rb_handle.figures)
    CURLcode code;
    uint64_t begun_ms; // start of its attempt
    char error[CURL_ERROR_SIZE];
    struct curl_slist if_range; // header field of the attempt that continues the download; `lines` follow it
    struct curl_slist *lines;   // owned; the program's header list without its own range; NULL: none
    char if_range_text[RB_ETAG_SIZE + 16];
};

// A running transfer. Fields that few transfers need are in separate allocations, because a multi handle may have
// thousands of transfers.
struct rb_transfer {
    struct rb_handle *handle;
    struct rb_route *route; // a reference
    struct rb_call call;
    struct rb_response *response; // memory of the caller of rb_transfer_begin
    struct rb_replay replay;
    uint64_t begun_ms;
    uint64_t program_deadline_ms; // from CURLOPT_TIMEOUT, in ms; UINT64_MAX: none
    bool repeatable;              // the method or an idempotency key allows retries
    uint64_t delay_ms;            // wait before the next attempt
    bool starts;                  // the latest decision waits for the start of the host
    enum rb_hint_source hint;     // the hint that the latest decision follows

    CURLcode code; // of the last attempt
    struct rb_outcome outcome;
    long connects;                // the greatest number of connects in one attempt
    long tunnel_size;             // bytes sent in this attempt before the last answer to CONNECT; -1: no answer seen
    int old_errno;                // CURLINFO_OS_ERRNO before this attempt
    long tunnel;                  // CURLINFO_HTTP_CONNECTCODE of the last attempt that made a connection
    struct rb_fallback *fallback; // owned; NULL: none

    struct rb_keepalive socket; // options for connections that libcurl opens now

    bool poisoned;       // libcurl was configured to refuse this attempt, or a redirect in it
    bool elsewhere;      // a redirect led this attempt to another host
    char *refused_host;  // owned; the host whose breaker is open; NULL without memory
    uint64_t refused_ms; // how long the breaker stays open
};

#endif

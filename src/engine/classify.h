// SPDX-License-Identifier: MIT
// Classifies results: their cause, whether the request can have been sent, and what they say about the health of the
// peer.
#ifndef RB_ENGINE_CLASSIFY_H
#define RB_ENGINE_CLASSIFY_H

#include "engine/rules.h"

// Whether the request was sent, as known at the end of an attempt.
enum rb_sent {
    RB_SENT_NEVER,   // no byte was sent: safe to repeat with any method
    RB_SENT_MAYBE,   // bytes may have reached the server
    RB_SENT_ANSWERED // a response began
};

// The effect of an attempt on the circuit breaker.
enum rb_health {
    RB_HEALTH_IGNORED, // says nothing about the peer (a local error, the caller's choice, trust decisions)
    RB_HEALTH_SUCCESS,
    RB_HEALTH_FAILURE,
    RB_HEALTH_THROTTLED // 429: fails a half-open probe, otherwise ignored
};

// One attempt's result in the engine's terms.
struct rb_outcome {
    enum rb_cause cause; // RB_CAUSE_NONE: the transport succeeded, and no HTTP error status came
    enum rb_sent sent;
    enum rb_health health;
    unsigned status; // the final HTTP status, or that of a proxy's answer to CONNECT; 0: none
    bool tunnel;     // `status` is a proxy's answer to CONNECT: the proxy refused the tunnel, so the transfer failed
    bool permanent;  // repeating cannot help (the caller's bug, trust, policy, local resources)
    bool once;       // retry at most once
    bool absent;     // the host may not have started yet: it refuses, is unreachable or has no name
};

// How far an attempt by libcurl got.
enum rb_reached {
    RB_REACHED_UNKNOWN, // not determined
    RB_REACHED_NOTHING, // the name was not resolved
    RB_REACHED_ADDRESS, // resolved, but no connection was made
    RB_REACHED_PEER,    // connected, but the TLS handshake or the proxy tunnel was not completed
    RB_REACHED_SERVER   // the request could be sent
};

// What libcurl reports about the attempt just made.
struct rb_curl_result {
    int code;             // CURLcode, numeric: the engine needs no libcurl header
    int64_t request_size; // bytes of requests, without CONNECT; 0 proves for HTTP that nothing was sent
    unsigned status;      // CURLINFO_RESPONSE_CODE
    unsigned tunnel;      // CURLINFO_HTTP_CONNECTCODE, the status of the proxy's last answer to CONNECT; 0: none
    bool answered;        // any header or body byte of an origin response was seen
    bool finished;        // a whole header block was seen whose status is not 1xx
    bool cut;             // the last header block was cut off; for some versions of libcurl this is a success
    int os_errno;         // CURLINFO_OS_ERRNO
    bool http;            // scheme http or https: request_size is meaningful only there
    bool tls;             // a TLS handshake was completed
    bool proxied;         // through a proxy: a failure before RB_REACHED_SERVER is the proxy's
    enum rb_reached reached;
};

// Classifies a libcurl result (every CURLcode up to 8.x; unknown ones are permanent). Pure.
struct rb_outcome rb_classify_curl(const struct rb_curl_result *result);

// Classifies an HTTP response that the program reads itself.
//   status: the final status
struct rb_outcome rb_classify_http(unsigned status);

// Classifies errno of connect(2). 0 and EISCONN are success. EINTR, EINPROGRESS and EALREADY are pending: cause OTHER,
// permanent, health IGNORED.
//   unix_socket: the address family is AF_UNIX, where ENOENT and EAGAIN mean something else
struct rb_outcome rb_classify_errno(int err, bool unix_socket);

// Classifies a result of getaddrinfo(3). `err` is errno; it is used for EAI_SYSTEM only.
struct rb_outcome rb_classify_eai(int eai, int err);

// Returns the word of the policy file for a cause ("refused", "status", ...); never NULL.
const char *rb_cause_name(enum rb_cause cause);

#endif

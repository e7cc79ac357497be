// SPDX-License-Identifier: MIT
// Reads the head of an HTTP request (RFC 9112) to `rebound metrics --listen`, and decides what is answered. Pure.
#ifndef RB_CLI_STATE_REQUEST_H
#define RB_CLI_STATE_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

// The statuses that are used. 0 stands for a head that is not complete yet.
enum rb_request_status {
    RB_REQUEST_INCOMPLETE = 0,
    RB_REQUEST_OK = 200,
    RB_REQUEST_BAD = 400,
    RB_REQUEST_FORBIDDEN = 403, // the Host header names another host
    RB_REQUEST_NOT_FOUND = 404,
    RB_REQUEST_METHOD = 405,
    RB_REQUEST_TIMEOUT = 408,
    RB_REQUEST_TOO_LARGE = 431,
    RB_REQUEST_ERROR = 500,
    RB_REQUEST_VERSION = 505,
};

// Returns RB_REQUEST_OK for GET and HEAD of /metrics. Otherwise returns the status that the head gets, or
// RB_REQUEST_INCOMPLETE if the empty line at its end is missing.
//   loopback: the server listens on a loopback address. The request must then name a loopback host. A web page of
//   another
//             host could otherwise make a browser read the metrics, because the owner of a name can point the name to
//             127.0.0.1 (DNS rebinding)
//   head_only: set to whether the method is HEAD, whose answer has no body
enum rb_request_status rb_request_judge(const char *bytes, size_t length, bool loopback, bool *head_only);

// Returns the reason phrase of a status, and the text of its body. The text of RB_REQUEST_OK is "".
const char *rb_request_phrase(enum rb_request_status status);
const char *rb_request_text(enum rb_request_status status);

// True if a host is the loopback interface: "localhost" or an address of it, in brackets if it is IPv6. A port and the
// dot at the end of a name are allowed.
bool rb_request_is_loopback(const char *host, size_t length);

#endif

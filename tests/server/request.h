// SPDX-License-Identifier: MIT
// HTTP requests as the faulty server reads them.
#ifndef RB_SERVER_REQUEST_H
#define RB_SERVER_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "wire.h"

struct rb_request {
    char method[32];
    char path[8192];    // origin form: scheme and host of a proxy request are cut off
    bool keep_alive;    // the client wants to go on
    bool http10;        // knows no chunks
    bool expects;       // Expect: 100-continue
    bool chunked;       // body in chunks
    uint64_t length;    // Content-Length
    uint64_t body_size; // bytes read
    uint32_t body_crc;
    uint32_t head_crc; // over the request line and all header lines
    char range[64];    // Range, "" without
    char if_range[128];
};

// Reads the request line and the header fields. Returns 0, -ENODATA when the client closed between two requests,
// -EPROTO for what is no HTTP/1 request, or a negative errno.
int rb_request_read_head(struct rb_wire *wire, struct rb_request *request);

// Reads the body, after "100 Continue" where the client waits for it. Returns 0 or a negative errno.
int rb_request_read_body(struct rb_wire *wire, struct rb_request *request);

#endif

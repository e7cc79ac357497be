// SPDX-License-Identifier: MIT
// Scripts of the faulty server: text into steps. The grammar stands at the top of faultd.c.
#ifndef RB_SERVER_SCRIPT_H
#define RB_SERVER_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>

enum rb_step_kind {
    RB_STEP_ANSWER,  // an HTTP response
    RB_STEP_RESET,   // RST in place of an answer
    RB_STEP_CLOSE,   // FIN in place of an answer
    RB_STEP_CUTHEAD, // FIN in the middle of the header block
    RB_STEP_HANG,    // no answer until the client goes away
    RB_STEP_RAW,     // the bytes of `text`, then FIN
    RB_STEP_HTTP     // only for connections: serve requests
};

struct rb_step {
    enum rb_step_kind kind;
    unsigned status;
    unsigned times;    // how many requests it serves
    unsigned delay;    // ms before the answer
    unsigned trickle;  // ms between two pieces of the body
    unsigned piece;    // bytes of a piece, 0: all at once
    unsigned interim;  // a 1xx status that comes first, 0: none
    unsigned gap;      // ms between that and the answer
    bool sized, cut;   // `size`, `sent` were given
    size_t size;       // bytes of the body
    size_t sent;       // bytes of this answer that are sent before the connection ends
    size_t spread;     // up to so many more, by the number of the request
    bool binary;       // body of all byte values
    unsigned seed;     // other bytes
    bool gzip;         // Content-Encoding: gzip
    bool range;        // answers Range and If-Range
    size_t shift;      // a part begins so many bytes after the place that was asked for
    size_t upto;       // and ends before this byte of the whole body, 0: no limit
    bool chunked;      // Transfer-Encoding: chunked
    bool last;         // Connection: close
    bool early;        // answer without reading the request's body
    bool rst;          // a cut ends with RST
    char after[128];   // Retry-After
    char etag[128];    // ETag, "" without
    char trailer[128]; // "Name: value", with `chunked`
    char headers[512]; // further header lines, each with its CR LF
    char text[1024];   // the body, or the bytes of a raw step
};

// Finds the step for request number `index` (from 0) of a script whose steps are separated by `separator`; the last
// step goes on for ever. Returns 0, or -EINVAL with the offending step as text in `bad`.
int rb_script_step(const char *script, char separator, unsigned long index, struct rb_step *step, char *bad,
                   size_t bad_size);

// Looks at all steps. Returns 0, or -EINVAL as above.
int rb_script_check(const char *script, char separator, char *bad, size_t bad_size);

#endif

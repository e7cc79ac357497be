// SPDX-License-Identifier: MIT
// A parser of the framing of HTTP/1.x messages (RFC 9112): where a head ends, how long its body is, and whether the
// connection stays open. It is pure: no allocation, no copy, no clock. All functions are async-signal-safe.
//
// libhttp-parser of Debian would link statically without a new NEEDED entry, but it has had no upstream release since
// 2020 and accepts a line that ends in a bare LF. Debian 12 has no library package of llhttp, its successor.
//
// The parser accepts only what HTTP clients in common use frame in the same way. All other text is invalid, although
// RFC 9112 allows some of it. The owner of a connection passes the connection through from then on, so a refusal costs
// a retry, while a wrong frame would cost data. In particular these are invalid:
//   - a line that ends in a bare LF, a bare CR, any other control character, a folded line (obs-fold), a blank before
//     the colon of a field;
//   - a method with other bytes than capital letters, "-" and "_", or of more than RB_FRAME_METHOD_MAX bytes; a target
//     with bytes above 0x7e; any version but HTTP/1.0 and HTTP/1.1;
//   - a Content-Length that is not one decimal number (a sign, a list such as "5, 5": http.client would read until the
//     connection closes), that is above INT64_MAX, or that differs from an earlier one of the same head;
//   - a Transfer-Encoding other than one field "chunked" (http.client knows no list), with a Content-Length, or in
//     HTTP/1.0; both fields in a 1xx or 204 response, except Content-Length: 0;
//   - a chunk size of more than 15 digits, a blank before a chunk extension, a chunk that is not followed by CR LF, a
//   malformed trailer line.
#ifndef RB_WIRE_FRAME_H
#define RB_WIRE_FRAME_H

#include "base/slice.h"

enum {
    RB_FRAME_HEAD_MAX = 64 * 1024, // bytes of a head; also of all trailer lines of a body
    RB_FRAME_LINE_MAX = 16 * 1024, // bytes of a line with its CR LF; also of the line of a chunk size
    RB_FRAME_METHOD_MAX = 32,      // bytes of a method
};

enum rb_frame_kind { RB_FRAME_REQUEST, RB_FRAME_RESPONSE };

// What a request asks for, as far as that changes the framing of the response.
enum rb_frame_asks {
    RB_FRAME_ASKS_OTHER, // any method but those below
    RB_FRAME_ASKS_HEAD,  // HEAD: the response has no body
    RB_FRAME_ASKS_TUNNEL // CONNECT: no HTTP follows the head of a 2xx response
};

enum rb_body_kind {
    RB_BODY_NONE,       // no body
    RB_BODY_LENGTH,     // content_length bytes, which may be 0
    RB_BODY_CHUNKED,    // chunks and trailer lines
    RB_BODY_UNTIL_CLOSE // the body ends when the server closes the connection; only in responses
};

struct rb_frame_head {
    size_t length;           // bytes from the beginning of the text to the end of the empty line
    size_t fields;           // offset of the first field line; of the empty line if there is no field
    unsigned minor;          // of the version: 0 or 1
    unsigned status;         // 100 to 999; 0 in a request
    struct rb_slice method;  // points into the text; empty in a response
    struct rb_slice target;  // points into the text; empty in a response
    enum rb_frame_asks asks; // of a request: pass this to rb_frame_read_head for the response
    enum rb_body_kind body;  // kind of body that follows the head
    uint64_t content_length; // bytes of the body if it is RB_BODY_LENGTH; else 0
    bool keeps_alive;        // another message may follow on the connection (RFC 9112, section 9.3)
    bool expects_continue;   // of a request: it has a field Expect, so the client may wait before it sends the body
    bool upgrades;           // of a request: it is a CONNECT or has a field Upgrade, so the response may end HTTP
                             // of a response: what follows the head is another protocol (101, or 2xx to a CONNECT)
    bool event_stream;       // of a response: Content-Type is text/event-stream
};

enum rb_frame_result {
    RB_FRAME_COMPLETE, // the text begins with a whole head
    RB_FRAME_PARTIAL,  // the text is the beginning of a head; read more
    RB_FRAME_INVALID,  // the text is not HTTP/1.x, or clients may frame it differently, whatever follows
};

// Reads a head. Keeps nothing between calls: call again with a longer text after RB_FRAME_PARTIAL. Once the result is
// RB_FRAME_COMPLETE or RB_FRAME_INVALID, a longer text gives the same result and the same head.
//
// RB_FRAME_INVALID is returned at the first byte that no valid head can have at its place. Only the value of a framing
// field is judged at the end of its line, and the combination of several fields at the end of the head. One empty line
// before a request is skipped and counted in `length`.
//   text: everything received since the end of the previous message; may be empty, and may go on after the head
//   asked: of a response: the field `asks` of the request that it answers; not used for a request
//   head: receives the result if that is RB_FRAME_COMPLETE; otherwise its content is undefined
enum rb_frame_result rb_frame_read_head(enum rb_frame_kind kind, struct rb_slice text, enum rb_frame_asks asked,
                                        struct rb_frame_head *head);

// Takes the next field of a head. Returns false after the last one.
//   head, text: a complete head and the text that it was read from
//   at: position; 0 before the first call
//   name, value: receive slices of the text; the value has no blanks at its ends and may be empty
bool rb_frame_next_field(const struct rb_frame_head *head, struct rb_slice text, size_t *at, struct rb_slice *name,
                         struct rb_slice *value);

// The position in a body.
//
//   BYTES -- last byte --> DONE
//   SIZE -- blank --> BLANK                              the line of a chunk size
//     |-- ";" --> EXTENSION
//     '-- CR, also from BLANK and EXTENSION --> SIZE_LF -- size > 0 --> CHUNK
//                                                 '------- size = 0 --> TRAILER
//   CHUNK -- last byte --> CHUNK_CR -- CR --> CHUNK_LF -- LF --> SIZE
//   TRAILER -- letter --> NAME -- ":" --> VALUE -- CR --> VALUE_LF -- LF --> TRAILER
//     '------- CR --> LAST_LF -- LF --> DONE
//   any state -- any other byte --> INVALID
enum rb_frame_place {
    RB_FRAME_AT_DONE,      // the body has ended
    RB_FRAME_AT_INVALID,   // the body breaks the rules above; its end is unknown
    RB_FRAME_AT_ANY,       // every byte belongs to the body
    RB_FRAME_AT_BYTES,     // `left` bytes follow
    RB_FRAME_AT_SIZE,      // in the digits of a chunk size
    RB_FRAME_AT_BLANK,     // in blanks after a chunk size
    RB_FRAME_AT_EXTENSION, // in the extensions of a chunk
    RB_FRAME_AT_SIZE_LF,   // before the LF of the line of a chunk size
    RB_FRAME_AT_CHUNK,     // in a chunk: `left` bytes follow
    RB_FRAME_AT_CHUNK_CR,  // before the CR after a chunk
    RB_FRAME_AT_CHUNK_LF,  // before the LF after a chunk
    RB_FRAME_AT_TRAILER,   // at the beginning of a trailer line, or of the empty line
    RB_FRAME_AT_NAME,      // in the name of a trailer field
    RB_FRAME_AT_VALUE,     // in the value of a trailer field
    RB_FRAME_AT_VALUE_LF,  // before the LF of a trailer line
    RB_FRAME_AT_LAST_LF,   // before the LF of the empty line
};

// Reads a body piece by piece. Private: use the functions below.
struct rb_frame_body {
    enum rb_frame_place place; // set by enter_place only
    unsigned line;             // bytes of the current line of a chunk size or trailer
    unsigned trailers;         // bytes of all trailer lines
    uint64_t left; // bytes that follow in RB_FRAME_AT_BYTES and RB_FRAME_AT_CHUNK; in RB_FRAME_AT_SIZE: the size
};

// Begins the body of `head`, which must be complete.
void rb_frame_body_begin(struct rb_frame_body *body, const struct rb_frame_head *head);

// Takes the next bytes of the connection. Returns how many of them belong to the body. If that is less than `length`,
// the body is done or invalid. Of an invalid body, the bytes before the first wrong byte are counted. Any segmentation
// of the bytes gives the same result. Keeps no bytes.
size_t rb_frame_body_take(struct rb_frame_body *body, const char *bytes, size_t length);

// Returns true if the whole body was taken. Never true for RB_BODY_UNTIL_CLOSE.
bool rb_frame_body_is_done(const struct rb_frame_body *body);

// Returns true if the body broke the rules. The next byte of the connection cannot be interpreted.
bool rb_frame_body_is_invalid(const struct rb_frame_body *body);

#endif

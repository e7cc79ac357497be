// SPDX-License-Identifier: MIT
// Sends a request body again: records whether the program's data was read, keeps the first bytes that a callback
// supplies, and rewinds the data.
#ifndef RB_CURL_REPLAY_H
#define RB_CURL_REPLAY_H

#include <sys/types.h>

#include "curl/handle_data.h"

enum {
    RB_REPLAY_MAX = 64 * 1024
}; // bytes of a body that are kept; a larger one is sent again only if it can be rewound

// What is known of a body that comes from a callback.
//
//   OPEN --- the callback reports the end --------------------> ENDED
//     '----- too many bytes, no memory, or no use for them ---> LOST
//   any ---- the program rewinds to the first byte -----------> OPEN
//   any ---- the program moves to another byte ---------------> LOST
enum rb_record {
    RB_RECORD_OPEN,  // the kept bytes are the first ones of the body, and the callback supplies the next ones
    RB_RECORD_ENDED, // the kept bytes are the whole body
    RB_RECORD_LOST   // no bytes are kept
};

// The body of one call. libcurl itself can send POSTFIELDS again, and MIME parts if they can be rewound. libcurl never
// rewinds a READFUNCTION or a FILE* for a new transfer, so this file does. If the program cannot rewind its callback,
// the kept bytes are sent again, and then the callback continues.
struct rb_replay {
    struct rb_handle *handle;
    enum rb_upload upload;   // RB_UPLOAD_CALLBACK also for a FILE* without a position, such as a pipe
    curl_read_callback read; // as set when the call began, because libcurl uses these two for the whole transfer; NULL:
    void *read_data;         // fread
    bool taken;              // our read callback was called in this attempt
    off_t start;             // RB_UPLOAD_FILE: file position at the start of the call; -1: cannot be rewound

    enum rb_record record; // changed by replay_set_record only
    bool keeps;            // another attempt could follow this one, so bytes are kept
    bool again;            // this attempt begins with kept bytes
    char *kept;            // owned; NULL: none
    size_t room, length;   // allocated and used bytes of `kept`
    size_t at;             // how many of them libcurl has got in this attempt
};

// Begins a call and records the position of a file. Allocates nothing.
void rb_replay_begin(struct rb_replay *replay, struct rb_handle *handle);

// Installs our read, seek and control callbacks for an attempt; rb_override_end_attempt removes them. Replaces only a
// READFUNCTION and the reading of a FILE* without a position: libcurl compares the default function by address to
// rewind a file, and calls a form's READFUNCTION with another argument.
//   keeps: another attempt could follow, so the first bytes of the body are kept
void rb_replay_attempt(struct rb_replay *replay, bool keeps);

// True when the body can probably be sent again; otherwise holding a response back is useless. For MIME parts, only the
// next attempt shows it: libcurl then fails with CURLE_SEND_FAIL_REWIND before it sends anything.
bool rb_replay_rewinds(const struct rb_replay *replay);

// True when the body can be sent again after this attempt: it can be rewound, all that was read is kept, or nothing was
// read.
//   never_sent: no byte of the request was sent; libcurl reads a FILE* only after it has sent the header
bool rb_replay_possible(const struct rb_replay *replay, bool never_sent);

// Rewinds the body if it was read: with SEEKFUNCTION, else IOCTLFUNCTION, else fseeko to the recorded position. If that
// fails, or if there is no such function, the kept bytes are sent again. Calls the program's functions. Returns 0,
// -ESPIPE if the body cannot be rewound, or -EIO if the program's function fails and the kept bytes are not known to be
// followed by the right ones.
int rb_replay_rewind(struct rb_replay *replay, bool never_sent);

// Frees the kept bytes.
void rb_replay_end(struct rb_replay *replay);

#endif

// SPDX-License-Identifier: MIT
// Sends a request body again: records whether the program's data was read, and rewinds it.
#ifndef RB_CURL_REPLAY_H
#define RB_CURL_REPLAY_H

#include <sys/types.h>

#include "curl/handle_data.h"

// The body of one call. libcurl itself can send POSTFIELDS again, and MIME parts if they can be rewound. libcurl never
// rewinds a READFUNCTION or a FILE* for a new transfer, so this file does.
struct rb_replay {
    struct rb_handle *handle;
    enum rb_upload upload;
    bool taken;  // the read callback was called in this attempt
    off_t start; // RB_UPLOAD_FILE: file position at the start of the call; -1: cannot be rewound
};

// Begins a call and records the position of a file.
void rb_replay_begin(struct rb_replay *replay, struct rb_handle *handle);

// Installs our read callback for an attempt; rb_override_end_attempt removes it. Replaces only a READFUNCTION: libcurl
// compares the default function by address and calls a form's READFUNCTION with another argument.
void rb_replay_attempt(struct rb_replay *replay);

// True when the body can probably be rewound; otherwise holding a response back is useless. For MIME parts, only the
// next attempt shows it: libcurl then fails with CURLE_SEND_FAIL_REWIND before it sends anything.
bool rb_replay_rewinds(const struct rb_replay *replay);

// True when the body can be sent again after this attempt: it can be rewound, or nothing was read.
//   never_sent: no byte of the request was sent; libcurl reads a FILE* only after it has sent the header
bool rb_replay_possible(const struct rb_replay *replay, bool never_sent);

// Rewinds the body if it was read: with SEEKFUNCTION, else IOCTLFUNCTION, else fseeko to the recorded position. Calls
// the program's functions. Returns 0, -ESPIPE if the body cannot be rewound, or -EIO if the program's function fails.
int rb_replay_rewind(const struct rb_replay *replay, bool never_sent);

#endif

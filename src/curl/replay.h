// SPDX-License-Identifier: MIT
// Sending a request's body again: what was read of it by the program's own means, and how it is rewound.
#ifndef RB_HTTP_REPLAY_H
#define RB_HTTP_REPLAY_H

#include <sys/types.h>

#include "curl/handle.h"

// Of one call. POSTFIELDS libcurl sends again by itself, and MIME parts where it can rewind them; a READFUNCTION and a
// FILE* it never rewinds for a new transfer.
struct rb_replay {
    struct rb_handle *handle;
    enum rb_upload upload;
    bool taken;  // bytes were asked for in this attempt
    off_t start; // RB_UPLOAD_FILE: where the file stood at the beginning; -1: it cannot be rewound
};

// Begins a call: notes where a file stands.
void rb_replay_begin(struct rb_replay *replay, struct rb_handle *handle);

// Overrides the program's read callback for an attempt (rb_override_end_attempt ends that). Only a READFUNCTION is
// overridden: libcurl compares the default one by its address, and calls a READFUNCTION for forms with another
// argument.
void rb_replay_attempt(struct rb_replay *replay);

// True where the body can be rewound, as far as is known before it is tried: a held response is worth it only then. For
// MIME parts only the next attempt tells: libcurl ends it with CURLE_SEND_FAIL_REWIND before anything is sent.
bool rb_replay_rewinds(const struct rb_replay *replay);

// True where the body can be sent again after this attempt: it can be rewound, or nothing of it was read.
//   never_sent: not a byte of the request left; libcurl reads a FILE* only after the head was sent
bool rb_replay_possible(const struct rb_replay *replay, bool never_sent);

// Rewinds what was read: by SEEKFUNCTION, else IOCTLFUNCTION, else by fseeko to where the file stood. Calls the
// program's functions. Returns 0, or -ESPIPE when it cannot be rewound, -EIO when the program's function fails.
int rb_replay_rewind(const struct rb_replay *replay, bool never_sent);

#endif

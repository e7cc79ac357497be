// SPDX-License-Identifier: MIT
// The messages of a multi handle that the program has not read yet, in the order in which they came.
#ifndef RB_HTTP_MESSAGES_H
#define RB_HTTP_MESSAGES_H

#include "real/libcurl.h"

// Zero-initialised: none.
struct rb_messages {
    CURLMsg **ring; // owned, unlike the messages
    size_t first, count, room;
    bool news; // one came where there was none; for the reader to take back
};

// Makes room for more than there is. Returns false without memory; nothing was changed then.
//   wanted: messages altogether
bool rb_messages_grow(struct rb_messages *messages, size_t wanted);

// Makes room for so many messages altogether, those that are there included. Returns false without memory.
static inline bool rb_messages_reserve(struct rb_messages *messages, size_t wanted)
{
    return wanted <= messages->room || rb_messages_grow(messages, wanted);
}

// Adds one as the last, for which there has to be room: else it is lost.
//   message: kept by whoever has made it, until it is taken or forgotten
void rb_messages_put(struct rb_messages *messages, CURLMsg *message);

// Takes out the first. There has to be one.
CURLMsg *rb_messages_take(struct rb_messages *messages);

// Takes out those about `easy`, as libcurl does when a handle is removed.
void rb_messages_forget(struct rb_messages *messages, const CURL *easy);

// Frees the ring.
void rb_messages_free(struct rb_messages *messages);

#endif

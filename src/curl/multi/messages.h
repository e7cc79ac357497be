// SPDX-License-Identifier: MIT
// The messages of a multi handle that the program has not read yet, in order of arrival.
#ifndef RB_CURL_MULTI_MESSAGES_H
#define RB_CURL_MULTI_MESSAGES_H

#include "real/libcurl.h"

// Zero-initialized means empty.
struct rb_messages {
    CURLMsg **ring; // the array is owned, the messages are not
    size_t first, count, room;
    bool news; // set when a message arrives in an empty queue; the reader clears it
};

// Enlarges the ring. Returns false without memory and then changes nothing.
//   wanted: total number of messages
bool rb_messages_grow(struct rb_messages *messages, size_t wanted);

// Makes room for `wanted` messages in total. Returns false without memory.
static inline bool rb_messages_reserve(struct rb_messages *messages, size_t wanted)
{
    return wanted <= messages->room || rb_messages_grow(messages, wanted);
}

// Appends a message. Drops it if there is no room, so reserve room first.
//   message: must stay valid until it is taken or forgotten
void rb_messages_put(struct rb_messages *messages, CURLMsg *message);

// Removes and returns the first message. There must be one.
CURLMsg *rb_messages_take(struct rb_messages *messages);

// Removes the messages of `easy`, as libcurl does when a handle is removed.
void rb_messages_forget(struct rb_messages *messages, const CURL *easy);

void rb_messages_free(struct rb_messages *messages);

#endif

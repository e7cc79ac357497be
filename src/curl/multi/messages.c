// SPDX-License-Identifier: MIT
// A growing ring buffer of messages.
#include "curl/multi/messages.h"

#include <stdlib.h>

bool rb_messages_grow(struct rb_messages *messages, size_t wanted)
{
    size_t room = messages->room ? messages->room : 16;
    while (room < wanted)
        room *= 2;
    CURLMsg **larger = malloc(room * sizeof(CURLMsg *));
    if (!larger)
        return false;
    for (size_t i = 0; messages->room > 0 && i < messages->count; i++)
        larger[i] = messages->ring[(messages->first + i) % messages->room];
    free(messages->ring);
    messages->ring = larger;
    messages->room = room;
    messages->first = 0;
    return true;
}

void rb_messages_put(struct rb_messages *messages, CURLMsg *message)
{
    if (messages->count >= messages->room)
        return;
    messages->news |= messages->count == 0;
    messages->ring[(messages->first + messages->count++) % messages->room] = message;
}

CURLMsg *rb_messages_take(struct rb_messages *messages)
{
    CURLMsg *message = messages->ring[messages->first];
    messages->first = (messages->first + 1) % messages->room;
    messages->count--;
    return message;
}

void rb_messages_forget(struct rb_messages *messages, const CURL *easy)
{
    size_t count = messages->count;
    bool news = messages->news;
    for (size_t i = 0; i < count; i++) {
        CURLMsg *message = rb_messages_take(messages);
        if (message->easy_handle != easy)
            rb_messages_put(messages, message);
    }
    messages->news = news;
}

void rb_messages_free(struct rb_messages *messages)
{
    free(messages->ring);
}

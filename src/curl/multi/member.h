// SPDX-License-Identifier: MIT
// The inside of a multi handle: its members and the lists they are in. The public part is curl/multi/multi.h.
//
//   fresh -> running -> ended
//               |  ^ '-> delivering -> ended   the program paused the delivery
//               v  |
//              parked                          removed from libcurl's multi handle for a wait
#ifndef RB_CURL_MULTI_MEMBER_H
#define RB_CURL_MULTI_MEMBER_H

#include "curl/multi/messages.h"
#include "curl/response/response_private.h"
#include "curl/transfer.h"

// A time that is never reached.
#define RB_NEVER UINT64_MAX

// A link of a circular list. The head of the list is a link, too. In an empty list it points to itself.
struct rb_node {
    struct rb_node *next, *previous;
};

// One easy handle that the program added.
struct rb_member {
    struct rb_node link; // must be first; in one of the lists of the multi handle
    struct rb_multi *multi;
    struct rb_handle *easy;
    struct rb_transfer *transfer; // &room, or NULL if the transfer passes through or has ended
    CURLcode code;                // result of a transfer in state delivering
    bool outside;                 // not in libcurl's multi handle at present
    uint64_t due_ms;              // end of the wait, in ms
    CURLMsg message;
    bool own;        // we made the message, not libcurl
    bool unreported; // the program must still be notified of the end
    struct rb_transfer room;
    struct rb_response response; // of `room`
};

// One multi handle that the program made.
struct rb_multi {
    CURLM *real;
    const struct rb_libcurl *curl;
    bool calling;    // we may be calling the program's callbacks
    unsigned inside; // nested calls of libcurl that may call the program's callbacks
    bool busy;       // libcurl has running transfers, as far as known

    struct rb_node fresh;      // added since the last call; the program may still set options
    struct rb_node running;    // in libcurl's multi handle
    struct rb_node parked;     // waiting outside libcurl's multi handle; the first one is due first
    struct rb_node delivering; // ended, with a delivery that the program paused
    struct rb_node ended;      // the program has got its message, or will get it
    unsigned members;          // in all lists above
    unsigned waiting;          // parked or delivering; the program sees them as running
    uint64_t progress_ms;      // when progress callbacks are due, in ms; RB_NEVER if none is needed
    struct rb_node spare;      // owned; freed members for reuse
    unsigned spares;

    struct rb_messages messages; // not yet read by the program

    rb_id_slot ids; // of libcurl's connection cache

    curl_multi_timer_callback timer; // the program's callback
    void *timer_data;
    uint64_t libcurl_ms; // when libcurl wants to be called, in ms
    uint64_t armed_ms;   // the time that the program's timer is set to, in ms
    bool asked;          // libcurl has asked for its timer, so it must be set even if the time is the same
    curl_push_callback push;
    void *push_data;

    rb_notify_callback notify; // the program's callback
    void *notify_data;
    unsigned notified;   // bit mask of the kinds that the program enabled
    CURL *internal;      // libcurl's internal handle, which it passes with RB_NOTIFY_INFO_READ; NULL: not seen yet
    unsigned unreported; // members with `unreported` set
};

static inline bool rb_node_is_empty(const struct rb_node *list)
{
    return list->next == list;
}

// True if libcurl refuses calls on the multi handle because a callback is running. Versions of libcurl differ here, so
// this asks libcurl.
static inline bool rb_member_refuses(const struct rb_multi *multi)
{
    long unused;
    return multi->calling ||
           (multi->inside > 0 && multi->curl->multi_timeout(multi->real, &unused) == CURLM_RECURSIVE_API_CALL);
}

// True if the program wants this notification.
//   kind: RB_NOTIFY_EASY_DONE or RB_NOTIFY_INFO_READ
static inline bool rb_member_notifies(const struct rb_multi *multi, unsigned kind)
{
    return multi->notify && (multi->notified & 1U << kind);
}

// Initializes the lists of a new multi handle.
void rb_members_init(struct rb_multi *multi);

// Adds a handle as a member; does not call libcurl. Returns the member, which the multi handle owns. Returns NULL if
// the handle passes through: another libcurl made it, it is a member already, or without memory.
//   easy: the handle's record, or NULL
struct rb_member *rb_member_add(struct rb_multi *multi, struct rb_handle *easy);

// Returns the member for an easy handle in this multi handle, or NULL.
struct rb_member *rb_member_of(const struct rb_multi *multi, CURL *easy);

// Removes the handle from its multi handle and ends its transfer. Does nothing if the handle is not a member. Keeps the
// memory of the member for reuse.
void rb_member_forget(struct rb_handle *easy);

// Calls rb_member_forget for all members.
void rb_members_forget(struct rb_multi *multi);

// Frees the spare members.
void rb_members_free(struct rb_multi *multi);

// Begins the transfers of the fresh members, or parks them if the first attempt must wait. Call only if there are fresh
// members.
void rb_members_begin(struct rb_multi *multi);

// Handles the waiting members: calls progress callbacks, resumes members whose wait is over, continues deliveries. May
// call the program's callbacks, except those of rb_multi_callback_send_notifications.
void rb_members_attend(struct rb_multi *multi);

// Reads libcurl's messages. Messages of transfers that are retried are dropped. Without memory, the other messages stay
// in libcurl until the program has read some.
void rb_members_drain(struct rb_multi *multi);

// Returns the time at which the program must call us for the waiting members, in ms of rb_system_now_ms, or RB_NEVER.
// Call only if there are waiting members.
uint64_t rb_members_waiting_due_ms(const struct rb_multi *multi);

// Like rb_members_waiting_due_ms. Returns RB_NEVER if there are no waiting members.
static inline uint64_t rb_members_due_ms(const struct rb_multi *multi)
{
    return multi->waiting == 0 ? RB_NEVER : rb_members_waiting_due_ms(multi);
}

#endif

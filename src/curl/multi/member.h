// SPDX-License-Identifier: MIT
// A multi handle from within: its members, where each is, and its way from one place to the next. From without it is
// curl/multi/multi.h.
//
//   fresh -> running -> ended
//             |  ^ '-> lingering -> ended     a delivery that the program paused
//             v  |
//            parked                           outside of libcurl's multi handle, for a wait
#ifndef RB_HTTP_MEMBER_H
#define RB_HTTP_MEMBER_H

#include "curl/multi/messages.h"
#include "curl/multi/multi.h"
#include "curl/response/response_private.h"
#include "curl/transfer.h"

// A time that does not come.
#define RB_NEVER UINT64_MAX

// A place in a list; the list itself is one, too: alone when the list is empty.
struct rb_link {
    struct rb_link *next, *previous;
};

// One easy handle that the program added.
struct rb_member {
    struct rb_link link; // first: in one of the lists of the multi handle
    struct rb_multi *multi;
    struct rb_handle *easy;
    struct rb_transfer *transfer; // `room`; NULL: it passes through, or has ended
    CURLcode code;                // of a transfer whose delivery lingers
    bool outside;                 // libcurl's multi handle does not have it
    uint64_t due_ms;              // end of the wait
    CURLMsg message;
    bool own;    // the message is ours
    bool untold; // the program is to be notified of its end
    struct rb_transfer room;
    struct rb_response response; // of `room`
};

// One multi handle that the program made.
struct rb_multi {
    CURLM *real;
    const struct rb_libcurl *curl;
    bool calling;    // it is we who may be calling the program back
    unsigned inside; // calls of libcurl's under way, from which it may call the program back
    bool busy;       // libcurl has transfers in its hands, as far as we know

    struct rb_link fresh;     // added since the last call: the program may still set options
    struct rb_link running;   // in libcurl's hands
    struct rb_link parked;    // outside for a wait, the one due first in front
    struct rb_link lingering; // ended, with a delivery that the program paused
    struct rb_link ended;     // the program has been, or will be, told
    unsigned members;         // in all of these
    unsigned waiting;         // parked or lingering: running, as far as the program is concerned
    uint64_t progress_ms;     // when progress callbacks are due; RB_NEVER: none is wanted
    struct rb_link spare;     // owned: members to be used again, while their memory is warm
    unsigned spares;

    struct rb_messages messages; // that the program has not read

    curl_multi_timer_callback timer; // the program's
    void *timer_data;
    uint64_t libcurl_ms; // when libcurl wants to be called
    uint64_t armed_ms;   // what the program's timer is set to
    bool asked;          // libcurl wants it set, whatever it is set to
    curl_push_callback push;
    void *push_data;

    rb_notify_callback notify; // the program's
    void *notify_data;
    unsigned notified; // kinds that it enabled, as bits
    CURL *internal;    // libcurl's own handle, which it passes with news of messages; NULL: not seen yet
    unsigned untold;   // members of whose end the program is to be notified
};

// Whether a list has no member.
static inline bool rb_list_is_empty(const struct rb_link *list)
{
    return list->next == list;
}

// Whether libcurl refuses calls on the multi handle, being in a callback. Not every version does so in every callback,
// so it is asked.
static inline bool rb_multi_refuses(const struct rb_multi *multi)
{
    long unused;
    return multi->calling ||
           (multi->inside > 0 && multi->curl->multi_timeout(multi->real, &unused) == CURLM_RECURSIVE_API_CALL);
}

// Whether the program is to be notified.
//   kind: RB_NOTIFY_EASY_DONE or RB_NOTIFY_INFO_READ
static inline bool rb_multi_notifies(const struct rb_multi *multi, unsigned kind)
{
    return multi->notify && (multi->notified & 1U << kind);
}

// Makes the lists of a new multi handle empty.
void rb_members_init(struct rb_multi *multi);

// Takes in a handle that the program adds; libcurl is not told. Returns its member, which belongs to the multi handle;
// NULL where the handle is to pass through: of another library, a member already, or without memory.
//   easy: its record, or NULL
struct rb_member *rb_member_add(struct rb_multi *multi, struct rb_handle *easy);

// The member that an easy handle is in this multi handle, or NULL.
struct rb_member *rb_member_of(const struct rb_multi *multi, CURL *easy);

// Lets all members go, as rb_multi_forget does with one.
void rb_members_forget(struct rb_multi *multi);

// Frees the memory of members that were let go.
void rb_members_free(struct rb_multi *multi);

// Begins the transfers of the fresh members, or lets their first attempt wait. Meant for when there are some.
void rb_members_begin(struct rb_multi *multi);

// Looks after the waiting members: shows them progress, brings back those whose wait is over, goes on with deliveries.
// Calls the program back, but for rb_multi_tell.
void rb_members_attend(struct rb_multi *multi);

// Reads libcurl's messages. Those of transfers that go on are not for the program. Without memory for more, the rest
// stays where it is until the program has read some.
void rb_members_drain(struct rb_multi *multi);

// When the program has to call us for the sake of the waiting members, of which there is one at least. In ms of
// rb_system_now_ms; RB_NEVER: at no time.
uint64_t rb_members_waiting_due_ms(const struct rb_multi *multi);

// The same, whether there are any or not.
static inline uint64_t rb_members_due_ms(const struct rb_multi *multi)
{
    return multi->waiting == 0 ? RB_NEVER : rb_members_waiting_due_ms(multi);
}

#endif

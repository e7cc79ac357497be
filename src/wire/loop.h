// SPDX-License-Identifier: MIT
// Links that are parked in event loops (http.hold): the library hides something from a program that waits by epoll, and
// acts at a later time.
//
// The library has no thread of its own. The program's next wait on the same epoll acts when the time has come
// (wire/epoll.h), so the loop is never delayed. Nothing is parked if the program waits for the epoll itself, by poll,
// by select or in another epoll: then its wait on the epoll comes too late.
//
// All functions are lock-free and async-signal-safe, except that rb_loop_attend calls `due`, which may call OpenSSL.
#ifndef RB_WIRE_LOOP_H
#define RB_WIRE_LOOP_H

#include <sys/epoll.h>

#include "wire/link.h"

// What is done at the time of a parked link. Called with the link claimed, inside the program's wait on the epoll. Must
// not wait. May park the link again.
//
// Returns true if the program must see the descriptor as readable although the kernel does not report that: the wait
// then returns EPOLLIN with the program's own data.
typedef bool rb_loop_due(struct rb_link *link);

// --- The links. They are claimed and have an exchange.

// Returns true if a response of the link may be held in an event loop. For a link of TLS, this thread must also be the
// last one that has waited on the epoll, because only the thread that uses a connection object may call OpenSSL, and
// the registration must not be one-shot.
bool rb_loop_may_hold(const struct rb_link *link);

// Returns the time in milliseconds (rb_system_now_ms) at which all holds of the exchange end. The first call for an
// exchange starts the time http.hold, so make it when the first byte is hidden. Pass the result to rb_exchange_look.
uint64_t rb_loop_until_ms(const struct rb_link *link);

// Parks the link: calls `due` at when_ms (rb_system_now_ms), or as soon after that as the program waits on the epoll. A
// further call replaces both. Returns false, and changes nothing, if rb_loop_may_hold is false for a link that is not
// parked, or if too many links are parked; then the program must get what it waits for.
//   own_thread: only this thread may call `due`
bool rb_loop_park(struct rb_link *link, uint64_t when_ms, rb_loop_due *due, bool own_thread);

// The link is parked no more, and its bytes in the kernel are visible again (wire/mark.h). Does nothing for a link that
// is not parked and hides no bytes. The end of an exchange does this, too. Keeps errno.
void rb_loop_unpark(struct rb_link *link);

// The link has a whole request: a response may follow, and its event must be recognized.
void rb_loop_expect(const struct rb_link *link);

// --- The waits.

// One wait of the program on an epoll. The first `shown` events are those of the library.
struct rb_loop_call {
    int epfd;
    struct epoll_event *events;
    int size, shown;
    unsigned busy; // for wire/epoll.c
};

// Call when this thread begins to wait on the epoll.
void rb_loop_enter(int epfd);

// The program waits for this descriptor by poll or select. If that is an epoll, its held responses become visible, and
// nothing is held there any more.
void rb_loop_polled(int fd);

// Call when the thread returns to the program. If another thread waits on the same epoll, makes hidden bytes of one
// link visible. This wakes the other thread, which hides them again and attends to the parked links from then on.
void rb_loop_leave(int epfd);

// Returns true if a link is parked for which this thread's wait on the epoll must call rb_loop_attend.
bool rb_loop_parks(int epfd);

// Calls the functions of the links that are due, and adds the events that the program must see to the call. Returns the
// time in milliseconds (rb_system_now_ms) at which the next link is due; UINT64_MAX: none.
uint64_t rb_loop_attend(struct rb_loop_call *call);

// Returns the descriptor of the link to which an event belongs, or -1.
//   data: of the event, as the program registered it
int rb_loop_find(int epfd, uint64_t data);

// The program has changed the registration of a descriptor that has a link. Keeps errno.
//   op: of epoll_ctl
void rb_loop_control(int epfd, int fd, int op);

#endif

// SPDX-License-Identifier: MIT
// Which epoll watches which descriptor, for which events and with which data: a registration may be older than the
// connect whose event has to be held back, and the data that the kernel hands out is the program's own.
//
// What is hidden stays registered: as a one-shot watch, which fires once and is silent then. That one event is wanted:
// whoever of the program's threads waits on this epoll gets it, finds out when the next attempt is due, and waits no
// longer than that. It asks for EPOLLWRNORM without EPOLLOUT, which no program does and every failed socket reports: so
// the event is known by itself as ours, however late it is read, and is never taken for one of another descriptor.
#ifndef RB_NET_WATCH_H
#define RB_NET_WATCH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

#include "net/park/descriptor.h"

// Notes what epoll_ctl(epfd, op, fd, event) has done. For every descriptor: cheap, no lock.
void rb_watch_note(int epfd, int op, int fd, const struct epoll_event *event);

// True when anything is known of the descriptor.
bool rb_watch_known(const struct rb_descriptor *descriptor);

// A descriptor was closed: it is in no epoll, and if it was one itself, nothing is in it.
void rb_watch_close(int fd);

// True when some connect in flight is watched by this epoll.
bool rb_watch_has_flights(int epfd);

// True for the event that is left to a hidden descriptor.
static inline bool rb_watch_is_hidden_event(uint32_t events)
{
    return (events & (EPOLLWRNORM | EPOLLOUT)) == EPOLLWRNORM;
}

// --- with the lock of net/park/flight.h held

// The descriptor begins or ceases to mean a connect in flight. Between the two its registrations change only so: leave,
// note, join.
void rb_watch_join(int fd);
void rb_watch_leave(int fd);

// The connect has ended, or this descriptor of it: leave, and remember it for rb_watch_ended.
void rb_watch_end(int fd);

// The descriptors of connects in flight that an epoll reports with this data: a program may give several the same.
// Returns how many there are in fds, at most `size`.
unsigned rb_watch_find(int epfd, uint64_t data, int *fds, unsigned size);

// True when the program may have the event of the end: of a level-triggered registration always, of another one once
// for each time that the program arms it. rb_watch_mark_reported: it has it.
//   disarm: that of a one-shot registration may not have been the only one on its way: the others are hidden
bool rb_watch_may_report(int epfd, int fd);
void rb_watch_mark_reported(int epfd, int fd, bool disarm);

// True for an edge-triggered registration that is not one-shot.
bool rb_watch_is_edge(int epfd, int fd);

// The event that is left to a hidden descriptor comes once more, for another thread that waits on this epoll.
void rb_watch_hide_again(int epfd, int fd);

// The registration in this epoll is armed anew: what is true now is reported.
void rb_watch_show_again(int epfd, int fd);

// True when a connect that this epoll reported with this data has ended after `since`, by rb_flight_clock.
bool rb_watch_ended(int epfd, uint64_t data, uint64_t since);

// True when a descriptor that means no connect in flight, watched by this epoll with this data, has an error or a
// hang-up to report now, and the program may have the event (rb_watch_may_report). It counts as had from now on.
bool rb_watch_fails_there(int epfd, uint64_t data, int fd);

// The same of any descriptor. Looks through all.
bool rb_watch_fails(int epfd, uint64_t data);

// Calls `visit` with the descriptors of connects in flight that this epoll watches until one returns true.
void rb_watch_each(int epfd, bool (*visit)(int epfd, int fd));

// Holds all events of a descriptor back, or lets them come again, with what it has to report now. False when it cannot
// be done: in more epolls than we can note, watched exclusively, or refused by the kernel.
bool rb_watch_hide(int fd);
bool rb_watch_show(int fd);

// True when an epoll is known to watch this descriptor.
bool rb_watch_is_watched(int fd);

// True when what is to be registered can be noted and modified later.
bool rb_watch_can_hide(int epfd, int op, int fd, const struct epoll_event *event);

// epoll_ctl on a descriptor that means a connect in flight. hidden: what the program asks for is noted, and comes into
// force when the descriptor is shown. Result and errno are the kernel's.
int rb_watch_control(int epfd, int op, int fd, struct epoll_event *event, bool hidden);

#endif

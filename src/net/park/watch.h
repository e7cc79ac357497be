// SPDX-License-Identifier: MIT
// Private to net/park. Records which epoll watches which descriptor, with which events and data. A registration may be
// older than the connect whose events must be hidden, and epoll reports only the program's data, so rebound needs its
// own records.
//
// A hidden descriptor stays registered with one one-shot event. The program's thread that receives this event computes
// when the next attempt is due and waits only until then. The registration asks for EPOLLWRNORM without EPOLLOUT.
// Programs do not use this combination, and every failed socket reports EPOLLWRNORM. So the event is always recognized
// as ours, however late it is read.
#ifndef RB_NET_PARK_WATCH_H
#define RB_NET_PARK_WATCH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

#include "net/park/descriptor.h"

// Records the result of epoll_ctl(epfd, op, fd, event). Takes no lock. Returns false if there was no memory for the
// record of fd.
bool rb_watch_note(int epfd, int op, int fd, const struct epoll_event *event);

// True when anything is recorded for the descriptor.
bool rb_watch_known(const struct rb_descriptor *descriptor);

// Call when a descriptor is closed. Removes its registrations. If it is an epoll, the registrations in it become
// invalid.
void rb_watch_close(int fd);

// Returns true if exactly one epoll watches the descriptor, and the registration was recorded. `event` receives it as
// the program made it.
bool rb_watch_only(int fd, int *epfd, struct epoll_event *event);

// Returns true if another descriptor than fd is registered in the epoll with the same data. Scans all records.
bool rb_watch_shares(int epfd, uint64_t data, int fd);

// Makes the program's registration again if it is one-shot. Call after an event that the program does not see.
void rb_watch_rearm(int epfd, int fd);

// True when an epoll watches this descriptor.
bool rb_watch_is_watched(int fd);

// True when this epoll watches a connect in flight.
bool rb_watch_has_flights(int epfd);

// True for the one-shot event of a hidden descriptor.
static inline bool rb_watch_is_hidden_event(uint32_t events)
{
    return (events & (EPOLLWRNORM | EPOLLOUT)) == EPOLLWRNORM;
}

// --- These functions require the lock of net/park/lock.h.

// A descriptor starts or stops to belong to a connect in flight. In between, change its registrations only in this
// order: leave, note, join.
void rb_watch_join_locked(int fd);
void rb_watch_leave_locked(int fd);

// The connect has ended, or lost this descriptor. Like rb_watch_leave_locked, and keeps the end for
// rb_watch_ended_locked.
void rb_watch_end_locked(int fd);

// Writes the descriptors of connects in flight that this epoll reports with this data; several can share the same data.
// Returns the number written to fds, at most `size`.
unsigned rb_watch_find_locked(int epfd, uint64_t data, int *fds, unsigned size);

// True when the program may get the event for the connect's end: always for a level-triggered registration, otherwise
// once each time the program arms it. rb_watch_mark_reported_locked records that the program got it.
//   disarm: for a one-shot registration: other events may have been fetched already; arm only the hidden event
bool rb_watch_may_report_locked(int epfd, int fd);
void rb_watch_mark_reported_locked(int epfd, int fd, bool disarm);

// True for an edge-triggered registration that is not one-shot.
bool rb_watch_is_edge_locked(int epfd, int fd);

// Arms the one-shot event of a hidden descriptor again, for another thread that waits on this epoll.
void rb_watch_hide_again_locked(int epfd, int fd);

// Arms the program's registration again, so that the kernel reports the current events.
void rb_watch_show_again_locked(int epfd, int fd);

// True when a connect that this epoll reported with this data has ended after `since` (rb_change_count).
bool rb_watch_ended_locked(int epfd, uint64_t data, uint64_t since);

// True when a descriptor without a connect in flight, watched by this epoll with this data, now has an error or a
// hang-up that the program may see (rb_watch_may_report_locked). Also true when the descriptor was closed without our
// hooks. Marks the event as reported.
bool rb_watch_fails_there_locked(int epfd, uint64_t data, int fd);

// The same for any descriptor. Scans all records.
bool rb_watch_fails_locked(int epfd, uint64_t data);

// Calls `visit` for each descriptor of a connect in flight that this epoll watches, until a call returns true.
void rb_watch_each_locked(int epfd, bool (*visit)(int epfd, int fd));

// Hides all events of a descriptor, or restores the program's registrations. Returns false when this is not possible:
// more epolls watch it than we can record, EPOLLEXCLUSIVE, or an error of the kernel.
bool rb_watch_hide_locked(int fd);
bool rb_watch_show_locked(int fd);

// Shows the registrations of a parked descriptor that was closed without our hooks. The epolls keep such registrations
// while the socket is open through `copy`, and epoll_ctl needs a descriptor of the same number.
void rb_watch_show_closed_locked(int fd, int copy);

// True when an open descriptor or a closed one that left its record is registered in this epoll with this data. Scans
// all records.
bool rb_watch_explains_locked(int epfd, uint64_t data);

// True when this registration can be recorded and changed later.
bool rb_watch_can_hide_locked(int epfd, int op, int fd, const struct epoll_event *event);

// Calls epoll_ctl for a descriptor of a connect in flight. Returns the kernel's result and errno.
//   hidden: only record the program's registration; it takes effect when the descriptor is shown
int rb_watch_control_locked(int epfd, int op, int fd, struct epoll_event *event, bool hidden);

#endif

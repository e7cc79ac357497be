// SPDX-License-Identifier: MIT
// Private to net/park. Which events of the kernel the program must see.
#ifndef RB_NET_PARK_FILTER_H
#define RB_NET_PARK_FILTER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

// poll or select reported an event for the descriptor. Returns true when the event must be hidden: it announces a
// failure that is retried, or it is outdated because another thread has made an attempt since. The caller continues to
// wait; the kernel will report new events.
//   failed: the event includes an error or a hang-up
bool rb_filter_holds(int fd, bool failed);

// The same for an event of epoll. An event that fits no tracked connect belongs to another descriptor with the same
// data, and is not hidden.
//   since: rb_change_count at the start of the wait that fetched the event
bool rb_filter_holds_watched(int epfd, const struct epoll_event *event, uint64_t since);

// Call when a thread stops waiting after it received the one-shot event of a parked connect. Arms this event again, so
// that another waiting thread learns when the next attempt is due.
void rb_filter_pass(int epfd);

#endif

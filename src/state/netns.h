// SPDX-License-Identifier: MIT
// The network namespace that calls are made in: the same address is another host in another namespace.
#ifndef RB_STATE_NETNS_H
#define RB_STATE_NETNS_H

#include <stdint.h>

// The inode of the calling thread's network namespace (namespaces(7)), 0: not known, as without /proc. Read once a
// second: a change by a bare system call is noticed then. After rb_netns_moved it is read in each call, since a thread
// may have a namespace of its own. Async-signal-safe, keeps errno.
uint64_t rb_netns(void);

// A thread of this process has changed its network namespace.
void rb_netns_moved(void);

#endif

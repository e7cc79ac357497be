// SPDX-License-Identifier: MIT
// The network namespace of calls: the same address is another host in another namespace.
#ifndef RB_STATE_NETNS_H
#define RB_STATE_NETNS_H

#include <stdint.h>

// Returns the inode of the calling thread's network namespace (namespaces(7)); 0 if unknown, for example without /proc.
// The value is read once a second, which is when a change by a raw system call is noticed. After rb_netns_moved each
// call reads it, because threads may have different namespaces. Async-signal-safe, keeps errno.
uint64_t rb_netns(void);

// Call when a thread of this process has changed its network namespace.
void rb_netns_moved(void);

#endif

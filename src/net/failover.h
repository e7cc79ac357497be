// SPDX-License-Identifier: MIT
// Learns whether the program has its own list of servers (connect.failover = auto). Such a program connects to the next
// server of its list when one server refuses.
//
// The library cannot see the list, because no lookup returned its addresses ("literal" addresses). The library sees
// what the program does after a connect to a literal address was given up: if the program connects to another address
// or port within RB_FAILOVER_MS, the process has a list from then on.
//
// All functions are async-signal-safe. A forked child inherits what its parent has learned.
#ifndef RB_NET_FAILOVER_H
#define RB_NET_FAILOVER_H

#include "policy/target.h"

enum { RB_FAILOVER_MS = 100 };

// Returns true if this process has its own list of servers. One load.
bool rb_failover_is_known(void);

// Records that a connect to a literal address has failed for good.
//   parked: the connect was non-blocking. Then a connect of any thread can be the next one of the list, because event
//     loops can have several threads. After a blocking connect, only a connect of the calling thread can.
void rb_failover_gave_up(const struct rb_target *target, bool parked, uint64_t now_ms);

// Returns true if the next connect must be reported to rb_failover_dials. Costs three loads.
bool rb_failover_waits(void);

// Records that the program calls connect(2). Connects of datagram sockets do not count: a resolver or a log may use
// them at any time.
void rb_failover_dials(int fd, const struct rb_target *target, uint64_t now_ms);

#endif

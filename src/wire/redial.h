// SPDX-License-Identifier: MIT
// Connects the socket of a link to the same peer again. The descriptor and its options stay.
#ifndef RB_WIRE_REDIAL_H
#define RB_WIRE_REDIAL_H

#include <stdbool.h>
#include <stdint.h>

#include "wire/link.h"

// Ends the connection of a claimed link and makes a new one. Waits, also on a non-blocking socket, for 5 s at most and
// not longer than until_ms (rb_system_now_ms). A signal does not end the wait. Records the identity of the new
// connection. Returns 0 or a negative errno; then the socket is not connected. Async-signal-safe.
int rb_redial_link(struct rb_link *link, uint64_t until_ms);

// Ends the connection of a claimed link and begins a new one without a wait. When it returns true, the connect may
// still be in progress. Returns false if the connect has failed at once. Async-signal-safe.
bool rb_redial_begin(struct rb_link *link);

#endif

// SPDX-License-Identifier: MIT
// What the faulty server has seen: requests and bytes for each key, and accepted connections. Safe from any thread.
#ifndef RB_SERVER_LEDGER_H
#define RB_SERVER_LEDGER_H

#include <stddef.h>

#include "request.h"

enum { RB_KEY_SIZE = 64 };

// Takes the number, from 0, of the next request of this key. Its steps are dealt out by it.
unsigned long rb_ledger_next(const char *key);

// Notes a request in the key's log: milliseconds since start, method, path, body bytes, CRC-32 of the body, of the
// head.
void rb_ledger_note(const char *key, const struct rb_request *request);

// Counts a connection, or takes one back that turned out to be a control connection. Returns its number, from 0.
unsigned long rb_ledger_connection(int change);

// Answers of the control paths, in memory that the caller frees; NULL when there is none. `what` is the path after
// "/_/": count/KEY, bytes/KEY, log/KEY, ranges/KEY, connections, reset.
char *rb_ledger_report(const char *what);

// Milliseconds since the first call.
unsigned long rb_ledger_clock(void);

#endif

// SPDX-License-Identifier: MIT
// A small HTTP server in a thread of its own. It begins to listen when it is told to, not at a time.
#ifndef INJECT_ANSWER_H
#define INJECT_ANSWER_H

#include <stdint.h>

// What the clients did.
struct answer_seen {
    unsigned connections, requests;
    unsigned long bytes;
};

// Binds a port of 127.0.0.1, which refuses until answer_listen. Ends the program on failure. Returns the port.
//   statuses: the statuses of the answers in turn, for example "503,200"; the last one repeats
uint16_t answer_start(const char *statuses);

// From now on the port accepts.
void answer_listen(void);

// Waits until all connections are closed, ends the server and returns what it saw. Call after the client has ended.
struct answer_seen answer_stop(void);

#endif

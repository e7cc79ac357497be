// SPDX-License-Identifier: MIT
// Reads the targets of `rebound wait`.
#ifndef RB_CLI_WAIT_AWAITED_H
#define RB_CLI_WAIT_AWAITED_H

#include <stdint.h>
#include <sys/un.h>

#include "base/slice.h"
#include "policy/target.h"

enum rb_awaited_kind {
    RB_AWAITED_TCP,  // HOST:PORT
    RB_AWAITED_HTTP, // http://HOST[:PORT][/PATH][=STATUS]
    RB_AWAITED_UNIX, // unix:PATH
};

enum { RB_AWAITED_TEXT_MAX = 2048 }; // the largest length of a target

struct rb_awaited {
    const char *text; // as on the command line; borrowed
    enum rb_awaited_kind kind;
    char host[RB_NAME_SIZE];   // TCP, HTTP: a name, or an address without brackets
    char port[8];              // TCP, HTTP: in decimal
    struct rb_slice authority; // HTTP: HOST[:PORT]; points into `text`
    struct rb_slice resource;  // HTTP: path and query; empty, or begins with '/' or '?'; points into `text`
    unsigned status;           // HTTP: the status that counts as ready; 0: each status below 400
    struct sockaddr_un socket; // UNIX: the address
};

// The forms that rb_awaited_parse accepts, for messages.
extern const char rb_awaited_forms[];

// Reads a target. Returns NULL, or a clause that says what is wrong; *awaited is then undefined. Pure.
//   text: the target; stays in use as long as *awaited
const char *rb_awaited_parse(const char *text, struct rb_awaited *awaited);

#endif

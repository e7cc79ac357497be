// SPDX-License-Identifier: MIT
// The last good answers of the resolver, for the time when it cannot be reached (`dns.stale`).
//
// A fixed table in static memory whose pages are touched when a policy asks for it: no allocation, no lock. A clash of
// two writers loses one answer, and one seen half-written counts as absent.
#ifndef RB_NET_STALE_H
#define RB_NET_STALE_H

#include <stdbool.h>
#include <stdint.h>

#include "policy/target.h"

// Addresses past the last one that fits are left out.
enum { RB_STALE_ANSWERS = 256, RB_STALE_ADDRESSES = 16 };

// What kind of call asked: their answers differ in more than the addresses.
enum rb_stale_kind { RB_STALE_ADDRINFO, RB_STALE_ADDRINFO_BARE, RB_STALE_HOSTENT }; // BARE: without hints

// A question. Service, socket type and protocol are not in it: they do not change the addresses.
struct rb_stale_key {
    const char *node; // compared without case
    enum rb_stale_kind kind;
    int family; // as asked for
    int flags;  // likewise
};

struct rb_stale_address {
    uint32_t family; // AF_INET or AF_INET6
    uint32_t scope;
    uint8_t bytes[16];
};

struct rb_stale_answer {
    uint64_t learned_ms;
    uint32_t count;
    int32_t flags; // the flags that the answer carries
    struct rb_stale_address addresses[RB_STALE_ADDRESSES];
    char name[RB_NAME_SIZE]; // canonical, "" where it was not asked for
};

// Keeps an answer in place of an earlier one to the same question, or of the oldest in its neighbourhood. A node that
// is too long for any name is left out.
void rb_stale_put(const struct rb_stale_key *key, const struct rb_stale_answer *answer);

// Copies the answer to the question. Returns false when there is none, or it is older than max_age_ms.
bool rb_stale_get(const struct rb_stale_key *key, uint64_t now_ms, uint64_t max_age_ms, struct rb_stale_answer *answer);

#endif

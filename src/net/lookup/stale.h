// SPDX-License-Identifier: MIT
// Keeps the last good answers of the resolver, for use when it cannot be reached (dns.stale).
//
// The table has a fixed size in static memory, which is used only if a policy has dns.stale. It needs no allocation and
// no lock. If two writers collide, one answer is lost. An answer that is being written counts as absent.
#ifndef RB_NET_LOOKUP_STALE_H
#define RB_NET_LOOKUP_STALE_H

#include <stdbool.h>
#include <stdint.h>

#include "policy/target.h"

// Further addresses of an answer are dropped.
enum { RB_STALE_ANSWERS = 256, RB_STALE_ADDRESSES = 16 };

// The function that asked. The answers of different functions differ in more than addresses.
enum rb_stale_kind { RB_STALE_ADDRINFO, RB_STALE_ADDRINFO_BARE, RB_STALE_HOSTENT }; // BARE: without hints

// The key of an answer. Service, socket type and protocol do not change the addresses, so they are not part of it.
struct rb_stale_key {
    const char *node; // compared without regard to case
    enum rb_stale_kind kind;
    int family; // as requested by the program
    int flags;  // as requested by the program
};

struct rb_stale_address {
    uint32_t family; // AF_INET or AF_INET6
    uint32_t scope;
    uint8_t bytes[16];
};

struct rb_stale_answer {
    uint64_t learned_ms;
    uint32_t count;
    int32_t flags; // ai_flags of the answer
    struct rb_stale_address addresses[RB_STALE_ADDRESSES];
    char name[RB_NAME_SIZE]; // canonical name, "" if it was not requested
};

// Stores an answer. Overwrites an older answer to the same key, or the oldest of the neighbouring entries. Ignores a
// node that is longer than any name.
void rb_stale_put(const struct rb_stale_key *key, const struct rb_stale_answer *answer);

// Copies the answer. Returns false if there is none, or if it is older than max_age_ms.
bool rb_stale_get(const struct rb_stale_key *key, uint64_t now_ms, uint64_t max_age_ms, struct rb_stale_answer *answer);

#endif

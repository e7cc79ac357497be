// SPDX-License-Identifier: MIT
// Keeps the last good answers of the resolver, for use when the resolver cannot be reached (dns.stale).
//
// The table is static and has a fixed size. Its pages are touched only if a policy has dns.stale. The functions
// allocate nothing and take no lock. If two threads write the same entry at the same time, one answer is lost. An
// answer that is being written counts as absent.
#ifndef RB_NET_LOOKUP_STALE_H
#define RB_NET_LOOKUP_STALE_H

#include <stdbool.h>
#include <stdint.h>

#include "policy/target.h"

// The number of answers in the table, and of addresses in one answer. An answer with more addresses is cut.
enum { RB_STALE_ANSWERS = 256, RB_STALE_ADDRESSES = 16 };

// The function that the program called. It is part of the key, because the functions can return different addresses,
// flags and names for the same node.
enum rb_stale_kind {
    RB_STALE_ADDRINFO,      // getaddrinfo with hints
    RB_STALE_ADDRINFO_BARE, // getaddrinfo without hints (NULL)
    RB_STALE_HOSTENT        // gethostbyname and related functions
};

// The key of an answer. Service, socket type and protocol do not change the addresses, so they are not part of it.
struct rb_stale_key {
    const char *node; // compared without regard to case
    enum rb_stale_kind kind;
    int family; // as requested by the program
    int flags;  // as requested by the program
};

struct rb_stale_address {
    uint32_t family; // AF_INET or AF_INET6
    uint32_t scope;  // sin6_scope_id; 0 for AF_INET
    uint8_t bytes[16];
};

struct rb_stale_answer {
    uint64_t learned_ms; // time of the lookup in ms, on the clock of now_ms in rb_stale_get
    uint32_t count;
    int32_t flags; // ai_flags of the answer
    struct rb_stale_address addresses[RB_STALE_ADDRESSES];
    char name[RB_NAME_SIZE]; // canonical name, "" if it was not requested
};

// Stores an answer. Overwrites the answer with the same key. Otherwise takes a free one of the few entries that the key
// can be in, or overwrites the oldest of them. Does nothing if key->node has RB_NAME_SIZE bytes or more.
void rb_stale_put(const struct rb_stale_key *key, const struct rb_stale_answer *answer);

// Finds the answer with this key. Returns false if there is none, or if the answer is older than max_age_ms. Writes
// *answer also for an answer that is too old.
bool rb_stale_get(const struct rb_stale_key *key, uint64_t now_ms, uint64_t max_age_ms, struct rb_stale_answer *answer);

#endif

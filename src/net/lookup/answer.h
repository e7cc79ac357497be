// SPDX-License-Identifier: MIT
// Answers to lookups, between the form in which they are kept and the forms in which programs get them.
#ifndef RB_NET_ANSWER_H
#define RB_NET_ANSWER_H

#include <netdb.h>

#include "net/lookup/stale.h"

// Reads the distinct addresses, in their order. Return false when there is none, or a name is too long to keep.
bool rb_answer_from_addrinfo(struct rb_stale_answer *answer, const struct addrinfo *list);
bool rb_answer_from_hostent(struct rb_stale_answer *answer, const struct hostent *entry);

// Makes the list that getaddrinfo would make of these addresses for the program's service and hints (may be NULL).
// libc itself makes it, one address at a time, so that its freeaddrinfo takes it back, whole or in parts. Only glibc
// frees element by element; the others free what was made at once, and get the first address alone. Returns NULL where
// it cannot be made: no memory, a service that is not known, or a canonical name that only glibc lets be replaced.
struct addrinfo *rb_answer_to_addrinfo(const struct rb_stale_answer *answer, const char *service,
                                       const struct addrinfo *hints);

// Fills in `entry`, with all that it points to in `buffer`. Returns false when that is too small.
bool rb_answer_to_hostent(const struct rb_stale_answer *answer, struct hostent *entry, char *buffer, size_t size);

#endif

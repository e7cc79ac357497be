// SPDX-License-Identifier: MIT
// Converts results of lookups between the form that is kept (struct rb_stale_answer) and the forms of libc.
#ifndef RB_NET_LOOKUP_ANSWER_H
#define RB_NET_LOOKUP_ANSWER_H

#include <netdb.h>

#include "net/lookup/stale.h"

// Read the distinct addresses in order. Return false if there is none, or if a name is too long to keep.
bool rb_answer_from_addrinfo(struct rb_stale_answer *answer, const struct addrinfo *list);
bool rb_answer_from_hostent(struct rb_stale_answer *answer, const struct hostent *entry);

// Makes the list that getaddrinfo would return for these addresses. libc makes each element, so that the program can
// free the list with freeaddrinfo. Only glibc frees lists element by element; other libcs get only the first address.
// Returns NULL without memory, for an unknown service, or if a canonical name is requested outside glibc, which cannot
// be replaced there.
//   service, hints: as the program gave them; may be NULL
struct addrinfo *rb_answer_to_addrinfo(const struct rb_stale_answer *answer, const char *service,
                                       const struct addrinfo *hints);

// Fills in `entry`. Everything it points to lies in `buffer`. Returns false when the buffer is too small.
bool rb_answer_to_hostent(const struct rb_stale_answer *answer, struct hostent *entry, char *buffer, size_t size);

#endif

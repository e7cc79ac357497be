// SPDX-License-Identifier: MIT
// Remembers which name the program looked up to get an address, and whether the address was the last one of its lookup
// ("last candidate").
//
// Forked children share the table until the effective user changes; then the process continues with a private copy.
//
// The table has a fixed size and is read in the hooks of connect(2). It needs no allocation and no lock. If two writers
// collide, one entry is lost. An entry that is being written counts as absent.
#ifndef RB_NET_LOOKUP_NAMES_H
#define RB_NET_LOOKUP_NAMES_H

#include <netdb.h>

#include "policy/target.h"

enum { RB_NAMES_COUNT = 1024 };

// Creates the table for this process and its future children, if there is none. Called before a fork; otherwise the
// first lookup creates the table. Without memory, no names are recorded.
void rb_names_start(void);

// True for an address literal, with or without a scope (fe80::1%eth0). It needs no resolver.
bool rb_names_is_numeric(const char *node);

// Records the result of getaddrinfo(node). Each address gets the name; the last distinct address is the last candidate.
// A numeric node records that the address has no name.
void rb_names_learn_addrinfo(const char *node, const struct addrinfo *list);

// Records the result of gethostbyname and related functions.
void rb_names_learn_hostent(const char *node, const struct hostent *entry);

// Finds the entry for the target's address. Writes the name (RB_NAME_SIZE bytes, "" for none) and whether the address
// is the last candidate. Returns false if no lookup returned this address.
bool rb_names_find(const struct rb_target *target, char *name, bool *last);

#endif

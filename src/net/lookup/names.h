// SPDX-License-Identifier: MIT
// Which name the program looked up to get an address, and whether that address was its lookup's last candidate.
//
// The table is shared with the children that the process forks, until the effective user changes: then the process goes
// on with a copy.
//
// A fixed table, read from connect(2) hooks: no allocation, no lock; a clash of two writers loses one
// entry, and an entry seen half-written counts as absent.
#ifndef RB_NET_NAMES_H
#define RB_NET_NAMES_H

#include <netdb.h>

#include "policy/target.h"

enum { RB_NAMES_COUNT = 1024 };

// Makes the table where there is none, for this process and the children that it forks from then on. Called before a
// fork; without that the table is made with the first lookup. Without memory nothing is learnt.
void rb_names_start(void);

// Learns the result of getaddrinfo(node): each address gets the name; the last distinct one is the last candidate. A
// numeric node teaches that its address has no name.
void rb_names_learn_addrinfo(const char *node, const struct addrinfo *list);

// The same for gethostbyname and its kin.
void rb_names_learn_hostent(const char *node, const struct hostent *entry);

// What is known of the target's address. Writes the name (RB_NAME_SIZE bytes, "" for none) and returns true when the
// address was the result of a lookup; *last then tells whether it was the last candidate. Returns false otherwise.
bool rb_names_find(const struct rb_target *target, char *name, bool *last);

#endif

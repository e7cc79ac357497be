// SPDX-License-Identifier: MIT
// Keeps the table of flights up to date when descriptors are closed or duplicated.
#ifndef RB_NET_PARK_NAME_H
#define RB_NET_PARK_NAME_H

// Call before a descriptor is closed, for every descriptor. Does nothing in a vfork child, which has its own
// descriptors. Keeps errno.
void rb_name_closing(int fd);

// Call before fd is duplicated to the number `copy`. If `copy` is open, dup2 closes it, so this does the same as
// rb_name_closing(copy).
void rb_name_replacing(int fd, int copy);

// Call after fd was duplicated. copy: the new descriptor, or -1 if the call failed. Returns copy. Keeps errno.
int rb_name_copied(int fd, int copy);

#endif

// SPDX-License-Identifier: MIT
// Numbers of sockets that the program gives back, or makes two of one.
#ifndef RB_NET_NAME_H
#define RB_NET_NAME_H

// A descriptor is about to be closed. For every descriptor; does nothing in a vfork child, whose descriptors are its
// own. Keeps errno.
void rb_name_closing(int fd);

// A descriptor is about to be duplicated to a number that may mean something: as rb_name_closing, where that is closed.
void rb_name_replacing(int fd, int copy);

// A descriptor was duplicated: `copy` is the result, -1: it failed. Returns it. Keeps errno.
int rb_name_copied(int fd, int copy);

#endif

// SPDX-License-Identifier: MIT
// Private to net/park. Which descriptors can only be in this process. If another process has the socket of a parked
// connect, that process sees no error and takes the connect for successful. So a connect is parked only if this process
// has made the socket itself, and no other process can have got it since.
#ifndef RB_NET_PARK_ORIGIN_H
#define RB_NET_PARK_ORIGIN_H

#include <stdbool.h>

// Records a descriptor that this process has made; or one that goes to another process or comes from there. The record
// of a closed descriptor stays: its number next belongs to another descriptor that this process has made, or comes from
// another process. All functions are lock-free and async-signal-safe, and keep errno.
void rb_origin_made(int fd);
void rb_origin_left(int fd);

// Records that `copy` is a duplicate of fd.
void rb_origin_copied(int fd, int copy);

// Another process gets copies of all descriptors (a fork), or of those without FD_CLOEXEC (a program is started).
void rb_origin_forking(void);
void rb_origin_starting(void);

// True when no other process can have the descriptor. Makes a system call after a program was started.
bool rb_origin_is_private(int fd);

// True when rb_origin_made was called for the descriptor, and rb_origin_left or rb_origin_forking was not called since.
bool rb_origin_is_own(int fd);

#endif

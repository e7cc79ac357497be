// SPDX-License-Identifier: MIT
// Calls that close or duplicate a descriptor, or change how its events reach the program.
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/ioctl.h>

#include "hook/hook.h"
#include "net/park.h"
#include "real/libc.h"
#include "wire/socket.h"

RB_HOOK int close(int fd)
{
    rb_link_close(fd);
    rb_park_closing(fd);
    return rb_libc_close(fd);
}

RB_HOOK int close_range(unsigned first, unsigned last, int flags)
{
    if (!(flags & CLOSE_RANGE_CLOEXEC)) {
        rb_link_close_range(first, last);
        rb_park_closing_range(first, last);
    }
    return rb_libc_close_range(first, last, flags);
}

RB_HOOK void closefrom(int first)
{
    rb_link_close_range(first > 0 ? (unsigned) first : 0, UINT_MAX);
    rb_park_closing_range(first > 0 ? (unsigned) first : 0, UINT_MAX);
    rb_libc_closefrom(first);
}

// A stream reads and writes inside libc, where no hook sees it.
RB_HOOK FILE *fdopen(int fd, const char *mode)
{
    rb_link_leave(fd);
    if (rb_park_on(fd))
        rb_park_leave(fd);
    return rb_libc_fdopen(fd, mode);
}

RB_HOOK int dup(int fd)
{
    rb_link_leave(fd);
    return rb_park_copied(fd, rb_libc_dup(fd));
}

RB_HOOK int dup2(int fd, int copy)
{
    rb_link_leave(fd);
    if (fd != copy)
        rb_link_close(copy);
    rb_park_replacing(fd, copy);
    return rb_park_copied(fd, rb_libc_dup2(fd, copy));
}

RB_HOOK int dup3(int fd, int copy, int flags)
{
    rb_link_leave(fd);
    if (fd != copy)
        rb_link_close(copy);
    rb_park_replacing(fd, copy);
    return rb_park_copied(fd, rb_libc_dup3(fd, copy, flags));
}

// fcntl and fcntl64 are the same for these commands.
static int control(int fd, int command, void *argument, int (*real)(int, int, void *))
{
    sigset_t saved;
    bool held = command == F_SETFL && rb_park_hold(fd, &saved);
    int result = real(fd, command, argument);
    if (held)
        rb_park_release(&saved);
    if (command == F_DUPFD || command == F_DUPFD_CLOEXEC) {
        rb_link_leave(fd);
        return rb_park_copied(fd, result);
    }
    bool asynchronous = command == F_SETFL && ((intptr_t) argument & O_ASYNC);
    if (asynchronous || command == F_SETOWN || command == F_SETOWN_EX || command == F_SETSIG)
        rb_link_leave(fd), rb_park_leave(fd); // a signal reports the socket's events from now on, also that it was left
    return result;
}

RB_HOOK int fcntl(int fd, int command, ...)
{
    va_list rest;
    va_start(rest, command);
    void *argument = va_arg(rest, void *);
    va_end(rest);
    return control(fd, command, argument, rb_libc_fcntl);
}

RB_HOOK int fcntl64(int fd, int command, ...)
{
    va_list rest;
    va_start(rest, command);
    void *argument = va_arg(rest, void *);
    va_end(rest);
    return control(fd, command, argument, rb_libc_fcntl64);
}

// libc declares ioctl as variadic, but a variadic function does not end in a jump. So the hook has a C name and
// parameters of its own, and the symbol of the function.
RB_HOOK int rb_hook_ioctl(int fd, unsigned long request, void *argument) __asm__("ioctl");

int rb_hook_ioctl(int fd, unsigned long request, void *argument)
{
    unsigned which = (unsigned) request; // an int in musl: the upper half of the register is undefined
    bool asynchronous = which == FIOASYNC || which == FIOSETOWN || which == SIOCSPGRP;
    sigset_t saved;
    if (which == FIONREAD && rb_link_on(fd))
        rb_wire_before_count(fd);
    if (__builtin_expect(!asynchronous && (which != FIONBIO || !rb_park_hold(fd, &saved)), true))
        return rb_libc_ioctl(fd, request, argument);
    int result = rb_libc_ioctl(fd, request, argument);
    if (asynchronous)
        rb_link_leave(fd), rb_park_leave(fd); // as for fcntl
    else
        rb_park_release(&saved);
    return result;
}

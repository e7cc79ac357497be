// SPDX-License-Identifier: MIT
// Calls that close or duplicate a descriptor.
#include <fcntl.h>
#include <stdarg.h>

#include "hook/hook.h"
#include "net/park.h"
#include "real/libc.h"

RB_HOOK int close(int fd)
{
    rb_park_closing(fd);
    return rb_libc_close(fd);
}

RB_HOOK int dup(int fd)
{
    return rb_park_copied(fd, rb_libc_dup(fd));
}

RB_HOOK int dup2(int fd, int copy)
{
    rb_park_replacing(fd, copy);
    return rb_park_copied(fd, rb_libc_dup2(fd, copy));
}

RB_HOOK int dup3(int fd, int copy, int flags)
{
    rb_park_replacing(fd, copy);
    return rb_park_copied(fd, rb_libc_dup3(fd, copy, flags));
}

static bool copies(int command)
{
    return command == F_DUPFD || command == F_DUPFD_CLOEXEC;
}

RB_HOOK int fcntl(int fd, int command, ...)
{
    va_list rest;
    va_start(rest, command);
    void *argument = va_arg(rest, void *);
    va_end(rest);
    int result = rb_libc_fcntl(fd, command, argument);
    return copies(command) ? rb_park_copied(fd, result) : result;
}

RB_HOOK int fcntl64(int fd, int command, ...)
{
    va_list rest;
    va_start(rest, command);
    void *argument = va_arg(rest, void *);
    va_end(rest);
    int result = rb_libc_fcntl64(fd, command, argument);
    return copies(command) ? rb_park_copied(fd, result) : result;
}

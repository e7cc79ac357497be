// SPDX-License-Identifier: MIT
// Calls that start a program. The program inherits descriptors without FD_CLOEXEC, and knows nothing of their parked
// connects. So such connects are given up first.
#include <stdarg.h>

#include "hook/hook.h"
#include "net/park.h"
#include "real/libc.h"
#include "wire/link.h"

static inline void before_start(void)
{
    rb_link_leave_inherited();
    rb_park_leave_all(RB_PARK_INHERITED);
}

// The actions can duplicate a descriptor in the child.
static inline void before_spawn(const posix_spawn_file_actions_t *actions)
{
    if (actions)
        rb_link_leave_all();
    before_start();
}

RB_HOOK int execv(const char *path, char *const arguments[])
{
    before_start();
    return rb_libc_execv(path, arguments);
}

RB_HOOK int execve(const char *path, char *const arguments[], char *const variables[])
{
    before_start();
    return rb_libc_execve(path, arguments, variables);
}

RB_HOOK int execveat(int directory, const char *path, char *const arguments[], char *const variables[], int flags)
{
    before_start();
    return rb_libc_execveat(directory, path, arguments, variables, flags);
}

RB_HOOK int execvp(const char *file, char *const arguments[])
{
    before_start();
    return rb_libc_execvp(file, arguments);
}

RB_HOOK int execvpe(const char *file, char *const arguments[], char *const variables[])
{
    before_start();
    return rb_libc_execvpe(file, arguments, variables);
}

RB_HOOK int fexecve(int fd, char *const arguments[], char *const variables[])
{
    before_start();
    return rb_libc_fexecve(fd, arguments, variables);
}

// Defines `arguments` with the arguments of a variadic hook and the NULL at their end. `rest` begins behind the NULL.
#define COLLECT(first)                                                                                                 \
    va_list rest;                                                                                                      \
    size_t count = 1;                                                                                                  \
    va_start(rest, first);                                                                                             \
    for (const char *argument = first; argument; argument = va_arg(rest, const char *))                                \
        count++;                                                                                                       \
    va_end(rest);                                                                                                      \
    char *arguments[count];                                                                                            \
    va_start(rest, first);                                                                                             \
    for (size_t i = 1; i < count; i++)                                                                                 \
        arguments[i] = va_arg(rest, char *);                                                                           \
    arguments[0] = (char *) first

RB_HOOK int execl(const char *path, const char *first, ...)
{
    COLLECT(first);
    va_end(rest);
    return execv(path, arguments);
}

RB_HOOK int execle(const char *path, const char *first, ...)
{
    COLLECT(first);
    char *const *variables = va_arg(rest, char *const *);
    va_end(rest);
    return execve(path, arguments, variables);
}

RB_HOOK int execlp(const char *file, const char *first, ...)
{
    COLLECT(first);
    va_end(rest);
    return execvp(file, arguments);
}

RB_HOOK int posix_spawn(pid_t *restrict process, const char *restrict path,
                        const posix_spawn_file_actions_t *restrict actions,
                        const posix_spawnattr_t *restrict attributes, char *const arguments[restrict],
                        char *const variables[restrict])
{
    before_spawn(actions);
    return rb_libc_posix_spawn(process, path, actions, attributes, arguments, variables);
}

RB_HOOK int posix_spawnp(pid_t *restrict process, const char *restrict file,
                         const posix_spawn_file_actions_t *restrict actions,
                         const posix_spawnattr_t *restrict attributes, char *const arguments[restrict],
                         char *const variables[restrict])
{
    before_spawn(actions);
    return rb_libc_posix_spawnp(process, file, actions, attributes, arguments, variables);
}

RB_HOOK int pidfd_spawn(int *restrict pidfd, const char *restrict path,
                        const posix_spawn_file_actions_t *restrict actions,
                        const posix_spawnattr_t *restrict attributes, char *const arguments[restrict],
                        char *const variables[restrict])
{
    before_spawn(actions);
    return rb_libc_pidfd_spawn(pidfd, path, actions, attributes, arguments, variables);
}

RB_HOOK int pidfd_spawnp(int *restrict pidfd, const char *restrict file,
                         const posix_spawn_file_actions_t *restrict actions,
                         const posix_spawnattr_t *restrict attributes, char *const arguments[restrict],
                         char *const variables[restrict])
{
    before_spawn(actions);
    return rb_libc_pidfd_spawnp(pidfd, file, actions, attributes, arguments, variables);
}

RB_HOOK int system(const char *command)
{
    before_start();
    return rb_libc_system(command);
}

RB_HOOK FILE *popen(const char *command, const char *mode)
{
    before_start();
    return rb_libc_popen(command, mode);
}

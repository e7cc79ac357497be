// SPDX-License-Identifier: MIT
// Names of the system calls that the library makes, or that libc makes for it.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "calls.h"

#define ROW(name)                                                                                                      \
    {                                                                                                                  \
        SYS_##name, #name                                                                                              \
    }

static const struct {
    long number;
    const char *name;
} table[] = {
    ROW(brk),           ROW(clock_gettime),  ROW(clock_nanosleep),
    ROW(clone3),        ROW(close),          ROW(connect),
    ROW(dup),           ROW(epoll_ctl),      ROW(epoll_pwait),
    ROW(execve),        ROW(fallocate),      ROW(fchmod),
    ROW(fcntl),         ROW(flock),          ROW(fstat),
    ROW(ftruncate),     ROW(futex),          ROW(getcwd),
    ROW(getegid),       ROW(geteuid),        ROW(getpeername),
    ROW(getpid),        ROW(getppid),        ROW(getrandom),
    ROW(getresuid),     ROW(getsockname),    ROW(getsockopt),
    ROW(gettid),        ROW(getuid),         ROW(ioctl),
    ROW(kill),          ROW(linkat),         ROW(lseek),
    ROW(madvise),       ROW(mmap),           ROW(mprotect),
    ROW(mremap),        ROW(munmap),         ROW(nanosleep),
    ROW(newfstatat),    ROW(openat),         ROW(ppoll),
    ROW(prctl),         ROW(pread64),        ROW(prlimit64),
    ROW(pselect6),      ROW(read),           ROW(readlinkat),
    ROW(recvfrom),      ROW(recvmsg),        ROW(rt_sigaction),
    ROW(rt_sigpending), ROW(rt_sigprocmask), ROW(rt_sigtimedwait),
    ROW(sched_yield),   ROW(sendmsg),        ROW(sendto),
    ROW(setsockopt),    ROW(shutdown),       ROW(socket),
    ROW(statx),         ROW(timerfd_create), ROW(timerfd_settime),
    ROW(uname),         ROW(unlinkat),       ROW(write),
#ifdef SYS_poll // newer architectures have the variants above only
    ROW(epoll_wait),    ROW(poll),           ROW(select),
#endif
};

enum { CALLS = sizeof(table) / sizeof(table[0]) };

const char *calls_name(long number)
{
    static char text[24];
    for (unsigned i = 0; i < CALLS; i++)
        if (table[i].number == number)
            return table[i].name;
    snprintf(text, sizeof(text), "%ld", number);
    return text;
}

long calls_find(const char *name)
{
    for (unsigned i = 0; i < CALLS; i++)
        if (strcmp(table[i].name, name) == 0)
            return table[i].number;
    char *end;
    long number = strtol(name, &end, 10);
    return *name && !*end ? number : -1;
}

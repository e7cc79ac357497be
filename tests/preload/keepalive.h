// SPDX-License-Identifier: MIT
// The options that the keys socket.* set, for the tests of connects and of libcurl.
#ifndef RB_PRELOAD_KEEPALIVE_H
#define RB_PRELOAD_KEEPALIVE_H

#include "network.h"

#define KEEPALIVE "socket.keepalive=30s/10s/3\n"
#define TIMEOUT "socket.user_timeout=40s\n"
#define BOTH KEEPALIVE TIMEOUT

struct options {
    int on, idle, interval, count, timeout;
};

// The options by KEEPALIVE and TIMEOUT.
static const struct options ours = {1, 30, 10, 3, 40000};

static inline int option(int fd, int level, int name)
{
    int value = -1;
    socklen_t length = sizeof(value);
    CHECK_INT(getsockopt(fd, level, name, &value, &length), 0);
    return value;
}

static inline void set_option(int fd, int level, int name, int value)
{
    CHECK_INT(setsockopt(fd, level, name, &value, sizeof(value)), 0);
}

static inline struct options options_of(int fd)
{
    return (struct options){option(fd, SOL_SOCKET, SO_KEEPALIVE), option(fd, IPPROTO_TCP, TCP_KEEPIDLE),
                            option(fd, IPPROTO_TCP, TCP_KEEPINTVL), option(fd, IPPROTO_TCP, TCP_KEEPCNT),
                            option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT)};
}

static inline void check_options(int fd, const struct options *expected)
{
    struct options found = options_of(fd);
    CHECK_INT(found.on, expected->on);
    CHECK_INT(found.idle, expected->idle);
    CHECK_INT(found.interval, expected->interval);
    CHECK_INT(found.count, expected->count);
    CHECK_INT(found.timeout, expected->timeout);
}

// The options of a new socket: the defaults of the kernel.
static inline struct options none(void)
{
    int fd = stream();
    struct options found = options_of(fd);
    close(fd);
    return found;
}

static inline void check_untouched(int fd)
{
    struct options expected = none();
    check_options(fd, &expected);
}

#endif

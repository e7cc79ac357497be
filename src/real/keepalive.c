// SPDX-License-Identifier: MIT
// Sets the options of keepalive and TCP_USER_TIMEOUT.
#include "real/keepalive.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "real/kernel.h"
#include "real/system.h"

// One time of keepalive. The kernel's default is the one of its source code (include/net/tcp.h), or the administrator's
// in /proc.
struct keepalive_time {
    int option, built_in;
    const char *setting;
};

static const struct keepalive_time idle_time = {TCP_KEEPIDLE, 7200, "/proc/sys/net/ipv4/tcp_keepalive_time"},
                                   interval_time = {TCP_KEEPINTVL, 75, "/proc/sys/net/ipv4/tcp_keepalive_intvl"},
                                   count_time = {TCP_KEEPCNT, 9, "/proc/sys/net/ipv4/tcp_keepalive_probes"};

// Returns the value of an option, or -1.
static int read_option(int fd, int level, int option)
{
    int value = -1;
    socklen_t length = sizeof(value);
    return rb_kernel(SYS_getsockopt, fd, level, option, &value, &length) == 0 ? value : -1;
}

static void write_option(int fd, int level, int option, uint64_t number)
{
    int value = (int) number;
    rb_kernel(SYS_setsockopt, fd, level, option, &value, sizeof(value));
}

// A socket does not tell whether the program has set the option. So any value other than the default is the program's.
static void set_time(int fd, const struct keepalive_time *time, uint32_t wanted)
{
    int value = read_option(fd, IPPROTO_TCP, time->option);
    if (value == time->built_in || (value > 0 && rb_system_setting(time->setting) == (uint64_t) value))
        write_option(fd, IPPROTO_TCP, time->option, wanted);
}

void rb_keepalive_set(int fd, const struct rb_keepalive *wanted)
{
    if (read_option(fd, SOL_SOCKET, SO_PROTOCOL) != IPPROTO_TCP)
        return;
    if (wanted->idle_s != 0 && read_option(fd, SOL_SOCKET, SO_KEEPALIVE) == 0) {
        set_time(fd, &idle_time, wanted->idle_s);
        set_time(fd, &interval_time, wanted->interval_s);
        set_time(fd, &count_time, wanted->count);
        write_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    }
    if (wanted->user_timeout_ms != 0 && read_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT) == 0)
        write_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, wanted->user_timeout_ms);
}

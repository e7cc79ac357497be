// SPDX-License-Identifier: MIT
// Queries about one socket, and single connects with a limit.
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>

#include "net/socket.h"
#include "real/kernel.h"
#include "real/libc.h"
#include "real/pause.h"
#include "real/sandbox.h"
#include "real/system.h"

bool rb_socket_is_stream(int fd)
{
    int type = 0;
    socklen_t length = sizeof(type);
    return rb_kernel(SYS_getsockopt, fd, SOL_SOCKET, SO_TYPE, &type, &length) == 0 && type == SOCK_STREAM;
}

bool rb_socket_is_blocking(int fd)
{
    long flags = rb_kernel(SYS_fcntl, fd, F_GETFL, 0);
    return flags >= 0 && !(flags & O_NONBLOCK);
}

bool rb_socket_is_signalled(int fd)
{
    long flags = rb_kernel(SYS_fcntl, fd, F_GETFL, 0);
    return flags >= 0 && flags & O_ASYNC;
}

#ifndef TCP_FASTOPEN_CONNECT
#define TCP_FASTOPEN_CONNECT 30 // include/uapi/linux/tcp.h, since Linux 4.11
#endif

#ifndef SO_COOKIE
#define SO_COOKIE 57 // include/uapi/asm-generic/socket.h; on sparc and parisc the number differs, and getsockopt fails
#endif

uint64_t rb_socket_identity(int fd)
{
    uint64_t cookie = 0;
    socklen_t length = sizeof(cookie);
    return rb_kernel(SYS_getsockopt, fd, SOL_SOCKET, SO_COOKIE, &cookie, &length) == 0 ? cookie : 0;
}

bool rb_socket_is(int fd, uint64_t identity)
{
    uint64_t cookie = 0;
    socklen_t length = sizeof(cookie);
    long result = rb_kernel(SYS_getsockopt, fd, SOL_SOCKET, SO_COOKIE, &cookie, &length);
    return result == 0 ? cookie == identity : result != -EBADF && result != -ENOTSOCK;
}

// tcpi_state is the first byte of struct tcp_info. Sockets that are not TCP are connected if they have a peer.
bool rb_socket_can_connect(int fd)
{
    unsigned char state = TCP_CLOSE;
    struct sockaddr_storage peer;
    socklen_t state_length = sizeof(state), length = sizeof(peer);
    if (rb_kernel(SYS_getsockopt, fd, IPPROTO_TCP, TCP_INFO, &state, &state_length) == 0)
        return state == TCP_CLOSE;
    return rb_kernel(SYS_getpeername, fd, &peer, &length) != 0;
}

enum { MOST_ERRORS = 64 }; // upper limit of queued errors on one socket; each failed connect queues one or two

void rb_socket_forget_errors(int fd)
{
    struct msghdr message = {0};
    for (unsigned left = MOST_ERRORS; left > 0; left--)
        if (rb_kernel(SYS_recvmsg, fd, &message, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
            return;
}

void rb_socket_disconnect(int fd)
{
    struct sockaddr nobody = {.sa_family = AF_UNSPEC};
    int error;
    socklen_t length = sizeof(error);
    rb_socket_forget_errors(fd);
    rb_kernel(SYS_connect, fd, &nobody, sizeof(nobody));
    rb_kernel(SYS_getsockopt, fd, SOL_SOCKET, SO_ERROR, &error,
              &length); // clears the ECONNRESET of an aborted handshake
}

bool rb_socket_is_self_connected(int fd)
{
    struct sockaddr_storage own, peer;
    socklen_t own_length = sizeof(own), peer_length = sizeof(peer);
    memset(&own, 0, sizeof(own));
    memset(&peer, 0, sizeof(peer));
    if (rb_kernel(SYS_getsockname, fd, &own, &own_length) != 0 ||
        rb_kernel(SYS_getpeername, fd, &peer, &peer_length) != 0)
        return false;
    bool internet = own.ss_family == AF_INET || own.ss_family == AF_INET6;
    return internet && own_length == peer_length && memcmp(&own, &peer, own_length) == 0;
}

static int plain(int fd, const struct sockaddr *address, socklen_t length)
{
    return rb_libc_connect(fd, address, length) == 0 ? 0 : -errno;
}

// The value of SO_SNDTIMEO_OLD and SO_RCVTIMEO_OLD: two longs, even where libc's struct timeval has 64-bit fields.
struct time_limit {
    long seconds, microseconds;
};

#ifdef SO_SNDTIMEO_OLD
enum { SEND_LIMIT = SO_SNDTIMEO_OLD, RECEIVE_LIMIT = SO_RCVTIMEO_OLD };
#else
enum { SEND_LIMIT = SO_SNDTIMEO, RECEIVE_LIMIT = SO_RCVTIMEO };
#endif

// Returns false if fd is not a socket.
static bool read_limit(int fd, int option, struct time_limit *limit)
{
    socklen_t size = sizeof(*limit);
    return rb_kernel(SYS_getsockopt, fd, SOL_SOCKET, option, limit, &size) == 0;
}

static uint64_t limit_ms_of(int fd, int option)
{
    struct time_limit own;
    if (!read_limit(fd, option, &own) || own.seconds < 0)
        return 0;
    return (uint64_t) own.seconds * 1000 + ((uint64_t) own.microseconds + 999) / 1000;
}

uint64_t rb_socket_send_limit_ms(int fd)
{
    return limit_ms_of(fd, SEND_LIMIT);
}

uint64_t rb_socket_receive_limit_ms(int fd)
{
    return limit_ms_of(fd, RECEIVE_LIMIT);
}

// Calls connect(2) with SO_SNDTIMEO. With this option, connect returns EINTR after every signal, even if the handler
// has SA_RESTART. The handler that ran is unknown. If no handler lacks SA_RESTART, connect(2) is called again; on a
// socket in handshake, it waits until the handshake ends. If the program leaves connect by siglongjmp or by
// cancellation, the socket keeps this SO_SNDTIMEO.
//   restarts: the program's own SO_SNDTIMEO is not set, so a handler with SA_RESTART must not end the call
static int wait_within(int fd, const struct sockaddr *address, socklen_t length, uint64_t limit_ms, bool restarts)
{
    uint64_t now_ms = rb_system_now_ms(), until_ms = now_ms + limit_ms;
    int result;
    do {
        uint64_t left_ms = until_ms > now_ms ? until_ms - now_ms : 1;
        struct time_limit left = {(long) (left_ms / 1000), (long) (left_ms % 1000 * 1000)};
        if (rb_kernel(SYS_setsockopt, fd, SOL_SOCKET, SEND_LIMIT, &left, sizeof(left)) != 0)
            return plain(fd, address, length);
        result = plain(fd, address, length);
        now_ms = rb_system_now_ms();
    } while (result == -EINTR && restarts && !rb_sandbox_is_filtered() && rb_pause_all_restart());
    return result;
}

int rb_socket_connect(int fd, const struct sockaddr *address, socklen_t length, uint64_t limit_ms, uint64_t own_left_ms)
{
    struct time_limit own;
    uint64_t own_ms = limit_ms || own_left_ms ? rb_socket_send_limit_ms(fd) : 0;
    bool has_own = own_ms > 0, shortened = has_own && own_left_ms && own_left_ms < own_ms;
    own_ms = shortened ? own_left_ms : own_ms;
    bool own_ends = has_own && (limit_ms == 0 || own_ms <= limit_ms);
    if ((limit_ms == 0 && !shortened) || (own_ends && !shortened) || !read_limit(fd, SEND_LIMIT, &own))
        return plain(fd, address, length);
    int result = wait_within(fd, address, length, own_ends ? own_ms : limit_ms, !has_own);
    bool filtered = rb_sandbox_is_filtered(); // by another thread: the socket keeps this SO_SNDTIMEO
    if (!filtered)
        rb_kernel(SYS_setsockopt, fd, SOL_SOCKET, SEND_LIMIT, &own, sizeof(own));
    if (own_ends)
        return result;
    if (result == -EAGAIN &&
        address->sa_family == AF_UNIX) // the listener's backlog stayed full; no handshake needs to be aborted
        return -ETIMEDOUT;
    if (result != -EINPROGRESS && result != -EALREADY)
        return result;
    if (!filtered)
        rb_socket_disconnect(fd);
    return -ETIMEDOUT;
}

int rb_socket_connect_behind(int fd, const struct sockaddr *address, socklen_t length)
{
    long flags = rb_kernel(SYS_fcntl, fd, F_GETFL, 0);
    if (flags < 0 || rb_kernel(SYS_fcntl, fd, F_SETFL, flags | O_NONBLOCK) != 0)
        return plain(fd, address, length);
    int result = plain(fd, address, length);
    rb_kernel(SYS_fcntl, fd, F_SETFL, flags);
    return result == -EINPROGRESS ? -EINTR : result;
}

// If the socket could not be disconnected, the first connect(2) only ends the failed connect before it and returns
// ECONNABORTED. The next one connects.
int rb_socket_dial(int fd, const struct sockaddr *address, socklen_t length)
{
    long flags = rb_kernel(SYS_fcntl, fd, F_GETFL, 0);
    bool blocking = flags >= 0 && !(flags & O_NONBLOCK);
    if (flags < 0 || (blocking && rb_kernel(SYS_fcntl, fd, F_SETFL, flags | O_NONBLOCK) != 0))
        return -ECANCELED;
    long result = rb_kernel(SYS_connect, fd, address, length);
    if (result == -ECONNABORTED)
        result = rb_kernel(SYS_connect, fd, address, length);
    if (blocking)
        rb_kernel(SYS_fcntl, fd, F_SETFL, flags);
    return (int) result;
}

union own_address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

// Writes the socket's own address: the source of its last connect, or the address that the program bound. The kernel
// delivers packets for its own addresses locally. Returns false when the socket has no address yet.
static bool find_own(int fd, union own_address *own)
{
    socklen_t length = sizeof(*own);
    if (rb_kernel(SYS_getsockname, fd, &own->any, &length) != 0)
        return false;
    own->v4.sin_port = 0; // sin6_port is at the same offset
    if (own->any.sa_family == AF_INET6)
        return !IN6_IS_ADDR_UNSPECIFIED(&own->v6.sin6_addr);
    return own->any.sa_family == AF_INET && own->v4.sin_addr.s_addr != htonl(INADDR_ANY);
}

// The loopback address in the family of the peer. An IPv6 socket that connected to an IPv4-mapped address sends IPv4
// packets. Such a socket must use the IPv4-mapped loopback address; with ::1 it would wait for ever.
static union own_address loopback_like(const struct sockaddr *peer)
{
    static const uint8_t mapped[16] = {[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1};
    union own_address own = {.v4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}};
    if (peer->sa_family != AF_INET6)
        return own;
    own.v6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    if (IN6_IS_ADDR_V4MAPPED(&((const struct sockaddr_in6 *) (const void *) peer)->sin6_addr))
        memcpy(&own.v6.sin6_addr, mapped, sizeof(mapped));
    return own;
}

// Finds an address of this machine at which the kernel refuses a connect. The socket's own address is used if the
// socket is bound to an interface. Such a socket sends even loopback packets through that interface, so the kernel
// never refuses them. Returns false when the socket has no address yet.
static bool find_refusing(int fd, const struct sockaddr *peer, union own_address *to)
{
    char interface[IF_NAMESIZE];
    socklen_t length = sizeof(interface);
    bool bound = rb_kernel(SYS_getsockopt, fd, SOL_SOCKET, SO_BINDTODEVICE, interface, &length) == 0 && length > 0;
    if (bound)
        return find_own(fd, to);
    *to = loopback_like(peer);
    return true;
}

enum { REFUSAL_MS = 2 }; // longest wait for the refusal

int rb_socket_dial_refusal(int fd, const struct sockaddr *peer)
{
    union own_address to;
    int off = 0;
    if (!find_refusing(fd, peer, &to))
        return -EADDRNOTAVAIL;
    rb_socket_disconnect(fd);
    // With TCP_FASTOPEN_CONNECT, connect(2) to an address with a known cookie returns 0 and sends nothing (tcp(7)).
    rb_kernel(SYS_setsockopt, fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &off, sizeof(off));
    int result = rb_socket_dial(fd, &to.any, to.any.sa_family == AF_INET6 ? sizeof(to.v6) : sizeof(to.v4));
    if (result != -EINPROGRESS)
        return result;
    // Normally the refusal is ready when connect returns. The refusal can be late if another CPU processes the packets.
    // It never arrives if the loopback interface is down, or if the program has bound the socket to a foreign address
    // (IP_TRANSPARENT).
    int events = rb_socket_events(fd);
    if (events == 0 && rb_socket_wait(fd, REFUSAL_MS) == 0)
        events = rb_socket_events(fd);
    if (events & (POLLERR | POLLHUP))
        return -EINPROGRESS;
    rb_socket_disconnect(fd);
    return -ETIMEDOUT;
}

#ifdef SYS_poll
// Calls poll, which some sandboxes allow without ppoll.
static long poll_plainly(struct pollfd *p, const struct rb_kernel_time *limit)
{
    return rb_kernel(SYS_poll, p, 1, limit ? limit->seconds * 1000 + limit->nanoseconds / 1000000 : -1);
}
#else
static long poll_plainly(struct pollfd *p, const struct rb_kernel_time *limit)
{
    (void) p;
    (void) limit;
    return -ENOSYS;
}
#endif

// Calls ppoll, because every architecture has this system call.
//   limit: the kernel writes the remaining time here; NULL waits without limit
static int wait_for_events(int fd, struct rb_kernel_time *limit)
{
    struct pollfd p = {.fd = fd, .events = POLLIN | POLLOUT | POLLRDHUP};
    long result = rb_kernel(SYS_ppoll, &p, 1, limit, NULL, 0);
    if (result < 0 && result != -EINTR)
        result = poll_plainly(&p, limit);
    return result < 0 ? (int) result : p.revents;
}

// Even without a wait, ppoll returns EINTR instead of an event when a signal is pending.
int rb_socket_events(int fd)
{
    int events;
    do
        events = wait_for_events(fd, &(struct rb_kernel_time){0});
    while (events == -EINTR);
    return events > 0 ? events : 0;
}

int rb_socket_wait(int fd, int ms)
{
    struct rb_kernel_time limit = {.seconds = ms / 1000, .nanoseconds = ms % 1000 * 1000000L};
    return wait_for_events(fd, ms < 0 ? NULL : &limit) == -EINTR ? -EINTR : 0;
}

int rb_socket_take_error(int fd)
{
    int error = 0;
    socklen_t length = sizeof(error);
    return rb_kernel(SYS_getsockopt, fd, SOL_SOCKET, SO_ERROR, &error, &length) == 0 ? error : 0;
}

// Reads tcpi_bytes_acked (include/uapi/linux/tcp.h, since Linux 4.2; tcpEStatsAppHCThruOctetsAcked in RFC 4898).
// glibc's struct tcp_info ends before this field. An acknowledged SYN counts as one byte; a refusal acknowledges
// nothing.
bool rb_socket_was_connected(int fd)
{
    enum { BYTES_ACKED = 120 };
    unsigned char info[BYTES_ACKED + 8];
    uint64_t acked = 0;
    socklen_t length = sizeof(info);
    if (rb_kernel(SYS_getsockopt, fd, IPPROTO_TCP, TCP_INFO, info, &length) != 0 || length < sizeof(info))
        return false;
    memcpy(&acked, info + BYTES_ACKED, sizeof(acked));
    return acked > 0;
}

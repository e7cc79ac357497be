// SPDX-License-Identifier: MIT
// connect, and calls by which a program learns the result of a non-blocking connect or uses the socket.
#include "net/socket.h"
#include <errno.h>

#include "hook/hook.h"
#include "net/connect.h"
#include "net/park.h"
#include "net/rights.h"
#include "real/libc.h"
#include "real/libcurl.h"
#include "real/memory.h"
#include "wire/socket.h"

// Returns the policy for a connect; NULL: pass through. Connects of libcurl pass through, because their whole transfer
// is repeated.
static inline const struct rb_policy *policy_for(int fd, const void *caller)
{
    if (rb_process_is_undecided() && !rb_socket_is_stream(fd))
        return NULL; // a policy only concerns stream sockets, so do not read one
    const struct rb_policy *policy = rb_hook_passes() ? NULL : rb_process_policy();
    return policy && !rb_libcurl_contains(caller) ? policy : NULL;
}

RB_HOOK int socket(int family, int type, int protocol)
{
    return rb_park_made(rb_libc_socket(family, type, protocol));
}

RB_HOOK int connect(int fd, const struct sockaddr *address, socklen_t length)
{
    if (rb_link_on(fd)) {
        bool asks = rb_link_repeats(fd, address, length);
        int result = asks ? rb_libc_connect(fd, address, length) : -1;
        if (asks && (result == 0 || errno == EISCONN))
            return result;
        rb_link_close(fd);
        if (asks)
            return result;
    }
    const struct rb_policy *policy = policy_for(fd, RB_CALLER);
    if (!policy)
        return rb_libc_connect(fd, address, length);
    return rb_net_connect(fd, address, length, policy);
}

RB_HOOK int getsockopt(int fd, int level, int option, void *restrict value, socklen_t *restrict length)
{
    if (option != SO_ERROR || level != SOL_SOCKET || (!rb_park_on(fd) && !rb_sandbox_is_filtered()))
        return rb_libc_getsockopt(fd, level, option, value, length);
    return rb_park_error(fd, value, length);
}

RB_HOOK int shutdown(int fd, int how)
{
    rb_link_leave(fd); // a connection that is made again would not be shut down
    return rb_park_on(fd) ? rb_park_shutdown(fd, how) : rb_libc_shutdown(fd, how);
}

// Makes a call that reads or writes. While a connect is in flight on the socket, the kernel is called only if
// rb_park_before_io allows it.
#define IO(fd, flags, call)                                                                                            \
    (!rb_park_on(fd) ? (call) : !rb_park_before_io(fd, flags) ? -1 : rb_park_after_io(fd, (call)))

// Makes a call that reads or writes a link.
//   before: rb_wire_before_read or rb_wire_before_write
#define READ(fd, flags, parts, count, call)                                                                            \
    if (rb_link_on(fd)) {                                                                                              \
        struct rb_wire_io io;                                                                                          \
        ssize_t got;                                                                                                   \
        const struct iovec *list = (parts); /* lives in this block, unlike a literal in a condition */                 \
        if (!rb_wire_before_read(&io, fd, list, count, flags, &got))                                                   \
            return got;                                                                                                \
        got = IO(fd, flags, call);                                                                                     \
        return rb_wire_after_read(&io, got);                                                                           \
    }                                                                                                                  \
    return IO(fd, flags, call)

#define WRITE(fd, flags, parts, count, call)                                                                           \
    if (rb_link_on(fd)) {                                                                                              \
        struct rb_wire_io io;                                                                                          \
        ssize_t put;                                                                                                   \
        const struct iovec *list = (parts); /* as for reads */                                                         \
        if (!rb_wire_before_write(&io, fd, list, count, flags, &put))                                                  \
            return put;                                                                                                \
        put = IO(fd, flags, call);                                                                                     \
        return rb_wire_after_write(&io, put);                                                                          \
    }                                                                                                                  \
    return IO(fd, flags, call)

#define PART(buffer, length) (&(struct iovec){(void *) (buffer), length})

// Makes a call that the library does not follow on a link.
#define PAST(fd, flags, call) (rb_link_on(fd) ? rb_link_leave(fd) : (void) 0, IO(fd, flags, call))

RB_HOOK ssize_t read(int fd, void *buffer, size_t length)
{
    READ(fd, 0, PART(buffer, length), 1, rb_libc_read(fd, buffer, length));
}

RB_HOOK ssize_t __read_chk(int fd, void *buffer, size_t length, size_t size)
{
    READ(fd, 0, PART(buffer, length), 1, rb_libc___read_chk(fd, buffer, length, size));
}

RB_HOOK ssize_t readv(int fd, const struct iovec *parts, int count)
{
    READ(fd, 0, parts, (size_t) count, rb_libc_readv(fd, parts, count));
}

RB_HOOK ssize_t recv(int fd, void *buffer, size_t length, int flags)
{
    READ(fd, flags, PART(buffer, length), 1, rb_libc_recv(fd, buffer, length, flags));
}

RB_HOOK ssize_t __recv_chk(int fd, void *buffer, size_t length, size_t size, int flags)
{
    READ(fd, flags, PART(buffer, length), 1, rb_libc___recv_chk(fd, buffer, length, size, flags));
}

RB_HOOK ssize_t recvfrom(int fd, void *restrict buffer, size_t length, int flags, struct sockaddr *restrict address,
                         socklen_t *restrict address_length)
{
    READ(fd, flags, PART(buffer, length), 1, rb_libc_recvfrom(fd, buffer, length, flags, address, address_length));
}

RB_HOOK ssize_t __recvfrom_chk(int fd, void *restrict buffer, size_t length, size_t size, int flags,
                               struct sockaddr *restrict address, socklen_t *restrict address_length)
{
    READ(fd, flags, PART(buffer, length), 1,
         rb_libc___recvfrom_chk(fd, buffer, length, size, flags, address, address_length));
}

static __attribute__((noinline)) ssize_t receive_message(int fd, struct msghdr *message, int flags)
{
    if (rb_link_on(fd) && !rb_memory_is_readable(message, sizeof(*message)))
        rb_link_leave(fd);
    READ(fd, flags, message->msg_iov, message->msg_iovlen, rb_libc_recvmsg(fd, message, flags));
}

RB_HOOK ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
    ssize_t result = receive_message(fd, message, flags);
    if (result >= 0)
        rb_rights_visit_done(message, rb_park_shared);
    return result;
}

RB_HOOK int recvmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags, struct timespec *timeout)
{
    int result = (int) PAST(fd, flags, rb_libc_recvmmsg(fd, messages, count, flags, timeout));
    for (int i = 0; i < result; i++)
        rb_rights_visit_done(&messages[i].msg_hdr, rb_park_shared);
    return result;
}

// preadv and pwritev need no hook: they fail with ESPIPE on every socket. With the offset -1, preadv2 and pwritev2 read
// and write like readv and writev.
#define FLAGS(flags) ((flags) &RWF_NOWAIT ? MSG_DONTWAIT : 0)

RB_HOOK ssize_t preadv2(int fd, const struct iovec *parts, int count, off_t offset, int flags)
{
    READ(fd, FLAGS(flags), parts, (size_t) count, rb_libc_preadv2(fd, parts, count, offset, flags));
}

RB_HOOK ssize_t preadv64v2(int fd, const struct iovec *parts, int count, off64_t offset, int flags)
{
    READ(fd, FLAGS(flags), parts, (size_t) count, rb_libc_preadv64v2(fd, parts, count, offset, flags));
}

RB_HOOK ssize_t pwritev2(int fd, const struct iovec *parts, int count, off_t offset, int flags)
{
    WRITE(fd, FLAGS(flags), parts, (size_t) count, rb_libc_pwritev2(fd, parts, count, offset, flags));
}

RB_HOOK ssize_t pwritev64v2(int fd, const struct iovec *parts, int count, off64_t offset, int flags)
{
    WRITE(fd, FLAGS(flags), parts, (size_t) count, rb_libc_pwritev64v2(fd, parts, count, offset, flags));
}

// One of the two descriptors is a pipe.
RB_HOOK ssize_t splice(int in, off64_t *in_offset, int out, off64_t *out_offset, size_t length, unsigned flags)
{
    int fd = rb_park_on(out) ? out : in;
    if (rb_link_on(out))
        rb_link_leave(out);
    return PAST(fd, 0, rb_libc_splice(in, in_offset, out, out_offset, length, flags));
}

RB_HOOK ssize_t sendfile(int out, int in, off_t *offset, size_t count)
{
    return PAST(out, 0, rb_libc_sendfile(out, in, offset, count));
}

RB_HOOK ssize_t sendfile64(int out, int in, off64_t *offset, size_t count)
{
    return PAST(out, 0, rb_libc_sendfile64(out, in, offset, count));
}

RB_HOOK int vdprintf(int fd, const char *format, va_list list)
{
    return (int) PAST(fd, 0, rb_libc_vdprintf(fd, format, list));
}

RB_HOOK int __vdprintf_chk(int fd, int flag, const char *format, va_list list)
{
    return (int) PAST(fd, 0, rb_libc___vdprintf_chk(fd, flag, format, list));
}

RB_HOOK int dprintf(int fd, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    int result = vdprintf(fd, format, list);
    va_end(list);
    return result;
}

RB_HOOK int __dprintf_chk(int fd, int flag, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    int result = __vdprintf_chk(fd, flag, format, list);
    va_end(list);
    return result;
}

RB_HOOK ssize_t write(int fd, const void *buffer, size_t length)
{
    WRITE(fd, 0, PART(buffer, length), 1, rb_libc_write(fd, buffer, length));
}

RB_HOOK ssize_t writev(int fd, const struct iovec *parts, int count)
{
    WRITE(fd, 0, parts, (size_t) count, rb_libc_writev(fd, parts, count));
}

RB_HOOK ssize_t send(int fd, const void *buffer, size_t length, int flags)
{
    WRITE(fd, flags, PART(buffer, length), 1, rb_libc_send(fd, buffer, length, flags));
}

static __attribute__((noinline)) ssize_t send_message(int fd, const struct msghdr *message, int flags)
{
    if (rb_link_on(fd) && !rb_memory_is_readable(message, sizeof(*message)))
        rb_link_leave(fd);
    WRITE(fd, flags, message->msg_iov, message->msg_iovlen, rb_libc_sendmsg(fd, message, flags));
}

RB_HOOK ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    if (rb_park_any())
        rb_rights_visit(message, rb_park_leave);
    if (atomic_load_explicit(&rb_link_count, memory_order_relaxed) > 0)
        rb_rights_visit(message, rb_link_leave);
    ssize_t result = send_message(fd, message, flags);
    if (result >= 0)
        rb_rights_visit_done(message, rb_park_shared);
    return result;
}

RB_HOOK int sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags)
{
    if (rb_park_any())
        rb_rights_visit_all(messages, count, rb_park_leave);
    if (atomic_load_explicit(&rb_link_count, memory_order_relaxed) > 0)
        rb_rights_visit_all(messages, count, rb_link_leave);
    int result = (int) PAST(fd, flags, rb_libc_sendmmsg(fd, messages, count, flags));
    for (int i = 0; i < result; i++)
        rb_rights_visit_done(&messages[i].msg_hdr, rb_park_shared);
    return result;
}

static __attribute__((noinline)) ssize_t send_to(int fd, const void *buffer, size_t length, int flags,
                                                 const struct sockaddr *address, socklen_t address_length)
{
    WRITE(fd, flags, PART(buffer, length), 1, rb_libc_sendto(fd, buffer, length, flags, address, address_length));
}

// The data that was sent with the connect is the beginning of a request. Returns `length`. Keeps errno.
static __attribute__((noinline)) ssize_t follow_first(int fd, const void *buffer, ssize_t length)
{
    struct rb_wire_io io;
    ssize_t put;
    const struct iovec part = {(void *) buffer, (size_t) length};
    if (rb_wire_before_write(&io, fd, &part, 1, 0, &put))
        rb_wire_after_write(&io, length);
    return length;
}

RB_HOOK ssize_t sendto(int fd, const void *buffer, size_t length, int flags, const struct sockaddr *address,
                       socklen_t address_length)
{
    if (!(flags & MSG_FASTOPEN) || !address || rb_park_on(fd))
        return send_to(fd, buffer, length, flags, address, address_length);
    const struct rb_policy *policy = policy_for(fd, RB_CALLER);
    if (!policy)
        return rb_libc_sendto(fd, buffer, length, flags, address, address_length);
    ssize_t sent = rb_net_send_first(fd, buffer, length, flags, address, address_length, policy);
    return sent > 0 && rb_link_on(fd) ? follow_first(fd, buffer, sent) : sent;
}

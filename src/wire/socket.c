// SPDX-License-Identifier: MIT
// Plain sockets: hold a response, send the request again, connect again.
#include "wire/socket.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "base/arithmetic.h"
#include "net/park.h"
#include "net/socket.h"
#include "real/kernel.h"
#include "real/libc.h"
#include "real/memory.h"
#include "real/pause.h"
#include "real/sandbox.h"
#include "real/system.h"
#include "wire/exchange.h"
#include "wire/tls.h"

// FEW: descriptors of a wait in which a response is held. LIMIT_MS: a shorter wait is a tick of a loop, not a limit.
// CONNECT_MS: the limit of a connect that the program does not know of.
enum { FEW = 2, LIMIT_MS = 300, CONNECT_MS = 5000 };

// One wait of the program, or the wait of a blocking read.
struct link_wait {
    struct rb_link *link;
    struct pollfd fds[FEW];
    nfds_t count, own;    // own: the index of the link's descriptor
    uint64_t until_ms;    // the end of the wait; UINT64_MAX: none
    const sigset_t *mask; // of ppoll; NULL: none
    bool limits;          // the end of the wait is the program's own limit
    bool reads;           // the program reads from a blocking socket
};

// Makes waits report the socket only when it has `bytes` bytes, or has ended.
static void set_low_mark(const struct rb_link *link, size_t bytes)
{
    struct rb_exchange *x = link->exchange;
    int value = (int) bytes;
    uint32_t size = sizeof(x->low_mark);
    if (x->low_mark == 0)
        rb_kernel(SYS_getsockopt, link->fd, SOL_SOCKET, SO_RCVLOWAT, &x->low_mark, &size);
    rb_kernel(SYS_setsockopt, link->fd, SOL_SOCKET, SO_RCVLOWAT, &value, sizeof(value));
}

// Restores the program's mark.
static void restore_low_mark(const struct rb_link *link)
{
    struct rb_exchange *x = link->exchange;
    if (x->low_mark > 0)
        rb_kernel(SYS_setsockopt, link->fd, SOL_SOCKET, SO_RCVLOWAT, &x->low_mark, sizeof(x->low_mark));
    x->low_mark = 0;
}

// --- connect again

// Connects the socket to the same peer again. Returns 0 or a negative errno.
static int reconnect(struct rb_link *link, uint64_t until_ms)
{
    uint64_t now_ms = rb_system_now_ms();
    uint64_t left_ms = rb_arithmetic_min(CONNECT_MS, rb_arithmetic_sub(until_ms, now_ms));
    rb_socket_disconnect(link->fd);
    int result = rb_socket_dial(link->fd, &link->address.any, link->length);
    if (result == -EINPROGRESS) {
        struct pollfd p = {.fd = link->fd, .events = POLLOUT};
        result = rb_libc_poll(&p, 1, (int) left_ms) > 0 ? -rb_socket_take_error(link->fd) : -ETIMEDOUT;
    }
    if (result == 0 && rb_socket_is_self_connected(link->fd))
        result = -ECONNREFUSED;
    if (result != 0)
        rb_socket_disconnect(link->fd);
    else
        link->identity = rb_socket_identity(link->fd);
    return result;
}

// Returns true if the peer has closed or reset the connection, and nothing is left to read.
static bool is_stale(int fd)
{
    char byte;
    long got = rb_kernel(SYS_recvfrom, fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT, NULL, NULL);
    return got == 0 || got == -ECONNRESET || got == -EPIPE;
}

// --- give up

// The program does not wait until the request is due: it gets the response, which is in the kernel.
static void give_up_parked(struct rb_link *link)
{
    struct rb_exchange *x = link->exchange;
    rb_link_enter(link, RB_LINK_SENT);
    if (x->seen_length == 0 && x->broke > 0) // or the error that the library has taken from the socket
        x->error = x->broke;
    x->passes = true;
    x->seen_length = 0;
}

// --- send again

// Sends the kept request. Returns 0 or a negative errno.
static int resend_request(const struct rb_link *link, uint64_t until_ms)
{
    const struct rb_exchange *x = link->exchange;
    size_t sent = 0;
    while (sent < x->request_length) {
        long got = rb_kernel(SYS_sendto, link->fd, x->request + sent, x->request_length - sent,
                             MSG_NOSIGNAL | MSG_DONTWAIT, NULL, 0);
        uint64_t now_ms = rb_system_now_ms();
        struct pollfd p = {.fd = link->fd, .events = POLLOUT};
        if (got > 0)
            sent += (size_t) got;
        else if (got != -EAGAIN && got != -EINTR)
            return got == 0 ? -EPIPE : (int) got;
        else if (now_ms >= until_ms)
            return -ETIMEDOUT;
        else
            rb_libc_poll(&p, 1, (int) rb_arithmetic_min(until_ms - now_ms, CONNECT_MS));
    }
    return 0;
}

// The request is due. Returns false if the program must see the link now: its response, or the end of the connection.
static bool repeat_request(struct link_wait *w)
{
    struct rb_link *link = w->link;
    struct rb_exchange *x = link->exchange;
    uint64_t until_ms = rb_arithmetic_min(w->limits ? w->until_ms : UINT64_MAX, x->total_until_ms);
    bool hidden = x->seen_length > 0;
    if (!rb_socket_is(link->fd, link->identity) || !rb_exchange_again(link)) {
        give_up_parked(link);
        return false;
    }
    // The response was copied to `held`; now it leaves the kernel.
    if (hidden &&
        rb_kernel(SYS_recvfrom, link->fd, x->seen, x->held_length, MSG_DONTWAIT, NULL, NULL) != (long) x->held_length) {
        rb_kernel(SYS_shutdown, link->fd, SHUT_RDWR);
        rb_exchange_fall_back(link, RB_REASON_INTERRUPTED);
        return false;
    }
    int result = x->closes || !hidden || is_stale(link->fd) ? reconnect(link, until_ms) : 0;
    if (result == 0)
        result = resend_request(link, until_ms);
    if (result == -EPIPE || result == -ECONNRESET) {
        result = reconnect(link, until_ms);
        if (result == 0)
            result = resend_request(link, until_ms);
    }
    x->closes = false;
    if (result == 0)
        return true;
    rb_kernel(SYS_shutdown, link->fd, SHUT_RDWR);
    if (!rb_exchange_fall_back(link, RB_REASON_INTERRUPTED)) {
        x->error = -result;
        x->passes = true;
    }
    return false;
}

// --- examine

// The connection has ended before the first byte of a response. Returns true if the program must see the end.
static bool end_of_connection(struct link_wait *w, int error)
{
    struct rb_link *link = w->link;
    uint64_t until_ms = w->limits ? w->until_ms : UINT64_MAX;
    if (rb_exchange_broke(link, error, true, until_ms)) {
        rb_link_enter(link, RB_LINK_PARKED);
        return false;
    }
    if (!rb_exchange_fall_back(link, RB_REASON_NONE)) {
        link->exchange->error = error;
        link->exchange->passes = true;
    } else {
        rb_kernel(SYS_shutdown, link->fd, SHUT_RDWR);
    }
    return true;
}

// The link's descriptor is readable. Returns true if the program must see that.
static bool is_visible(struct link_wait *w, int events)
{
    struct rb_link *link = w->link;
    struct rb_exchange *x = link->exchange;
    bool ended = events & (POLLRDHUP | POLLHUP | POLLERR);
    if (!rb_exchange_may_hold(link))
        return true;
    long got = rb_kernel(SYS_recvfrom, link->fd, x->seen, sizeof(x->seen), MSG_PEEK | MSG_DONTWAIT, NULL, NULL);
    x->seen_length = got > 0 ? (size_t) got : 0;
    if (got == -EAGAIN || got == -EINTR)
        return false;
    if (got <= 0)
        return end_of_connection(w, (int) -got);
    switch (rb_exchange_look(link, ended, w->limits ? w->until_ms : UINT64_MAX)) {
    case RB_LOOK_RETRY:
        rb_link_enter(link, RB_LINK_PARKED);
        return false;
    case RB_LOOK_MORE:
        set_low_mark(link, link->exchange->seen_length + 1);
        return false;
    case RB_LOOK_PASS:
        break;
    }
    return true;
}

// --- the wait

// Waits in the kernel.
//   own: also for the link's descriptor
static int wait_in_kernel(struct link_wait *w, uint64_t until_ms, bool own)
{
    uint64_t now_ms = rb_system_now_ms(), left_ms = rb_arithmetic_sub(until_ms, now_ms);
    struct timespec left = {.tv_sec = (time_t) (left_ms / 1000), .tv_nsec = (long) (left_ms % 1000) * 1000000};
    struct pollfd fds[FEW];
    memcpy(fds, w->fds, w->count * sizeof(*fds));
    if (!own)
        fds[w->own].fd = -1;
    else
        fds[w->own].events |= POLLRDHUP;
    int ready = rb_libc_ppoll(fds, w->count, until_ms == UINT64_MAX ? NULL : &left, w->mask);
    for (nfds_t i = 0; i < w->count; i++)
        w->fds[i].revents = ready > 0 ? fds[i].revents : 0;
    if (ready > 0 && !(w->fds[w->own].events & POLLRDHUP))
        w->fds[w->own].revents &= ~POLLRDHUP;
    return ready;
}

// Waits in the kernel as the program's own read would: a handler ends the wait or not, and SO_RCVTIMEO holds. Returns 1
// if the socket has bytes or has ended, or -1. An error of the connection is left in *error.
static int wait_as_read(struct link_wait *w, int *error)
{
    char byte;
    *error = 0;
    w->fds[w->own].revents = POLLIN;
    if (rb_libc_recv(w->link->fd, &byte, 1, MSG_PEEK) >= 0)
        return 1;
    if (errno == EINTR || errno == EAGAIN)
        return -1;
    *error = errno;
    return 1;
}

// The program sees the descriptor now.
static int show(struct link_wait *w, bool hung_up)
{
    int ready = 0;
    w->fds[w->own].revents |= (short) (w->fds[w->own].events & (POLLIN | POLLRDNORM));
    if (hung_up)
        w->fds[w->own].revents |= POLLHUP;
    for (nfds_t i = 0; i < w->count; i++)
        ready += w->fds[i].revents != 0;
    return ready;
}

// The wait or the total time ends before the repeated request has an answer: the program gets the result of the attempt
// before.
static int show_previous(struct link_wait *w)
{
    struct rb_link *link = w->link;
    struct rb_exchange *x = link->exchange;
    if (!rb_exchange_fall_back(link, RB_REASON_TIME)) {
        x->error = x->broke > 0 ? x->broke : 0;
        x->passes = true;
    }
    rb_kernel(SYS_shutdown, link->fd, SHUT_RDWR);
    return show(w, true);
}

// Waits until the program must see something, or its wait ends. Returns the result of poll.
static int wait_for_response(struct link_wait *w)
{
    struct rb_link *link = w->link;
    struct rb_exchange *x = link->exchange;
    for (;;) {
        bool parked = link->state == RB_LINK_PARKED, marked = !parked && x->seen_length > 0;
        if (parked && w->limits && x->due_ms >= w->until_ms) {
            give_up_parked(link);
            return show(w, false);
        }
        bool repeated = !parked && (x->held_length > 0 || x->broke != 0); // an earlier result is lost
        uint64_t until_ms = parked ? rb_arithmetic_min(x->due_ms, w->until_ms) : w->until_ms;
        if (repeated)
            until_ms = rb_arithmetic_min(until_ms, x->total_until_ms);
        bool plain = w->reads && !parked && !repeated && !marked;
        int error = 0, ready = plain ? wait_as_read(w, &error) : wait_in_kernel(w, until_ms, !parked);
        if (marked)
            restore_low_mark(link);
        if (error) {
            if (end_of_connection(w, error))
                return show(w, true);
            continue;
        }
        if (ready < 0)
            return ready;
        if (parked && ready == 0 && rb_system_now_ms() >= x->due_ms) {
            if (!repeat_request(w))
                return show(w, link->state == RB_LINK_DELIVER);
            continue;
        }
        if (parked)
            return ready;
        if (ready == 0 && repeated && (w->limits || rb_system_now_ms() >= x->total_until_ms))
            return show_previous(w);
        if (ready == 0)
            return marked ? show(w, false) : 0; // a part of a response was hidden
        if (w->fds[w->own].revents == 0)
            return ready;
        if (is_visible(w, w->fds[w->own].revents))
            return show(w, link->state == RB_LINK_DELIVER);
    }
}

// --- reads

// Copies bytes to the buffers of a read. Returns their number.
static size_t scatter(const struct rb_wire_io *io, const char *bytes, size_t length)
{
    size_t done = 0;
    for (size_t i = 0; i < io->count && done < length; i++) {
        size_t part = io->parts[i].iov_len < length - done ? io->parts[i].iov_len : length - done;
        memcpy(io->parts[i].iov_base, bytes + done, part);
        done += part;
    }
    return done;
}

static bool buffers_are_readable(const struct iovec *parts, size_t count)
{
    if (!rb_memory_is_readable(parts, count * sizeof(*parts)))
        return false;
    for (size_t i = 0; i < count; i++)
        if (parts[i].iov_len > 0 && !rb_memory_is_readable(parts[i].iov_base, parts[i].iov_len))
            return false;
    return true;
}

// The program reads the response that was held, and then the end of the connection.
static ssize_t read_held(const struct rb_wire_io *io)
{
    struct rb_link *link = io->link;
    struct rb_exchange *x = link->exchange;
    size_t got = scatter(io, x->held + x->given, x->held_length - x->given);
    if (!(io->flags & MSG_PEEK))
        x->given += got;
    if (x->given < x->held_length || got > 0)
        return (ssize_t) got;
    rb_exchange_end(link);
    rb_link_enter(link, RB_LINK_ENDED);
    return 0;
}

// A read on a blocking socket waits for a response. Returns true if the program's own call is to be made.
static bool wait_in_read(struct rb_wire_io *io, int fd, ssize_t *result)
{
    struct rb_link *link = io->link;
    uint64_t limit_ms = rb_socket_receive_limit_ms(fd);
    struct link_wait w = {.link = link,
                          .fds = {{.fd = fd, .events = POLLIN}},
                          .count = 1,
                          .until_ms = UINT64_MAX,
                          .limits = true,
                          .reads = true};
    if (limit_ms > 0)
        w.until_ms = rb_system_now_ms() + limit_ms;
    int ready;
    do
        ready = wait_for_response(&w);
    while (ready < 0 && errno == EINTR && rb_pause_all_restart());
    if (link->state == RB_LINK_DELIVER) {
        *result = read_held(io);
        return false;
    }
    if (ready == 0 || (ready < 0 && errno == EINTR)) {
        if (ready == 0)
            errno = EAGAIN;
        if (link->exchange->held_length > 0 && rb_exchange_fall_back(link, RB_REASON_INTERRUPTED)) {
            rb_kernel(SYS_shutdown, fd, SHUT_RDWR);
            *result = read_held(io);
        } else if (link->state == RB_LINK_PARKED) {
            give_up_parked(link);
            return true;
        } else {
            *result = -1;
        }
        return false;
    }
    return true;
}

// A read on a non-blocking socket finds a response. The program gets EAGAIN if it will wait by a call that sends the
// request again. Returns true if the program's own call is to be made.
static bool look_in_read(const struct rb_wire_io *io, ssize_t *result)
{
    struct rb_link *link = io->link;
    struct link_wait w = {.link = link};
    bool hides = atomic_load_explicit(&link->wait, memory_order_relaxed) == RB_LINK_WAIT_FEW && !link->reported;
    if (!hides || rb_socket_events(link->fd) == 0 || is_visible(&w, 0))
        return true;
    restore_low_mark(link);
    link->exchange->seen_length = link->state == RB_LINK_PARKED ? link->exchange->seen_length : 0;
    errno = EAGAIN;
    *result = -1;
    return false;
}

static bool is_past_us(int flags)
{
    return (flags & (MSG_OOB | MSG_ERRQUEUE | MSG_TRUNC)) || rb_sandbox_is_filtered();
}

bool rb_wire_before_read(struct rb_wire_io *io, int fd, const struct iovec *parts, size_t count, int flags,
                         ssize_t *result)
{
    struct rb_link *claimed = rb_link_is_tls(fd) ? NULL : rb_link_claim(fd);
    *io = (struct rb_wire_io){.link = claimed, .parts = parts, .count = count, .flags = flags};
    struct rb_link *link = io->link;
    int saved = errno;
    bool makes = true;
    if (!link)
        return true;
    if (is_past_us(flags) || !buffers_are_readable(parts, count)) {
        rb_link_release(link);
        io->link = NULL;
        return true;
    }
    bool waits = !(flags & MSG_DONTWAIT) && rb_socket_is_blocking(fd);
    if (link->state == RB_LINK_ENDED) {
        *result = 0;
        makes = false;
    } else if (link->state == RB_LINK_DELIVER) {
        *result = read_held(io);
        makes = false;
    } else if (link->state == RB_LINK_PARKED && !waits) {
        give_up_parked(link);
    } else if (link->state == RB_LINK_PARKED || rb_exchange_may_hold(link)) {
        makes = waits ? wait_in_read(io, fd, result) : look_in_read(io, result);
    }
    if (link->exchange && link->exchange->error && makes && link->state != RB_LINK_DELIVER) {
        errno = link->exchange->error;
        *result = -1;
        rb_link_drop(link);
        return false;
    }
    if (makes || *result >= 0)
        errno = saved;
    if (!makes)
        rb_link_release(link);
    return makes;
}

ssize_t rb_wire_after_read(struct rb_wire_io *io, ssize_t result)
{
    struct rb_link *link = io->link;
    int saved = errno;
    if (!link)
        return result;
    bool followed = true;
    size_t left = result > 0 ? (size_t) result : 0;
    if (result == 0 && !(io->flags & MSG_PEEK))
        followed = rb_exchange_read(link, NULL, 0);
    for (size_t i = 0; i < io->count && left > 0 && followed && !(io->flags & MSG_PEEK); i++) {
        size_t part = io->parts[i].iov_len < left ? io->parts[i].iov_len : left;
        followed = part == 0 || rb_exchange_read(link, io->parts[i].iov_base, part);
        left -= part;
    }
    if (followed)
        rb_link_release(link);
    else
        rb_link_drop(link);
    errno = saved;
    return result;
}

// --- writes

void rb_wire_before_write(struct rb_wire_io *io, int fd, const struct iovec *parts, size_t count, int flags)
{
    struct rb_link *claimed = rb_link_is_tls(fd) ? NULL : rb_link_claim(fd);
    *io = (struct rb_wire_io){.link = claimed, .parts = parts, .count = count, .flags = flags};
    struct rb_link *link = io->link;
    int saved = errno;
    if (!link)
        return;
    if (is_past_us(flags)) {
        rb_link_release(link);
        io->link = NULL;
        return;
    }
    if (link->identity == 0)
        link->identity = rb_socket_identity(fd);
    bool begins = link->state == RB_LINK_IDLE && link->exchanges > 0;
    if ((link->state == RB_LINK_ENDED || begins) && is_stale(fd) && rb_socket_is(fd, link->identity) &&
        reconnect(link, UINT64_MAX) == 0) {
        rb_link_enter(link, RB_LINK_IDLE);
        link->exchanges = 0;
    }
    errno = saved;
}

ssize_t rb_wire_after_write(struct rb_wire_io *io, ssize_t result)
{
    struct rb_link *link = io->link;
    int saved = errno;
    if (!link)
        return result;
    // The head of a TLS record (RFC 8446, section 5.1): a handshake of version 3. wire/tls.c follows the connection.
    if (link->state == RB_LINK_IDLE && link->exchanges == 0 && result >= 3 && io->parts[0].iov_len >= 3 &&
        memcmp(io->parts[0].iov_base, "\x16\x03", 2) == 0) {
        atomic_store_explicit(&link->tls, true, memory_order_relaxed);
        rb_link_release(link);
        return result;
    }
    bool followed = true;
    size_t left = result > 0 ? (size_t) result : 0;
    for (size_t i = 0; i < io->count && left > 0 && followed; i++) {
        size_t part = io->parts[i].iov_len < left ? io->parts[i].iov_len : left;
        followed = rb_exchange_wrote(link, io->parts[i].iov_base, part);
        left -= part;
    }
    if (followed)
        rb_link_release(link);
    else
        rb_link_drop(link);
    errno = saved;
    return result;
}

// --- poll

// Notes how the program waits. Returns the index of a descriptor with a link, or -1.
static int note_waits(const struct pollfd *fds, nfds_t count)
{
    int found = -1;
    for (nfds_t i = 0; i < count; i++) {
        if (fds[i].fd < 0 || !rb_link_on(fds[i].fd))
            continue;
        rb_link_note_wait(fds[i].fd, count <= FEW ? RB_LINK_WAIT_FEW : RB_LINK_WAIT_LOOP);
        if (count <= FEW && (fds[i].events & (POLLIN | POLLRDNORM)))
            found = (int) i;
    }
    return found;
}

bool rb_wire_poll(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask, int *result)
{
    int saved = errno;
    if (count > INT_MAX || !rb_memory_is_readable(fds, count * sizeof(*fds)))
        return false;
    int own = note_waits(fds, count);
    bool sane =
        own >= 0 && (!timeout || (timeout->tv_sec >= 0 && timeout->tv_nsec >= 0 && timeout->tv_nsec < 1000000000));
    bool simple = sane && !rb_park_any() && !rb_sandbox_is_filtered();
    uint64_t now_ms = rb_system_now_ms(), until_ms = UINT64_MAX;
    if (sane && timeout)
        until_ms = rb_arithmetic_add(now_ms, (uint64_t) timeout->tv_sec * 1000 +
                                                 ((uint64_t) timeout->tv_nsec + 999999) / 1000000);
    bool limits = until_ms == UINT64_MAX || until_ms - now_ms >= LIMIT_MS;
    bool tls = sane && rb_link_is_tls(fds[own].fd);
    if (tls && rb_tls_poll(fds, count, (nfds_t) own, until_ms, limits, mask, result)) {
        errno = *result >= 0 ? saved : errno;
        return true;
    }
    struct rb_link *link = simple && !tls ? rb_link_claim(fds[own].fd) : NULL;
    if (!link) {
        if (own >= 0 && !simple) // the library cannot hide a response from this wait
            rb_link_note_wait(fds[own].fd, RB_LINK_WAIT_LOOP);
        return false;
    }
    if (link->state != RB_LINK_PARKED && !rb_exchange_may_hold(link)) {
        rb_link_release(link);
        return false;
    }
    struct link_wait w = {.link = link, .count = count, .own = (nfds_t) own, .until_ms = until_ms, .mask = mask};
    w.limits = limits;
    memcpy(w.fds, fds, count * sizeof(*fds));
    *result = wait_for_response(&w);
    for (nfds_t i = 0; i < count; i++)
        fds[i].revents = *result > 0 ? w.fds[i].revents : 0;
    if (*result > 0 && w.fds[own].revents)
        link->reported = true;
    rb_link_release(link);
    if (*result >= 0)
        errno = saved;
    return true;
}

// --- select

// The events of poll for each of the three sets of select.
static const struct {
    short asked, seen;
} set_events[] = {{POLLIN, POLLIN | POLLHUP | POLLERR}, {POLLOUT, POLLOUT | POLLERR}, {POLLPRI, POLLPRI}};

enum { SETS = sizeof(set_events) / sizeof(set_events[0]) };

// Writes the descriptors of the sets as an array for poll. Returns their number, which may exceed FEW; then only the
// first ones are written.
static nfds_t list_sets(int count, fd_set *const sets[SETS], struct pollfd fds[FEW])
{
    nfds_t found = 0;
    for (int fd = 0; fd < count; fd++) {
        short events = 0;
        for (unsigned i = 0; i < SETS; i++)
            if (sets[i] && FD_ISSET(fd, sets[i]))
                events |= set_events[i].asked;
        if (events && found < FEW)
            fds[found] = (struct pollfd){.fd = fd, .events = events};
        else if (events && rb_link_on(fd))
            rb_link_note_wait(fd, RB_LINK_WAIT_LOOP);
        found += events != 0;
    }
    return found;
}

// Writes the result of poll to the sets. Returns the number of events.
static int fill_sets(int count, fd_set *const sets[SETS], const struct pollfd *fds, nfds_t listed)
{
    int events = 0;
    for (unsigned i = 0; i < SETS; i++)
        for (int fd = 0; sets[i] && fd < count; fd++)
            FD_CLR(fd, sets[i]);
    for (nfds_t k = 0; k < listed; k++)
        for (unsigned i = 0; i < SETS; i++)
            if (sets[i] && (fds[k].events & set_events[i].asked) && (fds[k].revents & set_events[i].seen)) {
                FD_SET(fds[k].fd, sets[i]);
                events++;
            }
    return events;
}

bool rb_wire_select(int count, fd_set *reads, fd_set *writes, fd_set *excepts, const struct timespec *timeout,
                    const sigset_t *mask, int *result)
{
    fd_set *const sets[SETS] = {reads, writes, excepts};
    struct pollfd fds[FEW];
    bool readable = count > 0 && count <= FD_SETSIZE;
    for (unsigned i = 0; i < SETS && readable; i++)
        readable = !sets[i] || rb_memory_is_readable(sets[i], ((size_t) count + 7) / 8);
    nfds_t listed = readable ? list_sets(count, sets, fds) : 0;
    if (listed == 0 || listed > FEW || !rb_wire_poll(fds, listed, timeout, mask, result))
        return false;
    for (nfds_t k = 0; k < listed; k++)
        if (*result > 0 && (fds[k].revents & POLLNVAL)) {
            errno = EBADF;
            *result = -1;
        }
    if (*result >= 0)
        *result = fill_sets(count, sets, fds, listed);
    return true;
}

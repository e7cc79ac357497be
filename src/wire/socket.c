// SPDX-License-Identifier: MIT
// Plain sockets: hold a response, send the request again, connect again.
#include "wire/socket.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "base/arithmetic.h"
#include "net/park.h"
#include "net/socket.h"
#include "process/process.h"
#include "real/kernel.h"
#include "real/libc.h"
#include "real/memory.h"
#include "real/pause.h"
#include "real/sandbox.h"
#include "real/system.h"
#include "wire/async.h"
#include "wire/bio.h"
#include "wire/exchange.h"
#include "wire/loop.h"
#include "wire/mark.h"
#include "wire/redial.h"
#include "wire/tls.h"

// FEW: descriptors of a wait in which a response is held. LIMIT_MS: the end of a wait of this length is the
// program's limit. LOOK_MS: a shorter wait by poll is a look.
// WRITE_MS: how long a write waits for room at a time. COLLECT_MS: from the first byte of a response on, how long its
// other bytes are awaited. READ_EVENTS: the events that a hidden response causes.
enum { FEW = 2, LIMIT_MS = 300, LOOK_MS = 10, WRITE_MS = 5000, COLLECT_MS = 5000 };
enum { ENDS = POLLRDHUP | POLLHUP | POLLERR, READ_EVENTS = POLLIN | POLLRDNORM | ENDS };

// One wait of the program, or the wait of a blocking read.
struct link_wait {
    struct rb_link *link;
    struct pollfd fds[FEW];
    nfds_t count, own;    // own: the index of the link's descriptor
    uint64_t until_ms;    // the end of the wait; UINT64_MAX: none
    const sigset_t *mask; // of ppoll; NULL: none
    bool limits;          // the end of the wait is the program's own limit
    bool ended;           // the latest events say that the peer sends no further bytes
    bool deaf;            // the connection of a parked response has ended: its events are not awaited
    bool reads;           // the program reads from a blocking socket
    bool lost;            // another call has needed the link during the wait: it must not be used any more
};

// Looks at the next byte without a wait. Returns 1, 0 at the end of the stream, or a negative errno.
static long peek_byte(int fd)
{
    char byte;
    return rb_kernel(SYS_recvfrom, fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT, NULL, NULL);
}

// --- give up

void rb_wire_show_end(struct rb_link *link, enum rb_reason reason)
{
    struct rb_exchange *x = link->exchange;
    rb_loop_unpark(link);
    rb_kernel(SYS_shutdown, link->fd, SHUT_RDWR);
    if (rb_exchange_fall_back(link, reason))
        return;
    x->error = x->broke > 0 ? x->broke : 0;
    x->passes = true;
    if (x->error != 0)
        return;
    rb_exchange_end(link);
    rb_link_enter(link, RB_LINK_ENDED);
}

void rb_wire_give_up(struct rb_link *link)
{
    struct rb_exchange *x = link->exchange;
    bool responded = x->seen_length > 0;
    rb_exchange_give_up(link, RB_REASON_INTERRUPTED);
    rb_loop_unpark(link);
    rb_link_enter(link, RB_LINK_SENT);
    x->passes = true;
    x->seen_length = 0;
    if (!responded)
        rb_wire_show_end(link, RB_REASON_NONE);
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
            rb_libc_poll(&p, 1, (int) rb_arithmetic_min(until_ms - now_ms, WRITE_MS));
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
    if (rb_link_is_disturbed(link) || !rb_socket_is(link->fd, link->identity) || !rb_exchange_again(link)) {
        rb_wire_give_up(link);
        return false;
    }
    rb_loop_unpark(link); // an event loop may have parked the link; now this wait has it
    // The response was copied to `held`; now it leaves the kernel.
    if (hidden &&
        rb_kernel(SYS_recvfrom, link->fd, x->seen, x->held_length, MSG_DONTWAIT, NULL, NULL) != (long) x->held_length) {
        rb_wire_show_end(link, RB_REASON_INTERRUPTED);
        return false;
    }
    // Bytes that follow the response, such as a 400 before the server closes, do not answer the repeated request.
    int result = x->closes || !hidden || peek_byte(link->fd) != -EAGAIN ? rb_redial_link(link, until_ms) : 0;
    if (result == 0)
        result = resend_request(link, until_ms);
    if (result == -EPIPE || result == -ECONNRESET) {
        result = rb_redial_link(link, until_ms);
        if (result == 0)
            result = resend_request(link, until_ms);
    }
    x->closes = false;
    if (result == 0)
        return true;
    rb_wire_show_end(link, RB_REASON_INTERRUPTED);
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

// Examines the response, which stays in the kernel. Its start is enough if it is a success, so that its body is not
// copied. Returns the number of bytes, 0 at the end of the stream, or a negative errno.
//   look: receives the result if there are bytes
static long examine_in_kernel(struct rb_link *link, bool ended, uint64_t until_ms, enum rb_look *look)
{
    struct rb_exchange *x = link->exchange;
    for (bool start = x->first_byte_ms == 0;; start = false) {
        size_t size = start ? RB_EXCHANGE_START : sizeof(x->seen);
        long got = rb_kernel(SYS_recvfrom, link->fd, x->seen, size, MSG_PEEK | MSG_DONTWAIT, NULL, NULL);
        x->seen_length = got > 0 ? (size_t) got : 0;
        if (got <= 0)
            return got;
        *look = rb_exchange_look(link, ended && !start, until_ms);
        if (!start || *look != RB_LOOK_MORE)
            return got;
    }
}

// The link's descriptor is readable. Returns true if the program must see that.
static bool is_visible(struct link_wait *w)
{
    struct rb_link *link = w->link;
    enum rb_look look;
    if (!rb_exchange_may_hold(link))
        return true;
    long got = examine_in_kernel(link, w->ended, w->limits ? w->until_ms : UINT64_MAX, &look);
    if (got == -EAGAIN)
        return w->fds[w->own].revents & POLLERR; // such as a message in the error queue
    if (got == -EINTR)
        return false;
    if (got <= 0)
        return end_of_connection(w, (int) -got);
    switch (look) {
    case RB_LOOK_RETRY:
        rb_link_enter(link, RB_LINK_PARKED);
        return false;
    case RB_LOOK_MORE:
        rb_mark_set(link, link->exchange->seen_length + 1);
        return false;
    case RB_LOOK_PASS:
        break;
    }
    return true;
}

// --- the wait

static int count_events(const struct link_wait *w)
{
    int ready = 0;
    for (nfds_t i = 0; i < w->count; i++)
        ready += w->fds[i].revents != 0;
    return ready;
}

// Waits in the kernel. If `lost` is set afterwards, only the sign of the result is valid.
//   reads: also for the bytes of the link. Otherwise only for events that other threads may cause, such as a shutdown
static int wait_in_kernel(struct link_wait *w, uint64_t until_ms, bool reads)
{
    uint64_t now_ms = rb_system_now_ms(), left_ms = rb_arithmetic_sub(until_ms, now_ms);
    struct timespec left = {.tv_sec = (time_t) (left_ms / 1000), .tv_nsec = (long) (left_ms % 1000) * 1000000};
    struct pollfd fds[FEW], *own = &fds[w->own];
    memcpy(fds, w->fds, w->count * sizeof(*fds));
    own->events = (short) (reads ? own->events | POLLRDHUP : own->events & ~READ_EVENTS);
    if (w->deaf && !reads)
        own->fd = -1;
    uint32_t loan = rb_link_lend(w->link);
    int ready = rb_libc_ppoll(fds, w->count, until_ms == UINT64_MAX ? NULL : &left, w->mask);
    w->lost = !rb_link_regain(w->link, loan);
    for (nfds_t i = 0; i < w->count; i++)
        w->fds[i].revents = ready > 0 ? fds[i].revents : 0;
    w->ended = w->fds[w->own].revents & ENDS;
    if (!(w->fds[w->own].events & POLLRDHUP))
        w->fds[w->own].revents &= ~POLLRDHUP;
    return ready > 0 && !w->ended ? count_events(w) : ready;
}

// The program sees the descriptor now.
static int show(struct link_wait *w, bool hung_up)
{
    w->fds[w->own].revents |= (short) (w->fds[w->own].events & (POLLIN | POLLRDNORM));
    if (hung_up)
        w->fds[w->own].revents |= POLLHUP;
    return count_events(w);
}

// An event in the wait for the time of a parked response. Returns true if the program sees an event.
static bool ends_parked(struct link_wait *w)
{
    struct rb_link *link = w->link;
    if (w->ended && rb_link_is_disturbed(link)) { // another thread has shut the socket down
        rb_wire_give_up(link);
        show(w, true);
        return true;
    }
    w->deaf = w->deaf || w->ended;
    w->fds[w->own].revents &= ~READ_EVENTS;
    return count_events(w) > 0;
}

// The wait ends with a part of a response. Returns true if the program sees it.
static bool ends_partial(struct link_wait *w)
{
    struct rb_exchange *x = w->link->exchange;
    if (!w->limits && rb_system_now_ms() < rb_arithmetic_add(x->first_byte_ms, COLLECT_MS))
        return false;
    x->passes = true;
    x->seen_length = 0;
    return true;
}

// Returns the end of the next wait in the kernel.
static uint64_t next_end_ms(const struct link_wait *w, bool parked, bool marked, bool repeated)
{
    const struct rb_exchange *x = w->link->exchange;
    uint64_t until_ms = parked ? rb_arithmetic_min(x->due_ms, w->until_ms) : w->until_ms;
    if (repeated)
        until_ms = rb_arithmetic_min(until_ms, x->total_until_ms);
    if (marked)
        until_ms = rb_arithmetic_min(until_ms, rb_arithmetic_add(x->first_byte_ms, COLLECT_MS));
    return until_ms;
}

// Waits until the program must see something, or its wait ends. Returns the result of poll, or any value if `lost` is
// set.
static int wait_for_response(struct link_wait *w)
{
    struct rb_link *link = w->link;
    struct rb_exchange *x = link->exchange;
    for (;;) {
        bool parked = link->state == RB_LINK_PARKED, marked = !parked && x->seen_length > 0;
        if (parked && w->limits && x->due_ms >= w->until_ms) {
            rb_exchange_give_up(link, RB_REASON_TIME);
            rb_wire_give_up(link);
            return show(w, link->state != RB_LINK_SENT);
        }
        bool repeated = !parked && (x->held_length > 0 || x->broke != 0); // an earlier result is lost
        int ready = wait_in_kernel(w, next_end_ms(w, parked, marked, repeated), !parked);
        if (w->lost)
            return ready;
        if (marked)
            rb_mark_restore(link);
        if (ready < 0)
            return ready;
        if (parked && ready == 0 && rb_system_now_ms() >= x->due_ms) {
            if (!repeat_request(w))
                return show(w, link->state != RB_LINK_SENT);
            continue;
        }
        if (parked && ready > 0 && !ends_parked(w))
            continue;
        if (parked)
            return ready == 0 ? 0 : count_events(w);
        if (ready == 0 && repeated && (w->limits || rb_system_now_ms() >= x->total_until_ms)) {
            rb_wire_show_end(link, RB_REASON_TIME);
            return show(w, true);
        }
        if (ready == 0)
            return marked && ends_partial(w) ? show(w, false) : 0;
        if (!(w->fds[w->own].revents & READ_EVENTS) && !w->ended)
            return ready;
        if (is_visible(w))
            return show(w, link->state == RB_LINK_DELIVER);
        w->fds[w->own].revents &= ~READ_EVENTS;
        if (count_events(w) > 0)
            return count_events(w);
    }
}

// --- reads

// Copies bytes to the buffers of a read. Returns their number.
static size_t scatter(const struct rb_wire_io *io, const char *bytes, size_t length)
{
    size_t done = 0;
    for (size_t i = 0; i < io->count && done < length; i++) {
        size_t part = io->parts[i].iov_len < length - done ? io->parts[i].iov_len : length - done;
        if (part > 0) // an empty part may have no address
            memcpy(io->parts[i].iov_base, bytes + done, part);
        done += part;
    }
    return done;
}

// The program reads the response that was held, and then the end of the connection.
static ssize_t read_held(const struct rb_wire_io *io)
{
    struct rb_link *link = io->link;
    struct rb_exchange *x = link->exchange;
    for (size_t i = 0; i < io->count; i++)
        if (io->parts[i].iov_len > 0 && !rb_memory_is_readable(io->parts[i].iov_base, io->parts[i].iov_len)) {
            errno = EFAULT;
            return -1;
        }
    size_t got = scatter(io, x->held + x->given, x->held_length - x->given);
    if (!(io->flags & MSG_PEEK))
        x->given += got;
    if (x->given == x->held_length) { // the program may write the next request without reading the end
        rb_exchange_end(link);
        rb_link_enter(link, RB_LINK_ENDED);
    }
    return (ssize_t) got;
}

// Waits for the first bytes of a response as the program's own read does. Returns what a read of these bytes returns.
//   passes: receives true if a success begins, which the program may read
//   io->link: NULL afterwards if another call has taken the claim
static ssize_t await_start(struct rb_wire_io *io, bool *passes)
{
    struct rb_link *link = io->link;
    char start[RB_EXCHANGE_START];
    uint32_t loan = rb_link_lend(link);
    ssize_t got = rb_libc_recv(link->fd, start, sizeof(start), MSG_PEEK | (io->flags & MSG_DONTWAIT));
    int error = errno;
    if (!rb_link_regain(link, loan)) {
        io->link = NULL;
    } else if (got == RB_EXCHANGE_START) {
        struct rb_exchange *x = link->exchange;
        memcpy(x->seen, start, sizeof(start));
        x->seen_length = sizeof(start);
        *passes = rb_exchange_look(link, false, UINT64_MAX) == RB_LOOK_PASS;
        x->seen_length = 0;
    }
    errno = error;
    return got;
}

// A read on a blocking socket waits for a response. Returns true if the program's own call is to be made.
//   begun_ms: when the read began
//   error: the error of the connection, which the socket does not have any more; 0: none
static bool wait_in_read(struct rb_wire_io *io, uint64_t begun_ms, int error, ssize_t *result)
{
    struct rb_link *link = io->link;
    uint64_t limit_ms = rb_socket_receive_limit_ms(link->fd);
    struct link_wait w = {.link = link,
                          .fds = {{.fd = link->fd, .events = POLLIN}},
                          .count = 1,
                          .until_ms = limit_ms > 0 ? begun_ms + limit_ms : UINT64_MAX,
                          .limits = true,
                          .reads = true};
    if (error != 0 && end_of_connection(&w, error))
        return true;
    int ready;
    bool restarts;
    do {
        ready = wait_for_response(&w);
        restarts = ready < 0 && errno == EINTR && limit_ms == 0 && rb_pause_all_restart();
    } while (restarts && !w.lost);
    if (w.lost) {
        io->link = NULL;
        *result = -1;
        return ready >= 0 || errno != EINTR || restarts;
    }
    if (ready > 0 || (ready < 0 && errno != EINTR))
        return true;
    if (link->state == RB_LINK_PARKED)
        rb_wire_give_up(link);
    else if (link->exchange->held_length > 0)
        rb_wire_show_end(link, RB_REASON_INTERRUPTED);
    else {
        errno = ready == 0 ? EAGAIN : EINTR;
        *result = -1;
        return false;
    }
    return true;
}

// A read on a non-blocking socket finds a response. The program gets EAGAIN if it will wait by a call that sends the
// request again. Returns true if the program's own call is to be made.
//   error: as for wait_in_read
static bool look_in_read(const struct rb_wire_io *io, int error, ssize_t *result)
{
    struct rb_link *link = io->link;
    struct rb_exchange *x = link->exchange;
    bool hides = atomic_load_explicit(&link->wait, memory_order_relaxed) == RB_LINK_WAIT_FEW && !link->reported;
    short events = hides ? rb_socket_events(link->fd) : 0;
    struct link_wait w = {.link = link, .fds = {{.revents = events}}, .count = 1, .ended = events & ENDS};
    if (!hides) {
        x->error = error;
        return true;
    }
    if (error != 0 ? end_of_connection(&w, error) : events == 0 || is_visible(&w))
        return true;
    rb_mark_restore(link);
    x->seen_length = link->state == RB_LINK_PARKED ? x->seen_length : 0;
    errno = EAGAIN;
    *result = -1;
    return false;
}

// A read meets a response that may have to be repeated. Returns true if the program's own call is to be made.
static bool examine_in_read(struct rb_wire_io *io, ssize_t *result)
{
    struct rb_link *link = io->link;
    const struct rb_exchange *x = link->exchange;
    uint64_t begun_ms = rb_system_now_ms();
    bool fresh = link->state == RB_LINK_SENT && x->first_byte_ms == 0 && x->held_length == 0 && x->broke == 0;
    bool passes = false;
    ssize_t got = fresh ? await_start(io, &passes) : 0;
    int error = got < 0 ? errno : 0;
    if (passes || (!io->link && error == 0))
        return true;
    if (error == EAGAIN || error == EINTR || !io->link) { // as in the program's own read
        *result = -1;
        return false;
    }
    if (!(io->flags & MSG_DONTWAIT) && rb_socket_is_blocking(link->fd))
        return wait_in_read(io, begun_ms, error, result);
    if (link->state != RB_LINK_PARKED)
        return look_in_read(io, error, result);
    rb_wire_give_up(link);
    return true;
}

static bool is_past_us(int flags)
{
    return (flags & (MSG_OOB | MSG_ERRQUEUE | MSG_TRUNC)) || rb_sandbox_is_filtered();
}

bool rb_wire_before_read(struct rb_wire_io *io, int fd, const struct iovec *parts, size_t count, int flags,
                         ssize_t *result)
{
    int tls_fd = rb_link_is_tls(fd) ? fd : 0;
    *io = (struct rb_wire_io){.parts = parts, .count = count, .flags = flags, .tls_fd = tls_fd};
    io->link = tls_fd ? NULL : rb_link_claim(fd);
    struct rb_link *link = io->link;
    int saved = errno;
    bool makes = true;
    if (!link && rb_link_is_mute(fd)) {
        errno = EAGAIN;
        *result = -1;
        return false;
    }
    if (!link)
        return true;
    if (is_past_us(flags) || !rb_memory_is_readable(parts, count * sizeof(*parts))) {
        rb_link_drop(link);
        io->link = NULL;
        return true;
    }
    bool examines = link->state == RB_LINK_PARKED || rb_exchange_may_hold(link);
    if (atomic_load_explicit(&link->wait, memory_order_relaxed) < RB_LINK_WAIT_LOOP)
        makes = !examines || examine_in_read(io, result);
    else if (link->state == RB_LINK_PARKED) // a read of an event loop must not wait
        rb_wire_give_up(link);
    if (!io->link) {
        errno = makes ? saved : errno;
        return makes;
    }
    if (makes && (link->state == RB_LINK_ENDED || link->state == RB_LINK_DELIVER)) {
        *result = link->state == RB_LINK_ENDED ? 0 : read_held(io);
        makes = false;
    }
    if (makes && rb_exchange_may_hold(link)) { // the program reads these bytes
        if (link->exchange->seen_length > 0)
            rb_loop_unpark(link);
        link->exchange->seen_length = 0;
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
    else
        io->loan = rb_link_lend(link);
    return makes;
}

void rb_wire_before_count(int fd)
{
    struct rb_link *link = rb_link_is_tls(fd) ? NULL : rb_link_claim(fd);
    int saved = errno;
    if (!link)
        return;
    if (link->state == RB_LINK_PARKED)
        rb_wire_give_up(link);
    else if (rb_exchange_may_hold(link) && peek_byte(fd) > 0)
        link->exchange->passes = true;
    rb_link_release(link);
    errno = saved;
}

// Gives the bytes of a call that was made to the exchange, and releases the link, or drops it if the exchange cannot
// follow them. Returns the result of the call. Keeps errno.
//   followed: false: drop the link without a look at the bytes
//   take: rb_exchange_read or rb_exchange_wrote
static ssize_t follow_bytes(const struct rb_wire_io *io, ssize_t result, bool followed,
                            bool (*take)(struct rb_link *link, const char *bytes, size_t length))
{
    size_t left = result > 0 ? (size_t) result : 0;
    int saved = errno;
    for (size_t i = 0; i < io->count && left > 0 && followed; i++) {
        size_t part = io->parts[i].iov_len < left ? io->parts[i].iov_len : left;
        followed = part == 0 || take(io->link, io->parts[i].iov_base, part);
        left -= part;
    }
    if (followed && io->link->state == RB_LINK_SENT)
        rb_loop_expect(io->link);
    if (followed)
        rb_link_release(io->link);
    else
        rb_link_drop(io->link);
    errno = saved;
    return result;
}

ssize_t rb_wire_after_read(struct rb_wire_io *io, ssize_t result)
{
    struct rb_link *link = io->link;
    int saved = errno;
    if (io->tls_fd)
        return rb_async_received(io->tls_fd, io->parts, io->count, io->flags & MSG_PEEK, result);
    if (!link || !rb_link_regain(link, io->loan))
        return result;
    if (io->flags & MSG_PEEK) { // the program will read these bytes again
        rb_link_release(link);
        errno = saved;
        return result;
    }
    bool followed = result != 0 || rb_exchange_read(link, NULL, 0);
    errno = saved;
    return follow_bytes(io, result, followed, rb_exchange_read);
}

// --- writes

// The connection was closed before the first byte of a request: connects again, if the program's call may wait. Returns
// false if the write fails.
//   peeked: what the socket had to read
static bool revive(struct rb_link *link, int flags, long peeked)
{
    bool few = atomic_load_explicit(&link->wait, memory_order_relaxed) == RB_LINK_WAIT_FEW;
    bool waits = few || (!(flags & MSG_DONTWAIT) && rb_socket_is_blocking(link->fd));
    // In an event loop, the kernel answers the program's write until the connection is made: EAGAIN.
    bool dials = !waits && link->state == RB_LINK_ENDED && link->unpark && !rb_socket_is_blocking(link->fd);
    if (dials && rb_socket_is(link->fd, link->identity) && rb_redial_begin(link)) {
        rb_link_enter(link, RB_LINK_IDLE);
        link->exchanges = 0;
        return true;
    }
    if (!waits || !rb_socket_is(link->fd, link->identity))
        return link->state == RB_LINK_IDLE && peeked == 0; // otherwise the socket has lost its error
    if (rb_redial_link(link, UINT64_MAX) != 0)
        return false;
    rb_link_enter(link, RB_LINK_IDLE);
    link->exchanges = 0;
    return true;
}

// Returns false if the connection was used up, and the write fails.
static bool prepare_write(struct rb_link *link, int flags)
{
    if (link->identity == 0)
        link->identity = rb_socket_identity(link->fd);
    if (link->state == RB_LINK_DELIVER)
        return false;
    if (link->state == RB_LINK_ENDED)
        return revive(link, flags, 0);
    long peeked = link->state == RB_LINK_IDLE && link->exchanges > 0 ? peek_byte(link->fd) : 1;
    return (peeked != 0 && peeked != -ECONNRESET && peeked != -EPIPE) || revive(link, flags, peeked);
}

bool rb_wire_before_write(struct rb_wire_io *io, int fd, const struct iovec *parts, size_t count, int flags,
                          ssize_t *result)
{
    int tls_fd = rb_link_is_tls(fd) ? fd : 0;
    *io = (struct rb_wire_io){.parts = parts, .count = count, .flags = flags, .tls_fd = tls_fd};
    io->link = tls_fd ? NULL : rb_link_claim(fd);
    struct rb_link *link = io->link;
    int saved = errno;
    if (!link)
        return true;
    if (is_past_us(flags)) {
        rb_link_drop(link);
        io->link = NULL;
        return true;
    }
    bool makes = prepare_write(link, flags);
    errno = saved;
    if (makes) {
        io->loan = rb_link_lend(link);
        return true;
    }
    rb_link_drop(link);
    errno = ECONNRESET; // without the SIGPIPE of a write on the socket as it is now
    *result = -1;
    return false;
}

static unsigned byte_at(const struct rb_wire_io *io, size_t offset)
{
    size_t i = 0;
    for (; offset >= io->parts[i].iov_len; i++)
        offset -= io->parts[i].iov_len;
    return ((const unsigned char *) io->parts[i].iov_base)[offset];
}

// Returns true if TLS records (RFC 8446, section 5.1) that were written have data of the program. In TLS 1.3, the
// record behind a change of the cipher ends the handshake, and looks like data.
static bool records_have_data(const struct rb_wire_io *io, size_t length)
{
    enum { HEADER = 5, CHANGES_CIPHER = 20, DATA = 23 };
    unsigned type = 0, before;
    for (size_t at = 0; at + HEADER <= length; at += HEADER + (byte_at(io, at + 3) << 8 | byte_at(io, at + 4))) {
        before = type;
        type = byte_at(io, at);
        if (type == DATA && before != CHANGES_CIPHER)
            return true;
    }
    return false;
}

// The program has written TLS records. If no request was seen before the first data, the library does not follow this
// TLS: the success of the connect counts.
static __attribute__((noinline)) void note_records(const struct rb_wire_io *io, size_t length)
{
    int saved = errno;
    struct rb_link *link = rb_link_try(io->tls_fd); // NULL: a call of the TLS library writes the records
    if (!link)
        return;
    if (link->opening.state == RB_OPENING_MADE && !atomic_load_explicit(&link->secured, memory_order_relaxed) &&
        records_have_data(io, length))
        rb_opening_end(&link->opening, &link->peer.target, false);
    rb_link_release(link);
    errno = saved;
}

ssize_t rb_wire_after_write(struct rb_wire_io *io, ssize_t result)
{
    struct rb_link *link = io->link;
    if (io->tls_fd && result > 0) {
        note_records(io, (size_t) result);
        rb_async_sent(io->tls_fd, (size_t) result);
    }
    if (!link || !rb_link_regain(link, io->loan))
        return result;
    // The head of a TLS record (RFC 8446, section 5.1): a handshake of version 3. wire/tls.c follows the connection.
    if (link->state == RB_LINK_IDLE && link->exchanges == 0 && result >= 3 && io->parts[0].iov_len >= 3 &&
        memcmp(io->parts[0].iov_base, "\x16\x03", 2) == 0) {
        size_t part = io->parts[0].iov_len;
        rb_bio_note_hello(link, io->parts[0].iov_base, part < (size_t) result ? part : (size_t) result);
        atomic_store_explicit(&link->tls, true, memory_order_relaxed);
        rb_process_count_host(&link->peer.target, RB_SUMMARY_TLS);
        rb_async_sent(link->fd, (size_t) result);
        rb_link_release(link);
        return result;
    }
    return follow_bytes(io, result, true, rb_exchange_wrote);
}

// --- poll

// Notes how the program waits. Returns the index of a descriptor with a link, or -1.
static int note_waits(const struct pollfd *fds, nfds_t count)
{
    int found = -1;
    unsigned links = 0;
    for (nfds_t i = 0; i < count; i++) {
        if (fds[i].fd < 0 || !rb_link_on(fds[i].fd))
            continue;
        if (!(fds[i].events & (POLLIN | POLLRDNORM)))
            continue; // this does not tell how the program waits for a response
        rb_link_note_wait(fds[i].fd, RB_LINK_WAIT_FEW);
        links++;
        found = (int) i;
    }
    if (links < 2)
        return found;
    for (nfds_t i = 0; i < count; i++)
        rb_link_note_wait(fds[i].fd, RB_LINK_WAIT_LOOP); // a hold of one would delay the other
    return rb_link_is_tls(fds[found].fd) ? found : -1;   // whose library may have the only copy of a response
}

bool rb_wire_concerns(const struct pollfd *fds, nfds_t count)
{
    if (count > FEW || atomic_load_explicit(&rb_link_holds, memory_order_relaxed)) // it may be for an epoll
        return true;
    bool found = false, readable = rb_memory_is_readable(fds, count * sizeof(*fds));
    for (nfds_t i = 0; readable && !found && i < count; i++)
        found = fds[i].fd >= 0 && rb_link_of(fds[i].fd);
    return found;
}

void rb_wire_polled(const struct pollfd *fds, nfds_t count)
{
    for (nfds_t i = 0; count > FEW && i < count; i++)
        if (fds[i].fd >= 0 && rb_link_on(fds[i].fd))
            rb_link_note_wait(fds[i].fd, RB_LINK_WAIT_LOOP);
}

// Tells wire/loop.h of epolls that the program polls. Returns false if the array cannot be read.
static bool find_epolls(const struct pollfd *fds, nfds_t count)
{
    bool holds = atomic_load_explicit(&rb_link_holds, memory_order_relaxed);
    if (count > FEW && !holds)
        return true; // the array is not read
    bool readable = rb_memory_is_readable(fds, count * sizeof(*fds));
    for (nfds_t i = 0; readable && holds && i < count; i++)
        rb_loop_polled(fds[i].fd);
    return readable;
}

// The rest of a wait whose link was lost.
static __attribute__((noinline)) int wait_on(const struct link_wait *w, struct pollfd *fds)
{
    uint64_t left_ms = rb_arithmetic_sub(w->until_ms, rb_system_now_ms());
    struct timespec left = {.tv_sec = (time_t) (left_ms / 1000), .tv_nsec = (long) (left_ms % 1000) * 1000000};
    return rb_libc_ppoll(fds, w->count, w->until_ms == UINT64_MAX ? NULL : &left, w->mask);
}

// Makes a wait of the program on a claimed link, and releases the link. Returns the result of poll.
//   over: the program sees the descriptor at once
static int poll_link(struct link_wait *w, struct pollfd *fds, bool over)
{
    struct rb_link *link = w->link;
    memcpy(w->fds, fds, w->count * sizeof(*fds));
    int ready = over ? wait_in_kernel(w, rb_system_now_ms(), true) : wait_for_response(w);
    if (w->lost)
        return ready < 0 ? ready : wait_on(w, fds);
    if (over && ready >= 0)
        ready = show(w, true);
    for (nfds_t i = 0; i < w->count; i++)
        fds[i].revents = ready > 0 ? w->fds[i].revents : 0;
    if (ready > 0 && w->fds[w->own].revents)
        link->reported = true;
    int error = errno;
    rb_link_release(link);
    errno = error;
    return ready;
}

// Makes the program's wait by poll or select, as rb_wire_poll does.
//   look_ms: a shorter wait is a look, or a tick of a loop
static bool wait_for_few(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask,
                         int *result, uint64_t look_ms)
{
    int saved = errno;
    if (!find_epolls(fds, count) || count > FEW)
        return false;
    int own = note_waits(fds, count);
    if (own < 0)
        return false;
    bool sane = (!timeout || (timeout->tv_sec >= 0 && timeout->tv_nsec >= 0 && timeout->tv_nsec < 1000000000));
    bool simple = sane && !rb_park_any() && !rb_sandbox_is_filtered();
    uint64_t now_ms = rb_system_now_ms(), until_ms = UINT64_MAX;
    if (sane && timeout)
        until_ms = rb_arithmetic_add(now_ms, rb_arithmetic_mul((uint64_t) timeout->tv_sec, 1000) +
                                                 ((uint64_t) timeout->tv_nsec + 999999) / 1000000);
    enum rb_link_span span = until_ms - now_ms >= LIMIT_MS  ? RB_LINK_SPAN_LONG
                             : until_ms - now_ms >= look_ms ? RB_LINK_SPAN_SHORT
                                                            : RB_LINK_SPAN_TICK;
    bool tls = sane && rb_link_is_tls(fds[own].fd);
    if (tls && rb_tls_poll(fds, count, (nfds_t) own, until_ms, span, mask, result)) {
        errno = *result >= 0 ? saved : errno;
        return true;
    }
    struct rb_link *link = simple && !tls ? rb_link_claim(fds[own].fd) : NULL;
    if (!link) {
        if (!simple) // the library cannot hide a response from this wait
            rb_link_note_wait(fds[own].fd, RB_LINK_WAIT_LOOP);
        return false;
    }
    bool limits = rb_link_limits(link, until_ms, span);
    bool over = link->state == RB_LINK_DELIVER || link->state == RB_LINK_ENDED;
    if (!over && link->state != RB_LINK_PARKED && !rb_exchange_may_hold(link)) {
        rb_link_release(link);
        return false;
    }
    struct link_wait w = {.link = link, .count = count, .own = (nfds_t) own, .until_ms = until_ms, .mask = mask};
    w.limits = limits;
    *result = poll_link(&w, fds, over);
    if (*result >= 0)
        errno = saved;
    return true;
}

bool rb_wire_poll(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask, int *result)
{
    return wait_for_few(fds, count, timeout, mask, result, LOOK_MS);
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
        if (events && atomic_load_explicit(&rb_link_holds, memory_order_relaxed))
            rb_loop_polled(fd);
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
    if (listed == 0 || listed > FEW || !wait_for_few(fds, listed, timeout, mask, result, LIMIT_MS))
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

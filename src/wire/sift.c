// SPDX-License-Identifier: MIT
// Responses on plain sockets in event loops.
#include "wire/sift.h"

#include <errno.h>
#include <poll.h>

#include "base/arithmetic.h"
#include "net/park.h"
#include "net/socket.h"
#include "real/kernel.h"
#include "real/system.h"
#include "wire/exchange.h"
#include "wire/loop.h"
#include "wire/mark.h"
#include "wire/redial.h"
#include "wire/socket.h"

// READ_EVENTS: the events of a hidden response. EDGES: the flags of registrations whose events are reported once.
// STIRS: how often a response is hidden again. The kernel may report hidden bytes, for example when it is short of
// memory.
enum { READ_EVENTS = EPOLLIN | EPOLLRDNORM, STIRS = 16 };
static const uint32_t EDGES = EPOLLET | EPOLLONESHOT;
enum { ENDED = POLLRDHUP | POLLHUP | POLLERR };
enum { DIAL_MS = 5 }; // how often a connect in progress is looked at

static bool due_in_loop(struct rb_link *link);

// Looks at the bytes that the socket has. Returns their number, 0 at the end of the stream, or a negative errno.
static long peek_response(const struct rb_link *link)
{
    struct rb_exchange *x = link->exchange;
    return rb_kernel(SYS_recvfrom, link->fd, x->seen, sizeof(x->seen), MSG_PEEK | MSG_DONTWAIT, NULL, NULL);
}

// --- repeat

// The request is due.
static void repeat_in_loop(struct rb_link *link)
{
    struct rb_exchange *x = link->exchange;
    long length = (long) x->seen_length;
    bool usable = !rb_link_is_disturbed(link) && rb_socket_is(link->fd, link->identity) &&
                  !(rb_socket_events(link->fd) & ENDED) && peek_response(link) == (length > 0 ? length : -EAGAIN);
    if (!usable || !rb_exchange_again(link)) {
        rb_wire_give_up(link);
        return;
    }
    // The response was copied to `held`; now it leaves the kernel, and the next bytes are those of the next response.
    bool taken =
        length == 0 || rb_kernel(SYS_recvfrom, link->fd, x->seen, (size_t) length, MSG_DONTWAIT, NULL, NULL) == length;
    rb_mark_restore(link);
    x->redials = x->closes = false;
    uint64_t until_ms = rb_arithmetic_min(rb_loop_until_ms(link), x->total_until_ms);
    long put =
        taken ? rb_kernel(SYS_sendto, link->fd, x->request, x->request_length, MSG_NOSIGNAL | MSG_DONTWAIT, NULL, 0)
              : 0;
    if (put != (long) x->request_length || !rb_loop_park(link, until_ms, due_in_loop, false))
        rb_wire_show_end(link, RB_REASON_INTERRUPTED);
}

// A parked link whose connection has ended: looks whether the new one is made.
static void await_redial(struct rb_link *link)
{
    struct rb_exchange *x = link->exchange;
    uint64_t now_ms = rb_system_now_ms();
    int state = rb_socket_events(link->fd);
    bool over = (state & (POLLERR | POLLHUP)) || now_ms >= rb_loop_until_ms(link);
    bool made = state & POLLOUT, usable = !over && !(made && rb_socket_is_self_connected(link->fd));
    if (usable && made && now_ms >= x->due_ms)
        repeat_in_loop(link);
    else if (!usable || !rb_loop_park(link, made ? x->due_ms : now_ms + DIAL_MS, due_in_loop, false))
        rb_wire_give_up(link);
}

static bool due_in_loop(struct rb_link *link)
{
    struct rb_exchange *x = link->exchange;
    if (link->state == RB_LINK_PARKED && x->redials)
        await_redial(link);
    else if (link->state == RB_LINK_PARKED)
        repeat_in_loop(link);
    else if (rb_exchange_may_hold(link) && x->held_length > 0) { // the hold is over, and the repetition has no answer
        rb_wire_show_end(link, RB_REASON_TIME);
    } else if (rb_exchange_may_hold(link) && x->seen_length > 0) { // the hold is over, and the response is not whole
        x->passes = true;
        x->seen_length = 0;
        rb_loop_unpark(link);
    }
    return false; // the kernel reports all of this
}

// --- examine

// The server has closed the connection behind a response that is to be repeated, or before it. The library connects
// again at once, because the end of a connection cannot be hidden in an epoll. Returns false if the program must see
// what the library has.
static bool redial_in_loop(struct rb_link *link)
{
    struct rb_exchange *x = link->exchange;
    long length = (long) x->seen_length;
    if (length > 0 && rb_kernel(SYS_recvfrom, link->fd, x->held, (size_t) length, MSG_DONTWAIT, NULL, NULL) != length)
        return false;
    if (length > 0)
        x->held_length = x->seen_length;
    x->seen_length = 0;
    x->redials = true;
    rb_loop_unpark(link); // restores the mark
    return rb_redial_begin(link) && rb_loop_park(link, rb_system_now_ms(), due_in_loop, false);
}

// Hides the bytes that were seen until `when_ms`. Returns false if that is not possible.
static bool hide_seen(struct rb_link *link, uint64_t when_ms)
{
    rb_mark_set(link, link->exchange->seen_length + 1);
    if (rb_loop_park(link, when_ms, due_in_loop, false))
        return true;
    rb_loop_unpark(link);
    return false;
}

// The connection has ended before the first byte of a response. Returns true if the program must see that.
static bool end_in_loop(struct rb_link *link, int error)
{
    struct rb_exchange *x = link->exchange;
    bool first = x->held_length == 0; // otherwise the server has hung up on a repeated request
    if (rb_exchange_broke(link, error, true, rb_loop_until_ms(link))) {
        rb_link_enter(link, RB_LINK_PARKED);
        if (redial_in_loop(link))
            return false;
        rb_wire_give_up(link);
        return true;
    }
    if (!first) {
        rb_wire_show_end(link, RB_REASON_NONE);
    } else { // the library may have read the error of the socket
        x->error = error;
        x->passes = true;
    }
    return true;
}

// The socket has bytes or has ended, and the request has no response yet. Returns true if the program must see that.
static bool examine_in_loop(struct rb_link *link, int state)
{
    struct rb_exchange *x = link->exchange;
    size_t before = x->low_mark > 0 ? x->seen_length : 0;
    if ((state & POLLERR) && x->held_length == 0 && !(x->allowed && x->whole))
        return true; // the program may ask for the error in its own way
    long got = peek_response(link);
    if (got == -EAGAIN || got == -EINTR)
        return true;
    x->seen_length = got > 0 ? (size_t) got : 0;
    if (got <= 0)
        return end_in_loop(link, (int) -got);
    uint64_t until_ms = rb_loop_until_ms(link);
    enum rb_look look = rb_exchange_look(link, state & ENDED, until_ms);
    if (look == RB_LOOK_RETRY) {
        rb_link_enter(link, RB_LINK_PARKED);
        if (x->closes || (state & ENDED) ? redial_in_loop(link) : hide_seen(link, x->due_ms))
            return false;
        rb_wire_give_up(link);
        return true;
    }
    bool stirred = before == (size_t) got && x->stirs++ >= STIRS;
    if (look == RB_LOOK_MORE && !stirred && hide_seen(link, rb_arithmetic_min(until_ms, x->total_until_ms)))
        return false;
    x->passes = true;
    x->seen_length = 0;
    rb_loop_unpark(link);
    return true;
}

// An event of a held response: the connection has ended, the server has sent more, or rb_loop_leave has made the bytes
// visible so that this thread hides them again. Returns true if the program must see the event.
static bool disturbs_hold(struct rb_link *link, int state)
{
    struct rb_exchange *x = link->exchange;
    bool same = x->seen_length > 0 && peek_response(link) == (long) x->seen_length && x->stirs++ < STIRS;
    if (same && rb_loop_may_hold(link) && (state & ENDED ? redial_in_loop(link) : hide_seen(link, x->due_ms)))
        return false;
    rb_wire_give_up(link);
    return true;
}

// Returns true if the program must see the event.
static bool is_visible_in_loop(struct rb_link *link)
{
    if (rb_link_is_disturbed(link) || !rb_socket_is(link->fd, link->identity))
        return true;
    if (link->state == RB_LINK_PARKED)
        return disturbs_hold(link, rb_socket_events(link->fd));
    return examine_in_loop(link, rb_socket_events(link->fd));
}

// Reads the program's registration.
static bool read_registration(int epfd, int fd, struct epoll_event *event)
{
    int where;
    return rb_park_registered(fd, &where, event) && where == epfd;
}

uint32_t rb_sift_event(int epfd, int fd, uint32_t events, bool *again)
{
    struct epoll_event registered;
    bool reads = events & READ_EVENTS;
    struct rb_link *link = reads ? rb_link_try(fd) : NULL;
    int saved = errno;
    *again = reads && !link && read_registration(epfd, fd, &registered) && !(registered.events & EDGES);
    if (!link)
        return events;
    atomic_store_explicit(&link->starved, false, memory_order_relaxed); // this wait was seen
    bool holds =
        link->exchange && !atomic_load_explicit(&link->tls, memory_order_relaxed) &&
        (link->state == RB_LINK_PARKED || link->hold || (rb_exchange_may_hold(link) && rb_loop_may_hold(link)));
    bool visible = !holds || (link->state != RB_LINK_PARKED && !rb_exchange_may_hold(link)) || is_visible_in_loop(link);
    // A hidden edge could be that of another descriptor with the same data, which the program would then never see.
    if (!visible && (!read_registration(epfd, fd, &registered) ||
                     ((registered.events & EDGES) && rb_park_shares(epfd, registered.data.u64, fd)))) {
        if (link->state == RB_LINK_PARKED)
            rb_wire_give_up(link);
        if (link->exchange)
            link->exchange->passes = true;
        rb_loop_unpark(link);
        visible = true;
    }
    rb_link_release(link);
    if (!visible) {
        events &= ~(uint32_t) (READ_EVENTS | EPOLLRDHUP);
        if (events & (EPOLLHUP | EPOLLERR)) // of the connection that has ended
            events = 0;
        if (events == 0)
            rb_park_rearm(epfd, fd);
    }
    errno = saved;
    return events;
}

// SPDX-License-Identifier: MIT
// Decides which events of poll, select and epoll the program must see.
#include <poll.h>

#include "net/park/filter.h"
#include "net/park/flight.h"
#include "net/park/life.h"
#include "net/park/lock.h"
#include "net/park/watch.h"
#include "net/socket.h"

bool rb_filter_holds(int fd, bool failed)
{
    sigset_t saved;
    if (!rb_lock_take(&saved))
        return false;
    const struct rb_flight *flight = rb_flight_find_locked(fd);
    bool ours = flight != NULL, was_given_up = ours && rb_flight_state_of(flight) == RB_FLIGHT_FAILED;
    rb_lock_give(&saved);
    if (was_given_up)
        return false;
    if (ours && rb_life_notice(fd) != RB_FLIGHT_FREE)
        return true;
    return failed && !(rb_socket_events(fd) & (POLLERR | POLLHUP)); // the failure is outdated
}

// The tracked connects that an epoll event can belong to.
struct matches {
    int fds[8];
    bool was_connecting[8]; // the connect was not known to have failed when the event was fetched
    unsigned count;
    bool ended; // another connect with the same data ended after the event was fetched
};

static bool find_matches(int epfd, uint64_t data, bool failed, uint64_t since, struct matches *out)
{
    sigset_t saved;
    if (!rb_lock_take(&saved))
        return false;
    out->count = rb_watch_find_locked(epfd, data, out->fds, sizeof(out->fds) / sizeof(out->fds[0]));
    for (unsigned i = 0; i < out->count; i++) {
        const struct rb_flight *flight = rb_flight_find_locked(out->fds[i]);
        out->was_connecting[i] = flight && rb_flight_state_of(flight) == RB_FLIGHT_CONNECTING;
    }
    out->ended = rb_watch_ended_locked(epfd, data, since);
    bool unknown = failed && out->count == 0 && !out->ended &&
                   atomic_load_explicit(&rb_descriptor_unawaited, memory_order_relaxed) > 0;
    if (unknown && !rb_watch_explains_locked(epfd, data))
        rb_life_stop_if_bypassed_locked();
    rb_lock_give(&saved);
    return true;
}

// What an epoll event means for one connect. The greatest value among all connects decides.
enum event_meaning {
    EVENT_UNRELATED, // this connect cannot have caused the event
    EVENT_OUTDATED,  // caused before a later change, or by another descriptor
    EVENT_HIDDEN,    // caused by this connect, and the program must not see it
    EVENT_VISIBLE    // the program must see the event
};

// For a connect that was given up. With an edge-triggered registration, an event that was fetched before the refusal is
// outdated: the refusal causes a new edge.
static enum event_meaning meaning_given_up_locked(int epfd, int fd, bool recent)
{
    if (!rb_watch_may_report_locked(epfd, fd))
        return EVENT_OUTDATED;
    if (recent && rb_watch_is_edge_locked(epfd, fd)) {
        rb_watch_show_again_locked(epfd, fd);
        return EVENT_OUTDATED;
    }
    rb_watch_mark_reported_locked(epfd, fd, true);
    return EVENT_VISIBLE;
}

// For an event with an error or a hang-up, after rb_life_notice.
static enum event_meaning meaning_of_failure(int epfd, uint64_t data, int fd, bool was_connecting, uint64_t since)
{
    sigset_t saved;
    enum event_meaning meaning = EVENT_UNRELATED;
    if (!rb_lock_take(&saved))
        return EVENT_VISIBLE;
    const struct rb_flight *flight = rb_flight_find_locked(fd);
    bool recent = flight && flight->changed > since;
    if (!flight)
        meaning = rb_watch_fails_there_locked(epfd, data, fd) ? EVENT_VISIBLE : EVENT_OUTDATED;
    else if (rb_flight_state_of(flight) == RB_FLIGHT_FAILED)
        meaning = meaning_given_up_locked(epfd, fd, recent);
    else if (recent)
        meaning = was_connecting && rb_flight_state_of(flight) == RB_FLIGHT_PARKED ? EVENT_HIDDEN : EVENT_OUTDATED;
    rb_lock_give(&saved);
    return meaning;
}

// Returns true when an event without an error must be hidden: a socket had connected to itself.
static bool holds_success(const struct matches *matches, int epfd, uint32_t events)
{
    bool self_connected = false;
    for (unsigned i = 0; i < matches->count; i++) {
        sigset_t saved;
        if (rb_life_notice(matches->fds[i]) == RB_FLIGHT_FREE && rb_lock_take(&saved)) {
            rb_watch_mark_reported_locked(epfd, matches->fds[i], false);
            rb_lock_give(&saved);
        }
        self_connected = self_connected || (matches->was_connecting[i] && rb_flight_parked(matches->fds[i]));
    }
    return self_connected && !(events & (EPOLLIN | EPOLLPRI));
}

static bool holds_failure(const struct matches *matches, int epfd, uint64_t data, uint64_t since)
{
    enum event_meaning most = matches->ended ? EVENT_OUTDATED : EVENT_UNRELATED;
    for (unsigned i = 0; i < matches->count && most != EVENT_VISIBLE; i++) {
        rb_life_notice(matches->fds[i]);
        enum event_meaning meaning = meaning_of_failure(epfd, data, matches->fds[i], matches->was_connecting[i], since);
        most = meaning > most ? meaning : most;
    }
    sigset_t saved;
    if (most != EVENT_OUTDATED || !rb_lock_take(&saved))
        return most == EVENT_HIDDEN;
    bool fails = rb_watch_fails_locked(epfd, data);
    rb_lock_give(&saved);
    return !fails;
}

bool rb_filter_holds_watched(int epfd, const struct epoll_event *event, uint64_t since)
{
    struct matches matches;
    bool failed = event->events & (EPOLLERR | EPOLLHUP);
    if (!find_matches(epfd, event->data.u64, failed, since, &matches))
        return false;
    return failed ? holds_failure(&matches, epfd, event->data.u64, since)
                  : holds_success(&matches, epfd, event->events);
}

static bool hide_again_locked(int epfd, int fd)
{
    const struct rb_flight *flight = rb_flight_find_locked(fd);
    bool parked = flight && rb_flight_state_of(flight) == RB_FLIGHT_PARKED;
    if (parked)
        rb_watch_hide_again_locked(epfd, fd);
    return parked;
}

void rb_filter_pass(int epfd)
{
    sigset_t saved;
    if (!rb_lock_take(&saved))
        return;
    rb_watch_each_locked(epfd, hide_again_locked);
    rb_lock_give(&saved);
}

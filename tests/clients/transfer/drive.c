// SPDX-License-Identifier: MIT
// The ways in which programs run transfers: easy, multi with libcurl's own wait calls, multi with an event loop.
#include "transfer.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <time.h>
#include <unistd.h>

enum { WAIT_MS = 1000, EVENTS = 64 };

// The event loop of MODE_SOCKET: an epoll descriptor and one timer.
struct loop {
    int epoll;
    long due; // on transfer_clock, -1: no timer
};

long transfer_clock(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

static void see_running(struct view *view, int running)
{
    if (running > view->most)
        view->most = running;
    unsigned room = sizeof(view->running) / sizeof(*view->running);
    if (view->counts == 0 || view->running[view->counts - 1] != running) {
        if (view->counts < room)
            view->running[view->counts++] = running;
        else
            view->running[room - 1] = running;
    }
}

static void read_messages(CURLM *multi, struct view *view)
{
    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(multi, &left))) {
        struct transfer *transfer = NULL;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **) &transfer);
        view->messages++;
        transfer->result = message->data.result;
        transfer->done = true;
        curl_multi_remove_handle(multi, transfer->easy);
    }
}

// What the program does by itself between two rounds.
static void interfere(CURLM *multi, struct transfer *transfers, unsigned count, const struct view *view)
{
    const struct options *options = transfers->options;
    bool again = view->loops == options->readd_at, drop = view->loops == options->drop_at;
    for (unsigned i = 0; i < count; i++) {
        struct transfer *transfer = &transfers[i];
        if (transfer->done)
            continue;
        transfer_resume(transfer);
        if (again || drop)
            curl_multi_remove_handle(multi, transfer->easy);
        if (again)
            curl_multi_add_handle(multi, transfer->easy);
    }
}

// --- curl_multi_perform and a wait call

static bool wait_select(CURLM *multi)
{
    fd_set in, out, bad;
    int most = -1;
    long limit = -1;
    FD_ZERO(&in);
    FD_ZERO(&out);
    FD_ZERO(&bad);
    if (curl_multi_fdset(multi, &in, &out, &bad, &most) != CURLM_OK || curl_multi_timeout(multi, &limit) != CURLM_OK)
        return false;
    if (limit < 0 || limit > WAIT_MS)
        limit = WAIT_MS;
    if (most < 0 && limit > 100)
        limit = 100; // as the manual of curl_multi_fdset asks for
    struct timeval wait = {.tv_sec = limit / 1000, .tv_usec = limit % 1000 * 1000};
    return select(most + 1, &in, &out, &bad, &wait) >= 0 || errno == EINTR;
}

static bool wait_for(CURLM *multi, enum mode mode)
{
    if (mode == MODE_FDSET)
        return wait_select(multi);
    if (mode == MODE_WAIT)
        return curl_multi_wait(multi, NULL, 0, WAIT_MS, NULL) == CURLM_OK;
    return curl_multi_poll(multi, NULL, 0, WAIT_MS, NULL) == CURLM_OK;
}

static bool perform(CURLM *multi, struct transfer *transfers, unsigned count, struct view *view)
{
    int running;
    for (;;) {
        view->loops++;
        if (curl_multi_perform(multi, &running) != CURLM_OK)
            return false;
        see_running(view, running);
        read_messages(multi, view);
        if (running == 0)
            return true;
        interfere(multi, transfers, count, view);
        if (!wait_for(multi, transfers->options->mode))
            return false;
    }
}

// --- curl_multi_socket_action

static int watch_socket(CURL *easy, curl_socket_t fd, int what, void *context, void *known)
{
    struct loop *loop = context;
    struct epoll_event event = {.data.fd = fd};
    (void) easy;
    (void) known;
    if (what == CURL_POLL_REMOVE) {
        epoll_ctl(loop->epoll, EPOLL_CTL_DEL, fd, NULL);
        return 0;
    }
    if (what & CURL_POLL_IN)
        event.events |= EPOLLIN;
    if (what & CURL_POLL_OUT)
        event.events |= EPOLLOUT;
    if (epoll_ctl(loop->epoll, EPOLL_CTL_ADD, fd, &event) < 0 && errno == EEXIST)
        epoll_ctl(loop->epoll, EPOLL_CTL_MOD, fd, &event);
    return 0;
}

static int set_timer(CURLM *multi, long ms, void *context)
{
    struct loop *loop = context;
    (void) multi;
    loop->due = ms < 0 ? -1 : transfer_clock() + ms;
    return 0;
}

static int time_left(const struct loop *loop)
{
    long left = loop->due - transfer_clock();
    if (loop->due < 0)
        return -1;
    return left > 0 ? (int) left : 0;
}

static bool act(CURLM *multi, const struct epoll_event *event, int *running)
{
    int mask = (event->events & (EPOLLIN | EPOLLHUP) ? CURL_CSELECT_IN : 0) |
               (event->events & EPOLLOUT ? CURL_CSELECT_OUT : 0) | (event->events & EPOLLERR ? CURL_CSELECT_ERR : 0);
    return curl_multi_socket_action(multi, event->data.fd, mask, running) == CURLM_OK;
}

// The timer fires once; libcurl sets it again.
static bool fire(CURLM *multi, struct loop *loop, int *running)
{
    if (loop->due < 0 || time_left(loop) > 0)
        return true;
    loop->due = -1;
    return curl_multi_socket_action(multi, CURL_SOCKET_TIMEOUT, 0, running) == CURLM_OK;
}

static bool turn(CURLM *multi, struct loop *loop, struct transfer *transfers, unsigned count, struct view *view)
{
    struct epoll_event events[EVENTS];
    int running = 1;
    while (running > 0) {
        view->loops++;
        int ready = epoll_wait(loop->epoll, events, EVENTS, time_left(loop));
        for (int i = 0; i < ready; i++) {
            if (!act(multi, &events[i], &running))
                return false;
            see_running(view, running);
        }
        if (!fire(multi, loop, &running))
            return false;
        see_running(view, running);
        read_messages(multi, view);
        interfere(multi, transfers, count, view);
        if (view->loops == transfers->options->drop_at) // nothing will happen any more that tells how many are left
            curl_multi_socket_action(multi, CURL_SOCKET_TIMEOUT, 0, &running);
        see_running(view, running);
    }
    return true;
}

static bool act_on_sockets(CURLM *multi, struct transfer *transfers, unsigned count, struct view *view)
{
    struct loop loop = {.epoll = epoll_create1(EPOLL_CLOEXEC), .due = 0};
    curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
    curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, &loop);
    curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, set_timer);
    curl_multi_setopt(multi, CURLMOPT_TIMERDATA, &loop);
    bool good = true;
    for (unsigned i = 0; i < count; i++)
        good &= curl_multi_add_handle(multi, transfers[i].easy) == CURLM_OK;
    good = good && turn(multi, &loop, transfers, count, view);
    curl_multi_cleanup(multi);
    close(loop.epoll);
    return good;
}

static bool drive_multi(struct transfer *transfers, unsigned count, struct view *view)
{
    CURLM *multi = curl_multi_init();
    bool good = multi != NULL;
    if (good && transfers->options->mode == MODE_SOCKET)
        return act_on_sockets(multi, transfers, count, view);
    for (unsigned i = 0; i < count; i++)
        good = good && curl_multi_add_handle(multi, transfers[i].easy) == CURLM_OK;
    good = good && perform(multi, transfers, count, view);
    curl_multi_cleanup(multi);
    return good;
}

bool transfer_drive(struct transfer *transfers, unsigned count, struct view *view)
{
    if (count > 0 && transfers->options->mode != MODE_EASY)
        return drive_multi(transfers, count, view);
    for (unsigned i = 0; i < count; i++) {
        transfers[i].result = curl_easy_perform(transfers[i].easy);
        transfers[i].done = true;
    }
    return true;
}

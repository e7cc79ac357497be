// SPDX-License-Identifier: MIT
// The loops of programs that use libcurl's multi interface, each checking at every turn what it is told.
#ifndef RB_PRELOAD_MULTI_H
#define RB_PRELOAD_MULTI_H

#include <sys/select.h>

#include "web.h"

enum { LOOP_SOCKETS = 64, LOOP_WAIT_MS = 20000 };

enum loop_kind { LOOP_POLL, LOOP_WAIT, LOOP_SELECT, LOOP_ACTION, LOOP_KINDS };

// A multi handle and what a program knows of it.
struct loop {
    enum loop_kind kind;
    CURLM *multi;
    int running;
    unsigned added;    // transfers in it
    unsigned messages; // read
    unsigned turns;
    unsigned timers; // calls of the timer callback
    uint64_t due_ms; // of the program's one timer; UINT64_MAX: none
    CURL *last;      // whose message came last
    CURLcode code;   // and its result
    struct pollfd sockets[LOOP_SOCKETS];
    unsigned watched;
};

static inline unsigned loop_slot(struct loop *loop, curl_socket_t socket)
{
    unsigned i = 0;
    while (i < loop->watched && loop->sockets[i].fd != socket)
        i++;
    return i;
}

// Notes the socket with curl_multi_assign as programs do: what they get back must be what they assigned.
static inline int loop_on_socket(CURL *easy, curl_socket_t socket, int what, void *context, void *assigned)
{
    struct loop *loop = context;
    unsigned i = loop_slot(loop, socket);
    (void) easy;
    CHECK(assigned == NULL || assigned == loop);
    if (what == CURL_POLL_REMOVE) {
        CHECK(i < loop->watched);
        loop->sockets[i] = loop->sockets[--loop->watched];
        return 0;
    }
    if (i == loop->watched) {
        CHECK(i < LOOP_SOCKETS);
        loop->watched++;
        CHECK_INT(curl_multi_assign(loop->multi, socket, loop), CURLM_OK);
    }
    short events = (short) ((what & CURL_POLL_IN ? POLLIN : 0) | (what & CURL_POLL_OUT ? POLLOUT : 0));
    loop->sockets[i] = (struct pollfd){.fd = socket, .events = events};
    return 0;
}

static inline int loop_on_timer(CURLM *multi, long timeout_ms, void *context)
{
    struct loop *loop = context;
    CHECK(multi == loop->multi);
    loop->timers++;
    loop->due_ms = timeout_ms < 0 ? UINT64_MAX : test_now_ms() + (uint64_t) timeout_ms;
    return 0;
}

static inline void loop_open(struct loop *loop, enum loop_kind kind)
{
    *loop = (struct loop){.kind = kind, .multi = curl_multi_init(), .due_ms = UINT64_MAX, .code = CURLE_FAILED_INIT};
    CHECK(loop->multi != NULL);
    if (kind != LOOP_ACTION)
        return;
    CHECK_INT(curl_multi_setopt(loop->multi, CURLMOPT_SOCKETFUNCTION, loop_on_socket), CURLM_OK);
    CHECK_INT(curl_multi_setopt(loop->multi, CURLMOPT_SOCKETDATA, loop), CURLM_OK);
    CHECK_INT(curl_multi_setopt(loop->multi, CURLMOPT_TIMERFUNCTION, loop_on_timer), CURLM_OK);
    CHECK_INT(curl_multi_setopt(loop->multi, CURLMOPT_TIMERDATA, loop), CURLM_OK);
}

static inline void loop_add(struct loop *loop, CURL *easy)
{
    CHECK_INT(curl_multi_add_handle(loop->multi, easy), CURLM_OK);
    loop->added++;
}

static inline void loop_remove(struct loop *loop, CURL *easy)
{
    CHECK_INT(curl_multi_remove_handle(loop->multi, easy), CURLM_OK);
}

static inline void loop_close(struct loop *loop)
{
    CHECK_INT(curl_multi_cleanup(loop->multi), CURLM_OK);
}

// Takes the only transfer out, and frees it and the multi handle.
static inline void loop_end(struct loop *loop, CURL *easy)
{
    loop_remove(loop, easy);
    curl_easy_cleanup(easy);
    loop_close(loop);
}

// Reads all messages: what is running and what has ended add up.
static inline void loop_read(struct loop *loop)
{
    CURLMsg *message;
    int left = 0;
    while ((message = curl_multi_info_read(loop->multi, &left))) {
        CHECK_INT(message->msg, CURLMSG_DONE);
        loop->messages++;
        loop->last = message->easy_handle;
        loop->code = message->data.result;
    }
    CHECK_INT(left, 0);
    CHECK_INT(loop->running + (int) loop->messages, loop->added);
}

// Lets libcurl work without waiting.
static inline void loop_drive(struct loop *loop)
{
    CURLMcode code = loop->kind == LOOP_ACTION
                         ? curl_multi_socket_action(loop->multi, CURL_SOCKET_TIMEOUT, 0, &loop->running)
                         : curl_multi_perform(loop->multi, &loop->running);
    CHECK_INT(code, CURLM_OK);
}

static inline int loop_time_left(const struct loop *loop, int limit_ms)
{
    uint64_t now_ms = test_now_ms();
    uint64_t left = loop->due_ms > now_ms ? loop->due_ms - now_ms : 0;
    return left < (uint64_t) limit_ms ? (int) left : limit_ms;
}

static inline void loop_act(struct loop *loop, int limit_ms)
{
    struct pollfd ready[LOOP_SOCKETS];
    unsigned count = loop->watched;
    memcpy(ready, loop->sockets, sizeof(ready));
    CHECK(poll(ready, count, loop_time_left(loop, limit_ms)) >= 0);
    for (unsigned i = 0; i < count; i++) {
        int events = (ready[i].revents & POLLIN ? CURL_CSELECT_IN : 0) |
                     (ready[i].revents & POLLOUT ? CURL_CSELECT_OUT : 0) |
                     (ready[i].revents & (POLLERR | POLLHUP) ? CURL_CSELECT_ERR : 0);
        if (events && loop_slot(loop, ready[i].fd) < loop->watched)
            CHECK_INT(curl_multi_socket_action(loop->multi, ready[i].fd, events, &loop->running), CURLM_OK);
    }
    if (loop->due_ms > test_now_ms())
        return;
    loop->due_ms = UINT64_MAX;
    loop_drive(loop);
}

static inline void loop_select(struct loop *loop, int limit_ms)
{
    fd_set in, out, bad;
    int most = -1;
    long timeout_ms = -1;
    FD_ZERO(&in);
    FD_ZERO(&out);
    FD_ZERO(&bad);
    CHECK_INT(curl_multi_fdset(loop->multi, &in, &out, &bad, &most), CURLM_OK);
    CHECK_INT(curl_multi_timeout(loop->multi, &timeout_ms), CURLM_OK);
    if (timeout_ms < 0 || timeout_ms > limit_ms)
        timeout_ms = limit_ms;
    struct timeval limit = {.tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000};
    CHECK(select(most + 1, &in, &out, &bad, &limit) >= 0);
}

// Waits as the program would, for limit_ms at most, and lets libcurl work.
static inline void loop_turn_within(struct loop *loop, int limit_ms)
{
    int ready;
    loop->turns++;
    if (loop->kind == LOOP_ACTION) {
        loop_act(loop, limit_ms);
        loop_read(loop);
        return;
    }
    if (loop->kind == LOOP_POLL)
        CHECK_INT(curl_multi_poll(loop->multi, NULL, 0, limit_ms, &ready), CURLM_OK);
    else if (loop->kind == LOOP_WAIT)
        CHECK_INT(curl_multi_wait(loop->multi, NULL, 0, limit_ms, &ready), CURLM_OK);
    else
        loop_select(loop, limit_ms);
    loop_drive(loop);
    loop_read(loop);
}

static inline void loop_turn(struct loop *loop)
{
    loop_turn_within(loop, LOOP_WAIT_MS);
}

// Until all have ended.
static inline void loop_run(struct loop *loop)
{
    loop_drive(loop);
    loop_read(loop);
    while (loop->messages < loop->added)
        loop_turn(loop);
    CHECK_INT(loop->running, 0);
}

// Until so many retries stand in the log: then that many transfers have been parked.
static inline void loop_until_parked(struct loop *loop, unsigned count)
{
    loop_drive(loop);
    loop_read(loop);
    while (test_log(RETRY, "") < count)
        loop_turn_within(loop, 1);
}

// Begins a loop by curl_multi_poll whose only transfer waits for its second attempt.
static inline CURL *loop_open_parked(struct loop *loop, struct bytes *body)
{
    loop_open(loop, LOOP_POLL);
    CURL *easy = easy_new(web_url("a/s503/ok;text=x"), body);
    loop_add(loop, easy);
    loop_until_parked(loop, 1);
    return easy;
}

// Policies whose waits are long enough to be seen.
#define WAITING(wait)                                                                                                  \
    "[local]\nhosts=127.0.0.1\nretry.backoff=fixed\nretry.base=" wait                                                  \
    "\nretry.jitter=none\nbreaker=off\nbudget.floor=1000/s\n"

#endif

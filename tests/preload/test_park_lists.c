// SPDX-License-Identifier: MIT
// Parked connects of programs that have several addresses to try and no lookup that we see: lists of servers, and names
// that the program resolves itself.
#include "park.h"

#define LISTS "[local]\nhosts=127.0.0.0/8\nretry.backoff=fixed\nretry.jitter=none\nbreaker=off\nbudget.floor=1000/s\n"
#define QUICK LISTS "retry.base=5ms\n"
#define SLOW LISTS "retry.base=100s\nretry.cap=100s\ntimeout.total=1000s\n"

#define NEXT_CANDIDATE "\"reason\":\"next-candidate\""
#define NEXT_SERVER "\"reason\":\"failover\""

// Two addresses that refuse on the same port.
struct two {
    struct port first, second;
};

static struct two two_new(void)
{
    struct two two = {port_at("127.0.0.2"), port_at("127.0.0.3")};
    while (two.second.address.sin_port != two.first.address.sin_port) {
        close(two.second.fd);
        two.second.address.sin_port = two.first.address.sin_port;
        two.second.fd = stream();
        CHECK_INT(bind(two.second.fd, (struct sockaddr *) &two.second.address, sizeof(two.second.address)), 0);
    }
    return two;
}

static int ends(const struct port *port)
{
    int fd = flying(port), error = finished(fd);
    close(fd);
    return error;
}

static void next_server(void)
{
    struct port first = port_new(), second = port_new();
    while (test_log(STOP, NEXT_SERVER) == 0) { // again if this process was not fast enough
        CHECK_INT(ends(&first), ECONNREFUSED);
        CHECK_INT(ends(&second), ECONNREFUSED);
    }
    unsigned retries = test_log(RETRY, "");
    CHECK(retries >= 2);
    CHECK_INT(ends(&first), ECONNREFUSED);
    CHECK_INT(test_log(RETRY, ""), retries);
    CHECK_INT(test_log(STOP, NEXT_SERVER), 2);
}

static void next_server_at_once(void)
{
    struct port port = port_new();
    CHECK_INT(ends(&port), ECONNREFUSED);
    int fd = flying(&port), epfd = epoll_for(fd, EPOLLOUT | EPOLLET);
    CHECK(wait_epoll(epfd, -1).events & EPOLLERR);
    CHECK_INT(pending_error(fd), ECONNREFUSED);
    CHECK_INT(test_log(RETRY, ""), 0);
    CHECK_INT(test_log(STOP, NEXT_SERVER), 2);
}

// Both connects have begun before the first result: the first address is not the last candidate. The second one is
// repeated.
static void next_candidate(void)
{
    struct two two = two_new();
    int first = flying(&two.first), second = flying(&two.second);
    CHECK_INT(finished(first), ECONNREFUSED);
    CHECK_INT(test_log(STOP, NEXT_CANDIDATE), 1);
    CHECK_INT(test_log(RETRY, ""), 0);
    CHECK_INT(finished(second), ECONNREFUSED);
    CHECK_INT(test_log(RETRY, "127.0.0.3"), 2);
    CHECK_INT(test_log(RETRY, ""), 2);
}

// The first connect is parked when the second one begins. The next attempt of the first one is not made.
static void next_candidate_while_parked(void)
{
    struct two two = two_new();
    int first = parked(&two.first), second = flying(&two.second);
    CHECK_INT(finished(first), ECONNREFUSED);
    CHECK_INT(test_log(STOP, NEXT_CANDIDATE), 1);
    CHECK_INT(test_log(RETRY, "127.0.0.2"), 1);
    CHECK_INT(finished(second), ECONNREFUSED);
}

// The program went to the second address while the first one was parked. Now it gets a failure of the first one at
// once.
static void next_candidate_remembered(void)
{
    struct two two = two_new();
    int first = parked(&two.first);
    close(first);
    int second = flying(&two.second);
    close(second);
    CHECK_INT(ends(&two.first), ECONNREFUSED);
    CHECK_INT(test_log(RETRY, ""), 1);
    CHECK_INT(test_log(STOP, NEXT_CANDIDATE), 1);
    second = parked(&two.second);
    CHECK_INT(test_log(RETRY, "127.0.0.3"), 1);
}

// With connect.failover = off, every literal address counts as the last candidate.
static void candidates_off(void)
{
    struct two two = two_new();
    int first = flying(&two.first), second = flying(&two.second);
    CHECK_INT(finished(first), ECONNREFUSED);
    CHECK_INT(finished(second), ECONNREFUSED);
    CHECK_INT(test_log(RETRY, ""), 4);
}

static const struct test tests[] = {
    {"next_server", QUICK, next_server},
    {"next_server_at_once", SLOW FAILOVER("program"), next_server_at_once},
    {"next_candidate", QUICK, next_candidate},
    {"next_candidate_while_parked", LISTS "retry.base=50ms\n", next_candidate_while_parked},
    {"next_candidate_remembered", SLOW, next_candidate_remembered},
    {"candidates_off", QUICK FAILOVER("off"), candidates_off},
};

TEST_MAIN(tests)

// SPDX-License-Identifier: MIT
// The circuit breaker and the retry budget in front of connect.
#include "network.h"

#define ONCE "retry.attempts=1\n"
#define FAST "retry.backoff=fixed\nretry.base=1ms\nretry.jitter=none\n"
#define ALWAYS "breaker.refuse=always\n"
#define OPENS_AT_4 "breaker.window=4\nbreaker.min_calls=4\nbreaker.failure_rate=50%\n" ALWAYS

static void fail_times(const struct port *port, int times)
{
    for (int i = 0; i < times; i++)
        CHECK_INT(dial_once(port), ECONNREFUSED);
}

// Four failures open the breaker. It refuses the next connect without a packet, although the server listens.
static void opens(void)
{
    struct port port = port_new();
    fail_times(&port, 4);
    CHECK_INT(test_log(STOP, ""), 4);
    CHECK_INT(listen(port.fd, 16), 0);
    int fd = stream();
    CHECK_INT(dial(fd, &port), -1);
    CHECK_INT(errno, ECONNREFUSED);
    CHECK(!anyone_waits(&port));
    CHECK_INT(test_log(REFUSED, "\"reason\":\"breaker\""), 1);
    CHECK_INT(pending_error(fd), 0);
}

// Three failures are not enough.
static void stays_closed(void)
{
    struct port port = port_new();
    fail_times(&port, 3);
    CHECK_INT(listen(port.fd, 16), 0);
    CHECK_INT(dial_once(&port), 0);
    CHECK_INT(test_log(REFUSED, ""), 0);
}

// After the open time one call passes through. Its success closes the breaker for all callers.
static void half_opens(void)
{
    struct port port = port_new();
    fail_times(&port, 4);
    CHECK_INT(listen(port.fd, 64), 0);
    uint64_t began = test_now_ms();
    while (dial_once(&port) != 0)
        test_pause();
    CHECK_BETWEEN((long long) (test_now_ms() - began), 150, 10000);
    CHECK(anyone_waits(&port));
    CHECK(test_log(REFUSED, "") > 0);
    unsigned refused = test_log(REFUSED, "");
    for (int i = 0; i < 10; i++)
        CHECK_INT(dial_once(&port), 0);
    CHECK_INT(test_log(REFUSED, ""), refused);
}

// A failed probe opens the breaker again.
static void probe_fails(void)
{
    struct port port = port_new();
    fail_times(&port, 4);
    unsigned stopped = test_log(STOP, "");
    while (test_log(STOP, "") == stopped)
        CHECK_INT(dial_once(&port), ECONNREFUSED);
    CHECK_INT(listen(port.fd, 16), 0);
    CHECK_INT(dial_once(&port), ECONNREFUSED);
    CHECK(!anyone_waits(&port));
}

// A breaker that opens during a call ends its retries.
static void ends_retries(void)
{
    struct port port = port_new();
    fail_times(&port, 1);
    CHECK_INT(test_log(RETRY, ""), 3);
    CHECK_INT(test_log(STOP, "\"reason\":\"breaker\""), 1);
}

// Each host and port has its own, unless the section says that one is for all.
static void scope_host(void)
{
    struct port sick = port_new(), well = port_listening();
    fail_times(&sick, 5);
    CHECK_INT(dial_once(&well), 0);
    CHECK_INT(test_log(REFUSED, ""), 1);
}

static void scope_policy(void)
{
    struct port sick = port_new(), well = port_listening();
    fail_times(&sick, 4);
    CHECK_INT(dial_once(&well), ECONNREFUSED);
    CHECK(!anyone_waits(&well));
    CHECK_INT(test_log(REFUSED, ""), 1);
}

// Four failures open the breaker of a host that then listens. A non-blocking connect begins, and ends with `error`.
static void check_non_blocking(const struct port *port, int error)
{
    fail_times(port, 4);
    CHECK_INT(listen(port->fd, 16), 0);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    CHECK(dial(fd, port) == 0 ? !error : errno == EINPROGRESS);
    CHECK_INT(finished(fd), error);
    CHECK_INT(test_log(REFUSED, ""), error ? 1 : 0);
}

// An open breaker refuses a non-blocking connect, too.
static void non_blocking(void)
{
    struct port port = port_new();
    check_non_blocking(&port, ECONNREFUSED);
    CHECK(!anyone_waits(&port));
}

// With connect.nonblocking = off the connect passes through.
static void non_blocking_off(void)
{
    struct port port = port_new();
    check_non_blocking(&port, 0);
}

// A floor of one retry per second, saved up for ten: a call that could repeat 99 times stops when the budget is spent.
static void budget(void)
{
    struct port port = port_new();
    fail_times(&port, 1);
    CHECK_INT(test_log(STOP, "\"reason\":\"budget\""), 1);
    CHECK_BETWEEN(test_log(RETRY, ""), 10, 15);
    fail_times(&port, 1);
    CHECK_BETWEEN(test_log(RETRY, ""), 10, 20);
    CHECK_INT(test_log(STOP, "\"reason\":\"budget\""), 2);
}

static const struct test tests[] = {
    {"opens", "[local]\nhosts=127.0.0.1\nbreaker.open=1h\nbreaker.open_max=1h\n" ONCE OPENS_AT_4, opens},
    {"stays_closed", "[local]\nhosts=127.0.0.1\n" ONCE OPENS_AT_4, stays_closed},
    {"half_opens", "[local]\nhosts=127.0.0.1\nbreaker.open=200ms\n" ONCE OPENS_AT_4, half_opens},
    {"probe_fails",
     "[local]\nhosts=127.0.0.1\nbreaker.open=50ms\nbreaker.open_multiplier=100\nbreaker.open_max=1h\n" ONCE OPENS_AT_4,
     probe_fails},
    {"ends_retries", "[local]\nhosts=127.0.0.1\nretry.attempts=100\n" FAST OPENS_AT_4, ends_retries},
    {"scope_host", "[local]\nhosts=127.0.0.1\n" ONCE OPENS_AT_4, scope_host},
    {"scope_policy", "[local]\nhosts=127.0.0.1\nbreaker.scope=policy\n" ONCE OPENS_AT_4, scope_policy},
    {"non_blocking", "[local]\nhosts=127.0.0.1\n" ONCE OPENS_AT_4, non_blocking},
    {"non_blocking_off", "[local]\nhosts=127.0.0.1\nconnect.nonblocking=off\n" ONCE OPENS_AT_4, non_blocking_off},
    {"budget", "[local]\nhosts=127.0.0.1\nretry.attempts=100\nbreaker=off\nbudget.ratio=0%\nbudget.floor=1/s\n" FAST,
     budget},
};

TEST_MAIN(tests)

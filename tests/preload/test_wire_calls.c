// SPDX-License-Identifier: MIT
// Calls on a plain socket besides reads, writes and waits, while a response may be hidden.
#include <sys/ioctl.h>

#include "wire.h"

static int waiting_bytes(int fd)
{
    int count = -1;
    CHECK_INT(ioctl(fd, FIONREAD, &count), 0);
    return count;
}

// Looks at the socket by a tick of poll until the response is hidden.
static void await_hidden(int fd)
{
    while (test_log(RETRY, "") == 0)
        CHECK_INT(readable(fd, 0), 0);
}

// --- the number of bytes

static void a_response_that_was_counted_can_be_read(void)
{
    static const struct step steps[] = {{.reply = BUSY}, {.reply = OK}};
    struct server server;
    server_start(&server, steps);
    int fd = ask(&server, GET);
    while (waiting_bytes(fd) < (int) strlen(BUSY))
        test_pause();
    expect(fd, BUSY);
    CHECK_INT(test_log(RETRY, ""), 0);
}

static void a_hidden_response_that_was_counted_is_shown(void)
{
    static const struct step steps[] = {{.reply = BUSY}, {.reply = OK}};
    struct server server;
    server_start(&server, steps);
    int fd = ask(&server, GET);
    await_hidden(fd);
    CHECK_INT(waiting_bytes(fd), (int) strlen(BUSY));
    CHECK_INT(readable(fd, 0), POLLIN);
    expect(fd, BUSY);
    CHECK_INT(server.requests, 1);
}

static void a_count_before_the_response_changes_nothing(void)
{
    static const struct step steps[] = {{.reply = BUSY}, {.reply = OK}};
    struct server server;
    server_start(&server, steps);
    int fd = stream();
    CHECK_INT(dial(fd, &server.port), 0);
    CHECK_INT(waiting_bytes(fd), 0);
    CHECK_INT(write(fd, GET, 3), 3);
    CHECK_INT(waiting_bytes(fd), 0);
    CHECK_INT(write(fd, GET + 3, strlen(GET) - 3), (long) strlen(GET) - 3);
    expect(fd, OK);
    CHECK_INT(waiting_bytes(fd), 0);
    CHECK_INT(server.requests, 2);
}

// --- shutdown

static void shut_while_hidden(int how)
{
    static const struct step steps[] = {{.reply = BUSY}, {.reply = OK}};
    struct server server;
    server_start(&server, steps);
    int fd = ask(&server, GET);
    await_hidden(fd);
    CHECK_INT(shutdown(fd, how), 0);
    CHECK(readable(fd, -1) & POLLIN);
    expect(fd, BUSY);
    expect_end(fd);
    CHECK_INT(server.requests, 1);
    CHECK_INT(server.connections, 1);
}

static void a_hidden_response_is_shown_after_the_end_of_writes(void)
{
    shut_while_hidden(SHUT_WR);
}

static void a_hidden_response_is_shown_after_the_end_of_reads(void)
{
    shut_while_hidden(SHUT_RD);
}

static void a_hidden_response_is_shown_after_both(void)
{
    shut_while_hidden(SHUT_RDWR);
}

// The kernel still delivers what arrives after SHUT_RD. Alone, a read gets it.
static void a_connection_without_reads_is_opaque(void)
{
    static const struct step steps[] = {{.reply = BUSY}, {.reply = OK}};
    struct server server;
    server_start(&server, steps);
    int fd = ask(&server, GET);
    CHECK_INT(shutdown(fd, SHUT_RD), 0);
    while (waiting_bytes(fd) < (int) strlen(BUSY))
        test_pause();
    expect(fd, BUSY);
    CHECK_INT(server.requests, 1);
    CHECK_INT(test_log(RETRY, ""), 0);
}

// After the response, a program may end its direction and then read the end of the stream.
static void the_end_after_a_repeated_response_is_read(void)
{
    static const struct step steps[] = {{.reply = BUSY}, {.reply = OK}};
    struct server server;
    server_start(&server, steps);
    int fd = ask(&server, GET);
    expect(fd, OK);
    CHECK_INT(shutdown(fd, SHUT_WR), 0);
    expect_end(fd);
    CHECK_INT(server.requests, 2);
}

#define T(name, policy)                                                                                                \
    {                                                                                                                  \
#name, policy, name                                                                                            \
    }
static const struct test tests[] = {
    T(a_response_that_was_counted_can_be_read, NEVER),
    T(a_hidden_response_that_was_counted_is_shown, NEVER),
    T(a_count_before_the_response_changes_nothing, SOON),
    T(a_hidden_response_is_shown_after_the_end_of_writes, NEVER),
    T(a_hidden_response_is_shown_after_the_end_of_reads, NEVER),
    T(a_hidden_response_is_shown_after_both, NEVER),
    T(a_connection_without_reads_is_opaque, SOON),
    T(the_end_after_a_repeated_response_is_read, SOON),
};

TEST_MAIN(tests)

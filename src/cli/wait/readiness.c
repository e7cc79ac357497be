// SPDX-License-Identifier: MIT
// One test of a target: lookup, connect, and one GET for http.
#include "cli/wait/readiness.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/socket.h"
#include "real/system.h"

static const char looking_up[] = "the lookup of the name has not ended";
static const char connecting[] = "no answer to the connect";
static const char asking[] = "no answer to the HTTP request";
static const char no_http[] = "the answer is not HTTP";

struct readiness {
    const struct rb_awaited *awaited;
    rb_readiness_step *step;
    char *reason; // RB_READINESS_REASON_SIZE bytes
};

static bool not_ready(const struct readiness *test, const char *why)
{
    snprintf(test->reason, RB_READINESS_REASON_SIZE, "%s", why);
    return false;
}

// The texts of libc begin with a capital letter.
static bool not_ready_lower(const struct readiness *test, const char *why)
{
    not_ready(test, why);
    test->reason[0] = rb_char_lower(test->reason[0]);
    return false;
}

static bool not_ready_errno(const struct readiness *test, int error)
{
    return error == ETIMEDOUT ? not_ready(test, connecting) : not_ready_lower(test, strerror(error));
}

// --- http

static bool send_request(int fd, const struct rb_awaited *awaited)
{
    char request[RB_AWAITED_TEXT_MAX + 256];
    struct rb_slice authority = awaited->authority, resource = awaited->resource;
    bool has_path = resource.length > 0 && resource.at[0] == '/';
    int length =
        snprintf(request, sizeof(request),
                 "GET %s%.*s HTTP/1.1\r\nHost: %.*s\r\nUser-Agent: rebound/" RB_VERSION
                 "\r\nAccept: */*\r\nConnection: close\r\n\r\n",
                 has_path ? "" : "/", (int) resource.length, resource.at, (int) authority.length, authority.at);
    return send(fd, request, (size_t) length, MSG_NOSIGNAL) == length; // fits into the buffer of a new connection
}

// Reads the status of the response at the beginning of `text`. Returns 0 if more bytes are needed, and -1 if it is not
// HTTP/1.
static int status_of(struct rb_slice text)
{
    static const char begin[] = "HTTP/1.";
    enum { DIGITS = 9, LENGTH = 13 }; // "HTTP/1.1 200 "
    size_t known = sizeof(begin) - 1;
    if (memcmp(text.at, begin, text.length < known ? text.length : known) != 0)
        return -1;
    if (text.length < LENGTH)
        return 0;
    const char *digits = text.at + DIGITS;
    if (digits[-1] != ' ' || digits[0] < '1' || digits[0] > '9' || !rb_char_digit(digits[1]) ||
        !rb_char_digit(digits[2]) || !strchr(" \r\n", digits[3]))
        return -1;
    return (digits[0] - '0') * 100 + (digits[1] - '0') * 10 + (digits[2] - '0');
}

// Removes an interim response (RFC 9110, section 15.2) from the beginning of *text. Returns false if its end is
// missing.
static bool skip_interim(struct rb_slice *text)
{
    const char *end = memmem(text->at, text->length, "\r\n\r\n", 4);
    if (!end)
        return false;
    text->length -= (size_t) (end + 4 - text->at);
    text->at = end + 4;
    return true;
}

static bool judge_answer(const struct readiness *test, int status)
{
    unsigned expected = test->awaited->status;
    if (status < 0)
        return not_ready(test, no_http);
    if (expected ? (unsigned) status == expected : status < 400)
        return true;
    if (expected)
        snprintf(test->reason, RB_READINESS_REASON_SIZE, "status %d in place of %u", status, expected);
    else
        snprintf(test->reason, RB_READINESS_REASON_SIZE, "status %d", status);
    return false;
}

// Sends the request and reads until the status of the final response is known. An interim response with the expected
// status counts, too. Reads no body.
static bool test_http(const struct readiness *test, int fd, uint64_t until_ms)
{
    char answer[16384];
    size_t length = 0;
    int status = 0;
    *test->step = asking;
    if (!send_request(fd, test->awaited))
        return not_ready_errno(test, errno);
    while (status == 0) {
        if (length == sizeof(answer))
            return not_ready(test, no_http);
        uint64_t now_ms = rb_system_now_ms();
        if (now_ms >= until_ms || poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, (int) (until_ms - now_ms)) <= 0)
            return not_ready(test, asking);
        ssize_t got = recv(fd, answer + length, sizeof(answer) - length, 0);
        if (got < 0)
            return not_ready_errno(test, errno);
        if (got == 0)
            return not_ready(test, length > 0 ? no_http : "the connection was closed without an answer");
        length += (size_t) got;
        struct rb_slice left = {answer, length};
        status = status_of(left);
        while (status >= 100 && status < 200 && (unsigned) status != test->awaited->status)
            status = skip_interim(&left) ? status_of(left) : 0;
    }
    return judge_answer(test, status);
}

// --- connects

// Connects a new socket. Returns its descriptor or a negative errno.
static int readiness_connect(int type, const struct sockaddr *address, socklen_t length, uint64_t until_ms)
{
    uint64_t now_ms = rb_system_now_ms();
    if (now_ms >= until_ms)
        return -ETIMEDOUT;
    int fd = socket(address->sa_family, type | SOCK_CLOEXEC, 0);
    int error = fd < 0 ? -errno : rb_socket_connect(fd, address, length, until_ms - now_ms, 0);
    if (error == 0 && rb_socket_is_self_connected(fd))
        error = -ECONNREFUSED;
    if (error != 0 && fd >= 0)
        close(fd);
    return error != 0 ? error : fd;
}

static bool test_address(const struct readiness *test, const struct addrinfo *address, uint64_t until_ms)
{
    *test->step = connecting;
    int fd = readiness_connect(SOCK_STREAM, address->ai_addr, address->ai_addrlen, until_ms);
    if (fd < 0)
        return *test->reason ? false : not_ready_errno(test, -fd);
    bool ready = test->awaited->kind == RB_AWAITED_TCP || test_http(test, fd, until_ms);
    close(fd);
    return ready;
}

static uint64_t limit_from_now(uint64_t until_ms)
{
    uint64_t own_ms = rb_system_now_ms() + RB_READINESS_LIMIT_MS;
    return own_ms < until_ms ? own_ms : until_ms;
}

// Tests the addresses in turn until one is ready. Each address gets an equal share of the time that is left. The reason
// is that of the last HTTP answer, else of the first connect: the lookup puts addresses without a route last.
static bool test_addresses(const struct readiness *test, const struct addrinfo *list, uint64_t until_ms)
{
    unsigned left = 0;
    bool ready = false;
    for (const struct addrinfo *address = list; address; address = address->ai_next)
        left++;
    until_ms = limit_from_now(until_ms);
    *test->reason = '\0';
    for (uint64_t now_ms; !ready && left > 0 && (now_ms = rb_system_now_ms()) < until_ms; left--, list = list->ai_next)
        ready = test_address(test, list, now_ms + (until_ms - now_ms + left - 1) / left);
    return ready || *test->reason ? ready : not_ready(test, looking_up); // the lookup took all the time
}

static bool test_host(const struct readiness *test, uint64_t until_ms)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *list;
    *test->step = looking_up;
    int error = getaddrinfo(test->awaited->host, test->awaited->port, &hints, &list);
    if (error == EAI_SYSTEM)
        return not_ready_errno(test, errno);
    if (error != 0)
        return not_ready_lower(test, gai_strerror(error));
    bool ready = test_addresses(test, list, until_ms);
    freeaddrinfo(list);
    return ready;
}

static bool test_unix(const struct readiness *test, uint64_t until_ms)
{
    static const int types[] = {SOCK_STREAM, SOCK_SEQPACKET, SOCK_DGRAM};
    const struct sockaddr_un *address = &test->awaited->socket;
    int fd = -EPROTOTYPE; // the socket has another type
    *test->step = connecting;
    until_ms = limit_from_now(until_ms);
    for (unsigned i = 0; i < sizeof(types) / sizeof(types[0]) && fd == -EPROTOTYPE; i++)
        fd = readiness_connect(types[i], (const struct sockaddr *) address, sizeof(*address), until_ms);
    if (fd < 0)
        return not_ready_errno(test, -fd);
    close(fd);
    return true;
}

bool rb_readiness_test(const struct rb_awaited *awaited, uint64_t until_ms, rb_readiness_step *step,
                       char reason[RB_READINESS_REASON_SIZE])
{
    struct readiness test = {.awaited = awaited, .step = step, .reason = reason};
    return awaited->kind == RB_AWAITED_UNIX ? test_unix(&test, until_ms) : test_host(&test, until_ms);
}

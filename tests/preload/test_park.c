// SPDX-License-Identifier: MIT
// Non-blocking connects that fail and are made again: every way to wait for them and to learn of the result.
#include <net/if.h>
#include <sched.h>
#include <sys/syscall.h>

#include "park.h"

// --- ways to wait: each returns what is reported, as poll events

static int by_poll(int fd)
{
    struct pollfd p[] = {{.fd = -1, .events = POLLIN}, {.fd = fd, .events = POLLIN | POLLOUT}};
    CHECK_INT(poll(p, 2, -1), 1);
    CHECK_INT(p[1].fd, fd);
    return p[1].revents;
}

static int by_ppoll(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN | POLLOUT};
    struct timespec long_time = {.tv_sec = 20};
    sigset_t none;
    sigemptyset(&none);
    CHECK_INT(ppoll(&p, 1, &long_time, &none), 1);
    CHECK_INT(long_time.tv_sec, 20);
    return p.revents;
}

static int by_select(int fd)
{
    struct timeval timeout = {.tv_sec = 20};
    fd_set reads, writes;
    FD_ZERO(&reads);
    FD_ZERO(&writes);
    FD_SET(fd, &reads);
    FD_SET(fd, &writes);
    int ready = select(fd + 1, &reads, &writes, NULL, &timeout);
    CHECK_INT(ready, !!FD_ISSET(fd, &reads) + !!FD_ISSET(fd, &writes));
    CHECK(timeout.tv_sec <= 19);
    return (FD_ISSET(fd, &reads) ? POLLIN : 0) | (FD_ISSET(fd, &writes) ? POLLOUT : 0);
}

static int by_pselect(int fd)
{
    struct timespec timeout = {.tv_sec = 20};
    fd_set writes;
    FD_ZERO(&writes);
    FD_SET(fd, &writes);
    CHECK_INT(pselect(fd + 1, NULL, &writes, NULL, &timeout, NULL), 1);
    CHECK(FD_ISSET(fd, &writes));
    return POLLOUT;
}

static int by_epoll(int fd)
{
    int epfd = epoll_for(fd, EPOLLIN | EPOLLOUT);
    struct epoll_event event = wait_epoll(epfd, -1);
    CHECK(event.data.u64 == 0x1234567890abcdef);
    close(epfd);
    return (int) event.events;
}

static int by_edge(int fd)
{
    int epfd = epoll_for(fd, EPOLLIN | EPOLLOUT | EPOLLET);
    struct epoll_event event = wait_epoll(epfd, 20000);
    CHECK_INT(epoll_wait(epfd, &event, 1, 0), 0);
    close(epfd);
    return (int) event.events;
}

static int by_one_shot(int fd)
{
    int epfd = epoll_for(fd, EPOLLIN | EPOLLOUT | EPOLLONESHOT);
    struct epoll_event event;
    CHECK_INT(epoll_pwait(epfd, &event, 1, -1, NULL), 1);
    int reported = (int) event.events;
    CHECK_INT(epoll_wait(epfd, &event, 1, 0), 0);
    close(epfd);
    return reported;
}

static int by_pwait2(int fd)
{
    struct timespec long_time = {.tv_sec = 20};
    int epfd = epoll_for(fd, EPOLLOUT);
    struct epoll_event event;
    int ready = epoll_pwait2(epfd, &event, 1, &long_time, NULL);
    if (ready < 0 && errno == ENOSYS)
        ready = epoll_wait(epfd, &event, 1, 20000);
    CHECK_INT(ready, 1);
    close(epfd);
    return (int) event.events;
}

static int by_nested(int fd)
{
    int inner = epoll_for(fd, EPOLLIN | EPOLLOUT), outer = epoll_for(inner, EPOLLIN);
    struct epoll_event event;
    do
        wait_epoll(outer, -1);
    while (epoll_wait(inner, &event, 1, 0) == 0);
    close(outer);
    close(inner);
    return (int) event.events;
}

// Asks again and again and never waits.
static int by_asking(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    while (poll(&p, 1, 0) == 0)
        test_pause();
    return p.revents;
}

static int (*const waits[])(int) = {by_poll, by_ppoll,    by_select, by_pselect, by_epoll,
                                    by_edge, by_one_shot, by_pwait2, by_nested,  by_asking};
enum { WAITS = sizeof(waits) / sizeof(waits[0]) };

// --- ways to learn: each returns the errno, 0 for a success

static int error_of_call(ssize_t result)
{
    return result < 0 ? errno : 0;
}

static int learn_connect(int fd, const struct port *port)
{
    int error = error_of_call(dial(fd, port));
    return error == EISCONN ? 0 : error;
}

static int learn_error(int fd, const struct port *port)
{
    (void) port;
    return pending_error(fd);
}

static int learn_read(int fd, const struct port *port)
{
    char byte;
    (void) port;
    int error = error_of_call(read(fd, &byte, 1));
    return error == EAGAIN ? 0 : error;
}

static int learn_recvmsg(int fd, const struct port *port)
{
    char byte;
    struct iovec part = {&byte, 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    (void) port;
    int error = error_of_call(recvmsg(fd, &message, 0));
    return error == EAGAIN ? 0 : error;
}

static int learn_send(int fd, const struct port *port)
{
    (void) port;
    return error_of_call(send(fd, "x", 1, MSG_NOSIGNAL));
}

static int learn_write(int fd, const struct port *port)
{
    (void) port;
    return error_of_call(write(fd, "x", 1));
}

static int learn_peer(int fd, const struct port *port)
{
    if (is_peer(fd, port))
        return 0;
    CHECK_INT(errno, ENOTCONN);
    return pending_error(fd);
}

static int (*const learns[])(int, const struct port *) = {learn_error, learn_connect, learn_read, learn_recvmsg,
                                                          learn_send,  learn_write,   learn_peer};
enum { LEARNS = sizeof(learns) / sizeof(learns[0]) };

static void arrives(int (*wait)(int), int (*learn)(int, const struct port *))
{
    struct port port = port_new();
    unsigned before = test_log(RETRY, "");
    struct opener opener = {.port = &port, .count = before + 2};
    int fd = flying(&port);
    open_after(&opener);
    int events = wait(fd);
    CHECK_INT(events & (POLLERR | POLLHUP), 0);
    CHECK(events & POLLOUT);
    CHECK_INT(learn(fd, &port), 0);
    CHECK(is_peer(fd, &port));
    thread_end(opener.thread);
    CHECK(test_log(RETRY, "") >= before + 2);
    close(fd);
    close(port.fd);
}

static void waits_and_arrives(void)
{
    for (unsigned i = 0; i < WAITS; i++)
        arrives(waits[i], learn_error);
    CHECK_INT(test_log(RECOVERED, ""), WAITS);
}

static void learns_of_success(void)
{
    for (unsigned i = 0; i < LEARNS; i++)
        arrives(by_epoll, learns[i]);
    CHECK_INT(test_log(RECOVERED, ""), LEARNS);
}

static void is_given_up(int (*wait)(int), int (*learn)(int, const struct port *))
{
    struct port port = port_new(), well = port_listening();
    CHECK_INT(dial_once(&well), 0); // not one dead target after the other
    unsigned before = test_log(RETRY, "");
    int fd = flying(&port), events = wait(fd);
    if (wait != by_select && wait != by_pselect)
        CHECK_INT(events & (POLLERR | POLLHUP), POLLERR | POLLHUP);
    CHECK_INT(test_log(RETRY, ""), before + 2);
    CHECK_INT(learn(fd, &port), ECONNREFUSED);
    CHECK_INT(pending_error(fd), 0);
    close(fd);
    close(port.fd);
    close(well.fd);
}

// A target that accepts, or the process would count as one that meets dead targets only.
static void meet_a_living_one(void)
{
    struct port port = port_new();
    CHECK_INT(listen(port.fd, 1), 0);
    CHECK_INT(dial_once(&port), 0);
}

static void waits_in_vain(void)
{
    for (unsigned i = 0; i < WAITS; i++) {
        is_given_up(waits[i], learn_error);
        meet_a_living_one();
    }
    CHECK_INT(test_log(STOP, "\"reason\":\"attempts\""), WAITS);
}

static void learns_of_failure(void)
{
    for (unsigned i = 0; i < LEARNS; i++)
        is_given_up(by_poll, learns[i]);
}

// A program that asks without a wait that we see may have waited in another way: its call repeats the connect.
static void asks_before_waiting(void)
{
    for (unsigned i = 0; i < LEARNS; i++) {
        struct port port = port_new(), well = port_listening();
        unsigned before = test_log(RETRY, "");
        struct opener opener = {.port = &port, .count = before + 2};
        int fd = flying(&port);
        open_after(&opener);
        CHECK_INT(learns[i](fd, &port), 0);
        CHECK(is_peer(fd, &port));
        thread_end(opener.thread);
        CHECK_INT(test_log(RECOVERED, ""), i + 1);
        CHECK_INT(dial_once(&well), 0);
        close(fd);
        close(port.fd);
        close(well.fd);
    }
}

static void asks_in_vain(void)
{
    for (unsigned i = 0; i < LEARNS; i++) {
        struct port port = port_new(), well = port_listening();
        unsigned before = test_log(RETRY, "");
        int fd = flying(&port);
        CHECK_INT(learns[i](fd, &port), ECONNREFUSED);
        CHECK_INT(test_log(RETRY, ""), before + 2);
        CHECK_INT(dial_once(&well), 0);
        close(fd);
        close(port.fd);
        close(well.fd);
    }
}

// While a failure is hidden, calls answer as for a connect that goes on. But SO_ERROR never says 0 then: it would mean
// that the connect has succeeded. The program gets the failure.
static void asks_while_parked(void)
{
    struct port port = port_new();
    char byte;
    int fd = parked(&port);
    CHECK_INT(dial(fd, &port), -1);
    CHECK_INT(errno, EALREADY);
    CHECK_INT(read(fd, &byte, 1), -1);
    CHECK_INT(errno, EAGAIN);
    CHECK_INT(send(fd, "x", 1, 0), -1);
    CHECK_INT(errno, EAGAIN);
    CHECK_INT(ready_now(fd, POLLOUT), 0);
    CHECK_INT(pending_error(fd), ECONNREFUSED);
    CHECK_INT(pending_error(fd), 0);
    CHECK(ready_now(fd, POLLOUT) & POLLHUP);
    CHECK_INT(test_log(STOP, "\"reason\":\"interrupted\""), 1);
}

// nginx registers first, with the edge; others change their minds while the socket is parked.
static void registered_before(void)
{
    struct port port = port_new();
    struct opener opener = {.port = &port, .count = 2};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int epfd = epoll_for(fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
    CHECK(wait_epoll(epfd, -1).events & EPOLLHUP); // as every socket without a peer
    CHECK_INT(dial(fd, &port), -1);
    check_connects(&opener, epfd, fd);
}

static void registered_anew(void)
{
    struct port port = port_new();
    struct opener opener = {.port = &port, .count = 3};
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = 1};
    int fd = flying(&port), epfd = epoll_for(fd, EPOLLIN | EPOLLOUT);
    while (test_log(RETRY, "") == 0)
        CHECK_INT(epoll_wait(epfd, &event, 1, 0), 0);
    event = (struct epoll_event){.events = EPOLLOUT, .data.u64 = 2};
    CHECK_INT(epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &event), -1);
    CHECK_INT(errno, EEXIST);
    CHECK_INT(epoll_ctl(epfd, EPOLL_CTL_MOD, fd, &event), 0);
    CHECK_INT(epoll_ctl(epfd, EPOLL_CTL_DEL, fd, NULL), 0);
    CHECK_INT(epoll_ctl(epfd, EPOLL_CTL_MOD, fd, &event), -1);
    CHECK_INT(errno, ENOENT);
    event.data.u64 = 3;
    CHECK_INT(epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &event), 0);
    open_after(&opener);
    event = wait_epoll(epfd, -1);
    CHECK_INT(event.events, EPOLLOUT);
    CHECK_INT(event.data.u64, 3);
    thread_end(opener.thread);
}

// Two epolls and a poll know of it; both are told of the end.
static void watched_twice(void)
{
    struct port port = port_new();
    struct opener opener = {.port = &port, .count = 2};
    int fd = flying(&port), first = epoll_for(fd, EPOLLOUT), second = epoll_for(fd, EPOLLOUT | EPOLLET);
    open_after(&opener);
    CHECK_INT(wait_epoll(second, -1).events, EPOLLOUT);
    CHECK_INT(wait_epoll(first, 0).events, EPOLLOUT);
    CHECK_INT(by_poll(fd), POLLOUT);
    thread_end(opener.thread);
}

// The others of a loop are served while one is parked.
static void others_are_served(void)
{
    struct port port = port_new();
    int fd = flying(&port), epfd = epoll_for(fd, EPOLLOUT), pair[2];
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = 7}, seen[4];
    CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    CHECK_INT(epoll_ctl(epfd, EPOLL_CTL_ADD, pair[0], &event), 0);
    while (test_log(RETRY, "") == 0)
        CHECK_INT(epoll_wait(epfd, seen, 4, 0), 0);
    CHECK_INT(write(pair[1], "x", 1), 1);
    CHECK_INT(epoll_wait(epfd, seen, 4, -1), 1);
    CHECK_INT(seen[0].data.u64, 7);
    struct pollfd p[] = {{.fd = fd, .events = POLLOUT}, {.fd = pair[0], .events = POLLIN}};
    CHECK_INT(poll(p, 2, -1), 1);
    CHECK_INT(p[0].revents, 0);
    CHECK_INT(p[1].revents, POLLIN);
}

// A time-out is as long as the program wants it, with what is parked in between.
static void times_out(void)
{
    struct port port = port_new();
    struct epoll_event event;
    int fd = flying(&port), epfd = epoll_for(fd, EPOLLOUT);
    struct pollfd p = {.fd = fd, .events = POLLOUT, .revents = 99};
    uint64_t began = test_now_ms();
    CHECK_INT(poll(&p, 1, 60), 0);
    CHECK_INT(p.revents, 0);
    CHECK_BETWEEN((long long) (test_now_ms() - began), 60, 2000);
    began = test_now_ms();
    CHECK_INT(epoll_wait(epfd, &event, 1, 60), 0);
    CHECK_BETWEEN((long long) (test_now_ms() - began), 60, 2000);
    CHECK(test_log(RETRY, "") > 5);
}

// What the kernel does not take of a wait is refused while one is parked, too.
static void refused_waits(void)
{
    struct port port = port_new();
    struct timespec before = {.tv_sec = -1}, much = {.tv_nsec = 1000000000};
    struct timeval none = {.tv_sec = -1}, long_second = {.tv_usec = 1200000};
    struct epoll_event event;
    int fd = flying(&port), epfd = epoll_for(fd, EPOLLOUT);
    struct pollfd p = {.fd = fd, .events = POLLOUT}, *volatile nowhere = NULL;
    while (test_log(RETRY, "") == 0)
        CHECK_INT(epoll_wait(epfd, &event, 1, 0), 0);
    CHECK_INT(ppoll(&p, 1, &before, NULL), -1);
    CHECK_INT(errno, EINVAL);
    CHECK_INT(ppoll(&p, 1, &much, NULL), -1);
    CHECK_INT(errno, EINVAL);
    CHECK_INT(ppoll(nowhere, 1, &(struct timespec){0}, NULL), -1);
    CHECK_INT(errno, EFAULT);
    CHECK_INT(pselect(1, NULL, NULL, NULL, &before, NULL), -1);
    CHECK_INT(errno, EINVAL);
    CHECK_INT(select(1, NULL, NULL, NULL, &none), -1);
    CHECK_INT(errno, EINVAL);
    CHECK_INT(epoll_pwait2(epfd, &event, 1, &much, NULL), -1);
    CHECK(errno == EINVAL || errno == ENOSYS);
    uint64_t began = test_now_ms();
    CHECK_INT(select(1, NULL, NULL, NULL, &long_second), 0);
    CHECK_BETWEEN((long long) (test_now_ms() - began), 1200, 10000);
}

// A socket that was put into blocking mode waits in the call.
static void blocking_later(void)
{
    struct port port = port_new();
    struct opener opener = {.port = &port, .count = 2};
    char byte = 0;
    int fd = flying(&port);
    CHECK_INT(fcntl(fd, F_SETFL, 0), 0);
    open_after(&opener);
    CHECK_INT(write(fd, "x", 1), 1);
    int accepted = accept(port.fd, NULL, NULL);
    CHECK_INT(read(accepted, &byte, 1), 1);
    CHECK_INT(byte, 'x');
    thread_end(opener.thread);
}

// MSG_DONTWAIT does not wait on a socket that was made blocking either: EAGAIN, as for a connect that is under way.
static void asks_without_waiting(void)
{
    struct port port = port_new();
    char byte;
    int fd = parked(&port);
    CHECK_INT(fcntl(fd, F_SETFL, 0), 0);
    CHECK_INT(recv(fd, &byte, 1, MSG_DONTWAIT), -1);
    CHECK_INT(errno, EAGAIN);
    close(fd);
}

static void copies(void)
{
    struct port port = port_new();
    struct opener opener = {.port = &port, .count = 2};
    int fd = flying(&port), copy = dup(fd), second = fcntl(fd, F_DUPFD_CLOEXEC, 100), third = dup2(fd, 200);
    open_after(&opener);
    close(fd);
    CHECK_INT(by_poll(copy), POLLOUT);
    CHECK_INT(pending_error(second), 0);
    CHECK(is_peer(third, &port));
    thread_end(opener.thread);
}

// A descriptor with the number of a closed socket is not ours, however the socket was closed.
static void numbers_again(void)
{
    struct port port = port_new();
    int pair[2], fd = parked(&port);
    syscall(SYS_close, fd);
    CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    CHECK_INT(pair[0], fd);
    struct pollfd p = {.fd = fd, .events = POLLOUT | POLLIN};
    CHECK_INT(poll(&p, 1, -1), 1);
    CHECK_INT(p.revents, POLLOUT);
    CHECK_INT(write(fd, "x", 1), 1);
    int other = flying(&port);
    close(other);
    int again = flying(&port);
    CHECK_INT(again, other);
    CHECK_INT(dup2(pair[1], again), again);
    CHECK_INT(by_poll(again), POLLIN | POLLOUT);
}

static void shut_down(void)
{
    struct port port = port_new();
    int fd = parked(&port);
    CHECK_INT(shutdown(fd, SHUT_RDWR), 0);
    CHECK(by_poll(fd) & POLLHUP);
    unsigned lines = test_log_lines();
    test_pause();
    CHECK_INT(test_log_lines(), lines);
}

// connect(AF_UNSPEC) ends it.
static void disconnected(void)
{
    struct port port = port_new(), well = port_listening();
    struct sockaddr nobody = {.sa_family = AF_UNSPEC};
    int fd = parked(&port);
    CHECK_INT(connect(fd, &nobody, sizeof(nobody)), 0);
    CHECK(dial(fd, &well) == 0 || errno == EINPROGRESS);
    CHECK_INT(finished(fd), 0);
    CHECK(is_peer(fd, &well));
}

static int unix_socket(const char *name, struct sockaddr_un *address)
{
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    snprintf(address->sun_path, sizeof(address->sun_path), "%s", test_path(name));
    return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

static void *unix_opener(void *context)
{
    struct sockaddr_un address;
    int fd = unix_socket("app.sock", &address);
    (void) context;
    test_await_log(RETRY, "", 2);
    CHECK_INT(bind(fd, (struct sockaddr *) &address, sizeof(address)), 0);
    CHECK_INT(listen(fd, 4), 0);
    return NULL;
}

// A connect that fails at once is only repeated if the program is known to wait by calls that we see.
static void unix_before_waiting(void)
{
    struct sockaddr_un address;
    int fd = unix_socket("app.sock", &address), other = unix_socket("app.sock", &address);
    CHECK_INT(connect(fd, (struct sockaddr *) &address, sizeof(address)), -1);
    CHECK_INT(errno, ENOENT);
    CHECK_INT(test_log(STOP, "\"reason\":\"bypassed\""), 1);
    CHECK_INT(syscall(SYS_ppoll, NULL, 0, &(struct timespec){0}, NULL, 0), 0);
    CHECK_INT(connect(fd, (struct sockaddr *) &address, sizeof(address)), -1);
    CHECK_INT(errno, ENOENT);
    epoll_for(other, EPOLLOUT);
    CHECK_INT(connect(other, (struct sockaddr *) &address, sizeof(address)), -1);
    CHECK_INT(errno, EINPROGRESS);
    CHECK(ready_now(fd, POLLOUT) & POLLHUP);
    CHECK_INT(connect(fd, (struct sockaddr *) &address, sizeof(address)), -1);
    CHECK_INT(errno, EINPROGRESS);
}

static void unix_arrives(void)
{
    struct sockaddr_un address;
    pthread_t thread;
    int fd = unix_socket("app.sock", &address);
    CHECK(ready_now(fd, POLLOUT) & POLLHUP);
    CHECK_INT(connect(fd, (struct sockaddr *) &address, sizeof(address)), -1);
    CHECK_INT(errno, EINPROGRESS);
    CHECK_INT(pthread_create(&thread, NULL, unix_opener, NULL), 0);
    CHECK_INT(by_epoll(fd), POLLOUT);
    CHECK_INT(pending_error(fd), 0);
    CHECK_INT(write(fd, "x", 1), 1);
    thread_end(thread);
}

static void unix_given_up(void)
{
    struct sockaddr_un address;
    int fd = unix_socket("app.sock", &address);
    CHECK(ready_now(fd, POLLOUT) & POLLHUP);
    CHECK_INT(connect(fd, (struct sockaddr *) &address, sizeof(address)), -1);
    CHECK_INT(errno, EINPROGRESS);
    CHECK(by_epoll(fd) & POLLHUP);
    CHECK_INT(pending_error(fd), ENOENT);
    int other = unix_socket("app.sock", &address);
    CHECK_INT(connect(other, (struct sockaddr *) &address, sizeof(address)), -1);
    CHECK(by_poll(other) & POLLHUP);
    CHECK_INT(send(other, "x", 1, MSG_NOSIGNAL), -1);
    CHECK_INT(errno, ENOENT);
}

// A backlog that stays full: the attempt is cut off, and in the end the errno is that of a time-out.
static void slow(void)
{
    struct port port = port_new();
    int fillers[2];
    port_fill(&port, fillers);
    int fd = flying(&port);
    by_poll(fd);
    CHECK_INT(pending_error(fd), ETIMEDOUT);
    CHECK_INT(test_log(RETRY, "\"cause\":\"timeout\""), 2);
}

// A server that accepts and then resets was reached. The program reads the reset.
static void reset_after_accept(void)
{
    struct port port = port_listening();
    struct linger at_once = {.l_onoff = 1};
    char byte;
    int fd = flying(&port), accepted = accept(port.fd, NULL, NULL);
    CHECK_INT(setsockopt(accepted, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)), 0);
    close(accepted);
    CHECK(by_poll(fd) & POLLERR);
    CHECK_INT(read(fd, &byte, 1), -1);
    CHECK_INT(errno, ECONNRESET);
    CHECK_INT(test_log_lines(), 0);
}

static void no_retry(void)
{
    struct port port = port_new();
    int fd = flying(&port);
    CHECK_INT(by_epoll(fd) & (POLLERR | POLLHUP), POLLERR | POLLHUP);
    CHECK_INT(pending_error(fd), ECONNREFUSED);
    CHECK_INT(test_log(STOP, ""), 1);
}

static bool write_text(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool written = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t) strlen(text);
    close(fd);
    return written;
}

// As root of it, also for programs that are started.
static bool own_network(void)
{
    char map[64];
    snprintf(map, sizeof(map), "0 %u 1", (unsigned) geteuid());
    return geteuid() == 0 ? unshare(CLONE_NEWNET) == 0
                          : unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0 && write_text("/proc/self/uid_map", map);
}

// What it sends to loopback leaves by its interface, and is never answered; nor are questions about who has it.
static void bound_to_interface(void)
{
    static const char set_up[] =
        "ip link set lo up && ip link add v0 type veth peer name v1 && ip link set v0 arp off up && "
        "ip link set v1 up && ip addr add 10.9.9.1/24 dev v0 && "
        "ip -6 addr add fe80::9/64 dev v0 nodad";
    if (!own_network())
        test_skip("no namespaces");
    if (system(set_up) != 0) // NOLINT: words of our own
        test_skip("no interfaces");
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(81)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(81), .sin6_scope_id = if_nametoindex("v0")};
    CHECK_INT(inet_pton(AF_INET, "10.9.9.1", &v4.sin_addr), 1);
    CHECK_INT(inet_pton(AF_INET6, "fe80::9", &v6.sin6_addr), 1);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), fd6 = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK, 0);
    CHECK_INT(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "v0", 3), 0);
    CHECK_INT(connect(fd, (struct sockaddr *) &v4, sizeof(v4)), -1);
    CHECK_INT(errno, EINPROGRESS);
    CHECK_INT(connect(fd6, (struct sockaddr *) &v6, sizeof(v6)), -1);
    CHECK_INT(errno, EINPROGRESS);
    CHECK_INT(by_poll(fd) & (POLLERR | POLLHUP), POLLERR | POLLHUP);
    CHECK_INT(pending_error(fd), ECONNREFUSED);
    CHECK_INT(by_poll(fd6) & (POLLERR | POLLHUP), POLLERR | POLLHUP);
    CHECK_INT(pending_error(fd6), ECONNREFUSED);
    CHECK_INT(test_log(STOP, "\"reason\":\"attempts\""), 2);
}

// The call that asks for the result waits for the attempts. No connect is parked.
static void settles(void)
{
    struct port port = port_new();
    struct opener opener = {.port = &port, .count = 2};
    int fd = flying(&port);
    open_after(&opener);
    CHECK_INT(pending_error(fd), 0);
    CHECK(is_peer(fd, &port));
    thread_end(opener.thread);
    struct port dead = port_new();
    fd = flying(&dead);
    CHECK_INT(pending_error(fd), ECONNREFUSED);
}

#define ANY "[any]\nhosts=*\nretry.backoff=fixed\nretry.jitter=none\nbreaker=off\n" FAILOVER("off")
#define TIMED POLICY "retry.base=5ms\nretry.attempts=3\ntimeout.connect=50ms\nbudget.floor=1000/s\n"

// Looks without waiting, once.
static bool is_writable(int fd, bool precise)
{
    fd_set writes;
    FD_ZERO(&writes);
    FD_SET(fd, &writes);
    return (precise ? pselect(fd + 1, NULL, &writes, NULL, &(struct timespec){0}, NULL)
                    : select(fd + 1, NULL, &writes, NULL, &(struct timeval){0})) == 1;
}

// A connect that has succeeded is seen by the first look, as the kernel shows it: some programs look only once.
static void succeeds_at_the_first_look(void)
{
    struct port port = port_listening();
    for (unsigned way = 0; way < 4; way++) {
        int fd = flying(&port), epfd = epoll_for(fd, EPOLLOUT);
        struct pollfd bare = {.fd = fd, .events = POLLOUT};
        struct epoll_event event;
        while (syscall(SYS_ppoll, &bare, 1, &(struct timespec){0}, NULL, 0) == 0)
            test_pause();
        if (way < 2)
            CHECK(is_writable(fd, way == 1));
        else if (way == 2)
            CHECK_INT(ready_now(fd, POLLOUT), POLLOUT);
        else
            CHECK_INT(epoll_wait(epfd, &event, 1, 0), 1);
        CHECK_INT(pending_error(fd), 0);
        close(epfd);
        close(fd);
    }
}

static const struct test tests[] = {
    {"waits_and_arrives", PATIENT, waits_and_arrives},
    {"learns_of_success", PATIENT, learns_of_success},
    {"waits_in_vain", THREE "budget.floor=1000/s\n", waits_in_vain},
    {"learns_of_failure", THREE "budget.floor=1000/s\n", learns_of_failure},
    {"asks_before_waiting", PATIENT, asks_before_waiting},
    {"asks_in_vain", THREE "budget.floor=1000/s\n", asks_in_vain},
    {"asks_while_parked", LONG, asks_while_parked},
    {"succeeds_at_the_first_look", PATIENT, succeeds_at_the_first_look},
    {"registered_before", PATIENT, registered_before},
    {"registered_anew", PATIENT, registered_anew},
    {"watched_twice", PATIENT, watched_twice},
    {"others_are_served", POLICY "retry.base=10s\nretry.attempts=9\n", others_are_served},
    {"times_out", PATIENT, times_out},
    {"refused_waits", POLICY "retry.base=10s\nretry.attempts=9\n", refused_waits},
    {"blocking_later", PATIENT, blocking_later},
    {"asks_without_waiting", POLICY "retry.base=10s\nretry.attempts=9\n", asks_without_waiting},
    {"copies", PATIENT, copies},
    {"numbers_again", PATIENT, numbers_again},
    {"shut_down", PATIENT, shut_down},
    {"disconnected", PATIENT, disconnected},
    {"unix_before_waiting", PATIENT, unix_before_waiting},
    {"unix_arrives", PATIENT, unix_arrives},
    {"unix_given_up", THREE, unix_given_up},
    {"slow", TIMED, slow},
    {"reset_after_accept", PATIENT, reset_after_accept},
    {"no_retry", POLICY "retry.attempts=1\n", no_retry},
    {"bound_to_interface", ANY "retry.base=5ms\nretry.attempts=3\nbudget.floor=1000/s\n", bound_to_interface},
    {"settles", PATIENT "connect.nonblocking=settle\n", settles},
};

TEST_MAIN(tests)

// SPDX-License-Identifier: MIT
// Parked connects and what processes do to descriptors: numbers used again, forks, exec, threads that end in a wait.
#include <sched.h>
#include <setjmp.h>
#include <spawn.h>
#include <sys/resource.h>

#include "park.h"

// Gives the number of a raw-closed descriptor to one end of a socket pair; returns the other end.
static int take_number(int fd)
{
    int pair[2];
    CHECK_INT(syscall(SYS_close, fd), 0);
    CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    CHECK_INT(pair[0], fd);
    return pair[1];
}

// libuv closes by a raw system call; the next socket has the number, and soon the place in the epoll with the same
// data.
static void number_in_the_same_epoll(void)
{
    struct port port = port_new();
    struct epoll_event event = {.events = EPOLLOUT, .data.u64 = 0x1234567890abcdef};
    int fd = parked(&port), epfd = epoll_for(fd, EPOLLOUT);
    CHECK_INT(epoll_wait(epfd, &event, 1, 0), 0);
    event = (struct epoll_event){.events = EPOLLOUT, .data.u64 = 0x1234567890abcdef};
    int other = take_number(fd);
    CHECK_INT(epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &event), 0);
    CHECK_INT(wait_epoll(epfd, 1000).events, EPOLLOUT);
    CHECK_INT(write(other, "x", 1), 1);
    event.events = EPOLLIN;
    CHECK_INT(epoll_ctl(epfd, EPOLL_CTL_MOD, fd, &event), 0);
    CHECK_INT(wait_epoll(epfd, 1000).events, EPOLLIN);
}

static void number_in_other_waits(void)
{
    struct port port = port_new();
    int fd = parked(&port), ready = 0;
    take_number(fd);
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    CHECK_INT(poll(&p, 1, 1000), 1);
    CHECK_INT(p.revents, POLLOUT);
    int again = parked(&port);
    struct timeval second = {.tv_sec = 1};
    fd_set writes;
    take_number(again);
    FD_ZERO(&writes);
    FD_SET(again, &writes);
    ready = select(again + 1, NULL, &writes, NULL, &second);
    CHECK_INT(ready, 1);
    CHECK(FD_ISSET(again, &writes));
}

// One of two descriptors of a parked socket becomes another file: it is not taken for the socket, its registration is
// not touched.
static void number_of_a_copy(void)
{
    struct port port = port_new();
    struct opener opener = {.port = &port, .count = 3};
    int fd = flying(&port), copy = dup(fd), other = take_number(copy);
    int epfd = epoll_for(copy, EPOLLIN);
    CHECK_INT(ready_now(copy, POLLOUT), POLLOUT);
    CHECK_INT(write(copy, "x", 1), 1);
    open_after(&opener);
    CHECK_INT(write(other, "y", 1), 1);
    CHECK_INT(wait_epoll(epfd, 1000).events, EPOLLIN);
    CHECK_INT(finished(fd), 0);
    CHECK(is_peer(fd, &port));
    CHECK_INT(wait_epoll(epfd, 1000).events, EPOLLIN);
    thread_end(opener.thread);
}

// A parked socket's copy gets the number of another one that was watched and closed behind our back.
static void copy_with_a_stale_number(void)
{
    struct port port = port_new();
    struct epoll_event event;
    int first = flying(&port), second = flying(&port), epfd = epoll_for(first, EPOLLOUT);
    CHECK_INT(epoll_wait(epfd, &event, 1, 20), 0);
    CHECK_INT(syscall(SYS_close, first), 0);
    CHECK_INT(dup(second), first);
    event = (struct epoll_event){.events = EPOLLOUT, .data.u64 = 0x1234567890abcdef};
    CHECK_INT(epoll_ctl(epfd, EPOLL_CTL_ADD, first, &event), 0);
    struct opener opener = {.port = &port, .count = test_log(RETRY, "") + 2};
    check_connects(&opener, epfd, second);
}

// The epoll is closed, and another one has its number and data. No event of the new epoll is hidden.
static void number_of_an_epoll(void)
{
    struct port port = port_new();
    int fd = parked(&port), epfd = epoll_for(fd, EPOLLOUT), pair[2];
    CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    close(epfd);
    CHECK_INT(epoll_for(pair[0], EPOLLIN), epfd);
    close(pair[1]);
    CHECK_INT(wait_epoll(epfd, 1000).events, EPOLLIN | EPOLLHUP);
    close(fd);
    CHECK_INT(wait_epoll(epfd, 1000).events, EPOLLIN | EPOLLHUP);
}

// An epoll that was closed behind our back and is a socket now does not keep the others from parking.
static void number_of_an_epoll_for_a_socket(void)
{
    struct port port = port_new();
    struct opener opener = {.port = &port, .count = 2};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), epfd = epoll_for(fd, EPOLLOUT);
    take_number(epfd);
    CHECK_INT(dial(fd, &port), -1);
    open_after(&opener);
    CHECK_INT(finished(fd), 0);
    thread_end(opener.thread);
}

static void closed_by_range(void)
{
    struct port port = port_new();
    int low = dup(port.fd), fd = fcntl(parked(&port), F_DUPFD_CLOEXEC, 50), epfd = epoll_for(fd, EPOLLOUT);
    struct epoll_event event;
    if (syscall(SYS_close_range, low + 1, ~0u, 0) != 0)
        test_skip("no close_range");
    CHECK_INT(epoll_wait(epfd, &event, 1, 0), -1);
    CHECK_INT(errno, EBADF);
    int again = parked(&port);
    CHECK_INT(ready_now(again, POLLOUT), 0);
    CHECK_INT(ready_now(fd, POLLOUT), POLLNVAL);
    closefrom(low + 1);
    CHECK_INT(ready_now(again, POLLOUT), POLLNVAL);
    CHECK_INT(getsockopt(again, SOL_SOCKET, SO_ERROR, &event, &(socklen_t){sizeof(event)}), -1);
    CHECK_INT(errno, EBADF);
}

// A failed dup2 closes nothing.
static void dup_onto_parked(void)
{
    struct port port = port_new();
    struct opener opener = {.port = &port, .count = 2};
    int fd = flying(&port);
    CHECK_INT(dup2(-1, fd), -1);
    CHECK_INT(errno, EBADF);
    CHECK_INT(dup2(fd, fd), fd);
    int copy = dup(fd);
    CHECK_INT(dup2(fd, copy), copy);
    open_after(&opener);
    CHECK_INT(finished(copy), 0);
    CHECK_INT(pending_error(fd), 0);
    CHECK(is_peer(fd, &port));
    thread_end(opener.thread);
}

// The descriptor that the epoll knows is closed while a copy lives on: its registration tells the failure, as alone,
// rather than nothing.
static void registered_name_closed(void)
{
    struct port port = port_new();
    int fd = parked(&port), epfd = epoll_for(fd, EPOLLOUT), copy = dup(fd);
    struct epoll_event event;
    CHECK_INT(epoll_wait(epfd, &event, 1, 0), 0);
    close(fd);
    CHECK(wait_epoll(epfd, 1000).events & EPOLLERR);
    CHECK_INT(pending_error(copy), ECONNREFUSED);
}

// --- forks

// A fork gives up what is parked: parent and child see the failure. What each connects afterwards is its own.
static void child_has_its_own(void)
{
    struct port port = port_new(), good = port_listening();
    int fd = parked(&port), epfd = epoll_for(fd, EPOLLOUT);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        int own = flying(&good), none = parked(&port), pair[2];
        CHECK_INT(finished(own), 0);
        CHECK_INT(ready_now(none, POLLOUT), 0);
        close(fd);
        CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
        CHECK_INT(pair[0], fd);
        struct pollfd p = {.fd = fd, .events = POLLOUT};
        CHECK_INT(poll(&p, 1, 1000), 1); // not what the parent has under this number
        CHECK_INT(p.revents, POLLOUT);
        _exit(0);
    }
    CHECK_INT(test_status(child), 0);
    CHECK(wait_epoll(epfd, 1000).events & EPOLLERR);
    CHECK_INT(pending_error(fd), ECONNREFUSED);
    CHECK_INT(test_log(STOP, "\"reason\":\"shared\""), 1);
    int again = parked(&port);
    CHECK_INT(ready_now(again, POLLOUT), 0);
}

static int child_error(int fd)
{
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        struct pollfd p = {.fd = fd, .events = POLLOUT};
        CHECK_INT(poll(&p, 1, 1000), 1);
        CHECK(p.revents & POLLERR);
        _exit(pending_error(fd));
    }
    return test_status(child);
}

// Whatever the parent does with the descriptor, the child sees a failed connect. The error is told once, as alone.
static void child_sees_the_failure(void)
{
    struct port port = port_new();
    int fd = parked(&port);
    CHECK_INT(child_error(fd), ECONNREFUSED);
    CHECK_INT(pending_error(fd), 0);
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    CHECK_INT(poll(&p, 1, 1000), 1);
    CHECK(p.revents & POLLHUP);
}

// Begins a connect on a socket that has failed before. The kernel first tells that the earlier connect was ended.
static void begin_again(int fd, const struct port *port)
{
    int result = dial(fd, port);
    if (result < 0 && errno == ECONNABORTED)
        result = dial(fd, port);
    CHECK_INT(result, -1);
    CHECK_INT(errno, EINPROGRESS);
}

// A socket that a child has since before the connect, whichever of the two connects.
static void shared_before_the_connect(void)
{
    struct port port = port_new();
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), go[2];
    char byte;
    CHECK_INT(pipe(go), 0);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        close(go[1]);
        CHECK_INT(read(go[0], &byte, 1), 0);
        CHECK_INT(pending_error(fd), ECONNREFUSED);
        begin_again(fd, &port);
        CHECK(ready_now(fd, POLLOUT) & POLLERR);
        _exit(0);
    }
    CHECK_INT(dial(fd, &port), -1);
    CHECK_INT(errno, EINPROGRESS);
    CHECK(ready_now(fd, POLLOUT) & POLLERR);
    close(go[1]);
    CHECK_INT(test_status(child), 0);
    CHECK_INT(pending_error(fd), ECONNREFUSED);
    CHECK_INT(ready_now(parked(&port), POLLOUT), 0);
}

static void pass(int channel, int fd)
{
    char byte = 'x', control[CMSG_SPACE(sizeof(fd))] = "";
    struct iovec part = {&byte, 1};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    *header = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(fd))};
    memcpy(CMSG_DATA(header), &fd, sizeof(fd));
    CHECK_INT(sendmsg(channel, &message, 0), 1);
}

static int receive(int channel)
{
    int fd;
    char byte, control[CMSG_SPACE(sizeof(fd))];
    struct iovec part = {&byte, 1};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
    CHECK_INT(recvmsg(channel, &message, 0), 1);
    memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fd));
    return fd;
}

// A socket that was passed before the connect. Its number in this process was that of a socket made here.
static void passed_before_the_connect(void)
{
    struct port port = port_new();
    int channel[2];
    CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM, 0, channel), 0);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), other = socket(AF_INET, SOCK_STREAM, 0);
    pass(channel[0], fd);
    close(other);
    int got = receive(channel[1]);
    CHECK_INT(got, other);
    CHECK_INT(dial(got, &port), -1);
    CHECK_INT(errno, EINPROGRESS);
    CHECK(ready_now(got, POLLOUT) & POLLERR);
    CHECK_INT(pending_error(fd), ECONNREFUSED);
    begin_again(fd, &port);
    CHECK(ready_now(fd, POLLOUT) & POLLERR);
    CHECK_INT(pending_error(got), ECONNREFUSED);
}

// A program that was started before the connect has the sockets without FD_CLOEXEC.
static void inherited_before_the_connect(void)
{
    struct port port = port_new();
    char *arguments[] = {"true", NULL};
    pid_t child;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    int own = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    CHECK_INT(posix_spawn(&child, "/bin/true", NULL, NULL, arguments, environ), 0);
    CHECK_INT(test_status(child), 0);
    CHECK_INT(dial(fd, &port), -1);
    CHECK_INT(errno, EINPROGRESS);
    CHECK(ready_now(fd, POLLOUT) & POLLERR);
    CHECK_INT(dial(own, &port), -1);
    CHECK_INT(errno, EINPROGRESS);
    while (test_log(RETRY, "") == 0)
        CHECK_INT(ready_now(own, POLLOUT), 0);
}

struct forker {
    int fd, error;
};

static void *forker_run(void *context)
{
    struct forker *forker = context;
    forker->error = child_error(forker->fd);
    return NULL;
}

// One thread waits, another one forks.
static void thread_forks(void)
{
    struct port port = port_new();
    int fd = flying(&port);
    struct forker forker = {.fd = fd};
    pthread_t thread;
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    while (test_log(RETRY, "") == 0)
        CHECK_INT(poll(&p, 1, 1), 0);
    CHECK_INT(pthread_create(&thread, NULL, forker_run, &forker), 0);
    CHECK_INT(poll(&p, 1, -1), 1);
    CHECK(p.revents & POLLHUP);
    thread_end(thread);
    CHECK_INT(forker.error, ECONNREFUSED);
}

// What the child of a vfork does is its own affair, though it does it in our memory; it may well be the first to ask.
static void vfork_first(void)
{
    struct port port = port_new();
    struct opener opener = {.port = &port, .count = 2};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), epfd = epoll_for(fd, EPOLLOUT), status;
    pid_t child = vfork();
    if (child == 0) {
        close(fd);
        _exit(0);
    }
    CHECK_INT(waitpid(child, &status, 0), child);
    CHECK_INT(dial(fd, &port), -1);
    open_after(&opener);
    while (!(wait_epoll(epfd, -1).events & EPOLLOUT) || !is_peer(fd, &port))
        continue;
    thread_end(opener.thread);
    CHECK(test_log(RETRY, "") >= 2);
}

static void vfork_child(void)
{
    struct port port = port_new();
    struct opener opener = {.port = &port, .count = 3};
    int fd = parked(&port), epfd = epoll_for(fd, EPOLLOUT), status;
    pid_t child = vfork();
    if (child == 0) {
        dup2(fd, 100);
        dup2(1, fd);
        close(fd);
        int own = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        if (dial(own, &port) == 0 || (errno != EINPROGRESS && errno != ECONNREFUSED))
            _exit(1);
        struct pollfd p = {.fd = own, .events = POLLOUT};
        _exit(poll(&p, 1, 1000) == 1 ? 0 : 2);
    }
    CHECK_INT(waitpid(child, &status, 0), child);
    CHECK_INT(status, 0);
    check_connects(&opener, epfd, fd);
}

static void spawns(void)
{
    struct port port = port_new();
    struct opener opener = {.port = &port, .count = 3};
    posix_spawn_file_actions_t actions;
    char *arguments[] = {"true", NULL};
    pid_t child;
    int fd = parked(&port);
    CHECK_INT(posix_spawn_file_actions_init(&actions), 0);
    CHECK_INT(posix_spawn_file_actions_addclose(&actions, fd), 0);
    CHECK_INT(posix_spawn_file_actions_adddup2(&actions, 1, fd), 0);
    CHECK_INT(posix_spawn(&child, "/bin/true", &actions, NULL, arguments, environ), 0);
    CHECK_INT(test_status(child), 0);
    CHECK_INT(system("exit 3") >> 8, 3);
    open_after(&opener);
    CHECK_INT(finished(fd), 0);
    thread_end(opener.thread);
}

// An executed program inherits a socket whose connect has ended, and does not wait.
static void executed(void)
{
    struct pollfd p = {.fd = atoi(getenv("RB_TEST_FD")), .events = POLLOUT};
    CHECK_INT(poll(&p, 1, 5000), 1);
    CHECK(p.revents & (POLLERR | POLLHUP));
}

static void executes(void)
{
    struct port port = port_new();
    char number[16];
    int fd = dup(parked(&port));
    snprintf(number, sizeof(number), "%d", fd);
    setenv("RB_TEST_FD", number, 1);
    CHECK_INT(test_under("executed"), 0);
    CHECK_INT(test_alone("executed"), 0);
}

// --- threads that leave a wait

static int way_out; // enum wait_way

static void wait_somehow(int fd)
{
    bool by_epoll = way_out == WAIT_EPOLL || way_out == WAIT_EPOLL_PWAIT;
    wait_by(way_out, fd, by_epoll ? epoll_for(fd, EPOLLOUT) : -1, NULL);
}

static void check_signals_open(void)
{
    sigset_t now;
    CHECK_INT(pthread_sigmask(SIG_SETMASK, NULL, &now), 0);
    CHECK_INT(sigismember(&now, SIGTERM), 0);
    CHECK_INT(sigismember(&now, SIGUSR2), 0);
}

struct waiter {
    int fd;
    pid_t id;
};

static void *waiter_run(void *context)
{
    struct waiter *waiter = context;
    __atomic_store_n(&waiter->id, test_thread_id(), __ATOMIC_RELEASE);
    wait_somehow(waiter->fd);
    return NULL;
}

static void cancelled(void)
{
    struct port port = port_new();
    for (way_out = 0; way_out < WAIT_WAYS; way_out++) {
        struct waiter waiter = {.fd = flying(&port)};
        unsigned before = test_log(RETRY, "");
        pthread_t thread;
        void *result;
        CHECK_INT(pthread_create(&thread, NULL, waiter_run, &waiter), 0);
        test_await_log(RETRY, "", before + 2);
        CHECK_INT(pthread_cancel(thread), 0);
        CHECK_INT(pthread_join(thread, &result), 0);
        CHECK(result == PTHREAD_CANCELED);
        struct opener opener = {.port = &port, .count = before + 4};
        open_after(&opener);
        CHECK_INT(finished(waiter.fd), 0);
        thread_end(opener.thread);
        CHECK_INT(close(port.fd), 0);
        port = port_new();
    }
}

static sigjmp_buf outside;

static void leap(int signal)
{
    siglongjmp(outside, signal);
}

static void *alarm_run(void *context)
{
    const pthread_t *thread = context;
    test_await_log(RETRY, "", test_log(RETRY, "") + 2);
    CHECK_INT(pthread_kill(*thread, SIGUSR1), 0);
    return NULL;
}

static void leapt_out(void)
{
    pthread_t self = pthread_self(), thread;
    signal(SIGUSR1, leap);
    for (way_out = 0; way_out < WAIT_WAYS; way_out++) {
        struct port port = port_new();
        int fd = flying(&port);
        CHECK_INT(pthread_create(&thread, NULL, alarm_run, &self), 0);
        if (sigsetjmp(outside, 1) == 0)
            wait_somehow(fd);
        thread_end(thread);
        check_signals_open();
        struct opener opener = {.port = &port, .count = test_log(RETRY, "") + 2};
        open_after(&opener);
        CHECK_INT(finished(fd), 0);
        thread_end(opener.thread);
    }
}

// No descriptor is left: the attempts need none.
static void no_descriptors(void)
{
    struct port port = port_new();
    int fd = parked(&port), other = parked(&port), epfd = epoll_for(fd, EPOLLOUT), last = dup(0);
    struct rlimit none = {.rlim_cur = (rlim_t) last + 1, .rlim_max = (rlim_t) last + 1};
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &none), 0);
    CHECK_INT(dup(0), -1);
    CHECK_INT(errno, EMFILE);
    CHECK_INT(fcntl(other, F_SETFL, 0), 0);
    CHECK_INT(listen(port.fd, 4), 0);
    CHECK_INT(write(other, "x", 1), 1); // waits in the call
    CHECK_INT(wait_epoll(epfd, -1).events, EPOLLOUT);
    CHECK_INT(pending_error(fd), 0);
}

static const struct test tests[] = {
    {"number_in_the_same_epoll", LONG, number_in_the_same_epoll},
    {"number_in_other_waits", LONG, number_in_other_waits},
    {"number_of_a_copy", PATIENT, number_of_a_copy},
    {"copy_with_a_stale_number", PATIENT, copy_with_a_stale_number},
    {"number_of_an_epoll", LONG, number_of_an_epoll},
    {"number_of_an_epoll_for_a_socket", PATIENT, number_of_an_epoll_for_a_socket},
    {"closed_by_range", LONG, closed_by_range},
    {"dup_onto_parked", PATIENT, dup_onto_parked},
    {"registered_name_closed", LONG, registered_name_closed},
    {"child_has_its_own", LONG, child_has_its_own},
    {"child_sees_the_failure", LONG, child_sees_the_failure},
    {"shared_before_the_connect", LONG, shared_before_the_connect},
    {"passed_before_the_connect", LONG, passed_before_the_connect},
    {"inherited_before_the_connect", LONG, inherited_before_the_connect},
    {"thread_forks", POLICY "retry.base=500ms\nretry.attempts=9\n", thread_forks},
    {"vfork_first", PATIENT, vfork_first},
    {"vfork_child", PATIENT, vfork_child},
    {"spawns", PATIENT, spawns},
    {"executed", NULL, executed},
    {"executes", LONG, executes},
    {"cancelled", PATIENT, cancelled},
    {"leapt_out", PATIENT, leapt_out},
    {"no_descriptors", POLICY "retry.base=50ms\n", no_descriptors},
};

TEST_MAIN(tests)

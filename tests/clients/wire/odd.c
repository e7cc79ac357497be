// SPDX-License-Identifier: MIT
// Sends one HTTP request over a socket and reads the response in an unusual way: odd WAY PORT [BYTES]
//
// Prints the response, perhaps with lines in brackets about what happened, and ends when the response is complete.
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BUFFER = 1 << 20 };

static char response[BUFFER];
static size_t have;
static const char request[] = "GET /k HTTP/1.1\r\nHost: odd\r\n\r\n";
static const char post[] = "POST /k HTTP/1.1\r\nHost: odd\r\nContent-Length: 10\r\n\r\n";
static const char body[] = "name=value";

__attribute__((format(printf, 1, 2))) static void say(const char *format, ...)
{
    char line[256];
    va_list values;
    va_start(values, format);
    int length = vsnprintf(line, sizeof(line), format, values);
    va_end(values);
    if (write(1, line, (size_t) length) < 0)
        _exit(3);
}

static void check(bool good, const char *what)
{
    if (good)
        return;
    say("[%s: %s]\n", what, strerrorname_np(errno));
    _exit(2);
}

static int open_connection(const char *port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t) atoi(port)), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    check(fd >= 0, "socket");
    check(connect(fd, (struct sockaddr *) &address, sizeof(address)) == 0, "connect");
    return fd;
}

static void ask(int fd)
{
    check(send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL) == (ssize_t) sizeof(request) - 1, "send");
}

static void set_nonblocking(int fd, bool on)
{
    int flags = fcntl(fd, F_GETFL);
    check(fcntl(fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK) == 0, "fcntl");
}

// Whether `response` has a header block and as many bytes of a body as Content-Length says.
static bool is_complete(void)
{
    response[have] = '\0';
    const char *end = strstr(response, "\r\n\r\n"), *length = strstr(response, "Content-Length: ");
    if (!end)
        return false;
    return length && have >= (size_t) (end + 4 - response) + strtoul(length + 16, NULL, 10);
}

static void print_response(void)
{
    for (size_t at = 0; at < have;) {
        ssize_t written = write(1, response + at, have - at);
        check(written > 0, "write");
        at += (size_t) written;
    }
    have = 0;
}

// Takes the result of a call that read into response + have. Returns false at the end of the connection.
static bool took(ssize_t got)
{
    check(got >= 0, "read");
    have += (size_t) got;
    if (got == 0)
        say("[end]\n");
    return got > 0;
}

static void read_blocking(int fd)
{
    while (!is_complete() && took(recv(fd, response + have, BUFFER - have - 1, 0)))
        ;
    print_response();
}

// Reads without blocking; `wait` waits until there is something.
static void read_after(int fd, void (*wait)(int))
{
    set_nonblocking(fd, true);
    while (!is_complete()) {
        ssize_t got = recv(fd, response + have, BUFFER - have - 1, 0);
        if (got < 0 && errno == EAGAIN)
            wait(fd);
        else if (!took(got))
            break;
    }
    print_response();
}

// Waits that are no calls of libc functions

static void raw_ppoll(int fd)
{
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    check(syscall(SYS_ppoll, &ready, 1, NULL, NULL, 8) == 1, "ppoll");
}

static void raw_epoll(int fd)
{
    static int epoll = -1;
    struct epoll_event event = {.events = EPOLLIN};
    if (epoll < 0) {
        epoll = (int) syscall(SYS_epoll_create1, 0);
        check(syscall(SYS_epoll_ctl, epoll, EPOLL_CTL_ADD, fd, &event) == 0, "epoll_ctl");
    }
    check(syscall(SYS_epoll_pwait, epoll, &event, 1, -1, NULL, 8) == 1, "epoll_pwait");
}

// The registration is known; only the wait is not.
static void raw_epoll_wait(int fd)
{
    static int epoll = -1;
    struct epoll_event event = {.events = EPOLLIN};
    if (epoll < 0) {
        epoll = epoll_create1(0);
        check(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0, "epoll_ctl");
    }
    check(syscall(SYS_epoll_pwait, epoll, &event, 1, -1, NULL, 8) == 1, "epoll_pwait");
}

// A wait that the library sees and that ends at once, and then one that it does not see.
static void mixed(int fd)
{
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    if (poll(&ready, 1, 0) == 0)
        raw_ppoll(fd);
}

static int signal_pipe[2];

static void on_signal(int number)
{
    char byte = (char) number;
    if (write(signal_pipe[1], &byte, 1) < 0)
        _exit(3);
}

static void wait_for_signal(int fd)
{
    char byte;
    (void) fd;
    while (read(signal_pipe[0], &byte, 1) < 0)
        check(errno == EINTR, "pipe");
}

static void by_sigio(int fd)
{
    check(pipe2(signal_pipe, O_CLOEXEC) == 0, "pipe");
    signal(SIGIO, on_signal);
    check(fcntl(fd, F_SETOWN, getpid()) == 0, "F_SETOWN");
    check(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_ASYNC) == 0, "O_ASYNC");
    ask(fd);
    read_after(fd, wait_for_signal);
}

// Reads and writes that are no calls of recv or send

static void by_stream(int fd)
{
    FILE *stream = fdopen(fd, "r+");
    check(stream != NULL, "fdopen");
    fputs(request, stream);
    fflush(stream);
    while (!is_complete() && fgets(response + have, BUFFER - (int) have, stream))
        have += strlen(response + have);
    print_response();
}

// Only the response goes through a stream.
static void by_stream_after(int fd)
{
    ask(fd);
    FILE *stream = fdopen(fd, "r");
    while (!is_complete() && fgets(response + have, BUFFER - (int) have, stream))
        have += strlen(response + have);
    print_response();
}

static void by_splice(int fd)
{
    int ends[2];
    check(pipe2(ends, O_CLOEXEC) == 0, "pipe");
    ask(fd);
    while (!is_complete()) {
        ssize_t moved = splice(fd, NULL, ends[1], NULL, 4096, 0);
        check(moved > 0, "splice");
        took(read(ends[0], response + have, (size_t) moved));
    }
    print_response();
}

static void by_recvmmsg(int fd)
{
    ask(fd);
    while (!is_complete()) {
        struct iovec part = {response + have, BUFFER - have - 1};
        struct mmsghdr message = {.msg_hdr = {.msg_iov = &part, .msg_iovlen = 1}};
        check(recvmmsg(fd, &message, 1, 0, NULL) == 1, "recvmmsg");
        took(message.msg_len);
    }
    print_response();
}

static void raw_read(int fd)
{
    ask(fd);
    while (!is_complete() && took(syscall(SYS_read, fd, response + have, BUFFER - have - 1)))
        ;
    print_response();
}

// A request whose body is not seen. With a retry the server would wait for the body for ever.
static void by_sendfile(int fd)
{
    char name[] = "odd-XXXXXX";
    int file = mkstemp(name);
    check(file >= 0 && unlink(name) == 0 && write(file, body, 10) == 10, "file");
    off_t at = 0;
    check(write(fd, post, sizeof(post) - 1) == (ssize_t) sizeof(post) - 1, "write");
    check(sendfile(fd, file, &at, 10) == 10, "sendfile");
    read_blocking(fd);
}

static void by_splice_out(int fd)
{
    int ends[2];
    check(pipe2(ends, O_CLOEXEC) == 0 && write(ends[1], body, 10) == 10, "pipe");
    check(write(fd, post, sizeof(post) - 1) == (ssize_t) sizeof(post) - 1, "write");
    check(splice(ends[0], NULL, fd, NULL, 10, 0) == 10, "splice");
    read_blocking(fd);
}

static void raw_write(int fd)
{
    check(syscall(SYS_write, fd, post, sizeof(post) - 1) == sizeof(post) - 1, "write");
    check(write(fd, body, 10) == 10, "write");
    read_blocking(fd);
}

static void by_sendmmsg(int fd)
{
    struct iovec parts[2] = {{(void *) (uintptr_t) post, sizeof(post) - 1}, {(void *) (uintptr_t) body, 10}};
    struct mmsghdr messages[2] = {{.msg_hdr = {.msg_iov = &parts[0], .msg_iovlen = 1}},
                                  {.msg_hdr = {.msg_iov = &parts[1], .msg_iovlen = 1}}};
    check(sendmmsg(fd, messages, 2, 0) == 2, "sendmmsg");
    read_blocking(fd);
}

// Connections that others have, too

static void in_child(int fd)
{
    ask(fd);
    pid_t child = fork();
    if (child == 0) {
        read_blocking(fd);
        _exit(0);
    }
    waitpid(child, NULL, 0);
}

static void child_asks(int fd)
{
    pid_t child = fork();
    if (child == 0) {
        ask(fd);
        _exit(0);
    }
    waitpid(child, NULL, 0);
    read_blocking(fd);
}

static void by_dup(int fd)
{
    ask(fd);
    int copy = dup(fd);
    read_blocking(copy);
}

static void by_dup_and_close(int fd)
{
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 100);
    ask(fd);
    close(fd);
    read_blocking(copy);
}

static void pass(int over, int fd)
{
    char room[CMSG_SPACE(sizeof(int))] = {0}, byte = 0;
    struct iovec part = {&byte, 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof(room)};
    struct cmsghdr *control = CMSG_FIRSTHDR(&message);
    control->cmsg_level = SOL_SOCKET;
    control->cmsg_type = SCM_RIGHTS;
    control->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(control), &fd, sizeof(fd));
    check(sendmsg(over, &message, 0) == 1, "sendmsg");
}

static int receive(int over)
{
    char room[CMSG_SPACE(sizeof(int))] = {0}, byte;
    struct iovec part = {&byte, 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof(room)};
    int fd;
    check(recvmsg(over, &message, 0) == 1, "recvmsg");
    memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fd));
    return fd;
}

static void by_rights(int fd)
{
    int pair[2];
    check(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0, "socketpair");
    pid_t child = fork(); // has a copy of the connection, which it closes at once
    if (child == 0) {
        close(fd);
        read_blocking(receive(pair[1]));
        _exit(0);
    }
    ask(fd);
    pass(pair[0], fd);
    waitpid(child, NULL, 0);
}

// The descriptor goes to a program that knows nothing of the request.
static void by_exec(int fd)
{
    ask(fd);
    check(dup2(fd, 0) == 0, "dup2");
    execlp("head", "head", "-c", "20", (char *) NULL);
}

// Limits of time, and signals

static void receive_limit(int fd)
{
    struct timeval limit = {.tv_usec = 700000};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    ask(fd);
    read_blocking(fd);
}

static void poll_with_limit(int fd)
{
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    int count = poll(&ready, 1, 700);
    if (count == 0) {
        say("[time is over]\n");
        _exit(1);
    }
}

static void select_with_limit(int fd)
{
    fd_set set;
    struct timeval limit = {.tv_usec = 700000};
    FD_ZERO(&set);
    FD_SET(fd, &set);
    if (select(fd + 1, &set, NULL, NULL, &limit) == 0) {
        say("[time is over]\n");
        _exit(1);
    }
}

static void epoll_with_limit(int fd)
{
    static int epoll = -1;
    struct epoll_event event = {.events = EPOLLIN};
    if (epoll < 0) {
        epoll = epoll_create1(EPOLL_CLOEXEC);
        check(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0, "epoll_ctl");
    }
    if (epoll_wait(epoll, &event, 1, 700) == 0) {
        say("[time is over]\n");
        _exit(1);
    }
}

// Waits before each read, and does not read first.
static void wait_and_read(int fd, void (*wait)(int))
{
    ask(fd);
    set_nonblocking(fd, true);
    do
        wait(fd);
    while (took(recv(fd, response + have, BUFFER - have - 1, 0)) && !is_complete());
    print_response();
}

static void on_alarm(int number)
{
    (void) number;
    say("[signal]\n");
}

static void with_alarm(int fd, int flags)
{
    struct sigaction action = {.sa_handler = on_alarm, .sa_flags = flags};
    sigaction(SIGALRM, &action, NULL);
    ask(fd);
    ualarm(300000, 0);
    ssize_t got = recv(fd, response, BUFFER - 1, 0);
    if (got < 0)
        say("[%s]\n", strerrorname_np(errno));
    else
        took(got);
    read_blocking(fd);
}

static void interrupted(int fd)
{
    with_alarm(fd, 0);
}

static void restarted(int fd)
{
    with_alarm(fd, SA_RESTART);
}

static void interrupted_poll(int fd)
{
    struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    sigaction(SIGALRM, &action, NULL);
    ask(fd);
    ualarm(300000, 0);
    if (poll(&ready, 1, -1) < 0)
        say("[%s]\n", strerrorname_np(errno));
    read_blocking(fd);
}

static void killed(int fd)
{
    ask(fd);
    ualarm(300000, 0);
    read_blocking(fd);
}

// Threads

static void *read_in_thread(void *argument)
{
    read_blocking(*(int *) argument);
    return NULL;
}

static void reader_first(int fd)
{
    pthread_t reader;
    pthread_create(&reader, NULL, read_in_thread, &fd);
    usleep(50000); // most likely the reader waits by now; the result is the same if not
    ask(fd);
    pthread_join(reader, NULL);
}

static void *close_in_thread(void *argument)
{
    usleep(200000);
    shutdown(*(int *) argument, SHUT_RDWR);
    return NULL;
}

static void shut_by_other(int fd)
{
    pthread_t closer;
    ask(fd);
    pthread_create(&closer, NULL, close_in_thread, &fd);
    while (took(recv(fd, response + have, BUFFER - have - 1, 0)) && !is_complete())
        ;
    pthread_join(closer, NULL);
    have = 0;
}

// Unusual reads and writes that a retry goes with

static void byte_by_byte(int fd)
{
    ask(fd);
    while (!is_complete() && took(recv(fd, response + have, 1, 0)))
        ;
    print_response();
}

static void write_in_pieces(int fd)
{
    for (size_t i = 0; i < sizeof(request) - 1; i += 5) {
        size_t size = sizeof(request) - 1 - i < 5 ? sizeof(request) - 1 - i : 5;
        check(write(fd, request + i, size) == (ssize_t) size, "write");
    }
    read_blocking(fd);
}

static void by_vectors(int fd)
{
    struct iovec out[2] = {{(void *) (uintptr_t) request, 5},
                           {(void *) (uintptr_t) (request + 5), sizeof(request) - 6}};
    check(writev(fd, out, 2) == (ssize_t) sizeof(request) - 1, "writev");
    while (!is_complete()) {
        struct iovec in[2] = {{response + have, 3}, {response + have + 3, BUFFER - have - 4}};
        if (!took(readv(fd, in, 2)))
            break;
    }
    print_response();
}

static void by_messages(int fd)
{
    struct iovec out = {(void *) (uintptr_t) request, sizeof(request) - 1};
    struct msghdr message = {.msg_iov = &out, .msg_iovlen = 1};
    check(sendmsg(fd, &message, 0) == (ssize_t) sizeof(request) - 1, "sendmsg");
    while (!is_complete()) {
        struct iovec in = {response + have, BUFFER - have - 1};
        struct msghdr got = {.msg_iov = &in, .msg_iovlen = 1};
        if (!took(recvmsg(fd, &got, 0)))
            break;
    }
    print_response();
}

// Looks at the response before it reads it. Both must see the same.
static void peek_first(int fd)
{
    char seen[64] = "";
    ask(fd);
    ssize_t got = recv(fd, seen, 12, MSG_PEEK | MSG_WAITALL);
    check(got == 12, "peek");
    say("[%.12s]\n", seen);
    read_blocking(fd);
}

// Asks how many bytes there are, as select with FIONREAD does in event loops.
static void count_first(int fd)
{
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    int count = 0;
    ask(fd);
    check(poll(&ready, 1, 10000) == 1, "poll");
    check(ioctl(fd, FIONREAD, &count) == 0 && count > 0, "FIONREAD");
    check(recv(fd, response, (size_t) count, MSG_DONTWAIT) == count, "recv");
    have = (size_t) count;
    read_blocking(fd);
}

static void all_at_once(int fd)
{
    ask(fd);
    have = (size_t) recv(fd, response, 20, MSG_WAITALL);
    read_blocking(fd);
}

static void low_water(int fd)
{
    int mark = 5, seen = 0;
    socklen_t size = sizeof(seen);
    setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &mark, sizeof(mark));
    ask(fd);
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    check(poll(&ready, 1, 10000) == 1, "poll");
    getsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &seen, &size);
    say("[mark %d]\n", seen);
    read_blocking(fd);
}

static void three_descriptors(int fd)
{
    int pipes[2][2];
    check(pipe(pipes[0]) == 0 && pipe(pipes[1]) == 0, "pipe");
    ask(fd);
    set_nonblocking(fd, true);
    while (!is_complete()) {
        struct pollfd ready[3] = {
            {.fd = fd, .events = POLLIN}, {.fd = pipes[0][0], .events = POLLIN}, {.fd = pipes[1][0], .events = POLLIN}};
        check(poll(ready, 3, 10000) == 1, "poll");
        if (!took(recv(fd, response + have, BUFFER - have - 1, 0)))
            break;
    }
    print_response();
}

// Sends a request whose body has as many bytes as the third argument says.
static void post_bytes(int fd, size_t size)
{
    char *data = malloc(size), head[128];
    int length = snprintf(head, sizeof(head), "POST /k HTTP/1.1\r\nHost: odd\r\nContent-Length: %zu\r\n\r\n", size);
    check(data && write(fd, head, (size_t) length) == length, "write");
    memset(data, 'x', size);
    for (size_t at = 0; at < size;) {
        ssize_t sent = write(fd, data + at, size - at);
        check(sent > 0, "write");
        at += (size_t) sent;
    }
    free(data);
    read_blocking(fd);
}

static void poll_after(int fd, void (*wait)(int))
{
    ask(fd);
    read_after(fd, wait);
}

static const struct way {
    const char *name;
    void (*run)(int fd);
    void (*wait)(int fd); // with read_after
    bool waits_first;
} ways[] = {
    {"raw_ppoll", NULL, raw_ppoll, false},
    {"raw_epoll", NULL, raw_epoll, false},
    {"raw_epoll_wait", NULL, raw_epoll_wait, false},
    {"mixed", NULL, mixed, false},
    {"poll_limit", NULL, poll_with_limit, true},
    {"select_limit", NULL, select_with_limit, true},
    {"epoll_limit", NULL, epoll_with_limit, true},
    {"sigio", by_sigio, NULL, false},
    {"fdopen", by_stream, NULL, false},
    {"fdopen_after", by_stream_after, NULL, false},
    {"splice", by_splice, NULL, false},
    {"recvmmsg", by_recvmmsg, NULL, false},
    {"raw_read", raw_read, NULL, false},
    {"sendfile", by_sendfile, NULL, false},
    {"splice_out", by_splice_out, NULL, false},
    {"raw_write", raw_write, NULL, false},
    {"sendmmsg", by_sendmmsg, NULL, false},
    {"fork", in_child, NULL, false},
    {"fork_asks", child_asks, NULL, false},
    {"dup", by_dup, NULL, false},
    {"dup_close", by_dup_and_close, NULL, false},
    {"rights", by_rights, NULL, false},
    {"exec", by_exec, NULL, false},
    {"receive_limit", receive_limit, NULL, false},
    {"interrupted", interrupted, NULL, false},
    {"restarted", restarted, NULL, false},
    {"interrupted_poll", interrupted_poll, NULL, false},
    {"killed", killed, NULL, false},
    {"reader_first", reader_first, NULL, false},
    {"shut_by_other", shut_by_other, NULL, false},
    {"byte_by_byte", byte_by_byte, NULL, false},
    {"write_in_pieces", write_in_pieces, NULL, false},
    {"vectors", by_vectors, NULL, false},
    {"messages", by_messages, NULL, false},
    {"peek_first", peek_first, NULL, false},
    {"count_first", count_first, NULL, false},
    {"all_at_once", all_at_once, NULL, false},
    {"low_water", low_water, NULL, false},
    {"three_descriptors", three_descriptors, NULL, false},
};

int main(int count, char **arguments)
{
    if (count < 3)
        return 2;
    int fd = open_connection(arguments[2]);
    if (!strcmp(arguments[1], "post")) {
        post_bytes(fd, strtoul(arguments[3], NULL, 10));
        return 0;
    }
    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        const struct way *way = &ways[i];
        if (strcmp(way->name, arguments[1]) != 0)
            continue;
        if (way->run)
            way->run(fd);
        else
            (way->waits_first ? wait_and_read : poll_after)(fd, way->wait);
        return 0;
    }
    return 2;
}

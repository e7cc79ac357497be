// SPDX-License-Identifier: MIT
// A program that initialises only the bytes that the kernel reads. Usage: sparse MODE PORT
//
// Prints the result of a connect. All structures are in fresh memory from malloc, so a tool such as valgrind reports
// each other byte that is used.
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LIMIT_MS = 10000 };

static int port;

static struct sockaddr_in *address4(void)
{
    struct sockaddr_in *address = malloc(sizeof(*address)); // sin_zero stays uninitialised
    address->sin_family = AF_INET;
    address->sin_port = htons((uint16_t) port);
    address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

static int result_of(int fd, const void *address, socklen_t length)
{
    return connect(fd, address, length) == 0 ? 0 : errno;
}

static int begin(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct sockaddr_in *address = address4();
    result_of(fd, address, sizeof(*address));
    free(address);
    return fd;
}

static int end(int fd)
{
    int *error = malloc(sizeof(*error));
    socklen_t *size = malloc(sizeof(*size));
    *size = sizeof(*error);
    int result = getsockopt(fd, SOL_SOCKET, SO_ERROR, error, size) == 0 ? *error : errno;
    free(error);
    free(size);
    close(fd);
    return result;
}

static int blocking(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in *address = address4();
    int result = result_of(fd, address, sizeof(*address));
    free(address);
    close(fd);
    return result;
}

static int local(void)
{
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    struct sockaddr_un *address = malloc(sizeof(*address)); // the rest of the path stays uninitialised
    address->sun_family = AF_UNIX;
    memcpy(address->sun_path, "/none", 6);
    int result = result_of(fd, address, sizeof(*address));
    free(address);
    close(fd);
    return result;
}

static int fastopen(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in *address = address4();
    char *bytes = malloc(4);
    memcpy(bytes, "data", 4);
    int result = sendto(fd, bytes, 4, MSG_FASTOPEN, (struct sockaddr *) address, sizeof(*address)) >= 0 ? 0 : errno;
    free(address);
    free(bytes);
    close(fd);
    return result;
}

static int by_poll(void)
{
    int fd = begin(), other = socket(AF_INET, SOCK_DGRAM, 0);
    struct pollfd *fds = malloc(2 * sizeof(*fds)); // revents stays uninitialised
    fds[0].fd = fd;
    fds[0].events = POLLOUT;
    fds[1].fd = other;
    fds[1].events = POLLIN;
    poll(fds, 2, LIMIT_MS);
    free(fds);
    close(other);
    return end(fd);
}

static int by_ppoll(void)
{
    int fd = begin();
    struct pollfd *fds = malloc(sizeof(*fds));
    struct timespec *limit = malloc(sizeof(*limit));
    fds->fd = fd;
    fds->events = POLLOUT;
    limit->tv_sec = LIMIT_MS / 1000;
    limit->tv_nsec = 0;
    ppoll(fds, 1, limit, NULL);
    free(limit);
    free(fds);
    return end(fd);
}

static int by_select(void)
{
    int fd = begin();
    long *set = malloc(sizeof(*set)); // one word, much shorter than an fd_set
    *set = 1L << fd;
    struct timeval *limit = malloc(sizeof(*limit));
    limit->tv_sec = LIMIT_MS / 1000;
    limit->tv_usec = 0;
    select(fd + 1, NULL, (fd_set *) set, NULL, limit);
    free(set);
    free(limit);
    return end(fd);
}

static int by_epoll(void)
{
    int fd = begin(), epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event *event = malloc(sizeof(*event)), *events = malloc(4 * sizeof(*events));
    event->events = EPOLLOUT;
    event->data.u64 = 7;
    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, event);
    free(event);
    int ready = epoll_wait(epoll, events, 4, LIMIT_MS);
    bool good = ready == 1 && events[0].data.u64 == 7;
    free(events);
    close(epoll);
    int result = end(fd);
    return good ? result : -1;
}

// A second connect asks for the result, and a message with control data goes through another socket meanwhile.
static int by_message(void)
{
    int ends[2], fd = begin();
    struct sockaddr_in *address = address4();
    if (socketpair(AF_UNIX, SOCK_DGRAM, 0, ends) != 0)
        return -1;
    char control[CMSG_SPACE(sizeof(int))], byte = 'x'; // the padding of the control data stays uninitialised
    struct iovec part = {&byte, 1};
    struct msghdr *message = malloc(sizeof(*message)); // msg_flags stays uninitialised
    message->msg_name = NULL;
    message->msg_namelen = 0;
    message->msg_iov = &part;
    message->msg_iovlen = 1;
    message->msg_control = control;
    message->msg_controllen = CMSG_LEN(sizeof(int));
    struct cmsghdr *header = CMSG_FIRSTHDR(message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &ends[0], sizeof(int));
    bool sent = sendmsg(ends[0], message, 0) == 1;
    free(message);
    poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, LIMIT_MS);
    int result = result_of(fd, address, sizeof(*address));
    free(address);
    close(fd);
    close(ends[0]);
    close(ends[1]);
    return sent ? result : -1;
}

static int by_name(void)
{
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *list;
    if (getaddrinfo("localhost", NULL, &hints, &list) != 0)
        return -1;
    ((struct sockaddr_in *) list->ai_addr)->sin_port = htons((uint16_t) port);
    int fd = socket(list->ai_family, list->ai_socktype, list->ai_protocol);
    int result = result_of(fd, list->ai_addr, list->ai_addrlen);
    freeaddrinfo(list);
    close(fd);
    return result;
}

static void *thread_main(void *unused)
{
    (void) unused;
    return (void *) (intptr_t) by_poll();
}

static int in_threads(void)
{
    enum { THREADS = 4 };
    pthread_t threads[THREADS];
    int last = -1;
    for (int i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], NULL, thread_main, NULL) != 0)
            exit(3);
    for (int i = 0; i < THREADS; i++) {
        void *result;
        pthread_join(threads[i], &result);
        last = (int) (intptr_t) result;
    }
    return last;
}

static int in_child(void)
{
    int status, before = blocking();
    pid_t child = fork();
    if (child == 0)
        exit(blocking() == before ? 0 : 1);
    return waitpid(child, &status, 0) == child && status == 0 ? before : -1;
}

// A mistake of the program, which a tool must report exactly as without rebound.
static int uninitialised(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in *address = malloc(sizeof(*address)); // sin_addr, too
    address->sin_family = AF_INET;
    address->sin_port = htons((uint16_t) port);
    int result = result_of(fd, address, sizeof(*address));
    free(address);
    close(fd);
    return result == 0 ? 0 : -2; // the address can be any
}

static int freed(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in *address = address4();
    const void *volatile gone = address;
    free(address);
    int result = result_of(fd, (const void *) gone, sizeof(*address));
    close(fd);
    return result == 0 ? 0 : -2;
}

static const struct mode {
    const char *name;
    int (*run)(void);
} modes[] = {{"blocking", blocking}, {"unix", local},         {"fastopen", fastopen}, {"poll", by_poll},
             {"ppoll", by_ppoll},    {"select", by_select},   {"epoll", by_epoll},    {"message", by_message},
             {"name", by_name},      {"threads", in_threads}, {"fork", in_child},     {"uninitialised", uninitialised},
             {"freed", freed}};

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    port = atoi(argv[2]);
    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        if (strcmp(modes[i].name, argv[1]) != 0)
            continue;
        int result = modes[i].run();
        puts(result < 0 ? "another result" : result == 0 ? "connected" : strerror(result));
        return result == 0 || result == -2 ? 0 : 1;
    }
    return 2;
}

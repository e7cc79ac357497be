// SPDX-License-Identifier: MIT
// Less usual calls on parked sockets, and calls after which the library can no longer follow a socket.
#include <linux/io_uring.h>
#include <sched.h>
#include <spawn.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

#include "park.h"

extern int __dprintf_chk(int fd, int flag, const char *format, ...);
extern int __vdprintf_chk(int fd, int flag, const char *format, va_list list);

// A connect that a wait has parked.
//   flags: of socket(2)
static int waited_for(const struct port *port, int flags)
{
    unsigned before = test_log(RETRY, "");
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | flags, 0);
    CHECK_INT(dial(fd, port), -1);
    CHECK_INT(errno, EINPROGRESS);
    while (test_log(RETRY, "") == before)
        CHECK_INT(ready_now(fd, POLLOUT), 0);
    return fd;
}

// A call under test, and its name for messages.
struct use {
    const char *name;
    long (*call)(int fd);
};

static void check_use(const char *name, long result, int error, long result_expected, int error_expected)
{
    char found[200], expected[200];
    snprintf(found, sizeof(found), "%s: %ld, errno %d", name, result, result < 0 ? error : 0);
    snprintf(expected, sizeof(expected), "%s: %ld, errno %d", name, result_expected, error_expected);
    CHECK_TEXT(found, expected);
}

// --- calls that write or read one byte

static char byte = 'x';
static struct iovec part = {&byte, 1};

static struct mmsghdr one_message(void)
{
    return (struct mmsghdr){.msg_hdr = {.msg_iov = &part, .msg_iovlen = 1}};
}

static long by_sendmmsg(int fd)
{
    struct mmsghdr message = one_message();
    return sendmmsg(fd, &message, 1, 0);
}

static int file_of_x(void)
{
    test_write(test_path("x"), "x");
    int file = open(test_path("x"), O_RDONLY | O_CLOEXEC);
    CHECK(file >= 0);
    return file;
}

static long by_sendfile(int fd)
{
    return sendfile(fd, file_of_x(), NULL, 1);
}

static long by_sendfile64(int fd)
{
    return sendfile64(fd, file_of_x(), NULL, 1);
}

static long by_splice_out(int fd)
{
    int ends[2];
    CHECK_INT(pipe2(ends, O_CLOEXEC), 0);
    CHECK_INT(write(ends[1], "x", 1), 1);
    return splice(ends[0], NULL, fd, NULL, 1, SPLICE_F_NONBLOCK);
}

static long by_pwritev2(int fd)
{
    return pwritev2(fd, &part, 1, -1, 0);
}

static long by_pwritev64v2(int fd)
{
    return pwritev64v2(fd, &part, 1, -1, 0);
}

static long by_dprintf(int fd)
{
    return dprintf(fd, "%c", byte);
}

static long by_dprintf_chk(int fd)
{
    return __dprintf_chk(fd, 1, "%c", byte);
}

static __attribute__((format(printf, 2, 3))) long print(int fd, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    int result = vdprintf(fd, format, list);
    va_end(list);
    return result;
}

static long by_vdprintf(int fd)
{
    return print(fd, "%c", byte);
}

static long by_recvmmsg(int fd)
{
    struct mmsghdr message = one_message();
    return recvmmsg(fd, &message, 1, 0, NULL);
}

static long by_splice_in(int fd)
{
    int ends[2];
    CHECK_INT(pipe2(ends, O_CLOEXEC), 0);
    return splice(fd, NULL, ends[1], NULL, 1, SPLICE_F_NONBLOCK);
}

static long by_preadv2(int fd)
{
    return preadv2(fd, &part, 1, -1, 0);
}

static long by_preadv64v2(int fd)
{
    return preadv64v2(fd, &part, 1, -1, 0);
}

static const struct use writes[] = {
    {"sendmmsg", by_sendmmsg}, {"sendfile", by_sendfile},         {"sendfile64", by_sendfile64},
    {"splice", by_splice_out}, {"pwritev2", by_pwritev2},         {"pwritev64v2", by_pwritev64v2},
    {"dprintf", by_dprintf},   {"__dprintf_chk", by_dprintf_chk}, {"vdprintf", by_vdprintf},
};

static const struct use reads[] = {
    {"recvmmsg", by_recvmmsg},
    {"splice", by_splice_in},
    {"preadv2", by_preadv2},
    {"preadv64v2", by_preadv64v2},
};

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

// A parked socket is still connecting.
static void check_pending(const struct use *uses, size_t count)
{
    struct port port = port_new();
    for (size_t i = 0; i < count; i++) {
        int fd = waited_for(&port, SOCK_CLOEXEC);
        errno = 0;
        long result = uses[i].call(fd);
        check_use(uses[i].name, result, errno, -1, EAGAIN);
        CHECK_INT(ready_now(fd, POLLOUT), 0);
        close(fd);
    }
}

static void writes_pending(void)
{
    check_pending(writes, COUNT(writes));
}

static void reads_pending(void)
{
    check_pending(reads, COUNT(reads));
}

// On a blocking socket the call waits for the connect, and its byte arrives.
static void writes_wait(void)
{
    for (size_t i = 0; i < COUNT(writes); i++) {
        struct port port = port_new();
        char got = 0;
        int fd = waited_for(&port, SOCK_CLOEXEC);
        CHECK_INT(fcntl(fd, F_SETFL, 0), 0);
        struct opener opener = {.port = &port, .count = test_log(RETRY, "") + 2};
        open_after(&opener);
        long result = writes[i].call(fd);
        check_use(writes[i].name, result, errno, 1, 0);
        thread_end(opener.thread);
        int server = accept4(port.fd, NULL, NULL, SOCK_CLOEXEC);
        CHECK_INT(read(server, &got, 1), 1);
        CHECK_INT(got, 'x');
        close(server);
        close(fd);
        close(port.fd);
    }
}

// Calls whose answer does not depend on the connect.
static void same_answer(void)
{
    struct port port = port_new();
    int fd = waited_for(&port, SOCK_CLOEXEC), bytes = -1;
    CHECK_INT(ioctl(fd, FIONREAD, &bytes), 0);
    CHECK_INT(bytes, 0);
    CHECK_INT(preadv(fd, &part, 1, 0), -1);
    CHECK_INT(errno, ESPIPE);
    CHECK_INT(pwritev(fd, &part, 1, 0), -1);
    CHECK_INT(errno, ESPIPE);
    CHECK_INT(pwrite(fd, &byte, 1, 0), -1);
    CHECK_INT(errno, ESPIPE);
    CHECK_INT(ready_now(fd, POLLOUT), 0);
}

// --- calls after which the library does not see what happens to the socket

static long by_fdopen(int fd)
{
    return fdopen(fd, "r+") ? 0 : -1;
}

static long by_own(int fd)
{
    return fcntl(fd, F_SETOWN, getpid());
}

static long by_own_ex(int fd)
{
    struct f_owner_ex owner = {.type = F_OWNER_PID, .pid = getpid()};
    return fcntl(fd, F_SETOWN_EX, &owner);
}

static long by_signal(int fd)
{
    return fcntl(fd, F_SETSIG, SIGIO);
}

static long by_async(int fd)
{
    return fcntl(fd, F_SETFL, O_NONBLOCK | O_ASYNC);
}

static long by_async64(int fd)
{
    return fcntl64(fd, F_SETFL, O_NONBLOCK | O_ASYNC);
}

static long by_fioasync(int fd)
{
    int on = 1;
    return ioctl(fd, FIOASYNC, &on);
}

static long by_fiosetown(int fd)
{
    int self = getpid();
    return ioctl(fd, FIOSETOWN, &self);
}

static long by_pgrp(int fd)
{
    int self = getpid();
    return ioctl(fd, SIOCSPGRP, &self);
}

// A message that passes standard input, and after it `fd`, each in a part of its own.
struct passing {
    struct msghdr header;
    char control[2 * CMSG_SPACE(sizeof(int))];
};

static void put_passed(struct cmsghdr *place, int fd)
{
    place->cmsg_level = SOL_SOCKET;
    place->cmsg_type = SCM_RIGHTS;
    place->cmsg_len = CMSG_LEN(sizeof(fd));
    memcpy(CMSG_DATA(place), &fd, sizeof(fd));
}

static struct msghdr *passing_of(struct passing *passing, int fd)
{
    *passing = (struct passing){.header = {.msg_iov = &part, .msg_iovlen = 1}};
    passing->header.msg_control = passing->control;
    passing->header.msg_controllen = sizeof(passing->control);
    struct cmsghdr *first = CMSG_FIRSTHDR(&passing->header);
    put_passed(first, 0);
    put_passed(CMSG_NXTHDR(&passing->header, first), fd);
    return &passing->header;
}

static int channel(void)
{
    int pair[2];
    CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    return pair[0];
}

static long by_passing(int fd)
{
    struct passing passing;
    return sendmsg(channel(), passing_of(&passing, fd), 0) - 1;
}

static long by_passing_later(int fd)
{
    struct passing passing;
    struct mmsghdr messages[2] = {one_message(), {.msg_hdr = *passing_of(&passing, fd)}};
    return sendmmsg(channel(), messages, 2, 0) - 2;
}

static int child_of_clone(void *status)
{
    return *(int *) status;
}

static long exit_status(pid_t child)
{
    int status;
    CHECK_INT(waitpid(child, &status, __WALL), child);
    return WEXITSTATUS(status);
}

static long clone_with(int flags)
{
    static char stack[65536] __attribute__((aligned(64)));
    int status = 0;
    return exit_status(clone(child_of_clone, stack + sizeof(stack), flags | SIGCHLD, &status));
}

static long by_clone(int fd)
{
    (void) fd;
    return clone_with(0);
}

static long by_clone_with_memory(int fd)
{
    (void) fd;
    return clone_with(CLONE_VM);
}

static long by_raw_clone(int fd)
{
    (void) fd;
    long child = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
    if (child == 0)
        _exit(0);
    return exit_status((pid_t) child);
}

static long by__Fork(int fd)
{
    (void) fd;
    pid_t child = _Fork();
    if (child == 0)
        _exit(0);
    return exit_status(child);
}

static const struct use leaves[] = {
    {"fdopen", by_fdopen},
    {"F_SETOWN", by_own},
    {"F_SETOWN_EX", by_own_ex},
    {"F_SETSIG", by_signal},
    {"O_ASYNC", by_async},
    {"O_ASYNC by fcntl64", by_async64},
    {"FIOASYNC", by_fioasync},
    {"FIOSETOWN", by_fiosetown},
    {"SIOCSPGRP", by_pgrp},
    {"sendmsg", by_passing},
    {"sendmmsg", by_passing_later},
    {"clone", by_clone},
    {"clone with CLONE_VM", by_clone_with_memory},
    {"SYS_clone", by_raw_clone},
    {"_Fork", by__Fork},
};

static void check_left(const char *name, int fd)
{
    bool failed = ready_now(fd, POLLOUT) & POLLERR;
    check_use(name, failed ? pending_error(fd) : 0, 0, ECONNREFUSED, 0);
}

// The kernel reports the refusal after the call.
static void left(void)
{
    struct port port = port_new();
    signal(SIGIO, SIG_IGN);
    for (size_t i = 0; i < COUNT(leaves); i++) {
        int fd = waited_for(&port, SOCK_CLOEXEC);
        errno = 0;
        check_use(leaves[i].name, leaves[i].call(fd), errno, 0, 0);
        check_left(leaves[i].name, fd);
        close(fd);
    }
}

// --- calls that start a program; those of exec fail here, and all others run `true`

static char *const arguments[] = {"true", NULL};
static const char nowhere[] = "/nonexistent/program";

static long failed_exec(int result)
{
    CHECK_INT(result, -1);
    CHECK_INT(errno, ENOENT);
    return 0;
}

static long by_execl(int fd)
{
    (void) fd;
    return failed_exec(execl(nowhere, "true", "a", NULL));
}

static long by_execle(int fd)
{
    (void) fd;
    return failed_exec(execle(nowhere, "true", NULL, environ));
}

static long by_execlp(int fd)
{
    (void) fd;
    return failed_exec(execlp(nowhere, "true", NULL));
}

static long by_execv(int fd)
{
    (void) fd;
    return failed_exec(execv(nowhere, arguments));
}

static long by_execve(int fd)
{
    (void) fd;
    return failed_exec(execve(nowhere, arguments, environ));
}

static long by_execvp(int fd)
{
    (void) fd;
    return failed_exec(execvp(nowhere, arguments));
}

static long by_execvpe(int fd)
{
    (void) fd;
    return failed_exec(execvpe(nowhere, arguments, environ));
}

static long by_execveat(int fd)
{
    (void) fd;
    return failed_exec(execveat(AT_FDCWD, nowhere, arguments, environ, 0));
}

static long by_fexecve(int fd)
{
    return fexecve(fd, arguments, environ) < 0 ? 0 : -1; // a socket is no program
}

static long by_system(int fd)
{
    (void) fd;
    return system("true");
}

static long by_popen(int fd)
{
    (void) fd;
    FILE *stream = popen("true", "r");
    CHECK(stream != NULL);
    return pclose(stream);
}

static long by_posix_spawn(int fd)
{
    pid_t child;
    (void) fd;
    CHECK_INT(posix_spawn(&child, "/bin/true", NULL, NULL, arguments, environ), 0);
    return exit_status(child);
}

static long by_posix_spawnp(int fd)
{
    pid_t child;
    (void) fd;
    CHECK_INT(posix_spawnp(&child, "true", NULL, NULL, arguments, environ), 0);
    return exit_status(child);
}

static long by_vfork(int fd)
{
    (void) fd;
    pid_t child = vfork();
    if (child == 0)
        _exit(0);
    return exit_status(child);
}

static long by_clone_as_vfork(int fd)
{
    (void) fd;
    return clone_with(CLONE_VM | CLONE_VFORK);
}

static const struct use starts[] = {
    {"execl", by_execl},
    {"execle", by_execle},
    {"execlp", by_execlp},
    {"execv", by_execv},
    {"execve", by_execve},
    {"execvp", by_execvp},
    {"execvpe", by_execvpe},
    {"execveat", by_execveat},
    {"fexecve", by_fexecve},
    {"system", by_system},
    {"popen", by_popen},
    {"posix_spawn", by_posix_spawn},
    {"posix_spawnp", by_posix_spawnp},
    {"vfork", by_vfork},
    {"clone with CLONE_VFORK", by_clone_as_vfork},
};

// Only a program that inherits the descriptor could read its error.
static void left_to_programs(void)
{
    struct port port = port_new();
    for (size_t i = 0; i < COUNT(starts); i++) {
        int fd = waited_for(&port, 0), own = waited_for(&port, SOCK_CLOEXEC);
        errno = 0;
        check_use(starts[i].name, starts[i].call(fd), errno, 0, 0);
        check_left(starts[i].name, fd);
        CHECK_INT(ready_now(own, POLLOUT), 0);
        close(fd);
        close(own);
    }
}

// --- the rest

// A stream writes and reads inside libc.
static void streams(void)
{
    struct port port = port_new();
    FILE *out = fdopen(waited_for(&port, SOCK_CLOEXEC), "w"), *in = fdopen(waited_for(&port, SOCK_CLOEXEC), "r");
    CHECK(out && in);
    CHECK(fputs("hello", out) >= 0);
    CHECK_INT(fflush(out), EOF);
    CHECK_INT(errno, ECONNREFUSED);
    CHECK_INT(fgetc(in), EOF);
    CHECK(ferror(in));
    CHECK_INT(errno, ECONNREFUSED);
}

// Nobody sees what the operations in a ring do.
static void ring(void)
{
    struct port port = port_new();
    struct io_uring_params parameters = {0};
    int fd = waited_for(&port, SOCK_CLOEXEC);
    CHECK_INT(syscall(SYS_io_uring_setup, 0, &parameters), -1);
    CHECK_INT(ready_now(fd, POLLOUT), 0);
    if (syscall(SYS_io_uring_setup, 4, &parameters) < 0)
        test_skip("no io_uring");
    check_left("io_uring_setup", fd);
    unsigned retries = test_log(RETRY, "");
    CHECK_INT(finished(flying(&port)), ECONNREFUSED);
    CHECK_INT(test_log(RETRY, ""), retries);
}

// Wrong pointers are the kernel's to report.
static void wrong_pointers(void)
{
    struct port port = port_new();
    int fd = waited_for(&port, SOCK_CLOEXEC), other = channel();
    struct mmsghdr message = one_message();
    void *hole = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK_INT(select(fd + 1, NULL, hole, NULL, &(struct timeval){0}), -1);
    CHECK_INT(errno, EFAULT);
    CHECK_INT(sendmsg(other, hole, 0), -1);
    CHECK_INT(errno, EFAULT);
    CHECK_INT(sendmmsg(other, hole, 1, 0), -1);
    CHECK_INT(errno, EFAULT);
    CHECK_INT(sendmsg(other, NULL, 0), -1);
    CHECK_INT(errno, EFAULT);
    CHECK_INT(sendmmsg(other, NULL, 1, 0), -1);
    CHECK_INT(errno, EFAULT);
    message.msg_hdr.msg_control = (void *) 4096;
    message.msg_hdr.msg_controllen = CMSG_SPACE(sizeof(int));
    CHECK_INT(sendmsg(other, &message.msg_hdr, 0), -1);
    CHECK_INT(errno, EFAULT);
    CHECK_INT(sendmmsg(other, &message, 1, 0), -1);
    CHECK_INT(errno, EFAULT);
    CHECK_INT(ready_now(fd, POLLOUT), 0);
}

// close_range that closes nothing leaves parked connects alone.
static void closed_later(void)
{
    struct port port = port_new();
    int fd = waited_for(&port, 0);
    if (close_range((unsigned) fd, (unsigned) fd, CLOSE_RANGE_CLOEXEC) != 0)
        test_skip("no close_range");
    CHECK_INT(fcntl(fd, F_GETFD), FD_CLOEXEC);
    CHECK_INT(ready_now(fd, POLLOUT), 0);
    CHECK_INT(close_range((unsigned) fd, (unsigned) fd - 1, 0), -1);
    CHECK_INT(errno, EINVAL);
    CHECK_INT(ready_now(fd, POLLOUT), 0);
}

static const struct test tests[] = {
    {"writes_pending", LONG, writes_pending},
    {"reads_pending", LONG, reads_pending},
    {"writes_wait", PATIENT, writes_wait},
    {"same_answer", LONG, same_answer},
    {"left", LONG, left},
    {"left_to_programs", LONG, left_to_programs},
    {"streams", LONG, streams},
    {"ring", LONG, ring},
    {"wrong_pointers", LONG, wrong_pointers},
    {"closed_later", LONG, closed_later},
};

TEST_MAIN(tests)

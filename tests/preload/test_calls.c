// SPDX-License-Identifier: MIT
// Intercepted calls that have nothing to do with a connect: arguments and results are as without the library.
#include <sched.h>
#include <spawn.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

#include "network.h"

extern int __dprintf_chk(int fd, int flag, const char *format, ...);

static int exit_of(pid_t child)
{
    int status;
    CHECK_INT(waitpid(child, &status, __WALL), child);
    CHECK(WIFEXITED(status));
    return WEXITSTATUS(status);
}

// --- processes

// All six arguments of a system call: the sixth is an offset.
static void system_calls(void)
{
    int file = open(test_path("pages"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    CHECK_INT(ftruncate(file, 8192), 0);
    CHECK_INT(pwrite(file, "second", 6, 4096), 6);
    char *page = (char *) syscall(SYS_mmap, NULL, 4096L, (long) PROT_READ, (long) MAP_PRIVATE, (long) file, 4096L);
    CHECK_TEXT(page, "second");
    CHECK_INT(syscall(SYS_getpid), getpid());
    CHECK_INT(syscall(SYS_close, -1), -1);
    CHECK_INT(errno, EBADF);
}

struct given {
    int status;
    pid_t parent_view, child_view;
};

static int cloned(void *context)
{
    const struct given *given = context;
    return given->status;
}

// The fifth and the seventh argument of clone.
static void clones(void)
{
    static char stack[65536] __attribute__((aligned(64)));
    for (int i = 0; i < 2; i++) {
        struct given given = {.status = 40 + i};
        int flags = CLONE_VM | SIGCHLD | (i == 0 ? CLONE_PARENT_SETTID : CLONE_CHILD_SETTID);
        pid_t child = clone(cloned, stack + sizeof(stack), flags, &given, &given.parent_view, NULL, &given.child_view);
        CHECK_INT(exit_of(child), 40 + i);
        CHECK_INT(given.parent_view, i == 0 ? child : 0);
        CHECK_INT(given.child_view, i == 0 ? 0 : child);
    }
}

// Overwrites much of the stack below its caller.
static __attribute__((noinline)) void overwrite(int with)
{
    volatile char room[4096];
    for (size_t i = 0; i < sizeof(room); i++)
        room[i] = (char) with;
}

static __attribute__((noinline)) int vfork_once(int status)
{
    pid_t child = vfork();
    if (child == 0) {
        overwrite(status);
        _exit(status);
    }
    return exit_of(child);
}

// The child of vfork uses the parent's stack.
static void vforks(void)
{
    for (int i = 1; i < 4; i++)
        CHECK_INT(vfork_once(i), i);
    char *const arguments[] = {"sh", "-c", "exit 9", NULL};
    pid_t child = vfork();
    if (child == 0) {
        execve("/bin/sh", arguments, environ);
        _exit(1);
    }
    CHECK_INT(exit_of(child), 9);
}

static void forks(void)
{
    pid_t child = _Fork();
    if (child == 0)
        _exit(getppid() == 1 ? 1 : 8);
    CHECK_INT(exit_of(child), 8);
}

enum way { EXECL, EXECLP, EXECLE, EXECV, EXECVP, EXECVPE, EXECVEAT, FEXECVE, WAYS };

#define SCRIPT "test \"$1$2$#\" = \"a b2\" && test \"$SIGN\" = yes && exit 5"

static void execute(enum way way)
{
    char *const arguments[] = {"sh", "-c", SCRIPT, "sh", "a", " b", NULL}, *const variables[] = {"SIGN=yes", NULL};
    switch (way) {
    case EXECL:
        execl("/bin/sh", "sh", "-c", SCRIPT, "sh", "a", " b", NULL);
        break;
    case EXECLP:
        execlp("sh", "sh", "-c", SCRIPT, "sh", "a", " b", NULL);
        break;
    case EXECLE:
        execle("/bin/sh", "sh", "-c", SCRIPT, "sh", "a", " b", NULL, variables);
        break;
    case EXECV:
        execv("/bin/sh", arguments);
        break;
    case EXECVP:
        execvp("sh", arguments);
        break;
    case EXECVPE:
        execvpe("sh", arguments, variables);
        break;
    case EXECVEAT:
        execveat(AT_FDCWD, "/bin/sh", arguments, variables, 0);
        break;
    default:
        fexecve(open("/bin/sh", O_RDONLY), arguments, variables);
    }
}

static void executes(void)
{
    for (enum way way = 0; way < WAYS; way++) {
        pid_t child = fork();
        if (child == 0) {
            setenv("SIGN", way == EXECLE || way >= EXECVPE ? "no" : "yes", 1);
            execute(way);
            _exit(100);
        }
        CHECK_INT(exit_of(child), 5);
    }
}

static void starts(void)
{
    char *const arguments[] = {"sh", "-c", "exit 6", NULL}, line[20] = "";
    pid_t child;
    CHECK_INT(posix_spawn(&child, "/bin/sh", NULL, NULL, arguments, environ), 0);
    CHECK_INT(exit_of(child), 6);
    CHECK_INT(posix_spawnp(&child, "sh", NULL, NULL, arguments, environ), 0);
    CHECK_INT(exit_of(child), 6);
    CHECK_INT(posix_spawn(&child, "/nonexistent/program", NULL, NULL, arguments, environ), ENOENT);
    CHECK_INT(WEXITSTATUS(system("exit 7")), 7);
    CHECK(system(NULL) != 0);
    FILE *stream = popen("echo hello", "r");
    CHECK(stream && fgets(line, sizeof(line), stream));
    CHECK_TEXT(line, "hello\n");
    CHECK_INT(pclose(stream), 0);
}

// --- descriptors

static void pair_of(int pair[2])
{
    CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
}

static void check_reads(int fd, const char *expected)
{
    char got[100] = "";
    CHECK(read(fd, got, sizeof(got) - 1) >= 0);
    CHECK_TEXT(got, expected);
}

static void messages(void)
{
    int pair[2];
    char a[] = "one", b[] = "two", in[2][4] = {"", ""};
    struct iovec parts[2] = {{a, 3}, {b, 3}}, room[2] = {{in[0], 3}, {in[1], 3}};
    struct mmsghdr out[2] = {{.msg_hdr = {.msg_iov = &parts[0], .msg_iovlen = 1}},
                             {.msg_hdr = {.msg_iov = &parts[1], .msg_iovlen = 1}}};
    struct mmsghdr back[2] = {{.msg_hdr = {.msg_iov = &room[0], .msg_iovlen = 1}},
                              {.msg_hdr = {.msg_iov = &room[1], .msg_iovlen = 1}}};
    struct timespec second = {.tv_sec = 1};
    CHECK_INT(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair), 0);
    CHECK_INT(sendmmsg(pair[0], out, 2, MSG_NOSIGNAL), 2);
    CHECK_INT(out[1].msg_len, 3);
    CHECK_INT(recvmmsg(pair[1], back, 2, MSG_DONTWAIT, &second), 2);
    CHECK_TEXT(in[0], "one");
    CHECK_TEXT(in[1], "two");
    CHECK_INT(recvmmsg(pair[1], back, 2, MSG_DONTWAIT, &second), -1);
    CHECK_INT(errno, EAGAIN);
}

static void copies(void)
{
    int pair[2], ends[2], file = open(test_path("file"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    char got[8] = "";
    struct iovec out[2] = {{"abc", 3}, {"defg", 4}}, in = {got, 3};
    off_t at = 1;
    off64_t at64 = 2;
    pair_of(pair);
    CHECK_INT(pipe2(ends, O_CLOEXEC), 0);
    CHECK_INT(pwritev2(file, out, 2, 0, 0), 7);
    CHECK_INT(pwritev64v2(file, out, 1, 7, 0), 3);
    CHECK_INT(preadv2(file, &in, 1, 3, 0), 3);
    CHECK_TEXT(got, "def");
    CHECK_INT(preadv64v2(file, &in, 1, 6, 0), 3);
    CHECK_TEXT(got, "gab");
    CHECK_INT(sendfile(pair[0], file, &at, 3), 3);
    CHECK_INT(at, 4);
    check_reads(pair[1], "bcd");
    CHECK_INT(sendfile64(pair[0], file, &at64, 3), 3);
    CHECK_INT(at64, 5);
    check_reads(pair[1], "cde");
    CHECK_INT(splice(file, &at64, ends[1], NULL, 2, 0), 2);
    CHECK_INT(at64, 7);
    CHECK_INT(splice(ends[0], NULL, pair[0], NULL, 2, 0), 2);
    check_reads(pair[1], "fg");
}

static __attribute__((format(printf, 2, 3))) int print(int fd, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    int result = vdprintf(fd, format, list);
    va_end(list);
    return result;
}

static void prints(void)
{
    int pair[2];
    pair_of(pair);
    CHECK_INT(dprintf(pair[0], "%d %s %.2f %c", 1, "two", 3.5, '4'), 12);
    check_reads(pair[1], "1 two 3.50 4");
    CHECK_INT(print(pair[0], "%.1f%d", 2.5, 7), 4);
    check_reads(pair[1], "2.57");
    CHECK_INT(__dprintf_chk(pair[0], 1, "%s %g", "x", 0.5), 5);
    check_reads(pair[1], "x 0.5");
    FILE *stream = fdopen(pair[0], "w");
    CHECK(fprintf(stream, "%s", "stream") == 6 && fclose(stream) == 0);
    check_reads(pair[1], "stream");
    CHECK(fdopen(-1, "r") == NULL);
    CHECK_INT(errno, EBADF);
}

static void controls(void)
{
    int pair[2], bytes = 0, on = 1, owner = getpid();
    pair_of(pair);
    CHECK_INT(write(pair[0], "abc", 3), 3);
    CHECK_INT(ioctl(pair[1], FIONREAD, &bytes), 0);
    CHECK_INT(bytes, 3);
    CHECK_INT(ioctl(pair[1], FIONBIO, &on), 0);
    CHECK(fcntl(pair[1], F_GETFL) & O_NONBLOCK);
    CHECK_INT(ioctl(pair[1], FIOSETOWN, &owner), 0);
    CHECK_INT(fcntl(pair[1], F_GETOWN), owner);
    CHECK_INT(ioctl(pair[1], TIOCGWINSZ, &bytes), -1);
    CHECK_INT(errno, ENOTTY);
    CHECK_INT(ioctl(pair[1], FIOCLEX), 0);
    CHECK_INT(fcntl(pair[1], F_SETFL, O_ASYNC), 0);
    CHECK(fcntl(pair[1], F_GETFL) & O_ASYNC);
}

static void closes(void)
{
    int low = fcntl(0, F_DUPFD_CLOEXEC, 100), high = fcntl(0, F_DUPFD_CLOEXEC, 200);
    if (close_range((unsigned) low, (unsigned) high - 1, 0) != 0)
        test_skip("no close_range");
    CHECK_INT(fcntl(low, F_GETFD), -1);
    CHECK_INT(fcntl(high, F_GETFD), FD_CLOEXEC);
    CHECK_INT(close_range(2, 1, 0), -1);
    CHECK_INT(errno, EINVAL);
    closefrom(high + 1);
    CHECK_INT(fcntl(high, F_GETFD), FD_CLOEXEC);
    closefrom(high);
    CHECK_INT(fcntl(high, F_GETFD), -1);
}

#define POLICY "[local]\nhosts=127.0.0.0/8\n"

static const struct test tests[] = {
    {"system_calls", POLICY, system_calls},
    {"clones", POLICY, clones},
    {"vforks", POLICY, vforks},
    {"forks", POLICY, forks},
    {"executes", POLICY, executes},
    {"starts", POLICY, starts},
    {"messages", POLICY, messages},
    {"copies", POLICY, copies},
    {"prints", POLICY, prints},
    {"controls", POLICY, controls},
    {"closes", POLICY, closes},
};

TEST_MAIN(tests)

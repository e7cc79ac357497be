// SPDX-License-Identifier: MIT
// What the preload tests share: a process of its own for every test, a policy file for it, checks, and its log.
//
// A test program started by the runner only forks: each test of its table is the same program again, under the library
// (RB_PRELOAD), with the test's policy, an empty log and a shared state in a directory of its own. So no breaker,
// budget or policy is left over from another test, and each may close descriptors, install handlers or drop privileges
// as it likes.
#ifndef RB_PRELOAD_SUPPORT_H
#define RB_PRELOAD_SUPPORT_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef RB_BUILD_DIR
#define RB_BUILD_DIR "build"
#endif

enum {
    TEST_LIMIT_S = 30, // a test that takes longer hangs
    TEST_SKIPPED = 77, // exit status of a test that cannot run here
    TEST_TEXT_MAX = 4096,
    TEST_LOG_MAX = 4 << 20,
};

// One test. policy: the text of its policy file, @DIR@ stands for its directory; NULL: a role for `test_alone` and
// `test_under`, which the runner leaves out.
struct test {
    const char *name;
    const char *policy;
    void (*run)(void);
};

// --- checks: a failed one says what it saw and ends the test

#define CHECK(condition) test_check((condition), __FILE__, __LINE__, #condition)
#define CHECK_INT(actual, expected) test_check_int((actual), (expected), __FILE__, __LINE__, #actual)
#define CHECK_TEXT(actual, expected) test_check_text((actual), (expected), __FILE__, __LINE__, #actual)
#define CHECK_BETWEEN(actual, low, high) test_check_between((actual), (low), (high), __FILE__, __LINE__, #actual)

static inline void test_check(bool holds, const char *file, int line, const char *what)
{
    if (holds)
        return;
    dprintf(STDERR_FILENO, "%s:%d: not true: %s (errno %d)\n", file, line, what, errno);
    _exit(1);
}

static inline void test_check_int(long long actual, long long expected, const char *file, int line, const char *what)
{
    if (actual == expected)
        return;
    dprintf(STDERR_FILENO, "%s:%d: %s is %lld, not %lld (errno %d)\n", file, line, what, actual, expected, errno);
    _exit(1);
}

static inline void test_check_between(long long actual, long long low, long long high, const char *file, int line,
                                      const char *what)
{
    if (actual >= low && actual <= high)
        return;
    dprintf(STDERR_FILENO, "%s:%d: %s is %lld, not %lld to %lld\n", file, line, what, actual, low, high);
    _exit(1);
}

static inline void test_check_text(const char *actual, const char *expected, const char *file, int line,
                                   const char *what)
{
    size_t same = 0;
    while (actual[same] && actual[same] == expected[same])
        same++;
    if (actual[same] == expected[same])
        return;
    size_t from = same > 100 ? same - 100 : 0;
    dprintf(STDERR_FILENO, "%s:%d: %s differs at byte %zu: it has\n%.200s\nnot\n%.200s\n", file, line, what, same,
            actual + from, expected + from);
    _exit(1);
}

static inline void test_skip(const char *why)
{
    dprintf(STDERR_FILENO, "cannot run here: %s\n", why);
    _exit(TEST_SKIPPED);
}

// --- time

static inline uint64_t test_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t) now.tv_sec * 1000 + (uint64_t) now.tv_nsec / 1000000;
}

// Between two looks at a condition; the alarm of the test ends a wait for something that never comes.
static inline void test_pause(void)
{
    struct timespec pause = {.tv_nsec = 1000000};
    nanosleep(&pause, NULL);
}

// --- files of the test

// A path in the test's directory; the buffer lasts until the fourth call after this one.
static inline const char *test_path(const char *name)
{
    static __thread char paths[4][512];
    static __thread unsigned next;
    char *path = paths[next++ % 4];
    const char *directory = getenv("RB_TEST_DIR");
    snprintf(path, sizeof(paths[0]), "%s/%s", directory ? directory : ".", name);
    return path;
}

static inline void test_write(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t) strlen(text));
    close(fd);
}

// Reads a file, NUL-terminated, for the caller to free; an absent one is empty.
static inline char *test_read(const char *path, size_t *length)
{
    char *text = malloc(TEST_LOG_MAX + 1);
    size_t used = 0;
    ssize_t got = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    CHECK(text != NULL);
    while (fd >= 0 && used < TEST_LOG_MAX && (got = read(fd, text + used, TEST_LOG_MAX - used)) > 0)
        used += (size_t) got;
    if (fd >= 0)
        close(fd);
    text[used] = '\0';
    if (length)
        *length = used;
    return text;
}

// --- the log

static inline bool test_line_holds(const char *line, const char *end, const char *needle)
{
    const char *at = strstr(line, needle);
    return at && at < end;
}

// How many lines of the log hold both texts.
static inline unsigned test_log(const char *one, const char *other)
{
    char *text = test_read(test_path("log"), NULL);
    unsigned count = 0;
    for (char *line = text, *end; (end = strchr(line, '\n')); line = end + 1)
        count += test_line_holds(line, end, one) && test_line_holds(line, end, other);
    free(text);
    return count;
}

#define RETRY "\"decision\":\"retry\""
#define STOP "\"decision\":\"stop\""
#define RECOVERED "\"decision\":\"recovered\""
#define REFUSED "\"decision\":\"refused\""
#define PASS "\"decision\":\"pass\""

// The log's size in lines.
static inline unsigned test_log_lines(void)
{
    return test_log("", "");
}

static inline void test_await_log(const char *one, const char *other, unsigned count)
{
    while (test_log(one, other) < count)
        test_pause();
}

// --- descriptors and threads

static inline unsigned test_descriptors(void)
{
    DIR *directory = opendir("/proc/self/fd");
    unsigned count = 0;
    CHECK(directory != NULL);
    while (readdir(directory))
        count++;
    closedir(directory);
    return count - 3; // ".", ".." and the directory itself
}

static inline pid_t test_thread_id(void)
{
    return (pid_t) syscall(SYS_gettid);
}

// The number of the system call in which a thread of this process sleeps, -1 for none.
static inline long test_call_of(pid_t thread)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/self/task/%d/syscall", (int) thread);
    char *text = test_read(path, NULL);
    long number = text[0] >= '0' && text[0] <= '9' ? atol(text) : -1;
    free(text);
    return number;
}

static inline void test_await_call(pid_t thread, long number)
{
    while (test_call_of(thread) != number)
        test_pause();
}

#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449
#endif

// Waits until a thread sleeps in a wait of the library between two attempts. glibc calls either form of nanosleep.
static inline void test_await_sleep(pid_t thread)
{
    for (long number = -1;
         number != SYS_clock_nanosleep && number != SYS_nanosleep && number != SYS_futex_waitv && number != SYS_read;
         test_pause())
        number = test_call_of(thread);
}

// --- processes

static inline int test_status(pid_t child)
{
    int status = 0;
    while (waitpid(child, &status, 0) < 0)
        CHECK_INT(errno, EINTR);
    if (WIFSIGNALED(status))
        return 128 + WTERMSIG(status);
    return WEXITSTATUS(status);
}

// Executes a program with a role of this one, which the program ignores if it is another one. preload NULL: without the
// library.
static inline _Noreturn void test_execute(const char *program, const char *role, const char *preload)
{
    setenv("RB_TEST", role, 1);
    if (preload)
        setenv("LD_PRELOAD", preload, 1);
    else
        unsetenv("LD_PRELOAD");
    execl(program, role, (char *) NULL);
    _exit(127);
}

// Runs a role of this program in a process of its own; preload NULL: without the library. Returns its exit status.
static inline int test_role(const char *role, const char *preload)
{
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        alarm(TEST_LIMIT_S);
        test_execute(getenv("RB_TEST_PROGRAM"), role, preload);
    }
    return test_status(child);
}

static inline int test_alone(const char *role)
{
    return test_role(role, NULL);
}

static inline int test_under(const char *role)
{
    return test_role(role, getenv("RB_PRELOAD"));
}

// Opens the file for what a role of `test_same_report` sees.
static inline int test_open_report(void)
{
    int fd = open(getenv("RB_REPORT"), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    CHECK(fd >= 0);
    return fd;
}

// Runs a role alone and under the library. Its two reports must be the same.
static inline void test_same_report(const char *role)
{
    const char *alone = test_path("alone"), *under = test_path("under");
    setenv("RB_REPORT", alone, 1);
    CHECK_INT(test_alone(role), 0);
    setenv("RB_REPORT", under, 1);
    CHECK_INT(test_under(role), 0);
    CHECK_TEXT(test_read(under, NULL), test_read(alone, NULL));
}

// --- the driver

static inline char *test_policy_text(const char *policy, const char *directory)
{
    char *text = calloc(1, TEST_TEXT_MAX);
    CHECK(text != NULL);
    for (const char *at = policy; *at;) {
        bool mark = strncmp(at, "@DIR@", 5) == 0;
        size_t used = strlen(text);
        snprintf(text + used, TEST_TEXT_MAX - used, "%.*s", mark ? 256 : 1, mark ? directory : at);
        at += mark ? 5 : 1;
    }
    return text;
}

static inline void test_remove(const char *directory)
{
    DIR *entries = opendir(directory);
    struct dirent *entry;
    while (entries && (entry = readdir(entries)))
        if (entry->d_name[0] != '.')
            unlinkat(dirfd(entries), entry->d_name, 0);
    if (entries)
        closedir(entries);
    rmdir(directory);
}

static inline void test_become(const struct test *test, const char *program, const char *directory)
{
    char path[512];
    setenv("RB_TEST", test->name, 1);
    setenv("RB_TEST_DIR", directory, 1);
    setenv("RB_TEST_PROGRAM", program, 1);
    snprintf(path, sizeof(path), "%s/policy.ini", directory);
    setenv("REBOUND_POLICY", path, 1);
    char *text = test_policy_text(test->policy, directory);
    test_write(path, text);
    free(text);
    snprintf(path, sizeof(path), "%s/log", directory);
    setenv("REBOUND_LOG", path, 1);
    snprintf(path, sizeof(path), "%s/state", directory);
    setenv("REBOUND_STATE", path, 1);
    setenv("LD_PRELOAD", getenv("RB_PRELOAD"), 1);
    alarm(TEST_LIMIT_S);
    execl(program, program, (char *) NULL);
    _exit(127);
}

// Returns the exit status of one test, 128 and more for a signal.
static inline int test_drive(const struct test *test, const char *program)
{
    char directory[] = "/tmp/rebound-preload-XXXXXX";
    CHECK(mkdtemp(directory) != NULL);
    fflush(stdout);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0)
        test_become(test, program, directory);
    int status = test_status(child);
    if (getenv("RB_KEEP"))
        printf("kept %s\n", directory);
    else
        test_remove(directory);
    return status;
}

static inline int test_drive_all(const struct test *tests, size_t count, const char *only)
{
    char program[512];
    int failures = 0;
    ssize_t length = readlink("/proc/self/exe", program, sizeof(program) - 1);
    CHECK(length > 0);
    program[length] = '\0';
    for (size_t i = 0; i < count; i++) {
        if (!tests[i].policy || (only && strcmp(only, tests[i].name) != 0))
            continue;
        int status = test_drive(&tests[i], program);
        if (status == 0 || status == TEST_SKIPPED)
            printf("%s %s\n", status ? "skip" : "ok  ", tests[i].name);
        else
            printf("FAIL %s (status %d)\n", tests[i].name, status);
        failures += status != 0 && status != TEST_SKIPPED;
    }
    return failures ? 1 : 0;
}

static inline bool test_is_sanitized(void)
{
    return strstr(getenv("RB_PRELOAD"), "asan") != NULL;
}

// The end of a test. With the address sanitizer alone in LD_PRELOAD, and after libcurl used strerror_r, the destructor
// of libp11-kit waits for a lock of glibc's locales for ever.
static inline int test_leave(void)
{
    fflush(NULL);
    if (test_is_sanitized())
        _exit(0);
    return 0;
}

static inline int test_main(int argc, char **argv, const struct test *tests, size_t count)
{
    const char *name = getenv("RB_TEST");
    setenv("RB_PRELOAD", RB_BUILD_DIR "/librebound.so", 0);
    if (!name)
        return test_drive_all(tests, count, argc > 1 ? argv[1] : NULL);
    for (size_t i = 0; i < count; i++)
        if (strcmp(tests[i].name, name) == 0) {
            tests[i].run();
            return test_leave();
        }
    return 127;
}

#define TEST_MAIN(tests)                                                                                               \
    int main(int argc, char **argv)                                                                                    \
    {                                                                                                                  \
        return test_main(argc, argv, tests, sizeof(tests) / sizeof((tests)[0]));                                       \
    }

// The inode of the mapped file whose path holds `path`; a file that was removed does not count. 0: there is none.
static inline unsigned long long test_mapped_inode(const char *path)
{
    char line[512];
    unsigned long long inode = 0;
    FILE *maps = fopen("/proc/self/maps", "re");
    CHECK(maps != NULL);
    while (fgets(line, sizeof(line), maps))
        if (strstr(line, path) && !strstr(line, "(deleted)")) {
            CHECK_INT(inode, 0);
            CHECK_INT(sscanf(line, "%*s %*s %*s %*s %llu", &inode), 1);
        }
    fclose(maps);
    return inode;
}

#endif

// SPDX-License-Identifier: MIT
// Clock, dice and sleep by Linux system calls. The date alone is libc's: what a program is told of it, logs are, too.
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "real/clock.h"
#include "real/system.h"

static uint64_t clock_ms(clockid_t clock)
{
    struct timespec t;
    if (rb_clock_read(clock, &t) != 0)
        return 0;
    return (uint64_t) t.tv_sec * 1000 + (uint64_t) t.tv_nsec / 1000000;
}

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec t;
    if (rb_clock_read(clock, &t) != 0)
        return 0;
    return (uint64_t) t.tv_sec * 1000000000 + (uint64_t) t.tv_nsec;
}

uint64_t rb_system_now_ms(void)
{
    return clock_ms(CLOCK_BOOTTIME);
}

uint64_t rb_system_now_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

uint64_t rb_system_coarse_ms(void)
{
    return clock_ms(CLOCK_MONOTONIC_COARSE);
}

int64_t rb_system_unix_s(void)
{
    struct timespec t;
    return clock_gettime(CLOCK_REALTIME, &t) == 0 ? t.tv_sec : 0;
}

uint64_t rb_system_unix_ms(void)
{
    return clock_ms(CLOCK_REALTIME);
}

// splitmix64 (Steele, Lea, Flood 2014) over a per-thread counter. A forked child shares its parent's sequence from then
// on, so the pid is mixed in: workers must not retry in step.
uint32_t rb_system_random(void)
{
    static __thread uint64_t state;
    if (state == 0 && syscall(SYS_getrandom, &state, sizeof state, 1 /* GRND_NONBLOCK */) != sizeof state)
        state = clock_ms(CLOCK_MONOTONIC) ^ (uint64_t) (uintptr_t) &state;
    uint64_t z = (state += 0x9e3779b97f4a7c15u) ^ (uint64_t) (uint32_t) getpid() << 32;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (uint32_t) ((z ^ (z >> 31)) >> 32);
}

int rb_system_wait_restartable(uint64_t ms)
{
    if (ms == 0)
        return 0;
    int fd = (int) syscall(SYS_timerfd_create, CLOCK_BOOTTIME, TFD_CLOEXEC);
    if (fd < 0)
        return -errno;
    struct itimerspec due = {.it_value = {(time_t) (ms / 1000), (long) (ms % 1000) * 1000000}};
    uint64_t fired;
    long got = -1;
    if (timerfd_settime(fd, 0, &due, NULL) == 0)
        got = syscall(SYS_read, fd, &fired, sizeof fired);
    int error = got < 0 ? -errno : 0;
    syscall(SYS_close, fd);
    return error;
}

void rb_system_sleep(uint64_t ms)
{
    struct timespec left = {(time_t) (ms / 1000), (long) (ms % 1000) * 1000000};
    while (nanosleep(&left, &left) != 0 && errno == EINTR)
        continue;
}

static void *map(void *place, size_t size, int flags)
{
    int saved = errno;
    void *memory = mmap(place, size, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0);
    errno = saved;
    return memory == MAP_FAILED ? NULL : memory;
}

void *rb_system_memory(size_t size)
{
    return map(NULL, size, MAP_PRIVATE);
}

void *rb_system_memory_shared(size_t size)
{
    return map(NULL, size, MAP_SHARED);
}

bool rb_system_memory_over(void *mapping, size_t size)
{
    return map(mapping, size, MAP_PRIVATE | MAP_FIXED) != NULL;
}

void rb_system_memory_free(void *memory, size_t size)
{
    munmap(memory, size);
}

bool rb_system_block_signals(sigset_t *saved)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT};
    int error = errno;
    sigset_t all;
    sigfillset(&all);
    for (unsigned i = 0; i < sizeof faults / sizeof faults[0]; i++)
        sigdelset(&all, faults[i]);
    bool done = sigprocmask(SIG_BLOCK, &all, saved) == 0;
    errno = error;
    return done;
}

// The kernel reads a set of signals before it looks at what is to be done with it, which here is nothing.
static bool can_read_word(uintptr_t address)
{
    enum { NOTHING = -1, SET_SIZE = 8 };
    return address && (syscall(SYS_rt_sigprocmask, NOTHING, address, NULL, SET_SIZE) == 0 || errno != EFAULT);
}

bool rb_system_can_read(const void *memory, size_t size)
{
    enum { PAGE = 4096, WORD = 8 };
    uintptr_t from = (uintptr_t) memory & ~(uintptr_t) (WORD - 1), last = (uintptr_t) memory + size - 1;
    int error = errno;
    bool can = size == 0 || (from && last >= from); // no set at all is readable to the kernel
    for (uintptr_t at = from; can && size && at <= last && at >= from; at = (at | (PAGE - 1)) + 1)
        can = can_read_word(at);
    errno = error;
    return can;
}

int rb_system_pid(void)
{
    return (int) syscall(SYS_getpid);
}

// Reads the start of a small file; NUL-terminated, "" where it cannot be read. Keeps errno.
static void read_small(const char *path, char *out, size_t size)
{
    int saved = errno;
    int fd = (int) syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
    long got = fd >= 0 ? syscall(SYS_read, fd, out, size - 1) : 0;
    if (fd >= 0)
        syscall(SYS_close, fd);
    out[got > 0 ? got : 0] = '\0';
    errno = saved;
}

uint64_t rb_system_boot(void)
{
    char id[64];
    uint64_t hash = 0xcbf29ce484222325u; // FNV-1a
    read_small("/proc/sys/kernel/random/boot_id", id, sizeof id);
    for (const char *c = id; *c; c++)
        hash = (hash ^ (unsigned char) *c) * 0x100000001b3u;
    return id[0] ? hash : 0;
}

// The second field is the program's name in parentheses, which may hold anything; the third begins after the last one.
uint64_t rb_system_start_ticks(const char *process)
{
    enum { FIELD_AFTER_NAME = 3, FIELD_START = 22, PATH_ROOM = 64 };
    char path[PATH_ROOM] = "/proc/", line[1024];
    strncat(path, process, PATH_ROOM / 2);
    strncat(path, "/stat", PATH_ROOM / 4);
    read_small(path, line, sizeof line);
    const char *at = strrchr(line, ')');
    uint64_t ticks = 0;
    for (int field = FIELD_AFTER_NAME - 1; at && field < FIELD_START; field++) {
        at = strchr(at, ' ');
        at = at ? at + 1 : NULL;
    }
    for (; at && *at >= '0' && *at <= '9'; at++)
        ticks = ticks * 10 + (uint64_t) (*at - '0');
    return ticks;
}

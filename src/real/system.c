// SPDX-License-Identifier: MIT
// Clock, random numbers, sleep, memory and signals by system calls. The date is read by libc's clock_gettime, so that
// log lines show the date that the program sees (libfaketime).
#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/auxv.h>
#include <time.h>
#include <unistd.h>

#include "base/hash.h"
#include "real/clock.h"
#include "real/elf.h"
#include "real/kernel.h"
#include "real/sandbox.h"
#include "real/system.h"

static uint64_t clock_ms(clockid_t clock)
{
    struct rb_kernel_time t;
    if (rb_clock_read(clock, &t) != 0)
        return 0;
    return (uint64_t) t.seconds * 1000 + (uint64_t) t.nanoseconds / 1000000;
}

// ---- the boot clock without the offset of a time namespace ----

// The initial value: not read yet. No real offset is that large.
static const int64_t offset_unknown = INT64_MIN;
static _Atomic int64_t boot_offset_ms = INT64_MIN;

static void read_small(const char *path, char *out, size_t size);

// Reads the offset of CLOCK_BOOTTIME in this process's time namespace. The line holds "boottime", seconds, nanoseconds
// (time_namespaces(7)). Returns 0 if the kernel has no time namespaces or /proc is not mounted.
//
// The file describes the time namespace of this process's children. After unshare(2) that differs from the process's
// own, whose offset is then unknown and counts as 0.
static int64_t read_boot_offset_ms(void)
{
    static const char word[] = "boottime";
    char text[128], own[32] = "", of_children[32] = ""; // two short lines; "time:[4026531834]"
    read_small("/proc/self/timens_offsets", text, sizeof(text));
    const char *at = strstr(text, word);
    if (!at)
        return 0;
    at += sizeof(word) - 1;
    at += strspn(at, " ");
    bool negative = *at == '-';
    int64_t seconds = 0;
    for (at += negative; *at >= '0' && *at <= '9' && seconds < INT32_MAX; at++)
        seconds = seconds * 10 + (*at - '0');
    if (seconds == 0)
        return 0;
    rb_kernel(SYS_readlinkat, AT_FDCWD, "/proc/self/ns/time", own, sizeof(own) - 1);
    rb_kernel(SYS_readlinkat, AT_FDCWD, "/proc/self/ns/time_for_children", of_children, sizeof(of_children) - 1);
    if (strcmp(own, of_children) != 0)
        return 0;
    return (negative ? -seconds : seconds) * 1000;
}

static int64_t offset_ms(void)
{
    int64_t known = atomic_load_explicit(&boot_offset_ms, memory_order_relaxed);
    if (known == offset_unknown) {
        known = read_boot_offset_ms();
        atomic_store_explicit(&boot_offset_ms, known, memory_order_relaxed);
    }
    return known;
}

// In a sandbox the file can no longer be read. The child keeps its parent's offset, which is right unless the parent
// has prepared another time namespace for its children.
void rb_system_clock_forked(void)
{
    if (!rb_sandbox_bars_files())
        atomic_store_explicit(&boot_offset_ms, offset_unknown, memory_order_relaxed);
}

uint64_t rb_system_now_ms(void)
{
    return clock_ms(CLOCK_BOOTTIME) - (uint64_t) offset_ms();
}

uint64_t rb_system_now_ns(void)
{
    struct rb_kernel_time t;
    if (rb_clock_read(CLOCK_MONOTONIC, &t) != 0)
        return 0;
    return (uint64_t) t.seconds * 1000000000 + (uint64_t) t.nanoseconds;
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

// splitmix64 (Steele, Lea, Flood 2014) over a per-thread counter. A forked child inherits the counter, so the pid is
// mixed in: otherwise workers would retry at the same moments.
uint32_t rb_system_random(void)
{
    static __thread uint64_t state;
    bool filtered = rb_sandbox_is_filtered();
    if (state == 0 && !filtered)
        rb_kernel(SYS_getrandom, &state, sizeof(state), 1 /* GRND_NONBLOCK */);
    if (state == 0)
        state = clock_ms(CLOCK_MONOTONIC) ^ (uint64_t) (uintptr_t) &state;
    uint64_t z = (state += RB_HASH_GOLDEN) ^ (uint64_t) (filtered ? 0 : (uint32_t) rb_system_pid()) << 32;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (uint32_t) ((z ^ (z >> 31)) >> 32);
}

typedef int sleep_fn(const struct rb_kernel_time *time, struct rb_kernel_time *left);

// Uses libc's nanosleep, because a raw system call is not a cancellation point. In both libcs the symbol of this name
// takes the kernel's time structure.
void rb_system_sleep(uint64_t ms)
{
    sleep_fn *function = (sleep_fn *) rb_elf_libc("nanosleep");
    struct rb_kernel_time left = {(long) (ms / 1000), (long) (ms % 1000) * 1000000};
    if (rb_sandbox_is_filtered())
        return;
    while (function ? function(&left, &left) != 0 && errno == EINTR : rb_kernel(SYS_nanosleep, &left, &left) == -EINTR)
        continue;
}

// The 64-bit arguments of fallocate(2).
#if __SIZEOF_LONG__ == 8
#define FROM_START 0
#define LENGTH(size) (size)
#elif __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define FROM_START 0, 0
#define LENGTH(size) (uint32_t)(size), (size) >> 32
#else
#define FROM_START 0, 0
#define LENGTH(size) (size) >> 32, (uint32_t) (size)
#endif

static long write_zeros(int fd, uint64_t size)
{
    static const char zeros[4096];
    long result = 0;
    while (size > 0 && result >= 0) {
        result = rb_kernel(SYS_write, fd, zeros, size < sizeof(zeros) ? size : sizeof(zeros));
        size -= result > 0 ? (uint64_t) result : 0;
        result = result == -EINTR ? 0 : result;
    }
    long back = rb_kernel(SYS_lseek, fd, 0, SEEK_SET);
    return result < 0 ? result : back;
}

int rb_system_allocate(int fd, uint64_t size)
{
    long result = rb_kernel(SYS_fallocate, fd, 0, FROM_START, LENGTH(size));
    return (int) (result == -EOPNOTSUPP || result == -ENOSYS ? write_zeros(fd, size) : result);
}

// The C libraries use the first real-time signals themselves: for thread cancellation, and to change the user id of all
// threads. If a thread blocks the latter for long, setuid(2) in another thread waits for it.
#ifdef __GLIBC__
enum { FIRST_OF_LIBC = 32, LAST_OF_LIBC = 33, CANCELLATION = 32 };
#else
enum { FIRST_OF_LIBC = 32, LAST_OF_LIBC = 34, CANCELLATION = 33 };
#endif

bool rb_system_is_signal_of_libc(int number)
{
    return number >= FIRST_OF_LIBC && number <= LAST_OF_LIBC;
}

static uint64_t all_but_faults(void)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT};
    uint64_t all = ~UINT64_C(0);
    for (unsigned i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
        all &= ~rb_kernel_signal(faults[i]);
    for (int number = FIRST_OF_LIBC; number <= LAST_OF_LIBC; number++)
        all &= ~rb_kernel_signal(number);
    return all;
}

static bool block(uint64_t signals, uint64_t *saved)
{
    return rb_kernel(SYS_rt_sigprocmask, SIG_BLOCK, &signals, saved, RB_KERNEL_SIGNALS) == 0;
}

bool rb_system_hold_signals(uint64_t *saved)
{
    return block(all_but_faults(), saved);
}

void rb_system_release_signals(uint64_t saved)
{
    rb_kernel_always(SYS_rt_sigprocmask, SIG_SETMASK, &saved, NULL, RB_KERNEL_SIGNALS);
}

// libc's signal set begins with the kernel's.
static bool block_for_libc(uint64_t signals, sigset_t *saved)
{
    uint64_t held = 0;
    bool blocked = block(signals, &held);
    *saved = (sigset_t){0};
    memcpy(saved, &held, sizeof(held));
    return blocked;
}

bool rb_system_block_signals(sigset_t *saved)
{
    return block_for_libc(all_but_faults(), saved);
}

bool rb_system_block_for_lock(sigset_t *saved)
{
    return block_for_libc(all_but_faults() | rb_kernel_signal(SIGABRT) | rb_kernel_signal(CANCELLATION), saved);
}

bool rb_system_blocks_cancellation(const sigset_t *mask)
{
    uint64_t blocked;
    memcpy(&blocked, mask, sizeof(blocked));
    return blocked & rb_kernel_signal(CANCELLATION);
}

void rb_system_restore_signals(const sigset_t *saved)
{
    rb_kernel_always(SYS_rt_sigprocmask, SIG_SETMASK, saved, NULL, RB_KERNEL_SIGNALS);
}

int rb_system_pid(void)
{
    return (int) rb_kernel(SYS_getpid);
}

// Reads the start of a file into `out` and terminates it with NUL. Stores "" if the file cannot be read. Signals are
// blocked, because a handler may leave by siglongjmp, and the descriptor would stay open.
static void read_small(const char *path, char *out, size_t size)
{
    uint64_t signals;
    out[0] = '\0';
    if (rb_sandbox_bars_files())
        return;
    bool blocked = rb_system_hold_signals(&signals);
    int fd = (int) rb_kernel(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
    long got = fd >= 0 ? rb_kernel(SYS_read, fd, out, size - 1) : 0;
    if (fd >= 0)
        rb_kernel(SYS_close, fd);
    if (blocked)
        rb_system_release_signals(signals);
    out[got > 0 ? got : 0] = '\0';
}

uint64_t rb_system_boot(void)
{
    char id[64];
    read_small("/proc/sys/kernel/random/boot_id", id, sizeof(id));
    return id[0] ? rb_hash_bytes(RB_HASH_BEGIN, id, strlen(id)) : 0;
}

static const char *next_number(const char *at, uint64_t *number)
{
    for (*number = 0; *at >= '0' && *at <= '9'; at++)
        *number = *number * 10 + (uint64_t) (*at - '0');
    return *at == ' ' ? at + 1 : at;
}

uint64_t rb_system_setting(const char *path)
{
    char text[32];
    uint64_t number;
    read_small(path, text, sizeof(text));
    next_number(text, &number);
    return number;
}

uint64_t rb_system_used(unsigned field, uint64_t page_size)
{
    char line[128];
    uint64_t pages = 0;
    const char *at = line;
    read_small("/proc/self/statm", line, sizeof(line));
    for (unsigned i = 0; i <= field; i++)
        at = next_number(at, &pages);
    return pages * page_size;
}

// The second field is the program's name in parentheses, which may contain spaces and parentheses. The third field
// begins after the last ')'.
uint64_t rb_system_start_ticks(const char *process)
{
    enum { FIELD_AFTER_NAME = 3, FIELD_START = 22, PATH_ROOM = 64, LINE_ROOM = 512 };
    char path[PATH_ROOM] = "/proc/", line[LINE_ROOM];
    strncat(path, process, PATH_ROOM / 2);
    strncat(path, "/stat", PATH_ROOM / 4);
    read_small(path, line, sizeof(line));
    const char *at = strrchr(line, ')');
    uint64_t ticks = 0;
    for (int field = FIELD_AFTER_NAME - 1; at && field < FIELD_START; field++) {
        at = strchr(at, ' ');
        at = at ? at + 1 : NULL;
    }
    if (at)
        next_number(at, &ticks);
    return ticks > 0 ? ticks - (uint64_t) (offset_ms() / 1000 * (int64_t) rb_elf_auxiliary(AT_CLKTCK)) : 0;
}

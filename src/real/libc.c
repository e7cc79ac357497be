// SPDX-License-Identifier: MIT
// Next definitions of the hooked libc functions.
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <sys/resource.h>

#include "real/elf.h"
#include "real/kernel.h"
#include "real/libc.h"

// The index of each function in the tables below.
enum {
#define LIBC(family, result, name, ...) INDEX_##name,
#define LIBC_VARIADIC LIBC
#define LIBC_JUMP LIBC
#define LOADER(family, name) INDEX_##name,
#include "hook/hooks.def"
    FUNCTIONS
};

static const char *const names[FUNCTIONS] = {
#define LIBC(family, result, name, ...) #name,
#define LIBC_VARIADIC LIBC
#define LIBC_JUMP LIBC
#define LOADER(family, name) #name,
#include "hook/hooks.def"
};

static _Atomic(void *) found[FUNCTIONS];

// Looks up a function. If two threads do so at once, both find the same address.
static void *look_up(unsigned which)
{
    void *address = rb_elf_next(names[which]);
    atomic_store_explicit(&found[which], address, memory_order_release);
    return address;
}

// Converts the result of a system call to libc's form: -1 and errno.
static long as_libc(long result)
{
    if (result >= 0)
        return result;
    errno = (int) -result;
    return -1;
}

#define SYSTEM(...) as_libc(rb_kernel_always(__VA_ARGS__))

static struct rb_kernel_time as_kernel_time(const struct timespec *time)
{
    return time ? (struct rb_kernel_time){(long) time->tv_sec, (long) time->tv_nsec} : (struct rb_kernel_time){0};
}

static long sys_ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask)
{
    struct rb_kernel_time left = as_kernel_time(timeout); // the kernel writes it
    return SYSTEM(SYS_ppoll, fds, count, timeout ? &left : NULL, mask, RB_KERNEL_SIGNALS);
}

static long sys_poll(struct pollfd *fds, nfds_t count, int ms)
{
    struct timespec timeout = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};
    return sys_ppoll(fds, count, ms < 0 ? NULL : &timeout, NULL);
}

static long sys_pselect(int count, fd_set *reads, fd_set *writes, fd_set *excepts, const struct timespec *timeout,
                        const sigset_t *mask)
{
    struct rb_kernel_time left = as_kernel_time(timeout);
    uintptr_t packed[2] = {(uintptr_t) mask, RB_KERNEL_SIGNALS};
    return SYSTEM(SYS_pselect6, count, reads, writes, excepts, timeout ? &left : NULL, packed);
}

static long sys_select(int count, fd_set *reads, fd_set *writes, fd_set *excepts, const struct timeval *timeout)
{
    struct timespec limit = {.tv_sec = timeout ? timeout->tv_sec : 0,
                             .tv_nsec = timeout ? (long) timeout->tv_usec * 1000 : 0};
    return sys_pselect(count, reads, writes, excepts, timeout ? &limit : NULL, NULL);
}

// Closes descriptors one by one if the kernel lacks close_range, which is older than Linux 5.9.
static void sys_closefrom(int first)
{
    enum { MOST = 1 << 20 }; // the highest number of descriptors that Linux allows by default
    unsigned from = first > 0 ? (unsigned) first : 0;
    if (rb_kernel_always(SYS_close_range, from, UINT_MAX, 0) == 0)
        return;
    uint64_t end = rb_kernel_limit(RLIMIT_NOFILE);
    for (unsigned fd = from; fd < end && fd < MOST; fd++)
        rb_kernel_always(SYS_close, fd);
}

// Before glibc 2.34, pthread_join is in libpthread.so.0. A program without threads may load it later, with a plug-in.
static int join_anywhere(pthread_t thread, void **result)
{
    typedef int join_fn(pthread_t, void **);
    join_fn *real = (join_fn *) rb_elf_next_anywhere("pthread_join");
    return real ? real(thread, result) : ESRCH;
}

// The two arguments in which preadv2 and pwritev2 take a 64-bit offset.
#define LOW_HIGH(offset) (long) (offset), (long) ((uint64_t) (int64_t) (offset) >> 32)

#define NOT_THERE(result) (errno = ENOSYS, (result))

// NOLINTBEGIN(bugprone-macro-parentheses): they are types and parameter lists
// Defines rb_libc_NAME: a jump to the function found, or the result `absent` where there is none. The first call of
// each function is a function of its own. Otherwise every call would build a stack frame.
#define FORWARD(result, name, type, parameters, arguments, absent)                                                     \
    static __attribute__((cold, noinline)) result first_##name parameters                                              \
    {                                                                                                                  \
        type *real = (type *) look_up(INDEX_##name);                                                                   \
        return real ? real arguments : (result) (absent);                                                              \
    }                                                                                                                  \
    result rb_libc_##name parameters                                                                                   \
    {                                                                                                                  \
        type *real = (type *) atomic_load_explicit(&found[INDEX_##name], memory_order_acquire);                        \
        return real ? real arguments : first_##name arguments;                                                         \
    }

#define LIBC(family, result, name, parameters, arguments, absent)                                                      \
    typedef result name##_fn parameters;                                                                               \
    FORWARD(result, name, name##_fn, parameters, arguments, absent)

// A variadic function is called with another convention than other functions on some architectures.
#define LIBC_VARIADIC(family, result, name, declared, parameters, arguments, absent)                                   \
    typedef result name##_fn declared;                                                                                 \
    FORWARD(result, name, name##_fn, parameters, arguments, absent)

// The hook must not return through a frame of ours, so the function is not called here.
#define LIBC_JUMP(family, result, name, parameters)                                                                    \
    rb_##name##_fn *rb_libc_##name(void)                                                                               \
    {                                                                                                                  \
        void *address = atomic_load_explicit(&found[INDEX_##name], memory_order_acquire);                              \
        return (rb_##name##_fn *) (address ? address : look_up(INDEX_##name));                                         \
    }

#include "hook/hooks.def"
// NOLINTEND(bugprone-macro-parentheses)

// Looks up dlclose, dlopen or dlsym. Before glibc 2.34 they are in libdl.so.2, which may have been loaded later.
static RB_EARLY void *find_loader(unsigned which)
{
    void *address = rb_elf_next(names[which]);
    if (!address)
        address = rb_elf_next_anywhere(names[which]);
    atomic_store_explicit(&found[which], address, memory_order_release);
    return address;
}

RB_EARLY rb_dlclose_fn *rb_libc_dlclose(void)
{
    void *address = atomic_load_explicit(&found[INDEX_dlclose], memory_order_acquire);
    return address ? address : find_loader(INDEX_dlclose);
}

RB_EARLY rb_dlopen_fn *rb_libc_dlopen(void)
{
    void *address = atomic_load_explicit(&found[INDEX_dlopen], memory_order_acquire);
    return address ? address : find_loader(INDEX_dlopen);
}

RB_EARLY rb_dlsym_fn *rb_libc_dlsym(void)
{
    void *address = atomic_load_explicit(&found[INDEX_dlsym], memory_order_acquire);
    return address ? address : find_loader(INDEX_dlsym);
}

// SPDX-License-Identifier: MIT
// System calls made inline, without libc.
//
// libc's functions (syscall, mmap, sigprocmask, getrlimit, ...) are symbols that another preloaded library may
// interpose. Its definition may wait for a lock that the calling thread holds, or may call us back. So the library
// calls none of them for itself. Calls made for the program are different: other preloaded libraries must see them, so
// they go to the next definition (real/libc.h).
#ifndef RB_REAL_KERNEL_H
#define RB_REAL_KERNEL_H

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "real/sandbox.h"

// Makes a system call: rb_kernel(SYS_read, fd, buffer, size). It takes up to six arguments, each a pointer or an
// integer that fits into a long. Returns the kernel's result: a negative errno on failure. Does not change errno, is
// not a cancellation point, and is async-signal-safe. Once a seccomp filter takes effect in all threads, returns -EPERM
// without a system call.
//
// The arguments use the kernel's structures: signal sets have RB_KERNEL_SIGNALS bytes, and times are struct
// rb_kernel_time. On 32-bit machines a 64-bit argument takes two of the six.
#define rb_kernel(...) (rb_sandbox_refuses_calls() ? -EPERM : rb_kernel_always(__VA_ARGS__))

// The same for calls that are made for the program, and for those that end what would harm the program, such as blocked
// signals.
#define rb_kernel_always(...) RB_KERNEL_PAD(__VA_ARGS__, 0, 0, 0, 0, 0, 0, 0)
#define RB_KERNEL_PAD(number, a, b, c, d, e, f, ...)                                                                   \
    rb_kernel_call((long) (number), (long) (a), (long) (b), (long) (c), (long) (d), (long) (e), (long) (f))

// Bytes of the kernel's signal set. libc's sigset_t is larger and begins with the kernel's set.
enum { RB_KERNEL_SIGNALS = 8 };

// The time structure of the system calls that every architecture has. It differs from struct timespec if libc uses
// 64-bit times on a 32-bit machine.
struct rb_kernel_time {
    long seconds, nanoseconds;
};

// Makes a system call by libc's own `syscall`, even if another library interposes it. Result as for rb_kernel.
long rb_kernel_by_libc(long number, long a, long b, long c, long d, long e, long f);

// Only declared for clang's analyzer, which does not see that the kernel writes through the arguments of an
// instruction.
#if defined(__clang_analyzer__)

long rb_kernel_call(long number, long a, long b, long c, long d, long e, long f);

#elif defined(__x86_64__) && defined(__LP64__)

static inline long rb_kernel_call(long number, long a, long b, long c, long d, long e, long f)
{
    register long fourth __asm__("r10") = d;
    register long fifth __asm__("r8") = e;
    register long sixth __asm__("r9") = f;
    long result;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(fourth), "r"(fifth), "r"(sixth)
                     : "rcx", "r11", "memory");
    return result;
}

#elif defined(__aarch64__) && defined(__LP64__)

static inline long rb_kernel_call(long number, long a, long b, long c, long d, long e, long f)
{
    register long which __asm__("x8") = number;
    register long first __asm__("x0") = a;
    register long second __asm__("x1") = b;
    register long third __asm__("x2") = c;
    register long fourth __asm__("x3") = d;
    register long fifth __asm__("x4") = e;
    register long sixth __asm__("x5") = f;
    __asm__ volatile("svc 0"
                     : "+r"(first)
                     : "r"(which), "r"(second), "r"(third), "r"(fourth), "r"(fifth), "r"(sixth)
                     : "memory", "cc");
    return first;
}

#elif defined(__i386__)

// The arguments are loaded from memory: without optimisation the compiler needs ebp, and position-independent code
// needs ebx.
static inline long rb_kernel_call(long number, long a, long b, long c, long d, long e, long f)
{
    long arguments[] = {number, a, b, c, d, e, f};
    long result = (long) arguments;
    __asm__ volatile("pushl %%ebx\n\t"
                     "pushl %%ebp\n\t"
                     "movl 4(%%eax), %%ebx\n\t"
                     "movl 8(%%eax), %%ecx\n\t"
                     "movl 12(%%eax), %%edx\n\t"
                     "movl 16(%%eax), %%esi\n\t"
                     "movl 20(%%eax), %%edi\n\t"
                     "movl 24(%%eax), %%ebp\n\t"
                     "movl (%%eax), %%eax\n\t"
                     "int $0x80\n\t"
                     "popl %%ebp\n\t"
                     "popl %%ebx"
                     : "+a"(result)
                     :
                     : "ecx", "edx", "esi", "edi", "memory", "cc");
    return result;
}

#elif defined(__arm__) && defined(__ARM_EABI__)

// r7 takes the number. The compiler may need r7 as its frame pointer, so the assembler code saves it.
static inline long rb_kernel_call(long number, long a, long b, long c, long d, long e, long f)
{
    register long which __asm__("ip") = number;
    register long first __asm__("r0") = a;
    register long second __asm__("r1") = b;
    register long third __asm__("r2") = c;
    register long fourth __asm__("r3") = d;
    register long fifth __asm__("r4") = e;
    register long sixth __asm__("r5") = f;
    __asm__ volatile("push {r7}\n\t"
                     "mov r7, %1\n\t"
                     "svc 0\n\t"
                     "pop {r7}"
                     : "+r"(first)
                     : "r"(which), "r"(second), "r"(third), "r"(fourth), "r"(fifth), "r"(sixth)
                     : "memory", "cc");
    return first;
}

#else

static inline long rb_kernel_call(long number, long a, long b, long c, long d, long e, long f)
{
    return rb_kernel_by_libc(number, a, b, c, d, e, f);
}

#endif

// Calls whose name differs: on 32-bit machines mmap2 counts the offset in pages, the *32 calls have 32-bit user ids,
// and sendfile64 takes a 64-bit offset.
#ifdef SYS_mmap2
enum { RB_KERNEL_MMAP = SYS_mmap2 };
#else
enum { RB_KERNEL_MMAP = SYS_mmap };
#endif
#ifdef SYS_geteuid32
enum { RB_KERNEL_GETEUID = SYS_geteuid32 };
#else
enum { RB_KERNEL_GETEUID = SYS_geteuid };
#endif
#ifdef SYS_getresuid32
enum { RB_KERNEL_GETRESUID = SYS_getresuid32 };
#else
enum { RB_KERNEL_GETRESUID = SYS_getresuid };
#endif
#ifdef SYS_sendfile64
enum { RB_KERNEL_SENDFILE64 = SYS_sendfile64 };
#else
enum { RB_KERNEL_SENDFILE64 = SYS_sendfile };
#endif

// Maps memory, without real/pages.h. `fd` is -1 for MAP_ANONYMOUS; a file is mapped from its beginning. Returns NULL
// on failure.
static inline void *rb_kernel_map(void *place, size_t size, int protection, int flags, int fd)
{
    long result = rb_kernel(RB_KERNEL_MMAP, place, size, protection, flags, fd, 0);
    return (unsigned long) result > -4096UL ? NULL : (void *) result;
}

static inline void rb_kernel_unmap(void *memory, size_t size)
{
    rb_kernel(SYS_munmap, memory, size);
}

// The kernel's effective user id. Some preloaded libraries (fakeroot) return a different one from geteuid.
static inline uint32_t rb_kernel_euid(void)
{
    return (uint32_t) rb_kernel(RB_KERNEL_GETEUID);
}

struct rb_kernel_users {
    uint32_t real, effective, saved;
};

static inline struct rb_kernel_users rb_kernel_users(void)
{
    struct rb_kernel_users users = {0, 0, 0};
    rb_kernel(RB_KERNEL_GETRESUID, &users.real, &users.effective, &users.saved);
    return users;
}

// The soft limit of a resource (RLIMIT_*): UINT64_MAX for no limit, 0 if the call fails.
static inline uint64_t rb_kernel_limit(int resource)
{
    struct {
        uint64_t soft, hard;
    } limit = {0, 0};
    return rb_kernel(SYS_prlimit64, 0, resource, NULL, &limit) == 0 ? limit.soft : 0;
}

// The bit of one signal in the kernel's signal set.
static inline uint64_t rb_kernel_signal(int number)
{
    return UINT64_C(1) << (number - 1);
}

#endif

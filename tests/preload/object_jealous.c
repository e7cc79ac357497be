// SPDX-License-Identifier: MIT
// A library as torsocks is, and worse: it stands before many of libc's functions, takes a lock in each of them, and
// looks up what is behind it by dlsym while it holds the lock. Whoever comes back to one of its functions from inside
// of that waits for ever. It counts the calls that came from the object whose name is in RB_JEALOUS_OF.
#include <dlfcn.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

unsigned jealous_calls(void);
const char *jealous_last(void);

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned calls;
static const char *last = "none";

unsigned jealous_calls(void)
{
    return calls;
}

const char *jealous_last(void)
{
    return last;
}

// With the lock, for the first call of each function. The look-ups by handle are those that rebound's dlsym answers.
static void *behind(const char *name)
{
    void *libc = dlopen("libc.so.6", RTLD_LAZY | RTLD_NOLOAD);
    pthread_mutex_lock(&lock);
    (void) dlsym(libc, "connect");
    (void) dlsym(libc, "close");
    (void) dlsym(RTLD_NEXT, "read");
    void *found = dlsym(libc, name);
    pthread_mutex_unlock(&lock);
    return found;
}

static void note(const void *caller, const char *name)
{
    Dl_info there;
    if (dladdr(caller, &there) && there.dli_fname && strstr(there.dli_fname, "librebound.so")) {
        __atomic_fetch_add(&calls, 1, __ATOMIC_RELAXED);
        last = name;
    }
}

// A function that takes up to six words and returns one.
#define JEALOUS(name)                                                                                                  \
    __attribute__((visibility("default"))) long jealous_##name(long a, long b, long c, long d, long e,                 \
                                                               long f) __asm__(#name);                                 \
    long jealous_##name(long a, long b, long c, long d, long e, long f)                                                \
    {                                                                                                                  \
        typedef long call(long, long, long, long, long, long);                                                         \
        call *real = (call *) behind(#name);                                                                           \
        note(__builtin_return_address(0), #name);                                                                      \
        return real(a, b, c, d, e, f);                                                                                 \
    }

JEALOUS(clock_nanosleep)
JEALOUS(dl_iterate_phdr)
JEALOUS(fchmod)
JEALOUS(fstat)
JEALOUS(getauxval)
JEALOUS(getegid)
JEALOUS(geteuid)
JEALOUS(getpeername)
JEALOUS(getpid)
JEALOUS(getppid)
JEALOUS(getrandom)
JEALOUS(getrlimit)
JEALOUS(getrlimit64)
JEALOUS(getsockname)
JEALOUS(getuid)
JEALOUS(ioctl)
JEALOUS(linkat)
JEALOUS(lseek)
JEALOUS(lseek64)
JEALOUS(mmap)
JEALOUS(mmap64)
JEALOUS(munmap)
JEALOUS(nanosleep)
JEALOUS(open)
JEALOUS(open64)
JEALOUS(openat)
JEALOUS(openat64)
JEALOUS(posix_fallocate)
JEALOUS(posix_fallocate64)
JEALOUS(prctl)
JEALOUS(pthread_sigmask)
JEALOUS(readlink)
JEALOUS(readlinkat)
JEALOUS(sched_yield)
JEALOUS(setsockopt)
JEALOUS(sigpending)
JEALOUS(sigprocmask)
JEALOUS(sigtimedwait)
JEALOUS(stat)
JEALOUS(syscall)
JEALOUS(timerfd_create)
JEALOUS(timerfd_settime)
JEALOUS(unlink)
JEALOUS(unlinkat)
JEALOUS(usleep)

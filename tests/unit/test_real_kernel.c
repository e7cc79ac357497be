// SPDX-License-Identifier: MIT
// Raw system calls: the kernel gets the arguments, the caller gets the kernel's result, and errno does not change.
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cmocka.h>

#include "real/kernel.h"
#include "real/system.h"

static int temporary_file(void)
{
    FILE *file = tmpfile();
    assert_non_null(file);
    int fd = dup(fileno(file));
    fclose(file);
    return fd;
}

static void a_failure_is_a_negative_errno_and_errno_stays(void **unused)
{
    (void) unused;
    errno = EILSEQ;
    assert_int_equal(rb_kernel(SYS_close, -1), -EBADF);
    assert_int_equal(rb_kernel(SYS_openat, AT_FDCWD, "/nowhere/at/all", O_RDONLY), -ENOENT);
    assert_null(rb_kernel_map(NULL, 4096, PROT_READ, MAP_SHARED, -1));
    assert_int_equal(errno, EILSEQ);
}

static void all_six_arguments_arrive(void **unused)
{
    (void) unused;
    int fd = temporary_file();
    char first[2], second[2];
    struct iovec parts[] = {{first, 2}, {second, 2}};
    assert_int_equal(pwrite(fd, "abcdef", 6, 0), 6);
#ifdef __LP64__
    enum { NO_FLAGS = 0 }; // preadv2: the position has two arguments, the second of which 64-bit kernels ignore
    assert_int_equal(rb_kernel(SYS_preadv2, fd, parts, 2, 1, 0, NO_FLAGS), 4);
    assert_memory_equal(first, "bc", 2);
    assert_memory_equal(second, "de", 2);
    assert_int_equal(rb_kernel(SYS_preadv2, fd, parts, 2, 1, 0, 1 << 30), -EOPNOTSUPP);
#else
    assert_int_equal(rb_kernel(SYS_preadv, fd, parts, 2, 1, 0), 4);
#endif
    char *memory = rb_kernel_map(NULL, 4096, PROT_READ, MAP_SHARED, fd);
    assert_non_null(memory);
    assert_memory_equal(memory, "abcdef", 6);
    rb_kernel_unmap(memory, 4096);
    close(fd);
}

static void other_architectures_have_libcs_own_function(void **unused)
{
    (void) unused;
    int fd = temporary_file();
    errno = EILSEQ;
    assert_int_equal(rb_kernel_by_libc(SYS_write, fd, (long) "abc", 3, 0, 0, 0), 3);
    assert_int_equal(rb_kernel_by_libc(SYS_close, fd, 0, 0, 0, 0, 0), 0);
    assert_int_equal(rb_kernel_by_libc(SYS_close, fd, 0, 0, 0, 0, 0), -EBADF);
    assert_int_equal(errno, EILSEQ);
}

static void who_and_how_much_are_as_libc_says(void **unused)
{
    (void) unused;
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_int_equal(rb_kernel_limit(RLIMIT_NOFILE), limit.rlim_cur);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    assert_true(rb_kernel_limit(RLIMIT_FSIZE) == (limit.rlim_cur == RLIM_INFINITY ? UINT64_MAX : limit.rlim_cur));
    assert_int_equal(rb_kernel_euid(), geteuid());
    assert_int_equal(rb_system_pid(), getpid());
}

static void space_is_taken_and_the_position_stays(void **unused)
{
    (void) unused;
    enum { SIZE = 10000 };
    int fd = temporary_file();
    assert_int_equal(rb_system_allocate(fd, SIZE), 0);
    assert_int_equal(lseek(fd, 0, SEEK_CUR), 0);
    assert_int_equal(lseek(fd, 0, SEEK_END), SIZE);
    close(fd);
    assert_int_equal(rb_system_allocate(-1, SIZE), -EBADF);
}

// The C library needs some signals to cancel threads, and to change the user of all threads.
static void signals_of_the_c_library_stay_unblocked(void **unused)
{
    (void) unused;
    sigset_t before, during, after;
    uint64_t blocked;
    pthread_sigmask(SIG_SETMASK, NULL, &before);
    assert_true(rb_system_block_signals(&during));
    assert_int_equal(rb_kernel(SYS_rt_sigprocmask, SIG_SETMASK, NULL, &blocked, RB_KERNEL_SIGNALS), 0);
    rb_system_restore_signals(&during);
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    for (int number = 1; number <= 64; number++) {
        bool stays = (number >= 32 && number < SIGRTMIN) || number == SIGKILL || number == SIGSTOP ||
                     number == SIGSEGV || number == SIGBUS || number == SIGFPE || number == SIGILL ||
                     number == SIGTRAP || number == SIGSYS || number == SIGABRT;
        assert_int_equal((blocked & rb_kernel_signal(number)) == 0, stays);
        assert_int_equal(sigismember(&before, number), sigismember(&after, number));
        assert_int_equal(sigismember(&before, number), sigismember(&during, number));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failure_is_a_negative_errno_and_errno_stays),
        cmocka_unit_test(all_six_arguments_arrive),
        cmocka_unit_test(other_architectures_have_libcs_own_function),
        cmocka_unit_test(who_and_how_much_are_as_libc_says),
        cmocka_unit_test(space_is_taken_and_the_position_stays),
        cmocka_unit_test(signals_of_the_c_library_stay_unblocked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

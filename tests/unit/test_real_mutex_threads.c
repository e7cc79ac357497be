// SPDX-License-Identifier: MIT
// The mutex: exclusion, waiting without use of the processor, and threads that end while they hold it. The same tests
// run in a process in which the kernel refuses futexes with priority inheritance.
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "real/mutex.h"

enum { THREADS = 8, ROUNDS = 5000, COMPUTE_US = 50000, LOOKS = 20000 };

// The thread sanitizer's own code does not survive an asynchronous cancellation.
#ifdef __SANITIZE_THREAD__
enum { CANCELLED = 0 };
#else
enum { CANCELLED = 50 };
#endif

static struct rb_mutex mutex;
static unsigned long counter; // protected by the mutex
static _Atomic int waiter;    // thread id
static _Atomic bool waits, go;

static void *count(void *context)
{
    sigset_t saved;
    (void) context;
    for (unsigned i = 0; i < ROUNDS; i++) {
        if (rb_mutex_take(&mutex, &saved) != RB_MUTEX_TAKEN)
            return NULL;
        counter++;
        rb_mutex_give(&mutex, &saved);
    }
    return NULL;
}

static void test_one_thread_at_a_time(void **state)
{
    pthread_t threads[THREADS];
    (void) state;
    counter = 0;
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, count, NULL), 0);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(counter, THREADS * ROUNDS);
    assert_int_equal(mutex.word, 0);
}

static char state_of(int thread)
{
    char path[64], text[256] = "";
    snprintf(path, sizeof(path), "/proc/self/task/%d/stat", thread);
    FILE *file = fopen(path, "r");
    size_t length = file ? fread(text, 1, sizeof(text) - 1, file) : 0;
    if (file)
        fclose(file);
    text[length] = '\0';
    const char *end = strrchr(text, ')');
    return end && end[1] ? end[2] : '?';
}

static void *take_late(void *context)
{
    sigset_t saved;
    enum rb_mutex_result *result = context;
    waiter = (int) syscall(SYS_gettid);
    waits = true;
    *result = rb_mutex_take(&mutex, &saved);
    if (*result != RB_MUTEX_REFUSED)
        rb_mutex_give(&mutex, &saved);
    return NULL;
}

static bool await_sleep(void)
{
    bool sleeps = false;
    for (unsigned looks = 0; !sleeps && looks < LOOKS; looks++) {
        usleep(100);
        sleeps = waits && state_of(waiter) == 'S';
    }
    return sleeps;
}

static uint64_t used_us(pthread_t thread)
{
    struct timespec used = {0};
    clockid_t clock;
    if (pthread_getcpuclockid(thread, &clock) == 0)
        clock_gettime(clock, &used);
    return (uint64_t) used.tv_sec * 1000000 + (uint64_t) used.tv_nsec / 1000;
}

// While the holder computes, the other thread may wake now and then to look at the holder, but does not spin.
static void test_waits_asleep(void **state)
{
    sigset_t saved;
    pthread_t thread;
    enum rb_mutex_result result = RB_MUTEX_REFUSED;
    (void) state;
    waits = false;
    assert_int_equal(rb_mutex_take(&mutex, &saved), RB_MUTEX_TAKEN);
    assert_int_equal(pthread_create(&thread, NULL, take_late, &result), 0);
    bool sleeps = await_sleep();
    uint64_t own = used_us(pthread_self()), before = used_us(thread);
    while (used_us(pthread_self()) < own + COMPUTE_US)
        continue;
    uint64_t others = used_us(thread) - before;
    rb_mutex_give(&mutex, &saved);
    pthread_join(thread, NULL);
    assert_true(sleeps);
    assert_in_range(others, 0, COMPUTE_US / 4);
    assert_int_equal(result, RB_MUTEX_TAKEN);
}

static void *keep(void *context)
{
    sigset_t saved;
    (void) context;
    rb_mutex_take(&mutex, &saved);
    waits = true;
    while (!go)
        usleep(100);
    return NULL; // ends with the lock
}

// A thread that was joined may exist in the kernel for a moment.
static enum rb_mutex_result try_after(sigset_t *saved)
{
    enum rb_mutex_result result = RB_MUTEX_REFUSED;
    for (unsigned looks = 0; result == RB_MUTEX_REFUSED && looks < LOOKS; looks++) {
        result = rb_mutex_try(&mutex, saved);
        usleep(100);
    }
    return result;
}

static void test_holder_ended_before(void **state)
{
    sigset_t saved;
    pthread_t thread;
    (void) state;
    go = true;
    assert_int_equal(pthread_create(&thread, NULL, keep, NULL), 0);
    pthread_join(thread, NULL);
    assert_int_equal(rb_mutex_take(&mutex, &saved), RB_MUTEX_TAKEN_OVER);
    rb_mutex_give(&mutex, &saved);
    assert_int_equal(mutex.word, 0);
    assert_int_equal(pthread_create(&thread, NULL, keep, NULL), 0);
    pthread_join(thread, NULL);
    assert_int_equal(try_after(&saved), RB_MUTEX_TAKEN_OVER);
    rb_mutex_give(&mutex, &saved);
    assert_int_equal(rb_mutex_take(&mutex, &saved), RB_MUTEX_TAKEN);
    rb_mutex_give(&mutex, &saved);
}

// Several threads wait when the holder ends. Exactly one takes the lock over, the others take it normally.
static void test_holder_ended_meanwhile(void **state)
{
    pthread_t holder, threads[THREADS];
    enum rb_mutex_result results[THREADS] = {RB_MUTEX_REFUSED};
    unsigned over = 0;
    (void) state;
    go = waits = false;
    assert_int_equal(pthread_create(&holder, NULL, keep, NULL), 0);
    while (!waits)
        usleep(100);
    for (unsigned i = 0; i < THREADS; i++) {
        waits = false;
        assert_int_equal(pthread_create(&threads[i], NULL, take_late, &results[i]), 0);
        await_sleep();
    }
    go = true;
    pthread_join(holder, NULL);
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_not_equal(results[i], RB_MUTEX_REFUSED);
        over += results[i] == RB_MUTEX_TAKEN_OVER;
    }
    assert_int_equal(over, 1);
    assert_int_equal(mutex.word, 0);
}

static void test_try_does_not_wait(void **state)
{
    sigset_t saved, other;
    pthread_t holder;
    (void) state;
    go = waits = false;
    assert_int_equal(pthread_create(&holder, NULL, keep, NULL), 0);
    while (!waits)
        usleep(100);
    assert_int_equal(rb_mutex_try(&mutex, &other), RB_MUTEX_REFUSED);
    go = true;
    pthread_join(holder, NULL);
    assert_int_equal(try_after(&saved), RB_MUTEX_TAKEN_OVER);
    rb_mutex_give(&mutex, &saved);
    assert_int_equal(rb_mutex_try(&mutex, &saved), RB_MUTEX_TAKEN);
    rb_mutex_give(&mutex, &saved);
}

static void *take_for_ever(void *context)
{
    sigset_t saved;
    (void) context;
    pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
    for (waits = true; waits;) {
        rb_mutex_take(&mutex, &saved);
        counter++;
        rb_mutex_give(&mutex, &saved);
    }
    return NULL;
}

static void test_asynchronous_cancellation(void **state)
{
    sigset_t saved;
    pthread_t thread;
    void *end;
    (void) state;
    for (int i = 0; i < CANCELLED; i++) {
        waits = false;
        assert_int_equal(pthread_create(&thread, NULL, take_for_ever, NULL), 0);
        while (!waits)
            continue;
        pthread_cancel(thread);
        pthread_join(thread, &end);
        assert_ptr_equal(end, PTHREAD_CANCELED);
        assert_int_equal(rb_mutex_take(&mutex, &saved), RB_MUTEX_TAKEN);
        rb_mutex_give(&mutex, &saved);
    }
}

static sigjmp_buf before_fault;
static enum rb_mutex_result within;

static void leave(int number)
{
    sigset_t saved;
    (void) number;
    within = rb_mutex_take(&mutex, &saved);
    siglongjmp(before_fault, 1);
}

static void test_left_by_longjmp(void **state)
{
    struct sigaction action = {.sa_handler = leave}, former;
    sigset_t saved;
    (void) state;
    sigaction(SIGFPE, &action, &former);
    within = RB_MUTEX_TAKEN;
    if (sigsetjmp(before_fault, 1) == 0) {
        rb_mutex_take(&mutex, &saved);
        raise(SIGFPE);
    }
    sigaction(SIGFPE, &former, NULL);
    assert_int_equal(within, RB_MUTEX_REFUSED);
    assert_int_equal(rb_mutex_take(&mutex, &saved), RB_MUTEX_TAKEN_OVER);
    rb_mutex_give(&mutex, &saved);
    assert_int_equal(mutex.word, 0);
}

static uint64_t blocked(void)
{
    uint64_t mask = 0;
    syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &mask, sizeof(mask));
    return mask;
}

static void test_signals(void **state)
{
    sigset_t saved;
    uint64_t before = blocked();
    (void) state;
    rb_mutex_take(&mutex, &saved);
    uint64_t held = blocked();
    rb_mutex_give(&mutex, &saved);
    assert_true(blocked() == before);
    for (int number = 1; number <= 64; number++) {
        bool may_act = number == SIGKILL || number == SIGSTOP || number == SIGSEGV || number == SIGBUS ||
                       number == SIGFPE || number == SIGILL || number == SIGTRAP || number == SIGSYS || number == 33;
        assert_int_equal((int) (held >> (number - 1) & 1), !may_act);
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_one_thread_at_a_time), cmocka_unit_test(test_waits_asleep),
    cmocka_unit_test(test_holder_ended_before),  cmocka_unit_test(test_holder_ended_meanwhile),
    cmocka_unit_test(test_try_does_not_wait),    cmocka_unit_test(test_asynchronous_cancellation),
    cmocka_unit_test(test_left_by_longjmp),      cmocka_unit_test(test_signals),
};

// From now on futexes with priority inheritance fail with this error, in this thread and in those that it starts.
static bool refuse(int error)
{
    struct sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_futex, 0, 4),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1])),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, FUTEX_LOCK_PI | FUTEX_PRIVATE_FLAG, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, FUTEX_UNLOCK_PI | FUTEX_PRIVATE_FLAG, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned) error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog filter = {sizeof(program) / sizeof(program[0]), program};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

static int failures_when_refused(int error)
{
    int status = -1;
    pid_t child = fork();
    if (child == 0)
        _exit(refuse(error) ? cmocka_run_group_tests_name("refused", tests, NULL, NULL) : 0);
    return waitpid(child, &status, 0) == child && WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

int main(void)
{
    int failures = failures_when_refused(ENOSYS) + failures_when_refused(EPERM);
    return failures + cmocka_run_group_tests_name("with priority inheritance", tests, NULL, NULL);
}

// SPDX-License-Identifier: MIT
// Threads that use the shared state while its file is removed, and while threads change their users. Nothing crashes,
// and in the end there is one state for each user.
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "state_file.h"

#include "real/kernel.h"
#include "state/cells.h"
#include "state/identity.h"
#include "state/record.h"
#include "state/shared.h"

enum { THREADS = 4, TURNS = 400, CELLS = 64, NOBODY = 65534 };

static const char *setting = path;
static _Atomic uint32_t cells = CELLS;

static _Atomic bool ends_thread; // the next question for the settings, asked with the lock held, ends the thread

static struct rb_shared_settings settings(void)
{
    if (ends_thread) {
        ends_thread = false;
        pthread_exit(NULL);
    }
    return (struct rb_shared_settings){.state = setting, .cells = cells};
}

static _Atomic unsigned replacements;

static void on_trouble(const char *where, enum rb_store_error error)
{
    (void) where;
    atomic_fetch_add(&replacements, error == RB_STORE_REPLACED);
}

static int set_up(void **state)
{
    (void) state;
    if (!make_directory())
        return 1;
    rb_shared_start(settings, on_trouble);
    return 0;
}

static int tear_down(void **state)
{
    (void) state;
    return remove_directory();
}

// What a call does to the state.
static void one_call(unsigned host)
{
    static const struct rb_rules rules = {.breaker_on = true,
                                          .attempts = 2,
                                          .breaker = {.window = 20, .min_calls = 10, .failure_rate = 10000},
                                          .budget = {2000, 3000}};
    static const struct rb_outcome success = {.cause = RB_CAUSE_NONE, .health = RB_HEALTH_SUCCESS};
    struct rb_target target = {.name = "api.example", .name_length = 11, .port = (uint16_t) (1 + host)};
    struct rb_call call;
    if (rb_shared_policy_is_off("threads"))
        return;
    struct rb_cell *cell = rb_cell_get(host + 1, "threads", &rules, &target, 1000);
    rb_cell_begin(cell, &call, &rules, 0, 1000);
    if (!rb_call_admit(&call, 1000, NULL))
        return;
    rb_call_judge(&call, &success, RB_REASON_NONE, true, NULL, 1000, 0);
    rb_record_success(&call, "threads", RB_API_CONNECT);
}

static void *use(void *argument)
{
    for (unsigned i = 0; i < TURNS; i++) {
        one_call(i % 8);
        usleep(1000);
    }
    return argument;
}

static void run_threads(void *(*body)(void *), void *(*other)(void *) )
{
    pthread_t threads[THREADS + 1];
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, body, NULL), 0);
    assert_int_equal(pthread_create(&threads[THREADS], NULL, other, NULL), 0);
    for (unsigned i = 0; i <= THREADS; i++)
        pthread_join(threads[i], NULL);
}

// A mapping is the file's that stands at the path.
static void check_attached(void)
{
    struct rb_state seen;
    const struct rb_state *mine = rb_shared();
    assert_non_null(mine);
    assert_int_equal(rb_store_map(&seen, path, false), RB_STORE_SOUND);
    atomic_fetch_add(&mine->header->evicted, 77);
    assert_int_equal(atomic_load(&seen.header->evicted), atomic_load(&mine->header->evicted));
    rb_store_unmap(&seen);
}

// The file is removed before each look at it. Another one may have another number of cells.
static void *remove_on(void *argument)
{
    for (unsigned i = 0; i < 4; i++) {
        unsigned before = atomic_load(&replacements);
        cells = i % 2 ? CELLS : 2 * CELLS;
        unlink(path);
        while (atomic_load(&replacements) == before) {
            one_call(9);
            usleep(1000);
        }
    }
    return argument;
}

static void test_removed_under_threads(void **state)
{
    (void) state;
    one_call(0); // attaches
    run_threads(use, remove_on);
    check_attached();
}

// Each thread changes to a user of its own by raw system calls. Some threads report the change, as the hooks do.
static void *change_on(void *argument)
{
    for (unsigned i = 0; i < TURNS; i++) {
        rb_kernel(SYS_setresuid, -1, i % 2 ? 0 : NOBODY, 0);
        if (i % 4 < 2)
            rb_identity_changed();
        one_call(i % 8);
    }
    return argument;
}

static void check_owner(uid_t user)
{
    char name[64];
    struct stat status;
    snprintf(name, sizeof(name), "/dev/shm/rebound.%u.v%d", (unsigned) user, RB_STATE_VERSION);
    assert_int_equal(stat(name, &status), 0);
    assert_int_equal(status.st_uid, user);
}

static void test_users_of_threads(void **state)
{
    (void) state;
    if (geteuid() != 0 || unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("none", "/dev/shm", "tmpfs", 0, "mode=1777") != 0)
        skip();
    setting = "shared";
    rb_kernel(SYS_setresuid, -1, NOBODY, 0); // the state of before is given up
    one_call(0);
    rb_kernel(SYS_setresuid, -1, 0, 0);
    one_call(0);
    run_threads(change_on, use);
    check_owner(0);
    check_owner(NOBODY);
    umount2("/dev/shm", MNT_DETACH);
}

static void *attach(void *unused)
{
    (void) unused;
    rb_shared();
    return NULL;
}

static void test_thread_ends_with_lock(void **state)
{
    pthread_t thread;
    (void) state;
    ends_thread = true;
    assert_int_equal(pthread_create(&thread, NULL, attach, NULL), 0);
    pthread_join(thread, NULL);
    assert_false(ends_thread);
    for (unsigned turn = 0; !rb_shared() && turn < TURNS; turn++)
        usleep(100); // a thread that was joined may exist in the kernel for a moment
    assert_non_null(rb_shared());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_thread_ends_with_lock, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_removed_under_threads, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_users_of_threads, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

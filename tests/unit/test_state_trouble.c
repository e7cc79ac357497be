// SPDX-License-Identifier: MIT
// Lost lines of the log: the state counts them, one event reports them, and a written line ends the trouble.
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "state_file.h"

#include "state/ring.h"
#include "state/shared.h"
#include "state/trouble.h"
#include "state/view.h"

static struct rb_view view;

static struct rb_shared_settings settings(void)
{
    return (struct rb_shared_settings){.state = path, .cells = RB_CELLS_MIN};
}

static int set_up(void **state)
{
    (void) state;
    if (!make_directory())
        return 1;
    rb_trouble_note("/log", RB_LOSS_DENIED, "early"); // there is no state yet
    rb_shared_start(settings, NULL);
    return !rb_shared() || rb_view_open(&view, path, geteuid(), true) != RB_STORE_SOUND;
}

static int tear_down(void **state)
{
    (void) state;
    rb_view_close(&view);
    return remove_directory();
}

static int forget(void **state)
{
    (void) state;
    rb_view_reset(&view);
    return 0;
}

static uint64_t lost(void)
{
    struct rb_view_totals totals;
    rb_view_totals(&view, &totals);
    return totals.log_lost;
}

// How many events about a log there are; *last receives the last one.
static unsigned events(struct rb_view_event *last)
{
    struct rb_view_event event;
    uint64_t after = 0;
    unsigned count = 0;
    while (rb_view_event(&view, &after, &event))
        if (event.verdict == RB_VERDICT_LOG) {
            count++;
            *last = event;
        }
    return count;
}

// Runs first, because a process reports a lost log only once.
static void test_a_lost_line(void **state)
{
    struct rb_view_trouble trouble;
    struct rb_view_event event;
    (void) state;
    assert_false(rb_view_trouble(&view, &trouble));
    rb_trouble_note("/log", RB_LOSS_NONE, "worker");
    assert_false(rb_view_trouble(&view, &trouble));
    assert_int_equal(lost(), 0);
    errno = 77;
    rb_trouble_note("/log", RB_LOSS_DENIED, "worker");
    rb_trouble_note("/log", RB_LOSS_DENIED, "worker");
    assert_int_equal(errno, 77);
    assert_int_equal(lost(), 2);
    assert_true(rb_view_trouble(&view, &trouble));
    assert_int_equal(trouble.pid, getpid());
    assert_int_equal(trouble.user, geteuid());
    assert_int_equal(trouble.error, RB_LOSS_DENIED);
    assert_true(trouble.unix_ms > 0);
    assert_string_equal(trouble.destination, "/log");
    assert_string_equal(trouble.program, "worker");
    assert_int_equal(events(&event), 1);
    assert_int_equal(event.pid, getpid());
    assert_int_equal(event.user, geteuid());
    assert_int_equal(event.log_error, RB_LOSS_DENIED);
    assert_string_equal(event.host, "/log");
    assert_string_equal(event.program, "worker");
    assert_string_equal(event.policy, "");
    rb_trouble_note("/log", RB_LOSS_FULL, "worker");
    assert_int_equal(events(&event), 2);
    assert_int_equal(event.log_error, RB_LOSS_FULL);
}

static void test_the_end_of_trouble(void **state)
{
    struct rb_view_trouble trouble;
    struct rb_view_event event;
    (void) state;
    rb_trouble_note("/log", RB_LOSS_DENIED, "worker");
    rb_trouble_note("/another", RB_LOSS_NONE, "worker");
    assert_true(rb_view_trouble(&view, &trouble));
    rb_trouble_note("/log", RB_LOSS_NONE, "worker");
    assert_false(rb_view_trouble(&view, &trouble));
    assert_int_equal(lost(), 1);
    rb_trouble_note("/log", RB_LOSS_DENIED, "worker");
    assert_true(rb_view_trouble(&view, &trouble));
    assert_int_equal(events(&event), 0); // told by the first test
    rb_view_reset(&view);
    assert_false(rb_view_trouble(&view, &trouble));
    assert_int_equal(lost(), 0);
}

static void test_a_long_destination(void **state)
{
    char longest[500];
    struct rb_view_trouble trouble;
    (void) state;
    memset(longest, 'x', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    rb_trouble_note(longest, RB_LOSS_ABSENT, longest);
    assert_true(rb_view_trouble(&view, &trouble));
    assert_int_equal(strlen(trouble.destination), RB_STATE_HOST_SIZE - 1);
    assert_int_equal(strlen(trouble.program), RB_STATE_PROGRAM_SIZE - 1);
    rb_trouble_note(longest, RB_LOSS_NONE, "x");
    assert_false(rb_view_trouble(&view, &trouble));
}

// An entry that another process is writing or has damaged is left out.
static void test_damage(void **state)
{
    struct rb_view_trouble trouble;
    struct rb_state_log *log = &view.state.header->log;
    (void) state;
    for (unsigned word = 0; word < RB_STATE_TROUBLE_WORDS; word++) {
        rb_trouble_note("/log", RB_LOSS_DENIED, "worker");
        atomic_fetch_xor(&log->words[word], 1);
        assert_false(rb_view_trouble(&view, &trouble));
        atomic_fetch_xor(&log->words[word], 1);
        assert_true(rb_view_trouble(&view, &trouble));
    }
    static const struct rb_state_trouble wrong[] = {
        {.error = RB_LOSS_NONE, .destination = "/log", .program = "x"},
        {.error = RB_LOSS_COUNT, .destination = "/log", .program = "x"},
        {.error = RB_LOSS_FULL,
         .destination = {[0 ... RB_STATE_HOST_SIZE - 1] = 'x'},
         .program = "x"}, // not terminated
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        rb_state_store(log->words, RB_STATE_TROUBLE_WORDS, &wrong[i]);
        atomic_store(&log->check, rb_state_checksum(1, &wrong[i], RB_STATE_TROUBLE_WORDS));
        assert_false(rb_view_trouble(&view, &trouble));
    }
}

// Numbers that this build has no word for.
static void test_events_without_sense(void **state)
{
    static const struct rb_ring_entry wrong[] = {
        {.verdict = RB_VERDICT_LOG, .status = RB_LOSS_NONE},
        {.verdict = RB_VERDICT_LOG, .status = RB_LOSS_COUNT},
        {.verdict = RB_VERDICT_LOG, .status = RB_LOSS_FULL, .user = UINT64_C(1) << 32},
        {.verdict = RB_VERDICT_LOG, .status = RB_LOSS_FULL, .api = RB_API_COUNT},
        {.verdict = RB_VERDICT_LOG, .status = RB_LOSS_FULL, .cause = RB_CAUSE_COUNT},
        {.verdict = RB_VERDICT_LOG, .status = RB_LOSS_FULL, .reason = RB_REASON_COUNT},
        {.verdict = RB_VERDICT_COUNT},
    };
    struct rb_ring_entry right = {.verdict = RB_VERDICT_LOG, .status = RB_LOSS_FULL, .user = UINT32_MAX};
    struct rb_view_event event;
    uint64_t after = 0;
    (void) state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        rb_ring_put(&view.state, &wrong[i]);
    assert_false(rb_view_event(&view, &after, &event));
    rb_ring_put(&view.state, &right);
    assert_true(rb_view_event(&view, &after, &event));
    assert_int_equal(event.user, UINT32_MAX);
}

// A worker that changes its user for each request reports each user once, and at most eight reasons.
static void test_told_once(void **state)
{
    struct rb_view_event event;
    int status;
    (void) state;
    pid_t child = fork();
    if (child == 0) {
        for (unsigned round = 0; round < 100; round++)
            for (unsigned error = RB_LOSS_DENIED; error < RB_LOSS_COUNT; error++)
                rb_trouble_note("/log", error, "worker");
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    unsigned told = events(&event); // three of the eight were told by the tests above
    assert_in_range(told, 4, 6);
    assert_int_equal(lost(), 100 * (RB_LOSS_COUNT - 1));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_a_lost_line, forget),
        cmocka_unit_test_setup(test_the_end_of_trouble, forget),
        cmocka_unit_test_setup(test_a_long_destination, forget),
        cmocka_unit_test_setup(test_damage, forget),
        cmocka_unit_test_setup(test_events_without_sense, forget),
        cmocka_unit_test_setup(test_told_once, forget),
    };
    return cmocka_run_group_tests_name("state trouble", tests, set_up, tear_down);
}

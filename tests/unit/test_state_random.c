// SPDX-License-Identifier: MIT
// A state file whose words change to anything, under readers and writers in processes of their own.
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "../fuzz/state_play.h"

enum { MUTATIONS_A_TURN = 40, LIMIT_S = 250 };

// Turns of the reader. RB_STATE_TURNS sets another number: `make fuzz` plays ten times as many, with sanitizers.
enum { TURNS = 60000 };

static unsigned turns_of_reader(void)
{
    const char *text = getenv("RB_STATE_TURNS");
    return text ? (unsigned) strtoul(text, NULL, 10) : TURNS;
}

static uint64_t next_random(uint64_t *seed)
{
    uint64_t z = (*seed += 0x9e3779b97f4a7c15u); // splitmix64
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static void write_turn(struct rb_view *view, uint64_t random, uint64_t now_ms)
{
    play_write(&view->state, random, now_ms);
}

static void read_turn(struct rb_view *view, uint64_t random, uint64_t now_ms)
{
    play_read(view, random, now_ms);
}

static pid_t start(struct rb_view *view, uint64_t seed, void (*turn)(struct rb_view *, uint64_t, uint64_t),
                   unsigned turns)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid != 0)
        return pid;
    alarm(LIMIT_S); // a loop without an end
    for (unsigned i = 0; i < turns; i++)
        turn(view, next_random(&seed), 1000000 + i);
    _exit(0);
}

static void test_anything_under_readers_and_writers(void **state)
{
    char directory[] = "/tmp/rebound-random-XXXXXX", path[64];
    struct rb_view view;
    uint64_t seed = 1;
    unsigned running = 3, turns = turns_of_reader();
    (void) state;
    assert_true(turns > 0);
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/state", directory);
    assert_int_equal(rb_store_make(path, PLAY_CELLS), RB_STORE_SOUND);
    assert_int_equal(rb_view_open(&view, path, geteuid(), true), RB_STORE_SOUND);
    start(&view, 2, write_turn, turns * 10);
    start(&view, 3, write_turn, turns * 10);
    start(&view, 4, read_turn, turns);
    while (running > 0) {
        int status;
        for (unsigned i = 0; i < MUTATIONS_A_TURN; i++) {
            uint64_t where = next_random(&seed), what = next_random(&seed);
            play_mutate(&view.state, where, what);
        }
        if (waitpid(-1, &status, WNOHANG) <= 0)
            continue;
        assert_int_equal(status, 0);
        running--;
    }
    rb_view_close(&view);
    unlink(path);
    assert_int_equal(rmdir(directory), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_anything_under_readers_and_writers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

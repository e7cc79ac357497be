// SPDX-License-Identifier: MIT
// Tests of the backoff schedule and its jitter: the known answers, and bounds for every input.
#include "engine_vectors.h"

#include "engine/backoff.h"

enum { DRAWS = 10000 };

static const char *const kinds[] = {"fixed", "linear", "exponential", NULL};
static const char *const jitters[] = {"none", "full", "equal", "decorrelated", "added", NULL};

static struct rb_backoff rules_of(const struct vector_row *row)
{
    return (struct rb_backoff){
        .kind = (enum rb_backoff_kind) vector_word(row->field[1], kinds),
        .jitter = (enum rb_jitter_kind) vector_word(row->field[5], jitters),
        .multiplier_milli = (uint32_t) vector_number(row->field[3]),
        .base_ms = vector_number(row->field[2]),
        .cap_ms = vector_number(row->field[4]),
        .jitter_ms = vector_number(row->field[6]),
    };
}

// Takes the next word of a list. At the end of the list the last word is given again.
static uint64_t next_number(const char **list)
{
    char word[32];
    size_t length = strcspn(*list, " ");
    assert_true(length < sizeof(word));
    memcpy(word, *list, length);
    word[length] = '\0';
    if ((*list)[length] != '\0')
        *list += length + 1;
    return vector_number(word);
}

// Full jitter is spread over its range: no value gets more than one draw in a hundred.
static void check_spread(const struct rb_backoff *rules, uint32_t retry)
{
    static unsigned seen[DRAWS];
    uint64_t random = 88172645463325252u;
    memset(seen, 0, sizeof(seen));
    for (unsigned i = 0; i < DRAWS; i++) {
        uint64_t delay = rb_backoff_delay_ms(rules, retry, 0, vector_random(&random));
        assert_true(delay < DRAWS);
        seen[delay]++;
    }
    for (unsigned i = 0; i < DRAWS; i++)
        assert_in_range(seen[i], 0, DRAWS / 100);
}

static void test_row(void **state)
{
    const struct vector_row *row = *state;
    struct rb_backoff rules = rules_of(row);
    const char *retries = row->field[7], *draws = row->field[8], *expected = row->field[9];
    uint64_t previous = 0;
    if (strcmp(draws, "random") == 0) {
        check_spread(&rules, (uint32_t) vector_number(retries));
        return;
    }
    for (bool last = false; !last;) {
        last = strchr(expected, ' ') == NULL;
        uint32_t retry = (uint32_t) next_number(&retries);
        uint32_t draw = (uint32_t) next_number(&draws);
        uint64_t want = next_number(&expected);
        previous = rb_backoff_delay_ms(&rules, retry, previous, draw);
        if (previous != want)
            fail_msg("retry %u: got %llu, expected %llu", (unsigned) retry, (unsigned long long) previous,
                     (unsigned long long) want);
    }
}

static const uint64_t edges[] = {0, 1, 2, 3, 999, 1000, 1001, UINT32_MAX, UINT64_MAX / 3, UINT64_MAX - 1, UINT64_MAX};
static const uint32_t small_edges[] = {0, 1, 2, 999, 1000, 1001, 2000, UINT32_MAX - 1, UINT32_MAX};

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static struct rb_backoff random_rules(uint64_t *random)
{
    return (struct rb_backoff){
        .kind = (enum rb_backoff_kind)(vector_random(random) % 3),
        .jitter = (enum rb_jitter_kind)(vector_random(random) % 5),
        .multiplier_milli = small_edges[vector_random(random) % COUNT_OF(small_edges)],
        .base_ms = edges[vector_random(random) % COUNT_OF(edges)],
        .cap_ms = edges[vector_random(random) % COUNT_OF(edges)],
        .jitter_ms = edges[vector_random(random) % COUNT_OF(edges)],
    };
}

// Whatever the rules: the ceiling is under the cap, and each jitter keeps to its range.
static void test_ranges(void **state)
{
    (void) state;
    uint64_t random = 2463534242u;
    for (unsigned i = 0; i < 20000; i++) {
        struct rb_backoff rules = random_rules(&random);
        uint32_t retry = small_edges[vector_random(&random) % COUNT_OF(small_edges)];
        uint32_t draw = vector_random(&random);
        uint64_t ceiling = rb_backoff_ceiling_ms(&rules, retry);
        uint64_t delay = rb_backoff_delay_ms(&rules, retry, edges[vector_random(&random) % COUNT_OF(edges)], draw);
        assert_true(ceiling <= rules.cap_ms);
        if (rules.jitter == RB_JITTER_ADDED)
            assert_true(delay >= ceiling && delay - ceiling <= rules.jitter_ms);
        else if (rules.jitter == RB_JITTER_DECORRELATED)
            assert_true(delay <= rules.cap_ms && (delay >= rules.base_ms || delay == rules.cap_ms));
        else
            assert_true(delay <= ceiling && (rules.jitter != RB_JITTER_EQUAL || delay >= ceiling / 2));
        if (rules.jitter == RB_JITTER_NONE)
            assert_true(delay == ceiling);
    }
}

// A previous delay of any size draws up to the cap and not past the end of the numbers.
static void test_huge_previous_delay(void **state)
{
    (void) state;
    struct rb_backoff rules = {.jitter = RB_JITTER_DECORRELATED, .base_ms = 1000, .cap_ms = 20000};
    assert_int_equal(rb_backoff_delay_ms(&rules, 2, UINT64_MAX / 3 + 1, UINT32_MAX), 20000);
    assert_int_equal(rb_backoff_delay_ms(&rules, 2, UINT64_MAX, 0), 1000);
    assert_int_equal(rb_backoff_delay_ms(&rules, 2, 100, UINT32_MAX), 1000);
}

// No delay of a growing schedule is shorter than the one before it.
static void test_monotonic(void **state)
{
    (void) state;
    struct rb_backoff rules = {.cap_ms = 3600000, .base_ms = 7, .multiplier_milli = 1001};
    for (unsigned kind = 0; kind < 3; kind++) {
        uint64_t last = 0;
        rules.kind = (enum rb_backoff_kind) kind;
        for (uint32_t retry = 1; retry < 2000; retry++) {
            uint64_t ceiling = rb_backoff_ceiling_ms(&rules, retry);
            assert_true(ceiling >= last);
            last = ceiling;
        }
    }
}

// The mean of full jitter is half the ceiling, of equal jitter three quarters.
static void test_means(void **state)
{
    (void) state;
    struct rb_backoff rules = {.kind = RB_BACKOFF_FIXED, .jitter = RB_JITTER_FULL, .base_ms = 10000, .cap_ms = 10000};
    uint64_t random = 1234567, full = 0, equal = 0;
    for (unsigned i = 0; i < DRAWS; i++) {
        rules.jitter = RB_JITTER_FULL;
        full += rb_backoff_delay_ms(&rules, 1, 0, vector_random(&random));
        rules.jitter = RB_JITTER_EQUAL;
        equal += rb_backoff_delay_ms(&rules, 1, 0, vector_random(&random));
    }
    assert_in_range(full / DRAWS, 4850, 5150);
    assert_in_range(equal / DRAWS, 7425, 7575);
}

int main(void)
{
    static const struct vector_table tables[] = {{"backoff.tsv", test_row}, {NULL, NULL}};
    static const struct CMUnitTest others[] = {
        cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_monotonic),
        cmocka_unit_test(test_means),
        cmocka_unit_test(test_huge_previous_delay),
    };
    return vector_run("engine backoff", tables, others, COUNT_OF(others));
}

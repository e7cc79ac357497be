// SPDX-License-Identifier: MIT
// The lines of `run --summary`, and the library's side of the page that they come from.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/run/page.h"

static struct rb_summary_page page;
static char text[RB_PAGE_TEXT_SIZE];

static const char *format(void)
{
    size_t length = rb_page_format(&page, 0, text, sizeof(text));
    assert_int_equal(length, strlen(text));
    return text;
}

static int clear(void **state)
{
    (void) state;
    memset(&page, 0, sizeof(page));
    return 0;
}

static void count(const char *policy, enum rb_summary_counter counter, int times)
{
    while (times-- > 0)
        rb_summary_count(&page, policy, counter);
}

static void test_nothing_matched(void **state)
{
    (void) state;
    assert_string_equal(format(), "rebound: no calls seen\n");
}

static void test_every_counter(void **state)
{
    (void) state;
    count("payments", RB_SUMMARY_CALLS, 12);
    count("payments", RB_SUMMARY_RETRIES, 5);
    count("payments", RB_SUMMARY_RECOVERED, 3);
    count("payments", RB_SUMMARY_REFUSED, 1);
    assert_string_equal(format(), "rebound: payments: 12 calls, 5 retries, 3 recovered, 1 refused by the breaker\n");
    count("payments", RB_SUMMARY_STOPPED, 2);
    assert_string_equal(format(),
                        "rebound: payments: 12 calls, 5 retries, 3 recovered, 1 refused by the breaker, 2 failed\n");
    count("payments", RB_SUMMARY_STACK, 1);
    assert_string_equal(format(),
                        "rebound: payments: 12 calls, 5 retries, 3 recovered, 1 refused by the breaker, 2 failed\n"
                        "rebound: payments: failed calls not repeated, because of the way in which the program speaks "
                        "HTTP: 1; see 'rebound doctor PROGRAM'\n");
}

// The number one takes the singular: 1 call, 1 retry. Policies stand in the order of their first call.
static void test_one_of_each(void **state)
{
    (void) state;
    count("b", RB_SUMMARY_CALLS, 1);
    count("b", RB_SUMMARY_RETRIES, 1);
    count("a", RB_SUMMARY_CALLS, 2);
    assert_string_equal(format(), "rebound: b: 1 call, 1 retry, 0 recovered, 0 refused by the breaker\n"
                                  "rebound: a: 2 calls, 0 retries, 0 recovered, 0 refused by the breaker\n");
}

// The owner of a slot died while it wrote the name. The slot is left out.
static void test_busy_slot_is_left_out(void **state)
{
    (void) state;
    atomic_store(&page.policies[0].state, RB_SUMMARY_BUSY);
    count("a", RB_SUMMARY_CALLS, 1);
    assert_string_equal(format(), "rebound: a: 1 call, 0 retries, 0 recovered, 0 refused by the breaker\n");
}

// Two processes that claim a slot for the same policy at the same moment.
static void test_slots_of_one_policy_add_up(void **state)
{
    (void) state;
    for (int i = 0; i < 3; i += 2) {
        memcpy(page.policies[i].name, "twice", sizeof "twice");
        atomic_store(&page.policies[i].state, RB_SUMMARY_READY);
        atomic_store(&page.policies[i].counters[RB_SUMMARY_CALLS], 2);
    }
    count("other", RB_SUMMARY_CALLS, 1);
    assert_string_equal(format(), "rebound: twice: 4 calls, 0 retries, 0 recovered, 0 refused by the breaker\n"
                                  "rebound: other: 1 call, 0 retries, 0 recovered, 0 refused by the breaker\n");
}

// All slots have the longest names and numbers, and there is one policy too many. Nothing is cut.
static void test_full_page(void **state)
{
    (void) state;
    char name[RB_SUMMARY_NAME_SIZE + 1];
    for (int i = 0; i <= RB_SUMMARY_POLICIES; i++) {
        snprintf(name, sizeof(name), "%02d%061d", i, 0);
        count(name, RB_SUMMARY_CALLS, 1);
    }
    for (int i = 0; i < RB_SUMMARY_POLICIES; i++)
        for (int counter = 0; counter < RB_SUMMARY_COUNTERS; counter++)
            atomic_store(&page.policies[i].counters[counter], UINT64_MAX);
    const char *lines = format(), *last = strstr(lines, "rebound: 63000");
    assert_non_null(last);
    assert_non_null(strstr(last, "18446744073709551615 failed\n"));
    assert_non_null(strstr(last, "18446744073709551615; see"));
    last = strstr(strchr(last, '\n') + 1, "rebound: 63000");
    assert_string_equal(strchr(last, '\n') + 1,
                        "rebound: more than 64 policies were in use; the rest is not counted\n");
    atomic_store(&page.changed, 1);
    assert_non_null(strstr(format(), "rest is not counted\nrebound: a process changed its user; its calls as another "
                                     "user are not counted\n"));
}

static void test_small_buffer_is_not_overrun(void **state)
{
    (void) state;
    char small[16];
    memset(small, 'x', sizeof(small));
    assert_int_equal(rb_page_format(&page, 0, small, sizeof(small) - 1), sizeof(small) - 2);
    assert_string_equal(small, "rebound: no ca");
    assert_int_equal(small[sizeof(small) - 1], 'x');
}

static struct rb_summary_page *attach_to(const struct rb_summary_page *content, size_t size)
{
    char path[] = "/tmp/test_cli_page-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, content, size), size);
    close(fd);
    struct rb_summary_page *attached = rb_summary_attach(path);
    unlink(path);
    return attached;
}

// The library maps only a page of the right size, magic number and version.
static void test_attach_is_careful(void **state)
{
    (void) state;
    page.magic = RB_SUMMARY_MAGIC;
    page.version = RB_SUMMARY_VERSION;
    page.size = RB_SUMMARY_SIZE;
    assert_non_null(attach_to(&page, sizeof(page)));
    assert_null(attach_to(&page, sizeof(page) - 1));
    page.version++;
    assert_null(attach_to(&page, sizeof(page)));
    assert_null(rb_summary_attach("/tmp"));
    assert_null(rb_summary_attach(NULL));
}

// A page that was given up counts no more, and has no program that it waits for. It may be taken again.
static void test_leaving_and_returning(void **state)
{
    char path[] = "/tmp/test_cli_page-XXXXXX";
    struct rb_summary_page seen;
    (void) state;
    page.magic = RB_SUMMARY_MAGIC;
    page.version = RB_SUMMARY_VERSION;
    page.size = RB_SUMMARY_SIZE;
    atomic_store(&page.main_pid, getpid());
    int fd = mkstemp(path);
    assert_int_equal(write(fd, &page, sizeof(page)), sizeof(page));
    struct rb_summary_page *attached = rb_summary_attach(path);
    assert_non_null(attached);
    rb_summary_count(attached, "pay", RB_SUMMARY_CALLS);
    assert_true(rb_summary_give_up(attached));
    rb_summary_count(attached, "pay", RB_SUMMARY_CALLS);
    rb_summary_end(attached);
    assert_int_equal(pread(fd, &seen, sizeof(seen), 0), sizeof(seen));
    assert_int_equal(atomic_load(&seen.policies[0].counters[RB_SUMMARY_CALLS]), 1);
    assert_int_equal(atomic_load(&seen.exiting), 0);
    assert_int_equal(atomic_load(&seen.changed), 1);
    assert_false(rb_summary_take_back(attached, "/nowhere"));
    assert_true(rb_summary_take_back(attached, path));
    rb_summary_count(attached, "pay", RB_SUMMARY_CALLS);
    assert_int_equal(pread(fd, &seen, sizeof(seen), 0), sizeof(seen));
    assert_int_equal(atomic_load(&seen.policies[0].counters[RB_SUMMARY_CALLS]), 2);
    unlink(path);
    close(fd);
}

static void test_waits(void **state)
{
    char longest[200];
    (void) state;
    memset(longest, 'x', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    rb_summary_count(&page, "pay", RB_SUMMARY_CALLS);
    rb_summary_note_wait(&page, "db:5432", 11000);
    rb_summary_note_wait(&page, "db:5432", 12345); // another process; the longest wait counts
    rb_summary_note_wait(&page, "db:5432", 9000);
    rb_summary_note_wait(&page, "cache\x1b:6379", 999);
    assert_string_equal(format(), "rebound: pay: 1 call, 0 retries, 0 recovered, 0 refused by the breaker\n"
                                  "rebound: waited 12 s for db:5432\n"
                                  "rebound: waited 999 ms for cache\\x1b:6379\n");
    for (int i = 0; i <= RB_SUMMARY_HOSTS; i++) {
        longest[0] = (char) ('a' + i);
        rb_summary_note_wait(&page, longest, 500000);
    }
    assert_int_equal(atomic_load(&page.hosts[RB_SUMMARY_HOSTS - 1].state), RB_SUMMARY_READY);
}

// The ways in which the program speaks HTTP with a host, and why responses were not repeated.
static void test_hosts(void **state)
{
    (void) state;
    rb_summary_count_host(&page, "api:443", RB_SUMMARY_WAY + RB_WAY_OPENSSL);
    rb_summary_count_host(&page, "api:443", RB_SUMMARY_TLS);
    rb_summary_count_host(&page, "api:443", RB_SUMMARY_TLS_EXAMINED);
    assert_string_equal(format(), "rebound: api:443: 1 HTTP request by OpenSSL\n");
    rb_summary_count_host(&page, "api:443", RB_SUMMARY_WAY + RB_WAY_CURL);
    rb_summary_count_host(&page, "api:443", RB_SUMMARY_WAY + RB_WAY_CURL);
    rb_summary_count_host(&page, "api:443", RB_SUMMARY_NOT_REPEATED + RB_STACK_LOOP);
    rb_summary_count_host(&page, "x\x1b:80", RB_SUMMARY_TLS);
    assert_string_equal(format(), "rebound: api:443: 2 HTTP requests by libcurl, 1 by OpenSSL\n"
                                  "rebound: api:443: 1 not repeated: the program waits in an event loop\n"
                                  "rebound: x\\x1b:80: 1 TLS connection not examined; see 'rebound doctor PROGRAM'\n");
}

// A signal has ended the program in its wait. The wait for a name goes on as one for its port.
static void test_a_wait_that_goes_on(void **state)
{
    (void) state;
    rb_summary_begin_wait(&page, "db", 1000);
    rb_summary_begin_wait(&page, "db:5432", 2000);
    rb_summary_begin_wait(&page, "db:5432", 3000);
    rb_page_format(&page, 9000, text, sizeof(text));
    assert_string_equal(text, "rebound: waited 7 s for db:5432\n");
    rb_summary_note_wait(&page, "db:5432", 8000);
    rb_page_format(&page, 60000, text, sizeof(text));
    assert_string_equal(text, "rebound: waited 8 s for db:5432\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_nothing_matched, clear),
        cmocka_unit_test_setup(test_every_counter, clear),
        cmocka_unit_test_setup(test_one_of_each, clear),
        cmocka_unit_test_setup(test_busy_slot_is_left_out, clear),
        cmocka_unit_test_setup(test_slots_of_one_policy_add_up, clear),
        cmocka_unit_test_setup(test_full_page, clear),
        cmocka_unit_test_setup(test_waits, clear),
        cmocka_unit_test_setup(test_hosts, clear),
        cmocka_unit_test_setup(test_a_wait_that_goes_on, clear),
        cmocka_unit_test_setup(test_small_buffer_is_not_overrun, clear),
        cmocka_unit_test_setup(test_attach_is_careful, clear),
        cmocka_unit_test_setup(test_leaving_and_returning, clear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

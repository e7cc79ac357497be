// SPDX-License-Identifier: MIT
// The list of overridden options: each gets the program's value back, on the handle and on a clone of it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "curl/override.h"

// A libcurl that notes on which handle which options are set.
enum { SET_MAX = 32 };

static struct {
    CURL *easy;
    CURLoption option;
} given[SET_MAX];
static unsigned given_count;

static CURLcode set_option(CURL *easy, CURLoption option, ...)
{
    assert_true(given_count < SET_MAX);
    given[given_count].easy = easy;
    given[given_count++].option = option;
    return CURLE_OK;
}

static const struct rb_libcurl library = {.easy_setopt = set_option};

static int easy_place, clone_place;
static CURL *const easy = (CURL *) &easy_place, *const clone = (CURL *) &clone_place;

// How often an option was set on a handle.
static unsigned times(const CURL *on, CURLoption option)
{
    unsigned count = 0;
    for (unsigned i = 0; i < given_count; i++)
        count += given[i].easy == on && given[i].option == option;
    return count;
}

static const CURLoption of_callbacks[] = {CURLOPT_WRITEFUNCTION, CURLOPT_WRITEDATA,      CURLOPT_HEADERFUNCTION,
                                          CURLOPT_HEADERDATA,    CURLOPT_PREREQFUNCTION, CURLOPT_PREREQDATA};
static const CURLoption of_attempt[] = {
    CURLOPT_READFUNCTION,     CURLOPT_READDATA,        CURLOPT_SEEKFUNCTION,      CURLOPT_SEEKDATA,
    CURLOPT_IOCTLFUNCTION,    CURLOPT_IOCTLDATA,       CURLOPT_XFERINFOFUNCTION,  CURLOPT_PROGRESSFUNCTION,
    CURLOPT_XFERINFODATA,     CURLOPT_TIMEOUT_MS,      CURLOPT_CONNECTTIMEOUT_MS, CURLOPT_FRESH_CONNECT,
    CURLOPT_HSTSREADFUNCTION, CURLOPT_RANGE,           CURLOPT_RESUME_FROM_LARGE, CURLOPT_HTTPHEADER,
    CURLOPT_PROTOCOLS,        CURLOPT_SOCKOPTFUNCTION, CURLOPT_SOCKOPTDATA};

enum {
    OF_CALLBACKS = sizeof(of_callbacks) / sizeof(of_callbacks[0]),
    OF_ATTEMPT = sizeof(of_attempt) / sizeof(of_attempt[0])
};

static void check_set_once(const CURL *on, const CURLoption *options, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(times(on, options[i]), 1);
}

static struct rb_handle overridden(void)
{
    given_count = 0;
    return (struct rb_handle){.curl = &library, .easy = easy, .overrides = RB_OVERRIDES_END - 1};
}

static void test_clone_gets_all_values(void **state)
{
    struct rb_handle handle = overridden();
    (void) state;
    rb_override_restore(&handle, clone);
    check_set_once(clone, of_callbacks, OF_CALLBACKS);
    check_set_once(clone, of_attempt, OF_ATTEMPT);
    assert_int_equal(given_count, OF_CALLBACKS + OF_ATTEMPT);
    assert_int_equal(handle.overrides, RB_OVERRIDES_END - 1);
}

static void test_attempt_ends_but_callbacks_stay(void **state)
{
    struct rb_handle handle = overridden();
    (void) state;
    rb_override_end_attempt(&handle);
    check_set_once(easy, of_attempt, OF_ATTEMPT);
    assert_int_equal(given_count, OF_ATTEMPT);
    assert_int_equal(handle.overrides, RB_OVERRIDE_CALLBACKS);
    rb_override_end_attempt(&handle);
    assert_int_equal(given_count, OF_ATTEMPT); // nothing is set twice
}

// The end of an attempt sets the one option again and leaves the other one alone.
static void check_end_of_attempt(struct rb_handle *handle, CURLoption set, CURLoption left_alone)
{
    rb_override_end_attempt(handle);
    assert_int_equal(times(easy, set), 1);
    assert_int_equal(times(easy, left_alone), 0);
}

static void test_protocols_in_the_form_that_the_program_used(void **state)
{
    char text[] = "http";
    struct rb_handle handle = overridden();
    (void) state;
    handle.protocols_text = text;
    check_end_of_attempt(&handle, CURLOPT_PROTOCOLS_STR, CURLOPT_PROTOCOLS);
}

// Only options that stay overridden between attempts are hidden. Other options reach libcurl and are set again after
// the attempt.
static void test_hidden_options(void **state)
{
    struct rb_handle handle = overridden();
    (void) state;
    for (unsigned i = 0; i < OF_CALLBACKS; i++)
        assert_true(rb_override_hides(&handle, of_callbacks[i]));
    assert_true(rb_override_hides(&handle, CURLOPT_READFUNCTION));
    assert_true(rb_override_hides(&handle, CURLOPT_SEEKFUNCTION));
    assert_true(rb_override_hides(&handle, CURLOPT_IOCTLDATA));
    assert_true(rb_override_hides(&handle, CURLOPT_PROGRESSFUNCTION));
    assert_true(rb_override_hides(&handle, CURLOPT_SOCKOPTFUNCTION));
    assert_true(rb_override_hides(&handle, CURLOPT_SOCKOPTDATA));
    assert_false(rb_override_hides(&handle, CURLOPT_TIMEOUT_MS));
    assert_false(rb_override_hides(&handle, CURLOPT_PROTOCOLS));
    handle.overrides = 0;
    assert_false(rb_override_hides(&handle, CURLOPT_WRITEFUNCTION));
    assert_false(rb_override_hides(&handle, CURLOPT_READFUNCTION));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clone_gets_all_values),
        cmocka_unit_test(test_attempt_ends_but_callbacks_stay),
        cmocka_unit_test(test_protocols_in_the_form_that_the_program_used),
        cmocka_unit_test(test_hidden_options),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

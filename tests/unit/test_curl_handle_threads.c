// SPDX-License-Identifier: MIT
// Tracked handles: the method that each option sets, what reset and duphandle keep, and the table under load.
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "curl/handle.h"
#include "curl/override.h"

// A libcurl of which only the callbacks' return matters here.
static CURLcode accept_option(CURL *easy, CURLoption option, ...)
{
    (void) easy;
    (void) option;
    return CURLE_OK;
}

static const struct rb_libcurl library = {.easy_setopt = accept_option};

static struct rb_handle *fresh(CURL *easy)
{
    rb_handle_register(easy, &library);
    return rb_handle_find(easy);
}

static void set_number(struct rb_handle *handle, CURLoption option, long number)
{
    rb_option_note(handle, option, (union rb_option){.number = number});
}

static void set_pointer(struct rb_handle *handle, CURLoption option, const void *pointer)
{
    rb_option_note(handle, option, (union rb_option){.pointer = (void *) (uintptr_t) pointer});
}

static void test_method_of_the_options(void **state)
{
    CURL *easy = (CURL *) (uintptr_t) 0x1000;
    struct rb_handle *handle = fresh(easy);
    (void) state;
    assert_string_equal(rb_handle_method(handle), "GET");
    set_number(handle, CURLOPT_NOBODY, 1);
    assert_string_equal(rb_handle_method(handle), "HEAD");
    set_number(handle, CURLOPT_NOBODY, 0);
    assert_string_equal(rb_handle_method(handle), "GET");
    set_pointer(handle, CURLOPT_POSTFIELDS, "a=b");
    assert_string_equal(rb_handle_method(handle), "POST");
    assert_int_equal(rb_handle_upload(handle), RB_UPLOAD_MEMORY);
    set_number(handle, CURLOPT_NOBODY, 0); // says nothing to a POST
    assert_string_equal(rb_handle_method(handle), "POST");
    set_pointer(handle, CURLOPT_CUSTOMREQUEST, "PATCH");
    assert_string_equal(rb_handle_method(handle), "PATCH");
    set_pointer(handle, CURLOPT_CUSTOMREQUEST, NULL);
    set_number(handle, CURLOPT_HTTPGET, 1);
    assert_string_equal(rb_handle_method(handle), "GET");
    assert_int_equal(rb_handle_upload(handle), RB_UPLOAD_NONE);
    set_number(handle, CURLOPT_UPLOAD, 1);
    assert_string_equal(rb_handle_method(handle), "PUT");
    assert_int_equal(rb_handle_upload(handle), RB_UPLOAD_FILE);
    set_pointer(handle, CURLOPT_MIMEPOST, "form");
    assert_string_equal(rb_handle_method(handle), "POST");
    assert_int_equal(rb_handle_upload(handle), RB_UPLOAD_FORM);
    rb_handle_forget(easy);
    assert_null(rb_handle_find(easy));
}

static void test_post_without_fields_reads(void **state)
{
    CURL *easy = (CURL *) (uintptr_t) 0x2000;
    struct rb_handle *handle = fresh(easy);
    (void) state;
    set_number(handle, CURLOPT_POST, 1);
    assert_int_equal(rb_handle_upload(handle), RB_UPLOAD_FILE);
    rb_option_note(handle, CURLOPT_READFUNCTION, (union rb_option){.function = (void (*)(void)) accept_option});
    assert_int_equal(rb_handle_upload(handle), RB_UPLOAD_CALLBACK);
    rb_handle_forget(easy);
}

static void test_reset_returns_to_defaults(void **state)
{
    CURL *easy = (CURL *) (uintptr_t) 0x3000;
    struct rb_handle *handle = fresh(easy);
    (void) state;
    set_pointer(handle, CURLOPT_URL, "http://a/");
    set_pointer(handle, CURLOPT_WRITEDATA, "x");
    set_number(handle, CURLOPT_TIMEOUT, 3);
    assert_int_equal(handle->timeout_ms, 3000);
    rb_handle_reset(handle);
    assert_null(handle->url);
    assert_false(handle->write_data_set); // stdout again
    assert_int_equal(handle->timeout_ms, 0);
    assert_true(handle->no_progress);
    assert_ptr_equal(handle->curl, &library);
    rb_handle_forget(easy);
}

static void test_duplicate_copies_its_own_strings(void **state)
{
    CURL *easy = (CURL *) (uintptr_t) 0x4000, *copy = (CURL *) (uintptr_t) 0x4100;
    struct rb_handle *handle = fresh(easy);
    (void) state;
    set_pointer(handle, CURLOPT_URL, "http://a/");
    handle->overrides = RB_OVERRIDE_CALLBACKS;
    rb_handle_duplicate(handle, copy);
    rb_handle_forget(easy);
    struct rb_handle *record = rb_handle_find(copy);
    assert_string_equal(record->url, "http://a/");
    assert_int_equal(record->overrides, 0);
    rb_handle_forget(copy);
}

static void test_an_address_used_again_starts_anew(void **state)
{
    CURL *easy = (CURL *) (uintptr_t) 0x5000;
    (void) state;
    set_pointer(fresh(easy), CURLOPT_URL, "http://a/");
    assert_null(fresh(easy)->url);
    rb_handle_forget(easy);
}

static void *churn(void *base)
{
    for (uintptr_t round = 0; round < 20; round++)
        for (uintptr_t i = 1; i <= 1000; i++) {
            CURL *easy = (CURL *) ((uintptr_t) base + i * 64);
            if (round % 2 == 0)
                set_number(fresh(easy), CURLOPT_TIMEOUT_MS, (long) i);
            else if (rb_handle_find(easy)->timeout_ms != (long) i)
                return base;
            else
                rb_handle_forget(easy);
        }
    return NULL;
}

static void test_thousands_of_handles_in_threads(void **state)
{
    pthread_t threads[4];
    (void) state;
    for (uintptr_t i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, churn, (void *) ((i + 1) << 24));
    for (unsigned i = 0; i < 4; i++) {
        void *failed;
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_method_of_the_options),
        cmocka_unit_test(test_post_without_fields_reads),
        cmocka_unit_test(test_reset_returns_to_defaults),
        cmocka_unit_test(test_duplicate_copies_its_own_strings),
        cmocka_unit_test(test_an_address_used_again_starts_anew),
        cmocka_unit_test(test_thousands_of_handles_in_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: MIT
// The figures of a call of several attempts. They are those of the saved or the last attempt, with times from the start
// of the call.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "curl/figures.h"
#include "curl/response/saved.h"

// A libcurl that answers about one attempt. Its header fields belong to two requests, the second of which has three.
static long status;
static curl_off_t total_us, connect_us, received;
static const char *type;
static struct curl_header fields[4];

static CURLcode get_info(CURL *easy, CURLINFO info, ...)
{
    CURLcode code = CURLE_OK;
    va_list arguments;
    (void) easy;
    va_start(arguments, info);
    void *out = va_arg(arguments, void *);
    va_end(arguments);
    switch (info) {
    case CURLINFO_RESPONSE_CODE:
        *(long *) out = status;
        break;
    case CURLINFO_OS_ERRNO:
        *(long *) out = status + 1;
        break;
    case CURLINFO_TOTAL_TIME_T:
        *(curl_off_t *) out = total_us;
        break;
    case CURLINFO_CONNECT_TIME_T:
        *(curl_off_t *) out = connect_us;
        break;
    case CURLINFO_SIZE_DOWNLOAD_T:
        *(curl_off_t *) out = received;
        break;
    case CURLINFO_CONTENT_TYPE:
        *(const char **) out = type;
        break;
    case CURLINFO_PRIVATE:
        *(const char **) out = (const char *) 1; // no text: reading it would fault
        break;
    default:
        code = CURLE_UNKNOWN_OPTION;
    }
    return code;
}

static struct curl_header *next_field(CURL *easy, unsigned origin, int request, struct curl_header *before)
{
    (void) easy;
    (void) origin;
    static const unsigned first[] = {0, 1}, end[] = {1, 4};
    unsigned next = before ? (unsigned) (before - fields) + 1 : first[request];
    return next < end[request] ? &fields[next] : NULL;
}

static CURLHcode get_field(CURL *easy, const char *name, size_t index, unsigned origin, int request,
                           struct curl_header **out)
{
    (void) easy;
    (void) name;
    (void) index;
    (void) origin;
    (void) out;
    return request < 2 ? CURLHE_MISSING : CURLHE_NOREQUEST;
}

static const struct rb_libcurl library = {
    .easy_getinfo = get_info, .easy_header = get_field, .easy_nextheader = next_field};

static struct rb_handle handle = {.curl = &library};

static void attempt(long code, curl_off_t us, curl_off_t bytes, const char *content_type)
{
    status = code;
    total_us = us;
    connect_us = us / 10;
    received = bytes;
    type = content_type;
}

static struct rb_figures *figures_of_call(struct rb_saved *saved)
{
    struct rb_figures *figures = calloc(1, sizeof(*figures));
    *figures = (struct rb_figures){.begun_us = 5000, .moments_us = saved ? 0 : 5000, .received = -1, .saved = saved};
    handle.figures = figures;
    return figures;
}

static curl_off_t offset(CURLINFO info)
{
    curl_off_t value = -1;
    assert_true(rb_figures_answer(&handle, info, &value));
    return value;
}

static double seconds(CURLINFO info)
{
    double value = -1;
    assert_true(rb_figures_answer(&handle, info, &value));
    return value;
}

static int set_up(void **state)
{
    (void) state;
    fields[0] = (struct curl_header){.name = "Location", .value = "/b", .origin = CURLH_HEADER};
    fields[1] = (struct curl_header){.name = "X", .value = "1", .origin = CURLH_HEADER};
    fields[2] = (struct curl_header){.name = "x", .value = "2", .origin = CURLH_1XX};
    fields[3] = (struct curl_header){.name = "X", .value = "3", .origin = CURLH_HEADER};
    attempt(200, 1000, 10, "text/plain");
    return 0;
}

static int tear_down(void **state)
{
    (void) state;
    rb_figures_forget(&handle);
    return 0;
}

static void test_one_attempt_is_libcurls_affair(void **state)
{
    curl_off_t value;
    (void) state;
    assert_false(rb_figures_answer(&handle, CURLINFO_TOTAL_TIME_T, &value));
}

static void test_times_count_from_the_beginning(void **state)
{
    long code;
    (void) state;
    figures_of_call(NULL);
    assert_int_equal(offset(CURLINFO_TOTAL_TIME_T), 6000);
    assert_int_equal(offset(CURLINFO_CONNECT_TIME_T), 5100);
    assert_true(seconds(CURLINFO_TOTAL_TIME) == 0.006);
    assert_true(seconds(CURLINFO_CONNECT_TIME) == 0.0051);
    assert_int_equal(offset(CURLINFO_APPCONNECT_TIME_T), 0); // never came
    assert_false(rb_figures_answer(&handle, CURLINFO_RESPONSE_CODE, &code));
    assert_false(rb_figures_answer(&handle, CURLINFO_OS_ERRNO, &code));
    assert_false(rb_figures_answer(&handle, CURLINFO_TOTAL_TIME_T, NULL));
}

static void test_saved_attempt_stands_for_all(void **state)
{
    long code = 0;
    char *text = NULL;
    (void) state;
    struct rb_figures *figures = figures_of_call(rb_saved_read(&handle));
    figures->received = 30;
    attempt(206, 2000, 20, "other");
    assert_true(rb_figures_answer(&handle, CURLINFO_RESPONSE_CODE, &code));
    assert_int_equal(code, 200);
    assert_true(rb_figures_answer(&handle, CURLINFO_CONTENT_TYPE, &text));
    assert_string_equal(text, "text/plain");
    assert_int_equal(offset(CURLINFO_TOTAL_TIME_T), 7000);  // of the last attempt
    assert_int_equal(offset(CURLINFO_CONNECT_TIME_T), 100); // of the saved one
    assert_int_equal(offset(CURLINFO_SIZE_DOWNLOAD_T), 30);
    assert_true(seconds(CURLINFO_SIZE_DOWNLOAD) == 30);
    assert_int_equal(offset(CURLINFO_SPEED_DOWNLOAD_T), 30 * 1000000 / 7000);
    assert_false(rb_figures_answer(&handle, CURLINFO_PRIVATE, &text));
}

static void test_errno_is_that_of_the_result(void **state)
{
    long code = 0;
    (void) state;
    struct rb_figures *figures = figures_of_call(rb_saved_read(&handle));
    attempt(503, 1, 1, NULL);
    assert_false(rb_figures_answer(&handle, CURLINFO_OS_ERRNO, &code));
    figures->failed = true;
    assert_true(rb_figures_answer(&handle, CURLINFO_OS_ERRNO, &code));
    assert_int_equal(code, 201);
}

static void test_no_text_stays_no_text(void **state)
{
    char *text = (char *) "";
    (void) state;
    attempt(200, 1, 1, NULL);
    figures_of_call(rb_saved_read(&handle));
    type = "other";
    assert_true(rb_figures_answer(&handle, CURLINFO_CONTENT_TYPE, &text));
    assert_null(text);
}

// Looking up as libcurl does: by any case, counted for the mask of origins, -1 being the last request.
static void test_saved_header_fields(void **state)
{
    struct curl_header *field;
    (void) state;
    struct rb_figures *figures = figures_of_call(rb_saved_read(&handle));
    memset(fields, 0, sizeof(fields));
    assert_int_equal(rb_figures_header(figures, "x", 1, CURLH_HEADER, -1, &field), CURLHE_OK);
    assert_string_equal(field->value, "3");
    assert_int_equal(field->amount, 2);
    assert_int_equal(field->index, 1);
    assert_int_equal(rb_figures_header(figures, "x", 1, CURLH_HEADER | CURLH_1XX, 1, &field), CURLHE_OK);
    assert_string_equal(field->value, "2");
    assert_int_equal(field->amount, 3);
    assert_int_equal(rb_figures_header(figures, "location", 0, CURLH_HEADER, 0, &field), CURLHE_OK);
    assert_int_equal(rb_figures_header(figures, "location", 0, CURLH_HEADER, -1, &field), CURLHE_MISSING);
    assert_int_equal(rb_figures_header(figures, "x", 2, CURLH_HEADER, -1, &field), CURLHE_BADINDEX);
    assert_int_equal(rb_figures_header(figures, "x", 0, CURLH_HEADER, 2, &field), CURLHE_NOREQUEST);
    assert_int_equal(rb_figures_header(figures, "x", 0, 0, -1, &field), CURLHE_BAD_ARGUMENT);
    assert_int_equal(rb_figures_header(figures, "x", 0, 1 << 7, -1, &field), CURLHE_BAD_ARGUMENT);
    assert_int_equal(rb_figures_header(figures, NULL, 0, CURLH_HEADER, -1, &field), CURLHE_BAD_ARGUMENT);
    assert_int_equal(rb_figures_header(figures, "x", 0, CURLH_HEADER, -2, &field), CURLHE_BAD_ARGUMENT);
}

static void test_walk_through_saved_header_fields(void **state)
{
    struct curl_header *field = NULL;
    (void) state;
    struct rb_figures *figures = figures_of_call(rb_saved_read(&handle));
    field = rb_figures_next_header(figures, CURLH_HEADER, -1, NULL);
    assert_string_equal(field->value, "1");
    field = rb_figures_next_header(figures, CURLH_HEADER, -1, field);
    assert_string_equal(field->value, "3");
    assert_int_equal(field->index, 1);
    assert_null(rb_figures_next_header(figures, CURLH_HEADER, -1, field));
    assert_null(rb_figures_next_header(figures, CURLH_TRAILER, -1, NULL));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_one_attempt_is_libcurls_affair),
        CASE(test_times_count_from_the_beginning),
        CASE(test_saved_attempt_stands_for_all),
        CASE(test_errno_is_that_of_the_result),
        CASE(test_no_text_stays_no_text),
        CASE(test_saved_header_fields),
        CASE(test_walk_through_saved_header_fields),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: MIT
// Uploads that are sent again: which ones can be, and by which function they return to their beginning.
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "curl/override.h"
#include "curl/replay.h"

// A libcurl that keeps the read callback it is given.
static curl_read_callback given;
static void *given_data;

static CURLcode set_option(CURL *easy, CURLoption option, ...)
{
    va_list arguments;
    (void) easy;
    va_start(arguments, option);
    if (option == CURLOPT_READFUNCTION)
        given = va_arg(arguments, curl_read_callback);
    else
        given_data = va_arg(arguments, void *);
    va_end(arguments);
    return CURLE_OK;
}

static const struct rb_libcurl library = {.easy_setopt = set_option};

static int answer; // of the program's seek and control functions
static unsigned rewinds;

static size_t on_read(char *bytes, size_t size, size_t count, void *data)
{
    (void) bytes;
    (void) data;
    return size * count;
}

static int on_seek(void *data, curl_off_t offset, int origin)
{
    assert_ptr_equal(data, &rewinds);
    assert_int_equal(offset, 0);
    assert_int_equal(origin, SEEK_SET);
    rewinds++;
    return answer;
}

static curlioerr on_control(CURL *easy, int command, void *data)
{
    (void) easy;
    assert_ptr_equal(data, &rewinds);
    assert_int_equal(command, CURLIOCMD_RESTARTREAD);
    rewinds++;
    return (curlioerr) answer;
}

static struct rb_handle by_callback(void)
{
    rewinds = 0;
    answer = 0;
    return (struct rb_handle){
        .curl = &library, .method = RB_METHOD_PUT, .read = on_read, .seek_data = &rewinds, .control_data = &rewinds};
}

static struct rb_handle by_file(FILE *file)
{
    return (struct rb_handle){.curl = &library, .method = RB_METHOD_PUT, .read_data = file, .read_data_set = true};
}

// An attempt in which libcurl asks for bytes, or does not.
static void attempt(struct rb_replay *replay, bool asks)
{
    char bytes[4];
    rb_replay_attempt(replay);
    assert_ptr_not_equal(given, on_read);
    if (asks)
        assert_int_equal(given(bytes, 1, sizeof(bytes), given_data), sizeof(bytes));
    rb_override_end_attempt(replay->handle);
    assert_ptr_equal(given, on_read); // the program's own is back
}

static void test_untouched_callback_needs_no_rewinding(void **state)
{
    struct rb_handle handle = by_callback();
    struct rb_replay replay;
    (void) state;
    rb_replay_begin(&replay, &handle);
    attempt(&replay, false);
    assert_false(rb_replay_rewinds(&replay));
    assert_true(rb_replay_possible(&replay, false));
    assert_int_equal(rb_replay_rewind(&replay, false), 0);
    attempt(&replay, true);
    assert_false(rb_replay_possible(&replay, false));
    assert_false(rb_replay_possible(&replay, true)); // read is read, whatever left
    assert_int_equal(rb_replay_rewind(&replay, false), -ESPIPE);
}

static void test_seek_rewinds_before_control(void **state)
{
    struct rb_handle handle = by_callback();
    struct rb_replay replay;
    (void) state;
    handle.seek = on_seek;
    rb_replay_begin(&replay, &handle);
    attempt(&replay, false);
    assert_int_equal(rb_replay_rewind(&replay, false), 0);
    assert_int_equal(rewinds, 0); // not called for nothing
    attempt(&replay, true);
    assert_true(rb_replay_possible(&replay, false));
    assert_int_equal(rb_replay_rewind(&replay, false), 0);
    assert_int_equal(rewinds, 1);
    answer = CURL_SEEKFUNC_CANTSEEK;
    assert_int_equal(rb_replay_rewind(&replay, false), -EIO);
    answer = CURL_SEEKFUNC_FAIL;
    assert_int_equal(rb_replay_rewind(&replay, false), -EIO);
}

static void test_control_rewinds(void **state)
{
    struct rb_handle handle = by_callback();
    struct rb_replay replay;
    (void) state;
    handle.control = on_control;
    rb_replay_begin(&replay, &handle);
    assert_true(rb_replay_rewinds(&replay));
    attempt(&replay, true);
    assert_int_equal(rb_replay_rewind(&replay, false), 0);
    assert_int_equal(rewinds, 1);
    answer = CURLIOE_UNKNOWNCMD;
    assert_int_equal(rb_replay_rewind(&replay, false), -EIO);
}

// A file returns to its offset at the start of the call, not to its beginning.
static void test_file_returns_to_its_place(void **state)
{
    FILE *file = tmpfile();
    struct rb_handle handle = by_file(file);
    struct rb_replay replay;
    (void) state;
    fputs("head and body", file);
    fseek(file, 9, SEEK_SET);
    rb_replay_begin(&replay, &handle);
    rb_replay_attempt(&replay);
    assert_int_equal(handle.overrides, 0); // libcurl knows its own by the address
    fseek(file, 0, SEEK_END);
    errno = ENOENT;
    assert_true(rb_replay_possible(&replay, false));
    assert_int_equal(rb_replay_rewind(&replay, false), 0);
    assert_int_equal(ftell(file), 9);
    assert_int_equal(errno, ENOENT);
    fclose(file);
}

static void test_pipe_only_when_nothing_was_sent(void **state)
{
    int ends[2];
    (void) state;
    assert_int_equal(pipe(ends), 0);
    FILE *file = fdopen(ends[0], "r");
    struct rb_handle handle = by_file(file);
    struct rb_replay replay;
    errno = ENOENT;
    rb_replay_begin(&replay, &handle);
    assert_int_equal(errno, ENOENT);
    assert_false(rb_replay_rewinds(&replay));
    assert_true(rb_replay_possible(&replay, true));
    assert_int_equal(rb_replay_rewind(&replay, true), 0);
    assert_false(rb_replay_possible(&replay, false));
    assert_int_equal(rb_replay_rewind(&replay, false), -ESPIPE);
    fclose(file);
    close(ends[1]);
}

static void test_memory_and_forms_are_libcurls_affair(void **state)
{
    struct rb_handle handle = {.curl = &library, .method = RB_METHOD_POST, .has_fields = true};
    struct rb_replay replay;
    (void) state;
    rb_replay_begin(&replay, &handle);
    assert_int_equal(replay.upload, RB_UPLOAD_MEMORY);
    assert_true(rb_replay_possible(&replay, false));
    assert_int_equal(rb_replay_rewind(&replay, false), 0);
    handle.method = RB_METHOD_FORM;
    handle.read = on_read; // parts have callbacks of their own
    rb_replay_begin(&replay, &handle);
    rb_replay_attempt(&replay);
    assert_int_equal(handle.overrides, 0);
    assert_true(rb_replay_possible(&replay, false));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_untouched_callback_needs_no_rewinding),
        cmocka_unit_test(test_seek_rewinds_before_control),
        cmocka_unit_test(test_control_rewinds),
        cmocka_unit_test(test_file_returns_to_its_place),
        cmocka_unit_test(test_pipe_only_when_nothing_was_sent),
        cmocka_unit_test(test_memory_and_forms_are_libcurls_affair),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

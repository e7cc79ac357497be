// SPDX-License-Identifier: MIT
// Uploads that are sent again: which ones can be, by which function they return to their beginning, and which bytes are
// kept of those that cannot.
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
#include "curl/response/response_private.h"

// A libcurl that keeps the callbacks it is given.
static struct {
    curl_read_callback read;
    void *read_data;
    curl_seek_callback seek;
    void *seek_data;
    curl_ioctl_callback control;
    void *control_data;
} given;

static CURLcode set_option(CURL *easy, CURLoption option, ...)
{
    va_list arguments;
    (void) easy;
    va_start(arguments, option);
    switch (option) {
    case CURLOPT_READFUNCTION:
        given.read = va_arg(arguments, curl_read_callback);
        break;
    case CURLOPT_READDATA:
        given.read_data = va_arg(arguments, void *);
        break;
    case CURLOPT_SEEKFUNCTION:
        given.seek = va_arg(arguments, curl_seek_callback);
        break;
    case CURLOPT_SEEKDATA:
        given.seek_data = va_arg(arguments, void *);
        break;
    case CURLOPT_IOCTLFUNCTION:
        given.control = va_arg(arguments, curl_ioctl_callback);
        break;
    default:
        given.control_data = va_arg(arguments, void *);
        break;
    }
    va_end(arguments);
    return CURLE_OK;
}

static const struct rb_libcurl library = {.easy_setopt = set_option};

static int answer; // of the program's seek and control functions
static unsigned rewinds;

// The program's body: bytes that count up, in pieces of at most `most`. At `special_at`, the callback returns `special`
// once.
static struct {
    size_t at, size, most, special_at, special;
    unsigned calls;
} source;

static size_t on_read(char *bytes, size_t size, size_t count, void *data)
{
    size_t room = size * count, part = source.size - source.at;
    assert_true(data == stdin || data == &source);
    source.calls++;
    if (source.special && source.at == source.special_at) {
        size_t special = source.special;
        source.special = 0;
        return special;
    }
    part = part < room ? part : room;
    part = part < source.most ? part : source.most;
    for (size_t i = 0; i < part; i++)
        bytes[i] = (char) (source.at + i + (source.at + i) / 256);
    source.at += part;
    return part;
}

static int on_seek(void *data, curl_off_t offset, int origin)
{
    assert_ptr_equal(data, &rewinds);
    assert_int_equal(origin, SEEK_SET);
    rewinds++;
    if (answer == CURL_SEEKFUNC_OK)
        source.at = (size_t) offset;
    return answer;
}

static curlioerr on_control(CURL *easy, int command, void *data)
{
    (void) easy;
    assert_ptr_equal(data, &rewinds);
    assert_int_equal(command, CURLIOCMD_RESTARTREAD);
    rewinds++;
    if (answer == CURLIOE_OK)
        source.at = 0;
    return (curlioerr) answer;
}

static struct rb_handle by_callback(size_t size)
{
    rewinds = 0;
    answer = 0;
    memset(&source, 0, sizeof(source));
    source.size = size;
    source.most = 1000;
    return (struct rb_handle){
        .curl = &library, .method = RB_METHOD_PUT, .read = on_read, .seek_data = &rewinds, .control_data = &rewinds};
}

static struct rb_handle by_file(FILE *file)
{
    return (struct rb_handle){.curl = &library, .method = RB_METHOD_PUT, .read_data = file, .read_data_set = true};
}

// libcurl reads `size` bytes from byte `from` on, in pieces of at most `most`, and must get those of the body.
static void read_body(size_t from, size_t size, size_t most)
{
    static char bytes[65536];
    size_t at = from;
    while (at < from + size) {
        size_t room = from + size - at < most ? from + size - at : most;
        size_t got = given.read(bytes, 1, room, given.read_data);
        assert_in_range(got, 1, room);
        for (size_t i = 0; i < got; i++)
            assert_int_equal(bytes[i], (char) (at + i + (at + i) / 256));
        at += got;
    }
}

static void check_end(void)
{
    char byte;
    assert_int_equal(given.read(&byte, 1, 1, given.read_data), 0);
}

// An attempt in which libcurl reads `size` bytes.
static void attempt(struct rb_replay *replay, size_t size, size_t most)
{
    rb_replay_attempt(replay, true);
    assert_ptr_not_equal(given.read, on_read);
    read_body(0, size, most);
}

// The program's own callbacks are back.
static void end_attempt(struct rb_replay *replay)
{
    rb_override_end_attempt(replay->handle);
    assert_ptr_equal(given.read, replay->handle->read);
    assert_ptr_equal(given.seek, replay->handle->seek);
    assert_ptr_equal(given.control, replay->handle->control);
    assert_ptr_equal(given.seek_data, replay->handle->seek_data);
    assert_ptr_equal(given.control_data, replay->handle->control_data);
}

static void test_untouched_callback_needs_no_rewinding(void **state)
{
    struct rb_handle handle = by_callback(100);
    struct rb_replay replay;
    (void) state;
    rb_replay_begin(&replay, &handle);
    attempt(&replay, 0, 1);
    end_attempt(&replay);
    assert_true(rb_replay_possible(&replay, false));
    assert_int_equal(rb_replay_rewind(&replay, false), 0);
    assert_int_equal(source.calls, 0);
    assert_null(replay.kept);
}

// Whatever the sizes of the pieces, and wherever the first attempt ends.
static void test_kept_bytes_come_again(void **state)
{
    static const size_t ends[] = {1, 999, 1000, 1001, 4096, 5000}, pieces[] = {1, 7, 1000, 4096, 65536};
    (void) state;
    for (size_t e = 0; e < sizeof(ends) / sizeof(ends[0]); e++) {
        for (size_t p = 0; p < sizeof(pieces) / sizeof(pieces[0]); p++) {
            struct rb_handle handle = by_callback(5000);
            struct rb_replay replay;
            rb_replay_begin(&replay, &handle);
            attempt(&replay, ends[e], 4096);
            end_attempt(&replay);
            assert_true(rb_replay_rewinds(&replay));
            assert_int_equal(rb_replay_rewind(&replay, false), 0);
            attempt(&replay, ends[e] / 2, pieces[p]); // ends earlier
            end_attempt(&replay);
            assert_int_equal(rb_replay_rewind(&replay, false), 0);
            attempt(&replay, 5000, pieces[p]);
            check_end();
            end_attempt(&replay);
            assert_int_equal(source.at, 5000);
            rb_replay_end(&replay);
        }
    }
}

// After the end, the callback is not called again.
static void test_end_of_the_body_is_kept(void **state)
{
    struct rb_handle handle = by_callback(5000);
    struct rb_replay replay;
    (void) state;
    rb_replay_begin(&replay, &handle);
    attempt(&replay, 5000, 4096);
    check_end();
    end_attempt(&replay);
    unsigned calls = source.calls;
    source.size = 6000; // it would supply more
    assert_int_equal(rb_replay_rewind(&replay, false), 0);
    attempt(&replay, 5000, 100);
    check_end();
    check_end();
    end_attempt(&replay);
    assert_int_equal(source.calls, calls);
    rb_replay_end(&replay);
}

// More than the limit: it cannot be sent again, and the response is not held.
static void test_limit_of_the_kept_bytes(void **state)
{
    (void) state;
    for (size_t over = 0; over < 2; over++) {
        struct rb_response response = {.holding = RB_HOLD_FAILURES};
        struct rb_handle handle = by_callback(200000);
        struct rb_replay replay;
        handle.response = &response;
        rb_replay_begin(&replay, &handle);
        attempt(&replay, RB_REPLAY_MAX, 65536);
        read_body(RB_REPLAY_MAX, over, 1);
        end_attempt(&replay);
        assert_int_equal(rb_replay_possible(&replay, false), over == 0);
        assert_int_equal(rb_replay_rewinds(&replay), over == 0);
        assert_int_equal(rb_replay_rewind(&replay, false), over == 0 ? 0 : -ESPIPE);
        assert_int_equal(replay.kept != NULL, over == 0);
        assert_int_equal(rb_response_may_hold(&response), over == 0);
        rb_replay_end(&replay);
    }
}

// If no other attempt can follow, nothing is kept.
static void test_last_attempt_keeps_nothing(void **state)
{
    struct rb_handle handle = by_callback(5000);
    struct rb_replay replay;
    (void) state;
    rb_replay_begin(&replay, &handle);
    attempt(&replay, 1000, 1000);
    end_attempt(&replay);
    assert_int_equal(rb_replay_rewind(&replay, false), 0);
    rb_replay_attempt(&replay, false);
    read_body(0, 5000, 700); // the kept bytes, then those of the callback
    assert_null(replay.kept);
    end_attempt(&replay);
    assert_false(rb_replay_possible(&replay, false));
    assert_false(rb_replay_possible(&replay, true)); // read is read, whatever left
}

// A request for a pause and a failure are no bytes.
static void test_special_results_pass(void **state)
{
    static const size_t specials[] = {CURL_READFUNC_PAUSE, CURL_READFUNC_ABORT, 5001};
    (void) state;
    for (size_t i = 0; i < sizeof(specials) / sizeof(specials[0]); i++) {
        struct rb_handle handle = by_callback(5000);
        struct rb_replay replay;
        char bytes[5000];
        rb_replay_begin(&replay, &handle);
        source.special = specials[i];
        source.special_at = 2000;
        attempt(&replay, 2000, 1000);
        assert_int_equal(given.read(bytes, 1, sizeof(bytes), given.read_data), specials[i]);
        read_body(2000, 500, 1000);
        end_attempt(&replay);
        assert_int_equal(rb_replay_rewind(&replay, false), 0);
        attempt(&replay, 5000, 4096);
        end_attempt(&replay);
        rb_replay_end(&replay);
    }
}

// The program sets the source of its next transfer during this one.
static void test_source_of_the_next_transfer(void **state)
{
    static char other;
    struct rb_handle handle = by_callback(5000);
    struct rb_replay replay;
    (void) state;
    handle.read_data = &source;
    handle.read_data_set = true;
    rb_replay_begin(&replay, &handle);
    attempt(&replay, 2000, 1000);
    handle.read_data = &other; // on_read would notice
    handle.read = NULL;
    read_body(2000, 1000, 1000);
    end_attempt(&replay);
    assert_ptr_equal(given.read_data, &other);
    assert_int_equal(rb_replay_rewind(&replay, false), 0);
    attempt(&replay, 5000, 1000);
    end_attempt(&replay);
    rb_replay_end(&replay);
}

static void test_seek_rewinds_before_kept_bytes(void **state)
{
    struct rb_handle handle = by_callback(5000);
    struct rb_replay replay;
    (void) state;
    handle.seek = on_seek;
    handle.control = on_control;
    rb_replay_begin(&replay, &handle);
    attempt(&replay, 0, 1);
    end_attempt(&replay);
    assert_int_equal(rb_replay_rewind(&replay, false), 0);
    assert_int_equal(rewinds, 0); // not called for nothing
    attempt(&replay, 3000, 1000);
    end_attempt(&replay);
    assert_true(rb_replay_possible(&replay, false));
    assert_int_equal(rb_replay_rewind(&replay, false), 0);
    assert_int_equal(rewinds, 1);
    attempt(&replay, 5000, 1000);
    end_attempt(&replay);
    assert_int_equal(source.calls, 8); // all bytes from the callback
    rb_replay_end(&replay);
}

// An upload of the command curl from a pipe: its seek function cannot seek, and the pipe stays where it is.
static void test_seek_that_cannot_seek(void **state)
{
    struct rb_handle handle = by_callback(5000);
    struct rb_replay replay;
    (void) state;
    handle.seek = on_seek;
    answer = CURL_SEEKFUNC_CANTSEEK;
    rb_replay_begin(&replay, &handle);
    attempt(&replay, 3000, 1000);
    end_attempt(&replay);
    assert_int_equal(rb_replay_rewind(&replay, false), 0);
    attempt(&replay, 5000, 1000);
    end_attempt(&replay);
    rb_replay_end(&replay);
}

// After a failure, the callback's place is unknown. Only a whole body can be sent again.
static void test_rewinding_that_fails(void **state)
{
    (void) state;
    for (int ended = 0; ended < 2; ended++) {
        for (int control = 0; control < 2; control++) {
            struct rb_handle handle = by_callback(5000);
            struct rb_replay replay;
            answer = control ? (int) CURLIOE_FAILRESTART : CURL_SEEKFUNC_FAIL;
            if (control)
                handle.control = on_control;
            else
                handle.seek = on_seek;
            rb_replay_begin(&replay, &handle);
            attempt(&replay, 5000, 1000);
            if (ended)
                check_end();
            end_attempt(&replay);
            assert_int_equal(rb_replay_rewind(&replay, false), ended ? 0 : -EIO);
            assert_int_equal(rewinds, 1);
            rb_replay_end(&replay);
        }
    }
}

static void test_control_rewinds(void **state)
{
    struct rb_handle handle = by_callback(5000);
    struct rb_replay replay;
    (void) state;
    handle.control = on_control;
    rb_replay_begin(&replay, &handle);
    assert_true(rb_replay_rewinds(&replay));
    attempt(&replay, 3000, 1000);
    end_attempt(&replay);
    assert_int_equal(rb_replay_rewind(&replay, false), 0);
    assert_int_equal(rewinds, 1);
    attempt(&replay, 5000, 1000);
    end_attempt(&replay);
    rb_replay_end(&replay);
}

// libcurl itself rewinds within an attempt, for example after a redirect, in the middle of the kept bytes. It then gets
// the bytes of the program, once.
static void test_rewinding_by_libcurl(void **state)
{
    (void) state;
    for (int control = 0; control < 2; control++) {
        struct rb_handle handle = by_callback(5000);
        struct rb_replay replay;
        handle.seek = control ? NULL : on_seek;
        handle.control = control ? on_control : NULL;
        rb_replay_begin(&replay, &handle);
        attempt(&replay, 3000, 1000);
        if (control)
            assert_int_equal(given.control(NULL, CURLIOCMD_RESTARTREAD, given.control_data), CURLIOE_OK);
        else
            assert_int_equal(given.seek(given.seek_data, 0, SEEK_SET), CURL_SEEKFUNC_OK);
        read_body(0, 2000, 1000);
        end_attempt(&replay);
        answer = control ? (int) CURLIOE_FAILRESTART : CURL_SEEKFUNC_CANTSEEK;
        if (!control) {
            assert_int_equal(rb_replay_rewind(&replay, false), 0);
            attempt(&replay, 1000, 500);
            answer = CURL_SEEKFUNC_OK;
            assert_int_equal(given.seek(given.seek_data, 0, SEEK_SET), CURL_SEEKFUNC_OK);
            read_body(0, 5000, 1000);
            end_attempt(&replay);
        }
        rb_replay_end(&replay);
    }
}

// The program moves its body to another byte (CURLOPT_RESUME_FROM): the kept bytes are not its beginning.
static void test_seek_to_another_place(void **state)
{
    struct rb_handle handle = by_callback(5000);
    struct rb_replay replay;
    (void) state;
    handle.seek = on_seek;
    rb_replay_begin(&replay, &handle);
    attempt(&replay, 0, 1);
    assert_int_equal(given.seek(given.seek_data, 3000, SEEK_SET), CURL_SEEKFUNC_OK);
    read_body(3000, 1000, 1000);
    end_attempt(&replay);
    assert_null(replay.kept);
    answer = CURL_SEEKFUNC_CANTSEEK;
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
    rb_replay_attempt(&replay, true);
    assert_int_equal(handle.overrides, 0); // libcurl knows its own by the address
    fseek(file, 0, SEEK_END);
    errno = ENOENT;
    assert_true(rb_replay_possible(&replay, false));
    assert_int_equal(rb_replay_rewind(&replay, false), 0);
    assert_int_equal(ftell(file), 9);
    assert_int_equal(errno, ENOENT);
    fclose(file);
}

// libcurl cannot rewind a pipe, so our callback reads it, and the kept bytes come again.
static void test_pipe_is_kept(void **state)
{
    int ends[2];
    char bytes[16] = "";
    (void) state;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], "head and body", 13), 13);
    close(ends[1]);
    FILE *file = fdopen(ends[0], "r");
    struct rb_handle handle = by_file(file);
    struct rb_replay replay;
    errno = ENOENT;
    rb_replay_begin(&replay, &handle);
    assert_int_equal(errno, ENOENT);
    assert_int_equal(replay.upload, RB_UPLOAD_CALLBACK);
    rb_replay_attempt(&replay, true);
    assert_int_equal(given.read(bytes, 1, 4, given.read_data), 4);
    rb_override_end_attempt(&handle);
    assert_null(given.read);
    assert_int_equal(rb_replay_rewind(&replay, false), 0);
    rb_replay_attempt(&replay, true);
    assert_int_equal(given.read(bytes, 1, 15, given.read_data), 4);
    assert_int_equal(given.read(bytes + 4, 1, 11, given.read_data), 9);
    assert_string_equal(bytes, "head and body");
    assert_int_equal(given.read(bytes, 1, 15, given.read_data), 0);
    rb_override_end_attempt(&handle);
    rb_replay_end(&replay);
    fclose(file);
}

// The program has a function that may rewind it.
static void test_pipe_with_a_seek_function(void **state)
{
    int ends[2];
    (void) state;
    assert_int_equal(pipe(ends), 0);
    FILE *file = fdopen(ends[0], "r");
    struct rb_handle handle = by_file(file);
    struct rb_replay replay;
    rewinds = 0;
    answer = 0;
    handle.seek = on_seek;
    handle.seek_data = &rewinds;
    rb_replay_begin(&replay, &handle);
    assert_int_equal(replay.upload, RB_UPLOAD_FILE);
    assert_int_equal(rb_replay_rewind(&replay, true), 0);
    assert_int_equal(rewinds, 0);
    assert_int_equal(rb_replay_rewind(&replay, false), 0);
    assert_int_equal(rewinds, 1);
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
    rb_replay_attempt(&replay, true);
    assert_int_equal(handle.overrides, 0);
    assert_true(rb_replay_possible(&replay, false));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_untouched_callback_needs_no_rewinding),
        cmocka_unit_test(test_kept_bytes_come_again),
        cmocka_unit_test(test_end_of_the_body_is_kept),
        cmocka_unit_test(test_limit_of_the_kept_bytes),
        cmocka_unit_test(test_last_attempt_keeps_nothing),
        cmocka_unit_test(test_special_results_pass),
        cmocka_unit_test(test_source_of_the_next_transfer),
        cmocka_unit_test(test_seek_rewinds_before_kept_bytes),
        cmocka_unit_test(test_seek_that_cannot_seek),
        cmocka_unit_test(test_rewinding_that_fails),
        cmocka_unit_test(test_control_rewinds),
        cmocka_unit_test(test_rewinding_by_libcurl),
        cmocka_unit_test(test_seek_to_another_place),
        cmocka_unit_test(test_file_returns_to_its_place),
        cmocka_unit_test(test_pipe_is_kept),
        cmocka_unit_test(test_pipe_with_a_seek_function),
        cmocka_unit_test(test_memory_and_forms_are_libcurls_affair),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

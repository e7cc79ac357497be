// SPDX-License-Identifier: MIT
// Lines in a fixed buffer: numbers, times, JSON strings, and what happens when the buffer is full.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"

static char buffer[128];

static const char *finish(struct rb_text *text)
{
    buffer[text->length] = '\0';
    return buffer;
}

static struct rb_text fresh(void)
{
    return (struct rb_text){.at = buffer, .size = sizeof(buffer) - 1};
}

static void test_numbers(void **state)
{
    (void) state;
    struct rb_text text = fresh();
    rb_text_number(&text, 0, 1);
    rb_text_string(&text, " ");
    rb_text_number(&text, 7, 3);
    rb_text_string(&text, " ");
    rb_text_number(&text, UINT64_MAX, 1);
    assert_string_equal(finish(&text), "0 007 18446744073709551615");
}

static void test_time(void **state)
{
    (void) state;
    struct rb_text text = fresh();
    rb_text_time(&text, 1559560212, 5);
    assert_string_equal(finish(&text), "2019-06-03T11:10:12.005Z");
}

static void test_json(void **state)
{
    static const struct {
        const char *raw, *quoted;
    } rows[] = {
        {"plain", "\"plain\""},
        {"a\"b\\c", "\"a\\\"b\\\\c\""},
        {"\n\x01\x7f", "\"\\u000a\\u0001\\u007f\""},
        {"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\""},
        {"\xff", "\"\xef\xbf\xbd\""},
        {"\xc3", "\"\xef\xbf\xbd\""},                                                 // cut sequence
        {"\xc0\xaf", "\"\xef\xbf\xbd\xef\xbf\xbd\""},                                 // overlong
        {"\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},                 // surrogate
        {"\xf4\x90\x80\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""}, // beyond U+10FFFF
    };
    (void) state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct rb_text text = fresh();
        rb_text_json(&text, rows[i].raw);
        assert_string_equal(finish(&text), rows[i].quoted);
    }
}

static void test_full_buffer_counts_what_is_lost(void **state)
{
    (void) state;
    struct rb_text text = {.at = buffer, .size = 4};
    rb_text_string(&text, "abcdef");
    rb_text_string(&text, "gh");
    assert_int_equal(text.length, 4);
    assert_int_equal(text.cut, 4);
    assert_memory_equal(buffer, "abcd", 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_time),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_full_buffer_counts_what_is_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

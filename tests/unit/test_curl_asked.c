// SPDX-License-Identifier: MIT
// The byte range that libcurl asks for: by CURLOPT_RANGE, by CURLOPT_RESUME_FROM, or by a line of the header list.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "curl/asked.h"
#include "curl/fields.h"

enum { LINES_MAX = 8 };

// A header list of lines that are separated by '|'.
static struct curl_slist *list_of(const char *text)
{
    static struct curl_slist nodes[LINES_MAX];
    static char lines[256];
    unsigned count = 0;
    snprintf(lines, sizeof(lines), "%s", text);
    for (char *line = strtok(lines, "|"); line; line = strtok(NULL, "|")) {
        assert_true(count < LINES_MAX);
        nodes[count] = (struct curl_slist){.data = line};
        if (count > 0)
            nodes[count - 1].next = &nodes[count];
        count++;
    }
    return count > 0 ? nodes : NULL;
}

// How the range of these options is understood: "whole", "N-", "N-M", "-N", or "unknown".
static const char *read_options(const char *range, curl_off_t resume_from, const char *lines)
{
    static char text[64];
    struct rb_asked asked;
    char copy[64];
    struct rb_handle handle = {.resume_from = resume_from, .headers = list_of(lines)};
    if (range) {
        snprintf(copy, sizeof(copy), "%s", range);
        handle.range = copy;
    }
    if (!rb_asked_of_program(&handle, &asked))
        return "unknown";
    if (asked.kind == RB_ASKED_WHOLE)
        return "whole";
    if (asked.kind == RB_ASKED_SUFFIX)
        snprintf(text, sizeof(text), "-%lld", (long long) asked.last);
    else
        rb_asked_format(&asked, text, sizeof(text));
    return text;
}

static void test_range_option(void **state)
{
    (void) state;
    assert_string_equal(read_options(NULL, 0, ""), "whole");
    assert_string_equal(read_options("0-", 0, ""), "0-");
    assert_string_equal(read_options("100-", 0, ""), "100-");
    assert_string_equal(read_options("1000-80000", 0, ""), "1000-80000");
    assert_string_equal(read_options("7-7", 0, ""), "7-7");
    assert_string_equal(read_options("-500", 0, ""), "-500");
    assert_string_equal(read_options("9223372036854775807-", 0, ""), "9223372036854775807-");
}

static void test_ranges_that_are_not_understood(void **state)
{
    static const char *const ranges[] = {"",
                                         "-",
                                         "5",
                                         "a-b",
                                         "5-4",
                                         "-0",
                                         "1-2,5-6",
                                         "1-,5-6",
                                         "-5,1-2",
                                         " 1-2",
                                         "1-2 ",
                                         "1 - 2",
                                         "+1-2",
                                         "0x1-2",
                                         "1--2",
                                         "1-2-3",
                                         "9223372036854775808-",
                                         "1-9223372036854775808",
                                         "99999999999999999999-"};
    (void) state;
    for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
        assert_string_equal(read_options(ranges[i], 0, ""), "unknown");
}

static void test_resume_replaces_range(void **state)
{
    (void) state;
    assert_string_equal(read_options(NULL, 900, ""), "900-");
    assert_string_equal(read_options("1-2", 900, ""), "900-");
    assert_string_equal(read_options(NULL, -900, ""), "unknown");
}

static void test_line_of_the_list_replaces_range(void **state)
{
    (void) state;
    assert_string_equal(read_options(NULL, 0, "A: b|Range: bytes=5-9|C: d"), "5-9");
    assert_string_equal(read_options("1-2", 0, "rAnGe:\tBytes=5- "), "5-");
    assert_string_equal(read_options(NULL, 0, "Range:bytes=-9"), "-9");
    assert_string_equal(read_options(NULL, 0, "Range: bytes=1-2,5-6"), "unknown");
    assert_string_equal(read_options(NULL, 0, "Range: bytes=1-2|Range: bytes=5-6"), "unknown");
    assert_string_equal(read_options(NULL, 0, "Range: lines=1-2"), "unknown");
    assert_string_equal(read_options(NULL, 0, "Range: bytes="), "unknown");
    assert_string_equal(read_options(NULL, 0, "Range: 1-2"), "unknown");
    assert_string_equal(read_options(NULL, 0, "Ranger: bytes=1-2|X-Range: bytes=1-2"), "whole");
    assert_string_equal(read_options("1-2", 0, "Range:"), "whole"); // the line removes the field
    assert_string_equal(read_options(NULL, 5, "Range: bytes=5-"), "unknown");
    assert_string_equal(read_options(NULL, 5, "Range:"), "unknown");
}

static void test_list_without_the_range(void **state)
{
    struct curl_slist *lines = list_of("Range: bytes=1-2|A: b|if-range: \"x\"|Range:|Ranger: c|Range;"), *copy;
    (void) state;
    assert_true(rb_fields_name(lines, "Range"));
    assert_true(rb_fields_without(lines, "Range If-Range", &copy));
    assert_string_equal(copy->data, "A: b");
    assert_string_equal(copy->next->data, "Ranger: c");
    assert_null(copy->next->next);
    free(copy);
    assert_true(rb_fields_without(list_of("Range: bytes=1-2"), "Range If-Range", &copy));
    assert_null(copy);
    assert_true(rb_fields_without(NULL, "Range If-Range", &copy));
    assert_null(copy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_range_option),           cmocka_unit_test(test_ranges_that_are_not_understood),
        cmocka_unit_test(test_resume_replaces_range),  cmocka_unit_test(test_line_of_the_list_replaces_range),
        cmocka_unit_test(test_list_without_the_range),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: MIT
// Validators and ranges: how header lines are read, and when two responses have the same bytes.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "curl/response/validator.h"

// The validator of a header block, its lines separated by '|'.
static struct rb_validator of(const char *lines)
{
    struct rb_validator validator;
    rb_validator_clear(&validator);
    for (const char *end; *lines; lines = *end ? end + 1 : end) {
        end = strchrnul(lines, '|');
        rb_validator_note(&validator, lines, (size_t) (end - lines));
    }
    return validator;
}

static void test_entity_tags(void **state)
{
    (void) state;
    assert_true(of("ETag: \"a\"\r\n").strong);
    assert_string_equal(of("eTAG:\t\"a b\" \r\n").etag, "\"a b\"");
    assert_true(of("ETag: \"\"").strong);
    assert_false(of("ETag: W/\"a\"").strong);
    assert_string_equal(of("ETag: W/\"a\"").etag, "W/\"a\"");
    assert_false(of("ETag: a").strong);
    assert_false(of("ETag: \"a").strong);
    assert_false(of("ETag: \"").strong);
    assert_false(of("ETag: \"a\"b\"").strong);
    assert_false(of("ETag: \"a\"|ETag: b").strong); // the last one counts
    assert_false(of("ETagged: \"a\"").strong);
    assert_false(of("ETag").strong);
}

static void test_entity_tag_too_long_to_keep(void **state)
{
    char line[512] = "ETag: ";
    (void) state;
    memset(line + 6, '"', RB_ETAG_SIZE);
    memset(line + 7, 'a', RB_ETAG_SIZE - 2);
    assert_string_equal(of(line).etag, "");
    assert_false(of(line).strong);
    strcpy(line + 6 + RB_ETAG_SIZE - 2, "\"");
    assert_int_equal(strlen(of(line).etag), RB_ETAG_SIZE - 1);
    assert_true(of(line).strong);
}

static void test_lengths(void **state)
{
    (void) state;
    assert_int_equal(of("Content-Length: 0").length, 0);
    assert_int_equal(of("content-length: 9223372036854775807").length, -1); // no server means that
    assert_int_equal(of("Content-Length: 92233720368547758").length, 92233720368547758);
    assert_int_equal(of("Content-Length: 99999999999999999999").length, -1);
    assert_int_equal(of("Content-Length: 5|Content-Length: 5").length, 5);
    assert_int_equal(of("Content-Length: 5|Content-Length: 6").length, -1);
    assert_int_equal(of("Content-Length: 5, 5").length, -1);
    assert_int_equal(of("Content-Length: -5").length, -1);
    assert_int_equal(of("Content-Length:").length, -1);
}

static void test_ranges(void **state)
{
    struct rb_validator part = of("Content-Range: bytes 10-99/100\r\n");
    (void) state;
    assert_true(part.partial);
    assert_int_equal(part.first, 10);
    assert_int_equal(part.last, 99);
    assert_int_equal(part.total, 100);
    assert_int_equal(of("Content-Range: BYTES 10-99/*").total, -1);
    assert_true(of("Content-Range: bytes 10-99/*").partial);
    assert_false(of("Content-Range: bytes */100").partial);
    assert_false(of("Content-Range: bytes 99-10/100").partial);
    assert_false(of("Content-Range: bytes 10-100/100").partial);
    assert_false(of("Content-Range: bytes 10-99/100x").partial);
    assert_false(of("Content-Range: bytes 10-99").partial);
    assert_false(of("Content-Range: bytes 10-").partial);
    assert_false(of("Content-Range: lines 10-99/100").partial);
    assert_false(of("Content-Range: bytes").partial);
    assert_true(of("Accept-Ranges: Bytes").ranges);
    assert_false(of("Accept-Ranges: none").ranges);
}

static void test_same_content(void **state)
{
    struct rb_validator a = of("ETag: \"a\"|Content-Encoding: gzip"), b = a;
    (void) state;
    assert_true(rb_validator_same_content(&a, &b));
    b = of("ETag: \"a\"|Content-Encoding: GZIP");
    assert_true(rb_validator_same_content(&a, &b));
    b = of("ETag: \"a\"");
    assert_false(rb_validator_same_content(&a, &b));
    b = of("ETag: \"b\"|Content-Encoding: gzip");
    assert_false(rb_validator_same_content(&a, &b));
    b = of("ETag: \"a\"|Content-Encoding: gzip|Content-Encoding: gzip"); // twice coded, or not: not known
    assert_false(rb_validator_same_content(&a, &b));
    assert_false(rb_validator_same_content(&b, &b));
    b = of("ETag: \"a\"|Content-Encoding: abcdefghijklmnopqrstuvwxyz0123456789");
    assert_false(rb_validator_same_content(&b, &b));
    b = of("ETag: W/\"a\"");
    assert_false(rb_validator_same_content(&b, &b));
}

static bool continues(const char *whole, const char *part, int64_t from)
{
    struct rb_validator a = of(whole), b = of(part);
    return rb_validator_continues(&a, &b, from);
}

static void test_continues(void **state)
{
    static const char sized[] = "ETag: \"a\"|Content-Length: 100", unsized[] = "ETag: \"a\"";
    (void) state;
    assert_true(continues(sized, "ETag: \"a\"|Content-Range: bytes 10-99/100", 10));
    assert_true(continues(sized, "ETag: \"a\"|Content-Range: bytes 10-99/*", 10));
    assert_false(continues(sized, "ETag: \"a\"|Content-Range: bytes 10-99/100", 11));
    assert_false(continues(sized, "ETag: \"a\"|Content-Range: bytes 10-98/100", 10));
    assert_false(continues(sized, "ETag: \"a\"|Content-Range: bytes 10-99/101", 10));
    assert_false(continues(sized, "ETag: \"b\"|Content-Range: bytes 10-99/100", 10));
    assert_false(continues(sized, "ETag: \"a\"", 10));
    assert_true(continues(unsized, "ETag: \"a\"|Content-Range: bytes 10-99/100", 10));
    assert_false(continues(unsized, "ETag: \"a\"|Content-Range: bytes 10-98/100", 10));
    assert_false(continues(unsized, "ETag: \"a\"|Content-Range: bytes 10-99/*", 10));
}

static void test_repeats(void **state)
{
    struct rb_validator a = of("ETag: \"a\"|Content-Length: 100"), b = a;
    (void) state;
    assert_true(rb_validator_repeats(&a, &b));
    b.length = 99;
    assert_false(rb_validator_repeats(&a, &b));
    b.length = -1;
    assert_false(rb_validator_repeats(&a, &b));
    b = of("ETag: \"a\"|Content-Length: 100|Content-Range: bytes 0-99/100");
    assert_false(rb_validator_repeats(&a, &b));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_entity_tags),  cmocka_unit_test(test_entity_tag_too_long_to_keep),
        cmocka_unit_test(test_lengths),      cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_same_content), cmocka_unit_test(test_continues),
        cmocka_unit_test(test_repeats),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

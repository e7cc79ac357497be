// SPDX-License-Identifier: MIT
// Decimal numbers of the command line and of file names.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/number.h"

static void reads_digits_up_to_the_maximum(void **state)
{
    (void) state;
    static const struct {
        const char *text;
        uint64_t max, number;
        const char *rest;
    } rows[] = {
        {"0", 0, 0, ""},           {"65535", 65535, 65535, ""}, {"007", 10, 7, ""},
        {"12.v3", 100, 12, ".v3"}, {"1 ", 1, 1, " "},           {"18446744073709551615", UINT64_MAX, UINT64_MAX, ""},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint64_t number;
        const char *rest = rb_number_read(rows[i].text, rows[i].max, &number);
        assert_non_null(rest);
        assert_string_equal(rest, rows[i].rest);
        assert_true(number == rows[i].number);
    }
}

static void rejects_signs_blanks_and_large_numbers(void **state)
{
    (void) state;
    static const char *const texts[] = {"", "-1", "+1", " 1", "x", ".5", "65536", "18446744073709551616"};
    uint64_t number;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        assert_null(rb_number_read(texts[i], 65535, &number));
    assert_null(rb_number_read("18446744073709551616", UINT64_MAX, &number));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_digits_up_to_the_maximum),
        cmocka_unit_test(rejects_signs_blanks_and_large_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

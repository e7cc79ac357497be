// SPDX-License-Identifier: MIT
// Errors in the form of compilers: the place of the caret, long lines that are cut, bytes that no terminal may get.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/policy/diagnose.h"

static char shown[4096];

static const char *show(bool colour, const struct rb_diagnostic *diagnostic)
{
    FILE *stream = fmemopen(shown, sizeof(shown), "w");
    assert_non_null(stream);
    rb_diagnose_print(stream, colour, diagnostic);
    fclose(stream);
    return shown;
}

static struct rb_diagnostic at(const char *text, unsigned column)
{
    return (struct rb_diagnostic){.file = "p.ini", .line = 7, .column = column, .text = text, .message = "wrong"};
}

static void test_place_and_caret(void **state)
{
    (void) state;
    struct rb_diagnostic d = at("retry.on = x", 12);
    assert_string_equal(show(false, &d), "p.ini:7:12: error: wrong\n  retry.on = x\n             ^\n");
    d.suggestion = "none";
    d.column = 1;
    assert_string_equal(show(false, &d), "p.ini:7:1: error: wrong; did you mean 'none'?\n  retry.on = x\n  ^\n");
}

// Tabs are copied, a character of several bytes takes one place, and a column past the end is shown behind the line.
static void test_caret_under_wide_text(void **state)
{
    (void) state;
    struct rb_diagnostic d = at("\ta\t= b", 4);
    assert_string_equal(show(false, &d), "p.ini:7:4: error: wrong\n  \ta\t= b\n  \t \t^\n");
    d = at("h\xc3\xb6st = x", 8);
    assert_string_equal(show(false, &d), "p.ini:7:8: error: wrong\n  h\xc3\xb6st = x\n        ^\n");
    d = at("ab", 3);
    assert_string_equal(show(false, &d), "p.ini:7:3: error: wrong\n  ab\n    ^\n");
    d = at("ab", 99);
    assert_string_equal(show(false, &d), "p.ini:7:99: error: wrong\n  ab\n    ^\n");
}

static void test_whole_file(void **state)
{
    (void) state;
    struct rb_diagnostic d = {.file = "p.ini", .message = "there is no such file"};
    assert_string_equal(show(false, &d), "p.ini: error: there is no such file\n");
}

// Escape sequences in a file must not reach the terminal.
static void test_control_characters(void **state)
{
    (void) state;
    struct rb_diagnostic d = at("a\x1b[31mb\tc\xff", 10);
    d.file = "p\n.ini";
    assert_string_equal(show(false, &d), "p\\x0a.ini:7:10: error: wrong\n  a\\x1b[31mb\tc\\xff\n            \t ^\n");
}

static void test_colour(void **state)
{
    (void) state;
    struct rb_diagnostic d = at("ab", 2);
    assert_string_equal(show(true, &d), "\x1b[1mp.ini\x1b[0m\x1b[1m:7:2: \x1b[0m\x1b[1;31merror: \x1b[0mwrong\n"
                                        "  ab\n   \x1b[1;32m^\x1b[0m\n");
}

// A long line is cut around the column. The caret is still below the column.
static void test_long_line(void **state)
{
    (void) state;
    char text[1001];
    memset(text, 'a', 1000);
    text[1000] = '\0';
    text[499] = 'X';
    struct rb_diagnostic d = at(text, 500);
    const char *line = strchr(show(false, &d), '\n') + 1, *caret = strchr(line, '\n') + 1;
    assert_int_equal(strncmp(line, "  ...aaa", 8), 0);
    assert_true(caret - line < 250);
    assert_int_equal(strcspn(line, "X"), strcspn(caret, "^"));
    d.column = 1000;
    line = strchr(show(false, &d), '\n') + 1;
    caret = strchr(line, '\n') + 1;
    assert_int_equal(caret - line - 2, strcspn(caret, "^"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_place_and_caret), cmocka_unit_test(test_caret_under_wide_text),
        cmocka_unit_test(test_whole_file),      cmocka_unit_test(test_control_characters),
        cmocka_unit_test(test_colour),          cmocka_unit_test(test_long_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

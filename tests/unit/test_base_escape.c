// SPDX-License-Identifier: MIT
// The forms in which names from outside are shown.
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/escape.h"
#include "base/text.h"

enum { SHOWN_SIZE = 256 };

static const char *show(const char *text)
{
    static char shown[SHOWN_SIZE];
    rb_escape_fit(shown, sizeof(shown), text, sizeof(shown));
    return shown;
}

static const char *quote(const char *text)
{
    static char quoted[SHOWN_SIZE];
    memset(quoted, 0, sizeof(quoted));
    rb_text_json(&(struct rb_text){.at = quoted, .size = sizeof(quoted) - 1}, text);
    return quoted;
}

#define BAD "\xef\xbf\xbd" // U+FFFD

static void test_forms(void **state)
{
    static const struct {
        const char *raw, *text, *json;
    } rows[] = {
        {"api.example:443", "api.example:443", "\"api.example:443\""},
        {"b\xc3\xbc"
         "cher.\xe4\xbe\x8b\xe3\x81\x88",
         "b\xc3\xbc"
         "cher.\xe4\xbe\x8b\xe3\x81\x88",
         "\"b\xc3\xbc"
         "cher.\xe4\xbe\x8b\xe3\x81\x88\""},
        {"\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80", "\"\xf0\x9f\x98\x80\""},
        {"a\"b", "a\"b", "\"a\\\"b\""},
        {"\x1b[31m", "\\x1b[31m", "\"\\u001b[31m\""},
        {"a\n\t\r\x7f", "a\\x0a\\x09\\x0d\\x7f", "\"a\\u000a\\u0009\\u000d\\u007f\""},
        {"\xc2\x80\xc2\x9b\xc2\x9f\xc2\xa1", "\\u0080\\u009b\\u009f\xc2\xa1", "\"\\u0080\\u009b\\u009f\xc2\xa1\""},
        {"\xd8\x9c", "\\u061c", "\"\\u061c\""},                               // Arabic letter mark
        {"\xe2\x80\x8b\xe2\x80\x8f", "\\u200b\\u200f", "\"\\u200b\\u200f\""}, // zero width, right-to-left
        {"\xe2\x80\xa8\xe2\x80\xa9\xe2\x80\xae", "\\u2028\\u2029\\u202e", "\"\\u2028\\u2029\\u202e\""},
        {"\xe2\x81\xa6\xe2\x81\xa9", "\\u2066\\u2069", "\"\\u2066\\u2069\""}, // isolates
        {"\xef\xbb\xbf", "\\ufeff", "\"\\ufeff\""},                           // byte order mark
        {"\xf3\xa0\x81\x81", "\\U000e0041", "\"\\udb40\\udc41\""},            // a tag character
        {"\xff\xfe", "\\xff\\xfe", "\"" BAD BAD "\""},
        {"\x9b", "\\x9b", "\"" BAD "\""},              // C1 as a single byte
        {"\xe2\x82", "\\xe2\\x82", "\"" BAD BAD "\""}, // cut
        {"\xe2\x82.", "\\xe2\\x82.", "\"" BAD BAD ".\""},
        {"\xc0\xaf\xe0\x9f\xbf", "\\xc0\\xaf\\xe0\\x9f\\xbf", "\"" BAD BAD BAD BAD BAD "\""}, // overlong
        {"\xed\xa0\x80", "\\xed\\xa0\\x80", "\"" BAD BAD BAD "\""},                           // a surrogate
        {"\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80", "\"" BAD BAD BAD BAD "\""},              // beyond U+10FFFF
        {"a\\b", "a\\b", "\"a\\\\b\""},
        {"a\\xff", "a\\\\xff", "\"a\\\\xff\""}, // not the form of a byte
        {"a\\\\x\\", "a\\\\\\\\x\\", "\"a\\\\\\\\x\\\\\""},
        {"\\\xff", "\\\\\\xff", "\"\\\\" BAD "\""},
    };
    (void) state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_string_equal(show(rows[i].raw), rows[i].text);
        assert_string_equal(quote(rows[i].raw), rows[i].json);
    }
}

static void test_every_control_is_hidden(void **state)
{
    (void) state;
    for (uint32_t code = 1; code < 0x2100; code++) {
        char raw[4] = "";
        if (code < 0x80)
            snprintf(raw, sizeof(raw), "%c", (int) code);
        else if (code < 0x800)
            snprintf(raw, sizeof(raw), "%c%c", (int) (0xc0 | code >> 6), (int) (0x80 | (code & 63)));
        else
            snprintf(raw, sizeof(raw), "%c%c%c", (int) (0xe0 | code >> 12), (int) (0x80 | (code >> 6 & 63)),
                     (int) (0x80 | (code & 63)));
        bool control = code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x61c || code == 0x200e ||
                       code == 0x200f || (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
        assert_true(!control || (!strstr(show(raw), raw) && !strstr(quote(raw), raw)));
        assert_true(code < ' ' || code > '~' || strcmp(show(raw), raw) == 0);
    }
}

// Reads the form RB_ESCAPE_TEXT back, for test_forms_are_different.
static size_t unescape(const char *shown, char *out)
{
    size_t length = 0;
    while (*shown) {
        unsigned code;
        if (shown[0] == '\\' && shown[1] == 'x' && sscanf(shown + 2, "%2x", &code) == 1) {
            out[length++] = (char) code;
            shown += 4;
        } else if (shown[0] == '\\' && shown[1] == 'u' && sscanf(shown + 2, "%4x", &code) == 1) {
            if (code >= 0x800)
                out[length++] = (char) (0xe0 | code >> 12);
            out[length++] = (char) (code >= 0x800 ? 0x80 | (code >> 6 & 63) : 0xc0 | code >> 6);
            out[length++] = (char) (0x80 | (code & 63));
            shown += 6;
        } else {
            shown += shown[0] == '\\' && shown[1] == '\\';
            out[length++] = *shown++;
        }
    }
    out[length] = '\0';
    return length;
}

static void test_forms_are_different(void **state)
{
    static const char bytes[] = "\\xuUf0\"a\x1b\xc2\x9b\xe2\x80\xae\xff";
    (void) state;
    srand(1);
    for (unsigned round = 0; round < 100000; round++) {
        char raw[12] = "", back[SHOWN_SIZE];
        for (unsigned i = 0, length = (unsigned) rand() % 11; i < length; i++)
            raw[i] = bytes[(unsigned) rand() % (sizeof(bytes) - 1)];
        unescape(show(raw), back);
        assert_string_equal(back, raw);
    }
}

static void test_fit(void **state)
{
    static const struct {
        const char *raw;
        size_t columns;
        const char *shown;
        size_t used;
    } rows[] = {
        {"abcd", 4, "abcd", 4},
        {"abcde", 4, "abc~", 4},
        {"a", 1, "a", 1},
        {"ab", 1, "~", 1},
        {"", 1, "", 0},
        {"\xc3\xa4\xc3\xb6\xc3\xbc", 3, "\xc3\xa4\xc3\xb6\xc3\xbc", 3},
        {"\xc3\xa4\xc3\xb6\xc3\xbc", 2, "\xc3\xa4~", 2},
        {"\xe4\xbe\x8b\xe4\xbe\x8b", 4, "\xe4\xbe\x8b\xe4\xbe\x8b", 4}, // wide
        {"\xe4\xbe\x8b\xe4\xbe\x8b", 3, "\xe4\xbe\x8b~", 3},
        {"a\xcc\x88z", 2, "a\xcc\x88z", 2}, // combining
        {"ab\xff", 6, "ab\\xff", 6},
        {"ab\xff", 5, "ab~", 3}, // no half of a form
    };
    (void) state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char shown[SHOWN_SIZE];
        assert_int_equal(rb_escape_fit(shown, sizeof(shown), rows[i].raw, rows[i].columns), rows[i].used);
        assert_string_equal(shown, rows[i].shown);
        assert_int_equal(rb_escape_fitting(shown, rows[i].used), strlen(shown));
    }
    assert_int_equal(rb_escape_fitting("a\xe4\xbe\x8b", 2), 1);
}

static void test_small_buffers(void **state)
{
    (void) state;
    for (size_t size = 1; size < 12; size++) {
        char *out = malloc(size); // an overrun is an error of AddressSanitizer
        rb_escape_fit(out, size, "a\xe2\x80\xae\xe4\xbe\x8b\xff", 80);
        assert_true(strlen(out) < size);
        free(out);
    }
}

static void test_whole(void **state)
{
    static const char text[] = "a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80";
    static const size_t whole[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10};
    (void) state;
    for (size_t length = 0; length < sizeof(whole) / sizeof(whole[0]); length++)
        assert_int_equal(rb_escape_whole(text, length), whole[length]);
    assert_int_equal(rb_escape_whole("a\x80\x80\x80\x80", 5), 5); // no character begins there
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms),
        cmocka_unit_test(test_every_control_is_hidden),
        cmocka_unit_test(test_forms_are_different),
        cmocka_unit_test(test_fit),
        cmocka_unit_test(test_small_buffers),
        cmocka_unit_test(test_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

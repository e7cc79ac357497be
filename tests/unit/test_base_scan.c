// SPDX-License-Identifier: MIT
// Tests of the JSON scanner: the tokens of valid texts, each prefix of them, and invalid texts.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/scan.h"

// Scans a copy without a terminator and of exact size, so that a sanitizer sees a read past the end. Writes a letter
// for each token; returns the last one.
static enum rb_scan_token scan(const char *text, size_t length, char *letters)
{
    static const char names[] = "{[ckso";
    char *copy = malloc(length > 0 ? length : 1);
    enum rb_scan_token token;
    assert_non_null(copy);
    memcpy(copy, text, length);
    struct rb_scan scan = rb_scan_begin((struct rb_slice){copy, length});
    while ((token = rb_scan_next(&scan)) < RB_SCAN_END)
        *letters++ = names[token];
    *letters = '\0';
    assert_int_equal(rb_scan_next(&scan), token);
    free(copy);
    return token;
}

static const struct {
    const char *text, *letters;
} valid[] = {
    {"{}", "{c"},
    {" [ ] ", "[c"},
    {"\"\"", "s"},
    {"0", "o"},
    {"-1.50e+07", "o"},
    {"[true,false,null]", "[oooc"},
    {"{\"a\":1,\"b\":[{\"c\":\"d\"},[]],\"\":\"\\u00e4\\\"\\\\\\/\\b\\f\\n\\r\\t\"}", "{kok[{ksc[ccksc"},
    {"\t\r\n{\"k\" : \"v\" , \"l\" : -0 }\n", "{kskoc"},
};

static void test_valid(void **state)
{
    char letters[128];
    (void) state;
    for (size_t i = 0; i < sizeof(valid) / sizeof(valid[0]); i++) {
        assert_int_equal(scan(valid[i].text, strlen(valid[i].text), letters), RB_SCAN_END);
        assert_string_equal(letters, valid[i].letters);
    }
}

// A text that ends too early is no invalid text.
static void test_cut(void **state)
{
    char letters[128];
    (void) state;
    for (size_t i = 0; i < sizeof(valid) / sizeof(valid[0]); i++) {
        size_t length = strlen(valid[i].text);
        bool number = valid[i].letters[0] == 'o';
        while (length > 0 && strchr(" \n", valid[i].text[length - 1]))
            length--;
        for (size_t cut = 0; cut < length; cut++) {
            enum rb_scan_token token = scan(valid[i].text, cut, letters);
            assert_true(token == RB_SCAN_CUT || (number && token == RB_SCAN_END));
            assert_memory_equal(letters, valid[i].letters, strlen(letters));
        }
    }
}

static void test_invalid(void **state)
{
    static const char *const texts[] = {
        "{,}",      "[1,]",       "[,1]",      "{\"a\"}",
        "{\"a\":}", "{\"a\":1,}", "{1:2}",     "[1 2]",
        "[1}",      "{\"a\":1]",  "]",         "}",
        "1 2",      "[]x",        "01",        "[01]",
        "[1.]",     "[.5]",       "[+1]",      "[1e]",
        "[-]",      "[- 1]",      "[tru]",     "[True]",
        "[truex]",  "nulll",      "[\"\\x\"]", "[\"\\u12g4\"]",
        "[\"\n\"]", "[\"\x01\"]", "'a'",       "{\"a\":1 \"b\":2}",
        "[NaN]",    "[0x1]",      "//",        "\xef\xbb\xbf[]",
    };
    char letters[128];
    (void) state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        if (scan(texts[i], strlen(texts[i]), letters) != RB_SCAN_INVALID)
            fail_msg("not invalid: %s", texts[i]);
    assert_int_equal(scan("[\"\0\"]", 5, letters), RB_SCAN_INVALID);
    assert_int_equal(scan("[\"\\\0\"]", 6, letters), RB_SCAN_INVALID);
}

static void test_depth(void **state)
{
    char text[2 * RB_SCAN_DEPTH_MAX + 3], letters[sizeof(text)];
    (void) state;
    for (size_t depth = RB_SCAN_DEPTH_MAX; depth <= RB_SCAN_DEPTH_MAX + 1; depth++) {
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        bool fits = depth == RB_SCAN_DEPTH_MAX;
        assert_int_equal(scan(text, 2 * depth, letters), fits ? RB_SCAN_END : RB_SCAN_INVALID);
    }
}

static void test_is(void **state)
{
    (void) state;
    assert_true(rb_scan_is(rb_slice_of("code"), "code"));
    assert_true(rb_scan_is(rb_slice_of("\\u0063o\\u0064e"), "code"));
    assert_true(rb_scan_is(rb_slice_of("a\\/b\\n"), "a/b\n"));
    assert_true(rb_scan_is(rb_slice_of(""), ""));
    assert_false(rb_scan_is(rb_slice_of("cod"), "code"));
    assert_false(rb_scan_is(rb_slice_of("codex"), "code"));
    assert_false(rb_scan_is(rb_slice_of("Code"), "code"));
    assert_false(rb_scan_is(rb_slice_of("code\\u0000"), "code"));
    assert_false(rb_scan_is(rb_slice_of("\\u0163ode"), "code"));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_valid), cmocka_unit_test(test_cut), cmocka_unit_test(test_invalid),
        cmocka_unit_test(test_depth), cmocka_unit_test(test_is),
    };
    return cmocka_run_group_tests_name("base scan", tests, NULL, NULL);
}

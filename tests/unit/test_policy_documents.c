// SPDX-License-Identifier: MIT
// The manual, the shipped policy and the shell completion agree with the table of keys.
//
// With REBOUND_UPDATE=1 in the environment the test writes the tables of the manual and the words of the completion
// anew, in place of a comparison.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "document.h"

#include "policy/key.h"

#define CONFIG RB_SOURCE_DIR "/config/"

static char document[128 * 1024], made[32 * 1024];

static void read_document(const char *path)
{
    document_read(path, document, sizeof(document));
}

static void add(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void add(const char *format, ...)
{
    size_t length = strlen(made);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(made + length, sizeof(made) - length, format, arguments);
    va_end(arguments);
    assert_true(strlen(made) < sizeof(made) - 1);
}

// Text as scdoc takes it: a star and an underscore would begin bold and underlined text.
static void add_plain(const char *text)
{
    for (; *text; text++)
        add(*text == '*' || *text == '_' ? "\\%c" : "%c", *text);
}

static void make_table(const struct rb_key *keys, unsigned count)
{
    made[0] = '\0';
    add("|[ *key*\n:< *default*\n:< *values*\n");
    for (unsigned i = 0; i < count; i++) {
        char expected[RB_KEY_EXPECTS_SIZE];
        rb_key_kind_expects(&keys[i], "rebound.log", expected, sizeof(expected));
        add("|  *%s*\n:  ", keys[i].name);
        add_plain(keys[i].fallback[0] ? keys[i].fallback : "(none)");
        add("\n:  ");
        add_plain(expected);
        add("\n");
    }
    add("\n"); // ends a table of scdoc
}

// Compares what stands between two marks of the document with `made`, or writes it there.
static void check_block(const char *path, const char *comment, const char *name)
{
    char begin[64], end[64];
    read_document(path);
    snprintf(begin, sizeof(begin), "%s begin %s\n", comment, name);
    snprintf(end, sizeof(end), "%s end %s\n", comment, name);
    char *start = strstr(document, begin);
    assert_non_null(start);
    start += strlen(begin);
    char *stop = strstr(start, end);
    assert_non_null(stop);
    if (getenv("REBOUND_UPDATE")) {
        FILE *file = fopen(path, "w");
        assert_non_null(file);
        fprintf(file, "%.*s%s%s", (int) (start - document), document, made, stop);
        assert_int_equal(fclose(file), 0);
        return;
    }
    if (strlen(made) != (size_t) (stop - start) || memcmp(made, start, strlen(made)) != 0)
        fail_msg("%s: the part '%s' is not as the table of keys says. Run this test with REBOUND_UPDATE=1. It should "
                 "be:\n%s",
                 path, name, made);
}

static void test_manual(void **state)
{
    unsigned count;
    (void) state;
    const struct rb_key *keys = rb_key_table(&count);
    make_table(keys, count);
    check_block(CONFIG "man/rebound-policy.5.scd", ";", "keys of a section");
    keys = rb_key_process_table(&count);
    make_table(keys, count);
    check_block(CONFIG "man/rebound-policy.5.scd", ";", "keys of [rebound]");
}

// The paragraphs of the manual.
static void check_paragraphs(const struct rb_key *keys, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        made[0] = '\0';
        add("\n*%s* = ", keys[i].name);
        add_plain(keys[i].fallback[0] ? keys[i].fallback : "(none)");
        add("\n\t");
        if (!strstr(document, made))
            fail_msg("the manual has no paragraph '%s'", made + 1);
    }
}

static void test_paragraphs(void **state)
{
    unsigned count;
    (void) state;
    read_document(CONFIG "man/rebound-policy.5.scd");
    const struct rb_key *keys = rb_key_table(&count);
    assert_true(count > 0);
    check_paragraphs(keys, count);
    keys = rb_key_process_table(&count);
    assert_true(count > 0);
    check_paragraphs(keys, count);
}

// Two keys stand in a comment: the default of timeout.total differs from naming it, and no file can write an empty
// list.
static const char *check_lines(const char *from, const struct rb_key *keys, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        bool comment = strcmp(keys[i].name, "timeout.total") == 0 || keys[i].fallback[0] == '\0';
        made[0] = '\0';
        add("\n%s%s = %s%s", comment ? "; " : "", keys[i].name, keys[i].fallback, keys[i].fallback[0] ? "\n" : "");
        const char *line = strstr(from, made);
        if (!line)
            fail_msg("default.ini has no line '%s' behind the line of the key before", made + 1);
        from = line + strlen(made) - 1;
    }
    return from;
}

static void test_default_ini(void **state)
{
    unsigned count;
    (void) state;
    read_document(CONFIG "default.ini");
    const char *at = strstr(document, "\n[rebound]\n");
    assert_non_null(at);
    const struct rb_key *keys = rb_key_process_table(&count);
    at = strstr(check_lines(at, keys, count), "\n[default]\n");
    assert_non_null(at);
    keys = rb_key_table(&count);
    check_lines(at, keys, count);
}

static void test_completion(void **state)
{
    unsigned count;
    (void) state;
    const struct rb_key *log = &rb_key_process_table(&count)[rb_key_find_process("log")];
    made[0] = '\0';
    add("rebound_log_words=\"");
    for (unsigned i = 0; log->words[i]; i++)
        add("%s%s", i > 0 ? " " : "", log->words[i]);
    add("\"\n");
    check_block(CONFIG "completion/rebound.bash", "#", "words of [rebound]");
    const struct rb_key *keys = rb_key_table(&count);
    made[0] = '\0';
    add("rebound_keys=\"");
    for (unsigned i = 0; i < count; i++)
        add("%s%s", i > 0 ? " " : "", keys[i].name);
    add("\"\n");
    check_block(CONFIG "completion/rebound.bash", "#", "keys of a section");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_manual),
        cmocka_unit_test(test_paragraphs),
        cmocka_unit_test(test_default_ini),
        cmocka_unit_test(test_completion),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

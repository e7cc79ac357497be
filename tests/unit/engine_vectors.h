// SPDX-License-Identifier: MIT
// Reads the tables under tests/vectors and makes a cmocka test of every row.
#ifndef RB_TESTS_ENGINE_VECTORS_H
#define RB_TESTS_ENGINE_VECTORS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { VECTOR_FIELDS = 17 };

// One line of a table: fields separated by tabs, the first one is the row's name. Missing fields are "".
struct vector_row {
    char *name; // with the file's name, for the test's title
    const char *field[VECTOR_FIELDS];
};

// A table and the test that runs for each of its rows; *state is the struct vector_row.
struct vector_table {
    const char *file;
    CMUnitTestFunction test;
};

static inline void vector_die(const char *what, const char *which)
{
    fprintf(stderr, "vectors: %s: %s\n", what, which);
    exit(1);
}

static inline struct vector_row *vector_parse(const char *file, char *line)
{
    struct vector_row *row = calloc(1, sizeof(*row));
    if (row == NULL)
        vector_die("no memory", file);
    size_t count = 0;
    for (char *field; (field = strsep(&line, "\t")) != NULL;) {
        if (count == VECTOR_FIELDS)
            vector_die("too many fields", file);
        row->field[count++] = field;
    }
    while (count < VECTOR_FIELDS)
        row->field[count++] = "";
    size_t size = strlen(file) + strlen(row->field[0]) + 3;
    row->name = malloc(size);
    if (row->name == NULL)
        vector_die("no memory", file);
    snprintf(row->name, size, "%s: %s", file, row->field[0]);
    return row;
}

// Appends a test for each row of the table; lines that begin with # are comments, the first other line has the titles.
static inline size_t vector_load(const struct vector_table *table, struct CMUnitTest **tests, size_t count)
{
    char path[4096];
    char *line = NULL;
    size_t capacity = 0;
    bool titles = true;
    snprintf(path, sizeof(path), "%s/tests/vectors/%s", RB_SOURCE_DIR, table->file);
    FILE *stream = fopen(path, "r");
    if (stream == NULL)
        vector_die("cannot open", path);
    while (getline(&line, &capacity, stream) > 0) {
        line[strcspn(line, "\n")] = '\0';
        if (line[0] == '#' || titles) {
            titles = titles && line[0] == '#';
            continue;
        }
        struct vector_row *row = vector_parse(table->file, line);
        *tests = realloc(*tests, (count + 1) * sizeof(**tests));
        if (*tests == NULL)
            vector_die("no memory", path);
        (*tests)[count++] = (struct CMUnitTest){.name = row->name, .test_func = table->test, .initial_state = row};
        line = NULL; // the row keeps it
        capacity = 0;
    }
    free(line);
    fclose(stream);
    return count;
}

// Runs the tests of all tables (the last has a NULL file) and then the given ones. Returns the number of failures.
static inline int vector_run(const char *group, const struct vector_table *tables, const struct CMUnitTest *others,
                             size_t other_count)
{
    struct CMUnitTest *tests = NULL;
    size_t count = 0;
    for (; tables->file != NULL; tables++) {
        size_t before = count;
        count = vector_load(tables, &tests, count);
        if (count == before)
            vector_die("no rows", tables->file);
    }
    tests = realloc(tests, (count + other_count) * sizeof(*tests));
    if (tests == NULL)
        vector_die("no memory", group);
    memcpy(tests + count, others, other_count * sizeof(*tests));
    int failed = _cmocka_run_group_tests(group, tests, count + other_count, NULL, NULL);
    for (size_t i = 0; i < count; i++) {
        struct vector_row *row = tests[i].initial_state;
        free((char *) row->field[0]);
        free(row->name);
        free(row);
    }
    free(tests);
    return failed;
}

// The field as a number; "max" is UINT64_MAX. Anything else fails the test.
static inline uint64_t vector_number(const char *text)
{
    char *end;
    uint64_t value = strcmp(text, "max") == 0 ? UINT64_MAX : strtoull(text, &end, 10);
    if (strcmp(text, "max") != 0 && (end == text || *end != '\0'))
        fail_msg("\"%s\" is not a number", text);
    return value;
}

// The index of `word` in the NULL-terminated list.
static inline unsigned vector_word(const char *word, const char *const *list)
{
    for (unsigned i = 0; list[i] != NULL; i++)
        if (strcmp(list[i], word) == 0)
            return i;
    fail_msg("\"%s\" is not a known word", word);
    return 0;
}

// A reproducible random number; the state must not be 0.
static inline uint32_t vector_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return (uint32_t) (*state >> 32);
}

#endif

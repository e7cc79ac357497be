// SPDX-License-Identifier: MIT
// Reads a document of the project for the tests that compare documents with the code.
#ifndef RB_TESTS_DOCUMENT_H
#define RB_TESTS_DOCUMENT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

// Reads the whole file into `text`, terminated. Fails the test if the file cannot be read or does not fit.
static inline void document_read(const char *path, char *text, size_t size)
{
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    size_t length = fread(text, 1, size - 1, file);
    assert_true(feof(file));
    text[length] = '\0';
    fclose(file);
}

#endif

// SPDX-License-Identifier: MIT
// JSON on stdout, through cJSON.
#ifndef RB_CLI_JSON_H
#define RB_CLI_JSON_H

#include <cjson/cJSON.h>

// Adds a string, or null for NULL. Bytes that are not UTF-8 become U+FFFD: file names may hold anything, JSON may not.
void rb_json_add_text(cJSON *object, const char *name, const char *text);

// Appends a string to an array, cleaned alike.
void rb_json_append_text(cJSON *array, const char *text);

// Prints a value with a newline and frees it. Returns 0, or -ENOMEM when the value could not be made or printed.
int rb_json_print(cJSON *value);

#endif

// SPDX-License-Identifier: MIT
// Prints JSON on stdout, using cJSON.
#ifndef RB_CLI_JSON_H
#define RB_CLI_JSON_H

#include <cjson/cJSON.h>

// Adds a string in the form RB_ESCAPE_JSON (base/escape.h), or null for NULL.
void rb_json_add_text(cJSON *object, const char *name, const char *text);

// Appends such a string to an array.
void rb_json_append_text(cJSON *array, const char *text);

// Prints a value with a newline and frees it. Returns 0 or -ENOMEM.
int rb_json_print(cJSON *value);

#endif

// SPDX-License-Identifier: MIT
// Prints JSON on stdout, using cJSON.
#ifndef RB_CLI_JSON_H
#define RB_CLI_JSON_H

#include <cjson/cJSON.h>

// Adds a string, or null for NULL. Invalid UTF-8 becomes U+FFFD, because file names may contain it and JSON may not.
void rb_json_add_text(cJSON *object, const char *name, const char *text);

// Appends a string to an array, with the same replacement.
void rb_json_append_text(cJSON *array, const char *text);

// Prints a value with a newline and frees it. Returns 0 or -ENOMEM.
int rb_json_print(cJSON *value);

#endif

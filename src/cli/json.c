// SPDX-License-Identifier: MIT
// Prints JSON on stdout. Strings are quoted here, because cJSON passes invalid UTF-8 and C1 control characters on.
#include "cli/json.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/escape.h"
#include "base/text.h"

// Returns the text as a JSON string with its quotes, or NULL without memory. The caller frees it.
static char *json_quote(const char *text)
{
    struct rb_text quoted = {.size = strlen(text) * RB_ESCAPED_SIZE + 2};
    quoted.at = calloc(1, quoted.size + 1);
    if (quoted.at)
        rb_text_json(&quoted, text);
    return quoted.at;
}

void rb_json_add_text(cJSON *object, const char *name, const char *text)
{
    char *quoted = text ? json_quote(text) : NULL;
    if (quoted)
        cJSON_AddRawToObject(object, name, quoted);
    else
        cJSON_AddNullToObject(object, name);
    free(quoted);
}

void rb_json_append_text(cJSON *array, const char *text)
{
    char *quoted = json_quote(text);
    cJSON_AddItemToArray(array, quoted ? cJSON_CreateRaw(quoted) : cJSON_CreateNull());
    free(quoted);
}

int rb_json_print(cJSON *value)
{
    char *text = value ? cJSON_Print(value) : NULL;
    cJSON_Delete(value);
    if (!text)
        return -ENOMEM;
    puts(text);
    cJSON_free(text);
    return 0;
}

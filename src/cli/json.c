// SPDX-License-Identifier: MIT
// Prints JSON on stdout and replaces invalid text.
#include "cli/json.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char replacement[] = "\xef\xbf\xbd";

// The length of the UTF-8 sequence at `text` (RFC 3629, section 4), 0 if it is invalid. Never reads past the NUL,
// because NUL is not a continuation byte.
static size_t sequence(const unsigned char *text)
{
    if (text[0] < 0x80)
        return 1;
    size_t length = text[0] >= 0xf0 ? 4 : text[0] >= 0xe0 ? 3 : 2;
    if (text[0] < 0xc2 || text[0] > 0xf4)
        return 0;
    if ((text[0] == 0xe0 && text[1] < 0xa0) || (text[0] == 0xed && text[1] > 0x9f) ||
        (text[0] == 0xf0 && text[1] < 0x90) || (text[0] == 0xf4 && text[1] > 0x8f))
        return 0;
    for (size_t i = 1; i < length; i++)
        if ((text[i] & 0xc0) != 0x80)
            return 0;
    return length;
}

// Returns a copy in which invalid UTF-8 is replaced. The caller frees it.
static char *cleaned(const char *text)
{
    char *copy = malloc(strlen(text) * (sizeof(replacement) - 1) + 1), *to = copy;
    while (copy && *text) {
        size_t length = sequence((const unsigned char *) text);
        memcpy(to, length ? text : replacement, length ? length : sizeof(replacement) - 1);
        to += length ? length : sizeof(replacement) - 1;
        text += length ? length : 1;
    }
    if (copy)
        *to = '\0';
    return copy;
}

void rb_json_add_text(cJSON *object, const char *name, const char *text)
{
    char *copy = text ? cleaned(text) : NULL;
    if (copy)
        cJSON_AddStringToObject(object, name, copy);
    else
        cJSON_AddNullToObject(object, name);
    free(copy);
}

void rb_json_append_text(cJSON *array, const char *text)
{
    char *copy = cleaned(text);
    cJSON_AddItemToArray(array, copy ? cJSON_CreateString(copy) : cJSON_CreateNull());
    free(copy);
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

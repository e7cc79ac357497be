// SPDX-License-Identifier: MIT
// Parses the lines of the program's header list.
#include "curl/fields.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/list.h"
#include "engine/call.h"
#include "real/libcurl.h"

static const char blanks[] = " \t\r\n\v\f"; // what libcurl's ISSPACE accepts

// Follows Curl_add_custom_headers of libcurl. A line with a colon is a field if it has a value. A line without a colon
// is an empty field if it ends with a semicolon.
static bool read_line(const char *line, struct rb_field *field)
{
    const char *colon = strchr(line, ':');
    const char *end = colon ? colon : strchr(line, ';');
    if (!end || end == line)
        return false;
    *field = (struct rb_field){.name = line, .name_length = (size_t) (end - line)};
    field->value = end + 1 + strspn(end + 1, blanks);
    field->value_length = strlen(field->value);
    if (!colon)
        return field->value_length == 0;
    while (field->value_length > 0 && strchr(blanks, field->value[field->value_length - 1]))
        field->value_length--;
    return field->value_length > 0;
}

bool rb_fields_next(const struct curl_slist **line, struct rb_field *field)
{
    while (*line) {
        const char *text = (*line)->data;
        *line = (*line)->next;
        if (text && read_line(text, field))
            return true;
    }
    return false;
}

bool rb_field_is(const struct rb_field *field, const char *name)
{
    return strlen(name) == field->name_length && strncasecmp(field->name, name, field->name_length) == 0;
}

// Returns true if the name of the line is in the list, as libcurl reads it (Curl_checkheaders).
static bool has_name(const struct curl_slist *line, const char *names)
{
    return line->data && rb_list_holds(names, line->data, strcspn(line->data, ":;"), true);
}

bool rb_fields_name(const struct curl_slist *lines, const char *name)
{
    for (; lines; lines = lines->next)
        if (has_name(lines, name))
            return true;
    return false;
}

bool rb_fields_without(const struct curl_slist *lines, const char *names, struct curl_slist **out)
{
    size_t count = 0, kept = 0;
    for (const struct curl_slist *line = lines; line; line = line->next)
        count += !has_name(line, names);
    *out = count > 0 ? malloc(count * sizeof(**out)) : NULL;
    if (count > 0 && !*out)
        return false;
    for (; lines && kept < count; lines = lines->next)
        if (!has_name(lines, names)) {
            (*out)[kept] =
                (struct curl_slist){.data = lines->data, .next = kept + 1 < count ? &(*out)[kept + 1] : NULL};
            kept++;
        }
    return true;
}

bool rb_fields_have(const struct curl_slist *lines, const char *names)
{
    struct rb_field field;
    while (rb_fields_next(&lines, &field))
        if (rb_list_holds(names, field.name, field.name_length, true))
            return true;
    return false;
}

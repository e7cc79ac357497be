// SPDX-License-Identifier: MIT
// Reads the program's own request header fields (CURLOPT_HTTPHEADER) as libcurl does. Pure functions.
#ifndef RB_CURL_FIELDS_H
#define RB_CURL_FIELDS_H

#include <stdbool.h>
#include <stddef.h>

struct curl_slist;

// One request field. Points into the program's list; not NUL-terminated.
struct rb_field {
    const char *name;
    size_t name_length;
    const char *value; // without surrounding blanks; may be empty
    size_t value_length;
};

// Reads the next field that libcurl sends: "Name: value", or "Name;" for an empty value. Skips "Name:" without a value,
// which removes a field. Returns false at the end of the list.
//   line: in: the line to start at; out: the line after the field
bool rb_fields_next(const struct curl_slist **line, struct rb_field *field);

// True when the field has this name, regardless of case.
bool rb_field_is(const struct rb_field *field, const char *name);

// True when a line of the list has this name, even if the line removes the field or is malformed.
bool rb_fields_name(const struct curl_slist *lines, const char *name);

// Copies the list without the lines of these names. The texts are not copied. Returns false without memory.
//   names: separated by one space
//   out: receives the copy, which is one allocation that the caller frees; NULL: no line is left
bool rb_fields_without(const struct curl_slist *lines, const char *names, struct curl_slist **out);

// True when the list contains one of these fields.
//   names: separated by one space, as in the rules
bool rb_fields_have(const struct curl_slist *lines, const char *names);

#endif

// SPDX-License-Identifier: MIT
// The header fields that a program sets itself (CURLOPT_HTTPHEADER), read as libcurl reads them. Pure.
#ifndef RB_HTTP_FIELDS_H
#define RB_HTTP_FIELDS_H

#include <stdbool.h>
#include <stddef.h>

struct curl_slist;

// One field of a request. Not terminated; points into the program's list.
struct rb_field {
    const char *name;
    size_t name_length;
    const char *value; // without blanks on both sides; may be empty
    size_t value_length;
};

// Reads the next field that libcurl sends: "Name: value", or "Name;" for an empty value. "Name:" without a value
// removes a field of libcurl's own and is passed over.
//   line: in: where to begin; out: the line after it
// Returns false at the end of the list.
bool rb_fields_next(const struct curl_slist **line, struct rb_field *field);

// Whether the field has this name. The case does not matter.
bool rb_field_is(const struct rb_field *field, const char *name);

// Whether the program sets one of these fields.
//   names: separated by one space, as in the rules
bool rb_fields_have(const struct curl_slist *lines, const char *names);

#endif

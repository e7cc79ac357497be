// SPDX-License-Identifier: MIT
// Readers and writers of the keys with lists.
#ifndef RB_POLICY_LISTS_H
#define RB_POLICY_LISTS_H

#include "policy/section.h"

// Read and write a value as rb_key_kind_parse and rb_key_kind_format do: retry.on, retry.rejected, retry.methods,
// retry.idempotency_headers, intercept. Items with + or - change the list that `values` has on entry.
const char *rb_lists_read_causes(struct rb_section_values *values, const char *value, unsigned *offset);
unsigned long rb_lists_write_causes(const struct rb_section_values *values, char *out, unsigned long size);
const char *rb_lists_read_rejected(struct rb_section_values *values, const char *value, unsigned *offset);
unsigned long rb_lists_write_rejected(const struct rb_section_values *values, char *out, unsigned long size);
const char *rb_lists_read_methods(struct rb_section_values *values, const char *value, unsigned *offset);
unsigned long rb_lists_write_methods(const struct rb_section_values *values, char *out, unsigned long size);
const char *rb_lists_read_headers(struct rb_section_values *values, const char *value, unsigned *offset);
unsigned long rb_lists_write_headers(const struct rb_section_values *values, char *out, unsigned long size);
const char *rb_lists_read_intercept(struct rb_section_values *values, const char *value, unsigned *offset);
unsigned long rb_lists_write_intercept(const struct rb_section_values *values, char *out, unsigned long size);

// Makes retry.rejected `none`, as in a section that sets retry.methods without it.
void rb_lists_reject_none(struct rb_section_values *values);

// The words allowed in these lists, for suggestions (NULL-terminated).
extern const char *const rb_lists_cause_words[];
extern const char *const rb_lists_rejected_words[];
extern const char *const rb_lists_method_words[];
extern const char *const rb_lists_intercept_words[];

#endif

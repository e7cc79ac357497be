// SPDX-License-Identifier: MIT
// The types of values: durations, ratios, rates, numbers, words and lists of them.
#ifndef RB_POLICY_VALUE_H
#define RB_POLICY_VALUE_H

#include "base/slice.h"
#include "policy/section.h"

// Every reader below returns NULL, or a clause that says what is wrong; *offset is then the position of the error in
// `text`. low and high are the allowed range.

// Reads a duration with its unit; *out is in milliseconds.
const char *rb_value_duration(const char *text, unsigned *offset, uint64_t low, uint64_t high, uint64_t *out);

// As rb_value_duration, but accepts `word`, which means 0.
const char *rb_value_limit(const char *text, unsigned *offset, const char *word, uint64_t low, uint64_t high,
                           uint64_t *out);

// Reads a whole number.
const char *rb_value_count(const char *text, unsigned *offset, uint64_t low, uint64_t high, uint32_t *out);

// Reads a number with up to `decimals` decimal places and the unit `unit` ("", "%", "/s"). *out, low and high count the
// smallest decimal place: "2.5" with 3 decimals is 2500. `bare` is the error message for a missing unit.
struct rb_scale {
    unsigned decimals;
    const char *unit;
    const char *bare;
};
extern const struct rb_scale rb_scale_count;  // 3
extern const struct rb_scale rb_scale_factor; // 2, 1.5: thousandths
extern const struct rb_scale rb_scale_ratio;  // 20%, 0.5%: hundredths of a percent
extern const struct rb_scale rb_scale_rate;   // 3/s, 0.5/s: thousandths per second
const char *rb_value_scaled(const char *text, unsigned *offset, const struct rb_scale *scale, uint32_t low,
                            uint32_t high, uint32_t *out);

// Reads one of the words (a NULL-terminated array); *out is its index.
const char *rb_value_word(const char *text, unsigned *offset, const char *const *words, unsigned *out);

// Reads a comma-separated list of tokens (RFC 9110, section 5.6.2). In out, which has `size` bytes, they are separated
// by one space.
const char *rb_value_tokens(const char *text, unsigned *offset, char *out, size_t size);

// Checks a comma-separated list of names with wildcards. A name is not empty and has no blank.
const char *rb_value_globs(const char *text, unsigned *offset);

// Replaces the commas of a list that rb_value_globs accepted by one space each.
void rb_value_join_globs(char *list);

// Error messages that callers compare by pointer: for a number outside its range, for an unknown word, and for a path
// that is longer than its key allows.
extern const char rb_value_out_of_range[];
extern const char rb_value_unknown_word[];
extern const char rb_value_path_too_long[];

// Write a text, a list made by rb_value_tokens or rb_value_join_globs (with commas), or a number with its scale. Each
// returns the length, which is less than `size`.
unsigned long rb_value_write(char *out, unsigned long size, const char *text);
unsigned long rb_value_write_tokens(char *out, unsigned long size, const char *list);
unsigned long rb_value_write_scaled(char *out, unsigned long size, uint64_t number, const struct rb_scale *scale);

// Writes a duration in the syntax of a policy file ("250ms", "2s", "1500ms", "5m", "1h"): with the largest unit that
// divides it, but one minute as "60s". Returns the length.
unsigned long rb_value_write_duration(uint64_t ms, char *out, unsigned long size);

// Reads a duration with its unit. Returns NULL, or a clause that says what is wrong.
const char *rb_value_parse_duration(const char *text, uint64_t *ms);

#endif

// SPDX-License-Identifier: MIT
// The table of policy keys. The reader, `explain`, the shipped policy, the manual and the shell completion use it.
#ifndef RB_POLICY_KEY_H
#define RB_POLICY_KEY_H

#include <stddef.h>

#include "base/slice.h"
#include "policy/section.h"

// What a value is, and the type of the field that receives it.
enum rb_key_kind {
    RB_KEY_COUNT,    // 3: uint32_t
    RB_KEY_FACTOR,   // 1.5: uint32_t, thousandths
    RB_KEY_RATIO,    // 20%: uint32_t, hundredths of a percent
    RB_KEY_RATE,     // 3/s: uint32_t, thousandths per second
    RB_KEY_DURATION, // 250ms: uint64_t, milliseconds
    RB_KEY_LIMIT,    // a duration, or the only word, which is 0: uint64_t
    RB_KEY_SWITCH,   // the second of two words is true: bool
    RB_KEY_WORD,     // one of the words: an enum, by the order of the words
    RB_KEY_FILE,     // one of the words, or a path with a slash or a dot: const char *
    RB_KEY_PATH,     // one of the words, or an absolute path of at most `max` bytes: const char *
    RB_KEY_GLOBS,    // names with wildcards, separated by commas: const char *, see rb_value_join_globs
    RB_KEY_OWN       // read and written by the functions in `own`
};

struct rb_key_own {
    const char *(*read)(struct rb_section_values *values, const char *value, unsigned *offset);
    unsigned long (*write)(const struct rb_section_values *values, char *out, unsigned long size);
};

// One key.
struct rb_key {
    const char *name; // "retry.attempts"
    enum rb_key_kind kind;
    size_t target;                // offset of the field in struct rb_section_values, or in struct rb_process_rules
    uint64_t min, max;            // in the units of the field
    const char *fallback;         // the built-in default in the syntax of a policy file
    const char *text;             // describes the allowed values; NULL: derived from kind, words, min and max
    const char *const *words;     // the words allowed in a value, NULL-terminated; NULL: none
    const struct rb_key_own *own; // RB_KEY_OWN only
};

// Returns all keys of a policy section except `hosts`, in the order of the manual. *count receives their number.
const struct rb_key *rb_key_table(unsigned *count);

// Returns all keys of [rebound]. *count receives their number.
const struct rb_key *rb_key_process_table(unsigned *count);

// Return the index of the key `name` in the table of sections or of [rebound], or -1.
int rb_key_find(const char *name);
int rb_key_find_slice(struct rb_slice name);
int rb_key_find_process(const char *name);

// Set the built-in defaults: the fallbacks of the table. timeout.total counts as not set.
void rb_key_defaults(struct rb_section_values *values);
void rb_key_process_defaults(struct rb_process_rules *rules);

enum { RB_KEY_EXPECTS_SIZE = 128 };

// The sizes of arrays indexed by key.
enum { RB_KEY_MAX = 48, RB_KEY_PROCESS_MAX = 16 };

// --- one key. rules: struct rb_section_values, or struct rb_process_rules for a key of [rebound]

// Reads `value` (NUL-terminated, trimmed, without quotes) into rules. Returns NULL, or a clause that says what is
// wrong; *offset receives the position of the error in `value`. After an error the rules are unchanged. A text field
// points to `value` afterwards.
const char *rb_key_kind_parse(const struct rb_key *key, void *rules, const char *value, unsigned *offset);

// Writes the effective value in the syntax of a policy file, so that parse accepts it. The output is NUL-terminated and
// cut to size - 1 bytes. Returns its length. timeout.total is written the same way whether or not the file sets it: see
// total_set.
unsigned long rb_key_kind_format(const struct rb_key *key, const void *rules, char *out, unsigned long size);

// Writes which values are allowed, for messages and the manual: "a number from 1 to 100". Returns its length, as above.
//   value: the rejected value; an example of a file name contains it
unsigned long rb_key_kind_expects(const struct rb_key *key, const char *value, char *out, unsigned long size);

#endif

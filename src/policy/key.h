// SPDX-License-Identifier: MIT
// The keys of a policy as one table. The reader, `explain`, the shipped policy, the manual and the completion go by it.
#ifndef RB_POLICY_KEY_H
#define RB_POLICY_KEY_H

#include <stddef.h>

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
    RB_KEY_OWN       // read and written by functions of its own
};

struct rb_key_own {
    const char *(*read)(struct rb_rules *rules, const char *value, unsigned *offset);
    unsigned long (*write)(const struct rb_rules *rules, char *out, unsigned long size);
};

// One key.
struct rb_key {
    const char *name; // "retry.attempts"
    enum rb_key_kind kind;
    size_t target;                // offset of the field in struct rb_rules, or in struct rb_process_rules
    uint64_t min, max;            // in the units of the field
    const char *fallback;         // the built-in default as a file would have it
    const char *text;             // what a value may be; NULL: kind, words, min and max say it
    const char *const *words;     // the words that a value may be or hold, NULL-terminated; NULL: none
    const struct rb_key_own *own; // RB_KEY_OWN only
};

// All keys of a policy section except `hosts`, in the order of the manual. *count receives their number.
const struct rb_key *rb_key_table(unsigned *count);

// All keys of [rebound], likewise.
const struct rb_key *rb_key_process_table(unsigned *count);

// Index of the key called `name` in either table, or -1.
int rb_key_find(const char *name);
int rb_key_find_process(const char *name);

// The built-in defaults (the fallbacks of the table; timeout.total counts as not set).
void rb_key_defaults(struct rb_rules *rules);
void rb_key_process_defaults(struct rb_process_rules *rules);

enum { RB_KEY_EXPECTS_SIZE = 128 };

// Room for all keys, for arrays by key.
enum { RB_KEY_MAX = 48, RB_KEY_PROCESS_MAX = 16 };

// --- one key. rules: struct rb_rules, or struct rb_process_rules for a key of [rebound]

// Reads `value` (NUL-terminated, trimmed, no quotes) into rules. Returns NULL, or what is wrong as half a sentence;
// *offset receives where in value the trouble starts. A refused value leaves the rules as they were. A field of text
// points to `value` afterwards.
const char *rb_key_parse(const struct rb_key *key, void *rules, const char *value, unsigned *offset);

// Writes the effective value as a file would have it, so that rb_key_parse takes it back. Returns its length, less than
// `size` (cut when too long), NUL-terminated. timeout.total is written alike whether the file names it or not: see
// total_set.
unsigned long rb_key_format(const struct rb_key *key, const void *rules, char *out, unsigned long size);

// Writes what a value may be, for messages and the manual: "a number from 1 to 100". Returns its length, as above.
//   value: the refused one, which an example of a file name repeats
unsigned long rb_key_expects(const struct rb_key *key, const char *value, char *out, unsigned long size);

#endif

// SPDX-License-Identifier: MIT
// The keys of a policy section as one table: the reader, `explain` and the documentation's test all go by it.
#ifndef RB_POLICY_KEY_H
#define RB_POLICY_KEY_H

#include "engine/rules.h"

// One key. parse and format work on the whole rules so that a key may own several fields.
struct rb_key {
    const char *name;     // "retry.attempts"
    const char *fallback; // the built-in default as it would be written in a file
    const char *expects;  // "a number from 1 to 100", for messages
    // Reads `value` (NUL-terminated, trimmed, no quotes) into rules. Returns NULL, or what is wrong as half a sentence;
    // *offset receives where in value the trouble starts. A refused value leaves the rules as they were.
    const char *(*parse)(struct rb_rules *rules, const char *value, unsigned *offset);
    // Writes the effective value as a file would have it, so that parse takes it back. Returns its length, less than
    // `size` (cut when too long), NUL-terminated. timeout.total is written alike whether the file names it or not: see
    // total_set.
    unsigned long (*format)(const struct rb_rules *rules, char *out, unsigned long size);
    const char *const *words; // the words that a value may be or hold, NULL-terminated, for suggestions; NULL: none
};

// All keys of a policy section except `hosts`, in the order of the format document. *count receives their number.
const struct rb_key *rb_key_table(unsigned *count);

// Index of the key called `name`, or -1.
int rb_key_find(const char *name);

// The built-in defaults (the fallbacks of the table; timeout.total counts as not set).
void rb_key_defaults(struct rb_rules *rules);

#endif

// SPDX-License-Identifier: MIT
// Finds the known name that is nearest to a misspelt one.
#ifndef RB_POLICY_SUGGEST_H
#define RB_POLICY_SUGGEST_H

#include "base/slice.h"

// A search: call begin, offer every known name, then read `best`. best is NULL if no name is near enough.
struct rb_suggestion {
    struct rb_slice word;
    unsigned distance; // of best; a name further away than a third of the word's length is not suggested
    const char *best;
};

struct rb_suggestion rb_suggest_begin(struct rb_slice word);

// Considers a name. Case is ignored. Of equally near names the first one is kept.
void rb_suggest_offer(struct rb_suggestion *search, const char *name);

// Makes a whole search in a NULL-terminated array. Returns the nearest name, or NULL if no name is near enough.
//   names: may be NULL, which is an empty array
const char *rb_suggest_word(struct rb_slice word, const char *const *names);

#endif

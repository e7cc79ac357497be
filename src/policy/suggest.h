// SPDX-License-Identifier: MIT
// The known name nearest to a misspelt one.
#ifndef RB_POLICY_SUGGEST_H
#define RB_POLICY_SUGGEST_H

#include "base/slice.h"

// One search: begin, offer every known name, take `best` (NULL when nothing is near enough).
struct rb_suggestion {
    struct rb_slice word;
    unsigned distance; // of best; names further away than a third of the word are no help
    const char *best;
};

struct rb_suggestion rb_suggest_begin(struct rb_slice word);

// Case is ignored. Of equally near names the first one offered stays.
void rb_suggest_offer(struct rb_suggestion *search, const char *name);

#endif

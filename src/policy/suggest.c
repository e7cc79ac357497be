// SPDX-License-Identifier: MIT
// Finds the nearest known name by edit distance.
#include "policy/suggest.h"

enum { SUGGEST_LENGTH_MAX = 48, SUGGEST_DISTANCE_MAX = 3 };

static unsigned smaller(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

static bool suggest_same(char a, char b)
{
    return rb_char_lower(a) == rb_char_lower(b);
}

// Returns the number of insertions, deletions, substitutions and swaps of neighbours that turn one text into the other.
static unsigned edit_distance(struct rb_slice a, struct rb_slice b)
{
    unsigned char row[3][SUGGEST_LENGTH_MAX + 1]; // a distance is at most SUGGEST_LENGTH_MAX
    for (unsigned j = 0; j <= b.length; j++)
        row[0][j] = (unsigned char) j;
    for (unsigned i = 1; i <= a.length; i++) {
        unsigned char *now = row[i % 3], *above = row[(i + 2) % 3], *before = row[(i + 1) % 3];
        now[0] = (unsigned char) i;
        for (unsigned j = 1; j <= b.length; j++) {
            unsigned least =
                smaller(above[j - 1] + !suggest_same(a.at[i - 1], b.at[j - 1]), smaller(above[j], now[j - 1]) + 1);
            if (i > 1 && j > 1 && suggest_same(a.at[i - 1], b.at[j - 2]) && suggest_same(a.at[i - 2], b.at[j - 1]))
                least = smaller(least, before[j - 2] + 1);
            now[j] = (unsigned char) least;
        }
    }
    return row[a.length % 3][b.length];
}

struct rb_suggestion rb_suggest_begin(struct rb_slice word)
{
    unsigned limit = smaller((unsigned) (smaller((unsigned) word.length, 100) + 2) / 3, SUGGEST_DISTANCE_MAX);
    return (struct rb_suggestion){word, limit + 1, NULL};
}

void rb_suggest_offer(struct rb_suggestion *search, const char *name)
{
    struct rb_slice known = rb_slice_of(name);
    if (search->word.length == 0 || search->word.length > SUGGEST_LENGTH_MAX || known.length > SUGGEST_LENGTH_MAX)
        return;
    unsigned distance = edit_distance(search->word, known);
    // If the distance is not smaller than the known name, the two have nothing in common.
    if (distance < search->distance && distance < known.length) {
        search->distance = distance;
        search->best = name;
    }
}

const char *rb_suggest_word(struct rb_slice word, const char *const *names)
{
    struct rb_suggestion search = rb_suggest_begin(word);
    for (unsigned i = 0; names && names[i]; i++)
        rb_suggest_offer(&search, names[i]);
    return search.best;
}

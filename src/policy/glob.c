// SPDX-License-Identifier: MIT
// Glob match with * and ?, byte by byte. fnmatch(3) depends on the locale and may allocate.
#include "policy/glob.h"

// Backtracks only to the latest star; backtracking to an earlier one never helps. The worst case takes pattern length
// times text length steps.
bool rb_glob_match_slice(struct rb_slice pattern, struct rb_slice text)
{
    size_t p = 0, t = 0, star = SIZE_MAX, resume = 0;
    while (t < text.length) {
        if (p < pattern.length && pattern.at[p] == '*') {
            star = p++;
            resume = t;
        } else if (p < pattern.length && (pattern.at[p] == '?' || pattern.at[p] == text.at[t])) {
            p++;
            t++;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            t = ++resume;
        } else {
            return false;
        }
    }
    while (p < pattern.length && pattern.at[p] == '*')
        p++;
    return p == pattern.length;
}

bool rb_glob_match(const char *pattern, const char *text)
{
    return rb_glob_match_slice(rb_slice_of(pattern), rb_slice_of(text));
}

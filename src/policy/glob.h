// SPDX-License-Identifier: MIT
// Glob match with * and ? by bytes.
#ifndef RB_POLICY_GLOB_H
#define RB_POLICY_GLOB_H

#include "base/slice.h"

// Returns true if `text` matches `pattern`: * stands for any bytes, ? for one byte; no other byte is special. No
// allocation.
bool rb_glob_match_slice(struct rb_slice pattern, struct rb_slice text);

// As rb_glob_match_slice, for NUL-terminated texts.
bool rb_glob_match(const char *pattern, const char *text);

#endif

// SPDX-License-Identifier: MIT
// Glob match of texts that have no terminator.
#ifndef RB_POLICY_GLOB_H
#define RB_POLICY_GLOB_H

#include "base/slice.h"

// As rb_glob_match: * stands for any bytes, ? for one, nothing else is special.
bool rb_glob_match_slice(struct rb_slice pattern, struct rb_slice text);

#endif

// SPDX-License-Identifier: MIT
// Values that override those of a policy: REBOUND_SET and `rebound run --set`.
#ifndef RB_POLICY_PAIRS_H
#define RB_POLICY_PAIRS_H

#include "policy/section.h"

// The longest text of pairs in bytes.
enum { RB_PAIRS_MAX = RB_POLICY_PATH_SIZE - 1 };

// Two texts of pairs KEY=VALUE, which are separated by blanks. The pairs take effect in [default] and in every section
// that the policy has, and win over the values there. If a key occurs several times, its last pair counts, and those of
// `option` come last.
struct rb_pairs {
    const char *environment; // of REBOUND_SET, which is the name in messages; NULL: none
    const char *option;      // of the options --set; NULL: none
};

#endif

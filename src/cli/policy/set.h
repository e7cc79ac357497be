// SPDX-License-Identifier: MIT
// The option --set of several commands, and REBOUND_SET.
#ifndef RB_CLI_POLICY_SET_H
#define RB_CLI_POLICY_SET_H

#include "cli/command.h"
#include "policy/pairs.h"

// The option --set KEY=VALUE.
struct rb_set {
    struct rb_values values; // as given
    char text[RB_PAIRS_MAX + 1];
};

// Fills in the pairs that override the policy: REBOUND_SET and the option. Removes blanks around commas from the values
// of the option. Prints an error for other blanks and for too many bytes, and returns false.
//   set: NULL: the command has no such option. `pairs` points into it
bool rb_set_pairs(struct rb_set *set, struct rb_pairs *pairs);

// Sets REBOUND_SET for the program to both texts. Returns false after an error, which it prints.
bool rb_set_export(const struct rb_pairs *pairs);

#endif

// SPDX-License-Identifier: MIT
// The policies and hosts that the state or the policy file contains, which users can name in commands.
#ifndef RB_CLI_STATE_KNOWN_H
#define RB_CLI_STATE_KNOWN_H

#include "cli/policy/source.h"
#include "cli/state/state_file.h"

// Sorted names without duplicates. Zero-initialized means empty. Free it with rb_known_free.
struct rb_known {
    char (*names)[RB_STATE_HOST_SIZE];
    unsigned count, room;
};

// Collects the policies that programs have used, and those of the policy file of the state's user. For the own user,
// this is the file that `rebound explain` finds. For another user, it is the file of REBOUND_POLICY, of that user's
// home, or of /etc. Returns false if the file is ignored or has mistakes; then its policies are missing.
//   source: receives the file
bool rb_known_policies(struct rb_known *known, const struct rb_state_file *file, struct rb_source *source);

// Collects the hosts that programs have called, in the form that rb_view_force takes: "host:port", or the policy's name
// if the policy has one breaker for all hosts.
void rb_known_hosts(struct rb_known *known, const struct rb_state_file *file);

bool rb_known_has(const struct rb_known *known, const char *name);

// Returns the name most similar to `word`, or NULL. A word without a port is also compared with hosts without their
// ports.
//   out: holds the result
const char *rb_known_nearest(const struct rb_known *known, const char *word, char out[RB_STATE_HOST_SIZE]);

enum { RB_KNOWN_LIST_SIZE = 512 };

// Writes the names separated by commas. Returns false if there are none, or too many for a line.
bool rb_known_list(const struct rb_known *known, char out[RB_KNOWN_LIST_SIZE]);

void rb_known_free(struct rb_known *known);

#endif

// SPDX-License-Identifier: MIT
// The names that a command can be given: the policies and hosts that the state or the policy file knows.
#ifndef RB_CLI_KNOWN_H
#define RB_CLI_KNOWN_H

#include "cli/policy/source.h"
#include "cli/state/state_file.h"

// Names, each once, in order. Zeroed: none. Free it with rb_known_free.
struct rb_known {
    char (*names)[RB_STATE_HOST_SIZE];
    unsigned count, room;
};

// Collects the policies that programs have used, and those of the policy file that is in force for the state's user:
// the one that `rebound explain` finds, or for another user the file of REBOUND_POLICY, of that user's home, or of
// /etc.
//   source: receives that file
// Returns false when that file is not obeyed or has mistakes: its policies are missing.
bool rb_known_policies(struct rb_known *known, const struct rb_state_file *file, struct rb_source *source);

// Collects the hosts that programs have called, as rb_view_force takes them: "host:port"; the policy's name where the
// breaker is of the whole policy.
void rb_known_hosts(struct rb_known *known, const struct rb_state_file *file);

bool rb_known_has(const struct rb_known *known, const char *name);

// The name nearest to `word`, or NULL. A word without a port is also compared with the hosts without theirs.
//   out: holds what is returned
const char *rb_known_nearest(const struct rb_known *known, const char *word, char out[RB_STATE_HOST_SIZE]);

enum { RB_KNOWN_LIST_SIZE = 512 };

// Writes the names with commas between them. Returns false when there are none, or too many to be read in a line.
bool rb_known_list(const struct rb_known *known, char out[RB_KNOWN_LIST_SIZE]);

void rb_known_free(struct rb_known *known);

#endif

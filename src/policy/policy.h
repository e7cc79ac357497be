// SPDX-License-Identifier: MIT
// The policy: parses text into an immutable object, and matches targets against its host patterns.
//
// Memory comes from mmap, never from malloc: a policy is loaded inside other programs, possibly during a call of their
// allocator.
#ifndef RB_POLICY_POLICY_H
#define RB_POLICY_POLICY_H

#include "base/slice.h"
#include "policy/diagnostic.h"
#include "policy/pairs.h"
#include "policy/section.h"
#include "policy/target.h"

struct rb_policy; // opaque, immutable after load, usable from any thread

// Reads a policy file. On success *out is the policy and 0 is returned. On failure *out is NULL and every error has
// been reported. The result is then -EINVAL for errors in the text and for a file that is not regular (a FIFO could
// block the program), -EDOM if all errors are in the pairs, else the negative errno of open, fstat, read or mmap
// (-EISDIR for a directory, -EFBIG above 64 MiB).
//   path: the path of a file or of a built-in policy (policy/builtin.h); -ENOENT if there is no such policy
//   pairs: override the values of the policy; NULL: none. They are not kept
//   report: may be NULL
int rb_policy_load(const char *path, const struct rb_pairs *pairs, struct rb_policy **out, rb_report_fn *report,
                   void *context);

// As rb_policy_load, for text in memory. `name` stands for the file in messages. The text is not kept.
int rb_policy_parse(struct rb_slice text, const char *name, const struct rb_pairs *pairs, struct rb_policy **out,
                    rb_report_fn *report, void *context);

// Reports the errors of pairs that do not depend on the policy. Returns 0, -EDOM after an error, or -ENOMEM.
int rb_policy_check_pairs(const struct rb_pairs *pairs, rb_report_fn *report, void *context);

// Frees a policy; NULL is allowed. No thread may use a section of it any more.
void rb_policy_free(struct rb_policy *policy);

// Returns the section for a target, or NULL if the host is not covered. Precedence: exact with port, exact, longest
// wildcard with port, longest wildcard, longest prefix with port, longest prefix, *:port, *, [default]. If a name is
// known for the call, it has precedence over the address. An address with its full prefix length (10.1.2.3/32) is an
// exact one. A Unix socket matches only unix: patterns, and the one with the most literal bytes wins. The cost does not
// depend on the number of patterns, except globs of Unix sockets. No allocation, no lock, async-signal-safe. why may be
// NULL.
const struct rb_section *rb_policy_match(const struct rb_policy *policy, const struct rb_target *target,
                                         struct rb_match *why);

// Returns a number, not 0, that is unique among the policies of this process. A new policy may reuse the address of a
// freed one, so comparing addresses is not enough.
uint64_t rb_policy_serial(const struct rb_policy *policy);

// Returns the process-wide rules of the policy; never NULL.
const struct rb_process_rules *rb_policy_process(const struct rb_policy *policy);

// Returns true if the policy applies to a program (`programs`, `skip`; globs with * and ?). Both names of the program
// are compared: one of them must be in `programs`, and none of them in `skip`.
//   executable: the file that is executed, without links
//   started: the name under which the program was started; for a script, the name of the script. NULL if unknown
bool rb_policy_covers_program(const struct rb_policy *policy, const char *executable, const char *started);

// Returns a section, in file order without [rebound], or NULL past the last.
const struct rb_section *rb_policy_section(const struct rb_policy *policy, unsigned index);

// Returns the number of host patterns in all sections.
unsigned rb_policy_pattern_count(const struct rb_policy *policy);

#endif

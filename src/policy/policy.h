// SPDX-License-Identifier: MIT
// The policy: text in, an immutable object out, and the match of a target against its host patterns.
//
// Memory comes from mmap, never from malloc: a policy is loaded inside other programs' processes, where an allocator
// may be on the stack above us.
#ifndef RB_POLICY_POLICY_H
#define RB_POLICY_POLICY_H

#include "policy/diagnostic.h"
#include "policy/section.h"
#include "policy/target.h"

struct rb_policy; // opaque, immutable after load, usable from any thread

// Reads a policy file. On success *out is the policy and 0 is returned. On failure *out is NULL and every error has
// been reported: -EINVAL for errors in the text and for what is no regular file (a FIFO could block the program), else
// the negative errno of open, fstat, read or mmap (-EISDIR for a directory, -EFBIG over 64 MiB). `path` may be
// "builtin:default". report may be NULL.
int rb_policy_load(const char *path, struct rb_policy **out, rb_report_fn *report, void *context);

// The same for text in memory; `name` stands for the file in messages. The text is not kept.
int rb_policy_parse(const char *text, size_t length, const char *name, struct rb_policy **out, rb_report_fn *report,
                    void *context);

// Frees a policy; NULL is allowed. Nobody may hold a section of it any more.
void rb_policy_free(struct rb_policy *policy);

// The path that stands for the built-in default policy: "builtin:default".
extern const char rb_policy_builtin_path[];

// The text of the built-in default policy (config/default.ini), NUL-terminated.
const char *rb_policy_builtin(size_t *length);

// The section for a target, or NULL when the host is left alone. Precedence as in the format document: exact with port,
// exact, longest wildcard with port, longest wildcard, longest prefix with port, longest prefix, *:port, *, [default].
// A name known for the call beats its address. An address with its full prefix length (10.1.2.3/32) is an exact one. A
// Unix socket is matched by unix: patterns only, the one with most literal bytes first. Constant cost for any number of
// patterns (globs of Unix sockets aside); no allocation, no lock, async-signal-safe. why may be NULL.
const struct rb_section *rb_policy_match(const struct rb_policy *policy, const struct rb_target *target,
                                         struct rb_match *why);

// A number that no other policy of this process has, and that is not 0: memory of a freed one may be used again.
uint64_t rb_policy_serial(const struct rb_policy *policy);

// Process-wide rules of the policy; never NULL.
const struct rb_process_rules *rb_policy_process(const struct rb_policy *policy);

// True when the policy acts in an executable of this name (`programs`, `skip`; globs with * and ?).
bool rb_policy_covers_program(const struct rb_policy *policy, const char *executable);

// The sections in file order ([rebound] excluded). Returns NULL past the last.
const struct rb_section *rb_policy_section(const struct rb_policy *policy, unsigned index);

// Host patterns in the policy, all sections together.
unsigned rb_policy_pattern_count(const struct rb_policy *policy);

#endif

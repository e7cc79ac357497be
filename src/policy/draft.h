// SPDX-License-Identifier: MIT
// A policy file after it was read and before its sections inherit values: sections, values and patterns with their
// lines in the source.
#ifndef RB_POLICY_DRAFT_H
#define RB_POLICY_DRAFT_H

#include "policy/key.h"
#include "policy/pairs.h"
#include "policy/pattern.h"
#include "policy/report.h"
#include "policy/section.h"

// A `key = value` pair of a section, or a pair that overrides the sections.
struct rb_draft_value {
    struct rb_draft_value *next;
    unsigned key; // index in the key table
    struct rb_line line;
    struct rb_slice value;
    enum rb_origin origin;
    const char *at; // the pair in line.text
};

enum rb_draft_kind {
    RB_DRAFT_POLICY,
    RB_DRAFT_DEFAULT,
    RB_DRAFT_PROCESS, // [rebound]
    RB_DRAFT_REJECTED // the section's header has an error: its keys are checked, but no section is made from it
};

struct rb_draft_section {
    struct rb_draft_section *next;
    enum rb_draft_kind kind;
    struct rb_slice name;
    struct rb_line line;
    bool hosts;                                // the section has a hosts line
    bool wide;                                 // one of its patterns is * or *:port
    struct rb_draft_value *by_key[RB_KEY_MAX]; // by the index of the key; NULL if the section does not set the key
    struct rb_draft_value *values;             // all values, the last line first
    const struct rb_section *made;             // the section of the policy that was made from this draft section
};

// One item of a hosts line.
struct rb_draft_host {
    struct rb_draft_host *next;
    struct rb_pattern pattern;
    struct rb_slice text;
    struct rb_line line;
    unsigned column;
    const struct rb_draft_section *section;
};

struct rb_draft {
    struct rb_arena *arena;   // for data that the policy keeps
    struct rb_arena *scratch; // for data that only the draft uses
    struct rb_report *report;
    const struct rb_key *keys, *process_keys;
    unsigned key_count, process_key_count;
    struct rb_draft_section *sections, **last_section, *current;
    uint32_t section_count; // without [rebound] and sections of kind REJECTED
    struct rb_draft_host *hosts, **last_host;
    uint32_t host_count;
    struct rb_draft_value *override[RB_KEY_MAX]; // by the index of the key: the pair that overrides each section
    struct rb_process_rules process;             // values of [rebound]; its texts are allocated in `arena`
    unsigned process_lines[RB_KEY_PROCESS_MAX];  // line of each key of [rebound], 0 if the file does not set it
};

// Reads the text of a policy file into a draft, and the pairs that override it. Adds these errors to the report: wrong
// syntax, unknown keys, keys that a section sets twice, wrong host patterns, wrong values of [rebound], and every error
// in the pairs.
//   pairs: may be NULL; the texts live as long as the draft and the report
void rb_draft_read(struct rb_draft *draft, struct rb_arena *arena, struct rb_arena *scratch, struct rb_report *report,
                   struct rb_slice text, const struct rb_pairs *pairs);

// The part of rb_draft_read for the pairs. Their lines have the number 0 and the name REBOUND_SET or --set.
void rb_draft_pairs_read(struct rb_draft *draft, const struct rb_pairs *pairs);

// Adds an error to the report if a pair needs a section with hosts and the draft has none.
void rb_draft_pairs_check(const struct rb_draft *draft);

// Computes the values of a section: those of the pairs that override it, else its own ones, else those of `base`.
// Writes them to `made`. Adds errors in values of the section to the report.
//   base: the section that values are inherited from; NULL: the built-in defaults
//   origins, places: arrays of draft->key_count elements, which are filled in; `made` keeps pointers to them
void rb_resolve_section(const struct rb_draft *draft, const struct rb_draft_section *section,
                        const struct rb_section *base, struct rb_section *made, uint8_t *origins, uint32_t *places);

// Reads the value of a pair into `values`. Adds an error in it to the report.
void rb_resolve_value(const struct rb_draft *draft, const struct rb_draft_value *entry,
                      struct rb_section_values *values);

// Adds contradictions between the values of a section to the report.
void rb_resolve_check(const struct rb_draft *draft, const struct rb_draft_section *section,
                      const struct rb_section *made);

// Adds section names and host patterns that occur twice in the file to the report.
void rb_draft_check_duplicates(const struct rb_draft *draft);

#endif

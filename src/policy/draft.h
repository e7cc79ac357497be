// SPDX-License-Identifier: MIT
// A policy file as read, before inheritance: sections, values and patterns with their positions in the source.
#ifndef RB_POLICY_DRAFT_H
#define RB_POLICY_DRAFT_H

#include "policy/key.h"
#include "policy/pattern.h"
#include "policy/report.h"
#include "policy/section.h"

// A `key = value` pair of a section.
struct rb_draft_value {
    struct rb_draft_value *next;
    unsigned key; // index in the key table
    struct rb_line line;
    struct rb_slice value;
};

enum rb_draft_kind {
    RB_DRAFT_POLICY,
    RB_DRAFT_DEFAULT,
    RB_DRAFT_PROCESS, // [rebound]
    RB_DRAFT_REJECTED // the header was rejected: keys are only checked for errors
};

struct rb_draft_section {
    struct rb_draft_section *next;
    enum rb_draft_kind kind;
    struct rb_slice name;
    struct rb_line line;
    bool hosts;                                // a hosts line was seen
    struct rb_draft_value *by_key[RB_KEY_MAX]; // the first value of each key
    struct rb_draft_value *values;
    const struct rb_section *made; // the section made from it
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
    uint32_t section_count; // without [rebound] and sections of kind LOST
    struct rb_draft_host *hosts, **last_host;
    uint32_t host_count;
    struct rb_process_rules process; // texts in arena
    unsigned process_lines[RB_KEY_PROCESS_MAX];
};

// Reads text into a draft. Syntax errors, unknown names and duplicates are added to the report.
void rb_draft_read(struct rb_draft *draft, struct rb_arena *arena, struct rb_arena *scratch, struct rb_report *report,
                   const char *text, size_t length);

// Builds a section's effective values. `base` is the section that it inherits from; NULL means the built-in defaults.
// Errors in values are added to the report. key_lines and key_inherited have key_count elements and become part of
// `made`.
void rb_draft_resolve(const struct rb_draft *draft, const struct rb_draft_section *section,
                      const struct rb_section *base, struct rb_section *made, uint32_t *key_lines,
                      uint8_t *key_inherited);

// Reports contradictions between values of the section.
void rb_draft_check(const struct rb_draft *draft, const struct rb_draft_section *section,
                    const struct rb_section *made);

// Reports duplicate section names and patterns.
void rb_draft_check_duplicates(const struct rb_draft *draft);

#endif

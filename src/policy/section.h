// SPDX-License-Identifier: MIT
// The parts of a policy: sections with their rules, and the rules for the process.
#ifndef RB_POLICY_SECTION_H
#define RB_POLICY_SECTION_H

#include "engine/rules.h"
#include "real/keepalive.h"

enum { RB_POLICY_PATH_SIZE = 4096, RB_SECTION_NAME_SIZE = 64 };

// The number of hosts that a state has room for (`state.cells`).
enum { RB_CELLS_MIN = 16, RB_CELLS_DEFAULT = 1024, RB_CELLS_MAX = 65536 };

enum { RB_METHODS_SIZE = 256, RB_HEADERS_SIZE = 256 };

// All values of a section. Calls copy the rules to the program's stack. So values that are not used after the beginning
// of a call are apart from the rules.
struct rb_section_values {
    struct rb_rules rules;                     // the first field: struct rb_key has the offsets of its fields
    struct rb_keepalive socket;                // the keys socket.*
    char methods[RB_METHODS_SIZE];             // method names separated by one space, or "*" for all
    char idempotency_headers[RB_HEADERS_SIZE]; // header names separated by one space, may be empty
};

// What sets a value.
enum rb_origin {
    RB_ORIGIN_NONE,        // the built-in default
    RB_ORIGIN_SECTION,     // a line of the section itself
    RB_ORIGIN_DEFAULT,     // a line of [default], which the section inherits
    RB_ORIGIN_ENVIRONMENT, // a pair of REBOUND_SET (policy/pairs.h)
    RB_ORIGIN_OPTION       // a pair of --set
};

// One section with its inherited values. name is unique in the policy; index counts from 0 in file order.
struct rb_section {
    const char *name;
    unsigned index;
    unsigned line; // the line of its header; 0 for built-in defaults
    bool wide;     // one of its patterns is * or *:port
    union {
        struct rb_rules rules; // values.rules
        struct rb_section_values values;
    };
    const uint8_t *key_origins; // by rb_key index: enum rb_origin
    const uint32_t *key_places; // by rb_key index: the line that sets the value, or the column of the pair; else 0
};

// The values of `[rebound]`. Strings are NUL-terminated and live as long as the policy.
struct rb_process_rules {
    const char *log;      // "off", "stderr" or a path
    const char *programs; // globs separated by one space; "*" by default
    const char *skip;     // likewise; "" by default
    bool deepbind_keep;   // libraries opened with RTLD_DEEPBIND keep the flag
    const char *state;    // "shared", "private" or a path
    uint32_t state_cells; // RB_CELLS_MIN to RB_CELLS_MAX
};

// Why a section was chosen, for explain: the pattern as written and its line. pattern is NULL if [default] was chosen.
struct rb_match {
    const char *pattern;
    unsigned line;
};

#endif

// SPDX-License-Identifier: MIT
// The data of `rebound explain` for its two output formats.
#ifndef RB_CLI_POLICY_EXPLAIN_H
#define RB_CLI_POLICY_EXPLAIN_H

#include "cli/policy/schedule.h"
#include "cli/policy/source.h"

enum { RB_EXPLAIN_VALUE_SIZE = 1024 };

struct rb_explanation {
    struct rb_source source;
    struct rb_pairs pairs;
    const struct rb_policy *policy;
    const char *label;                // the target as "host:port"
    const char *method;               // HTTP method of the request, never NULL
    bool unix_socket;                 // [default] and * do not apply to these
    bool named;                       // the target has a name that programs must look up
    bool http;                        // the target may be an HTTP server, so method and statuses apply
    const struct rb_section *section; // NULL if no section matches
    struct rb_match match;
    bool repeatable; // retry.methods contains the method
    bool waits;      // start.wait covers the target
    struct rb_schedule schedule;
};

// Writes the origin of a value: "FILE:LINE", with " ([default])" if it is inherited, "REBOUND_SET", "--set" or
// "default".
void rb_cmd_explain_origin(const struct rb_explanation *explanation, unsigned key, char *out, size_t size);

// Print the explanation. rb_explain_json returns 0 or -ENOMEM.
void rb_explain_text(const struct rb_explanation *explanation);
int rb_explain_json(const struct rb_explanation *explanation);

#endif

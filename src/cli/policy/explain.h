// SPDX-License-Identifier: MIT
// What `explain` has found out about a target, for its two printers.
#ifndef RB_CLI_EXPLAIN_H
#define RB_CLI_EXPLAIN_H

#include "cli/policy/schedule.h"
#include "cli/policy/source.h"

enum { RB_EXPLAIN_VALUE_SIZE = 1024 };

struct rb_explanation {
    struct rb_source source;
    const struct rb_policy *policy;
    const char *label;                // the target as "host:port"
    const char *method;               // of the request, never NULL
    bool unix_socket;                 // no [default] and no * for these
    bool named;                       // the target has a name, which a program has to look up
    bool http;                        // the target may be an HTTP server: method and statuses matter
    const struct rb_section *section; // NULL: the host is left alone
    struct rb_match match;
    bool repeatable; // retry.methods names the method
    struct rb_schedule schedule;
};

// Where a value comes from: "FILE:LINE", with " ([default])" when inherited, or "default". file: as in messages.
void rb_explain_origin(const struct rb_explanation *explanation, unsigned key, char *out, size_t size);

// The two printers. rb_explain_json returns 0 or -ENOMEM.
void rb_explain_text(const struct rb_explanation *explanation);
int rb_explain_json(const struct rb_explanation *explanation);

#endif

// SPDX-License-Identifier: MIT
// Prints an error or a warning of a policy file in the format of a compiler.
#ifndef RB_CLI_POLICY_DIAGNOSE_H
#define RB_CLI_POLICY_DIAGNOSE_H

#include <stdbool.h>
#include <stdio.h>

#include "policy/diagnostic.h"

// Prints "file:line:col: error: message; did you mean 'x'?" (or "warning: "), the source line and a caret under the
// column. For REBOUND_SET and --set, the line and the column are left out. Aligns the caret for tabs and multi-byte
// characters. Of a long line, prints only the part around the column.
void rb_diagnose_print(FILE *stream, bool colour, const struct rb_diagnostic *diagnostic);

// An rb_report_fn that prints errors on stderr. Leaves out warnings, which `rebound check` shows. context is unused.
void rb_diagnose_to_stderr(void *context, const struct rb_diagnostic *diagnostic);

#endif

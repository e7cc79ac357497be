// SPDX-License-Identifier: MIT
// An error of a policy file as a compiler would show it.
#ifndef RB_CLI_DIAGNOSE_H
#define RB_CLI_DIAGNOSE_H

#include <stdbool.h>
#include <stdio.h>

#include "policy/diagnostic.h"

// Prints "file:line:col: error: message; did you mean 'x'?", the source line and a caret under the column, tabs and
// characters of several bytes allowed for. Of a very long line only the surroundings of the column are shown.
void rb_diagnose_print(FILE *stream, bool colour, const struct rb_diagnostic *diagnostic);

// An rb_report_fn that prints on stderr. context: not used.
void rb_diagnose_to_stderr(void *context, const struct rb_diagnostic *diagnostic);

#endif

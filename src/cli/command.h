// SPDX-License-Identifier: MIT
// A command of `rebound`: the table entry that each command's file exports.
#ifndef RB_CLI_COMMAND_H
#define RB_CLI_COMMAND_H

#include <stdbool.h>
#include <stdio.h>

// Exit statuses. Those of `run` and `wait` are the same as of env(1), nohup(1) and timeout(1).
enum {
    RB_EXIT_ERRORS = 1,
    RB_EXIT_MISUSE = 2,
    RB_EXIT_TIMEOUT = 124,
    RB_EXIT_OWN = 125,
    RB_EXIT_CANNOT = 126,
    RB_EXIT_NOT_FOUND = 127,
};

struct rb_command {
    const char *name;
    const char *usage;                 // the text after "rebound NAME"
    const char *purpose;               // one line for the overview
    const char *help;                  // the rest of --help: options and examples
    int misuse;                        // exit status for a wrong command line
    bool takes_program;                // its operands are a program with its own options
    int (*run)(int argc, char **argv); // argv[0] is the command's name, argv[-1] rebound's; returns the exit status
};

extern const struct rb_command rb_cmd_run, rb_cmd_wait, rb_cmd_check, rb_cmd_explain, rb_cmd_doctor, rb_cmd_status,
    rb_cmd_top, rb_cmd_events, rb_cmd_metrics, rb_cmd_breaker, rb_cmd_policy, rb_cmd_reset, rb_cmd_help;

// All commands in the order of the overview, terminated by NULL.
extern const struct rb_command *const rb_commands[];

// Returns the command called `name`, or NULL.
const struct rb_command *rb_command_find(const char *name);

// Reports an unknown command and suggests the most similar one. Returns RB_EXIT_MISUSE.
int rb_command_unknown(const char *name);

// Prints the help of one command.
void rb_command_help(const struct rb_command *command);

// Prints the overview.
void rb_command_overview(FILE *stream);

// Reports an error in the command line and points to the help. Returns command->misuse.
int rb_command_misuse(const struct rb_command *command, const char *format, ...) __attribute__((format(printf, 2, 3)));

// The values of an option that may be repeated, in the order of the command line.
enum { RB_VALUES_MAX = 64 };
struct rb_values {
    const char *items[RB_VALUES_MAX];
    unsigned count;
};

// An option of a command. `value` receives its argument, `values` collects its arguments, or `flag` becomes true. Every
// command also has --help and -h.
struct rb_option {
    const char *name;
    char letter; // 0 if it has no short form
    const char **value;
    struct rb_values *values;
    bool *flag;
};

enum { RB_OPTIONS_MAX = 7 };

// Parses the options of a command line. `options` ends with a NULL name. Returns the index of the first operand.
// Returns -1 after --help and after an error that was reported; *status is then the exit status.
int rb_command_options(const struct rb_command *command, int argc, char **argv, const struct rb_option *options,
                       int *status);

#endif

// SPDX-License-Identifier: MIT
// What a subcommand of `rebound` is: a table entry that its file exports.
#ifndef RB_CLI_COMMAND_H
#define RB_CLI_COMMAND_H

#include <stdbool.h>
#include <stdio.h>

// Exit statuses. Those of `run` are the ones of env(1) and nohup(1).
enum { RB_EXIT_ERRORS = 1, RB_EXIT_MISUSE = 2, RB_EXIT_OWN = 125, RB_EXIT_CANNOT = 126, RB_EXIT_NOT_FOUND = 127 };

struct rb_command {
    const char *name;
    const char *usage;                 // what follows "rebound NAME"
    const char *purpose;               // one line, for the overview
    const char *help;                  // the rest of --help: options and examples
    int misuse;                        // exit status after a wrong command line
    bool takes_program;                // what follows its options is a program with options of its own
    int (*run)(int argc, char **argv); // argv[0] is the command's name; returns the exit status
};

extern const struct rb_command rb_cmd_run, rb_cmd_check, rb_cmd_explain, rb_cmd_doctor, rb_cmd_status, rb_cmd_top,
    rb_cmd_events, rb_cmd_metrics, rb_cmd_breaker, rb_cmd_policy, rb_cmd_reset, rb_cmd_help;

// All commands in the order of the overview, NULL at the end.
extern const struct rb_command *const rb_commands[];

// The command called `name`, or NULL.
const struct rb_command *rb_command_find(const char *name);

// Says that there is no command called `name`, with the nearest one. Returns RB_EXIT_MISUSE.
int rb_command_unknown(const char *name);

// Prints the help of one command.
void rb_command_help(const struct rb_command *command);

// Prints the overview.
void rb_command_overview(FILE *stream);

// Says what is wrong with the command line and where help is. Returns command->misuse.
int rb_command_misuse(const struct rb_command *command, const char *format, ...) __attribute__((format(printf, 2, 3)));

// An option of a command: `value` receives its argument, or `flag` becomes true. --help, or -h, every command has.
struct rb_option {
    const char *name;
    char letter; // 0: it has no short form
    const char **value;
    bool *flag;
};

enum { RB_OPTIONS_MAX = 7 };

// Reads the options of a command line. `options` ends with a NULL name. Returns the index of the first operand. Returns
// -1 when the command has nothing left to do, after --help or a mistake that was said, with its exit status in *status.
int rb_command_options(const struct rb_command *command, int argc, char **argv, const struct rb_option *options,
                       int *status);

#endif

// SPDX-License-Identifier: MIT
// Replaces the command by a program.
#ifndef RB_CLI_RUN_EXECUTE_H
#define RB_CLI_RUN_EXECUTE_H

// Replaces this process by a program, which is searched for like execvp(3). If that fails, prints an error and returns
// RB_EXIT_NOT_FOUND or RB_EXIT_CANNOT.
//   command: the program and its arguments, NULL-terminated
int rb_execute_program(char **command);

#endif

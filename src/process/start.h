// SPDX-License-Identifier: MIT
// Copies data that the program may change after the library was loaded: environment variables, which some programs
// overwrite, and the working directory. Nothing else is done at that time, so a program that never makes a covered call
// has no further cost.
#ifndef RB_PROCESS_START_H
#define RB_PROCESS_START_H

enum rb_start_variable {
    RB_START_POLICY,  // REBOUND_POLICY; a relative path is joined to the working directory
    RB_START_SET,     // REBOUND_SET
    RB_START_LOG,     // REBOUND_LOG; a relative path is joined too
    RB_START_STATE,   // REBOUND_STATE
    RB_START_DISABLE, // REBOUND_DISABLE
    RB_START_SUMMARY, // REBOUND_SUMMARY
    RB_START_CONFIG,  // XDG_CONFIG_HOME
    RB_START_HOME,    // HOME
    RB_START_VARIABLES
};

// Copies the variables. Called once, when the library is loaded, or by the first hook if that runs earlier. Makes a
// system call only for a relative path. Reads `environ` itself, because some programs (bash) define their own getenv.
void rb_start_copy(void);

// Returns the value that a variable had; NULL if it was unset or empty. A value of RB_POLICY_PATH_SIZE bytes or more is
// cut to that length, which is still too long for every use. The text lives as long as the process.
const char *rb_start_value(enum rb_start_variable variable);

#endif

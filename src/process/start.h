// SPDX-License-Identifier: MIT
// What a program may change after the library was loaded, copied then: variables of the environment, which programs
// overwrite, and the working directory.
//
// Nothing else is done at that time. A program that never makes a call which a policy concerns pays for no more.
#ifndef RB_STATE_START_H
#define RB_STATE_START_H

enum rb_start_variable {
    RB_START_POLICY,  // REBOUND_POLICY; a relative path is joined to the working directory
    RB_START_LOG,     // REBOUND_LOG, likewise
    RB_START_STATE,   // REBOUND_STATE
    RB_START_DISABLE, // REBOUND_DISABLE
    RB_START_SUMMARY, // REBOUND_SUMMARY
    RB_START_CONFIG,  // XDG_CONFIG_HOME
    RB_START_HOME,    // HOME
    RB_START_VARIABLES
};

// Copies all of that. Called once, when the library is loaded or, where a hook runs before that, from the first hook.
// Makes a system call only for a relative path. Reads `environ` by itself: some programs (bash) have a getenv of their
// own.
void rb_start_copy(void);

// The value that a variable had, or NULL where it was not set or empty. A value of RB_POLICY_PATH_SIZE bytes or more is
// cut to that length, which is still too long for every use. The text lives as long as the process.
const char *rb_start_value(enum rb_start_variable variable);

#endif

// SPDX-License-Identifier: MIT
// Keeps the library out of `rebound wait`.
#ifndef RB_CLI_WAIT_RESTART_H
#define RB_CLI_WAIT_RESTART_H

// If librebound.so is loaded into this process and active, executes rebound again with REBOUND_DISABLE set. A container
// can preload the library into all its programs. The library would repeat and count the connects and lookups of the
// tests, and answer lookups from its store. The environment is then as before, so that the program gets the inherited
// one. If rebound cannot be executed again, returns, and the library stays active.
//
// Call before the first thread is made.
//   argv: the whole command line, with the name of rebound
void rb_restart_without_library(char **argv);

#endif

// SPDX-License-Identifier: MIT
// Determines whether a library can be preloaded into a program.
#ifndef RB_CLI_RUN_PROGRAM_H
#define RB_CLI_RUN_PROGRAM_H

#include <limits.h>
#include <stdbool.h>

#include "cli/doctor/elf_file.h"

enum rb_obstacle {
    RB_OBSTACLE_NONE, // or unknown: a file that cannot be read may still be intercepted
    RB_OBSTACLE_STATIC,
    RB_OBSTACLE_ALIEN, // ELF class, byte order or machine differs from the library's
    RB_OBSTACLE_SETUID,
    RB_OBSTACLE_SETGID,
    RB_OBSTACLE_CAPABILITIES,
    RB_OBSTACLE_CLEARED, // a script whose env(1) starts the interpreter with an empty environment
    RB_OBSTACLE_COUNT
};

// A command and its interpreters. The last file is the executable that is loaded.
enum { RB_PROGRAM_CHAIN_MAX = 6 };
struct rb_program_chain {
    char files[RB_PROGRAM_CHAIN_MAX][PATH_MAX];
    unsigned count;
    bool missing; // the last file does not exist or is not executable
    bool cleared; // env(1) with -i is part of the chain
};

// Searches PATH for `name` like execvp(3). out: PATH_MAX bytes. Returns false if there is no such executable.
bool rb_program_find(const char *name, char *out);

// Follows `path` through the first lines of scripts and through env(1). A text file without "#!" is run by /bin/sh, as
// execvp(3) does.
void rb_program_follow(const char *path, struct rb_program_chain *chain);

// Returns why `library` will not be loaded into the program at `path`. Follows scripts to their interpreter. culprit:
// PATH_MAX bytes; receives the file that is the reason.
enum rb_obstacle rb_program_obstacle(const char *path, const char *library, char *culprit);

// The same for one executable that is already open. Each file may be NULL if it is not readable or does not exist.
enum rb_obstacle rb_program_file_obstacle(const char *path, const struct rb_elf_file *program,
                                          const struct rb_elf_file *library);

// The obstacle as the end of a sentence that starts with the file's name.
const char *rb_obstacle_text(enum rb_obstacle obstacle);

// How to remove the obstacle, or NULL.
const char *rb_obstacle_advice(enum rb_obstacle obstacle);

#endif

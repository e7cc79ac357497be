// SPDX-License-Identifier: MIT
// What kind of program a command is, as far as a preloaded library can get into it.
#ifndef RB_CLI_PROGRAM_H
#define RB_CLI_PROGRAM_H

#include <limits.h>
#include <stdbool.h>

#include "cli/doctor/elf_file.h"

enum rb_obstacle {
    RB_OBSTACLE_NONE, // or not known: a file that cannot be read may still be intercepted
    RB_OBSTACLE_STATIC,
    RB_OBSTACLE_ALIEN, // another ELF class, byte order or machine than the library
    RB_OBSTACLE_SETUID,
    RB_OBSTACLE_SETGID,
    RB_OBSTACLE_CAPABILITIES,
    RB_OBSTACLE_CLEARED, // a script whose env(1) starts the interpreter without the environment
    RB_OBSTACLE_COUNT
};

// A command and the interpreters that the kernel goes on to, the executable that is loaded in the end last.
enum { RB_PROGRAM_CHAIN_MAX = 6 };
struct rb_program_chain {
    char files[RB_PROGRAM_CHAIN_MAX][PATH_MAX];
    unsigned count;
    bool missing; // the last one is not there, or cannot be executed
    bool cleared; // env(1) with -i is on the way
};

// Looks for `name` in PATH as execvp(3) does. out: PATH_MAX bytes. Returns false when there is no such executable.
bool rb_program_find(const char *name, char *out);

// Follows `path` through the first lines of scripts, and through env(1) there. A text without such a line is for
// /bin/sh, as with execvp(3).
void rb_program_follow(const char *path, struct rb_program_chain *chain);

// Why `library` will not be loaded into the program at `path`. Scripts are followed to their interpreter, through
// env(1) too. culprit: PATH_MAX bytes, receives the file in question.
enum rb_obstacle rb_program_obstacle(const char *path, const char *library, char *culprit);

// The same for one executable that is open already, `library` too. Either may be NULL: not readable, not there.
enum rb_obstacle rb_program_file_obstacle(const char *path, const struct rb_elf_file *program,
                                          const struct rb_elf_file *library);

// The obstacle as the end of a sentence that begins with the file's name.
const char *rb_obstacle_text(enum rb_obstacle obstacle);

// What can be done about it.
const char *rb_obstacle_advice(enum rb_obstacle obstacle);

#endif

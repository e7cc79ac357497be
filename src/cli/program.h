// SPDX-License-Identifier: MIT
// What kind of program a command is, as far as a preloaded library can get into it.
#ifndef RB_CLI_PROGRAM_H
#define RB_CLI_PROGRAM_H

#include <limits.h>
#include <stdbool.h>

enum rb_obstacle {
    RB_OBSTACLE_NONE, // or not known: a file that cannot be read may still be intercepted
    RB_OBSTACLE_STATIC,
    RB_OBSTACLE_ALIEN, // another ELF class, byte order or machine than the library
    RB_OBSTACLE_SETUID,
    RB_OBSTACLE_SETGID,
    RB_OBSTACLE_CAPABILITIES,
    RB_OBSTACLE_COUNT
};

// Looks for `name` in PATH as execvp(3) does. out: PATH_MAX bytes. Returns false when there is no such executable.
bool rb_program_find(const char *name, char *out);

// Why `library` will not be loaded into the program at `path`. Scripts are followed to their interpreter, through
// env(1) too. culprit: PATH_MAX bytes, receives the file in question.
enum rb_obstacle rb_program_obstacle(const char *path, const char *library, char *culprit);

// The obstacle as the end of a sentence that begins with the file's name.
const char *rb_obstacle_text(enum rb_obstacle obstacle);

#endif

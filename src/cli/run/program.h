// SPDX-License-Identifier: MIT
// Determines whether a library can be preloaded into a program.
#ifndef RB_CLI_RUN_PROGRAM_H
#define RB_CLI_RUN_PROGRAM_H

#include <limits.h>
#include <stdbool.h>

#include "cli/doctor/elf_file.h"

enum rb_obstacle {
    RB_OBSTACLE_NONE, // no obstacle was found; also for a file that cannot be read, whose type is unknown
    RB_OBSTACLE_STATIC,
    RB_OBSTACLE_ALIEN, // ELF class, byte order or machine differs from the library's
    RB_OBSTACLE_SETUID,
    RB_OBSTACLE_SETGID,
    RB_OBSTACLE_CAPABILITIES,
    RB_OBSTACLE_CLEARED, // a script whose env(1) starts the interpreter with an empty environment
    RB_OBSTACLE_COUNT
};

// A command and its interpreters. The first file is the command. If a file is a script, the next file is its
// interpreter, or the program that env(1) starts as its interpreter. The last file is the executable that is loaded.
enum { RB_PROGRAM_CHAIN_MAX = 6 };
struct rb_program_chain {
    char files[RB_PROGRAM_CHAIN_MAX][PATH_MAX];
    unsigned count;
    unsigned started; // index of the file that the last execve(2) gets: a script, or what env(1) or execvp(3) starts
    bool missing;     // the last file does not exist or is not executable
    bool cleared;     // a script starts its interpreter with env -i
};

// Searches PATH for `name` like execvp(3). out: PATH_MAX bytes. Returns false if there is no such executable.
bool rb_program_find(const char *name, char *out);

// Returns the program that a command executes in the end: the one behind env(1), timeout(1), nice(1), nohup(1) and
// setsid(1), and the first program of `sh -c`. Returns the first word of the command if that cannot be told: these have
// unknown options, env changes PATH or has options.
//   command: ends in NULL
//   word: PATH_MAX bytes; may receive the result. NULL: the text of `sh -c` is not read
const char *rb_program_behind(char **command, char *word);

// Returns the part of the path after the last slash.
const char *rb_program_base(const char *path);

// Fills in the chain for the command at `path`. Reads the "#!" lines of scripts and the arguments of env(1) there. A
// text file without "#!" gets the interpreter /bin/sh, as in execvp(3).
void rb_program_follow(const char *path, struct rb_program_chain *chain);

// Returns why `library` will not be loaded into the program at `path`. For a script, the interpreter counts.
//   culprit: PATH_MAX bytes; receives the path of the file that has the obstacle or is of Go, for the message
//   go: receives whether that file contains code compiled by Go, whose system calls are not intercepted
enum rb_obstacle rb_program_obstacle(const char *path, const char *library, char *culprit, bool *go);

// Returns the obstacle of one executable that the caller has opened. Scripts are not followed. Without `program`, only
// set-uid, set-gid and capabilities are checked. Without `library`, the machine type is not compared. A program of
// another type can have a library of its own in the directory that scripts/classes has made beside `place`.
//   program, library: NULL if the file cannot be read
//   place: the path of the library
enum rb_obstacle rb_program_file_obstacle(const char *path, const struct rb_elf_file *program,
                                          const struct rb_elf_file *library, const char *place);

// Returns the end of a sentence that starts with the name of the file: "is statically linked: ...".
const char *rb_obstacle_text(enum rb_obstacle obstacle);

// Returns what the user can do about the obstacle, or NULL.
const char *rb_obstacle_advice(enum rb_obstacle obstacle);

#endif

// SPDX-License-Identifier: MIT
// The state's file: its name, its creation so that nobody sees it half made, and the checks before it is mapped.
//
// Opened without following links, closed again at once: no descriptor stays in the program's table.
#ifndef RB_STATE_STORE_H
#define RB_STATE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "state/layout.h"

enum rb_store_error {
    RB_STORE_SOUND,
    RB_STORE_ABSENT,   // no such file: nobody has used it since the start of the system
    RB_STORE_DENIED,   // the system does not let us: permission, read-only or full file system, no memory
    RB_STORE_FOREIGN,  // a link, no regular file, of another owner, or of a mode other than 0600
    RB_STORE_VERSION,  // of another version of rebound
    RB_STORE_DAMAGED,  // no state, cut short, or random bytes
    RB_STORE_REPLACED, // no error: a file is in use in place of one that was lost
    RB_STORE_ERRORS
};

// A word for the log ("foreign"); never NULL.
const char *rb_store_error_name(enum rb_store_error error);

// A predicate to follow the path ("is of another version of rebound"); never NULL.
const char *rb_store_error_text(enum rb_store_error error);

// ---- names ----
//
// A setting is REBOUND_STATE, or `state` in [rebound]. NULL, "" and "shared" are the default: RB_STORE_DEFAULT, the
// user's number, ".v" and RB_STATE_VERSION. Another user may have taken that name. Then ".1" follows it, ".2", and so
// on. "private" is no file. All else is the path of a file.

#define RB_STORE_DEFAULT "/dev/shm/rebound."

// How many names the default has.
enum { RB_STORE_NAMES = 10 };

bool rb_store_is_default(const char *setting);
bool rb_store_is_private(const char *setting);

// Writes the path of the file that `setting` stands for, for the user `owner`: the first name in order with a sound
// file of that user, else the first free name, else the first one. So all processes of a user find the same file.
// Returns false when there is no file, also for a path that is too long.
bool rb_store_path(const char *setting, uid_t owner, char *path, size_t size);

// ---- opening and mapping ----

// A file that is open.
struct rb_store_file {
    int fd;         // -1: none
    unsigned index; // of its name, in the order of the names
    uint32_t cells;
    uint64_t device, inode;
};

// Opens the file that `setting` stands for and writes its path, as above; never waits, whatever stands there. On
// RB_STORE_SOUND the caller closes the file. RB_STORE_ABSENT: it can be made at `path`. Other errors are those of the
// first name.
//   setting: not "private"
enum rb_store_error rb_store_open(struct rb_store_file *file, const char *setting, uid_t owner, bool writable,
                                  char *path, size_t size);
void rb_store_close(struct rb_store_file *file);

// Maps a file. Should it be cut short, the mapping turns into zeroed memory when it is touched (real/fault.h).
//   state: without a header, the file is mapped anywhere. Else it takes the place of what is mapped there, which must
//          have as many cells; pointers into it stay good. If that fails, memory of this process alone stands there.
// Returns RB_STORE_SOUND or RB_STORE_DENIED.
enum rb_store_error rb_store_map_file(struct rb_state *state, const struct rb_store_file *file, bool writable);

// Opens and maps the file at `path` of the effective user. On any error nothing is mapped.
enum rb_store_error rb_store_map(struct rb_state *state, const char *path, bool writable);

// The same for a file that has to belong to `owner` instead of the effective user. Only root can open such a file.
enum rb_store_error rb_store_map_of(struct rb_state *state, const char *path, uid_t owner, bool writable);

// ---- making ----

// Makes the file for so many cells and leaves it to rb_store_map; one that another process made meanwhile is as good.
// A maker that is killed leaves no file behind where the file system has O_TMPFILE. Returns RB_STORE_SOUND or
// RB_STORE_DENIED.
enum rb_store_error rb_store_make(const char *path, uint32_t cells);

// ---- memory ----

// The same layout in memory of this process alone, at first use of each page. Returns false without memory.
bool rb_store_private(struct rb_state *state, uint32_t cells);

// Whether a mapping may still be touched and is what it was. A look, no promise for the next moment. Costs one system
// call.
bool rb_store_is_whole(const struct rb_state *state);

// Puts memory of this process alone in the place of a mapping that may not be touched any more; pointers into it stay
// good, what it held is gone. Returns false when the system does not let us.
bool rb_store_replace(const struct rb_state *state);

void rb_store_unmap(struct rb_state *state);

#endif

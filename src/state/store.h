// SPDX-License-Identifier: MIT
// The state's file: its name, its creation without a visible unfinished file, and the checks before it is mapped. Links
// are not followed, and no descriptor stays open in the program's table.
#ifndef RB_STATE_STORE_H
#define RB_STATE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "state/layout.h"

enum rb_store_error {
    RB_STORE_SOUND,
    RB_STORE_ABSENT,   // no such file: no process has used it since the system started
    RB_STORE_DENIED,   // a system call failed: permission, read-only or full file system, no memory
    RB_STORE_FOREIGN,  // a link, not a regular file, of another owner, or not of mode 0600
    RB_STORE_VERSION,  // made by another version of rebound
    RB_STORE_DAMAGED,  // not a state, truncated, or random bytes
    RB_STORE_REPLACED, // not an error: a file is used in place of one that was lost
    RB_STORE_ERRORS
};

// Returns a word for the log ("foreign"); never NULL.
const char *rb_store_error_name(enum rb_store_error error);

// Returns a predicate that follows the path ("is of another version of rebound"); never NULL.
const char *rb_store_error_text(enum rb_store_error error);

// ---- names ----
//
// A setting is the value of REBOUND_STATE, or `state` in [rebound]. NULL, "" and "shared" mean the default name:
// RB_STORE_DEFAULT, the user's number, ".v" and RB_STATE_VERSION. If another user has taken that name, ".1", ".2" and
// so on are appended. "private" means no file. Any other value is the path of a file.

#define RB_STORE_DEFAULT "/dev/shm/rebound."

// The number of names of the default file.
enum { RB_STORE_NAMES = 10 };

bool rb_store_is_default(const char *setting);
bool rb_store_is_private(const char *setting);

// Writes the path of the file that `setting` means for the user `owner`: the first name with a sound file of that user,
// else the first free name, else the first name. So all processes of a user find the same file. Returns false if there
// is no file, or the path is too long.
bool rb_store_path(const char *setting, uid_t owner, char *path, size_t size);

// ---- opening and mapping ----

// An open file.
struct rb_store_file {
    int fd;         // -1: none
    unsigned index; // index of its name
    uint32_t cells;
    uint64_t device, inode;
};

// Opens the file that `setting` means and writes its path as rb_store_path does. Never blocks, whatever kind of file is
// there. After RB_STORE_SOUND the caller closes the file. After RB_STORE_ABSENT it can be made at `path`. Other errors
// are those of the first name.
//   setting: not "private"
enum rb_store_error rb_store_open(struct rb_store_file *file, const char *setting, uid_t owner, bool writable,
                                  char *path, size_t size);
void rb_store_close(struct rb_store_file *file);

// Maps a file. If the file is truncated later, the mapping becomes zeroed memory when it is touched (real/fault.h).
//   state: without a header, the file is mapped anywhere. With one, the file replaces the mapping there, which must
//   have as many cells; pointers into it stay valid. If that fails, private memory is mapped there.
// Returns RB_STORE_SOUND or RB_STORE_DENIED.
enum rb_store_error rb_store_map_file(struct rb_state *state, const struct rb_store_file *file, bool writable);

// Opens and maps the effective user's file at `path`. On any error nothing is mapped.
enum rb_store_error rb_store_map(struct rb_state *state, const char *path, bool writable);

// As rb_store_map, for a file that belongs to `owner`. Only root can open a file of another user.
enum rb_store_error rb_store_map_of(struct rb_state *state, const char *path, uid_t owner, bool writable);

// ---- making ----

// Makes a file with so many cells, without mapping it. If another process makes it first, that file is used. If the
// process is killed meanwhile, no file is left behind, provided the file system supports O_TMPFILE. Returns
// RB_STORE_SOUND or RB_STORE_DENIED.
enum rb_store_error rb_store_make(const char *path, uint32_t cells);

// ---- memory ----

// Maps the same layout in private memory. Returns false without memory.
bool rb_store_private(struct rb_state *state, uint32_t cells);

// Returns whether a mapping is still backed by a whole and unchanged file. The file may change right after the check.
// Costs one system call.
bool rb_store_is_whole(const struct rb_state *state);

// Replaces a mapping by private memory; pointers into it stay valid, its content is lost. Returns false if there is no
// memory.
bool rb_store_replace(const struct rb_state *state);

void rb_store_unmap(struct rb_state *state);

#endif

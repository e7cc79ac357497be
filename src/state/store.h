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
    RB_STORE_ABSENT,  // no such file: nobody has used it since the start of the system
    RB_STORE_DENIED,  // the system does not let us: permission, read-only or full file system, no memory
    RB_STORE_FOREIGN, // a link, no regular file, of another owner, or of a mode other than 0600
    RB_STORE_VERSION, // of another version of rebound
    RB_STORE_DAMAGED, // no state, cut short, or random bytes
    RB_STORE_ERRORS
};

// A word for the log ("foreign"); never NULL.
const char *rb_store_error_name(enum rb_store_error error);

// A predicate to follow the path ("is of another version of rebound"); never NULL.
const char *rb_store_error_text(enum rb_store_error error);

// Writes the path that `setting` stands for: REBOUND_STATE, or `state` in [rebound]. NULL, "" and "shared" are
// /dev/shm/rebound.UID, "private" is none, all else is a path. Returns false when there is no file, also for a path
// that is too long.
bool rb_store_path(const char *setting, char *path, size_t size);

// Maps the file at `path`; never waits, whatever stands there. On any error nothing is mapped. Should the file be cut
// short, the mapping turns into zeroed memory when it is touched (real/fault.h).
enum rb_store_error rb_store_map(struct rb_state *state, const char *path, bool writable);

// The same for a file that has to belong to `owner` instead of the effective user. Only root can open such a file.
enum rb_store_error rb_store_map_of(struct rb_state *state, const char *path, uid_t owner, bool writable);

// Makes the file for so many cells and leaves it to rb_store_map; one that another process made meanwhile is as good.
// A maker that is killed leaves no file behind where the file system has O_TMPFILE. Returns RB_STORE_SOUND or
// RB_STORE_DENIED.
enum rb_store_error rb_store_make(const char *path, uint32_t cells);

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

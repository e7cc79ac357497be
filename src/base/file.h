// SPDX-License-Identifier: MIT
// Policy files: what tells one state of a file from another, and reading one.
//
// By system call where libc's function is either new (stat and fstat are symbols of glibc 2.33) or a cancellation point
// (open, read, close): a thread that is cancelled in the middle of a reload would leave it undone for ever.
#ifndef RB_BASE_FILE_H
#define RB_BASE_FILE_H

#include "base/arena.h"
#include "base/slice.h"

// What changes when a file is replaced or written, and whose it is. Times in nanoseconds; mode with the file's type.
struct rb_file_identity {
    uint64_t device, inode, size;
    int64_t modified, changed;
    uint32_t owner, mode;
    uint64_t links; // how many names it has
};

// Returns 0 or a negative errno. The second one looks at the path itself where that is a symbolic link, and takes a
// relative path from the open `directory` (or AT_FDCWD).
int rb_file_identify(const char *path, struct rb_file_identity *out);
int rb_file_identify_link(int directory, const char *path, struct rb_file_identity *out);
int rb_file_identify_open(int fd, struct rb_file_identity *out);

// True when both describe the same state of the same file.
bool rb_file_same(const struct rb_file_identity *a, const struct rb_file_identity *b);

// Reads a whole regular file. content lives in scratch; identity (may be NULL) is that of what was read. Returns 0 or a
// negative errno: -EISDIR, -EFBIG, -EAGAIN when the file changed meanwhile, -EINVAL when it is no regular file.
int rb_file_read(const char *path, struct rb_arena *scratch, struct rb_slice *content,
                 struct rb_file_identity *identity);

#endif

// SPDX-License-Identifier: MIT
// Policy files: identify a version of a file, and read a file.
//
// libc's functions are not used. stat and fstat exist as symbols only since glibc 2.33. open, read and close are
// cancellation points: cancelling a thread during a reload would leave the reload unfinished forever.
#ifndef RB_BASE_FILE_H
#define RB_BASE_FILE_H

#include "base/arena.h"
#include "base/slice.h"

// Identifies one version of a file: the fields change when the file is replaced or written. Times are in nanoseconds;
// mode includes the file type.
struct rb_file_identity {
    uint64_t device, inode, size;
    int64_t modified, changed;
    uint32_t owner, mode;
    uint64_t links; // number of hard links
};

// Fill `out`. Each returns 0 or a negative errno. rb_file_identify follows symbolic links. rb_file_identify_link
// describes a symbolic link itself, and resolves a relative path from the open descriptor `directory` (or AT_FDCWD).
// rb_file_identify_open describes the open descriptor `fd`.
int rb_file_identify(const char *path, struct rb_file_identity *out);
int rb_file_identify_link(int directory, const char *path, struct rb_file_identity *out);
int rb_file_identify_open(int fd, struct rb_file_identity *out);

// Returns true when both describe the same version of the same file.
bool rb_file_same(const struct rb_file_identity *a, const struct rb_file_identity *b);

// Reads a whole regular file. `scratch` owns the content. `identity` may be NULL; it receives the identity of the
// version that was read. Returns 0 or a negative errno: -EISDIR, -EFBIG, -EAGAIN if the file changed while it was read,
// -EINVAL if it is not a regular file.
int rb_file_read(const char *path, struct rb_arena *scratch, struct rb_slice *content,
                 struct rb_file_identity *identity);

#endif

// SPDX-License-Identifier: MIT
// Where lines of the log go: the program's stderr, or a file that is opened for each line.
//
// Nothing stays open in the program's descriptor table, so rotation works, and a program that closes all descriptors
// closes none of ours. A program may close its stderr and open a file or a connection with number 2. Lines must not go
// there, so descriptor 2 is compared with the one that the process was started with.
//
// Another user must not choose where our lines go. The file is opened without following a symbolic link. It must belong
// to root or to the effective user, and have one name only: a second one could be another user's hard link to a file
// of ours. A symbolic link among the directories of the path is followed if it belongs to root or to the effective
// user.
#ifndef RB_OBSERVE_SINK_H
#define RB_OBSERVE_SINK_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/event.h"

// Remembers which file descriptor 2 is; the first call counts. To be called before the program can close it. Until then
// nothing is written to stderr, and also if descriptor 2 is a network connection, as in a service of inetd: the peer
// expects a protocol. One system call, two for a socket.
void rb_sink_start(void);

// Writes one line.
//   destination: "stderr" or a path
//   line: a newline, then the line with its own newline at the end. The first newline is written only where the
//         destination ends with a part of a line that somebody could not finish.
//   length: of all that, at most RB_SINK_LINE_MAX
// A line is written as a whole or not at all: what a full disk or a limit cut off is overwritten with blanks before the
// next line. It never waits, raises no SIGPIPE or SIGXFSZ, and keeps errno. Lock-free, async-signal-safe. With the
// first line, and whenever the file is another one, the directories of the path are checked on 4 KiB of stack.
enum rb_sink_error rb_sink_write(const char *destination, const char *line, size_t length);

// A write is atomic on a pipe up to PIPE_BUF (4096).
enum { RB_SINK_LINE_MAX = 2048 };

// Whether rb_sink_write would refuse the file at `path` for what it is, or for a link on the way to it. RB_SINK_OK also
// where there is no file. It opens no file.
enum rb_sink_error rb_sink_examine(const char *path);

// Whether it is certain by owners and modes that root alone may write the file at `path`, or make it where there is
// none. It opens no file.
bool rb_sink_is_for_root(const char *path);

// Whether the directory of the absolute `path` will be missing once `root` is the root directory. `root` may be any
// pointer that the program passes to chroot(2). Uses 4 KiB of stack.
bool rb_sink_is_missing_in(const char *root, const char *path);

// Reads the end of the regular file at `path` as rb_sink_write would open it: at most `size` bytes. Returns how many;
// 0 for no file, and for one that is refused or cannot be read.
size_t rb_sink_read_end(const char *path, char *out, size_t size);

#endif

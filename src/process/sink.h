// SPDX-License-Identifier: MIT
// The destination of log lines: the program's stderr, or a file that is opened for each line.
//
// No descriptor stays open in the program's table. So log rotation works, and a program that closes all descriptors
// closes none of ours. A program may close its stderr and open a file or a connection as descriptor 2. Lines must not
// go there, so descriptor 2 is compared with the one that the process was started with.
//
// Another user must not choose where our lines go. The file is opened without following a symbolic link. It must belong
// to root or to the effective user, and have only one name: a second name could be another user's hard link to a file
// of ours. A symbolic link among the directories of the path is followed if it belongs to root or to the effective
// user.
#ifndef RB_PROCESS_SINK_H
#define RB_PROCESS_SINK_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/event.h"

// Records which file descriptor 2 is; only the first call counts. Call before the program can close it. Until then
// nothing is written to stderr. Nothing is written either if descriptor 2 is a network connection, as in a service of
// inetd, because the peer expects a protocol. One system call, two for a socket.
void rb_sink_start(void);

// Writes one line.
//   destination: "stderr" or a path
//   line: a newline, then the line, ending with its own newline. The first newline is written only if the destination
//   ends with an incomplete line
//   length: of all that, at most RB_SINK_LINE_MAX
// A line is written as a whole or not at all: if a full disk or a limit cut it, the part is overwritten with blanks
// before the next line. Never blocks, raises no SIGPIPE or SIGXFSZ, and keeps errno. Lock-free, async-signal-safe. For
// the first line, and whenever the file is a new one, the directories of the path are checked on 4 KiB of stack.
enum rb_loss rb_sink_write(const char *destination, const char *line, size_t length);

// Below PIPE_BUF (4096), up to which a write to a pipe is atomic.
enum { RB_SINK_LINE_MAX = 2048 };

// Returns why rb_sink_write would refuse the file at `path`: because of the file itself or of a link in its path.
// RB_LOSS_NONE also if there is no file. Opens no file.
enum rb_loss rb_sink_examine(const char *path);

// Returns whether owners and modes guarantee that only root can write the file at `path`, or create it if it does not
// exist. Opens no file.
bool rb_sink_is_for_root(const char *path);

// Returns whether the directory of the absolute `path` will be missing once `root` is the root directory. `root` may be
// any pointer, as the program passes it to chroot(2). Uses 4 KiB of stack.
bool rb_sink_is_missing_in(const char *root, const char *path);

// Reads at most `size` bytes from the end of the regular file at `path`, opened as rb_sink_write does. Returns the
// number of bytes; 0 if there is no file, or it is refused or cannot be read.
size_t rb_sink_read_end(const char *path, char *out, size_t size);

#endif

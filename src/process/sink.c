// SPDX-License-Identifier: MIT
// Opens, checks and writes destinations of the log by system calls: libc's functions are cancellation points. A line
// that is begun is finished, also if another thread installs a seccomp filter meanwhile: a refused close would leave a
// descriptor in the program's table.
#define _GNU_SOURCE 1 // AT_EMPTY_PATH
#include "process/sink.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/hash.h"
#include "policy/policy.h"
#include "real/kernel.h"
#include "real/pages.h"
#include "real/sandbox.h"
#include "real/section.h"
#include "real/system.h"

enum { ROOT = 0, LOG_MODE = 0640, OPEN_TRIES = 3, LINKS_MAX = 40 };

// The flags of every open. O_LARGEFILE: without it a 32-bit kernel refuses files over 2 GiB.
enum { OPEN_ALWAYS = O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW | O_LARGEFILE };

static enum rb_loss sink_error_of(long result)
{
    switch (-result) {
    case EACCES:
    case EPERM:
    case EROFS:
        return RB_LOSS_DENIED;
    case ELOOP:
        return RB_LOSS_LINK;
    case EISDIR:
        return RB_LOSS_TYPE;
    case ENOENT:
    case ENOTDIR:
        return RB_LOSS_ABSENT;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return RB_LOSS_FULL;
    case EAGAIN:
    case ENXIO:
    case EPIPE:
        return RB_LOSS_BUSY;
    default:
        return RB_LOSS_FAILED;
    }
}

static bool sink_same_file(const struct rb_file_identity *a, const struct rb_file_identity *b)
{
    return a->device == b->device && a->inode == b->inode;
}

static bool sink_is_ours(const struct rb_file_identity *file)
{
    return file->owner == ROOT || file->owner == rb_kernel_euid();
}

// ---- the directories of a path ----

// The resolution of a path. `rest` is the part still to be resolved. It lies at the end of `text`, so that the target
// of a link fits in front of it. The struct lies in pages from the kernel, because the program's stack may be small.
struct sink_walk {
    int directory;
    unsigned links;
    char *rest;
    struct rb_file_identity identity; // of the file that the latest name leads to
    char text[RB_POLICY_PATH_SIZE];
};

static int sink_open_path(int directory, const char *name)
{
    return (int) rb_kernel_always(SYS_openat, directory, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
}

static void sink_enter(struct sink_walk *walk, int directory)
{
    if (walk->directory >= 0)
        rb_kernel_always(SYS_close, walk->directory);
    walk->directory = directory;
}

// Puts the target of a link in front of the rest. Links in /proc that stand for an open file are refused: they report
// no size of a target, and their text is not where they lead.
static enum rb_loss sink_follow(struct sink_walk *walk, int link, const struct rb_file_identity *identity)
{
    size_t size = identity->size;
    if (!sink_is_ours(identity) || size == 0 || ++walk->links > LINKS_MAX)
        return RB_LOSS_LINK;
    if (size + 1 > (size_t) (walk->rest - walk->text))
        return RB_LOSS_FAILED;
    char *target = walk->rest - size - 1;
    if (rb_kernel_always(SYS_readlinkat, link, "", target, size) != (long) size)
        return RB_LOSS_LINK;
    target[size] = '/';
    walk->rest = target;
    if (target[0] == '/')
        sink_enter(walk, sink_open_path(AT_FDCWD, "/"));
    return RB_LOSS_NONE;
}

// Resolves the first name of the rest.
static enum rb_loss sink_step(struct sink_walk *walk)
{
    struct rb_file_identity *identity = &walk->identity;
    char *name = walk->rest, *end = name + strcspn(name, "/");
    walk->rest = *end ? end + 1 : end;
    *end = '\0';
    int next = sink_open_path(walk->directory, name);
    enum rb_loss error = next < 0 ? sink_error_of(next) : RB_LOSS_NONE;
    if (error == RB_LOSS_NONE && rb_file_identify_open(next, identity) != 0)
        error = RB_LOSS_FAILED;
    if (error == RB_LOSS_NONE && S_ISDIR(identity->mode)) {
        sink_enter(walk, next);
        return RB_LOSS_NONE;
    }
    if (error == RB_LOSS_NONE)
        error = S_ISLNK(identity->mode) ? sink_follow(walk, next, identity) : RB_LOSS_ABSENT;
    if (next >= 0)
        rb_kernel_always(SYS_close, next);
    return error;
}

static const char *sink_last_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

// Opens the directory of `path` name by name, so that no link of another user is followed. The caller closes
// *directory, which is -1 after an error.
static enum rb_loss sink_open_directory(const char *path, int *directory)
{
    struct sink_walk *walk = rb_pages_memory(sizeof(*walk));
    size_t length = (size_t) (sink_last_name(path) - path);
    enum rb_loss error = length < sizeof(walk->text) ? RB_LOSS_NONE : RB_LOSS_FAILED;
    *directory = -1;
    if (!walk)
        return RB_LOSS_FAILED;
    walk->directory = sink_open_path(AT_FDCWD, path[0] == '/' ? "/" : ".");
    if (error == RB_LOSS_NONE) {
        walk->rest = walk->text + sizeof(walk->text) - 1 - length;
        memcpy(walk->rest, path, length);
        walk->rest[length] = '\0';
    }
    while (error == RB_LOSS_NONE && walk->directory >= 0) {
        walk->rest += strspn(walk->rest, "/");
        if (!*walk->rest)
            break;
        error = sink_step(walk);
    }
    if (error != RB_LOSS_NONE)
        sink_enter(walk, -1);
    *directory = walk->directory;
    rb_pages_memory_free(walk, sizeof(*walk));
    return error == RB_LOSS_NONE && *directory < 0 ? RB_LOSS_FAILED : error;
}

// ---- the file ----

static enum rb_loss sink_judge(const struct rb_file_identity *file)
{
    switch (file->mode & S_IFMT) {
    case S_IFREG:
        return !sink_is_ours(file) ? RB_LOSS_OWNER : file->links > 1 ? RB_LOSS_NAMES : RB_LOSS_NONE;
    case S_IFIFO:
        return sink_is_ours(file) ? RB_LOSS_NONE : RB_LOSS_OWNER;
    case S_IFCHR: // only root can make a device, so no other user can have placed it
        return RB_LOSS_NONE;
    case S_IFLNK:
        return RB_LOSS_LINK;
    default:
        return RB_LOSS_TYPE;
    }
}

// A hash of the file whose path was checked last and of the user of that check; 0: none.
static _Atomic uint64_t sink_checked;

// What name_to_handle_at(2) fills in. The kernel calls the two numbers handle_bytes and handle_type.
struct sink_handle {
    uint32_t size;
    int32_t type;
    uint64_t words[4]; // no common file system uses more
};

// Returns the hash of an open file. A file system gives the inode number of a removed file to a new one. The file
// handle distinguishes the two. Not every file system has handles. Not inlined, so that a path is opened with less
// stack.
__attribute__((noinline)) static uint64_t sink_check_word(int fd, const struct rb_file_identity *file)
{
    int mount;
    struct sink_handle handle = {.size = sizeof(handle.words)};
    uint64_t word = rb_hash_mix(rb_hash_mix(rb_kernel_euid(), file->device), file->inode);
    if (rb_kernel_always(SYS_name_to_handle_at, fd, "", &handle, &mount, AT_EMPTY_PATH) == 0)
        for (size_t i = 0; i < handle.size; i += sizeof(handle.words[0]))
            word = rb_hash_mix(word, handle.words[i / sizeof(handle.words[0])]);
    return word | 1;
}

// Returns whether the last name of the path is this file. Not inlined, so that the directories are opened with less
// stack.
__attribute__((noinline)) static bool sink_leads_to(int directory, const char *path,
                                                    const struct rb_file_identity *file)
{
    struct rb_file_identity there;
    return rb_file_identify_link(directory, sink_last_name(path), &there) == 0 && sink_same_file(&there, file);
}

// Checks that the path leads to this file without following a link of another user.
static enum rb_loss sink_check_path(const char *path, int fd, const struct rb_file_identity *file)
{
    int directory;
    uint64_t word = sink_check_word(fd, file);
    if (atomic_load_explicit(&sink_checked, memory_order_relaxed) == word)
        return RB_LOSS_NONE;
    enum rb_loss error = sink_open_directory(path, &directory);
    if (error != RB_LOSS_NONE)
        return error;
    bool same = sink_leads_to(directory, path, file);
    rb_kernel_always(SYS_close, directory);
    if (same)
        atomic_store_explicit(&sink_checked, word, memory_order_relaxed);
    return same ? RB_LOSS_NONE : RB_LOSS_LINK;
}

// A file that is open for one line.
struct sink_file {
    int fd; // -1: none
    struct rb_file_identity identity;
};

// Internal result: the file at the path was replaced meanwhile, so try again.
static const enum rb_loss SINK_AGAIN = RB_LOSS_COUNT;

static enum rb_loss sink_make(const char *path, struct sink_file *file)
{
    int directory, flags = O_RDWR | O_CREAT | O_EXCL | OPEN_ALWAYS;
    enum rb_loss error = sink_open_directory(path, &directory);
    if (error != RB_LOSS_NONE)
        return error;
    long fd = rb_kernel_always(SYS_openat, directory, sink_last_name(path), flags, LOG_MODE);
    rb_kernel_always(SYS_close, directory);
    if (fd < 0)
        return fd == -EEXIST ? SINK_AGAIN : sink_error_of(fd);
    file->fd = (int) fd;
    if (rb_file_identify_open(file->fd, &file->identity) != 0)
        return RB_LOSS_FAILED;
    atomic_store_explicit(&sink_checked, sink_check_word(file->fd, &file->identity), memory_order_relaxed);
    return RB_LOSS_NONE;
}

// Opens the file whose identity is in *file. Replaces the identity by that of the open file.
static enum rb_loss sink_open_known(const char *path, struct sink_file *file)
{
    uint64_t device = file->identity.device, inode = file->identity.inode, links = file->identity.links;
    enum rb_loss error = sink_judge(&file->identity);
    if (error != RB_LOSS_NONE)
        return error;
    // A regular file is also opened for reading if permitted, because its last byte shows whether the last line is
    // complete. A FIFO is not: other processes would see us as a reader.
    long fd = -EACCES;
    if (S_ISREG(file->identity.mode))
        fd = rb_kernel_always(SYS_openat, AT_FDCWD, path, O_RDWR | OPEN_ALWAYS);
    if (fd == -EACCES)
        fd = rb_kernel_always(SYS_openat, AT_FDCWD, path, O_WRONLY | OPEN_ALWAYS);
    if (fd < 0)
        return fd == -ENOENT ? SINK_AGAIN : sink_error_of(fd);
    file->fd = (int) fd;
    if (rb_file_identify_open(file->fd, &file->identity) != 0)
        return RB_LOSS_FAILED;
    bool removed = file->identity.links == 0 && links > 0; // some file systems always report 0 links
    if (removed || file->identity.device != device || file->identity.inode != inode)
        return SINK_AGAIN;
    return sink_judge(&file->identity);
}

static void sink_close(struct sink_file *file)
{
    if (file->fd >= 0)
        rb_kernel_always(SYS_close, file->fd);
    file->fd = -1;
}

static enum rb_loss sink_open(const char *path, struct sink_file *file)
{
    enum rb_loss error = SINK_AGAIN;
    file->fd = -1;
    for (int tries = 0; error == SINK_AGAIN && tries < OPEN_TRIES; tries++) {
        sink_close(file);
        int found = rb_file_identify_link(AT_FDCWD, path, &file->identity);
        error = found == 0 ? sink_open_known(path, file) : sink_error_of(found);
        if (error == RB_LOSS_NONE)
            error = sink_check_path(path, file->fd, &file->identity);
        else if (error == RB_LOSS_ABSENT)
            error = sink_make(path, file);
    }
    if (error != RB_LOSS_NONE)
        sink_close(file);
    return error == SINK_AGAIN ? RB_LOSS_FAILED : error;
}

enum rb_loss rb_sink_examine(const char *path)
{
    struct rb_file_identity file;
    int directory;
    enum rb_loss error = sink_open_directory(path, &directory);
    if (error != RB_LOSS_NONE)
        return error == RB_LOSS_LINK ? error : RB_LOSS_NONE;
    bool there = rb_file_identify_link(directory, sink_last_name(path), &file) == 0;
    rb_kernel_always(SYS_close, directory);
    return there ? sink_judge(&file) : RB_LOSS_NONE;
}

static bool sink_only_root_writes(const struct rb_file_identity *file)
{
    return file->owner == ROOT &&
           !(file->mode & (S_IWGRP | S_IWOTH)); // the entries of an access control list appear in the group bits
}

bool rb_sink_is_for_root(const char *path)
{
    struct rb_file_identity file;
    int directory, found = rb_file_identify_link(AT_FDCWD, path, &file);
    if (found != -ENOENT)
        return found == 0 && sink_only_root_writes(&file);
    if (sink_open_directory(path, &directory) != RB_LOSS_NONE)
        return false;
    bool known = rb_file_identify_open(directory, &file) == 0;
    rb_kernel_always(SYS_close, directory);
    return known && sink_only_root_writes(&file);
}

bool rb_sink_is_missing_in(const char *root, const char *path)
{
    struct rb_file_identity ignored;
    const char *begin = path + strspn(path, "/");
    const char *end = sink_last_name(path);
    size_t length = end > begin ? (size_t) (end - begin) : 0;
    if (begin == path || length == 0 || length >= RB_POLICY_PATH_SIZE)
        return false;
    long fd = rb_kernel_always(SYS_openat, AT_FDCWD, root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    char *directory = fd >= 0 ? rb_pages_memory(RB_POLICY_PATH_SIZE) : NULL;
    int found = 0;
    if (directory) {
        memcpy(directory, begin, length); // the path ends with a slash, so that a link is followed
        found = rb_file_identify_link((int) fd, directory, &ignored);
        rb_pages_memory_free(directory, RB_POLICY_PATH_SIZE);
    }
    if (fd >= 0)
        rb_kernel_always(SYS_close, (int) fd);
    return found == -ENOENT || found == -ENOTDIR;
}

// ---- writing ----

// Writes to a descriptor. A write that fails may raise SIGPIPE or SIGXFSZ. rb_sink_write blocks both, and this function
// removes the signal that the write raised.
//   pending: the signals that were pending before; they belong to the program and are not removed
static long sink_put(int fd, const char *bytes, size_t length, uint64_t pending)
{
    struct rb_kernel_time no_wait = {0};
    long written = rb_kernel_always(SYS_write, fd, bytes, length);
    if (written == -EPIPE || written == -EFBIG) {
        uint64_t raised = rb_kernel_signal(written == -EPIPE ? SIGPIPE : SIGXFSZ);
        if (!(pending & raised))
            rb_kernel_always(SYS_rt_sigtimedwait, &raised, NULL, &no_wait, RB_KERNEL_SIGNALS);
    }
    return written;
}

#ifdef SYS__llseek
static int64_t sink_seek(int fd, int64_t offset, int whence)
{
    int64_t position;
    long result = rb_kernel_always(SYS__llseek, fd, (long) (offset >> 32), (long) offset, &position, whence);
    return result == 0 ? position : result;
}
#else
static int64_t sink_seek(int fd, int64_t offset, int whence)
{
    return rb_kernel_always(SYS_lseek, fd, offset, whence);
}
#endif

// Returns the byte at an offset, or -1.
static int sink_byte_at(int fd, int64_t offset)
{
    char byte;
    bool there =
        offset >= 0 && sink_seek(fd, offset, SEEK_SET) == offset && rb_kernel_always(SYS_read, fd, &byte, 1) == 1;
    return there ? (unsigned char) byte : -1;
}

size_t rb_sink_read_end(const char *path, char *out, size_t size)
{
    struct sink_file file = {.fd = -1};
    long got = 0;
    bool regular = rb_file_identify_link(AT_FDCWD, path, &file.identity) == 0 && S_ISREG(file.identity.mode);
    if (regular && sink_open_known(path, &file) == RB_LOSS_NONE &&
        sink_check_path(path, file.fd, &file.identity) == RB_LOSS_NONE) {
        int64_t start = (int64_t) (file.identity.size > size ? file.identity.size - size : 0);
        got = sink_seek(file.fd, start, SEEK_SET) == start ? rb_kernel_always(SYS_read, file.fd, out, size) : 0;
    }
    sink_close(&file);
    return got > 0 ? (size_t) got : 0;
}

// Writes blanks over an incomplete line: they need no disk space. The file keeps its size, because other processes may
// have appended meanwhile, and because readers that follow the file treat a file that shrinks as a new one. JSON allows
// blanks around a value. So the blanks are added to the previous line, by moving its newline behind them. Without a
// previous line they come before the next one.
//   move: the newline before the part may be moved, because it is ours
//   blanks: room for the part and a newline
static void sink_blank_part(int fd, int64_t end, size_t length, bool move, char *blanks, uint64_t pending)
{
    int64_t start = end - (int64_t) length;
    bool line_before = move && sink_byte_at(fd, start - 1) == '\n', newline_after = sink_byte_at(fd, end) == '\n';
    // Another process that saw the incomplete line began its own line with a newline. That newline ends the blanks, or
    // becomes one of them.
    start -= line_before;
    end += start == 0 && newline_after;
    length = (size_t) (end - start);
    memset(blanks, ' ', length);
    if (line_before && !newline_after)
        blanks[length - 1] = '\n';
    if (sink_seek(fd, start, SEEK_SET) == start)
        sink_put(fd, blanks, length, pending);
}

// Removes an incomplete line. Returns false without a change if the bytes before `end` are not `part`, or without
// memory.
//   fd: our own descriptor, for reading and writing, without O_APPEND, which would move each write to the end
//   ends_line: whether the byte before the part is the newline of a line of ours; only such a newline is moved
static bool sink_take_back(int fd, int64_t end, const char *part, size_t length, bool ends_line, uint64_t pending)
{
    enum { ROOM = RB_SINK_LINE_MAX + 1 };
    char *there = rb_pages_memory(ROOM);
    int64_t start = end - (int64_t) length;
    bool found = there && start >= 0 && sink_seek(fd, start, SEEK_SET) == start &&
                 rb_kernel_always(SYS_read, fd, there, length) == (long) length && memcmp(there, part, length) == 0;
    if (found)
        sink_blank_part(fd, end, length, ends_line, there, pending);
    if (there)
        rb_pages_memory_free(there, ROOM);
    return found;
}

// Returns the length of an incomplete line without the newline that begins it. That newline is not removed: another
// process that removes an incomplete line before it may rely on it.
//   written: what the system call returned; not negative
//   skip: 0 if the line was written with that newline, 1 if without
static size_t sink_part_length(long written, size_t skip)
{
    size_t newline = 1 - skip;
    return (size_t) written > newline ? (size_t) written - newline : 0;
}

// Which destinations end with an incomplete line of this process that could not be removed.
enum sink_kind { SINK_STDERR, SINK_PATH, SINK_KINDS };
static _Atomic bool sink_unfinished[SINK_KINDS];

static bool sink_is_unfinished(enum sink_kind kind)
{
    return atomic_load_explicit(&sink_unfinished[kind], memory_order_relaxed);
}

static void sink_set_unfinished(enum sink_kind kind, bool unfinished)
{
    atomic_store_explicit(&sink_unfinished[kind], unfinished, memory_order_relaxed);
}

// ---- a file ----

__attribute__((noinline)) static enum rb_loss sink_write_file(const struct sink_file *file, const char *line,
                                                              size_t length, uint64_t pending)
{
    // The file may end with an incomplete line of another process, which was killed or could not remove the line. If
    // the file cannot be read, only incomplete lines of this process are known. A file of blanks alone is what is left
    // of its first line.
    int64_t size = (int64_t) file->identity.size;
    int last = size > 0 ? sink_byte_at(file->fd, size - 1) : '\n';
    bool blank = last == ' ' && size <= RB_SINK_LINE_MAX && sink_byte_at(file->fd, 0) == ' ';
    bool after_part = last < 0 ? sink_is_unfinished(SINK_PATH) : last != '\n' && !blank;
    size_t skip = after_part ? 0 : 1; // the newline at the start of the line
    long written = sink_put(file->fd, line + skip, length - skip, pending);
    if (written < 0)
        return sink_error_of(written);
    bool whole = (size_t) written == length - skip, mended = false;
    if (!whole && rb_kernel_always(SYS_fcntl, file->fd, F_SETFL, O_NONBLOCK) == 0) // removes O_APPEND
        mended = sink_take_back(file->fd, sink_seek(file->fd, 0, SEEK_CUR), line + 1, sink_part_length(written, skip),
                                true, pending);
    sink_set_unfinished(SINK_PATH, !whole && !mended);
    return whole ? RB_LOSS_NONE : RB_LOSS_FULL;
}

// ---- streams: FIFOs, terminals, stderr of whatever kind ----

// Removes an incomplete line from stderr if it is a file, with a descriptor of our own. The newline before the part is
// moved only after a line of JSON, or if it was written with the part.
static bool sink_take_back_from_stderr(const char *part, size_t length, bool own_newline, uint64_t pending)
{
    int flags = O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | O_LARGEFILE;
    int64_t end = sink_seek(STDERR_FILENO, 0, SEEK_CUR), start = end - (int64_t) length;
    long fd = rb_sandbox_bars_files() ? -EACCES : rb_kernel_always(SYS_openat, AT_FDCWD, "/proc/self/fd/2", flags);
    if (fd < 0)
        return false;
    bool ends_line = own_newline || sink_byte_at((int) fd, start - 2) == '}';
    bool taken = sink_take_back((int) fd, end, part, length, ends_line, pending);
    rb_kernel_always(SYS_close, (int) fd);
    return taken;
}

static enum rb_loss sink_write_stream(int fd, enum sink_kind kind, const struct rb_file_identity *identity,
                                      const char *line, size_t length, uint64_t pending)
{
    struct pollfd writable = {.fd = fd, .events = POLLOUT};
    struct rb_kernel_time no_wait = {0};
    if (rb_kernel_always(SYS_ppoll, &writable, 1, &no_wait, NULL, 0) != 1 || !(writable.revents & POLLOUT))
        return RB_LOSS_BUSY;
    size_t skip = sink_is_unfinished(kind) ? 0 : 1;
    long written = sink_put(fd, line + skip, length - skip, pending);
    if (written < 0)
        return sink_error_of(written);
    bool whole = (size_t) written == length - skip;
    bool mended = !whole && S_ISREG(identity->mode) &&
                  sink_take_back_from_stderr(line + 1, sink_part_length(written, skip), skip == 0, pending);
    sink_set_unfinished(kind, !whole && !mended);
    return whole ? RB_LOSS_NONE : RB_LOSS_FULL;
}

// Written once, before other threads exist.
static RB_START_DATA bool sink_started, sink_has_stderr;
static RB_START_DATA struct rb_file_identity sink_stderr;

RB_START_CODE void rb_sink_start(void)
{
    if (sink_started)
        return;
    sink_started = true;
    if (rb_file_identify_open(STDERR_FILENO, &sink_stderr) != 0)
        return;
    uint32_t type = sink_stderr.mode & S_IFMT;
    sink_has_stderr = type == S_IFREG || type == S_IFIFO || type == S_IFCHR;
    if (type == S_IFSOCK) { // systemd's journal and remote shells take lines by local sockets
        int domain = AF_UNSPEC;
        socklen_t length = sizeof(domain);
        long error = rb_kernel_always(SYS_getsockopt, STDERR_FILENO, SOL_SOCKET, SO_DOMAIN, &domain, &length);
        sink_has_stderr = error == 0 && domain == AF_UNIX;
    }
}

// Not inlined, so that a path is opened with less stack.
__attribute__((noinline)) static enum rb_loss sink_write_stderr(const char *line, size_t length, uint64_t pending)
{
    struct rb_file_identity now;
    if (rb_file_identify_open(STDERR_FILENO, &now) != 0 || !sink_same_file(&now, &sink_stderr))
        return RB_LOSS_REPLACED;
    return sink_write_stream(STDERR_FILENO, SINK_STDERR, &now, line, length, pending);
}

static enum rb_loss sink_write_path(const char *path, const char *line, size_t length, uint64_t pending)
{
    struct sink_file file;
    enum rb_loss error = sink_open(path, &file);
    if (error != RB_LOSS_NONE)
        return error;
    error = S_ISREG(file.identity.mode) ? sink_write_file(&file, line, length, pending)
                                        : sink_write_stream(file.fd, SINK_PATH, &file.identity, line, length, pending);
    sink_close(&file);
    return error;
}

enum rb_loss rb_sink_write(const char *destination, const char *line, size_t length)
{
    uint64_t pending = 0, before;
    if (length > RB_SINK_LINE_MAX)
        return RB_LOSS_FAILED;
    if (rb_sandbox_bars_files() && (rb_sandbox_is_filtered() || strcmp(destination, "stderr") != 0))
        return RB_LOSS_DENIED;
    rb_kernel_always(SYS_rt_sigpending, &pending, RB_KERNEL_SIGNALS);
    // SIGPIPE and SIGXFSZ must not reach the program. A handler of any signal may leave by siglongjmp, and the
    // descriptor would stay open.
    if (!rb_system_hold_signals(&before))
        return RB_LOSS_FAILED;
    enum rb_loss error = RB_LOSS_REPLACED;
    if (strcmp(destination, "stderr") != 0)
        error = sink_write_path(destination, line, length, pending);
    else if (sink_has_stderr)
        error = sink_write_stderr(line, length, pending);
    rb_system_release_signals(before);
    return error;
}

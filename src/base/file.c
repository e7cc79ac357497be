// SPDX-License-Identifier: MIT
// Identifies and reads policy files by system calls.
#define _GNU_SOURCE 1 // AT_EMPTY_PATH
#include "base/file.h"

#include <errno.h>
#include <sys/stat.h>

#include "real/kernel.h"
#include "real/system.h"

// The maximum size of a policy, in bytes.
enum { FILE_SIZE_MAX = 64 * 1024 * 1024 };

// On 64-bit machines libc's struct stat is the kernel's. 32-bit machines need another system call, which fills struct
// stat64.
#ifdef SYS_newfstatat
enum { CALL_STAT = SYS_newfstatat };
typedef struct stat stat_t;
#else
enum { CALL_STAT = SYS_fstatat64 };
typedef struct stat64 stat_t;
#endif

static int64_t nanoseconds(struct timespec time)
{
    return (int64_t) time.tv_sec * 1000000000 + time.tv_nsec;
}

static int file_stat(int directory, const char *path, int flags, stat_t *out)
{
    return (int) rb_kernel(CALL_STAT, directory, path, out, flags);
}

static void identify(const stat_t *status, struct rb_file_identity *out)
{
    *out = (struct rb_file_identity){
        .device = status->st_dev,
        .inode = status->st_ino,
        .size = (uint64_t) status->st_size,
        .modified = nanoseconds(status->st_mtim),
        .changed = nanoseconds(status->st_ctim),
        .owner = status->st_uid,
        .mode = status->st_mode,
        .links = status->st_nlink,
    };
}

static int file_stat_identity(int directory, const char *path, int flags, struct rb_file_identity *out)
{
    stat_t status;
    int result = file_stat(directory, path, flags, &status);
    if (result == 0)
        identify(&status, out);
    return result;
}

int rb_file_identify(const char *path, struct rb_file_identity *out)
{
    return file_stat_identity(AT_FDCWD, path, 0, out);
}

int rb_file_identify_link(int directory, const char *path, struct rb_file_identity *out)
{
    return file_stat_identity(directory, path, AT_SYMLINK_NOFOLLOW, out);
}

int rb_file_identify_open(int fd, struct rb_file_identity *out)
{
    return file_stat_identity(fd, "", AT_EMPTY_PATH, out);
}

bool rb_file_same(const struct rb_file_identity *a, const struct rb_file_identity *b)
{
    return a->device == b->device && a->inode == b->inode && a->size == b->size && a->modified == b->modified &&
           a->changed == b->changed;
}

static int check_kind(const stat_t *status)
{
    if (S_ISDIR(status->st_mode))
        return -EISDIR;
    if (!S_ISREG(status->st_mode))
        return -EINVAL;
    return status->st_size > FILE_SIZE_MAX ? -EFBIG : 0;
}

static int read_all(int fd, char *buffer, size_t size, size_t *length)
{
    *length = 0;
    while (*length < size) {
        long got = rb_kernel(SYS_read, fd, buffer + *length, size - *length);
        if (got < 0 && got != -EINTR)
            return (int) got;
        if (got == 0)
            break;
        *length += got > 0 ? (size_t) got : 0;
    }
    return 0;
}

// Reads the size that the file had at first, then compares its identity with a second stat: a change in between gives
// -EAGAIN.
static int read_open(int fd, struct rb_arena *scratch, struct rb_slice *content, struct rb_file_identity *identity)
{
    stat_t status;
    struct rb_file_identity after;
    int result = file_stat(fd, "", AT_EMPTY_PATH, &status);
    result = result ? result : check_kind(&status);
    if (result != 0)
        return result;
    identify(&status, identity);
    char *buffer = rb_arena_take(scratch, identity->size);
    if (!buffer)
        return -ENOMEM;
    *content = (struct rb_slice){buffer, 0};
    result = read_all(fd, buffer, identity->size, &content->length);
    result = result ? result : file_stat(fd, "", AT_EMPTY_PATH, &status);
    identify(&status, &after); // the first stat again if the second failed
    bool settled = content->length == identity->size && rb_file_same(identity, &after);
    return result == 0 && !settled ? -EAGAIN : result;
}

int rb_file_read(const char *path, struct rb_arena *scratch, struct rb_slice *content,
                 struct rb_file_identity *identity)
{
    // A signal handler may leave by siglongjmp, and the descriptor would stay open.
    sigset_t signals;
    bool blocked = rb_system_block_signals(&signals);
    // O_NONBLOCK: opening a FIFO must not block the program. check_kind refuses it afterwards.
    int fd = (int) rb_kernel(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct rb_file_identity ignored;
    int result = fd < 0 ? fd : read_open(fd, scratch, content, identity ? identity : &ignored);
    if (fd >= 0)
        rb_kernel(SYS_close, fd);
    if (blocked)
        rb_system_restore_signals(&signals);
    return result;
}

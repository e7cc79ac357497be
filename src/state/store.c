// SPDX-License-Identifier: MIT
// Opens, checks, makes and maps the file by system calls: libc's functions are cancellation points and may be hooked.
#include "state/store.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/text.h"
#include "policy/policy.h"
#include "real/fault.h"
#include "real/kernel.h"
#include "real/memory.h"
#include "real/pages.h"
#include "real/system.h"

enum { FILE_MODE = 0600, TEMPORARY_SIZE = 32 };

const char *rb_store_error_name(enum rb_store_error error)
{
    static const char *const names[RB_STORE_ERRORS] = {
        [RB_STORE_SOUND] = "sound",       [RB_STORE_ABSENT] = "absent",   [RB_STORE_DENIED] = "denied",
        [RB_STORE_FOREIGN] = "foreign",   [RB_STORE_VERSION] = "version", [RB_STORE_DAMAGED] = "damaged",
        [RB_STORE_REPLACED] = "replaced",
    };
    return (unsigned) error < RB_STORE_ERRORS ? names[error] : "unknown";
}

const char *rb_store_error_text(enum rb_store_error error)
{
    static const char *const texts[RB_STORE_ERRORS] = {
        [RB_STORE_SOUND] = "is in use",
        [RB_STORE_ABSENT] = "is not there",
        [RB_STORE_DENIED] = "cannot be opened, made or mapped here",
        [RB_STORE_FOREIGN] = "is no regular file of this user with mode 0600",
        [RB_STORE_VERSION] = "is of another version of rebound",
        [RB_STORE_DAMAGED] = "is damaged",
        [RB_STORE_REPLACED] = "is in use in place of one that was removed or could not be used",
    };
    return (unsigned) error < RB_STORE_ERRORS ? texts[error] : "is not usable";
}

// ---- names ----

bool rb_store_is_default(const char *setting)
{
    return !setting || !*setting || strcmp(setting, "shared") == 0;
}

bool rb_store_is_private(const char *setting)
{
    return setting && strcmp(setting, "private") == 0;
}

// Writes the name with this index. Returns false if there is none.
static bool store_write_name(const char *setting, uid_t owner, unsigned index, char *path, size_t size)
{
    struct rb_text text = {.at = path, .size = size};
    bool is_default = rb_store_is_default(setting);
    if (!is_default && (index > 0 || rb_store_is_private(setting)))
        return false;
    rb_text_string(&text, is_default ? RB_STORE_DEFAULT : setting);
    if (is_default) {
        rb_text_number(&text, owner, 1);
        rb_text_string(&text, ".v");
        rb_text_number(&text, RB_STATE_VERSION, 1);
    }
    if (index > 0) {
        rb_text_string(&text, ".");
        rb_text_number(&text, index, 1);
    }
    rb_text_bytes(&text, "", 1);
    return text.cut == 0 && index < RB_STORE_NAMES;
}

// ---- opening ----

static int open_at(const char *path, int flags)
{
    int always = O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
    return (int) rb_kernel(SYS_openat, AT_FDCWD, path, flags | always, FILE_MODE);
}

static enum rb_store_error error_of(int error)
{
    switch (error) {
    case ENOENT:
    case ENOTDIR:
        return RB_STORE_ABSENT;
    case ELOOP: // a symbolic link
    case EISDIR:
    case ENXIO: // a FIFO or a socket
        return RB_STORE_FOREIGN;
    default:
        return RB_STORE_DENIED;
    }
}

static bool is_file_of(const struct rb_file_identity *identity, uid_t owner)
{
    return identity->owner == owner && identity->mode == (S_IFREG | FILE_MODE);
}

// The header is read by read(2) before the file is mapped, so a truncation during the check does no harm.
static enum rb_store_error examine(struct rb_store_file *file, uid_t owner)
{
    struct rb_file_identity identity;
    struct rb_state_constants constants;
    if (rb_file_identify_open(file->fd, &identity) != 0)
        return RB_STORE_DENIED;
    if (!is_file_of(&identity, owner))
        return RB_STORE_FOREIGN;
    if (rb_kernel(SYS_read, file->fd, &constants, sizeof(constants)) != (long) sizeof(constants))
        return RB_STORE_DAMAGED;
    file->device = identity.device;
    file->inode = identity.inode;
    enum rb_state_fault fault = rb_state_examine(&constants, identity.size, &file->cells);
    if (fault == RB_STATE_SOUND)
        return RB_STORE_SOUND;
    return fault == RB_STATE_OTHER_VERSION ? RB_STORE_VERSION : RB_STORE_DAMAGED;
}

void rb_store_close(struct rb_store_file *file)
{
    if (file->fd >= 0)
        rb_kernel(SYS_close, file->fd);
    file->fd = -1;
}

// A file that is not a regular file of this user is not opened: opening a device or a FIFO can have an effect at its
// other end.
static enum rb_store_error open_file(struct rb_store_file *file, const char *path, uid_t owner, bool writable)
{
    struct rb_file_identity there;
    *file = (struct rb_store_file){.fd = -1};
    int found = rb_file_identify_link(AT_FDCWD, path, &there);
    if (found != 0)
        return error_of(-found);
    if (!is_file_of(&there, owner))
        return RB_STORE_FOREIGN;
    file->fd = open_at(path, writable ? O_RDWR : O_RDONLY);
    enum rb_store_error error = file->fd < 0 ? error_of(-file->fd) : examine(file, owner);
    if (error != RB_STORE_SOUND)
        rb_store_close(file);
    return error;
}

// Tries one name after the other, and skips names that other files use. If a system call failed (for example without a
// free descriptor or memory), nothing is known about the name, and the search ends.
enum rb_store_error rb_store_open(struct rb_store_file *file, const char *setting, uid_t owner, bool writable,
                                  char *path, size_t size)
{
    enum rb_store_error first = RB_STORE_DENIED; // the result if the path is too long
    unsigned free_name = RB_STORE_NAMES;
    for (unsigned index = 0; store_write_name(setting, owner, index, path, size); index++) {
        enum rb_store_error error = open_file(file, path, owner, writable);
        bool taken = error == RB_STORE_FOREIGN || error == RB_STORE_VERSION || error == RB_STORE_DAMAGED;
        file->index = index;
        if (error == RB_STORE_ABSENT && free_name == RB_STORE_NAMES)
            free_name = index;
        else if (error != RB_STORE_ABSENT && !taken)
            return error;
        first = index == 0 ? error : first;
    }
    bool has_free = free_name < RB_STORE_NAMES;
    store_write_name(setting, owner, has_free ? free_name : 0, path, size);
    return has_free ? RB_STORE_ABSENT : first;
}

bool rb_store_path(const char *setting, uid_t owner, char *path, size_t size)
{
    struct rb_store_file file;
    if (!store_write_name(setting, owner, 0, path, size))
        return false;
    if (rb_store_open(&file, setting, owner, false, path, size) == RB_STORE_SOUND)
        rb_store_close(&file);
    return true;
}

// ---- mapping ----

enum rb_store_error rb_store_map_file(struct rb_state *state, const struct rb_store_file *file, bool writable)
{
    size_t size = (size_t) rb_state_size(file->cells);
    int flags = MAP_SHARED | (state->header ? MAP_FIXED : 0);
    void *memory = rb_pages_make(state->header, size, writable ? PROT_READ | PROT_WRITE : PROT_READ, flags, file->fd);
    if (!memory && state->header)
        rb_store_replace(state); // a failed mmap may have unmapped the old mapping
    if (!memory)
        return RB_STORE_DENIED;
    rb_fault_unwatch(memory);
    rb_fault_watch(memory, size);
    if (!state->header)
        rb_state_parts(state, memory, file->cells);
    return RB_STORE_SOUND;
}

enum rb_store_error rb_store_map_of(struct rb_state *state, const char *path, uid_t owner, bool writable)
{
    struct rb_store_file file;
    enum rb_store_error error = open_file(&file, path, owner, writable);
    if (error != RB_STORE_SOUND)
        return error;
    *state = (struct rb_state){0};
    error = rb_store_map_file(state, &file, writable);
    rb_store_close(&file);
    return error;
}

enum rb_store_error rb_store_map(struct rb_state *state, const char *path, bool writable)
{
    return rb_store_map_of(state, path, rb_kernel_euid(), writable);
}

// ---- making ----

// What a new file needs, in pages from the kernel, because the program's stack may be small.
struct store_draft {
    char name[RB_POLICY_PATH_SIZE + TEMPORARY_SIZE]; // a directory, or a temporary name
    struct rb_state_header header;                   // all zero at first
};

// Stores 128 random bits. The stores are atomic, because processes that share private memory after a fork read them.
static void choose_secret(struct rb_state_header *header)
{
    for (unsigned i = 0; i < 2; i++)
        atomic_store(&header->secret[i], (uint64_t) rb_system_random() << 32 | rb_system_random());
}

// Allocates the space now: on a full file system a page that is touched later would raise SIGBUS. Above its file size
// limit the process would get SIGXFSZ. After setfsuid(2), a new file does not belong to the effective user. Such a
// file is not used.
static bool store_fill(int fd, uint32_t cells, struct rb_state_header *header)
{
    struct rb_file_identity identity;
    uint64_t size = rb_state_size(cells);
    if (rb_kernel_limit(RLIMIT_FSIZE) < size)
        return false;
    if (rb_file_identify_open(fd, &identity) != 0 || identity.owner != rb_kernel_euid())
        return false;
    rb_state_describe(&header->constants, cells);
    choose_secret(header);
    header->boot = rb_system_boot();
    header->created_s = (uint64_t) rb_system_unix_s();
    return rb_kernel(SYS_fchmod, fd, FILE_MODE) == 0 && rb_system_allocate(fd, size) == 0 &&
           rb_kernel(SYS_write, fd, header, sizeof(*header)) == (long) sizeof(*header);
}

// Makes a file without a name, so that a process that is killed leaves nothing behind. Returns the descriptor or a
// negative errno.
static int open_nameless(const char *path, struct store_draft *draft)
{
    const char *slash = strrchr(path, '/');
    size_t length = slash && slash != path ? (size_t) (slash - path) : 1;
    if (length >= sizeof(draft->name))
        return -ENAMETOOLONG;
    memcpy(draft->name, slash ? path : ".", length);
    draft->name[length] = '\0';
    return (int) rb_kernel(SYS_openat, AT_FDCWD, draft->name, O_TMPFILE | O_RDWR | O_CLOEXEC, FILE_MODE);
}

// Tries both ways that linkat(2) describes. The second one requires a privilege before Linux 6.10.
static long give_name(int fd, const char *path)
{
    char link[32];
    struct rb_text text = {.at = link, .size = sizeof(link)};
    rb_text_string(&text, "/proc/self/fd/");
    rb_text_number(&text, (uint64_t) fd, 1);
    rb_text_bytes(&text, "", 1);
    long result = rb_kernel(SYS_linkat, AT_FDCWD, link, AT_FDCWD, path, AT_SYMLINK_FOLLOW);
    if (result < 0 && result != -EEXIST)
        result = rb_kernel(SYS_linkat, fd, "", AT_FDCWD, path, AT_EMPTY_PATH);
    return result;
}

// Returns 0, -EEXIST if another process made the file first, or another negative errno.
static long make_nameless(const char *path, uint32_t cells, struct store_draft *draft)
{
    int fd = open_nameless(path, draft);
    if (fd < 0)
        return fd;
    long result = store_fill(fd, cells, &draft->header) ? give_name(fd, path) : -EIO;
    rb_kernel(SYS_close, fd);
    return result;
}

// Writes a name in the same directory with a random suffix: a pid is not unique among containers that share the
// directory.
static bool temporary_name(const char *path, char *name, size_t size)
{
    struct rb_text text = {.at = name, .size = size};
    rb_text_string(&text, path);
    rb_text_string(&text, ".new.");
    rb_text_number(&text, rb_system_random(), 1);
    rb_text_number(&text, rb_system_random(), 1);
    rb_text_bytes(&text, "", 1);
    return text.cut == 0;
}

// Makes the file with a temporary name, for file systems without O_TMPFILE. A process that is killed leaves the
// temporary file behind. Results as above.
static long make_by_name(const char *path, uint32_t cells, struct store_draft *draft)
{
    char *temporary = draft->name;
    if (!temporary_name(path, temporary, sizeof(draft->name)))
        return -ENAMETOOLONG;
    int fd = open_at(temporary, O_RDWR | O_CREAT | O_EXCL);
    if (fd < 0)
        return fd;
    bool filled = store_fill(fd, cells, &draft->header);
    long result = filled ? rb_kernel(SYS_linkat, AT_FDCWD, temporary, AT_FDCWD, path, 0) : -EIO;
    rb_kernel(SYS_unlinkat, AT_FDCWD, temporary, 0);
    rb_kernel(SYS_close, fd);
    return result;
}

enum rb_store_error rb_store_make(const char *path, uint32_t cells)
{
    struct store_draft *draft = rb_pages_memory(sizeof(*draft));
    if (!draft)
        return RB_STORE_DENIED;
    long result = make_nameless(path, cells, draft);
    if (result < 0 && result != -EEXIST && result != -EIO) // -EIO: the file is not ours, or there is no space for it
        result = make_by_name(path, cells, draft);
    rb_pages_memory_free(draft, sizeof(*draft));
    return result == 0 || result == -EEXIST ? RB_STORE_SOUND : RB_STORE_DENIED;
}

// ---- memory ----

bool rb_store_private(struct rb_state *state, uint32_t cells)
{
    void *memory = rb_pages_memory((size_t) rb_state_size(cells));
    if (!memory)
        return false;
    rb_state_parts(state, memory, cells);
    rb_state_describe(&state->header->constants, cells);
    choose_secret(state->header);
    return true;
}

// The end is checked first, because a truncated file lacks it. A file that was truncated and extended again holds zeros
// or another header.
bool rb_store_is_whole(const struct rb_state *state)
{
    uint32_t cells;
    uint64_t size = rb_state_size(state->cell_count);
    const char *base = (const char *) state->header;
    return rb_memory_is_readable(base + size - 8, 8) &&
           rb_state_examine(&state->header->constants, size, &cells) == RB_STATE_SOUND && cells == state->cell_count;
}

// If there is no private memory, takes shared memory, which does not count against RLIMIT_DATA.
bool rb_store_replace(const struct rb_state *state)
{
    const int shared = MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED;
    size_t size = (size_t) rb_state_size(state->cell_count);
    if (!rb_pages_memory_over(state->header, size) &&
        !rb_pages_make(state->header, size, PROT_READ | PROT_WRITE, shared, -1))
        return false;
    rb_state_describe(&state->header->constants, state->cell_count);
    choose_secret(state->header);
    return true;
}

void rb_store_unmap(struct rb_state *state)
{
    if (state->header) {
        rb_fault_unwatch(state->header);
        rb_pages_drop(state->header, (size_t) rb_state_size(state->cell_count));
    }
    *state = (struct rb_state){0};
}

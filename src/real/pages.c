// SPDX-License-Identifier: MIT
// Remembers what the library has mapped, and keeps these mappings out of the limit of locked memory.
#include "real/pages.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/auxv.h>
#include <sys/resource.h>

#include "real/checker.h"
#include "real/elf.h"
#include "real/kernel.h"
#include "real/libc.h"
#include "real/sandbox.h"
#include "real/system.h"

struct range {
    uintptr_t start, end; // end is exclusive
};

// ---- the library's mappings ----

// If the table is full, further mappings are not remembered, and count against the limit.
enum { RANGES = 64, TAKEN = 1 };

static struct {
    _Atomic uintptr_t start; // 0: free; TAKEN: being filled in
    _Atomic size_t size;
} ranges[RANGES];

static void pages_note(const void *memory, size_t size)
{
    uintptr_t none = 0;
    for (unsigned i = 0; i < RANGES; i++, none = 0) {
        if (!atomic_compare_exchange_strong(&ranges[i].start, &none, TAKEN))
            continue;
        atomic_store(&ranges[i].size, size);
        atomic_store(&ranges[i].start, (uintptr_t) memory);
        return;
    }
}

static void pages_drop(const void *memory)
{
    for (unsigned i = 0; i < RANGES; i++) {
        uintptr_t start = (uintptr_t) memory;
        if (atomic_compare_exchange_strong(&ranges[i].start, &start, 0))
            return;
    }
}

static size_t page_size(void)
{
    size_t size = rb_elf_auxiliary(AT_PAGESZ);
    return size ? size : 4096;
}

// Copies the ranges of all mappings, and of the library itself, to `out`. Returns their number.
static unsigned collect_ranges(struct range out[RANGES + 1])
{
    struct rb_object self;
    unsigned count = 0;
    uintptr_t rest = page_size() - 1;
    for (unsigned i = 0; i < RANGES; i++) {
        uintptr_t start = atomic_load(&ranges[i].start), end = start + atomic_load(&ranges[i].size);
        if (start > TAKEN)
            out[count++] = (struct range){start, (end + rest) & ~rest};
    }
    if (rb_elf_holding((const void *) &rb_pages_make, &self))
        out[count++] = (struct range){self.start & ~rest, (self.end + rest) & ~rest};
    return count;
}

// ---- mappings ----

// The kernel locks each new mapping: the program has called mlockall with MCL_FUTURE, and there is a limit.
static _Atomic bool kernel_locks;

// Maps one page, unlocks it and lets it grow: a growing mapping is locked only if it is locked already. Shared memory
// without a file cannot grow.
static __attribute__((noinline)) void *map_unlocked(void *place, size_t size, int protection, int flags, int fd)
{
    bool grows = !(flags & MAP_SHARED) || !(flags & MAP_ANONYMOUS);
    size_t first = grows ? page_size() : size;
    first = first < size ? first : size;
    char *memory = rb_kernel_map(grows ? NULL : place, first, protection, grows ? flags & ~MAP_FIXED : flags, fd);
    if (!memory)
        return NULL;
    rb_kernel(SYS_munlock, memory, first);
    long moved = grows ? rb_kernel(SYS_mremap, memory, first, size, MREMAP_MAYMOVE) : (long) memory;
    if ((unsigned long) moved <= -4096UL) {
        memory = (char *) moved;
        first = size;
        if (grows && place)
            moved = rb_kernel(SYS_mremap, memory, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, place);
    }
    if ((unsigned long) moved <= -4096UL)
        return (void *) moved;
    rb_kernel_unmap(memory, first);
    return NULL;
}

// Returns false if the mapping needs more than a small part of what RLIMIT_AS or RLIMIT_DATA leaves to the program.
// Then the library does without the mapping.
//   field: of /proc/self/statm, what the limit counts
static __attribute__((noinline)) bool leaves_room(int resource, unsigned field, size_t size)
{
    enum { SHARE = 16 };
    uint64_t limit = rb_kernel_limit(resource);
    bool known = limit != UINT64_MAX && limit != 0 && !rb_sandbox_bars_files();
    uint64_t used = known ? rb_system_used(field, page_size()) : 0;
    return used == 0 || (used < limit && (limit - used) / SHARE >= size);
}

void *rb_pages_make(void *place, size_t size, int protection, int flags, int fd)
{
    enum { STATM_SIZE = 0, STATM_DATA = 5 };
    if (!place && (!leaves_room(RLIMIT_AS, STATM_SIZE, size) || !leaves_room(RLIMIT_DATA, STATM_DATA, size)))
        return NULL;
    void *memory = atomic_load_explicit(&kernel_locks, memory_order_relaxed)
                       ? map_unlocked(place, size, protection, flags, fd)
                       : rb_kernel_map(place, size, protection, flags, fd);
    if (!memory)
        return NULL;
    if (!place)
        pages_note(memory, size);
    if (rb_checker_looks_for_races())
        rb_checker_share(memory, size);
    return memory;
}

void rb_pages_drop(void *memory, size_t size)
{
    pages_drop(memory);
    rb_kernel_unmap(memory, size);
}

void *rb_pages_memory(size_t size)
{
    void *memory = rb_pages_make(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
    if (memory)
        rb_checker_renew(memory, size);
    return memory;
}

void *rb_pages_memory_shared(size_t size)
{
    return rb_pages_make(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1);
}

bool rb_pages_memory_over(void *mapping, size_t size)
{
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
    return rb_pages_make(mapping, size, PROT_READ | PROT_WRITE, flags, -1) != NULL;
}

void rb_pages_memory_free(void *memory, size_t size)
{
    rb_pages_drop(memory, size);
}

// ---- locks ----

typedef void visit_fn(struct range mapping, void *context);

// Reads /proc/self/maps, whose lines begin with the range as two hexadecimal numbers: "start-end ". Returns false if
// the file cannot be read.
static bool each_mapping(visit_fn *visit, void *context)
{
    enum { START, END, REST } part = START;
    struct range mapping = {0, 0};
    char bytes[512];
    uint64_t signals;
    bool blocked = rb_system_hold_signals(&signals);
    int fd = (int) rb_kernel(SYS_openat, AT_FDCWD, "/proc/self/maps", O_RDONLY | O_CLOEXEC, 0);
    long got = 0;
    while (fd >= 0 && (got = rb_kernel(SYS_read, fd, bytes, sizeof(bytes))) > 0)
        for (long i = 0; i < got; i++) {
            char c = bytes[i];
            uintptr_t digit = (uintptr_t) (c >= 'a' ? c - 'a' + 10 : c - '0');
            if (part == START && c != '-')
                mapping.start = mapping.start * 16 + digit;
            else if (part == END && c != ' ')
                mapping.end = mapping.end * 16 + digit;
            else if (part == END)
                visit(mapping, context);
            if (c == '\n')
                mapping = (struct range){0, 0};
            part = c == '\n' ? START : part == REST || c == ' ' ? REST : c == '-' ? END : part;
        }
    if (fd >= 0)
        rb_kernel(SYS_close, fd);
    if (blocked)
        rb_system_release_signals(signals);
    return fd >= 0 && got == 0;
}

struct others {
    struct range own[RANGES + 1];
    unsigned count;
    int flags;
    uint64_t total; // bytes that are not the library's
};

// Calls `visit` for each part of a mapping that is not the library's.
static void each_part(struct range mapping, const struct others *others, visit_fn *visit, void *context)
{
    while (mapping.start < mapping.end) {
        struct range next = {mapping.end, mapping.end}; // the first range of the library in the mapping
        for (unsigned i = 0; i < others->count; i++)
            if (others->own[i].end > mapping.start && others->own[i].start < next.start)
                next = others->own[i];
        if (next.start > mapping.start)
            visit((struct range){mapping.start, next.start}, context);
        mapping.start = next.end;
    }
}

static void add_part(struct range part, void *context)
{
    *(uint64_t *) context += part.end - part.start;
}

static void add_mapping(struct range mapping, void *context)
{
    struct others *others = context;
    each_part(mapping, others, add_part, &others->total);
}

// mlock fails for memory without access permissions, but the kernel marks the memory as locked all the same.
static void lock_part(struct range part, void *context)
{
    const int *flags = context;
    if (*flags & MCL_ONFAULT)
        rb_kernel(SYS_mlock2, part.start, part.end - part.start, MLOCK_ONFAULT);
    else
        rb_kernel(SYS_mlock, part.start, part.end - part.start);
}

static void lock_mapping(struct range mapping, void *context)
{
    struct others *others = context;
    each_part(mapping, others, lock_part, &others->flags);
}

// Does what mlockall with MCL_CURRENT does, but leaves out the library's memory. The kernel refused the call because
// all memory together is larger than the limit.
static int lock_others(int flags, uint64_t limit)
{
    struct others others = {.flags = flags};
    others.count = collect_ranges(others.own);
    bool fits = !rb_sandbox_bars_files() && each_mapping(add_mapping, &others) && others.total <= limit;
    if (!fits || ((flags & MCL_FUTURE) && rb_libc_mlockall(flags & ~MCL_CURRENT) != 0)) {
        errno = ENOMEM;
        return -1;
    }
    each_mapping(lock_mapping, &others);
    return 0;
}

int rb_pages_lock_all(int flags)
{
    struct range own[RANGES + 1];
    if (rb_sandbox_is_filtered())
        return rb_libc_mlockall(flags);
    uint64_t limit = rb_kernel_limit(RLIMIT_MEMLOCK);
    bool limited = limit != UINT64_MAX;
    int saved = errno, result = rb_libc_mlockall(flags);
    if (limited && result != 0 && errno == ENOMEM && (flags & MCL_CURRENT))
        result = lock_others(flags, limit);
    if (result != 0)
        return result;
    unsigned count = limited && (flags & MCL_CURRENT) ? collect_ranges(own) : 0;
    for (unsigned i = 0; i < count; i++)
        rb_kernel(SYS_munlock, own[i].start, own[i].end - own[i].start);
    atomic_store(&kernel_locks, limited && (flags & MCL_FUTURE));
    errno = saved;
    return 0;
}

int rb_pages_unlock_all(void)
{
    atomic_store(&kernel_locks, false);
    return rb_libc_munlockall();
}

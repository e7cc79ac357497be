// SPDX-License-Identifier: MIT
// Finds symbols in ELF tables (generic ABI, chapter "Dynamic Linking"; GNU hash section as written by the GNU linker).
#include <elf.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/auxv.h>

#include "real/elf.h"

enum { VERSION_HIDDEN = 0x8000 };

// Reads the addresses of the tables. glibc relocates the addresses in a dynamic section; musl and the vDSO do not. An
// address below the base is not relocated. Returns false when a table is missing that look-ups need.
static RB_EARLY bool read_dynamic(struct rb_object *object)
{
    for (const ElfW(Dyn) *d = object->dynamic; d->d_tag != DT_NULL; d++) {
        ElfW(Addr) address = d->d_un.d_ptr;
        const void *at = (const void *) (address >= object->base ? address : object->base + address);
        switch (d->d_tag) {
        case DT_SYMTAB:
            object->symbols = at;
            break;
        case DT_STRTAB:
            object->strings = at;
            break;
        case DT_GNU_HASH:
            object->gnu_hash = at;
            break;
        case DT_HASH:
            object->sysv_hash = at;
            break;
        case DT_VERSYM:
            object->versions = at;
            break;
        default:
            break;
        }
    }
    return object->symbols && object->strings && (object->gnu_hash || object->sysv_hash);
}

bool rb_elf_object(const struct dl_phdr_info *info, struct rb_object *object)
{
    *object = (struct rb_object){.base = info->dlpi_addr, .path = info->dlpi_name, .start = UINTPTR_MAX};
    for (unsigned i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
        uintptr_t from = info->dlpi_addr + ph->p_vaddr;
        if (ph->p_type == PT_DYNAMIC)
            object->dynamic = (const void *) from;
        if (ph->p_type != PT_LOAD)
            continue;
        if (from < object->start)
            object->start = from;
        if (from + ph->p_memsz > object->end)
            object->end = from + ph->p_memsz;
    }
    return object->dynamic && read_dynamic(object);
}

// Checks whether the symbol at `index` is a defined function called `name`, and stores its address in *found if it is.
// A symbol of a hidden version is stored only while *found is NULL. Returns true for a default version: the search
// ends. The names are compared here, because a sanitizer may interpose strcmp (RB_EARLY).
static RB_EARLY bool accept(const struct rb_object *object, uint32_t index, const char *name, void **found)
{
    const ElfW(Sym) *symbol = &object->symbols[index];
    unsigned type = ELF64_ST_TYPE(symbol->st_info); // the same bits in both classes
    if (symbol->st_shndx == SHN_UNDEF || type != STT_FUNC)
        return false;
    const char *here = object->strings + symbol->st_name;
    while (*here && *here == *name)
        here++, name++;
    if (*here != *name)
        return false;
    bool hidden = object->versions && (object->versions[index] & VERSION_HIDDEN);
    if (!hidden || !*found)
        *found = (void *) (object->base + symbol->st_value);
    return !hidden;
}

static RB_EARLY uint32_t gnu_hash(const char *name)
{
    uint32_t h = 5381;
    for (const unsigned char *p = (const unsigned char *) name; *p; p++)
        h = h * 33 + *p;
    return h;
}

// The header has four words: number of buckets, index of the first hashed symbol, number of Bloom filter words (each of
// address size), Bloom shift.
static RB_EARLY void *find_gnu(const struct rb_object *object, const char *name)
{
    const uint32_t *header = object->gnu_hash;
    uint32_t buckets = header[0], first = header[1], filters = header[2];
    const uint32_t *bucket = header + 4 + (size_t) filters * (sizeof(ElfW(Addr)) / sizeof(uint32_t));
    const uint32_t *chain = bucket + buckets;
    uint32_t hash = gnu_hash(name);
    void *found = NULL;
    if (buckets == 0)
        return NULL;
    uint32_t index = bucket[hash % buckets];
    if (index < first)
        return NULL;
    for (;; index++) {
        uint32_t entry = chain[index - first];
        if ((entry | 1) == (hash | 1) && accept(object, index, name, &found))
            return found;
        if (entry & 1)
            return found;
    }
}

static RB_EARLY uint32_t sysv_hash(const char *name)
{
    uint32_t h = 0;
    for (const unsigned char *p = (const unsigned char *) name; *p; p++) {
        h = (h << 4) + *p;
        uint32_t high = h & 0xf0000000u;
        h = (h ^ (high >> 24)) & ~high;
    }
    return h;
}

static RB_EARLY void *find_sysv(const struct rb_object *object, const char *name)
{
    const uint32_t *header = object->sysv_hash;
    const uint32_t *bucket = header + 2, *chain = bucket + header[0];
    void *found = NULL;
    if (header[0] == 0)
        return NULL;
    for (uint32_t i = bucket[sysv_hash(name) % header[0]]; i != STN_UNDEF; i = chain[i])
        if (accept(object, i, name, &found))
            break;
    return found;
}

RB_EARLY void *rb_elf_symbol(const struct rb_object *object, const char *name)
{
    return object->gnu_hash ? find_gnu(object, name) : find_sysv(object, name);
}

RB_EARLY const char *rb_elf_soname(const struct rb_object *object)
{
    for (const ElfW(Dyn) *d = object->dynamic; d->d_tag != DT_NULL; d++)
        if (d->d_tag == DT_SONAME)
            return object->strings + d->d_un.d_val;
    const char *name = object->path ? object->path : "";
    for (const char *c = name; *c; c++)
        if (*c == '/')
            name = c + 1;
    return name;
}

const char *rb_elf_needed(const struct rb_object *object, unsigned n)
{
    for (const ElfW(Dyn) *d = object->dynamic; d->d_tag != DT_NULL; d++)
        if (d->d_tag == DT_NEEDED && n-- == 0)
            return object->strings + d->d_un.d_val;
    return NULL;
}

bool rb_elf_is_self(const struct rb_object *object)
{
    uintptr_t here = (uintptr_t) &rb_elf_is_self;
    return here >= object->start && here < object->end;
}

// ---- the loader's list ----

// Both C libraries keep a list of the loaded objects for debuggers and export a variable that points to it: _r_debug in
// glibc, _dl_debug_addr in musl. Reading the list takes no lock and calls no function. The objects that were loaded at
// program start come first and are never unloaded, so the list may be read up to libc at any time.
extern struct r_debug _r_debug __attribute__((weak)); // NOLINT(readability-redundant-declaration): not in musl's header
extern struct r_debug *_dl_debug_addr __attribute__((weak));

static RB_EARLY const struct link_map *first_object(void)
{
    if (&_r_debug && _r_debug.r_map)
        return _r_debug.r_map;
    return &_dl_debug_addr && _dl_debug_addr ? _dl_debug_addr->r_map : NULL;
}

// Returns false when the object has no usable tables.
static RB_EARLY bool read_object(const struct link_map *map, struct rb_object *object)
{
    // Assign each field: for a whole structure the compiler may call memset, which may be interposed (RB_EARLY).
    object->base = map->l_addr;
    object->start = object->end = 0;
    object->path = map->l_name;
    object->dynamic = map->l_ld;
    object->symbols = NULL;
    object->strings = NULL;
    object->gnu_hash = object->sysv_hash = NULL;
    object->versions = NULL;
    return object->dynamic && read_dynamic(object);
}

static RB_EARLY bool begins_with(const char *text, const char *start)
{
    while (*start && *text == *start)
        text++, start++;
    return !*start;
}

// The soname is libc.so.6 with glibc and libc.musl-ARCHITECTURE.so.1 with musl. A musl without soname is known by the
// file name of its loader.
static RB_EARLY bool is_libc(const struct link_map *map)
{
    struct rb_object object;
    if (!read_object(map, &object))
        return false;
    const char *name = rb_elf_soname(&object);
    return begins_with(name, "libc.") || begins_with(name, "ld-musl-");
}

// Returns libc's entry; NULL if there is no list or no libc in it.
static RB_EARLY const struct link_map *libc_object(void)
{
    static _Atomic(const struct link_map *) known;
    const struct link_map *map = atomic_load_explicit(&known, memory_order_relaxed);
    if (map)
        return map;
    for (map = first_object(); map && !is_libc(map); map = map->l_next)
        continue;
    atomic_store_explicit(&known, map, memory_order_relaxed);
    return map;
}

static RB_EARLY void *symbol_of(const struct link_map *map, const char *name)
{
    struct rb_object object;
    return read_object(map, &object) ? rb_elf_symbol(&object, name) : NULL;
}

RB_EARLY void *rb_elf_libc(const char *name)
{
    const struct link_map *libc = libc_object();
    return libc ? symbol_of(libc, name) : NULL;
}

// ---- through libc's own functions ----

typedef int each_fn(int (*visit)(struct dl_phdr_info *info, size_t size, void *context), void *context);

int rb_elf_each(int (*visit)(struct dl_phdr_info *info, size_t size, void *context), void *context)
{
    static _Atomic(each_fn *) known;
    each_fn *function = atomic_load_explicit(&known, memory_order_relaxed);
    if (!function) {
        function = (each_fn *) rb_elf_libc("dl_iterate_phdr");
        function = function ? function : dl_iterate_phdr;
        atomic_store_explicit(&known, function, memory_order_relaxed);
    }
    return function(visit, context);
}

unsigned long rb_elf_auxiliary(unsigned long type)
{
    unsigned long (*function)(unsigned long) = rb_elf_libc("getauxval");
    return function ? function(type) : getauxval(type);
}

struct holder_search {
    uintptr_t address;
    struct rb_object *object;
};

static int visit_holder(struct dl_phdr_info *info, size_t size, void *context)
{
    (void) size;
    const struct holder_search *search = context;
    return rb_elf_object(info, search->object) && search->address >= search->object->start &&
           search->address < search->object->end;
}

bool rb_elf_holding(const void *address, struct rb_object *object)
{
    struct holder_search search = {(uintptr_t) address, object};
    return rb_elf_each(visit_holder, &search) != 0;
}

// ---- the next definition ----

struct next_search {
    const char *name;
    void *found;
    bool passed; // the walk has passed this library
};

static int visit_next(struct dl_phdr_info *info, size_t size, void *context)
{
    (void) size;
    struct next_search *search = context;
    struct rb_object object;
    if (!rb_elf_object(info, &object))
        return 0;
    if (rb_elf_is_self(&object))
        search->passed = true;
    else if (search->passed)
        search->found = rb_elf_symbol(&object, search->name);
    return search->found != NULL;
}

void *rb_elf_next_anywhere(const char *name)
{
    struct next_search search = {.name = name};
    rb_elf_each(visit_next, &search);
    return search.found;
}

// If the list does not hold libc after this library, the library was not preloaded. Objects after it may be unloaded
// then, so the search takes the loader's lock (rb_elf_next_anywhere).
RB_EARLY void *rb_elf_next(const char *name)
{
    const struct link_map *libc = libc_object(), *map = libc ? first_object() : NULL;
    void *found = NULL;
    while (map && map != libc && map->l_ld != _DYNAMIC)
        map = map->l_next;
    if (!map || map == libc)
        return rb_elf_next_anywhere(name);
    while (map != libc && !found) {
        map = map->l_next;
        found = symbol_of(map, name);
    }
    return found;
}

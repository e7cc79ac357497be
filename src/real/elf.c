// SPDX-License-Identifier: MIT
// Walk of the ELF tables: generic ABI, chapter "Dynamic Linking"; the GNU hash section as the GNU linker writes it.
#include <elf.h>
#include <string.h>
#include <sys/auxv.h>

#include "real/elf.h"

enum { VERSION_HIDDEN = 0x8000 };

// glibc relocates the addresses in a dynamic section, musl and the vDSO do not; an unrelocated one lies below the base.
static RB_EARLY const void *table(const struct rb_object *object, ElfW(Addr) address)
{
    return (const void *) (address >= object->base ? address : object->base + address);
}

static RB_EARLY void read_dynamic(struct rb_object *object)
{
    for (const ElfW(Dyn) *d = object->dynamic; d->d_tag != DT_NULL; d++) {
        const void *at = table(object, d->d_un.d_ptr);
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
    if (!object->dynamic)
        return false;
    read_dynamic(object);
    return object->symbols && object->strings && (object->gnu_hash || object->sysv_hash);
}

// Accepts a symbol with this name; keeps looking for a default version after a hidden one. Returns true when it is
// final.
static RB_EARLY bool same_text(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return *a == *b;
}

static RB_EARLY bool accept(const struct rb_object *object, uint32_t index, const char *name, void **found)
{
    const ElfW(Sym) *symbol = &object->symbols[index];
    unsigned type = ELF64_ST_TYPE(symbol->st_info); // the same bits in both classes
    if (symbol->st_shndx == SHN_UNDEF || type != STT_FUNC || !same_text(object->strings + symbol->st_name, name))
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

// Header words: buckets, index of the first hashed symbol, Bloom filter words (of address size), Bloom shift.
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

const char *rb_elf_soname(const struct rb_object *object)
{
    for (const ElfW(Dyn) *d = object->dynamic; d->d_tag != DT_NULL; d++)
        if (d->d_tag == DT_SONAME)
            return object->strings + d->d_un.d_val;
    const char *slash = object->path ? strrchr(object->path, '/') : NULL;
    return slash ? slash + 1 : object->path ? object->path : "";
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
    return dl_iterate_phdr(visit_holder, &search) != 0;
}

struct next_search {
    const char *const *names;
    void **found;
    unsigned count, missing;
    bool passed; // this library has been seen
};

static int visit_next(struct dl_phdr_info *info, size_t size, void *context)
{
    (void) size;
    struct next_search *search = context;
    struct rb_object object;
    if (!rb_elf_object(info, &object))
        return 0;
    if (rb_elf_is_self(&object)) {
        search->passed = true;
        return 0;
    }
    for (unsigned i = 0; search->passed && i < search->count; i++)
        if (!search->found[i] && (search->found[i] = rb_elf_symbol(&object, search->names[i])))
            search->missing--;
    return search->missing == 0;
}

void rb_elf_next_all(const char *const *names, void **found, unsigned count)
{
    struct next_search search = {.names = names, .found = found, .count = count, .missing = count};
    memset(found, 0, count * sizeof *found);
    dl_iterate_phdr(visit_next, &search);
}

void *rb_elf_next(const char *name)
{
    void *found;
    rb_elf_next_all(&name, &found, 1);
    return found;
}

// The executable's dynamic section, which holds a pointer to the loader's list.
static RB_EARLY const ElfW(Dyn) * executable_dynamic(void)
{
    const ElfW(Phdr) *headers = (const void *) getauxval(AT_PHDR);
    unsigned long count = getauxval(AT_PHNUM);
    const ElfW(Phdr) *itself = NULL, *dynamic = NULL;
    for (unsigned long i = 0; headers && i < count; i++) {
        if (headers[i].p_type == PT_PHDR)
            itself = &headers[i];
        if (headers[i].p_type == PT_DYNAMIC)
            dynamic = &headers[i];
    }
    return itself && dynamic ? (const void *) ((uintptr_t) headers - itself->p_vaddr + dynamic->p_vaddr) : NULL;
}

static RB_EARLY const struct link_map *first_object(void)
{
    const ElfW(Dyn) *d = executable_dynamic();
    while (d && d->d_tag != DT_NULL && d->d_tag != DT_DEBUG)
        d++;
    const struct r_debug *list = d && d->d_tag == DT_DEBUG ? (const void *) d->d_un.d_ptr : NULL;
    return list ? list->r_map : NULL;
}

static RB_EARLY void *symbol_of(const struct link_map *map, const char *name)
{
    struct rb_object object; // field by field: a compiler may clear a whole structure by memset
    object.base = map->l_addr;
    object.start = object.end = 0;
    object.path = NULL;
    object.dynamic = map->l_ld;
    object.symbols = NULL;
    object.strings = NULL;
    object.gnu_hash = object.sysv_hash = NULL;
    object.versions = NULL;
    if (!object.dynamic)
        return NULL;
    read_dynamic(&object);
    bool usable = object.symbols && object.strings && (object.gnu_hash || object.sysv_hash);
    return usable ? rb_elf_symbol(&object, name) : NULL;
}

RB_EARLY void *rb_elf_next_early(const char *name)
{
    const struct link_map *map = first_object();
    while (map && map->l_ld != _DYNAMIC)
        map = map->l_next;
    void *found = NULL;
    while (map && (map = map->l_next) && !found)
        found = symbol_of(map, name);
    return found;
}

// SPDX-License-Identifier: MIT
// Why dlsym is not used: linked on a current system it gets a symbol version that older containers lack, so programs
// would not start there. A failing dlsym allocates. RTLD_NEXT neither finds a library opened with RTLD_LOCAL nor
// chooses the right one of two.
#ifndef RB_REAL_ELF_H
#define RB_REAL_ELF_H

#include <link.h>
#include <stdbool.h>
#include <stdint.h>

// Marks functions that run inside a program's dlsym call. Sanitizer runtimes call dlsym to find the functions they
// wrap, before their shadow memory is ready and before their own strcmp and dl_iterate_phdr work. So these functions
// are not instrumented and call no function that a sanitizer wraps.
#define RB_EARLY __attribute__((no_sanitize("address", "undefined", "thread")))

// The tables of a loaded object that look-ups need. All pointers belong to the object and are valid while it is loaded.
struct rb_object {
    uintptr_t base;
    uintptr_t start, end; // the range of addresses of its segments; end is exclusive
    const char *path;
    const ElfW(Dyn) * dynamic;
    const ElfW(Sym) * symbols;
    const char *strings;
    const uint32_t *gnu_hash; // NULL: sysv_hash is used
    const uint32_t *sysv_hash;
    const ElfW(Half) * versions; // NULL: unversioned
};

// Reads the tables of the object that dl_iterate_phdr describes. Returns false when it has no usable dynamic section.
bool rb_elf_object(const struct dl_phdr_info *info, struct rb_object *object);

// Finds the object that contains `address`. Returns false if there is none. Takes the loader's lock.
bool rb_elf_holding(const void *address, struct rb_object *object);

// Returns the address of a function that `object` exports, or NULL. If there are several versions, the default version
// is returned. Indirect functions (STT_GNU_IFUNC) are not resolved; NULL is returned for them.
void *rb_elf_symbol(const struct rb_object *object, const char *name);

// Returns the object's DT_SONAME, or the last component of its path.
const char *rb_elf_soname(const struct rb_object *object);

// Returns the n-th DT_NEEDED entry of an object, or NULL past the last.
const char *rb_elf_needed(const struct rb_object *object, unsigned n);

// Returns true if `object` is this library itself.
bool rb_elf_is_self(const struct rb_object *object);

// Finds `name` in the objects after this library in load order, up to libc, as RTLD_NEXT does. Returns NULL if none
// defines it. Takes no lock and calls no function that another library may have interposed. So it is async-signal-safe,
// and safe in a child forked by a program with threads.
void *rb_elf_next(const char *name);

// As rb_elf_next, but searches all objects, including those loaded later. Takes the loader's lock.
void *rb_elf_next_anywhere(const char *name);

// Finds `name` in libc, even if another library interposes it. Returns NULL if libc lacks it or was not found. Takes no
// lock.
void *rb_elf_libc(const char *name);

// libc's own dl_iterate_phdr(3) and getauxval(3).
int rb_elf_each(int (*visit)(struct dl_phdr_info *info, size_t size, void *context), void *context);
unsigned long rb_elf_auxiliary(unsigned long type);

#endif

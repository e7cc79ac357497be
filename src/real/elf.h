// SPDX-License-Identifier: MIT
// Symbols of loaded objects, read from their ELF tables.
//
// dlsym is not used: linked on a current system it carries a version that stops every program in an older container, a
// failing look-up allocates, and RTLD_NEXT finds neither a library opened RTLD_LOCAL nor the right one of two.
#ifndef RB_REAL_ELF_H
#define RB_REAL_ELF_H

#include <link.h>
#include <stdbool.h>
#include <stdint.h>

// For what runs inside of a program's dlsym: sanitizer runtimes find there what they wrap, before their shadow memory
// and their own strcmp or dl_iterate_phdr work. Such code is not instrumented and calls nothing of the kind.
#define RB_EARLY __attribute__((no_sanitize("address", "undefined", "thread")))

// A loaded object as far as look-ups need it. All pointers belong to the object and live as long as it is loaded.
struct rb_object {
    uintptr_t base;
    uintptr_t start, end; // addresses that its segments span, end exclusive
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

// The object that `address` lies in. Returns false when there is none. Takes the loader's lock.
bool rb_elf_holding(const void *address, struct rb_object *object);

// The address of a function that `object` exports, in its default version where there are several; NULL when it has
// none. Indirect functions (STT_GNU_IFUNC) are not resolved and count as absent.
void *rb_elf_symbol(const struct rb_object *object, const char *name);

// The object's DT_SONAME, or the last component of its path.
const char *rb_elf_soname(const struct rb_object *object);

// The n-th DT_NEEDED of an object, or NULL past the last.
const char *rb_elf_needed(const struct rb_object *object, unsigned n);

// True when `address` lies in this library itself.
bool rb_elf_is_self(const struct rb_object *object);

// The function called `name` in the next object after this library, in load order (as RTLD_NEXT means it); NULL: none
// up to libc. Takes no lock and calls nothing that another library may have replaced: it may be called at any time, in
// signal handlers and in a child that a program with threads has forked.
void *rb_elf_next(const char *name);

// The same in all objects, also in those that were loaded later. Takes the loader's lock.
void *rb_elf_next_anywhere(const char *name);

// libc's own function of this name, whatever stands in front of it; NULL: none, or libc was not found. Takes no lock.
void *rb_elf_libc(const char *name);

// As dl_iterate_phdr(3) and getauxval(3): libc's own.
int rb_elf_each(int (*visit)(struct dl_phdr_info *info, size_t size, void *context), void *context);
unsigned long rb_elf_auxiliary(unsigned long type);

#endif

// SPDX-License-Identifier: MIT
// Reads ELF files of either class and byte order. Nothing in a file is believed: every place is checked against the
// file's size, and what lies outside reads as absent.
#ifndef RB_CLI_ELF_FILE_H
#define RB_CLI_ELF_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// A table of symbols and the strings that their names are in.
struct rb_elf_symbols {
    uint64_t offset, count, strings, strings_size;
};

struct rb_elf_file {
    const unsigned char *data; // borrowed by rb_elf_file_parse, mapped by rb_elf_file_open
    size_t size;
    bool wide;               // 64-bit
    bool big;                // big-endian
    uint16_t type, machine;  // ET_*, EM_*
    const char *interpreter; // the dynamic linker that the file names, NULL: none
    uint64_t dynamic, dynamic_size, strings, strings_size;
    struct rb_elf_symbols imported_exported; // the dynamic linker's
    struct rb_elf_symbols own;               // the debugger's, gone in a stripped file
};

// Reads the headers. Returns 0, or -ENOEXEC for what is no ELF file or whose program headers lie outside of it.
int rb_elf_file_parse(const void *data, size_t size, struct rb_elf_file *file);

// Maps the file and reads its headers; rb_elf_file_close frees it. Returns 0, -ENOEXEC as above, or an error of
// rb_mapping_open. The file is left as zeroes when this fails.
int rb_elf_file_open(const char *path, struct rb_elf_file *file);
void rb_elf_file_close(struct rb_elf_file *file);

// True when one can be loaded into the other: class, byte order and machine agree.
bool rb_elf_file_same_kind(const struct rb_elf_file *a, const struct rb_elf_file *b);

// The n-th string of the dynamic section with this tag (DT_NEEDED, DT_SONAME, DT_RPATH, DT_RUNPATH), or NULL.
const char *rb_elf_file_text(const struct rb_elf_file *file, uint64_t tag, unsigned n);

// Gets each name of a table of symbols; defined: the file has it, it does not import it.
typedef void rb_elf_symbol_fn(void *context, const char *name, bool defined);

// Calls `each` for every symbol of file->imported_exported or file->own. Local symbols of the former are left out.
void rb_elf_file_symbols(const struct rb_elf_file *file, const struct rb_elf_symbols *symbols, rb_elf_symbol_fn *each,
                         void *context);

// True when the file has a section of this name.
bool rb_elf_file_section(const struct rb_elf_file *file, const char *name);

// The first place of these bytes in the file at or after `from`, or NULL.
const char *rb_elf_file_find(const struct rb_elf_file *file, const char *from, const char *bytes);

// How many bytes of the file follow `at`, itself included.
size_t rb_elf_file_left(const struct rb_elf_file *file, const char *at);

#endif

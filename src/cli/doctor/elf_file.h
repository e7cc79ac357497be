// SPDX-License-Identifier: MIT
// Reads ELF files of both classes and byte orders. Files are not trusted: every offset is checked against the file's
// size, and data outside the file counts as absent.
#ifndef RB_CLI_DOCTOR_ELF_FILE_H
#define RB_CLI_DOCTOR_ELF_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// A symbol table and its string table.
struct rb_elf_symbols {
    uint64_t offset, count, strings, strings_size;
};

struct rb_elf_file {
    const unsigned char *data; // borrowed by rb_elf_file_parse, mapped by rb_elf_file_open
    size_t size;
    bool wide;               // 64-bit
    bool big;                // big-endian
    uint16_t type, machine;  // ET_*, EM_*
    const char *interpreter; // path of the dynamic linker, NULL if none
    uint64_t dynamic, dynamic_size, strings, strings_size;
    struct rb_elf_symbols imported_exported; // for the dynamic linker
    struct rb_elf_symbols own;               // for debuggers; absent in a stripped file
};

// Parses the headers. Returns 0, or -ENOEXEC if it is not an ELF file or if its program headers are outside the file.
int rb_elf_file_parse(const void *data, size_t size, struct rb_elf_file *file);

// Maps the file and parses its headers; rb_elf_file_close unmaps it. Returns 0, -ENOEXEC, or an error of
// rb_mapping_open. Zeroes *file on failure.
int rb_elf_file_open(const char *path, struct rb_elf_file *file);
void rb_elf_file_close(struct rb_elf_file *file);

// True if class, byte order and machine are equal, so that one can be loaded into the other.
bool rb_elf_file_same_kind(const struct rb_elf_file *a, const struct rb_elf_file *b);

// Returns the n-th string with this tag in the dynamic section (DT_NEEDED, DT_SONAME, DT_RPATH, DT_RUNPATH), or NULL.
const char *rb_elf_file_text(const struct rb_elf_file *file, uint64_t tag, unsigned n);

// Called for each name of a symbol table. defined: the file defines it; otherwise it is imported.
typedef void rb_elf_symbol_fn(void *context, const char *name, bool defined);

// Calls `each` for every symbol of file->imported_exported or file->own. Skips local symbols of the former.
void rb_elf_file_symbols(const struct rb_elf_file *file, const struct rb_elf_symbols *symbols, rb_elf_symbol_fn *each,
                         void *context);

// True if the file has a section with this name.
bool rb_elf_file_section(const struct rb_elf_file *file, const char *name);

// True if the file contains code compiled by Go, also in a stripped file: Go writes sections and a note of its own.
bool rb_elf_file_is_go(const struct rb_elf_file *file);

// Returns the first occurrence of these bytes at or after `from`, or NULL.
const char *rb_elf_file_find(const struct rb_elf_file *file, const char *from, const char *bytes);

// Returns the number of bytes from `at` to the end of the file.
size_t rb_elf_file_left(const struct rb_elf_file *file, const char *at);

#endif

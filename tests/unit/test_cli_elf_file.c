// SPDX-License-Identifier: MIT
// The reader of ELF files: both classes and byte orders, files that are cut, and files with wrong sizes or offsets.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <elf.h>
#include <errno.h>

#include "cli/doctor/elf_file.h"

enum { IMAGE_SIZE = 1024, INTERP_AT = 256, DYNAMIC_AT = 320, STRINGS_AT = 512, SYMBOLS_AT = 576, HASH_AT = 704 };
enum { LOADED_AT = 0x10000 }; // where the whole file lies in memory

// A file of a kind, with what a linker would put into it, written field by field.
struct image {
    unsigned char bytes[IMAGE_SIZE];
    bool wide, big;
};

static void put(struct image *image, size_t at, unsigned width, uint64_t value)
{
    for (unsigned i = 0; i < width; i++)
        image->bytes[at + (image->big ? width - 1 - i : i)] = (unsigned char) (value >> (8 * i));
}

static void put_header(struct image *image)
{
    unsigned word = image->wide ? 8 : 4;
    memcpy(image->bytes, ELFMAG, SELFMAG);
    image->bytes[EI_CLASS] = image->wide ? ELFCLASS64 : ELFCLASS32;
    image->bytes[EI_DATA] = image->big ? ELFDATA2MSB : ELFDATA2LSB;
    put(image, 16, 2, ET_DYN);
    put(image, 18, 2, EM_PPC);
    put(image, 24 + word, word, 64);                             // program headers
    put(image, image->wide ? 54 : 42, 2, image->wide ? 56 : 32); // size of one
    put(image, image->wide ? 56 : 44, 2, 3);                     // how many
    put(image, image->wide ? 58 : 46, 2, image->wide ? 64 : 40); // size of a section header
}

static void put_segment(struct image *image, unsigned n, unsigned type, uint64_t offset, uint64_t length)
{
    size_t at = 64 + n * (image->wide ? 56u : 32u), word = image->wide ? 8 : 4;
    put(image, at, 4, type);
    put(image, at + word, (unsigned) word, offset);
    put(image, at + 2 * word, (unsigned) word, LOADED_AT + offset);
    put(image, at + 4 * word, (unsigned) word, length);
}

static void put_dynamic(struct image *image, unsigned n, uint64_t tag, uint64_t value)
{
    unsigned word = image->wide ? 8 : 4;
    put(image, DYNAMIC_AT + n * 2 * word, word, tag);
    put(image, DYNAMIC_AT + n * 2 * word + word, word, value);
}

static void put_symbol(struct image *image, unsigned n, unsigned name, unsigned section)
{
    size_t at = SYMBOLS_AT + n * (image->wide ? 24u : 16u);
    put(image, at, 4, name);
    image->bytes[at + (image->wide ? 4 : 12)] = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC);
    put(image, at + (image->wide ? 6 : 14), 2, section);
}

static const char strings[] = "\0connect\0close\0libc.so.6\0libm.so.6\0/opt/lib";
enum { CONNECT = 1, CLOSE = 9, LIBC = 15, LIBM = 25, RUNPATH = 35 };

// Two libraries needed, a RUNPATH, `connect` imported, `close` exported.
static void make(struct image *image, bool wide, bool big, bool gnu)
{
    memset(image, 0, sizeof(*image));
    image->wide = wide;
    image->big = big;
    put_header(image);
    put_segment(image, 0, PT_LOAD, 0, IMAGE_SIZE);
    put_segment(image, 1, PT_INTERP, INTERP_AT, sizeof "/lib/ld.so.1");
    put_segment(image, 2, PT_DYNAMIC, DYNAMIC_AT, 9 * (wide ? 16 : 8));
    memcpy(image->bytes + INTERP_AT, "/lib/ld.so.1", sizeof "/lib/ld.so.1");
    memcpy(image->bytes + STRINGS_AT, strings, sizeof(strings));
    const uint64_t rows[][2] = {{DT_NEEDED, LIBC},
                                {DT_RUNPATH, RUNPATH},
                                {DT_NEEDED, LIBM},
                                {DT_STRTAB, LOADED_AT + STRINGS_AT},
                                {DT_STRSZ, sizeof(strings)},
                                {DT_SYMTAB, LOADED_AT + SYMBOLS_AT},
                                {gnu ? DT_GNU_HASH : DT_HASH, LOADED_AT + HASH_AT}};
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        put_dynamic(image, i, rows[i][0], rows[i][1]);
    put_symbol(image, 1, CONNECT, SHN_UNDEF);
    put_symbol(image, 2, CLOSE, 7);
    if (!gnu) {
        put(image, HASH_AT + 4, 4, 3); // symbols
        return;
    }
    const uint32_t hash[] = {1, 2, 1, 0}; // one bucket, the second symbol is the first hashed, one filter word
    for (unsigned i = 0; i < 4; i++)
        put(image, HASH_AT + 4 * i, 4, hash[i]);
    put(image, HASH_AT + 16 + (wide ? 8 : 4), 4, 2);
    put(image, HASH_AT + 20 + (wide ? 8 : 4), 4, 1); // the chain ends
}

struct seen {
    char text[256];
};

static void see(void *context, const char *name, bool defined)
{
    struct seen *seen = context;
    size_t used = strlen(seen->text);
    snprintf(seen->text + used, sizeof(seen->text) - used, "%s%s ", name, defined ? "!" : "");
}

static void test_kinds(void **state)
{
    struct image image;
    struct rb_elf_file file;
    (void) state;
    for (unsigned kind = 0; kind < 8; kind++) {
        struct seen seen = {""};
        make(&image, kind & 1, kind & 2, kind & 4);
        assert_int_equal(rb_elf_file_parse(image.bytes, IMAGE_SIZE, &file), 0);
        assert_int_equal(file.wide, image.wide);
        assert_int_equal(file.big, image.big);
        assert_int_equal(file.type, ET_DYN);
        assert_int_equal(file.machine, EM_PPC);
        assert_string_equal(file.interpreter, "/lib/ld.so.1");
        assert_string_equal(rb_elf_file_text(&file, DT_NEEDED, 0), "libc.so.6");
        assert_string_equal(rb_elf_file_text(&file, DT_NEEDED, 1), "libm.so.6");
        assert_null(rb_elf_file_text(&file, DT_NEEDED, 2));
        assert_string_equal(rb_elf_file_text(&file, DT_RUNPATH, 0), "/opt/lib");
        assert_null(rb_elf_file_text(&file, DT_SONAME, 0));
        rb_elf_file_symbols(&file, &file.imported_exported, see, &seen);
        assert_string_equal(seen.text, "connect close! ");
        assert_false(rb_elf_file_section(&file, ".text"));
    }
}

// Reads all fields, from a copy that ends where the file ends, so that AddressSanitizer sees each read behind the end.
static int use(const unsigned char *bytes, size_t size)
{
    struct rb_elf_file file;
    struct seen seen = {""};
    unsigned char *copy = malloc(size ? size : 1);
    assert_non_null(copy);
    memcpy(copy, bytes, size);
    int error = rb_elf_file_parse(copy, size, &file);
    if (error == 0) {
        rb_elf_file_symbols(&file, &file.imported_exported, see, &seen);
        rb_elf_file_symbols(&file, &file.own, see, &seen);
        for (unsigned n = 0; rb_elf_file_text(&file, DT_NEEDED, n);)
            n++;
        rb_elf_file_is_go(&file);
        rb_elf_file_find(&file, NULL, "libcurl/");
    }
    free(copy);
    return error;
}

static void test_cut(void **state)
{
    struct image image;
    (void) state;
    for (unsigned kind = 0; kind < 8; kind++) {
        make(&image, kind & 1, kind & 2, kind & 4);
        size_t headers = 64 + 3 * (image.wide ? 56 : 32);
        for (size_t size = 0; size < IMAGE_SIZE; size++)
            assert_int_equal(use(image.bytes, size), size < headers ? -ENOEXEC : 0);
    }
}

// Each byte in turn gets extreme values. The reader must stay within the file.
static void test_lies(void **state)
{
    static const unsigned char values[] = {0x00, 0x01, 0x7f, 0x80, 0xff};
    struct image image;
    (void) state;
    for (unsigned kind = 0; kind < 8; kind++) {
        make(&image, kind & 1, kind & 2, kind & 4);
        for (size_t at = 0; at < IMAGE_SIZE; at++) {
            unsigned char before = image.bytes[at];
            for (size_t i = 0; i < sizeof(values); i++) {
                image.bytes[at] = values[i];
                use(image.bytes, IMAGE_SIZE);
            }
            image.bytes[at] = before;
        }
    }
}

static void test_refused(void **state)
{
    struct image image;
    (void) state;
    make(&image, true, false, true);
    image.bytes[EI_CLASS] = 3;
    assert_int_equal(use(image.bytes, IMAGE_SIZE), -ENOEXEC);
    make(&image, true, false, true);
    image.bytes[EI_DATA] = 0;
    assert_int_equal(use(image.bytes, IMAGE_SIZE), -ENOEXEC);
    make(&image, true, false, true);
    put(&image, 54, 2, 32); // the other class's program headers
    assert_int_equal(use(image.bytes, IMAGE_SIZE), -ENOEXEC);
    assert_int_equal(use((const unsigned char *) "#!/bin/sh\n       ", 16), -ENOEXEC);
}

static void test_interpreter_without_end(void **state)
{
    struct image image;
    struct rb_elf_file file;
    (void) state;
    make(&image, true, false, true);
    put_segment(&image, 1, PT_INTERP, INTERP_AT, sizeof "/lib/ld.so.1" - 1);
    assert_int_equal(rb_elf_file_parse(image.bytes, IMAGE_SIZE, &file), 0);
    assert_null(file.interpreter);
}

// Reads this test program, which a linker wrote and which has symbols for a debugger.
static void test_itself(void **state)
{
    struct rb_elf_file file;
    struct seen seen = {""};
    (void) state;
    assert_int_equal(rb_elf_file_open("/proc/self/exe", &file), 0);
    assert_int_equal(file.wide, sizeof(void *) == 8);
    assert_non_null(file.interpreter);
    assert_non_null(rb_elf_file_text(&file, DT_NEEDED, 0));
    assert_true(rb_elf_file_section(&file, ".dynamic"));
    assert_false(rb_elf_file_is_go(&file));
    assert_true(file.own.count > 0);
    rb_elf_file_symbols(&file, &file.imported_exported, see, &seen);
    assert_true(seen.text[0] != '\0');
    assert_non_null(rb_elf_file_find(&file, NULL, "what a linker wrote"));
    rb_elf_file_close(&file);
    rb_elf_file_close(&file);
    assert_int_equal(rb_elf_file_open("/", &file), -EISDIR);
    assert_int_equal(rb_elf_file_open("/dev/null", &file), -EINVAL);
    assert_int_equal(rb_elf_file_open("/nowhere", &file), -ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_lies),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_interpreter_without_end),
        cmocka_unit_test(test_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

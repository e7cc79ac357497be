// SPDX-License-Identifier: MIT
// Fuzzes the readers of ELF files and of the dynamic linker's cache: what they find lies in the file and
// ends there.
#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "cli/doctor/elf_file.h"
#include "cli/doctor/ld_cache.h"

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void require_inside(const struct rb_elf_file *file, const char *text)
{
    const char *begin = (const char *) file->data;
    require(text >= begin && text < begin + file->size && strlen(text) < (size_t) (begin + file->size - text));
}

static void see(void *context, const char *name, bool defined)
{
    (void) defined;
    require_inside(context, name);
}

static void check_file(struct rb_elf_file *file)
{
    static const uint64_t tags[] = {DT_NEEDED, DT_SONAME, DT_RPATH, DT_RUNPATH};
    const char *text;
    if (file->interpreter)
        require_inside(file, file->interpreter);
    for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]); i++)
        for (unsigned n = 0; n < 8 && (text = rb_elf_file_text(file, tags[i], n)); n++)
            require_inside(file, text);
    rb_elf_file_symbols(file, &file->imported_exported, see, file);
    rb_elf_file_symbols(file, &file->own, see, file);
    rb_elf_file_is_go(file);
    for (text = NULL; (text = rb_elf_file_find(file, text, "lib")); text++)
        require(rb_elf_file_left(file, text) >= 3);
    require(rb_elf_file_same_kind(file, file));
}

static void check_cache(const char *bytes, size_t size)
{
    uint32_t at = 0;
    for (const char *path; (path = rb_ld_cache_next(bytes, size, "libc.so.6", &at));)
        require(path >= bytes && path + strlen(path) < bytes + size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rb_elf_file file;
    if (rb_elf_file_parse(data, size, &file) == 0)
        check_file(&file);
    else
        require(!file.data);
    check_cache((const char *) data, size);
    return 0;
}

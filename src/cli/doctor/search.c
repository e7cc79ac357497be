// SPDX-License-Identifier: MIT
// Searches a library in this order. glibc: DT_RPATH, LD_LIBRARY_PATH, DT_RUNPATH, the cache, built-in directories.
// musl: LD_LIBRARY_PATH, DT_RUNPATH or DT_RPATH of all objects that need it, its path file.
#include "cli/doctor/search.h"

#include <elf.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/doctor/ld_cache.h"
#include "cli/doctor/mapping.h"

static const char cache_path[] = "/etc/ld.so.cache";
static const char musl_default[] = "/lib:/usr/local/lib:/usr/lib";

struct search {
    const struct rb_needed_list *list;
    unsigned by;
    const char *name;
    struct rb_elf_file *file;
    char found[PATH_MAX];
};

static const struct rb_elf_file *program_of(const struct search *search)
{
    return &search->list->items[0].file;
}

static bool try_file(struct search *search, const char *path)
{
    if (rb_elf_file_open(path, search->file) != 0)
        return false;
    if (!rb_elf_file_same_kind(search->file, program_of(search))) {
        rb_elf_file_close(search->file);
        return false;
    }
    snprintf(search->found, sizeof(search->found), "%s", path);
    return true;
}

static bool try_directory(struct search *search, const char *directory)
{
    char path[PATH_MAX];
    int length = snprintf(path, sizeof(path), "%s/%s", *directory ? directory : ".", search->name);
    return length >= 0 && length < (int) sizeof(path) && try_file(search, path);
}

// --- directory names of distributions

static const char *triplet(const struct rb_elf_file *file)
{
    static const struct {
        uint16_t machine;
        const char *name;
    } rows[] = {
        {EM_X86_64, "x86_64-linux-gnu"},     {EM_386, "i386-linux-gnu"},      {EM_AARCH64, "aarch64-linux-gnu"},
        {EM_ARM, "arm-linux-gnueabihf"},     {EM_RISCV, "riscv64-linux-gnu"}, {EM_S390, "s390x-linux-gnu"},
        {EM_PPC64, "powerpc64le-linux-gnu"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (rows[i].machine == file->machine)
            return rows[i].name;
    return "";
}

static bool try_built_in(struct search *search)
{
    static const char *const roots[] = {"/lib", "/usr/lib"};
    char directory[PATH_MAX];
    for (int i = 0; i < 2; i++) {
        snprintf(directory, sizeof(directory), "%s/%s", roots[i], triplet(program_of(search)));
        if (try_directory(search, directory))
            return true;
    }
    for (int i = 0; i < 2; i++) {
        snprintf(directory, sizeof(directory), "%s%s", roots[i], program_of(search)->wide ? "64" : "");
        if (try_directory(search, directory) || try_directory(search, roots[i]))
            return true;
    }
    return false;
}

// --- lists of directories

// Expands $ORIGIN. For the program, links are resolved; for a library, its path is used as it is.
static void origin(const struct rb_needed *asker, bool program, char out[PATH_MAX])
{
    char real[PATH_MAX];
    const char *path = program && realpath(asker->path, real) ? real : asker->path;
    snprintf(out, PATH_MAX, "%s", path);
    char *slash = strrchr(out, '/');
    if (slash)
        slash[slash == out] = '\0';
    else
        snprintf(out, PATH_MAX, ".");
}

// Writes the value of the token at `token`. Returns the token's length, or 0 if it is unknown.
static size_t expand_token(const struct search *search, unsigned of, const char *token, char out[PATH_MAX])
{
    static const struct {
        const char *text;
        char kind;
    } tokens[] = {{"$ORIGIN", 'o'}, {"${ORIGIN}", 'o'}, {"$LIB", 'l'}, {"${LIB}", 'l'}};
    for (size_t i = 0; i < sizeof(tokens) / sizeof(tokens[0]); i++) {
        size_t length = strlen(tokens[i].text);
        if (strncmp(token, tokens[i].text, length) != 0)
            continue;
        if (tokens[i].kind == 'o')
            origin(&search->list->items[of], of == 0, out);
        else
            snprintf(out, PATH_MAX, "lib/%s", triplet(program_of(search)));
        return length;
    }
    return 0;
}

// Expands the tokens in a directory's name. Returns false if it is too long or has an unknown token.
static bool expand(const struct search *search, unsigned of, const char *text, char out[PATH_MAX])
{
    char value[PATH_MAX];
    size_t used = 0;
    while (*text) {
        size_t length = *text == '$' ? expand_token(search, of, text, value) : 1;
        if (length == 0)
            return false;
        if (*text != '$')
            value[0] = *text, value[1] = '\0';
        if (used + strlen(value) >= PATH_MAX)
            return false;
        memcpy(out + used, value, strlen(value));
        used += strlen(value);
        text += length;
    }
    out[used] = '\0';
    return true;
}

// Searches each directory of a list, which may be NULL. of: the object for $ORIGIN.
static bool try_list(struct search *search, unsigned of, const char *list, const char *separators)
{
    char piece[PATH_MAX], directory[PATH_MAX];
    while (list) {
        size_t length = strcspn(list, separators);
        bool fits = snprintf(piece, sizeof(piece), "%.*s", (int) length, list) < PATH_MAX;
        if (fits && expand(search, of, piece, directory) && try_directory(search, directory))
            return true;
        list = list[length] ? list + length + 1 : NULL;
    }
    return false;
}

static bool try_environment(struct search *search)
{
    const char *list = getenv("LD_LIBRARY_PATH");
    return list && *list && try_list(search, 0, list, search->list->musl ? ":" : ":;");
}

static const char *text_of(const struct search *search, unsigned of, uint64_t tag)
{
    return rb_elf_file_text(&search->list->items[of].file, tag, 0);
}

// --- glibc and musl

// Searches DT_RPATH of the object that needs the library, then of the objects that need that object. An object's
// DT_RPATH is ignored if it has a DT_RUNPATH.
static bool try_rpaths(struct search *search)
{
    unsigned of = search->by;
    if (text_of(search, of, DT_RUNPATH))
        return false;
    for (;;) {
        if (!text_of(search, of, DT_RUNPATH) && try_list(search, of, text_of(search, of, DT_RPATH), ":"))
            return true;
        if (of == 0)
            return false;
        of = search->list->items[of].by;
    }
}

static bool try_cache(struct search *search)
{
    struct rb_mapping cache;
    uint32_t at = 0;
    bool found = false;
    if (rb_mapping_open(cache_path, &cache) != 0)
        return false;
    for (const char *path; !found && (path = rb_ld_cache_next(cache.data, cache.size, search->name, &at));)
        found = try_file(search, path);
    rb_mapping_close(&cache);
    return found;
}

// musl contains these libraries itself.
static bool is_in_musl(const char *name)
{
    static const char *const names[] = {"c", "pthread", "rt", "m", "dl", "util", "xnet"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        size_t length = strlen(names[i]);
        if (strncmp(name, "lib", 3) == 0 && strncmp(name + 3, names[i], length) == 0 && name[3 + length] == '.')
            return true;
    }
    return false;
}

// PREFIX/lib/ld-musl-ARCH.so.1 reads PREFIX/etc/ld-musl-ARCH.path.
static bool try_musl_directories(struct search *search)
{
    char path[PATH_MAX], list[4096] = "";
    const char *linker = program_of(search)->interpreter, *name = strstr(linker, "ld-musl");
    size_t prefix = (size_t) (name - linker) >= 5 ? (size_t) (name - linker) - 5 : 0; // without "/lib/"
    snprintf(path, sizeof(path), "%.*s/etc/%.*s.path", (int) prefix, linker, (int) strcspn(name, "."), name);
    FILE *file = fopen(path, "re");
    size_t length = file ? fread(list, 1, sizeof(list) - 1, file) : 0;
    if (file)
        fclose(file);
    list[length] = '\0';
    return try_list(search, 0, length > 0 ? list : musl_default, ":\n");
}

static bool search_musl(struct search *search)
{
    if (is_in_musl(search->name))
        return try_file(search, program_of(search)->interpreter);
    if (try_environment(search))
        return true;
    for (unsigned of = search->by;; of = search->list->items[of].by) {
        const char *list = text_of(search, of, DT_RUNPATH);
        if (try_list(search, of, list ? list : text_of(search, of, DT_RPATH), ":\n"))
            return true;
        if (of == 0)
            return try_musl_directories(search);
    }
}

char *rb_search_library(const struct rb_needed_list *list, unsigned by, const char *name, struct rb_elf_file *file)
{
    struct search search = {.list = list, .by = by, .name = name, .file = file};
    bool found;
    if (strchr(name, '/')) {
        char path[PATH_MAX];
        found = expand(&search, by, name, path) && try_file(&search, path);
    } else if (list->musl) {
        found = search_musl(&search);
    } else { // glibc
        const char *runpath = text_of(&search, by, DT_RUNPATH);
        found = try_rpaths(&search) || try_environment(&search) || try_list(&search, by, runpath, ":") ||
                try_cache(&search) || try_built_in(&search);
    }
    return found ? strdup(search.found) : NULL;
}

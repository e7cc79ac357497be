// SPDX-License-Identifier: MIT
// Collects the libraries of a program, breadth first.
#include "cli/doctor/needed.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/doctor/search.h"

int rb_needed_index(const struct rb_needed_list *list, const char *name)
{
    for (unsigned i = 0; i < list->count; i++) {
        const struct rb_needed *item = &list->items[i];
        const char *soname = item->path ? rb_elf_file_text(&item->file, DT_SONAME, 0) : NULL;
        if (strcmp(item->name, name) == 0 || (soname && strcmp(soname, name) == 0))
            return (int) i;
    }
    return -1;
}

static int needed_add(struct rb_needed_list *list, unsigned by, const char *name, char *path, struct rb_elf_file *file)
{
    struct rb_needed *item = &list->items[list->count];
    item->name = strdup(name);
    if (!item->name)
        return -ENOMEM;
    item->path = path;
    item->file = *file;
    item->by = by;
    list->count++;
    return 0;
}

static int add_library(struct rb_needed_list *list, unsigned by, const char *name)
{
    struct rb_elf_file file = {0};
    if (rb_needed_index(list, name) >= 0 || list->count == RB_NEEDED_MAX)
        return 0;
    char *path = rb_search_library(list, by, name, &file);
    int error = needed_add(list, by, name, path, &file);
    if (error != 0) {
        rb_elf_file_close(&file);
        free(path);
    }
    return error;
}

static int add_needs_of(struct rb_needed_list *list, unsigned by)
{
    const char *name;
    int error = 0;
    for (unsigned n = 0; error == 0 && (name = rb_elf_file_text(&list->items[by].file, DT_NEEDED, n)); n++)
        error = list->count < RB_NEEDED_MAX ? add_library(list, by, name) : -E2BIG;
    return error == -E2BIG ? 0 : error;
}

int rb_needed_walk(const char *path, struct rb_elf_file *file, struct rb_needed_list *list)
{
    *list = (struct rb_needed_list){.musl = file->interpreter && strstr(file->interpreter, "ld-musl")};
    list->items = calloc(RB_NEEDED_MAX, sizeof(*list->items));
    char *copy = strdup(path);
    int error = list->items && copy ? needed_add(list, 0, path, copy, file) : -ENOMEM;
    if (error != 0) {
        rb_elf_file_close(file);
        free(copy);
        return error;
    }
    *file = (struct rb_elf_file){0};
    for (unsigned i = 0; error == 0 && i < list->count; i++)
        error = add_needs_of(list, i);
    return error;
}

int rb_needed_add(struct rb_needed_list *list, const char *path)
{
    unsigned before = list->count;
    int error = add_library(list, 0, path);
    if (error == 0 && list->count > before && !list->items[before].path)
        free(list->items[--list->count].name);
    for (unsigned i = before; error == 0 && i < list->count; i++)
        error = add_needs_of(list, i);
    list->parts += list->count - before;
    return error;
}

void rb_needed_free(struct rb_needed_list *list)
{
    for (unsigned i = 0; i < list->count; i++) {
        free(list->items[i].name);
        free(list->items[i].path);
        rb_elf_file_close(&list->items[i].file);
    }
    free(list->items);
    *list = (struct rb_needed_list){0};
}

// SPDX-License-Identifier: MIT
// The path of the library, and the list of preloaded libraries.
#include "cli/run/preload.h"

#include <errno.h>
#include <limits.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char file_name[] = "librebound.so";
static const char separators[] = " :"; // see ld.so(8)

static int try_place(const char *directory, const char *below, char *out, size_t size)
{
    int length = snprintf(out, size, "%s%s/%s", directory, below, file_name);
    if (length < 0 || (size_t) length >= size)
        return -ENAMETOOLONG;
    return access(out, R_OK) == 0 ? 0 : -ENOENT;
}

int rb_preload_find(char *out, size_t size)
{
    char self[PATH_MAX] = "";
    ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);
    char *slash = length > 0 ? strrchr(self, '/') : NULL;
    if (slash) {
        *slash = '\0';
        if (try_place(self, "", out, size) == 0)
            return 0;
        slash = strrchr(self, '/');
    }
    if (slash) { // ../lib relative to the executable's directory
        *slash = '\0';
        if (try_place(self, "/lib/rebound", out, size) == 0)
            return 0;
    }
    return try_place(RB_LIBDIR, "/rebound", out, size);
}

int rb_preload_name(const char *library, char *out, size_t size)
{
    const char *slash = strrchr(library, '/');
    int directory = slash ? (int) (slash - library) : 0;
    int length = snprintf(out, size, "%.*s/classes/$LIB/%s", directory, library, file_name);
    if (slash && length >= 0 && (size_t) length < size && access(out, R_OK) == 0)
        return 0;
    length = snprintf(out, size, "%s", library);
    return length >= 0 && (size_t) length < size ? 0 : -ENAMETOOLONG;
}

bool rb_preload_disabled(void)
{
    const char *disable = getenv("REBOUND_DISABLE");
    return disable && *disable && strcmp(disable, "0") != 0;
}

bool rb_preload_can_hold(const char *library)
{
    return strpbrk(library, separators) == NULL;
}

// Returns the next item of the list, or NULL. *length receives its length.
static const char *next_item(const char **list, size_t *length)
{
    const char *item = *list + strspn(*list, separators);
    *length = strcspn(item, separators);
    *list = item + *length;
    return *length > 0 ? item : NULL;
}

static bool is_us(const char *item, size_t length)
{
    size_t own = sizeof(file_name) - 1;
    return length >= own && memcmp(item + length - own, file_name, own) == 0 &&
           (length == own || item[length - own - 1] == '/');
}

static void append(char *list, const char *item, size_t length)
{
    char *end = list + strlen(list);
    if (end > list)
        *end++ = ':';
    memcpy(end, item, length); // the list was zeroed, so it stays terminated
}

char *rb_preload_join(const char *before, const char *library)
{
    const char *rest = before ? before : "", *item;
    char *list = calloc(1, strlen(rest) + strlen(library) + 2);
    bool there = false;
    for (size_t length; list && (item = next_item(&rest, &length));) {
        bool us = is_us(item, length);
        if (!us)
            append(list, item, length);
        else if (!there)
            append(list, library, strlen(library));
        there = there || us;
    }
    if (list && !there)
        append(list, library, strlen(library));
    return list;
}

char *rb_preload_asan_options(const char *before)
{
    static const char flag[] = "verify_asan_link_order", added[] = "verify_asan_link_order=0";
    const char *rest = before ? before : "";
    char *options = calloc(1, sizeof(added) + strlen(rest) + 1);
    bool there = strstr(rest, flag) != NULL;
    if (options)
        snprintf(options, sizeof(added) + strlen(rest) + 1, "%s%s%s", there ? "" : added, there || !*rest ? "" : ":",
                 rest);
    return options;
}

bool rb_preload_names_us(const char *list)
{
    const char *item;
    for (size_t length; list && (item = next_item(&list, &length));)
        if (is_us(item, length))
            return true;
    return false;
}

// A callback of dl_iterate_phdr(3).
static int object_is_us(struct dl_phdr_info *object, size_t size, void *unused)
{
    (void) size;
    (void) unused;
    return object->dlpi_name && is_us(object->dlpi_name, strlen(object->dlpi_name));
}

bool rb_preload_is_loaded(void)
{
    return dl_iterate_phdr(object_is_us, NULL) != 0;
}

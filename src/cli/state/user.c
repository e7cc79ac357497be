// SPDX-License-Identifier: MIT
// Users by name and number, and users with a state.
#include "cli/state/user.h"

#include <dirent.h>
#include <errno.h>
#include <pwd.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/number.h"
#include "state/store.h"

static const uint64_t user_max = UINT32_MAX - 1; // (uid_t) -1 is not a user

bool rb_user_find(const char *text, uid_t *uid)
{
    struct passwd *entry = getpwnam(text);
    uint64_t number = entry ? entry->pw_uid : 0;
    const char *rest = entry ? "" : rb_number_read(text, user_max, &number);
    *uid = (uid_t) number;
    return rest && !*rest;
}

const char *rb_user_name(uid_t uid)
{
    struct passwd *entry = getpwuid(uid);
    return entry ? entry->pw_name : NULL;
}

const char *rb_user_label(uid_t uid, char out[RB_USER_LABEL_SIZE])
{
    const char *name = rb_user_name(uid);
    if (name)
        snprintf(out, RB_USER_LABEL_SIZE, "%.64s (%u)", name, (unsigned) uid);
    else
        snprintf(out, RB_USER_LABEL_SIZE, "%u", (unsigned) uid);
    return out;
}

static int by_number(const void *left, const void *right)
{
    uid_t a = *(const uid_t *) left, b = *(const uid_t *) right;
    return (a > b) - (a < b);
}

// Collects the numbers in file names of the form `prefix` NUMBER in one directory. Returns 0 or a negative errno.
static int user_collect(DIR *directory, const char *prefix, uid_t **list, size_t *count)
{
    size_t room = 0, length = strlen(prefix);
    for (struct dirent *entry; (entry = readdir(directory));) {
        uint64_t uid;
        bool named = strncmp(entry->d_name, prefix, length) == 0;
        const char *end = named ? rb_number_read(entry->d_name + length, user_max, &uid) : NULL;
        if (!end || (*end != '\0' && *end != '.'))
            continue;
        if (*count == room) {
            room = 2 * room + 16;
            uid_t *larger = reallocarray(*list, room, sizeof(**list));
            if (!larger)
                return -ENOMEM;
            *list = larger;
        }
        (*list)[(*count)++] = (uid_t) uid;
    }
    return 0;
}

int rb_user_list(uid_t **list, size_t *count)
{
    char path[] = RB_STORE_DEFAULT;
    char *slash = strrchr(path, '/');
    *slash = '\0';
    *list = NULL;
    *count = 0;
    DIR *directory = opendir(path);
    if (!directory)
        return errno == ENOENT ? 0 : -errno;
    int result = user_collect(directory, slash + 1, list, count);
    closedir(directory);
    if (result != 0) {
        free(*list);
        *list = NULL;
        *count = 0;
        return result;
    }
    size_t kept = 0;
    if (*count > 0)
        qsort(*list, *count, sizeof(**list), by_number);
    for (size_t i = 0; i < *count; i++)
        if (kept == 0 || (*list)[kept - 1] != (*list)[i])
            (*list)[kept++] = (*list)[i];
    *count = kept;
    return 0;
}

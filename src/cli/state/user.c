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

#include "state/store.h"

// Accepts only digits, at least one; strtoull would also accept a sign and blanks. (uid_t) -1 is not a user. *end
// receives the end of the number.
static bool user_read_number(const char *text, uid_t *uid, const char **end)
{
    size_t length = strspn(text, "0123456789");
    errno = 0;
    unsigned long long number = strtoull(text, NULL, 10);
    *end = text + length;
    *uid = (uid_t) number;
    return length > 0 && errno == 0 && number < UINT32_MAX;
}

bool rb_user_find(const char *text, uid_t *uid)
{
    const char *end;
    struct passwd *entry = getpwnam(text);
    if (!entry)
        return user_read_number(text, uid, &end) && *end == '\0';
    *uid = entry->pw_uid;
    return true;
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
        uid_t uid;
        const char *end;
        if (strncmp(entry->d_name, prefix, length) != 0 || !user_read_number(entry->d_name + length, &uid, &end))
            continue;
        if (*end != '\0' && *end != '.')
            continue;
        if (*count == room) {
            room = 2 * room + 16;
            uid_t *larger = reallocarray(*list, room, sizeof(**list));
            if (!larger)
                return -ENOMEM;
            *list = larger;
        }
        (*list)[(*count)++] = uid;
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

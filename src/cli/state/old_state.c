// SPDX-License-Identifier: MIT
// Finds state files of other versions by their names.
#include "cli/state/old_state.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/say.h"
#include "state/store.h"

enum { DIGITS = 24 };

// True for a name of another version. After `prefix` comes nothing (versions before 3), or ".v" and another number. A
// further number may follow, as in this version's names.
static bool old_state_is_named(const char *name, const char *prefix)
{
    static const char digits[] = "0123456789";
    char own[DIGITS];
    size_t length = strlen(prefix);
    if (strncmp(name, prefix, length) != 0)
        return false;
    const char *rest = name + length;
    if (strncmp(rest, ".v", 2) != 0)
        return *rest == '\0';
    size_t number = strspn(rest + 2, digits);
    snprintf(own, sizeof(own), "%d", RB_STATE_VERSION);
    bool other = number > 0 && (number != strlen(own) || strncmp(rest + 2, own, number) != 0);
    rest += 2 + number;
    if (*rest == '.')
        rest += 1 + strspn(rest + 1, digits);
    return other && *rest == '\0';
}

void rb_old_state_say(uid_t owner)
{
    char directory[] = RB_STORE_DEFAULT, prefix[DIGITS + sizeof(directory)];
    char *slash = strrchr(directory, '/');
    snprintf(prefix, sizeof(prefix), "%s%u", slash + 1, (unsigned) owner);
    *slash = '\0';
    DIR *entries = opendir(directory);
    struct dirent *entry;
    struct stat status;
    while (entries && (entry = readdir(entries))) {
        bool other = old_state_is_named(entry->d_name, prefix) &&
                     fstatat(dirfd(entries), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
                     S_ISREG(status.st_mode) && status.st_uid == owner;
        if (!other)
            continue;
        printf("%s/", directory);
        rb_say_clean(stdout, entry->d_name);
        puts(" is of another version of rebound; delete it when no program of that version runs");
    }
    if (entries)
        closedir(entries);
}

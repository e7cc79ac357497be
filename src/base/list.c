// SPDX-License-Identifier: MIT
// Searches lists of names in one string.
#include "base/list.h"

static bool same_bytes(const char *a, const char *b, unsigned long length, bool fold)
{
    for (unsigned long i = 0; i < length; i++) {
        unsigned char x = (unsigned char) a[i], y = (unsigned char) b[i];
        bool letter = (x | 0x20) >= 'a' && (x | 0x20) <= 'z';
        if (x != y && !(fold && letter && (x ^ y) == 0x20))
            return false;
    }
    return true;
}

bool rb_list_holds(const char *list, const char *name, unsigned long length, bool fold)
{
    if (list[0] == '*' && list[1] == '\0')
        return true;
    while (*list != '\0') {
        const char *end = list;
        while (*end != '\0' && *end != ' ')
            end++;
        if ((unsigned long) (end - list) == length && length > 0 && same_bytes(list, name, length, fold))
            return true;
        list = *end == ' ' ? end + 1 : end;
    }
    return false;
}

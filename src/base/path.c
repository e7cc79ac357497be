// SPDX-License-Identifier: MIT
// The path of a request, for logs.
#include "base/path.h"

#include <string.h>

#include "base/escape.h"

struct rb_slice rb_path_of(struct rb_slice target)
{
    static const char ends[] = "?#;";
    size_t begin = 0, end = 0;
    while (begin < target.length && target.at[begin] != '/' && !strchr(ends, target.at[begin]))
        begin++;
    // "http://user:password@host/path"
    if (begin > 0 && begin + 1 < target.length && target.at[begin - 1] == ':' && target.at[begin + 1] == '/')
        for (begin += 2; begin < target.length && target.at[begin] != '/' && !strchr(ends, target.at[begin]);)
            begin++;
    else if (begin > 0)
        begin = target.length;
    if (begin == target.length || target.at[begin] != '/')
        return (struct rb_slice){target.at, 0};
    for (end = begin; end < target.length && !strchr(ends, target.at[end]);)
        end++;
    size_t length = end - begin;
    if (length > RB_PATH_MAX)
        length = rb_escape_whole(target.at + begin, RB_PATH_MAX);
    return (struct rb_slice){target.at + begin, length};
}

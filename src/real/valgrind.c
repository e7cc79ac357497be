// SPDX-License-Identifier: MIT
// Requests to the tools of valgrind. The number of a request begins with two letters that name the tool.
#include "real/valgrind.h"

void rb_valgrind_share(const void *memory, size_t size)
{
    enum { HELGRIND_IGNORE = 'H' << 24 | 'G' << 16 | 0x127, DRD_IGNORE = 'D' << 24 | 'R' << 16 | 2 };
    struct rb_valgrind_request request = {{HELGRIND_IGNORE, (uintptr_t) memory, size}};
    rb_valgrind_ask(&request);
    request.words[0] = DRD_IGNORE;
    rb_valgrind_ask(&request);
}

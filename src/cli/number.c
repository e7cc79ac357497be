// SPDX-License-Identifier: MIT
// Reads decimal numbers.
#include "cli/number.h"

#include <errno.h>
#include <stdlib.h>

#include "base/slice.h"

const char *rb_number_read(const char *text, uint64_t max, uint64_t *number)
{
    char *end;
    errno = 0;
    *number = strtoull(text, &end, 10);
    return rb_char_digit(*text) && errno == 0 && *number <= max ? end : NULL;
}

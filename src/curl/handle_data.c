// SPDX-License-Identifier: MIT
// Keeps copies of texts in the record of a handle.
#include "curl/handle_data.h"

#include <stdlib.h>
#include <string.h>

void rb_handle_data_keep(struct rb_handle *handle, char **to, const char *from)
{
    char *copy = from ? strdup(from) : NULL;
    if (from && !copy)
        handle->unknown = true;
    free(*to);
    *to = copy;
}

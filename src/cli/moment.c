// SPDX-License-Identifier: MIT
// Formats times.
#include "cli/moment.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/text.h"

void rb_moment_waited(uint64_t ms, char *out, size_t size)
{
    enum { SECOND_MS = 1000 };
    if (ms < SECOND_MS)
        snprintf(out, size, "%" PRIu64 " ms", ms);
    else
        snprintf(out, size, "%" PRIu64 " s", (ms + SECOND_MS / 2) / SECOND_MS);
}

// A time whose year has more than four digits comes from a damaged file.
uint64_t rb_moment_clamp(uint64_t unix_ms)
{
    static const uint64_t last_ms = UINT64_C(253402300799999); // 9999-12-31
    return unix_ms < last_ms ? unix_ms : last_ms;
}

const char *rb_moment_format(uint64_t unix_ms, char out[RB_MOMENT_SIZE])
{
    struct rb_text text = {.at = out, .size = RB_MOMENT_SIZE - 1};
    unix_ms = rb_moment_clamp(unix_ms);
    rb_text_time(&text, (int64_t) (unix_ms / 1000), (unsigned) (unix_ms % 1000));
    out[text.length] = '\0';
    return out;
}

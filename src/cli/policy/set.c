// SPDX-License-Identifier: MIT
// The option --set: makes one text of its pairs.
#include "cli/policy/set.h"

#include <stdlib.h>
#include <string.h>

#include "base/slice.h"
#include "cli/policy/diagnose.h"
#include "cli/say.h"

static const char blanks[] = " \t\r\n";

// Appends a pair without the blanks around its commas. Reports other blanks and returns false.
static bool join_pair(const char *pair, struct rb_writer *writer)
{
    static const char message[] =
        "a blank that is not next to a comma: write KEY=VALUE, and give --set once for each pair";
    bool comma = false; // the last byte is a comma
    for (const char *at = pair; *at;) {
        size_t gap = strspn(at, blanks);
        if (gap > 0 && !comma && at[gap] != ',') {
            struct rb_diagnostic diagnostic = {
                .file = "--set", .column = (unsigned) (at - pair) + 1, .text = pair, .message = message};
            rb_diagnose_to_stderr(NULL, &diagnostic);
            return false;
        }
        at += gap;
        if (*at) {
            rb_write_bytes(writer, at, 1);
            comma = *at++ == ',';
        }
    }
    return true;
}

static bool join_pairs(struct rb_set *set)
{
    struct rb_writer writer = rb_writer_on(set->text, sizeof(set->text));
    for (unsigned i = 0; i < set->values.count; i++) {
        const char *pair = set->values.items[i];
        if (writer.length + strlen(pair) + 1 > RB_PAIRS_MAX) {
            rb_say_error("the pairs of --set have more than %d bytes", RB_PAIRS_MAX);
            return false;
        }
        rb_write_text(&writer, i > 0 ? " " : "");
        if (!join_pair(pair, &writer))
            return false;
    }
    return true;
}

bool rb_set_pairs(struct rb_set *set, struct rb_pairs *pairs)
{
    const char *environment = getenv("REBOUND_SET");
    *pairs = (struct rb_pairs){.environment = environment && *environment ? environment : NULL};
    if (!set || set->values.count == 0)
        return true;
    pairs->option = set->text;
    return join_pairs(set);
}

bool rb_set_export(const struct rb_pairs *pairs)
{
    char both[RB_PAIRS_MAX + 1];
    struct rb_writer writer = rb_writer_on(both, sizeof(both));
    if (!pairs->option)
        return true;
    if (pairs->environment && strlen(pairs->environment) + strlen(pairs->option) + 1 > RB_PAIRS_MAX) {
        rb_say_error("the pairs of REBOUND_SET and --set have more than %d bytes", RB_PAIRS_MAX);
        return false;
    }
    if (pairs->environment) {
        rb_write_text(&writer, pairs->environment);
        rb_write_text(&writer, " ");
    }
    rb_write_text(&writer, pairs->option);
    if (setenv("REBOUND_SET", both, 1) == 0)
        return true;
    rb_say_error("cannot set the environment: out of memory");
    return false;
}

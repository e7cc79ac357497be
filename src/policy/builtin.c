// SPDX-License-Identifier: MIT
// The built-in policies.
#include "policy/builtin.h"

#include "gen/builtin_ini.h"
#include "policy/suggest.h"

static const struct builtin {
    const char *path;
    const char *text;
    size_t length;
} builtins[] = {
    {RB_BUILTIN_DEFAULT, rb_default_ini, sizeof(rb_default_ini) - 1},
    {RB_BUILTIN_PREFIX "api", rb_api_ini, sizeof(rb_api_ini) - 1},
    {RB_BUILTIN_PREFIX "patient", rb_patient_ini, sizeof(rb_patient_ini) - 1},
};

enum { BUILTINS = sizeof(builtins) / sizeof(builtins[0]), PREFIX_LENGTH = sizeof(RB_BUILTIN_PREFIX) - 1 };

const char *rb_builtin_policy(const char *path, size_t *length)
{
    for (unsigned i = 0; i < BUILTINS; i++) {
        if (strcmp(builtins[i].path, path) == 0) {
            *length = builtins[i].length;
            return builtins[i].text;
        }
    }
    return NULL;
}

const char *rb_builtin_path(unsigned index)
{
    return index < BUILTINS ? builtins[index].path : NULL;
}

const char *rb_builtin_suggest(const char *path)
{
    struct rb_suggestion search = rb_suggest_begin(rb_slice_of(path + PREFIX_LENGTH));
    for (unsigned i = 0; i < BUILTINS; i++)
        rb_suggest_offer(&search, builtins[i].path + PREFIX_LENGTH);
    return search.best ? search.best - PREFIX_LENGTH : NULL;
}

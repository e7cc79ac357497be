// SPDX-License-Identifier: MIT
// The built-in default policy: config/default.ini, embedded at build time.
#include "policy/policy.h"

#include "gen/default_ini.h"

const char rb_builtin_path[] = "builtin:default";

const char *rb_builtin_policy(size_t *length)
{
    *length = sizeof(rb_default_ini) - 1;
    return rb_default_ini;
}

// SPDX-License-Identifier: MIT
// The default policy that is part of the program: config/default.ini.
#include "policy/policy.h"

#include "gen/default_ini.h"

const char rb_policy_builtin_path[] = "builtin:default";

const char *rb_policy_builtin(size_t *length)
{
    *length = sizeof(rb_default_ini) - 1;
    return rb_default_ini;
}

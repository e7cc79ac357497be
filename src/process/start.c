// SPDX-License-Identifier: MIT
// Copies the environment variables that the library uses, in one pass over the environment.
#include "process/start.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "policy/builtin.h"
#include "policy/section.h"
#include "real/kernel.h"
#include "real/section.h"

static const char *const names[RB_START_VARIABLES] = {
    [RB_START_POLICY] = "REBOUND_POLICY=",   [RB_START_SET] = "REBOUND_SET=",
    [RB_START_LOG] = "REBOUND_LOG=",         [RB_START_STATE] = "REBOUND_STATE=",
    [RB_START_DISABLE] = "REBOUND_DISABLE=", [RB_START_SUMMARY] = "REBOUND_SUMMARY=",
    [RB_START_CONFIG] = "XDG_CONFIG_HOME=",  [RB_START_HOME] = "HOME=",
};

// Sizes in bytes. VALUE is for one value of up to RB_POLICY_PATH_SIZE bytes and its terminator. MANY is enough for all
// variables: a relative path of the policy or of the log takes two VALUEs, because the working directory is put in
// front.
enum { VALUE = RB_POLICY_PATH_SIZE + 1, FEW = 768, MANY = (RB_START_VARIABLES + 2) * VALUE };

// A value is stored in `few` while it fits there, otherwise in `many`. `few` is enough in most programs and lies in a
// page that is touched anyway (real/section.h).
static RB_START_DATA char few[FEW];
static RB_START_DATA size_t few_used;
static char many[MANY];
static size_t many_used;
static RB_START_DATA const char *values[RB_START_VARIABLES];

// Returns zeroed memory.
static RB_START_CODE char *start_take(size_t size)
{
    bool fits = size <= FEW - few_used;
    char *taken = fits ? few + few_used : many + many_used;
    *(fits ? &few_used : &many_used) += size;
    return taken;
}

static RB_START_CODE bool is_relative(enum rb_start_variable variable, const char *value)
{
    if (value[0] == '/')
        return false;
    if (variable == RB_START_POLICY)
        return !rb_builtin_is(value);
    return variable == RB_START_LOG && strcmp(value, "off") != 0 && strcmp(value, "stderr") != 0;
}

// Returns the working directory, a slash and the path. If the working directory was removed, lies outside the
// process's root directory, or has too long a name, the kernel returns an error or a text that does not begin with a
// slash. Then returns the path unchanged.
static RB_START_CODE char *absolute(const char *path, size_t length)
{
    char *whole = start_take(2 * (size_t) VALUE);
    long got = rb_kernel(SYS_getcwd, whole, RB_POLICY_PATH_SIZE); // the length, including the NUL
    size_t front = got > 1 && whole[0] == '/' ? (size_t) got - 1 : 0;
    if (front > 1)
        whole[front++] = '/';
    memcpy(whole + front, path, length);
    whole[front + length] = '\0';
    return whole;
}

static RB_START_CODE void put(enum rb_start_variable variable, const char *value)
{
    size_t length = strnlen(value, RB_POLICY_PATH_SIZE);
    if (is_relative(variable, value)) {
        values[variable] = absolute(value, length);
        return;
    }
    char *copy = start_take(length + 1);
    memcpy(copy, value, length);
    values[variable] = copy;
}

RB_START_CODE void rb_start_copy(void)
{
    for (char **entry = environ; entry && *entry; entry++) {
        for (unsigned i = 0; i < RB_START_VARIABLES; i++) {
            size_t length = strlen(names[i]);
            if ((*entry)[0] != names[i][0] || strncmp(*entry, names[i], length) != 0)
                continue;
            if ((*entry)[length] && !values[i]) // of several equal names, the first one counts, as in getenv
                put(i, *entry + length);
            break;
        }
    }
}

RB_START_CODE const char *rb_start_value(enum rb_start_variable variable)
{
    return values[variable];
}

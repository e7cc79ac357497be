// SPDX-License-Identifier: MIT
// One pass over the environment. The copies lie side by side, so that they take one page of memory in most programs.
#include "state/start.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "policy/file.h"
#include "policy/policy.h"
#include "real/kernel.h"

static const char *const names[RB_START_VARIABLES] = {
    [RB_START_POLICY] = "REBOUND_POLICY=",
    [RB_START_LOG] = "REBOUND_LOG=",
    [RB_START_STATE] = "REBOUND_STATE=",
    [RB_START_DISABLE] = "REBOUND_DISABLE=",
    [RB_START_SUMMARY] = "REBOUND_SUMMARY=",
    [RB_START_CONFIG] = "XDG_CONFIG_HOME=",
    [RB_START_HOME] = "HOME=",
};

// A value has up to RB_POLICY_PATH_SIZE bytes and its end. Those of the policy and the log have the working directory
// before them.
enum { ROOM = (RB_START_VARIABLES + 2) * (RB_POLICY_PATH_SIZE + 1) };

static char room[ROOM];
static size_t used;
static const char *values[RB_START_VARIABLES];

static bool is_relative(enum rb_start_variable variable, const char *value)
{
    if (value[0] == '/')
        return false;
    if (variable == RB_START_POLICY)
        return strcmp(value, rb_file_builtin) != 0;
    return variable == RB_START_LOG && strcmp(value, "off") != 0 && strcmp(value, "stderr") != 0;
}

// The working directory and a slash, at the end of the room. A directory without a name is left out: the kernel gives
// it a name that does not begin with a slash.
static void put_directory(void)
{
    char *at = room + used;
    long length = rb_kernel(SYS_getcwd, at, RB_POLICY_PATH_SIZE); // with its NUL
    if (length <= 1 || at[0] != '/')
        return;
    used += (size_t) length - 1;
    if (at[length - 2] != '/')
        room[used++] = '/';
}

static void put_value(enum rb_start_variable variable, const char *value)
{
    values[variable] = room + used;
    if (is_relative(variable, value))
        put_directory();
    size_t length = strnlen(value, RB_POLICY_PATH_SIZE);
    memcpy(room + used, value, length);
    used += length;
    room[used++] = '\0';
}

void rb_start_copy(void)
{
    for (char **entry = environ; entry && *entry; entry++) {
        for (unsigned i = 0; i < RB_START_VARIABLES; i++) {
            size_t length = strlen(names[i]);
            if ((*entry)[0] != names[i][0] || strncmp(*entry, names[i], length) != 0)
                continue;
            if ((*entry)[length] && !values[i]) // of two the first counts, as for getenv
                put_value(i, *entry + length);
            break;
        }
    }
}

const char *rb_start_value(enum rb_start_variable variable)
{
    return values[variable];
}

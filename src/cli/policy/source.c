// SPDX-License-Identifier: MIT
// Finds the policy file that the command uses.
#include "cli/policy/source.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "policy/builtin.h"
#include "policy/trust.h"
#include "process/reload.h"

int rb_source_absolute(const char *path, char out[RB_POLICY_PATH_SIZE])
{
    char directory[RB_POLICY_PATH_SIZE] = "";
    if (path[0] != '/' && !getcwd(directory, sizeof(directory)))
        return -errno;
    const char *slash = path[0] == '/' || strcmp(directory, "/") == 0 ? "" : "/";
    int length = snprintf(out, RB_POLICY_PATH_SIZE, "%s%s%s", directory, slash, path);
    return length >= 0 && length < RB_POLICY_PATH_SIZE ? 0 : -ENAMETOOLONG;
}

static bool is_under(const char *path, const char *variable)
{
    const char *directory = getenv(variable);
    return directory && *directory && strncmp(path, directory, strlen(directory)) == 0;
}

static const char *reason(const char *path, const char *explicit_path)
{
    const char *variable = getenv("REBOUND_POLICY");
    if (explicit_path)
        return "--policy";
    if (variable && strcmp(variable, path) == 0)
        return "REBOUND_POLICY";
    if (is_under(path, "XDG_CONFIG_HOME"))
        return "XDG_CONFIG_HOME";
    return is_under(path, "HOME") ? "HOME" : "/etc";
}

int rb_source_find(struct rb_source *source, const char *explicit_path)
{
    char path[RB_POLICY_PATH_SIZE];
    const char *variable = getenv("REBOUND_POLICY");
    struct rb_reload_places places = {.config = getenv("XDG_CONFIG_HOME"), .home = getenv("HOME")};
    places.named = explicit_path ? explicit_path : variable && *variable ? variable : NULL;
    int result = rb_reload_locate(&places, path);
    if (result == -ENOENT) {
        snprintf(source->path, sizeof(source->path), "%s", RB_BUILTIN_DEFAULT);
        source->why = "builtin";
        return 0;
    }
    if (result != 0)
        return result;
    source->why = reason(path, explicit_path);
    if (rb_builtin_is(path)) {
        snprintf(source->path, sizeof(source->path), "%s", path);
        return 0;
    }
    return rb_source_absolute(path, source->path);
}

void rb_source_remedy(const char *path, char out[RB_SOURCE_MESSAGE_SIZE])
{
    struct rb_file_identity identity;
    bool known = !rb_builtin_is(path) && rb_file_identify(path, &identity) == 0;
    enum rb_trust trust = known ? rb_trust_judge(&identity, rb_trust_user()) : RB_TRUST_OK;
    snprintf(out, RB_SOURCE_MESSAGE_SIZE, "run `%s %s`",
             trust == RB_TRUST_OK ? "rebound check" : rb_trust_remedy(trust), path);
}

bool rb_source_trusted(const char *path, char message[RB_SOURCE_MESSAGE_SIZE])
{
    struct rb_file_identity identity;
    char why[RB_TRUST_SIZE];
    if (rb_builtin_is(path) || rb_file_identify(path, &identity) != 0)
        return true;
    uint32_t user = rb_trust_user();
    enum rb_trust trust = rb_trust_judge(&identity, user);
    rb_trust_explain(trust, &identity, user, why, sizeof(why));
    if (trust != RB_TRUST_OK && message)
        snprintf(message, RB_SOURCE_MESSAGE_SIZE, "%s (%s %s)", why, rb_trust_remedy(trust), path);
    return trust == RB_TRUST_OK;
}

const char *rb_source_reason(const struct rb_source *source)
{
    static const char *const reasons[][2] = {
        {"--policy", "given by --policy"},
        {"REBOUND_POLICY", "named by REBOUND_POLICY"},
        {"XDG_CONFIG_HOME", "found in XDG_CONFIG_HOME"},
        {"HOME", "found under HOME"},
        {"/etc", "the system's"},
        {"builtin", "built in, because no file was found"},
    };
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
        if (strcmp(reasons[i][0], source->why) == 0)
            return reasons[i][1];
    return source->why;
}

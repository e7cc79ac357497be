// SPDX-License-Identifier: MIT
// Executes rebound again with REBOUND_DISABLE.
#include "cli/wait/restart.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "cli/run/preload.h"

static const char disable[] = "REBOUND_DISABLE";
static const char unset[] = "unset";
// In the restarted process: the value of REBOUND_DISABLE before, or `unset`.
static const char restarted[] = "REBOUND_WAIT_RESTARTED";

static void restore_environment(const char *before)
{
    if (strcmp(before, unset) == 0)
        unsetenv(disable);
    else
        setenv(disable, before, 1);
    unsetenv(restarted);
}

void rb_restart_without_library(char **argv)
{
    char self[PATH_MAX];
    const char *mark = getenv(restarted), *value = getenv(disable);
    if (mark) {
        restore_environment(mark);
        return;
    }
    // AT_BASE is 0 if the user has started the dynamic linker with rebound as its argument. Then /proc/self/exe is the
    // dynamic linker.
    if (rb_preload_disabled() || !rb_preload_is_loaded() || getauxval(AT_BASE) == 0)
        return;
    ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);
    if (length <= 0)
        return;
    self[length] = '\0';
    const char *before = !value ? unset : *value ? "0" : ""; // other values disable the library
    if (setenv(restarted, before, 1) == 0 && setenv(disable, "1", 1) == 0)
        execv(self, argv);
    restore_environment(before);
}

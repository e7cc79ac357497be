// SPDX-License-Identifier: MIT
// Executes a program, or says why that is not possible.
#include "cli/run/execute.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/run/program.h"
#include "cli/say.h"

int rb_execute_program(char **command)
{
    char path[PATH_MAX];
    execvp(command[0], command);
    int error = errno;
    if (error == ENOENT && rb_program_find(command[0], path))
        rb_say_error("cannot run %s: its interpreter or dynamic linker does not exist", command[0]);
    else if (error == ENOENT && !strchr(command[0], '/'))
        rb_say_error("cannot run %s: no directory in PATH has this program", command[0]);
    else
        rb_say_error("cannot run %s: %s", command[0], strerror(error));
    return error == ENOENT ? RB_EXIT_NOT_FOUND : RB_EXIT_CANNOT;
}

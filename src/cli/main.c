// SPDX-License-Identifier: MIT
// The command `rebound`: finds the command and runs it.
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "cli/say.h"

//   command: NULL if the first word is no command
static int dispatch(const struct rb_command *command, int argc, char **argv)
{
    if (argc < 2) {
        rb_command_overview(stderr);
        return RB_EXIT_MISUSE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        rb_command_overview(stdout);
        return 0;
    }
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
        puts("rebound " RB_VERSION);
        return 0;
    }
    return command ? command->run(argc - 1, argv + 1) : rb_command_unknown(argv[1]);
}

int main(int argc, char **argv)
{
    rb_say_guard();
    const struct rb_command *command = argc > 1 ? rb_command_find(argv[1]) : NULL;
    return rb_say_finish(dispatch(command, argc, argv), command ? command->misuse : RB_EXIT_MISUSE);
}

// SPDX-License-Identifier: MIT
// rebound help: shows the overview, or the help of one command.
#include "cli/command.h"

static int help(int argc, char **argv)
{
    if (argc > 2)
        return rb_command_misuse(&rb_cmd_help, "unexpected argument '%s'; 'rebound help' takes one command", argv[2]);
    if (argc < 2) {
        rb_command_overview(stdout);
        return 0;
    }
    const struct rb_command *command = rb_command_find(argv[1][0] == '-' ? "help" : argv[1]);
    if (!command)
        return rb_command_unknown(argv[1]);
    rb_command_help(command);
    return 0;
}

const struct rb_command rb_cmd_help = {
    .name = "help",
    .usage = "[COMMAND]",
    .purpose = "Shows the list of commands, or the help of one command",
    .help = "Example:\n"
            "  rebound help run\n",
    .misuse = RB_EXIT_MISUSE,
    .run = help,
};

// SPDX-License-Identifier: MIT
// rebound reset: clears the shared state.
#include "cli/command.h"
#include "cli/say.h"
#include "cli/state/state_file.h"

static int reset_perform(struct rb_state_file *file, const void *nothing)
{
    (void) nothing;
    if (file->present) {
        char whose[RB_STATE_WHOSE_SIZE];
        rb_view_reset(&file->view);
        rb_say_note("%s%s: all state cleared", file->path, rb_state_file_whose(file, whose));
    } else {
        rb_say_note("nothing to reset: %s does not exist", file->path);
    }
    return 0;
}

static int reset_run(int argc, char **argv)
{
    struct rb_state_choice choice = {0};
    const struct rb_option options[] = {RB_STATE_OPTIONS(&choice), {0}};
    int status, first = rb_command_options(&rb_cmd_reset, argc, argv, options, &status);
    if (first < 0)
        return status;
    if (first < argc)
        return rb_command_misuse(&rb_cmd_reset, "unexpected argument '%s'; use 'rebound breaker reset' for one host",
                                 argv[first]);
    return rb_state_file_use(&choice, true, reset_perform, NULL);
}

const struct rb_command rb_cmd_reset = {
    .name = "reset",
    .usage = "[--state PATH] [--user NAME]",
    .purpose = "Clears breakers, budgets, counters and events of all processes",
    .help = "Closes all breakers, fills the retry budgets, sets counters to 0 and removes the events. Ends what\n"
            "'rebound breaker' and 'rebound policy' have set. Running processes continue with the cleared state.\n"
            "\n"
            "Options:\n" RB_STATE_HELP "  --help             print this text\n"
            "\n"
            "Exit status: 0 success, 1 the state cannot be changed, 2 wrong command line.\n",
    .misuse = RB_EXIT_MISUSE,
    .run = reset_run,
};

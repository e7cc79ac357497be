// SPDX-License-Identifier: MIT
// rebound top: shows the hosts and updates the table.
#include <stdlib.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/say.h"
#include "cli/state/screen.h"
#include "policy/value.h"

enum { INTERVAL_MS = 1000, INTERVAL_MIN_MS = 100 };

static int print_once(const struct rb_state_file *file)
{
    char line[RB_TABLE_LINE];
    struct rb_snapshot *snapshot = rb_snapshot_take(file, RB_ORDER_STATE);
    struct rb_screen screen = {.file = file, .now = snapshot};
    unsigned width = rb_host_table_width();
    if (!snapshot) {
        rb_say_error("out of memory");
        return RB_EXIT_ERRORS;
    }
    for (unsigned i = 0; i < RB_SCREEN_HEAD + snapshot->host_count; i++) {
        if (i < RB_SCREEN_HEAD)
            rb_screen_line(&screen, i, width, line);
        else
            rb_host_table_row(&snapshot->hosts[i - RB_SCREEN_HEAD], width, line);
        puts(line);
    }
    rb_snapshot_free(snapshot);
    return 0;
}

struct request {
    bool once;
    uint64_t interval_ms;
};

static int top_perform(struct rb_state_file *file, const void *asked)
{
    const struct request *request = asked;
    return request->once ? print_once(file) : rb_screen_curses_run(file, request->interval_ms);
}

static int top_run(int argc, char **argv)
{
    struct rb_state_choice choice = {0};
    const char *interval = NULL;
    struct request request = {.interval_ms = INTERVAL_MS};
    const struct rb_option options[] = {
        RB_STATE_OPTIONS(&choice), {"interval", 'd', .value = &interval}, {"once", .flag = &request.once}, {0}};
    int status, first = rb_command_options(&rb_cmd_top, argc, argv, options, &status);
    if (first < 0)
        return status;
    if (first < argc)
        return rb_command_misuse(&rb_cmd_top, "unexpected argument '%s'", argv[first]);
    if (interval && (rb_value_parse_duration(interval, &request.interval_ms) || request.interval_ms < INTERVAL_MIN_MS))
        return rb_command_misuse(&rb_cmd_top, "the interval must have a unit and be at least 100ms, for example 2s");
    if (!request.once && (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)))
        return rb_command_misuse(&rb_cmd_top, "stdin or stdout is not a terminal; use --once to print the screen once");
    return rb_state_file_use(&choice, false, top_perform, &request);
}

const struct rb_command rb_cmd_top = {
    .name = "top",
    .usage = "[--state PATH] [--user NAME] [-d TIME] [--once]",
    .purpose = "Shows every host's breaker and updates the table",
    .help = "Shows the table of 'rebound status' and updates it. Above the table are calls, retries and failures per\n"
            "second. Keys: q quits; s sorts by state, failures or host; space pauses; arrow and page keys scroll.\n"
            "\n"
            "Options:\n" RB_STATE_HELP "  -d TIME, --interval TIME\n"
            "                     the time between two updates; without the option, 1s\n"
            "  --once             print the screen once, with totals instead of rates; needs no terminal\n"
            "  --help             print this text\n"
            "\n"
            "Exit status: 0 success, 1 the state cannot be read, 2 wrong command line; 128 or more after a signal.\n"
            "\n"
            "Examples:\n"
            "  rebound top\n"
            "  rebound top -d 5s\n"
            "  rebound top --once | head\n",
    .misuse = RB_EXIT_MISUSE,
    .run = top_run,
};

// SPDX-License-Identifier: MIT
// rebound breaker: opens, closes or lets go of a host's breaker in all running processes.
#include <string.h>

#include "cli/command.h"
#include "cli/say.h"
#include "cli/state_file.h"

static const struct action {
    const char *name;
    enum rb_breaker_force force;
    const char *done; // "N breakers of HOST ..."
} actions[] = {
    {"open", RB_FORCE_OPEN, "forced open: calls are refused until 'rebound breaker reset'"},
    {"close", RB_FORCE_CLOSED, "forced closed: calls are let through until 'rebound breaker reset'"},
    {"reset", RB_FORCE_NONE, "closed, and left to the results of calls"},
};

static const struct action *find(const char *name)
{
    for (unsigned i = 0; i < sizeof actions / sizeof *actions; i++)
        if (strcmp(actions[i].name, name) == 0)
            return &actions[i];
    return NULL;
}

struct request {
    const struct action *action;
    const char *host;
};

static int perform(struct rb_state_file *file, const void *asked)
{
    const struct request *request = asked;
    const struct action *action = request->action;
    const char *host = request->host;
    unsigned count = file->present ? rb_view_force(&file->view, host, action->force) : 0;
    if (count == 0) {
        rb_say_error("no breaker of '%s': no program has called it yet", host);
        rb_say_note("'rebound status' shows the hosts as they are named here");
        return RB_EXIT_ERRORS;
    }
    char whose[RB_STATE_WHOSE_SIZE];
    rb_say_note("%u %s of %s%s %s", count, count == 1 ? "breaker" : "breakers", host, rb_state_file_whose(file, whose),
                action->done);
    return 0;
}

static int run(int argc, char **argv)
{
    struct rb_state_choice choice = {0};
    const struct rb_option options[] = {RB_STATE_OPTIONS(&choice), {NULL}};
    int status, first = rb_command_options(&rb_cmd_breaker, argc, argv, options, &status);
    if (first < 0)
        return status;
    const struct action *action = first < argc ? find(argv[first]) : NULL;
    if (!action)
        return rb_command_misuse(&rb_cmd_breaker, "say open, close or reset, and a host");
    if (argc - first != 2)
        return rb_command_misuse(&rb_cmd_breaker, argc - first < 2 ? "no host" : "one host at a time");
    return rb_state_file_use(&choice, true, perform, &(struct request){action, argv[first + 1]});
}

const struct rb_command rb_cmd_breaker = {
    .name = "breaker",
    .usage = "[--state PATH] [--user NAME] open|close|reset HOST[:PORT]",
    .purpose = "Forces a host's breaker open or closed in all running processes",
    .help = "open    refuse all calls of the host at once, whatever its results are: for maintenance\n"
            "close   let all calls through, whatever their results are\n"
            "reset   close the breaker and leave it to the results again\n"
            "\n"
            "HOST is a name or an address as 'rebound status' shows it; without a port it stands for all of them. It\n"
            "holds for running and later processes, until a reset or the next start of the system.\n"
            "\n"
            "Options:\n" RB_STATE_HELP "  --help             this text\n"
            "\n"
            "Exit status: 0, 1 no such host or the state cannot be changed, 2 wrong command line.\n"
            "\n"
            "Examples:\n"
            "  rebound breaker open api.example.com:443\n"
            "  rebound breaker reset api.example.com\n",
    .misuse = RB_EXIT_MISUSE,
    .run = run,
};

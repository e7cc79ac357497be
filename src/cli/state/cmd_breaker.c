// SPDX-License-Identifier: MIT
// rebound breaker: opens, closes or releases a host's breaker in all running processes.
#include <string.h>

#include "cli/command.h"
#include "cli/say.h"
#include "cli/state/known.h"
#include "cli/state/state_file.h"
#include "policy/target.h"

static const struct action {
    const char *name;
    enum rb_breaker_force force;
    const char *done; // "N breakers of HOST ..."
} actions[] = {
    {"open", RB_FORCE_OPEN, "forced open: calls are refused until 'rebound breaker reset'"},
    {"close", RB_FORCE_CLOSED, "forced closed: calls are allowed until 'rebound breaker reset'"},
    {"reset", RB_FORCE_NONE, "closed: the results of calls open and close it from now on"},
};

struct request {
    const struct action *action;
    const char *host;
};

static void breaker_say_unknown(const struct rb_state_file *file, const char *host)
{
    struct rb_known known = {0};
    struct rb_target target;
    size_t scheme;
    char nearest[RB_STATE_HOST_SIZE], list[RB_KNOWN_LIST_SIZE], place[RB_LABEL_SIZE];
    rb_known_hosts(&known, file);
    const char *best = rb_known_nearest(&known, host, nearest);
    if (rb_target_from_url(&target, host, &scheme) == 0 && scheme > 0 &&
        rb_target_format(&target, place, sizeof(place)) > 0)
        rb_say_error("'%s' is a URL, not a host; did you mean '%s'?", host, place);
    else if (best)
        rb_say_error("no breaker for '%s': no program has called this host yet; did you mean '%s'?", host, best);
    else
        rb_say_error("no breaker for '%s': no program has called this host yet", host);
    if (rb_known_list(&known, list))
        rb_say_note("hosts that were called: %s", list);
    else if (known.count > 0)
        rb_say_note("'rebound status' shows the %u hosts that were called", known.count);
    rb_say_note("a host gets a breaker at its first call under rebound");
    rb_known_free(&known);
}

static int breaker_perform(struct rb_state_file *file, const void *asked)
{
    const struct request *request = asked;
    const struct action *action = request->action;
    const char *host = request->host;
    unsigned count = file->present ? rb_view_force(&file->view, host, action->force) : 0;
    if (count == 0) {
        breaker_say_unknown(file, host);
        return RB_EXIT_ERRORS;
    }
    char whose[RB_STATE_WHOSE_SIZE];
    rb_say_note("%u %s of %s%s %s", count, count == 1 ? "breaker" : "breakers", host, rb_state_file_whose(file, whose),
                action->done);
    return 0;
}

static int breaker_run(int argc, char **argv)
{
    struct rb_state_choice choice = {0};
    const struct rb_option options[] = {RB_STATE_OPTIONS(&choice), {0}};
    int status, first = rb_command_options(&rb_cmd_breaker, argc, argv, options, &status);
    if (first < 0)
        return status;
    const struct action *action = NULL;
    for (unsigned i = 0; first < argc && !action && i < sizeof(actions) / sizeof(*actions); i++)
        if (strcmp(actions[i].name, argv[first]) == 0)
            action = &actions[i];
    if (!action)
        return rb_command_misuse(&rb_cmd_breaker, "name an action (open, close or reset) and a host");
    if (argc - first != 2)
        return rb_command_misuse(&rb_cmd_breaker,
                                 argc - first < 2 ? "name a host after '%s'" : "name only one host after '%s'",
                                 action->name);
    if (!*argv[first + 1])
        return rb_command_misuse(&rb_cmd_breaker, "the name of the host is empty");
    return rb_state_file_use(&choice, true, breaker_perform, &(struct request){action, argv[first + 1]});
}

const struct rb_command rb_cmd_breaker = {
    .name = "breaker",
    .usage = "[--state PATH] [--user NAME] open|close|reset HOST[:PORT]",
    .purpose = "Forces a host's breaker open or closed in all running processes",
    .help =
        "open    refuse all calls to the host, whatever their results are, for example during maintenance\n"
        "close   allow all calls to the host, whatever their results are\n"
        "reset   close the breaker; from now on, the results of calls open and close it again\n"
        "\n"
        "HOST is a name or an address as 'rebound status' shows it. HOST without a port means all ports of the host.\n"
        "If one breaker serves a whole policy (breaker.scope = policy), HOST is the name of the policy. A host gets a\n"
        "breaker at its first call under rebound.\n"
        "\n"
        "'open' and 'close' apply to running and later processes, until 'reset' or the next start of the system.\n"
        "\n"
        "Options:\n" RB_STATE_HELP "  --help             print this text\n"
        "\n"
        "Exit status: 0 success, 1 no such host or the state cannot be changed, 2 wrong command line.\n"
        "\n"
        "Examples:\n"
        "  rebound breaker open api.example.com:443\n"
        "  rebound breaker reset api.example.com\n"
        "  sudo rebound breaker open api.example.com --user www-data\n",
    .misuse = RB_EXIT_MISUSE,
    .run = breaker_run,
};

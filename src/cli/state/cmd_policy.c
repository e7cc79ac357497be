// SPDX-License-Identifier: MIT
// rebound policy: switches a policy off or on in all running processes.
#include <string.h>

#include "cli/command.h"
#include "cli/say.h"
#include "cli/state/known.h"
#include "cli/state/state_file.h"

struct request {
    const char *name;
    bool off;
};

static void policy_say_unknown(const struct rb_known *known, const char *name)
{
    char nearest[RB_STATE_HOST_SIZE], list[RB_KNOWN_LIST_SIZE];
    const char *best = rb_known_nearest(known, name, nearest);
    if (best)
        rb_say_error("there is no policy '%s'; did you mean '%s'?", name, best);
    else
        rb_say_error("there is no policy '%s'", name);
    if (rb_known_list(known, list))
        rb_say_note("known policies: %s", list);
}

// True if a program has used the policy or if it is in the policy file, so that the next program may use it.
static bool is_known(const struct rb_state_file *file, const char *name)
{
    struct rb_known known = {0};
    struct rb_source source;
    bool usable = rb_known_policies(&known, file, &source), has = rb_known_has(&known, name);
    if (!has) {
        policy_say_unknown(&known, name);
        if (usable)
            rb_say_note("searched in %s and in the policies that programs have used", source.path);
        else
            rb_say_note("%s cannot be used, so its sections are not known; see 'rebound check'", source.path);
    }
    rb_known_free(&known);
    return has;
}

static int policy_perform(struct rb_state_file *file, const void *asked)
{
    const struct request *request = asked;
    const char *name = request->name;
    bool off = request->off;
    if (!is_known(file, name))
        return RB_EXIT_ERRORS;
    if (!file->present) {
        rb_say_error("no program has called a host under rebound yet, so there is no state file %s", file->path);
        rb_say_note("the first call to a host that a policy covers creates the file");
        return RB_EXIT_ERRORS;
    }
    if (!rb_view_switch(&file->view, name, off)) {
        rb_say_error("the state has no room for the policy '%s': it holds %d others", name, RB_STATE_POLICIES);
        return RB_EXIT_ERRORS;
    }
    char whose[RB_STATE_WHOSE_SIZE];
    rb_say_note("policy %s%s is %s", name, rb_state_file_whose(file, whose),
                off ? "off: calls to its hosts pass through" : "on");
    return 0;
}

static int policy_run(int argc, char **argv)
{
    struct rb_state_choice choice = {0};
    const struct rb_option options[] = {RB_STATE_OPTIONS(&choice), {0}};
    int status, first = rb_command_options(&rb_cmd_policy, argc, argv, options, &status);
    if (first < 0)
        return status;
    bool off = first < argc && strcmp(argv[first], "off") == 0;
    if (first >= argc || (!off && strcmp(argv[first], "on") != 0))
        return rb_command_misuse(&rb_cmd_policy, "name an action (off or on) and a policy");
    if (argc - first != 2)
        return rb_command_misuse(&rb_cmd_policy,
                                 argc - first < 2 ? "name a policy after '%s'" : "name only one policy after '%s'",
                                 argv[first]);
    if (!*argv[first + 1])
        return rb_command_misuse(&rb_cmd_policy, "the name of the policy is empty");
    if (strlen(argv[first + 1]) >= RB_STATE_POLICY_SIZE)
        return rb_command_misuse(&rb_cmd_policy, "'%s' is too long for a policy's name", argv[first + 1]);
    return rb_state_file_use(&choice, true, policy_perform, &(struct request){argv[first + 1], off});
}

const struct rb_command rb_cmd_policy = {
    .name = "policy",
    .usage = "[--state PATH] [--user NAME] off|on NAME",
    .purpose = "Switches a policy off or on in all running processes",
    .help =
        "NAME is a section of the policy file. While the policy is off, calls to its hosts pass through, as with\n"
        "'intercept = off'. This applies to running and later processes, until the policy is switched on or the\n"
        "system restarts. NAME must be a section of the policy file that 'rebound explain' finds, or a policy that a\n"
        "program has used. Set REBOUND_POLICY to name another file.\n"
        "The command changes the state file, so it fails before the first call under rebound has created the file.\n"
        "\n"
        "Options:\n" RB_STATE_HELP "  --help             print this text\n"
        "\n"
        "Exit status: 0 success, 1 no such policy or the state cannot be changed, 2 wrong command line.\n"
        "\n"
        "Examples:\n"
        "  rebound policy off payments\n"
        "  rebound policy on payments\n"
        "  sudo rebound policy off payments --user www-data\n",
    .misuse = RB_EXIT_MISUSE,
    .run = policy_run,
};

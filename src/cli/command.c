// SPDX-License-Identifier: MIT
// The table of commands, their help, and errors in command lines.
#include "cli/command.h"

#include <getopt.h>
#include <stdarg.h>
#include <string.h>

#include "cli/say.h"
#include "policy/suggest.h"

const struct rb_command *const rb_commands[] = {
    &rb_cmd_run,    &rb_cmd_wait,    &rb_cmd_check,   &rb_cmd_explain, &rb_cmd_doctor, &rb_cmd_status, &rb_cmd_top,
    &rb_cmd_events, &rb_cmd_metrics, &rb_cmd_breaker, &rb_cmd_policy,  &rb_cmd_reset,  &rb_cmd_help,   NULL};

static const char overview[] =
    "\n"
    "Options:\n"
    "  --help      print this text; after a command, print the help of the command\n"
    "  --version   print the version\n"
    "\n"
    "Examples:\n"
    "  rebound run -- curl -s https://api.example.com/v1   run curl; failed calls are retried as the policy says\n"
    "  rebound wait db:5432 -- ./server                    run the server when the database accepts connections\n"
    "  rebound check policy.ini                            find every mistake in a policy\n"
    "  rebound explain https://api.example.com/v1          show which values of the policy apply to this host\n"
    "  rebound doctor curl                                 show which calls of curl will be intercepted\n"
    "  rebound status                                      show the state of every host\n"
    "  rebound events -f                                   print each decision when it is made\n"
    "\n"
    "The policy file is named by --policy or by REBOUND_POLICY. If neither is set, rebound uses\n"
    "$XDG_CONFIG_HOME/rebound/policy.ini (by default ~/.config/rebound/policy.ini). If that file does not exist,\n"
    "rebound uses /etc/rebound/policy.ini. If that file does not exist either, a built-in policy applies.\n"
    "Example of a policy file:\n"
    "\n"
    "  [payments]\n"
    "  hosts          = api.payments.example, *.cards.example:443\n"
    "  retry.attempts = 5\n"
    "  retry.base     = 1s\n"
    "\n"
    "Manual: rebound(1), rebound-policy(5)\n";

const struct rb_command *rb_command_find(const char *name)
{
    for (const struct rb_command *const *command = rb_commands; *command; command++)
        if (strcmp((*command)->name, name) == 0)
            return *command;
    return NULL;
}

int rb_command_unknown(const char *name)
{
    struct rb_suggestion search = rb_suggest_begin(rb_slice_of(name));
    for (const struct rb_command *const *command = rb_commands; *command; command++)
        rb_suggest_offer(&search, (*command)->name);
    if (search.best)
        rb_say_error("unknown command '%s'; did you mean '%s'?", name, search.best);
    else
        rb_say_error("unknown command '%s'", name);
    rb_say_note("see 'rebound --help'");
    return RB_EXIT_MISUSE;
}

void rb_command_help(const struct rb_command *command)
{
    printf("Usage: rebound %s %s\n%s.\n\n%s", command->name, command->usage, command->purpose, command->help);
}

void rb_command_overview(FILE *stream)
{
    fputs("Usage: rebound COMMAND [ARGUMENT...]\n"
          "Runs unmodified programs with retries, a circuit breaker and a retry budget.\n\nCommands:\n",
          stream);
    for (const struct rb_command *const *command = rb_commands; *command; command++)
        fprintf(stream, "  %-10s  %s\n", (*command)->name, (*command)->purpose);
    fputs(overview, stream);
}

int rb_command_misuse(const struct rb_command *command, const char *format, ...)
{
    char text[RB_SAY_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    rb_say_error("%s", text);
    rb_say_note("usage: rebound %s %s; see 'rebound %s --help'", command->name, command->usage, command->name);
    return command->misuse;
}

static const char *nearest(const char *word, const struct option *known)
{
    struct rb_slice name = {word, strcspn(word, "=")};
    struct rb_suggestion search = rb_suggest_begin(name);
    for (; known->name; known++)
        rb_suggest_offer(&search, known->name);
    return search.best;
}

// Reports the option for which getopt_long returned '?' or ':'.
static int bad_option(const struct rb_command *command, int answer, char **argv, const struct option *known)
{
    const char *word = argv[optind - 1];
    if (answer == ':')
        return rb_command_misuse(command, "option '%s' needs a value", word);
    if (strncmp(word, "--", 2) != 0)
        return rb_command_misuse(command, "unknown option '-%c'", optopt);
    for (const struct option *option = known; option->name; option++) {
        size_t length = strlen(option->name);
        if (strncmp(word + 2, option->name, length) == 0 && word[2 + length] == '=')
            return rb_command_misuse(command, "option '--%s' takes no value", option->name);
    }
    const char *best = nearest(word + 2, known);
    if (best)
        return rb_command_misuse(command, "unknown option '%s'; did you mean '--%s'?", word, best);
    return rb_command_misuse(command, "unknown option '%s'", word);
}

// getopt_long returns this number + index for an option without a letter.
enum { FIRST_OPTION = 256 };

// Translates `options` for getopt_long: the long names to `known`, the letters to `letters`. Adds --help and -h.
// Returns the number of options.
static unsigned command_describe(const struct rb_option *options, struct option *known, char *letters)
{
    unsigned count = 0;
    for (const struct rb_option *option = options; option->name && count < RB_OPTIONS_MAX; option++, count++) {
        bool argument = option->value || option->values;
        known[count] =
            (struct option){option->name, argument ? required_argument : no_argument, NULL, FIRST_OPTION + (int) count};
        if (option->letter) {
            *letters++ = option->letter;
            if (argument)
                *letters++ = ':';
        }
    }
    known[count] = (struct option){"help", no_argument, NULL, 'h'};
    known[count + 1] = (struct option){0};
    *letters = '\0';
    return count;
}

// Stores the argument of an option. Returns 0, or the exit status for an error that was reported.
static int command_take(const struct rb_command *command, const struct rb_option *option)
{
    if (option->flag) {
        *option->flag = true;
        return 0;
    }
    if (!*optarg)
        return rb_command_misuse(command, "the value of '--%s' is empty", option->name);
    if (option->value)
        *option->value = optarg;
    else if (option->values->count < RB_VALUES_MAX)
        option->values->items[option->values->count++] = optarg;
    else
        return rb_command_misuse(command, "'--%s' may be given at most %d times", option->name, RB_VALUES_MAX);
    return 0;
}

int rb_command_options(const struct rb_command *command, int argc, char **argv, const struct rb_option *options,
                       int *status)
{
    struct option known[RB_OPTIONS_MAX + 2];
    char letters[2 * RB_OPTIONS_MAX + 4];
    snprintf(letters, sizeof(letters), "%s:h", command->takes_program ? "+" : "");
    unsigned count = command_describe(options, known, letters + strlen(letters));
    opterr = 0;
    for (int answer; (answer = getopt_long(argc, argv, letters, known, NULL)) != -1;) {
        const struct rb_option *option = NULL;
        for (unsigned i = 0; i < count && !option; i++)
            if (answer == FIRST_OPTION + (int) i || (options[i].letter && answer == options[i].letter))
                option = &options[i];
        if (answer == 'h') {
            rb_command_help(command);
            *status = 0;
            return -1;
        }
        *status = option ? command_take(command, option) : bad_option(command, answer, argv, known);
        if (*status != 0)
            return -1;
    }
    return optind;
}

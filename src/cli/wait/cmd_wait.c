// SPDX-License-Identifier: MIT
// rebound wait: waits until services are ready, then executes a program without the library.
#include <string.h>

#include "cli/command.h"
#include "cli/json.h"
#include "cli/run/execute.h"
#include "cli/say.h"
#include "cli/wait/wait_request.h"

static double wait_seconds(uint64_t ms)
{
    return (double) ms / 1000;
}

static cJSON *make_json_target(const struct rb_wait_state *state, const struct rb_wait_target *target)
{
    cJSON *object = cJSON_CreateObject();
    bool never_failed = target->ready && !*target->reason;
    rb_json_add_text(object, "target", target->awaited.text);
    cJSON_AddBoolToObject(object, "ready", target->ready);
    cJSON_AddNumberToObject(object, "seconds", wait_seconds(target->ready ? target->waited_ms : state->waited_ms));
    rb_json_add_text(object, "error", never_failed ? NULL : rb_wait_state_reason(target));
    return object;
}

static int print_result(const struct rb_wait_state *state, int status)
{
    cJSON *object = cJSON_CreateObject(), *targets = cJSON_CreateArray();
    cJSON_AddBoolToObject(object, "ready", status == 0);
    cJSON_AddNumberToObject(object, "seconds", wait_seconds(state->waited_ms));
    cJSON_AddItemToObject(object, "targets", targets);
    for (unsigned i = 0; i < state->count; i++)
        cJSON_AddItemToArray(targets, make_json_target(state, &state->targets[i]));
    if (rb_json_print(object) == 0)
        return status;
    rb_say_error("there is not enough memory");
    return RB_EXIT_OWN;
}

static int cmd_wait(int argc, char **argv)
{
    struct rb_wait_request request = {.command = &rb_cmd_wait, .argv = argv - 1};
    struct rb_wait_state *state = NULL;
    bool json = false;
    const struct rb_option options[] = {{"timeout", .value = &request.timeout}, {"json", .flag = &json}, {0}};
    int status, separator = 1; // the index of "--", or argc
    while (separator < argc && strcmp(argv[separator], "--") != 0)
        separator++;
    char **program = separator < argc ? argv + separator + 1 : NULL;
    int first = rb_command_options(&rb_cmd_wait, separator, argv, options, &status);
    if (first < 0)
        return status;
    if (first >= separator)
        return rb_command_misuse(&rb_cmd_wait, "name a target: %s", rb_awaited_forms);
    if (program && !*program)
        return rb_command_misuse(&rb_cmd_wait, "name the program to run after '--'");
    if (program && json)
        return rb_command_misuse(&rb_cmd_wait, "'--json' and a program cannot be combined");
    request.targets = (const char *const *) argv + first;
    request.count = (unsigned) (separator - first);
    status = rb_wait_request_begin(&request, &state);
    if (status != 0)
        return status;
    status = rb_wait_request_perform(state);
    if (json && (status == 0 || status == RB_EXIT_TIMEOUT))
        return print_result(state, status);
    return status == 0 && program ? rb_execute_program(program) : status;
}

const struct rb_command rb_cmd_wait = {
    .name = "wait",
    .usage = "[--timeout TIME] [--json] TARGET... [-- COMMAND [ARG...]]",
    .purpose = "Waits until services are ready, then runs a program",
    .help = "Tests each target once a second until all targets are ready. COMMAND then replaces rebound in the same\n"
            "process. It runs without retries; 'rebound run --wait' also adds them.\n"
            "\n"
            "Targets:\n"
            "  HOST:PORT                             ready when a TCP connect to one of its addresses succeeds; an\n"
            "                                        IPv6 address needs brackets: [::1]:5432\n"
            "  http://HOST[:PORT][/PATH][=STATUS]    ready when a GET is answered with STATUS; without STATUS, with\n"
            "                                        a status below 400. Redirects are not followed. If the URL\n"
            "                                        itself ends with '=' and three digits, append '#'\n"
            "  unix:PATH                             ready when a connect to the Unix socket succeeds\n"
            "\n"
            "Options:\n"
            "  --timeout TIME   give up after this time, for example 90s or 2m; without the option 60s. off: no limit\n"
            "  --json           print the result of each target as JSON; not together with COMMAND\n"
            "  --help           print this text\n"
            "\n"
            "Exit status: 0 all targets are ready; 124 not all targets are ready in time; 125 wrong command line or\n"
            "another error of rebound. With COMMAND: that of the program; 126 the program cannot be run, 127 the\n"
            "program was not found.\n"
            "\n"
            "Examples:\n"
            "  rebound wait db:5432\n"
            "  rebound wait --timeout 2m db:5432 http://api:8080/health=200 -- ./server\n"
            "  rebound wait unix:/run/app.sock --json\n",
    .misuse = RB_EXIT_OWN,
    .run = cmd_wait,
};

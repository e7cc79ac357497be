// SPDX-License-Identifier: MIT
// rebound events: shows the last decisions of all processes, and new ones.
#include <inttypes.h>
#include <poll.h>

#include "cli/command.h"
#include "cli/number.h"
#include "cli/say.h"
#include "cli/state/event_line.h"
#include "cli/state/state_file.h"

enum { LOOK_MS = 200, FOLLOWED = 10 }; // interval of looks for new events; number of old events shown first

struct request {
    struct rb_state_choice choice;
    const char *lines;
    uint64_t count; // number of old events to show
    bool follow, json;
};

static void print_new(const struct rb_state_file *file, uint64_t *after, bool json)
{
    struct rb_view_event event;
    while (file->present && rb_view_event(&file->view, after, &event))
        rb_event_print(&event, json);
}

// Prints new events until the reader of the pipe has gone or a signal arrives. After the file was replaced, continues
// with the first event of the new file.
static int events_follow(struct rb_state_file *file, uint64_t after, bool json)
{
    struct pollfd out = {.fd = fileno(stdout)};
    enum rb_store_error said = RB_STORE_SOUND;
    for (;;) {
        uint64_t inode = file->inode;
        enum rb_store_error error = rb_state_file_refresh(file);
        if (file->inode != inode)
            after = 0;
        if (error != said && error != RB_STORE_SOUND && error != RB_STORE_ABSENT)
            rb_say_warning("%s %s", file->path, rb_store_error_text(error));
        said = error;
        print_new(file, &after, json);
        if (fflush(stdout) != 0)
            return RB_EXIT_ERRORS;
        if (poll(&out, 1, LOOK_MS) > 0 && (out.revents & (POLLERR | POLLHUP)))
            return 0;
    }
}

static int events_perform(struct rb_state_file *file, const void *asked)
{
    const struct request *request = asked;
    uint64_t last = file->present ? rb_view_event_last(&file->view) : 0;
    uint64_t after = last > request->count ? last - request->count : 0;
    print_new(file, &after, request->json);
    return request->follow ? events_follow(file, after, request->json) : 0;
}

static int events_run(int argc, char **argv)
{
    struct request request = {0};
    const struct rb_option options[] = {RB_STATE_OPTIONS(&request.choice),
                                        {"follow", 'f', .flag = &request.follow},
                                        {"lines", 'n', .value = &request.lines},
                                        {"json", .flag = &request.json},
                                        {0}};
    int status, first = rb_command_options(&rb_cmd_events, argc, argv, options, &status);
    if (first < 0)
        return status;
    if (first < argc)
        return rb_command_misuse(&rb_cmd_events, "unexpected argument '%s'", argv[first]);
    request.count = request.follow ? FOLLOWED : RB_STATE_EVENTS;
    const char *end = request.lines ? rb_number_read(request.lines, UINT64_MAX, &request.count) : "";
    if (!end || *end)
        return rb_command_misuse(&rb_cmd_events, "the number of events must be a whole number, not '%s'",
                                 request.lines);
    return rb_state_file_use(&request.choice, false, events_perform, &request);
}

const struct rb_command rb_cmd_events = {
    .name = "events",
    .usage = "[--state PATH] [--user NAME] [-f] [-n N] [--json]",
    .purpose = "Shows the last decisions of all processes",
    .help =
        "Each line shows time, program, process, policy, host, the result of the attempt and the decision. The state\n"
        "keeps the last 512 events, also of processes that have ended. To keep all events, set `log` in the policy.\n"
        "\n"
        "Options:\n" RB_STATE_HELP "  -f, --follow       print the last 10 events, then new events until interrupted\n"
        "  -n N, --lines N    print at most the last N events; with -f, before the new ones\n"
        "  --json             print one JSON object per line, with the fields of the log; see rebound-policy(5)\n"
        "  --help             print this text\n"
        "\n"
        "Exit status: 0 success, 1 the state cannot be read, 2 wrong command line.\n"
        "\n"
        "Examples:\n"
        "  rebound events -f\n"
        "  sudo rebound events --user www-data -f\n"
        "  rebound events --json | jq 'select(.decision == \"refused\")'\n",
    .misuse = RB_EXIT_MISUSE,
    .run = events_run,
};

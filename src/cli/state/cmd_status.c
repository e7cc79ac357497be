// SPDX-License-Identifier: MIT
// rebound status: shows the state of every host that programs have called.
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/json.h"
#include "cli/moment.h"
#include "cli/say.h"
#include "cli/state/host_table.h"
#include "cli/state/old_state.h"
#include "cli/state/status.h"

static void print_row(const struct rb_view_cell *host, unsigned width, bool colour)
{
    char line[RB_TABLE_LINE];
    rb_host_table_row(host, width, line);
    enum rb_breaker_state state = rb_snapshot_state(host);
    colour = colour && state != RB_BREAKER_CLOSED;
    rb_say_style(stdout, colour, state == RB_BREAKER_OPEN ? RB_STYLE_ERROR : RB_STYLE_WARNING);
    fputs(line, stdout);
    rb_say_style(stdout, colour, RB_STYLE_PLAIN);
    putchar('\n');
}

// Prints what does not fit into the row: the processes that hold the host's probes, and the Retry-After time.
static void print_more(const struct rb_view_cell *host)
{
    char name[RB_PROGRAM_NAME_SIZE], span[24];
    if (host->not_before_in_ms > 0)
        printf("  the server asked to wait (Retry-After): %s left\n", rb_host_table_span(host->not_before_in_ms, span));
    for (unsigned i = 0; i < host->holder_count; i++) {
        const struct rb_view_holder *holder = &host->holders[i];
        fputs("  probe held by ", stdout);
        rb_say_clean(stdout, rb_snapshot_program(holder->pid, name));
        printf(" (pid %d), %s of its lease left\n", holder->pid, rb_host_table_span(holder->lease_left_ms, span));
    }
}

static void print_hosts(const struct rb_snapshot *snapshot, bool colour)
{
    unsigned width = rb_host_table_width();
    char head[RB_TABLE_LINE];
    if (snapshot->host_count == 0) {
        puts("no host has been called yet");
        return;
    }
    rb_host_table_head(width, head);
    rb_say_styled(stdout, colour, RB_STYLE_BOLD, head);
    putchar('\n');
    for (unsigned i = 0; i < snapshot->host_count; i++) {
        print_row(&snapshot->hosts[i], width, colour);
        print_more(&snapshot->hosts[i]);
    }
}

static void print_policies(const struct rb_snapshot *snapshot)
{
    for (unsigned i = 0; i < snapshot->policy_count; i++) {
        const struct rb_view_policy *policy = &snapshot->policies[i];
        rb_say_clean(stdout, policy->name);
        uint64_t calls = rb_snapshot_calls(policy), retries = rb_snapshot_retries(policy);
        printf(": %s%" PRIu64 " call%s, %" PRIu64 " retr%s, %" PRIu64 " recovered, %" PRIu64 " refused, %" PRIu64
               " failed\n",
               policy->off ? "off; " : "", calls, calls == 1 ? "" : "s", retries, retries == 1 ? "y" : "ies",
               rb_snapshot_ended(policy, RB_RESULT_RECOVERED), rb_snapshot_ended(policy, RB_RESULT_REFUSED),
               rb_snapshot_ended(policy, RB_RESULT_FAILED));
    }
}

static void print_log(const struct rb_snapshot *snapshot)
{
    const struct rb_view_trouble *log = &snapshot->log;
    char time[RB_MOMENT_SIZE], line[RB_TABLE_LINE];
    if (!snapshot->log_in_trouble)
        return;
    snprintf(line, sizeof(line),
             "log %s cannot be written by process %d (%s, user %" PRIu32
             "): %s; last line lost at %s; lines lost in all "
             "logs: %" PRIu64,
             log->destination, log->pid, log->program, log->user, rb_loss_text(log->error),
             rb_moment_format(log->unix_ms, time), snapshot->totals.log_lost);
    rb_say_clean(stdout, line);
    putchar('\n');
}

static void print_end(const struct rb_state_file *file, const struct rb_snapshot *snapshot)
{
    if (!snapshot->totals.reload_succeeded)
        puts("the last reload of a policy failed: see 'rebound check'");
    print_log(snapshot);
    char whose[RB_STATE_WHOSE_SIZE];
    rb_say_clean(stdout, file->path);
    rb_say_clean(stdout, rb_state_file_whose(file, whose));
    if (file->present)
        printf(": %u %s, %u %s\n", snapshot->host_count, snapshot->host_count == 1 ? "host" : "hosts",
               snapshot->process_count, snapshot->process_count == 1 ? "process" : "processes");
    else
        puts(": nothing has run under rebound yet");
    if (file->is_default)
        rb_old_state_say(file->owner);
}

static int out_of_memory(void)
{
    rb_say_error("out of memory");
    return RB_EXIT_ERRORS;
}

// The request and the progress of its output.
struct request {
    bool json;
    cJSON *all;     // array for the JSON objects of several users; NULL: print each object
    unsigned *done; // number of states shown
};

static int status_print(const struct rb_state_file *file, const struct rb_snapshot *snapshot,
                        const struct request *request)
{
    if (!request->json) {
        print_hosts(snapshot, rb_say_colour(stdout));
        print_policies(snapshot);
        print_end(file, snapshot);
        return 0;
    }
    cJSON *object = rb_status_json(file, snapshot);
    if (request->all)
        return cJSON_AddItemToArray(request->all, object) ? 0 : out_of_memory();
    return rb_json_print(object) == 0 ? 0 : out_of_memory();
}

static int status_perform(struct rb_state_file *file, const void *asked)
{
    const struct request *request = asked;
    struct rb_snapshot *snapshot = rb_snapshot_take(file, RB_ORDER_STATE);
    if (!snapshot)
        return out_of_memory();
    int status = status_print(file, snapshot, request);
    rb_snapshot_free(snapshot);
    return status;
}

// Shows the state of one of several users: a heading, and a blank line before all but the first.
static int perform_for_user(struct rb_state_file *file, const void *asked)
{
    const struct request *request = asked;
    char label[RB_USER_LABEL_SIZE], heading[RB_USER_LABEL_SIZE + 8];
    if (!request->json) {
        fputs(*request->done > 0 ? "\n" : "", stdout);
        snprintf(heading, sizeof(heading), "user %s", rb_user_label(file->owner, label));
        rb_say_styled(stdout, rb_say_colour(stdout), RB_STYLE_BOLD, heading);
        putchar('\n');
    }
    (*request->done)++;
    return status_perform(file, asked);
}

static int show_users(const struct request *request)
{
    uid_t *users;
    size_t count;
    int error = rb_user_list(&users, &count), status = 0;
    if (error != 0) {
        rb_say_error("the states of users cannot be listed: %s", strerror(-error));
        return RB_EXIT_ERRORS;
    }
    for (size_t i = 0; i < count; i++) {
        int result = rb_state_file_use_default(users[i], perform_for_user, request);
        if (result < 0 && !request->json)
            rb_old_state_say(users[i]);
        status = result > 0 ? result : status;
    }
    free(users);
    if (*request->done == 0 && !request->json)
        puts("no user has a state: nothing has run under rebound yet");
    return status;
}

static int show_all(bool json)
{
    unsigned done = 0;
    struct request request = {.json = json, .all = json ? cJSON_CreateArray() : NULL, .done = &done};
    if (geteuid() != 0) {
        rb_say_error("--all needs root: you cannot read the states of other users");
        rb_say_note("'rebound status' shows your own");
        return RB_EXIT_ERRORS;
    }
    int status = show_users(&request);
    if (json && rb_json_print(request.all) != 0)
        return out_of_memory();
    return status;
}

static int status_run(int argc, char **argv)
{
    struct rb_state_choice choice = {0};
    struct request request = {0};
    bool all = false;
    const struct rb_option options[] = {
        RB_STATE_OPTIONS(&choice), {"all", .flag = &all}, {"json", .flag = &request.json}, {0}};
    int status, first = rb_command_options(&rb_cmd_status, argc, argv, options, &status);
    if (first < 0)
        return status;
    if (first < argc)
        return rb_command_misuse(&rb_cmd_status, "unexpected argument '%s'", argv[first]);
    if (all && (choice.state || choice.user))
        return rb_command_misuse(&rb_cmd_status, "use --all without --state and --user");
    return all ? show_all(request.json) : rb_state_file_use(&choice, false, status_perform, &request);
}

const struct rb_command rb_cmd_status = {
    .name = "status",
    .usage = "[--state PATH] [--user NAME | --all] [--json]",
    .purpose = "Shows every host's breaker, and the counters of each policy",
    .help =
        "Each line is a host that programs of this user have called. It shows the state of its breaker, the number of\n"
        "calls in the breaker's window, and the percentage of them that failed or were slow. It also shows when the\n"
        "next probe is allowed, which process runs the probe, and how long the server asked to wait (Retry-After).\n"
        "A wide terminal also shows the retries that the budget allows now, refused calls, and the last use.\n"
        "\n"
        "Options:\n" RB_STATE_HELP "  --all              show the states of all users; only for root\n"
        "  --json             print all numbers as JSON; rebound(1) describes the fields\n"
        "  --help             print this text\n"
        "\n"
        "Exit status: 0 success, 1 the state cannot be read, 2 wrong command line.\n"
        "\n"
        "Examples:\n"
        "  rebound status\n"
        "  rebound status --json | jq '.hosts[] | select(.state != \"closed\")'\n"
        "  sudo rebound status --user www-data\n"
        "  sudo rebound status --all\n",
    .misuse = RB_EXIT_MISUSE,
    .run = status_run,
};

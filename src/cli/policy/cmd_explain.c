// SPDX-License-Identifier: MIT
// rebound explain: shows which section applies to a host, why, and its values.
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/list.h"
#include "base/slice.h"
#include "cli/command.h"
#include "cli/policy/diagnose.h"
#include "cli/policy/explain.h"
#include "cli/policy/set.h"
#include "cli/say.h"
#include "engine/call.h"
#include "process/starting.h"

struct request {
    const char *policy; // NULL if not given
    const char *target;
    const char *method;
    bool json;
    struct rb_set set;
};

void rb_cmd_explain_origin(const struct rb_explanation *explanation, unsigned key, char *out, size_t size)
{
    unsigned line = explanation->section->key_places[key];
    switch (explanation->section->key_origins[key]) {
    case RB_ORIGIN_SECTION:
        snprintf(out, size, "%s:%u", explanation->source.path, line);
        break;
    case RB_ORIGIN_DEFAULT:
        snprintf(out, size, "%s:%u ([default])", explanation->source.path, line);
        break;
    case RB_ORIGIN_ENVIRONMENT:
        snprintf(out, size, "REBOUND_SET");
        break;
    case RB_ORIGIN_OPTION:
        snprintf(out, size, "--set");
        break;
    default:
        snprintf(out, size, "default");
    }
}

// Fills in what depends on the target. `scheme` is the length of the scheme at the begin of `text`, 0 without one.
static void find_out(struct rb_explanation *e, const struct rb_target *target, const char *text, size_t scheme)
{
    bool http = scheme == 0 || (scheme == 4 && strncasecmp(text, "http", 4) == 0) ||
                (scheme == 5 && strncasecmp(text, "https", 5) == 0);
    e->unix_socket = target->family == AF_UNIX;
    e->named = target->name && !e->unix_socket;
    e->http = http && !e->unix_socket;
    e->section = rb_policy_match(e->policy, target, &e->match);
    if (!e->section)
        return;
    e->repeatable = rb_list_holds(e->section->values.methods, e->method, strlen(e->method), false);
    e->waits = e->section->rules.start_wait_ms > 0 && rb_starting_covers(e->section, target);
    rb_schedule_compute(&e->section->rules, &e->schedule);
}

static int explain_print(const struct rb_explanation *e, bool json)
{
    if (!json)
        rb_explain_text(e);
    else if (rb_explain_json(e) != 0) {
        rb_say_error("out of memory");
        return RB_EXIT_MISUSE;
    }
    return 0;
}

static int explain_perform(struct request *request)
{
    char label[RB_LABEL_SIZE], message[RB_SOURCE_MESSAGE_SIZE];
    struct rb_explanation e = {.label = label, .method = request->method};
    struct rb_target target = {0};
    struct rb_policy *policy = NULL;
    size_t scheme = 0;
    int error = rb_target_from_url(&target, request->target, &scheme);
    if (error != 0)
        return rb_command_misuse(&rb_cmd_explain,
                                 error == -ERANGE ? "the port in '%s' is larger than 65535"
                                                  : "no host in '%s'; expected a URL, HOST or HOST:PORT",
                                 request->target);
    if (!rb_set_pairs(&request->set, &e.pairs))
        return RB_EXIT_MISUSE;
    error = rb_source_find(&e.source, request->policy);
    if (error != 0) {
        rb_say_error("cannot find the path of the policy: %s", strerror(-error));
        return RB_EXIT_ERRORS;
    }
    error = rb_policy_load(e.source.path, &e.pairs, &policy, rb_diagnose_to_stderr, NULL);
    if (error != 0) {
        if (error != -EDOM)
            rb_say_note("programs run without rebound until this policy is corrected");
        return RB_EXIT_ERRORS;
    }
    if (!rb_source_trusted(e.source.path, message))
        rb_say_warning("programs of this user ignore the policy %s: %s", e.source.path, message);
    rb_target_format(&target, label, sizeof(label));
    e.policy = policy;
    find_out(&e, &target, request->target, scheme);
    int status = explain_print(&e, request->json);
    rb_policy_free(policy);
    return status;
}

// A method is a token (RFC 9110, section 5.6.2).
static bool is_token(const char *text)
{
    static const char others[] = "!#$%&'*+-.^_`|~";
    for (const char *c = text; c && *c; c++)
        if (!rb_char_alnum(*c) && !strchr(others, *c))
            return false;
    return text && *text != '\0';
}

static int check_request(const struct request *request, int targets)
{
    if (targets != 1)
        return rb_command_misuse(&rb_cmd_explain, targets == 0 ? "name a URL or a host" : "name only one URL or host");
    if (!is_token(request->method))
        return rb_command_misuse(&rb_cmd_explain, "'%s' is not an HTTP method", request->method);
    return 0;
}

static int explain_run(int argc, char **argv)
{
    struct request request = {.method = "GET"};
    const struct rb_option options[] = {{"policy", .value = &request.policy},
                                        {"method", .value = &request.method},
                                        {"set", .values = &request.set.values},
                                        {"json", .flag = &request.json},
                                        {0}};
    int status, first = rb_command_options(&rb_cmd_explain, argc, argv, options, &status);
    if (first < 0)
        return status;
    status = check_request(&request, argc - first);
    request.target = argv[first];
    return status ? status : explain_perform(&request);
}

const struct rb_command rb_cmd_explain = {
    .name = "explain",
    .usage = "[--policy FILE] [--method M] [--set KEY=VALUE] [--json] URL|HOST[:PORT]",
    .purpose = "Shows which values of the policy apply to a host",
    .help =
        "Prints which policy file and which section apply, and why. Prints each value with the line that sets it, the\n"
        "wait before each retry, and the longest time that a call can take.\n"
        "\n"
        "Options:\n"
        "  --policy FILE   use this policy file; without the option, the policy that 'rebound run' uses\n"
        "  --method M      the HTTP method of the request; without the option, GET\n"
        "  --set K=V       override a value of the policy, as 'rebound run --set' does; may be repeated\n"
        "  --json          print JSON; rebound(1) describes the fields\n"
        "  --help          print this text\n"
        "\n"
        "Exit status: 0 success, 1 the policy or --set has mistakes or cannot be read, 2 wrong command line.\n"
        "\n"
        "Examples:\n"
        "  rebound explain https://api.example.com/v1\n"
        "  rebound explain --policy builtin:api --set retry.attempts=8 --method POST api.example.com\n"
        "  rebound explain --method POST api.example.com:8443\n"
        "  rebound explain --policy policy.ini --json 10.1.2.3:5432\n"
        "  rebound explain unix:/run/app.sock\n",
    .misuse = RB_EXIT_MISUSE,
    .run = explain_run,
};

// SPDX-License-Identifier: MIT
// rebound doctor: shows which calls of a program are intercepted, and why.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/doctor/doctor.h"
#include "cli/say.h"

struct request {
    const char *policy; // NULL if not given
    bool json;
    const char *name;
};

static int doctor_print(const struct rb_findings *findings, bool json)
{
    if (!json) {
        rb_doctor_text(findings);
    } else if (rb_doctor_json(findings) != 0) {
        rb_say_error("out of memory");
        return RB_EXIT_MISUSE;
    }
    return findings->reach == RB_REACH_FULL || findings->reach == RB_REACH_UNUSED ? 0 : RB_EXIT_ERRORS;
}

// Reports why the program cannot be run at all.
static int doctor_refuse(const struct rb_findings *findings, int error)
{
    const char *first = findings->chain.files[0], *last = rb_findings_executable(findings);
    if (error == -ENOENT)
        rb_say_error("cannot run %s: its interpreter %s is missing or not executable", first, last);
    else if (error == -ENOEXEC)
        rb_say_error("cannot run %s: %s is neither a whole ELF file nor a script", first, last);
    else
        rb_say_error("cannot look at %s: %s", first, strerror(-error));
    return RB_EXIT_MISUSE;
}

static int doctor_perform(const struct request *request)
{
    char path[PATH_MAX];
    if (!rb_program_find(request->name, path)) {
        rb_say_error("cannot run %s: no such executable", request->name);
        return RB_EXIT_MISUSE;
    }
    struct rb_findings *findings = malloc(sizeof *findings);
    if (!findings) {
        rb_say_error("out of memory");
        return RB_EXIT_MISUSE;
    }
    int error = rb_findings_collect(findings, path, request->policy), status;
    if (error == 0) {
        rb_findings_judge(findings);
        status = doctor_print(findings, request->json);
    } else {
        status = doctor_refuse(findings, error);
    }
    rb_findings_free(findings);
    free(findings);
    return status;
}

static int doctor_run(int argc, char **argv)
{
    struct request request = {0};
    const struct rb_option options[] = {{"policy", .value = &request.policy}, {"json", .flag = &request.json}, {NULL}};
    int status, first = rb_command_options(&rb_cmd_doctor, argc, argv, options, &status);
    if (first < 0)
        return status;
    if (first >= argc)
        return rb_command_misuse(&rb_cmd_doctor, "no command to look at");
    request.name = argv[first];
    return doctor_perform(&request);
}

const struct rb_command rb_cmd_doctor = {
    .name = "doctor",
    .usage = "[--policy FILE] [--json] [--] COMMAND [ARG...]",
    .purpose = "Says what will and will not be intercepted in a program, and why",
    .help =
        "It reads the executable (a script's interpreter in its place) and the libraries that come with it, and runs\n"
        "nothing. For each kind of call - HTTP by libcurl, blocking and non-blocking connects, name lookups - it says\n"
        "whether 'rebound run' would intercept it, if not why, and what to do. ARGs are not looked at: put\n"
        "'rebound doctor' in the place of 'rebound run'.\n"
        "\n"
        "Options:\n"
        "  --policy FILE   the policy, found as by 'rebound run' when not given\n"
        "  --json          the same for programs; rebound(1) describes the fields\n"
        "  --help          this text\n"
        "\n"
        "Exit status: 0 all that the program uses will be intercepted, 1 something will not, 2 wrong command line, or\n"
        "no program that could be run.\n"
        "\n"
        "Examples:\n"
        "  rebound doctor curl\n"
        "  rebound doctor --policy policy.ini -- git pull\n"
        "  rebound doctor --json ./my-script | jq .verdict\n",
    .misuse = RB_EXIT_MISUSE,
    .takes_program = true,
    .run = doctor_run,
};

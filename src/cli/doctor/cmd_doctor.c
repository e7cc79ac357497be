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
    char **command;
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
    const char *first = findings->chain.files[0], *last = rb_doctor_collect_executable(findings);
    if (error == -ENOENT)
        rb_say_error("cannot run %s: its interpreter %s is missing or not executable", first, last);
    else if (error == -ENOEXEC)
        rb_say_error("cannot run %s: %s is neither a complete ELF file nor a script", first, last);
    else
        rb_say_error("cannot examine %s: %s", first, strerror(-error));
    return RB_EXIT_MISUSE;
}

static int doctor_perform(const struct request *request)
{
    char path[PATH_MAX], word[PATH_MAX];
    const char *name = rb_program_behind(request->command, word);
    if (!rb_program_find(name, path)) {
        rb_say_error("cannot examine %s: no executable file of this name", name);
        return RB_EXIT_MISUSE;
    }
    struct rb_findings *findings = malloc(sizeof(*findings));
    if (!findings) {
        rb_say_error("out of memory");
        return RB_EXIT_MISUSE;
    }
    int error = rb_doctor_collect(findings, path, request->policy), status;
    if (error == 0) {
        findings->wrapper = name == request->command[0] ? NULL : request->command[0];
        rb_doctor_judge(findings);
        status = doctor_print(findings, request->json);
    } else {
        status = doctor_refuse(findings, error);
    }
    rb_doctor_collect_free(findings);
    free(findings);
    return status;
}

static int doctor_run(int argc, char **argv)
{
    struct request request = {0};
    const struct rb_option options[] = {{"policy", .value = &request.policy}, {"json", .flag = &request.json}, {0}};
    int status, first = rb_command_options(&rb_cmd_doctor, argc, argv, options, &status);
    if (first < 0)
        return status;
    if (first >= argc)
        return rb_command_misuse(&rb_cmd_doctor, "name the program to examine");
    request.command = argv + first;
    return doctor_perform(&request);
}

const struct rb_command rb_cmd_doctor = {
    .name = "doctor",
    .usage = "[--policy FILE] [--json] [--] COMMAND [ARG...]",
    .purpose = "Shows which calls of a program will be intercepted, and why",
    .help =
        "Reads the executable (for a script, its interpreter) and its libraries. Does not run the program. For each\n"
        "kind of call (HTTP by libcurl and without it, blocking and non-blocking connects, name lookups), shows "
        "whether\n"
        "'rebound run' would intercept the calls. If not, says why, and what to do. 'rebound doctor' can replace\n"
        "'rebound run' in a command line. Behind env, timeout, nice, nohup, setsid and sh -c, examines the program\n"
        "that these start.\n"
        "\n"
        "Options:\n"
        "  --policy FILE   use this policy file; without the option, the policy that 'rebound run' uses\n"
        "  --json          print JSON; rebound(1) describes the fields\n"
        "  --help          print this text\n"
        "\n"
        "Exit status: 0 all kinds of calls that the program uses will be intercepted, 1 some will not, or this is\n"
        "not known, 2 wrong command line or not a program.\n"
        "\n"
        "Examples:\n"
        "  rebound doctor curl\n"
        "  rebound doctor --policy policy.ini -- git pull\n"
        "  rebound doctor --json ./my-script | jq .verdict\n",
    .misuse = RB_EXIT_MISUSE,
    .takes_program = true,
    .run = doctor_run,
};

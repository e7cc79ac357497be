// SPDX-License-Identifier: MIT
// rebound run: checks policy and program, sets the environment and executes the program.
//
// A program must never be worse off under rebound. So an error in the policy, the library or the log gives one line on
// stderr, and the program runs without rebound.
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/policy/diagnose.h"
#include "cli/policy/set.h"
#include "cli/policy/source.h"
#include "cli/run/execute.h"
#include "cli/run/preload.h"
#include "cli/run/program.h"
#include "cli/run/watch.h"
#include "cli/say.h"
#include "cli/wait/wait_request.h"
#include "process/sink.h"

struct request {
    const char *policy; // --policy, NULL if not given
    const char *log;    // --log, NULL if not given
    bool summary;
    struct rb_set *set;
    struct rb_wait_state *wait; // --wait, NULL if not given
    char **command;             // NULL-terminated
};

static int execute(char **command)
{
    int status = rb_execute_program(command);
    rb_watcher_cancel();
    return status;
}

// LD_PRELOAD may already contain the library, for example from a container's environment. It would then use another
// policy than the requested one, so REBOUND_DISABLE is set.
static int execute_without_rebound(char **command)
{
    if (rb_preload_names_us(getenv("LD_PRELOAD")))
        setenv("REBOUND_DISABLE", "1", 1);
    return execute(command);
}

// --- the log

static bool is_file_name(const char *log)
{
    return strcmp(log, "off") != 0 && strcmp(log, "stderr") != 0;
}

// Writing zero bytes shows whether a device or a pipe accepts data. For a regular file, its file system must have free
// space.
static int probe_file(int fd)
{
    struct statvfs fs;
    struct stat st;
    if (write(fd, "", 0) < 0)
        return errno;
    bool regular = fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
    return regular && fstatvfs(fd, &fs) == 0 && fs.f_blocks > 0 && fs.f_bavail == 0 ? ENOSPC : 0;
}

// Checks the directory of a log that does not exist yet. The file is not created here, because the program's user must
// own it.
static int probe_directory(const char *path)
{
    char directory[RB_POLICY_PATH_SIZE];
    const char *slash = strrchr(path, '/');
    size_t length = slash ? (size_t) (slash - path) : 0;
    if (length >= sizeof(directory))
        return ENAMETOOLONG;
    memcpy(directory, path, length);
    directory[length] = '\0';
    return access(length > 0 ? directory : slash ? "/" : ".", W_OK | X_OK) == 0 ? 0 : errno;
}

// Returns 0, or the errno that the library would get when it writes.
static int probe_log(const char *path)
{
    int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW);
    if (fd < 0)
        return errno == ENOENT ? probe_directory(path) : errno;
    int error = probe_file(fd);
    close(fd);
    return error;
}

static void warn_of_log(const char *log)
{
    if (!is_file_name(log))
        return;
    enum rb_loss refused = rb_sink_examine(log);
    int error = refused == RB_LOSS_NONE ? probe_log(log) : 0;
    if (refused != RB_LOSS_NONE)
        rb_say_warning("the log %s is refused: %s; the program runs without it", log, rb_loss_text(refused));
    else if (error != 0)
        rb_say_warning("the log %s cannot be written: %s; the program runs without it", log,
                       error == ENXIO ? "no process reads this pipe" : strerror(error));
}

// --- the environment

static int set_log(const struct request *request, const struct rb_policy *policy)
{
    char path[RB_POLICY_PATH_SIZE];
    const char *log = request->log;
    if (log && is_file_name(log)) {
        int error = rb_source_absolute(log, path);
        if (error != 0)
            return error;
        log = path;
    }
    if (log && setenv("REBOUND_LOG", log, 1) != 0)
        return -ENOMEM;
    const char *inherited = getenv("REBOUND_LOG");
    warn_of_log(inherited && *inherited ? inherited : rb_policy_process(policy)->log);
    return 0;
}

static int set_environment(const struct request *request, const struct rb_policy *policy, const char *path,
                           const char *library)
{
    char name[PATH_MAX];
    int error = set_log(request, policy);
    if (error == 0)
        error = rb_preload_name(library, name, sizeof(name));
    if (error != 0)
        return error;
    char *list = rb_preload_join(getenv("LD_PRELOAD"), name);
    char *asan = rb_preload_asan_options(getenv("ASAN_OPTIONS"));
    if (!list || !asan || setenv("LD_PRELOAD", list, 1) != 0 || setenv("ASAN_OPTIONS", asan, 1) != 0 ||
        setenv("REBOUND_POLICY", path, 1) != 0)
        error = -ENOMEM;
    free(list);
    free(asan);
    return error;
}

// --- checks

// Returns 0, -EDOM for an error in the pairs of --set and REBOUND_SET, or another negative errno. The error was
// reported.
static int load_policy(const struct request *request, const struct rb_pairs *pairs, struct rb_source *source,
                       struct rb_policy **policy)
{
    char message[RB_SOURCE_MESSAGE_SIZE];
    int error = rb_source_find(source, request->policy);
    if (error != 0) {
        rb_say_error("cannot find the path of the policy: %s", strerror(-error));
        return error;
    }
    if (!rb_source_trusted(source->path, message)) {
        rb_say_error("the policy %s is ignored: %s", source->path, message);
        return -EPERM;
    }
    return rb_policy_load(source->path, pairs, policy, rb_diagnose_to_stderr, NULL);
}

static bool find_library(char *library, size_t size)
{
    if (rb_preload_find(library, size) != 0) {
        rb_say_warning(
            "librebound.so was not found next to rebound or where 'make install' puts it; the program runs without "
            "rebound");
        return false;
    }
    if (!rb_preload_can_hold(library)) {
        rb_say_warning("LD_PRELOAD cannot contain a path with a space or a colon: %s; the program runs without rebound",
                       library);
        return false;
    }
    return true;
}

static void warn_of_program(const char *name, const char *library)
{
    char path[PATH_MAX], culprit[PATH_MAX];
    bool go;
    if (!rb_program_find(name, path))
        return;
    enum rb_obstacle obstacle = rb_program_obstacle(path, library, culprit, &go);
    if (obstacle != RB_OBSTACLE_NONE)
        rb_say_warning("%s %s", culprit, rb_obstacle_text(obstacle));
    else if (go)
        rb_say_warning(
            "%s contains code compiled by Go, which makes system calls without libc: connects of this code are "
            "not intercepted",
            culprit);
}

// Returns 0, or the exit status if the program must not start.
static int wait_for_targets(const struct request *request)
{
    return request->wait ? rb_wait_request_perform(request->wait) : 0;
}

static int cmd_run_perform(const struct request *request)
{
    struct rb_source source;
    struct rb_pairs pairs;
    struct rb_policy *policy = NULL;
    char library[PATH_MAX];
    if (rb_preload_disabled()) {
        int status = wait_for_targets(request);
        if (status != 0)
            return status;
        if (request->summary)
            rb_say_note("REBOUND_DISABLE is set, so the program runs without rebound and without a summary");
        return execute(request->command);
    }
    if (!rb_set_pairs(request->set, &pairs) || rb_policy_check_pairs(&pairs, rb_diagnose_to_stderr, NULL) != 0)
        return RB_EXIT_OWN;
    int error = load_policy(request, &pairs, &source, &policy);
    if (error == -EDOM)
        return RB_EXIT_OWN;
    int status = wait_for_targets(request); // after the mistakes in the policy and in --set are known
    if (status != 0)
        return status;
    if (error != 0) {
        rb_say_warning("the policy cannot be used; the program runs without rebound");
        return execute_without_rebound(request->command);
    }
    if (!find_library(library, sizeof(library)))
        return execute_without_rebound(request->command);
    if (!rb_set_export(&pairs))
        return RB_EXIT_OWN;
    error = set_environment(request, policy, source.path, library);
    rb_policy_free(policy);
    if (error != 0) {
        rb_say_error("cannot set the environment: %s", strerror(-error));
        return RB_EXIT_OWN;
    }
    warn_of_program(rb_program_behind(request->command, NULL), library);
    error = request->summary ? rb_watcher_start() : 0;
    if (error != 0)
        rb_say_warning("the summary cannot be prepared: %s; the program runs without it", strerror(-error));
    return execute(request->command);
}

// --- the command line

static int cmd_run(int argc, char **argv)
{
    struct rb_set set = {.values.count = 0};
    struct rb_values targets = {.count = 0};
    struct rb_wait_request wait = {.command = &rb_cmd_run, .argv = argv - 1, .targets = targets.items};
    struct request request = {.set = &set};
    const struct rb_option options[] = {{"policy", .value = &request.policy},
                                        {"set", .values = &set.values},
                                        {"log", .value = &request.log},
                                        {"summary", .flag = &request.summary},
                                        {"wait", .values = &targets},
                                        {"wait-timeout", .value = &wait.timeout},
                                        {0}};
    int status, first = rb_command_options(&rb_cmd_run, argc, argv, options, &status);
    if (first < 0)
        return status;
    if (first >= argc)
        return rb_command_misuse(&rb_cmd_run, "name the program to run");
    request.command = argv + first;
    wait.count = targets.count;
    if (wait.count == 0 && wait.timeout)
        return rb_command_misuse(&rb_cmd_run, "'--wait-timeout' has no effect without '--wait'");
    status = wait.count > 0 ? rb_wait_request_begin(&wait, &request.wait) : 0;
    return status == 0 ? cmd_run_perform(&request) : status;
}

const struct rb_command rb_cmd_run = {
    .name = "run",
    .usage = "[--policy FILE] [--set KEY=VALUE] [--log DEST] [--summary] [--wait TARGET] [--wait-timeout TIME] "
             "[--] COMMAND [ARG...]",
    .purpose = "Runs a program with retries, circuit breaker and retry budget",
    .help =
        "The program runs in the same process, with the same signals and exit status. If the policy cannot be "
        "used, one\n"
        "line on stderr says why, and the program runs without rebound. If the log cannot be written, the program "
        "runs\n"
        "without the log.\n"
        "\n"
        "Options:\n"
        "  --policy FILE   use this policy file, or a built-in policy: builtin:api for HTTP APIs that throttle,\n"
        "                  builtin:patient for a program that starts before its servers, or builtin:default. Without "
        "the\n"
        "                  option: REBOUND_POLICY, else ~/.config/rebound/policy.ini, else /etc/rebound/policy.ini, "
        "else\n"
        "                  builtin:default\n"
        "  --set K=V       override a value of the policy for all hosts that it covers; may be repeated. Items of a "
        "list\n"
        "                  are separated by commas. REBOUND_SET can hold pairs K=V too, separated by blanks\n"
        "  --log DEST      write one JSON line for each decision; DEST is off, stderr or the name of a file.\n"
        "                  Overrides `log` in the policy\n"
        "  --summary       print counters for each policy on stderr when the program has ended\n"
        "  --wait TARGET   start the program when TARGET is ready: HOST:PORT, http://HOST[:PORT][/PATH][=STATUS]\n"
        "                  or unix:PATH, as in 'rebound wait'. May be repeated\n"
        "  --wait-timeout TIME\n"
        "                  the longest wait, for example 2m; without the option 60s. off: no limit\n"
        "  --help          print this text\n"
        "\n"
        "Exit status: that of the program; 124 a target of --wait was not ready in time, 125 wrong command line or\n"
        "another error of rebound, 126 the program cannot be run, 127 the program was not found.\n"
        "\n"
        "Examples:\n"
        "  rebound run -- curl -s https://api.example.com/v1\n"
        "  rebound run --policy builtin:api -- ./ask-the-model   (five attempts, also for POST)\n"
        "  rebound run --set retry.attempts=5 --set retry.on=+409 -- ./program\n"
        "  rebound run --policy policy.ini --summary -- git pull\n"
        "  rebound run --log stderr -- wget http://127.0.0.1:8080/\n"
        "  rebound run --wait db:5432 -- ./server\n"
        "  REBOUND_DISABLE=1 rebound run -- curl -s https://api.example.com/v1   (runs without rebound)\n",
    .misuse = RB_EXIT_OWN,
    .takes_program = true,
    .run = cmd_run,
};

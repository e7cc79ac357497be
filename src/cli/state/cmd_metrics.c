// SPDX-License-Identifier: MIT
// rebound metrics: prints or serves the counters for Prometheus.
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/say.h"
#include "cli/state/metrics.h"
#include "cli/state/serve.h"

enum { TEXTFILE_MODE = 0644 };

struct request {
    struct rb_state_choice choice;
    const char *textfile, *listen;
};

// Writes a temporary file and renames it, so that readers see the old or the new text. Returns 0 or a negative errno.
static int replace(const char *path, const char *text, size_t length)
{
    char *beside = NULL;
    if (asprintf(&beside, "%s.XXXXXX", path) < 0)
        return -ENOMEM;
    int fd = mkstemp(beside);
    FILE *out = fd >= 0 ? fdopen(fd, "w") : NULL;
    int error = out ? 0 : errno;
    if (out) {
        bool sound = fwrite(text, 1, length, out) == length && fchmod(fd, TEXTFILE_MODE) == 0;
        sound = fclose(out) == 0 && sound && rename(beside, path) == 0;
        error = sound ? 0 : errno;
    }
    if (fd >= 0 && error != 0)
        unlink(beside);
    free(beside);
    return -error;
}

static int write_out(const struct request *request, const char *text, size_t length)
{
    if (!request->textfile) {
        fwrite(text, 1, length, stdout);
        return 0;
    }
    int error = replace(request->textfile, text, length);
    if (error == 0)
        return 0;
    rb_say_error("cannot write %s: %s", request->textfile, strerror(-error));
    return RB_EXIT_ERRORS;
}

static int metrics_print(const struct request *request, const struct rb_state_file *file)
{
    size_t length = 0;
    char *text = rb_metrics_text(file, &length);
    if (!text) {
        rb_say_error("out of memory");
        return RB_EXIT_ERRORS;
    }
    int status = write_out(request, text, length);
    free(text);
    return status;
}

static int metrics_perform(struct rb_state_file *file, const void *asked)
{
    const struct request *request = asked;
    return request->listen ? rb_serve_metrics(file, request->listen) : metrics_print(request, file);
}

static int metrics_run(int argc, char **argv)
{
    struct request request = {0};
    const struct rb_option options[] = {RB_STATE_OPTIONS(&request.choice),
                                        {"textfile", .value = &request.textfile},
                                        {"listen", .value = &request.listen},
                                        {0}};
    int status, first = rb_command_options(&rb_cmd_metrics, argc, argv, options, &status);
    if (first < 0)
        return status;
    if (first < argc)
        return rb_command_misuse(&rb_cmd_metrics, "unexpected argument '%s'", argv[first]);
    if (request.textfile && request.listen)
        return rb_command_misuse(&rb_cmd_metrics, "use either --textfile or --listen, not both");
    return rb_state_file_use(&request.choice, false, metrics_perform, &request);
}

const struct rb_command rb_cmd_metrics = {
    .name = "metrics",
    .usage = "[--state PATH] [--user NAME] [--textfile PATH | --listen [ADDRESS:]PORT]",
    .purpose = "Prints or serves the counters for Prometheus",
    .help =
        "Prints calls, attempts, retries and their causes, breakers and durations in Prometheus' text format. Labels\n"
        "contain names of policies and hosts, and reasons; never a URL. Alert rules and a Grafana dashboard are\n"
        "installed next to the examples.\n"
        "\n"
        "Options:\n" RB_STATE_HELP "  --textfile PATH    write to this file and replace it atomically; for the "
        "textfile collector of node_exporter\n"
        "  --listen PLACE     serve http://PLACE/metrics until interrupted; PLACE is PORT (at 127.0.0.1), "
        "ADDRESS:PORT\n"
        "                     or [ADDRESS]:PORT\n"
        "  --help             print this text\n"
        "\n"
        "Exit status: 0 success, 1 the state cannot be read or the text cannot be written, 2 wrong command line.\n"
        "\n"
        "Examples:\n"
        "  rebound metrics\n"
        "  rebound metrics --textfile /var/lib/prometheus/node-exporter/rebound.prom\n"
        "  rebound metrics --listen 9464\n",
    .misuse = RB_EXIT_MISUSE,
    .run = metrics_run,
};

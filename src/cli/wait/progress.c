// SPDX-License-Identifier: MIT
// Lines such as "waiting for db:5432 (connection refused): 3 s of 60 s".
#include "cli/wait/progress.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/escape.h"
#include "cli/say.h"
#include "cli/wait/wait_state.h"

static const char begin_of_line[] = "rebound: waiting for ";

// Writes "60 s", "1.5 s".
static void write_limit(struct rb_writer *writer, uint64_t ms)
{
    rb_write_scaled(writer, ms, 3);
    rb_write_text(writer, " s");
}

struct rb_progress rb_progress_begin(void)
{
    struct winsize size;
    const char *terminal = getenv("TERM");
    bool known = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
    return (struct rb_progress){.terminal = isatty(STDERR_FILENO),
                                .in_place = terminal && *terminal && strcmp(terminal, "dumb") != 0,
                                .columns = known ? size.ws_col : 80};
}

// Writes "db:5432 (connection refused), cache:6379 (no answer to the connect)".
static void write_pending(struct rb_writer *writer, const struct rb_wait_state *state)
{
    for (unsigned i = 0, written = 0; i < state->count; i++) {
        const struct rb_wait_target *target = &state->targets[i];
        if (target->ready)
            continue;
        rb_write_text(writer, written++ > 0 ? ", " : "");
        rb_write_text(writer, target->awaited.text);
        rb_write_text(writer, " (");
        rb_write_text(writer, rb_wait_state_reason(target));
        rb_write_text(writer, ")");
    }
}

// A line that is replaced must fit into one row of the terminal, without the last column. The targets are cut.
void rb_progress_show(struct rb_progress *progress, const struct rb_wait_state *state, uint64_t seconds)
{
    char pending[RB_SAY_SIZE], shown[RB_SAY_SIZE], end[64];
    if (!progress->terminal)
        return;
    struct rb_writer targets = rb_writer_on(pending, sizeof(pending)), times = rb_writer_on(end, sizeof(end));
    write_pending(&targets, state);
    rb_write_text(&times, ": ");
    rb_write_number(&times, seconds);
    rb_write_text(&times, state->limit_ms > 0 ? " s of " : " s");
    if (state->limit_ms > 0)
        write_limit(&times, state->limit_ms);
    size_t other = strlen(begin_of_line) + times.length + 1;
    size_t room = !progress->in_place ? sizeof(shown) : progress->columns > other ? progress->columns - other : 1;
    unsigned width = (unsigned) (other - 1 + rb_escape_fit(shown, sizeof(shown), pending, room));
    int before = progress->shown, blanks = (int) width < before ? before - (int) width : 0;
    if (progress->in_place && (int) width > before)
        progress->shown = (int) width; // a signal may end the wait while the line is written
    fprintf(stderr, "%s%s%s%s%*s%s", progress->in_place ? "\r" : "", begin_of_line, shown, end, blanks, "",
            progress->in_place ? "" : "\n");
    progress->shown = progress->in_place ? (int) width : 0;
}

void rb_progress_end(struct rb_progress *progress)
{
    static const char blanks[] = "                                                                ";
    int left = progress->shown;
    ssize_t written = left > 0 ? write(STDERR_FILENO, "\r", 1) : -1;
    for (; left > 0 && written > 0; left -= (int) written)
        written = write(STDERR_FILENO, blanks, (size_t) left < sizeof(blanks) ? (size_t) left : sizeof(blanks) - 1);
    if (written > 0 && write(STDERR_FILENO, "\r", 1) < 0)
        errno = 0; // the terminal is gone
    progress->shown = 0;
}

void rb_progress_report_ready(const struct rb_wait_state *state)
{
    char text[RB_SAY_SIZE];
    struct rb_writer writer = rb_writer_on(text, sizeof(text));
    for (unsigned i = 0; i < state->count; i++) {
        const struct rb_wait_target *target = &state->targets[i];
        if (target->waited_ms < 1000)
            continue;
        rb_write_text(&writer, writer.length > 0 ? ", " : "");
        rb_write_number(&writer, target->waited_ms / 1000);
        rb_write_text(&writer, " s for ");
        rb_write_text(&writer, target->awaited.text);
    }
    if (writer.length > 0)
        rb_say_note("waited %s", text);
}

void rb_progress_report_timeout(const struct rb_wait_state *state)
{
    char limit[32];
    struct rb_writer writer = rb_writer_on(limit, sizeof(limit));
    write_limit(&writer, state->limit_ms);
    for (unsigned i = 0; i < state->count; i++) {
        const struct rb_wait_target *target = &state->targets[i];
        if (!target->ready)
            rb_say_error("%s is not ready after %s: %s", target->awaited.text, limit, rb_wait_state_reason(target));
    }
}

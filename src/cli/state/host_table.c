// SPDX-License-Identifier: MIT
// Formats the table of hosts.
#include "cli/state/host_table.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/escape.h"
#include "base/slice.h"

enum { CELL_SIZE = 192, HOST_SHARE = 3, SHARES = 5, PERCENT = 100 };

struct column {
    const char *title;
    unsigned width;
    bool right, wide; // right-aligned; only shown in a wide table
    unsigned share;   // share of the extra width of a wide terminal, in fifths
    void (*write)(const struct rb_view_cell *host, char *out, size_t size);
};

const char *rb_host_table_span(uint64_t ms, char out[24])
{
    static const struct {
        uint64_t ms;
        char unit;
    } units[] = {{86400000, 'd'}, {3600000, 'h'}, {60000, 'm'}, {1000, 's'}};
    unsigned i = 0;
    while (i < 3 && ms < 2 * units[i].ms)
        i++;
    snprintf(out, 24, "%" PRIu64 "%c", ms / units[i].ms + (ms % units[i].ms > 0), units[i].unit);
    return out;
}

unsigned rb_host_table_width(void)
{
    struct winsize size;
    const char *columns = getenv("COLUMNS");
    unsigned long wanted = columns ? strtoul(columns, NULL, 10) : 0;
    if (wanted > 0)
        return wanted > RB_TABLE_MAX ? RB_TABLE_MAX : (unsigned) wanted;
    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : RB_TABLE_NARROW;
}

static void host_table_write_host(const struct rb_view_cell *host, char *out, size_t size)
{
    snprintf(out, size, "%s", *host->host ? host->host : "(all of the policy)");
}

static void host_table_write_policy(const struct rb_view_cell *host, char *out, size_t size)
{
    snprintf(out, size, "%s", host->policy);
}

static void host_table_write_state(const struct rb_view_cell *host, char *out, size_t size)
{
    snprintf(out, size, "%s", rb_breaker_state_name(rb_snapshot_state(host)));
}

static void host_table_write_calls(const struct rb_view_cell *host, char *out, size_t size)
{
    snprintf(out, size, "%" PRIu64, host->calls);
}

static void write_percent(uint32_t hundredths, uint64_t calls, char *out, size_t size)
{
    if (calls == 0)
        snprintf(out, size, "-");
    else
        snprintf(out, size, "%" PRIu32 "%%", (hundredths + PERCENT / 2) / PERCENT);
}

static void write_failed(const struct rb_view_cell *host, char *out, size_t size)
{
    write_percent(host->failure_rate, host->calls, out, size);
}

static void write_slow(const struct rb_view_cell *host, char *out, size_t size)
{
    write_percent(host->slow_rate, host->calls, out, size);
}

static void host_table_write_retries(const struct rb_view_cell *host, char *out, size_t size)
{
    snprintf(out, size, "%" PRIu64, host->budget_milli / 1000);
}

static void write_refused(const struct rb_view_cell *host, char *out, size_t size)
{
    snprintf(out, size, "%" PRIu64, host->ended.rejected);
}

static void write_used(const struct rb_view_cell *host, char *out, size_t size)
{
    char span[24];
    snprintf(out, size, "%s", rb_host_table_span(host->used_ago_ms, span));
}

static void write_holder(const struct rb_view_cell *host, char *out, size_t size)
{
    const struct rb_view_holder *holder = &host->holders[0];
    char span[24];
    int length = snprintf(out, size, "pid %d, %s", holder->pid, rb_host_table_span(holder->lease_left_ms, span));
    if (host->holder_count > 1)
        snprintf(out + length, size - (size_t) length, " +%u", host->holder_count - 1);
}

// The consequence for callers of the host.
static void write_note(const struct rb_view_cell *host, char *out, size_t size)
{
    char span[24];
    if (host->forced != RB_FORCE_NONE)
        snprintf(out, size, "forced");
    else if (rb_snapshot_probe_is_due(host))
        snprintf(out, size, "probe due");
    else if (host->state == RB_BREAKER_OPEN)
        snprintf(out, size, host->refuses ? "refuses for %s" : "no retries, %s",
                 rb_host_table_span(host->next_probe_in_ms, span));
    else if (host->holder_count > 0)
        write_holder(host, out, size);
    else if (host->not_before_in_ms > 0)
        snprintf(out, size, "Retry-After %s", rb_host_table_span(host->not_before_in_ms, span));
    else
        *out = '\0';
}

static const struct column columns[] = {
    {"HOST", 24, .share = HOST_SHARE, .write = host_table_write_host},
    {"POLICY", 10, .share = SHARES - HOST_SHARE, .write = host_table_write_policy},
    {"STATE", 9, .write = host_table_write_state},
    {"CALLS", 5, .right = true, .write = host_table_write_calls},
    {"FAILED", 6, .right = true, .write = write_failed},
    {"SLOW", 4, .right = true, .write = write_slow},
    {"RETRIES", 7, .right = true, .wide = true, .write = host_table_write_retries},
    {"REFUSED", 7, .right = true, .wide = true, .write = write_refused},
    {"USED", 5, .right = true, .wide = true, .write = write_used},
    {"NOTE", 16, .write = write_note},
};
enum { COLUMNS = sizeof(columns) / sizeof(*columns) };

// Appends a text that is cut or padded to `room` columns.
static void host_table_put(struct rb_writer *line, const char *text, unsigned room, bool right)
{
    char shown[RB_TABLE_LINE];
    size_t used = rb_escape_fit(shown, sizeof(shown), text, room);
    rb_write_text(line, right ? "" : shown);
    while (used++ < room)
        rb_write_text(line, " ");
    rb_write_text(line, right ? shown : "");
}

static void write_line(const struct rb_view_cell *host, unsigned width, char *out)
{
    width = width < RB_TABLE_NARROW ? RB_TABLE_NARROW : width > RB_TABLE_MAX ? RB_TABLE_MAX : width;
    bool wide = width >= RB_TABLE_WIDE;
    unsigned more = width; // width that remains after the smallest width of all columns
    for (unsigned i = 0; i < COLUMNS; i++)
        if (!columns[i].wide || wide)
            more -= columns[i].width + (i > 0);
    struct rb_writer line = rb_writer_on(out, RB_TABLE_LINE);
    for (unsigned i = 0; i < COLUMNS; i++) {
        const struct column *column = &columns[i];
        char text[CELL_SIZE];
        unsigned room = column->width + more * column->share / SHARES;
        if (column->wide && !wide)
            continue;
        if (host)
            column->write(host, text, sizeof(text));
        else
            snprintf(text, sizeof(text), "%s", column->title);
        rb_write_text(&line, i > 0 ? " " : "");
        host_table_put(&line, text, room, column->right);
    }
    while (line.length > 0 && out[line.length - 1] == ' ')
        out[--line.length] = '\0';
}

void rb_host_table_head(unsigned width, char out[RB_TABLE_LINE])
{
    write_line(NULL, width, out);
}

void rb_host_table_row(const struct rb_view_cell *host, unsigned width, char out[RB_TABLE_LINE])
{
    write_line(host, width, out);
}

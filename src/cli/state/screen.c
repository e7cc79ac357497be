// SPDX-License-Identifier: MIT
// The lines of the screen of `rebound top`.
#include "cli/state/screen.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/escape.h"

static const char *const orders[RB_ORDERS] = {
    [RB_ORDER_STATE] = "state", [RB_ORDER_FAILURES] = "failures", [RB_ORDER_HOST] = "host"};

static void write_title(const struct rb_screen *screen, char *out, size_t size)
{
    const struct rb_snapshot *now = screen->now;
    snprintf(out, size, "rebound top  %u %s: %u open, %u half-open, %u closed  %u %s%s", now->host_count,
             now->host_count == 1 ? "host" : "hosts", now->in_state[RB_BREAKER_OPEN],
             now->in_state[RB_BREAKER_HALF_OPEN], now->in_state[RB_BREAKER_CLOSED], now->process_count,
             now->process_count == 1 ? "process" : "processes", screen->paused ? "  PAUSED" : "");
}

struct totals {
    uint64_t calls, retries, recovered, refused, failed;
};

static struct totals add_up(const struct rb_snapshot *snapshot)
{
    struct totals totals = {.recovered = rb_snapshot_ended_all(snapshot, RB_RESULT_RECOVERED),
                            .refused = rb_snapshot_ended_all(snapshot, RB_RESULT_REFUSED),
                            .failed = rb_snapshot_ended_all(snapshot, RB_RESULT_FAILED)};
    for (unsigned i = 0; i < snapshot->policy_count; i++) {
        const struct rb_view_policy *policy = &snapshot->policies[i];
        totals.calls += rb_snapshot_calls(policy);
        totals.retries += rb_snapshot_retries(policy);
    }
    return totals;
}

// Events per second between two looks. After a reset the new number is smaller; the rate is then 0.
static double screen_rate(uint64_t before, uint64_t now, uint64_t between_ms)
{
    return between_ms > 0 && now > before ? (double) (now - before) * 1000 / (double) between_ms : 0;
}

static void write_rates(const struct rb_screen *screen, char *out, size_t size)
{
    struct totals now = add_up(screen->now);
    if (!screen->before) {
        snprintf(out, size,
                 "calls %" PRIu64 "  retries %" PRIu64 "  recovered %" PRIu64 "  refused %" PRIu64 "  failed %" PRIu64,
                 now.calls, now.retries, now.recovered, now.refused, now.failed);
        return;
    }
    struct totals before = add_up(screen->before);
    uint64_t ms = screen->between_ms;
    snprintf(out, size, "calls %.1f/s  retries %.1f/s  recovered %.1f/s  refused %.1f/s  failed %.1f/s",
             screen_rate(before.calls, now.calls, ms), screen_rate(before.retries, now.retries, ms),
             screen_rate(before.recovered, now.recovered, ms), screen_rate(before.refused, now.refused, ms),
             screen_rate(before.failed, now.failed, ms));
}

static void write_place(const struct rb_screen *screen, char *out, size_t size)
{
    const char *trouble = screen->trouble;
    if (!trouble && !screen->file->present)
        trouble = "nothing has run under rebound yet";
    else if (!trouble && !screen->now->totals.reload_succeeded)
        trouble = "the last reload of a policy failed";
    snprintf(out, size, "%s%s%s", screen->file->path, trouble ? ": " : "", trouble ? trouble : "");
}

void rb_screen_line(const struct rb_screen *screen, unsigned number, unsigned width, char out[RB_TABLE_LINE])
{
    static void (*const lines[])(const struct rb_screen *, char *, size_t) = {write_title, write_rates, write_place};
    if (number >= sizeof(lines) / sizeof(*lines)) {
        rb_host_table_head(width, out);
        return;
    }
    char line[RB_POLICY_PATH_SIZE + RB_TABLE_MAX];
    lines[number](screen, line, sizeof(line));
    rb_escape_fit(out, RB_TABLE_LINE, line, width);
}

void rb_screen_keys(const struct rb_screen *screen, char out[RB_TABLE_LINE])
{
    snprintf(out, RB_TABLE_LINE, "q quit  s sort (by %s)  space %s  up/down/pgup/pgdn scroll", orders[screen->order],
             screen->paused ? "resume" : "pause");
}

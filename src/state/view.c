// SPDX-License-Identifier: MIT
// Reads a state file for commands, and changes its controls.
#include "state/view.h"

#include <string.h>
#include <strings.h>

#include "base/arithmetic.h"
#include "base/escape.h"
#include "engine/breaker_window.h"
#include "engine/breaker_word.h"
#include "engine/reading.h"
#include "real/system.h"
#include "state/label.h"
#include "state/ring.h"
#include "state/trouble.h"

enum { RATE_ONE = 10000, PID_MASK = (1 << RB_PROCESS_PID_BITS) - 1 };

static uint64_t read_word(const _Atomic uint64_t *word)
{
    return atomic_load_explicit(word, memory_order_relaxed);
}

enum rb_store_error rb_view_open(struct rb_view *view, const char *path, uid_t owner, bool writable)
{
    *view = (struct rb_view){.writable = writable};
    return rb_store_map_of(&view->state, path, owner, writable);
}

void rb_view_close(struct rb_view *view)
{
    rb_store_unmap(&view->state);
}

// ---- cells ----

static uint32_t rate(uint64_t part, uint64_t whole)
{
    return whole > 0 ? (uint32_t) (part * RATE_ONE / whole) : 0;
}

static void read_window(const struct rb_breaker *breaker, uint64_t now_ms, struct rb_view_cell *out)
{
    struct rb_window_counts counts = rb_window_count(breaker, &out->rules, now_ms, out->generation);
    out->calls = counts.calls;
    out->failed = counts.failed;
    out->slow = counts.slow;
    out->failure_rate = rate(counts.failed, counts.calls);
    out->slow_rate = rate(counts.slow, counts.calls);
}

// Returns the time left. A time further ahead than any policy allows (a day plus the 10 % jitter of an open time) comes
// from another clock and has no effect.
static uint64_t breaker_left_ms(uint64_t until_ms, uint64_t now_ms)
{
    const uint64_t day_ms = UINT64_C(24) * 60 * 60 * 1000;
    uint64_t left_ms = rb_arithmetic_sub(until_ms, now_ms);
    return left_ms <= day_ms + day_ms / 10 + RB_READINGS_APART_MS ? left_ms : 0;
}

static void read_holders(const struct rb_breaker *breaker, uint64_t now_ms, struct rb_view_cell *out)
{
    uint64_t until_ms, owner;
    for (uint32_t slot = 0; slot < RB_BREAKER_MAX_PROBES; slot++) {
        if (!rb_breaker_holder(breaker, slot, &until_ms, &owner))
            continue;
        out->holders[out->holder_count++] = (struct rb_view_holder){
            .pid = (int) (owner & PID_MASK),
            .start_ticks = owner >> RB_PROCESS_PID_BITS,
            .lease_left_ms = breaker_left_ms(until_ms, now_ms),
        };
    }
}

static void read_breaker(const struct rb_breaker *breaker, uint64_t now_ms, struct rb_view_cell *out)
{
    struct rb_breaker_word word = rb_breaker_word_unpack(atomic_load(&breaker->state));
    out->state = word.name;
    out->forced = rb_breaker_forced(breaker);
    out->refuses = rb_breaker_is_refusing(breaker, &out->rules);
    out->generation = word.generation;
    out->reopened = word.reopened;
    out->next_probe_in_ms = word.name == RB_BREAKER_OPEN ? breaker_left_ms(word.until_ms, now_ms) : 0;
    read_window(breaker, now_ms, out);
    read_holders(breaker, now_ms, out);
}

static struct rb_view_calls read_calls(const struct rb_host_counters *counters)
{
    uint64_t attempted = read_word(&counters->calls);
    return (struct rb_view_calls){
        .calls = attempted + read_word(&counters->unattempted),
        .attempts = attempted + read_word(&counters->retries),
        .failures = read_word(&counters->failures),
        .rejected = read_word(&counters->rejected),
    };
}

static void read_rest(const struct rb_cell *cell, uint64_t now_ms, struct rb_view_cell *out)
{
    uint64_t rules = read_word(&cell->budget_rules);
    struct rb_budget_rules budget = {.ratio = (uint32_t) (rules >> 32), .floor_milli = (uint32_t) rules};
    out->budget_milli = rb_budget_balance_milli(&cell->budget, &budget, now_ms);
    out->not_before_in_ms = rb_not_before_left_ms(&cell->not_before, now_ms, &out->not_before_queued);
    out->ended = read_calls(&cell->counters);
    out->used_ago_ms = rb_arithmetic_sub(now_ms, read_word(&cell->used_ms));
}

bool rb_view_cell(const struct rb_view *view, uint32_t index, uint64_t now_ms, struct rb_view_cell *out)
{
    *out = (struct rb_view_cell){0};
    if (index >= view->state.cell_count || !rb_label_read_cell(&view->state.cells[index], out->policy, out->host))
        return false;
    const struct rb_cell *cell = &view->state.cells[index];
    out->rules = rb_state_unpack_rules(read_word(&cell->rules));
    read_breaker(&cell->breaker, now_ms, out);
    read_rest(cell, now_ms, out);
    return true;
}

// ---- policies ----

bool rb_view_policy(const struct rb_view *view, unsigned index, struct rb_view_policy *out)
{
    *out = (struct rb_view_policy){0};
    if (index >= RB_STATE_POLICIES || !rb_label_read_policy(&view->state.policies[index], out->name))
        return false;
    const struct rb_counters *stripes = &view->state.counters[(size_t) index * RB_STATE_STRIPES];
    out->off = read_word(&view->state.policies[index].off) == 1;
    out->rest = read_calls(&view->state.policies[index].rest);
    for (unsigned stripe = 0; stripe < RB_STATE_STRIPES; stripe++)
        for (unsigned i = 0; i < RB_COUNTER_COUNT; i++)
            out->values[i] += read_word(&stripes[stripe].values[i]);
    return true;
}

// ---- events ----

static bool make_sense(const struct rb_ring_entry *entry)
{
    if (entry->verdict >= RB_VERDICT_COUNT || entry->api >= RB_API_COUNT || entry->cause >= RB_CAUSE_COUNT ||
        entry->reason >= RB_REASON_COUNT || entry->way >= RB_WAY_COUNT || entry->stack >= RB_STACK_COUNT)
        return false;
    bool about_log = entry->verdict == RB_VERDICT_LOG;
    return !about_log || (entry->status != RB_LOSS_NONE && entry->status < RB_LOSS_COUNT && entry->user <= UINT32_MAX);
}

static void read_event(const struct rb_ring_entry *entry, uint64_t number, struct rb_view_event *event)
{
    *event = (struct rb_view_event){
        .number = number,
        .unix_ms = entry->unix_ms,
        .pid = (int) (entry->process & PID_MASK),
        .verdict = (enum rb_verdict) entry->verdict,
        .api = (enum rb_api) entry->api,
        .cause = (enum rb_cause) entry->cause,
        .reason = (enum rb_reason) entry->reason,
        .way = (enum rb_way) entry->way,
        .stack = (enum rb_stack) entry->stack,
        .attempt = entry->attempt,
    };
    if (entry->verdict == RB_VERDICT_LOG) {
        event->log_error = (enum rb_loss) entry->status;
        event->user = (uint32_t) entry->user;
    } else {
        event->status = entry->status;
        event->delay_ms = entry->delay_ms;
    }
    memcpy(event->policy, entry->policy, sizeof(event->policy));
    memcpy(event->host, entry->host, sizeof(event->host));
    memcpy(event->program, entry->program, sizeof(event->program));
    memcpy(event->method, entry->method, sizeof(event->method));
    memcpy(event->path, entry->path, sizeof(event->path));
}

bool rb_view_event(const struct rb_view *view, uint64_t *after, struct rb_view_event *event)
{
    struct rb_ring_entry entry;
    uint64_t last = rb_view_event_last(view);
    uint64_t oldest = last > RB_STATE_EVENTS ? last - RB_STATE_EVENTS + 1 : 1;
    uint64_t first = *after >= oldest && *after <= last ? *after + 1 : oldest;
    uint64_t count = last >= first ? last - first + 1 : 0;
    for (uint64_t number = first; count > 0; count--, number++) {
        if (!rb_ring_get(&view->state, number, &entry) || !make_sense(&entry))
            continue;
        read_event(&entry, number, event);
        *after = number;
        return true;
    }
    return false;
}

uint64_t rb_view_event_last(const struct rb_view *view)
{
    return atomic_load_explicit(&view->state.header->event_next, memory_order_acquire);
}

// ---- processes and totals ----

bool rb_view_process(const struct rb_view *view, unsigned index, struct rb_view_process *process)
{
    uint64_t word = index < RB_STATE_PROCESSES ? read_word(&view->state.processes[index]) : 0;
    process->pid = (int) (word & PID_MASK);
    process->start_ticks = word >> RB_PROCESS_PID_BITS;
    return process->pid != 0;
}

void rb_view_totals(const struct rb_view *view, struct rb_view_totals *totals)
{
    const struct rb_state_header *header = view->state.header;
    uint64_t reload = read_word(&header->reload);
    *totals = (struct rb_view_totals){
        .created_s = read_word(&header->created_s),
        .events = read_word(&header->event_next),
        .events_lost = read_word(&header->event_lost),
        .evicted = read_word(&header->evicted),
        .crowded = read_word(&header->crowded),
        .uncounted = read_word(&header->uncounted),
        .reload_s = reload >> 1,
        .reload_succeeded = reload == 0 || (reload & 1),
        .log_lost = read_word(&header->log.lost),
    };
}

bool rb_view_trouble(const struct rb_view *view, struct rb_view_trouble *trouble)
{
    struct rb_state_trouble there;
    if (!rb_trouble_get(&view->state, &there))
        return false;
    *trouble = (struct rb_view_trouble){
        .unix_ms = there.unix_ms,
        .pid = (int) (there.process & PID_MASK),
        .user = there.user,
        .error = (enum rb_loss) there.error,
    };
    memcpy(trouble->destination, there.destination, sizeof(trouble->destination));
    memcpy(trouble->program, there.program, sizeof(trouble->program));
    return true;
}

// ---- controls ----

// Compares a label with a host that may lack its port.
static bool names_host(const char *label, const char *host)
{
    size_t length = strlen(host);
    if (length > 0 && host[length - 1] == '.')
        length--;
    if (length == 0 || strncasecmp(label, host, length) != 0)
        return false;
    const char *rest = label + length;
    return *rest == '\0' || (*rest == ':' && !strchr(rest + 1, ':'));
}

unsigned rb_view_force(struct rb_view *view, const char *host, enum rb_breaker_force force)
{
    char policy[RB_STATE_POLICY_SIZE], label[RB_STATE_HOST_SIZE], shown[RB_STATE_HOST_SIZE * RB_ESCAPED_SIZE];
    unsigned count = 0;
    for (uint32_t i = 0; view->writable && i < view->state.cell_count; i++) {
        struct rb_cell *cell = &view->state.cells[i];
        if (!rb_label_read_cell(cell, policy, label))
            continue;
        rb_escape_fit(shown, sizeof(shown), label, sizeof(shown));
        bool named = *label ? names_host(label, host) || names_host(shown, host) : strcmp(policy, host) == 0;
        if (!named)
            continue;
        rb_breaker_force(&cell->breaker, force);
        count++;
    }
    return count;
}

bool rb_view_switch(struct rb_view *view, const char *policy, bool off)
{
    struct rb_state_policy *place = view->writable ? rb_label_claim_policy(&view->state, policy) : NULL;
    if (!place)
        return false;
    if (off)
        atomic_store(&view->state.header->policies_off, 1);
    atomic_store(&place->off, off);
    return true;
}

void rb_view_reset(struct rb_view *view)
{
    if (view->writable)
        rb_state_reset(&view->state, (uint64_t) rb_system_unix_s());
}

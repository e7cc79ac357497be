// SPDX-License-Identifier: MIT
// A state whose words are overwritten with anything, under a reader and a writer: whatever stands there, every call
// returns, stays inside the mapping, and says what makes sense.
#ifndef RB_TESTS_STATE_PLAY_H
#define RB_TESTS_STATE_PLAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "engine/call.h"
#include "state/cells.h"
#include "state/label.h"
#include "state/ring.h"
#include "state/view.h"

enum { PLAY_CELLS = 16 };

static inline void play_require(bool holds)
{
    if (!holds)
        abort();
}

static inline struct rb_rules play_rules(uint64_t choice)
{
    struct rb_rules rules = {
        .attempts = 3,
        .backoff = {.kind = RB_BACKOFF_FIXED, .base_ms = 10, .cap_ms = 100},
        .causes = 1u << RB_CAUSE_REFUSED,
        .after_max_ms = 60000,
        .breaker_on = true,
        .breaker = {.time_window = choice & 1,
                    .window = choice & 2 ? 1024 : 5,
                    .min_calls = 3,
                    .failure_rate = 5000,
                    .slow_rate = 10000,
                    .slow_call_ms = 5,
                    .open_ms = 10,
                    .open_multiplier_milli = 2000,
                    .open_max_ms = 100,
                    .probes = choice & 4 ? RB_BREAKER_MAX_PROBES : 1,
                    .probe_lease_ms = 20,
                    .quorum = choice & 8 ? 3 : 1},
        .budget = {.ratio = 2000, .floor_milli = 3000},
    };
    if (rules.breaker.time_window)
        rules.breaker.window = 60;
    return rules;
}

static inline uint64_t play_owner(void)
{
    return UINT64_C(99) << RB_PROCESS_PID_BITS | 4711;
}

static inline void play_look(void)
{
}

// One call of the program on one of a few hosts.
static inline void play_write(const struct rb_state *state, uint64_t choice, uint64_t now_ms)
{
    static const struct rb_keeper keeper = {play_owner, play_look};
    struct rb_rules rules = play_rules(choice >> 8);
    struct rb_target target = {.name = "api.example", .name_length = 11, .port = (uint16_t) (choice % 40)};
    struct rb_outcome outcome = {.cause = choice & 64 ? RB_CAUSE_REFUSED : RB_CAUSE_NONE,
                                 .health = (enum rb_health)(choice >> 16 & 3)};
    struct rb_hint hint = {.verdict = choice >> 36 & 3, .wait_ms = choice & 128 ? choice >> 20 & 0xffff : 0};
    struct rb_call call;
    struct rb_cell *cell = rb_cell_in(state, choice % 40 + 1, "payments", &rules, &target, now_ms);
    play_require(!cell || (cell >= state->cells && cell < state->cells + state->cell_count));
    rb_cell_begin(cell, &call, &rules, 1000, now_ms);
    call.keeper = &keeper;
    play_require(rb_call_hold(&call, now_ms) <= 2 * rules.after_max_ms);
    if (!rb_call_admit(&call, now_ms, NULL))
        return;
    struct rb_decision decision =
        rb_call_judge(&call, &outcome, RB_REASON_NONE, true, &hint, now_ms + (choice >> 4 & 7), (uint32_t) choice);
    play_require(decision.delay_ms <= 2 * rules.after_max_ms);
    struct rb_ring_entry entry = {.unix_ms = now_ms, .verdict = RB_VERDICT_STOP, .api = RB_API_CURL};
    rb_state_pad(entry.policy, sizeof(entry.policy), "payments");
    rb_ring_put(state, &entry);
    if (cell && choice % 16 == 0)
        rb_breaker_transitions(&cell->breaker);
    if (choice % 32 == 0)
        rb_label_claim_policy(state, choice & 1024 ? "payments" : "search");
}

static inline bool play_is_text(const char *text, size_t size)
{
    return memchr(text, '\0', size) != NULL;
}

static inline void play_read_cells(const struct rb_view *view, uint64_t now_ms)
{
    struct rb_view_cell cell;
    for (uint32_t i = 0; i < view->state.cell_count; i++) {
        if (!rb_view_cell(view, i, now_ms, &cell))
            continue;
        play_require(play_is_text(cell.policy, sizeof(cell.policy)) && play_is_text(cell.host, sizeof(cell.host)));
        play_require((unsigned) cell.state < RB_BREAKER_STATES && (unsigned) cell.forced <= RB_FORCE_CLOSED);
        play_require(cell.holder_count <= RB_BREAKER_MAX_PROBES && rb_breaker_state_name(cell.state)[0]);
    }
}

// All that commands do.
static inline void play_read(struct rb_view *view, uint64_t choice, uint64_t now_ms)
{
    struct rb_view_policy policy;
    struct rb_view_process process;
    struct rb_view_totals totals;
    struct rb_view_event event;
    struct rb_view_trouble trouble;
    uint64_t after = choice & 1 ? 0 : choice;
    play_read_cells(view, now_ms);
    for (unsigned i = 0; i < RB_STATE_POLICIES; i++)
        play_require(!rb_view_policy(view, i, &policy) || play_is_text(policy.name, sizeof(policy.name)));
    for (unsigned i = 0; i < RB_STATE_PROCESSES; i++)
        play_require(!rb_view_process(view, i, &process) || process.pid > 0);
    for (unsigned i = 0; i < 2 * RB_STATE_EVENTS && rb_view_event(view, &after, &event); i++)
        play_require(rb_verdict_name(event.verdict)[0] && rb_api_name(event.api)[0] && rb_cause_name(event.cause)[0] &&
                     rb_reason_name(event.reason)[0] && play_is_text(event.host, sizeof(event.host)));
    rb_view_totals(view, &totals);
    play_require(!rb_view_trouble(view, &trouble) ||
                 (rb_loss_name(trouble.error)[0] && play_is_text(trouble.destination, sizeof(trouble.destination)) &&
                  play_is_text(trouble.program, sizeof(trouble.program))));
    if (choice % 64 == 0)
        rb_view_force(view, "api.example", (enum rb_breaker_force)(choice >> 8 & 3));
    if (choice % 256 == 0)
        rb_view_reset(view);
}

// Overwrites a word anywhere in the state: with anything, or with a part changed.
static inline void play_mutate(const struct rb_state *state, uint64_t where, uint64_t what)
{
    _Atomic uint64_t *words = (_Atomic uint64_t *) (void *) state->header;
    _Atomic uint64_t *word = &words[where % (rb_state_size(state->cell_count) / 8)];
    if (where >> 62 == 0)
        atomic_store(word, what);
    else if (where >> 62 == 1)
        atomic_fetch_xor(word, UINT64_C(1) << what % 64);
    else
        atomic_fetch_add(word, what % 1000);
}

#endif

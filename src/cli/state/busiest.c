// SPDX-License-Identifier: MIT
// Ranks the hosts of each policy by one of their numbers.
#include "cli/state/busiest.h"

#include <stdlib.h>
#include <string.h>

static uint64_t busiest_number_of(const struct rb_view_calls *calls, enum rb_busiest_number number)
{
    switch (number) {
    case RB_BUSIEST_ATTEMPTS:
        return calls->attempts;
    case RB_BUSIEST_FAILURES:
        return calls->failures;
    case RB_BUSIEST_REFUSED:
        return calls->rejected;
    case RB_BUSIEST_CALLS:
        break;
    }
    return calls->calls;
}

static bool is_rest(const struct rb_busiest *entry)
{
    return strcmp(entry->host, RB_BUSIEST_REST) == 0;
}

static int busiest_by_name(const void *left, const void *right)
{
    const struct rb_busiest *a = left, *b = right;
    int order = strcmp(a->policy, b->policy);
    return order != 0 ? order : strcmp(a->host, b->host);
}

// Sorts by number, largest first; the rest of a policy comes last.
static int by_rank(const void *left, const void *right)
{
    const struct rb_busiest *a = left, *b = right;
    int order = strcmp(a->policy, b->policy);
    if (order == 0)
        order = is_rest(a) - is_rest(b);
    if (order == 0)
        order = (a->value < b->value) - (a->value > b->value);
    return order != 0 ? order : strcmp(a->host, b->host);
}

static unsigned busiest_collect(const struct rb_snapshot *snapshot, enum rb_busiest_number number,
                                struct rb_busiest *list)
{
    unsigned count = 0;
    for (unsigned i = 0; i < snapshot->host_count; i++) {
        const struct rb_view_cell *host = &snapshot->hosts[i];
        list[count++] =
            (struct rb_busiest){host->policy, *host->host ? host->host : "*", busiest_number_of(&host->ended, number)};
    }
    for (unsigned i = 0; i < snapshot->policy_count; i++) {
        const struct rb_view_policy *policy = &snapshot->policies[i];
        list[count++] = (struct rb_busiest){policy->name, RB_BUSIEST_REST, busiest_number_of(&policy->rest, number)};
    }
    return count;
}

// Two cells can have the same name, because long names are cut.
static unsigned merge(struct rb_busiest *list, unsigned count)
{
    unsigned kept = 0;
    qsort(list, count, sizeof(*list), busiest_by_name);
    for (unsigned i = 0; i < count; i++)
        if (kept > 0 && busiest_by_name(&list[kept - 1], &list[i]) == 0)
            list[kept - 1].value += list[i].value;
        else
            list[kept++] = list[i];
    return kept;
}

// Adds the hosts after the first RB_BUSIEST_MAX to the rest, which follows them. A policy without a rest has no record
// in the state, so its hosts have counted nothing.
static unsigned sum_up_rest(struct rb_busiest *list, unsigned count)
{
    unsigned kept = 0, named = 0;
    uint64_t beyond = 0;
    const char *policy = "";
    qsort(list, count, sizeof(*list), by_rank);
    for (unsigned i = 0; i < count; i++) {
        struct rb_busiest entry = list[i];
        if (strcmp(policy, entry.policy) != 0)
            beyond = named = 0;
        policy = entry.policy;
        if (is_rest(&entry))
            entry.value += beyond;
        else if (named++ >= RB_BUSIEST_MAX)
            beyond += entry.value;
        if (is_rest(&entry) || named <= RB_BUSIEST_MAX)
            list[kept++] = entry;
    }
    return kept;
}

struct rb_busiest *rb_busiest_list(const struct rb_snapshot *snapshot, enum rb_busiest_number number, unsigned *count)
{
    struct rb_busiest *list = calloc(snapshot->host_count + snapshot->policy_count + 1, sizeof(*list));
    *count = list ? sum_up_rest(list, merge(list, busiest_collect(snapshot, number, list))) : 0;
    return list;
}

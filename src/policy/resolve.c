// SPDX-License-Identifier: MIT
// Computes a section's effective values: inheritance, parsing of values, checks across keys.
#include "policy/draft.h"
#include "policy/lists.h"
#include "policy/reader.h"
#include "policy/suggest.h"

// A combination of two keys that is an error. The error is reported at the first of the two that the section sets
// itself.
struct conflict {
    const char *first, *second;
    bool (*broken)(const struct rb_rules *rules);
    bool both_set; // an error only if the file sets both keys, so that no change of a default makes a file invalid
    const char *message; // a format for the two keys and their values
};

static bool base_over_cap(const struct rb_rules *rules)
{
    return rules->backoff.base_ms > rules->backoff.cap_ms;
}

static bool too_few_calls(const struct rb_rules *rules)
{
    return rules->breaker_on && !rules->breaker.time_window && rules->breaker.min_calls > rules->breaker.window;
}

static const struct conflict conflicts[] = {
    {"retry.base", "retry.cap", base_over_cap, false, "%s (%s) is over %s (%s), so every wait would be the cap"},
    {"breaker.min_calls", "breaker.window", too_few_calls, true,
     "%s (%s) is over %s (%s), which never holds so many calls"},
};

// Reports a value that has an error. A # after a blank was probably meant to begin a comment.
//   value: a terminated copy of entry->value, with the error at `offset`
static void complain_of_value(const struct rb_draft *draft, const struct rb_draft_value *entry, const char *value,
                              const char *wrong, unsigned offset)
{
    const struct rb_key *key = &draft->keys[entry->key];
    struct rb_slice source = entry->value, item = {value + offset, strcspn(value + offset, ",")};
    char expected[RB_KEY_EXPECTS_SIZE];
    for (size_t i = 1; i < source.length; i++) {
        if (source.at[i] == '#' && rb_char_blank(source.at[i - 1])) {
            rb_report_add(draft->report, &entry->line, rb_reader_column(&entry->line, source.at + i), NULL,
                          "a comment behind a value begins with ';', not with '#'");
            return;
        }
    }
    rb_key_kind_expects(key, value, expected, sizeof(expected));
    rb_report_add(draft->report, &entry->line, rb_reader_column(&entry->line, source.at) + offset,
                  rb_suggest_word(rb_slice_trim(item), key->words), "%s: %s; expected %s", key->name, wrong, expected);
}

static void read_value(const struct rb_draft *draft, const struct rb_draft_value *entry,
                       struct rb_section_values *values)
{
    const struct rb_key *key = &draft->keys[entry->key];
    const char *value = rb_arena_copy(draft->scratch, entry->value.at, entry->value.length);
    unsigned offset = 0;
    const char *wrong = value ? rb_key_kind_parse(key, values, value, &offset) : NULL;
    if (wrong)
        complain_of_value(draft, entry, value, wrong, offset);
}

void rb_resolve_section(const struct rb_draft *draft, const struct rb_draft_section *section,
                        const struct rb_section *base, struct rb_section *made, uint32_t *key_lines,
                        uint8_t *key_inherited)
{
    made->line = section->line.number;
    made->key_lines = key_lines;
    made->key_inherited = key_inherited;
    if (base)
        made->values = base->values;
    else
        rb_key_defaults(&made->values);
    for (unsigned i = 0; i < draft->key_count; i++) {
        const struct rb_draft_value *own = section->by_key[i];
        key_lines[i] = own ? own->line.number : base ? base->key_lines[i] : 0;
        key_inherited[i] = !own && key_lines[i] > 0;
    }
    // A section that restricts the methods restricts them for every status.
    unsigned methods = (unsigned) rb_key_find("retry.methods"), rejected = (unsigned) rb_key_find("retry.rejected");
    if (section->by_key[methods] && !section->by_key[rejected]) {
        rb_lists_reject_none(&made->values);
        key_lines[rejected] = key_lines[methods];
        key_inherited[rejected] = false;
    }
    for (const struct rb_draft_value *entry = section->values; entry; entry = entry->next)
        read_value(draft, entry, &made->values);
}

static void check_conflict(const struct rb_draft *draft, const struct rb_draft_section *section,
                           const struct rb_section *made, const struct conflict *conflict)
{
    unsigned first = (unsigned) rb_key_find(conflict->first), second = (unsigned) rb_key_find(conflict->second);
    const struct rb_draft_value *entry = section->by_key[first] ? section->by_key[first] : section->by_key[second];
    bool set = made->key_lines[first] > 0 && made->key_lines[second] > 0;
    if (!entry || (conflict->both_set && !set) || !conflict->broken(&made->rules))
        return;
    char values[2][32];
    rb_key_kind_format(&draft->keys[first], &made->values, values[0], sizeof(values[0]));
    rb_key_kind_format(&draft->keys[second], &made->values, values[1], sizeof(values[1]));
    rb_report_add(draft->report, &entry->line, rb_reader_column(&entry->line, entry->value.at), NULL, conflict->message,
                  conflict->first, values[0], conflict->second, values[1]);
}

void rb_resolve_check(const struct rb_draft *draft, const struct rb_draft_section *section,
                      const struct rb_section *made)
{
    for (unsigned i = 0; i < sizeof(conflicts) / sizeof(conflicts[0]); i++)
        check_conflict(draft, section, made, &conflicts[i]);
}

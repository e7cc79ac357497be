// SPDX-License-Identifier: MIT
// Reads a policy file into a draft: sections, keys and patterns, with errors in names.
#include "policy/draft.h"

#include "base/hash.h"
#include "policy/reader.h"
#include "policy/suggest.h"
#include "policy/value.h"

static const char section_default[] = "default", section_process[] = "rebound", key_hosts[] = "hosts";

// A section without hosts has no effect. If its name differs from a special name by at most this edit distance, the
// special name was probably meant.
enum { SECTION_SLIP_MAX = 2 };

static unsigned column_of(const struct rb_line *line, struct rb_slice slice)
{
    return rb_reader_column(line, slice.at);
}

enum { SHOWN_MAX = 80, WARNING_SIZE = 320 };

// Returns the precision for printing a slice with printf.
static int shown(struct rb_slice slice)
{
    return slice.length < SHOWN_MAX ? (int) slice.length : SHOWN_MAX;
}

// Returns the index in the table of [rebound], or -1.
static int find_process_key(const struct rb_draft *draft, struct rb_slice name)
{
    for (unsigned i = 0; i < draft->process_key_count; i++)
        if (rb_slice_is(name, draft->process_keys[i].name))
            return (int) i;
    return -1;
}

static bool name_clean(const struct rb_draft *draft, const struct rb_line *line, struct rb_slice name)
{
    if (name.length >= RB_SECTION_NAME_SIZE) {
        rb_report_add(draft->report, line, column_of(line, name), NULL, "the name of a section has at most %d bytes",
                      RB_SECTION_NAME_SIZE - 1);
        return false;
    }
    for (size_t i = 0; i < name.length; i++) {
        unsigned char byte = (unsigned char) name.at[i];
        if (byte < ' ' || byte > '~' || byte == '"' || byte == '\\' || byte == '[') {
            rb_report_add(draft->report, line, column_of(line, name) + (unsigned) i, NULL,
                          "a character that the name of a section may not have");
            return false;
        }
    }
    return true;
}

// The reader's callback for a section header.
static void begin_section(void *user, const struct rb_line *line, struct rb_slice name)
{
    struct rb_draft *draft = user;
    struct rb_draft_section *section = rb_arena_take(draft->scratch, sizeof(*section));
    if (!section) {
        draft->current = NULL;
        return;
    }
    section->kind = RB_DRAFT_POLICY;
    if (!name.at || !name_clean(draft, line, name))
        section->kind = RB_DRAFT_REJECTED;
    else if (rb_slice_is(name, section_process))
        section->kind = RB_DRAFT_PROCESS;
    else if (rb_slice_is(name, section_default))
        section->kind = RB_DRAFT_DEFAULT;
    section->name = name;
    section->line = *line;
    draft->section_count += section->kind == RB_DRAFT_POLICY || section->kind == RB_DRAFT_DEFAULT;
    *draft->last_section = section;
    draft->last_section = &section->next;
    draft->current = section;
}

static void complain_of_twin(const struct rb_draft *draft, const struct rb_line *line, struct rb_slice key,
                             unsigned first)
{
    rb_report_add(draft->report, line, column_of(line, key), NULL, "%.*s is already set on line %u", shown(key), key.at,
                  first);
}

static void add_host(struct rb_draft *draft, const struct rb_line *line, struct rb_slice text)
{
    struct rb_draft_host *host = rb_arena_take(draft->scratch, sizeof(*host));
    size_t offset = 0;
    const char *better = NULL;
    if (!host)
        return;
    // The pattern's key points into this text, so the text must live as long as the policy.
    char *kept = rb_arena_copy(draft->arena, text.at, text.length);
    host->text = (struct rb_slice){kept, text.length};
    const char *wrong =
        kept ? rb_pattern_parse(host->text, draft->arena, &host->pattern, &offset, &better) : "memory ran out";
    if (wrong) {
        rb_report_add(draft->report, line, column_of(line, text) + (unsigned) offset, better, "%s", wrong);
        return;
    }
    host->line = *line;
    host->column = column_of(line, text);
    draft->current->wide |= host->pattern.kind == RB_PATTERN_ANY;
    host->section = draft->current;
    *draft->last_host = host;
    draft->last_host = &host->next;
    draft->host_count++;
}

static void add_hosts(struct rb_draft *draft, const struct rb_line *line, struct rb_slice key, struct rb_slice value)
{
    struct rb_slice item;
    draft->current->hosts = true;
    if (draft->current->kind == RB_DRAFT_DEFAULT) {
        rb_report_add(draft->report, line, column_of(line, key), NULL,
                      "hosts has no place in [default], which covers the hosts that no section names");
    }
    while (rb_slice_next(&value, &item))
        if (item.length == 0)
            rb_report_add(draft->report, line, column_of(line, item), NULL, "an empty pattern in the list of hosts");
        else
            add_host(draft, line, item);
}

// The functions that complain are not inlined, so that only wrong policies pay for their large stack frames.

__attribute__((noinline)) static void complain_of_process_value(const struct rb_draft *draft,
                                                                const struct rb_line *line, const struct rb_key *key,
                                                                struct rb_slice value, unsigned offset,
                                                                const char *wrong)
{
    char text[SHOWN_MAX + 1], expected[RB_KEY_EXPECTS_SIZE];
    unsigned column = column_of(line, value) + offset;
    struct rb_writer writer = rb_writer_on(text, sizeof(text));
    rb_write_bytes(&writer, value.at, value.length);
    rb_key_kind_expects(key, text, expected, sizeof(expected));
    if (key->kind == RB_KEY_GLOBS)
        rb_report_add(draft->report, line, column, NULL, "%s", wrong);
    else if (wrong == rb_value_path_too_long)
        rb_report_add(draft->report, line, column, NULL, "%s: %s", key->name, wrong);
    else if (wrong == rb_value_unknown_word)
        rb_report_add(draft->report, line, column, rb_suggest_word(value, key->words), "%s: '%s' is %s; expected %s",
                      key->name, text, wrong, expected);
    else
        rb_report_add(draft->report, line, column, NULL, "%s: %s; expected %s", key->name, wrong, expected);
}

// Warns of the names in a list of programs that no program can have.
__attribute__((noinline)) static void warn_of_names(const struct rb_draft *draft, const struct rb_line *line,
                                                    struct rb_slice list)
{
    struct rb_slice item;
    while (rb_slice_next(&list, &item)) {
        const char *slash = memrchr(item.at, '/', item.length);
        size_t directory = slash ? (size_t) (slash + 1 - item.at) : 0;
        bool quoted = !slash && item.length > 2 && item.at[0] == '\'' && item.at[item.length - 1] == '\'';
        bool dots = rb_slice_is(item, ".") || rb_slice_is(item, "..");
        const char *better = NULL;
        if (directory > 0 && directory < item.length)
            better = rb_arena_copy(draft->scratch, item.at + directory, item.length - directory);
        else if (quoted)
            better = rb_arena_copy(draft->scratch, item.at + 1, item.length - 2);
        if (directory == 0 && !quoted && !dots)
            continue;
        char *message = rb_arena_take(draft->scratch, WARNING_SIZE);
        struct rb_writer writer = {message, WARNING_SIZE, 0};
        if (message) {
            rb_write_text(&writer, "no program is named ");
            rb_write_bytes(&writer, item.at, item.length);
            rb_write_text(&writer, directory > 0 ? ": names are compared without directory" : "");
            rb_write_text(&writer, quoted ? ": the quotation marks belong to the name" : "");
        }
        rb_report_warn(draft->report, line, column_of(line, item), better, message);
    }
}

static void add_process(struct rb_draft *draft, const struct rb_line *line, struct rb_slice name, struct rb_slice value,
                        unsigned which)
{
    const struct rb_key *key = &draft->process_keys[which];
    if (draft->process_lines[which] > 0 && draft->current->kind == RB_DRAFT_PROCESS) {
        complain_of_twin(draft, line, name, draft->process_lines[which]);
        return;
    }
    draft->process_lines[which] = line->number;
    char *text = rb_arena_copy(draft->arena, value.at, value.length); // the rules point to it
    unsigned offset, errors = 0;
    const char *wrong = NULL;
    for (const char *at = text; at && (wrong = rb_key_kind_parse(key, &draft->process, at, &offset)); errors++) {
        complain_of_process_value(draft, line, key, value, (unsigned) (at - text) + offset, wrong);
        // The other items of a list are checked too.
        const char *comma = key->kind == RB_KEY_GLOBS ? strchr(at + offset, ',') : NULL;
        at = comma ? comma + 1 : NULL;
    }
    if (text && errors == 0 && key->kind == RB_KEY_GLOBS) {
        warn_of_names(draft, line, value);
        rb_value_join_globs(text);
    }
}

__attribute__((noinline)) static void complain_of_process_key(const struct rb_draft *draft, const struct rb_line *line,
                                                              struct rb_slice key)
{
    struct rb_suggestion search = rb_suggest_begin(key);
    bool elsewhere = rb_slice_is(key, key_hosts);
    for (unsigned i = 0; i < draft->key_count; i++)
        elsewhere |= rb_slice_is(key, draft->keys[i].name);
    for (unsigned i = 0; i < draft->process_key_count && !elsewhere; i++)
        rb_suggest_offer(&search, draft->process_keys[i].name);
    rb_report_add(draft->report, line, column_of(line, key), search.best,
                  elsewhere ? "%.*s belongs in the section of a policy, not in [rebound]" : "unknown key %.*s",
                  shown(key), key.at);
}

__attribute__((noinline)) static void complain_of_key(const struct rb_draft *draft, const struct rb_line *line,
                                                      struct rb_slice key)
{
    const char *message = "unknown key %.*s";
    struct rb_suggestion search = rb_suggest_begin(key);
    if (find_process_key(draft, key) >= 0) {
        message = "%.*s belongs in [rebound]";
    } else {
        for (unsigned i = 0; i < draft->key_count; i++)
            rb_suggest_offer(&search, draft->keys[i].name);
        rb_suggest_offer(&search, key_hosts);
    }
    rb_report_add(draft->report, line, column_of(line, key), search.best, message, shown(key), key.at);
}

static void add_value(struct rb_draft *draft, const struct rb_line *line, struct rb_slice key, struct rb_slice value)
{
    int index = rb_key_find_slice(key);
    if (index < 0) {
        complain_of_key(draft, line, key);
        return;
    }
    struct rb_draft_value **first = &draft->current->by_key[index];
    if (*first) {
        complain_of_twin(draft, line, key, (*first)->line.number);
        return;
    }
    struct rb_draft_value *entry = rb_arena_take(draft->scratch, sizeof(*entry));
    if (entry) {
        *entry =
            (struct rb_draft_value){draft->current->values, (unsigned) index, *line, value, RB_ORIGIN_SECTION, key.at};
        draft->current->values = *first = entry;
    }
}

// The reader's callback for a pair.
static void add_pair(void *user, const struct rb_line *line, struct rb_slice key, struct rb_slice value)
{
    struct rb_draft *draft = user;
    if (!draft->current) {
        rb_report_add(draft->report, line, column_of(line, key), NULL, "%.*s stands before the first section",
                      shown(key), key.at);
        return;
    }
    enum rb_draft_kind kind = draft->current->kind;
    int process = find_process_key(draft, key);
    if (process >= 0 && (kind == RB_DRAFT_PROCESS || kind == RB_DRAFT_REJECTED))
        add_process(draft, line, key, value, (unsigned) process);
    else if (kind == RB_DRAFT_PROCESS)
        complain_of_process_key(draft, line, key);
    else if (rb_slice_is(key, key_hosts))
        add_hosts(draft, line, key, value);
    else
        add_value(draft, line, key, value);
}

void rb_draft_read(struct rb_draft *draft, struct rb_arena *arena, struct rb_arena *scratch, struct rb_report *report,
                   struct rb_slice text, const struct rb_pairs *pairs)
{
    static const struct rb_reader_events events = {begin_section, add_pair};
    *draft = (struct rb_draft){.arena = arena, .scratch = scratch, .report = report};
    draft->keys = rb_key_table(&draft->key_count);
    draft->process_keys = rb_key_process_table(&draft->process_key_count);
    rb_key_process_defaults(&draft->process);
    draft->last_section = &draft->sections;
    draft->last_host = &draft->hosts;
    rb_draft_pairs_read(draft, pairs);
    rb_reader_run(text.at, text.length, report, &events, draft);
}

static void check_slip(const struct rb_draft *draft, const struct rb_draft_section *section)
{
    if (section->kind != RB_DRAFT_POLICY || section->hosts)
        return;
    struct rb_suggestion search = rb_suggest_begin(section->name);
    rb_suggest_offer(&search, section_default);
    rb_suggest_offer(&search, section_process);
    if (search.best && search.distance <= SECTION_SLIP_MAX) {
        rb_report_add(draft->report, &section->line, column_of(&section->line, section->name), search.best,
                      "section [%.*s] has no hosts and therefore no effect", shown(section->name), section->name.at);
    }
}

// A hash set of list entries.
struct set {
    const void **slots;
    uint32_t mask;
};

static bool make_set(struct set *set, uint32_t count, struct rb_arena *scratch)
{
    uint32_t size = 2;
    while (size < 2 * (uint64_t) count)
        size *= 2;
    set->mask = size - 1;
    set->slots = rb_arena_take(scratch, size * sizeof(*set->slots));
    return set->slots != NULL;
}

// Returns the element equal to `added`, or adds it and returns NULL.
static const void *meet(struct set *set, uint64_t hash, const void *added, bool (*same)(const void *, const void *))
{
    uint32_t at = (uint32_t) hash & set->mask;
    for (; set->slots[at]; at = (at + 1) & set->mask)
        if (same(set->slots[at], added))
            return set->slots[at];
    set->slots[at] = added;
    return NULL;
}

static bool same_name(const void *a, const void *b)
{
    const struct rb_draft_section *left = a, *right = b;
    return left->name.length == right->name.length && memcmp(left->name.at, right->name.at, left->name.length) == 0;
}

static bool same_pattern(const void *a, const void *b)
{
    const struct rb_draft_host *left = a, *right = b;
    return rb_pattern_same(&left->pattern, &right->pattern);
}

static void check_section_twins(const struct rb_draft *draft)
{
    uint32_t count = 0;
    for (const struct rb_draft_section *section = draft->sections; section; section = section->next)
        count++;
    struct set set;
    if (!make_set(&set, count, draft->scratch))
        return;
    for (const struct rb_draft_section *section = draft->sections; section; section = section->next) {
        if (section->kind == RB_DRAFT_REJECTED)
            continue;
        check_slip(draft, section);
        uint64_t hash = rb_hash_name(section->name.at, section->name.length);
        const struct rb_draft_section *twin = meet(&set, hash, section, same_name);
        if (twin) {
            rb_report_add(draft->report, &section->line, column_of(&section->line, section->name), NULL,
                          "duplicate section [%.*s]; first used on line %u", shown(section->name), section->name.at,
                          twin->line.number);
        }
    }
}

void rb_draft_check_duplicates(const struct rb_draft *draft)
{
    struct set set;
    check_section_twins(draft);
    if (!make_set(&set, draft->host_count, draft->scratch))
        return;
    for (const struct rb_draft_host *host = draft->hosts; host; host = host->next) {
        const struct rb_draft_host *twin = meet(&set, rb_pattern_hash(&host->pattern), host, same_pattern);
        if (twin) {
            rb_report_add(draft->report, &host->line, host->column, NULL, "duplicate pattern; first used on line %u",
                          twin->line.number);
        }
    }
}

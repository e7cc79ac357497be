// SPDX-License-Identifier: MIT
// A policy file as it was read: what each section and line is, and errors in names.
#include "policy/draft.h"

#include "base/hash.h"
#include "policy/reader.h"
#include "policy/suggest.h"
#include "policy/value.h"

static const char *const process_keys[RB_PROCESS_KEYS] = {"log",      "programs", "skip",
                                                          "deepbind", "state",    "state.cells"};
static const char section_default[] = "default", section_process[] = "rebound", key_hosts[] = "hosts";

// A section without hosts has no effect; when its name is this near to a special one, that one was meant.
enum { SECTION_SLIP_MAX = 2 };

static unsigned column_of(const struct rb_line *line, struct rb_slice slice)
{
    return rb_reader_column(line, slice.at);
}

// snprintf's precision argument.
static int shown(struct rb_slice slice)
{
    enum { SHOWN_MAX = 80 };
    return slice.length < SHOWN_MAX ? (int) slice.length : SHOWN_MAX;
}

static int find_word(struct rb_slice word, const char *const *words, int count)
{
    for (int i = 0; i < count; i++) {
        if (rb_slice_is(word, words[i])) {
            return i;
        }
    }
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

static enum rb_draft_kind kind_of(struct rb_slice name)
{
    if (rb_slice_is(name, section_process)) {
        return RB_DRAFT_PROCESS;
    }
    return rb_slice_is(name, section_default) ? RB_DRAFT_DEFAULT : RB_DRAFT_POLICY;
}

// The reader's event for a header.
static void begin_section(void *user, const struct rb_line *line, struct rb_slice name)
{
    struct rb_draft *draft = user;
    struct rb_draft_section *section = rb_arena_take(draft->scratch, sizeof(*section));
    if (!section) {
        draft->current = NULL;
        return;
    }
    bool known = name.at && name_clean(draft, line, name);
    section->kind = known ? kind_of(name) : RB_DRAFT_LOST;
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
    if (!host) {
        return;
    }
    // The pattern's key points into its text, which must outlive the file.
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
    while (rb_slice_next(&value, &item)) {
        if (item.length == 0) {
            rb_report_add(draft->report, line, column_of(line, item), NULL, "an empty pattern in the list of hosts");
        } else {
            add_host(draft, line, item);
        }
    }
}

static bool log_known(struct rb_slice value)
{
    return memchr(value.at, '/', value.length) || memchr(value.at, '.', value.length) || rb_slice_is(value, "off") ||
           rb_slice_is(value, "stderr");
}

// A bare word that is neither of the two known ones is rather a slip than the name of a file.
static const char *keep_log(struct rb_draft *draft, const struct rb_line *line, struct rb_slice value)
{
    if (!log_known(value)) {
        struct rb_suggestion search = rb_suggest_begin(value);
        rb_suggest_offer(&search, "off");
        rb_suggest_offer(&search, "stderr");
        rb_report_add(draft->report, line, column_of(line, value), search.best,
                      "log: '%.*s' is not a known word; expected off, stderr, or a file such as ./%.*s", shown(value),
                      value.at, shown(value), value.at);
    }
    return rb_arena_copy(draft->arena, value.at, value.length);
}

// The globs of a list with one space between them.
static const char *keep_globs(struct rb_draft *draft, const struct rb_line *line, struct rb_slice value)
{
    char *list = rb_arena_copy(draft->arena, value.at, value.length);
    if (!list) {
        return NULL;
    }
    struct rb_writer writer = rb_writer_on(list, value.length + 1);
    struct rb_slice item;
    while (rb_slice_next(&value, &item)) {
        const char *blank = memchr(item.at, ' ', item.length);
        if (item.length == 0 || blank) {
            rb_report_add(draft->report, line, rb_reader_column(line, blank ? blank : item.at), NULL,
                          blank ? "a blank in the name of a program: commas separate names"
                                : "an empty item in the list of programs");
            continue;
        }
        rb_write_text(&writer, writer.length > 0 ? " " : "");
        rb_write_bytes(&writer, item.at, item.length);
    }
    return list;
}

static const char *keep_deepbind(struct rb_draft *draft, const struct rb_line *line, struct rb_slice value)
{
    static const char *const words[] = {"clear", "keep"};
    if (find_word(value, words, 2) < 0) {
        struct rb_suggestion search = rb_suggest_begin(value);
        rb_suggest_offer(&search, words[0]);
        rb_suggest_offer(&search, words[1]);
        rb_report_add(draft->report, line, column_of(line, value), search.best,
                      "deepbind: '%.*s' is not a known word; expected clear or keep", shown(value), value.at);
    }
    return rb_arena_copy(draft->arena, value.at, value.length);
}

// Only a whole path: programs change their directory.
static const char *keep_state(struct rb_draft *draft, const struct rb_line *line, struct rb_slice value)
{
    static const char *const words[] = {"shared", "private"};
    if (value.length >= RB_POLICY_PATH_SIZE) {
        rb_report_add(draft->report, line, column_of(line, value), NULL, "state: the path is too long");
    } else if (value.at[0] != '/' && find_word(value, words, 2) < 0) {
        struct rb_suggestion search = rb_suggest_begin(value);
        rb_suggest_offer(&search, words[0]);
        rb_suggest_offer(&search, words[1]);
        rb_report_add(draft->report, line, column_of(line, value), search.best,
                      "state: '%.*s' is not a known word; expected shared, private, or a file such as /run/rebound",
                      shown(value), value.at);
    }
    return rb_arena_copy(draft->arena, value.at, value.length);
}

static const char *keep_cells(struct rb_draft *draft, const struct rb_line *line, struct rb_slice value)
{
    char *text = rb_arena_copy(draft->arena, value.at, value.length);
    unsigned offset = 0;
    uint32_t cells;
    const char *wrong = text ? rb_value_count(text, &offset, RB_CELLS_MIN, RB_CELLS_MAX, &cells) : NULL;
    if (wrong) {
        rb_report_add(draft->report, line, column_of(line, value) + offset, NULL,
                      "state.cells: %s; expected a number from %d to %d", wrong, RB_CELLS_MIN, RB_CELLS_MAX);
    }
    return text;
}

static const char *keep_process(struct rb_draft *draft, const struct rb_line *line, struct rb_slice value, int which)
{
    switch (which) {
    case RB_PROCESS_LOG:
        return keep_log(draft, line, value);
    case RB_PROCESS_DEEPBIND:
        return keep_deepbind(draft, line, value);
    case RB_PROCESS_STATE:
        return keep_state(draft, line, value);
    case RB_PROCESS_CELLS:
        return keep_cells(draft, line, value);
    default:
        return keep_globs(draft, line, value);
    }
}

static void add_process(struct rb_draft *draft, const struct rb_line *line, struct rb_slice key, struct rb_slice value,
                        int which)
{
    if (draft->process_lines[which] > 0 && draft->current->kind == RB_DRAFT_PROCESS) {
        complain_of_twin(draft, line, key, draft->process_lines[which]);
        return;
    }
    draft->process_lines[which] = line->number;
    draft->process[which] = keep_process(draft, line, value, which);
}

static void complain_of_process_key(const struct rb_draft *draft, const struct rb_line *line, struct rb_slice key)
{
    struct rb_suggestion search = rb_suggest_begin(key);
    bool elsewhere = rb_slice_is(key, key_hosts);
    for (unsigned i = 0; i < draft->key_count; i++) {
        elsewhere |= rb_slice_is(key, draft->keys[i].name);
    }
    for (unsigned i = 0; i < RB_PROCESS_KEYS && !elsewhere; i++) {
        rb_suggest_offer(&search, process_keys[i]);
    }
    rb_report_add(draft->report, line, column_of(line, key), search.best,
                  elsewhere ? "%.*s belongs in the section of a policy, not in [rebound]" : "unknown key %.*s",
                  shown(key), key.at);
}

static void complain_of_key(const struct rb_draft *draft, const struct rb_line *line, struct rb_slice key)
{
    const char *message = "unknown key %.*s";
    struct rb_suggestion search = rb_suggest_begin(key);
    if (find_word(key, process_keys, RB_PROCESS_KEYS) >= 0) {
        message = "%.*s belongs in [rebound]";
    } else {
        for (unsigned i = 0; i < draft->key_count; i++) {
            rb_suggest_offer(&search, draft->keys[i].name);
        }
        rb_suggest_offer(&search, key_hosts);
    }
    rb_report_add(draft->report, line, column_of(line, key), search.best, message, shown(key), key.at);
}

static void add_value(struct rb_draft *draft, const struct rb_line *line, struct rb_slice key, struct rb_slice value)
{
    char name[64] = "";
    memcpy(name, key.at, key.length < sizeof(name) ? key.length : 0); // a longer one is no key
    int index = rb_key_find(name);
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
        *entry = (struct rb_draft_value){draft->current->values, (unsigned) index, *line, value};
        draft->current->values = *first = entry;
    }
}

// The reader's event for a pair.
static void add_pair(void *user, const struct rb_line *line, struct rb_slice key, struct rb_slice value)
{
    struct rb_draft *draft = user;
    if (!draft->current) {
        rb_report_add(draft->report, line, column_of(line, key), NULL, "%.*s stands before the first section",
                      shown(key), key.at);
        return;
    }
    enum rb_draft_kind kind = draft->current->kind;
    int process = find_word(key, process_keys, RB_PROCESS_KEYS);
    if (process >= 0 && (kind == RB_DRAFT_PROCESS || kind == RB_DRAFT_LOST)) {
        add_process(draft, line, key, value, process);
    } else if (kind == RB_DRAFT_PROCESS) {
        complain_of_process_key(draft, line, key);
    } else if (rb_slice_is(key, key_hosts)) {
        add_hosts(draft, line, key, value);
    } else {
        add_value(draft, line, key, value);
    }
}

void rb_draft_read(struct rb_draft *draft, struct rb_arena *arena, struct rb_arena *scratch, struct rb_report *report,
                   const char *text, size_t length)
{
    static const struct rb_reader_events events = {begin_section, add_pair};
    *draft = (struct rb_draft){.arena = arena, .scratch = scratch, .report = report};
    draft->keys = rb_key_table(&draft->key_count);
    draft->last_section = &draft->sections;
    draft->last_host = &draft->hosts;
    rb_reader_run(text, length, report, &events, draft);
}

static void check_slip(const struct rb_draft *draft, const struct rb_draft_section *section)
{
    if (section->kind != RB_DRAFT_POLICY || section->hosts) {
        return;
    }
    struct rb_suggestion search = rb_suggest_begin(section->name);
    rb_suggest_offer(&search, section_default);
    rb_suggest_offer(&search, section_process);
    if (search.best && search.distance <= SECTION_SLIP_MAX) {
        rb_report_add(draft->report, &section->line, column_of(&section->line, section->name), search.best,
                      "section [%.*s] has no hosts and therefore no effect", shown(section->name), section->name.at);
    }
}

// A set of list entries by hash.
struct set {
    const void **slots;
    uint32_t mask;
};

static bool make_set(struct set *set, uint32_t count, struct rb_arena *scratch)
{
    uint32_t size = 2;
    while (size < 2 * (uint64_t) count) {
        size *= 2;
    }
    set->mask = size - 1;
    set->slots = rb_arena_take(scratch, size * sizeof(*set->slots));
    return set->slots != NULL;
}

// The element equal to `added`, or NULL after putting `added` in.
static const void *meet(struct set *set, uint64_t hash, const void *added, bool (*same)(const void *, const void *))
{
    uint32_t at = (uint32_t) hash & set->mask;
    for (; set->slots[at]; at = (at + 1) & set->mask) {
        if (same(set->slots[at], added)) {
            return set->slots[at];
        }
    }
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
    for (const struct rb_draft_section *section = draft->sections; section; section = section->next) {
        count++;
    }
    struct set set;
    if (!make_set(&set, count, draft->scratch)) {
        return;
    }
    for (const struct rb_draft_section *section = draft->sections; section; section = section->next) {
        if (section->kind == RB_DRAFT_LOST) {
            continue;
        }
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

void rb_draft_check_twins(const struct rb_draft *draft)
{
    struct set set;
    check_section_twins(draft);
    if (!make_set(&set, draft->host_count, draft->scratch)) {
        return;
    }
    for (const struct rb_draft_host *host = draft->hosts; host; host = host->next) {
        const struct rb_draft_host *twin = meet(&set, rb_pattern_hash(&host->pattern), host, same_pattern);
        if (twin) {
            rb_report_add(draft->report, &host->line, host->column, NULL, "duplicate pattern; first used on line %u",
                          twin->line.number);
        }
    }
}

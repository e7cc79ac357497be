// SPDX-License-Identifier: MIT
// The policy object: parsing, and access to its parts.
#include "policy/policy.h"

#include <errno.h>
#include <stdatomic.h>

#include "base/file.h"
#include "policy/builtin.h"
#include "policy/draft.h"
#include "policy/glob.h"
#include "policy/index.h"

// The policy is allocated in its own arena.
struct rb_policy {
    struct rb_arena arena;
    uint64_t serial;
    struct rb_process_rules process;
    const struct rb_section *sections;
    unsigned section_count;
    const struct rb_section *rest; // [default], or NULL: hosts without a pattern are not covered
    struct rb_index index;
};

static _Atomic uint64_t serials;

// How often a file is read again if it changes while it is read.
enum { LOAD_TRIES = 3 };

// Bytes for the names of the built-in policies in a message.
enum { KNOWN_SIZE = 128 };

// Makes one section. [default] may stand anywhere in the file, so it is made before the sections that inherit from it.
static int make_section(struct rb_policy *policy, const struct rb_draft *draft, struct rb_draft_section *section,
                        struct rb_section *made)
{
    uint8_t *origins = rb_arena_take(&policy->arena, draft->key_count * sizeof(*origins));
    uint32_t *places = rb_arena_take(&policy->arena, draft->key_count * sizeof(*places));
    made->name = rb_arena_copy(&policy->arena, section->name.at, section->name.length);
    if (!origins || !places || !made->name)
        return -ENOMEM;
    rb_resolve_section(draft, section, policy->rest, made, origins, places);
    rb_resolve_check(draft, section, made);
    made->wide = section->wide;
    section->made = made;
    return 0;
}

// Makes the sections of one kind. Indexes count the sections of both kinds in the order of the file.
static int make_kind(struct rb_policy *policy, const struct rb_draft *draft, struct rb_section *sections,
                     enum rb_draft_kind kind)
{
    unsigned index = 0;
    int result = 0;
    for (struct rb_draft_section *section = draft->sections; section && result == 0; section = section->next) {
        struct rb_section *made = &sections[index];
        if (section->kind == kind) {
            made->index = index;
            result = make_section(policy, draft, section, made);
        }
        if (section->kind == RB_DRAFT_DEFAULT && kind == RB_DRAFT_DEFAULT)
            policy->rest = made;
        index += section->kind == RB_DRAFT_POLICY || section->kind == RB_DRAFT_DEFAULT;
    }
    return result;
}

static int make_sections(struct rb_policy *policy, const struct rb_draft *draft)
{
    struct rb_section *sections = rb_arena_take(&policy->arena, draft->section_count * sizeof(*sections));
    if (!sections)
        return -ENOMEM;
    policy->sections = sections;
    policy->section_count = draft->section_count;
    int result = make_kind(policy, draft, sections, RB_DRAFT_DEFAULT);
    return result ? result : make_kind(policy, draft, sections, RB_DRAFT_POLICY);
}

static int make_index(struct rb_policy *policy, const struct rb_draft *draft, struct rb_arena *scratch)
{
    struct rb_pattern *patterns = rb_arena_take(scratch, draft->host_count * sizeof(*patterns));
    struct rb_pattern_record *records = rb_arena_take(&policy->arena, draft->host_count * sizeof(*records));
    if (!patterns || !records)
        return -ENOMEM;
    uint32_t count = 0;
    for (const struct rb_draft_host *host = draft->hosts; host; host = host->next, count++) {
        patterns[count] = host->pattern;
        records[count] = (struct rb_pattern_record){{host->text.at, host->line.number}, host->section->made};
    }
    policy->index.records = records;
    return rb_index_build(&policy->index, patterns, count, &policy->arena, scratch);
}

static int policy_build(struct rb_policy *policy, struct rb_arena *scratch, struct rb_report *report,
                        struct rb_slice text, const struct rb_pairs *pairs)
{
    struct rb_draft *draft = rb_arena_take(scratch, sizeof(*draft));
    if (!draft)
        return -ENOMEM;
    rb_draft_read(draft, &policy->arena, scratch, report, text, pairs);
    policy->process = draft->process;
    int result = make_sections(policy, draft);
    rb_draft_check_duplicates(draft);
    rb_draft_pairs_check(draft);
    if (policy->arena.failed || scratch->failed)
        return -ENOMEM;
    if (result != 0 || report->count > 0)
        return result ? result : report->count > report->elsewhere ? -EINVAL : -EDOM;
    return make_index(policy, draft, scratch);
}

// Parses text. `scratch` holds the data that the report points to; the caller releases it.
static int parse(struct rb_slice text, const char *name, const struct rb_pairs *pairs, struct rb_policy **out,
                 struct rb_arena *scratch, rb_report_fn *receive, void *context)
{
    struct rb_arena arena = {0};
    struct rb_policy *policy = rb_arena_take(&arena, sizeof(*policy));
    if (!policy)
        return -ENOMEM;
    policy->arena = arena;
    policy->serial = atomic_fetch_add_explicit(&serials, 1, memory_order_relaxed) + 1;
    struct rb_report report = {.scratch = scratch, .file = name};
    int result = policy_build(policy, scratch, &report, text, pairs);
    rb_report_deliver(&report, receive, context);
    if (result != 0) {
        rb_policy_free(policy);
        return result;
    }
    *out = policy;
    return 0;
}

int rb_policy_parse(struct rb_slice text, const char *name, const struct rb_pairs *pairs, struct rb_policy **out,
                    rb_report_fn *report, void *context)
{
    struct rb_arena scratch = {0};
    *out = NULL;
    int result = parse(text, name, pairs, out, &scratch, report, context);
    rb_arena_release(&scratch);
    return result;
}

int rb_policy_check_pairs(const struct rb_pairs *pairs, rb_report_fn *report, void *context)
{
    static const struct rb_slice nothing = {"", 0};
    struct rb_arena scratch = {0};
    struct rb_report found = {.scratch = &scratch};
    struct rb_draft *draft = rb_arena_take(&scratch, sizeof(*draft));
    if (draft)
        rb_draft_read(draft, &scratch, &scratch, &found, nothing, pairs);
    rb_report_deliver(&found, report, context);
    int result = scratch.failed ? -ENOMEM : found.count > 0 ? -EDOM : 0;
    rb_arena_release(&scratch);
    return result;
}

static const char *policy_describe(int error)
{
    switch (error) {
    case -ENOENT:
        return "there is no such file";
    case -EACCES:
    case -EPERM:
        return "the file cannot be read: permission denied";
    case -EISDIR:
        return "this is a directory";
    case -EFBIG:
        return "the file is larger than 64 MiB";
    case -EINVAL:
        return "this is not a regular file";
    case -EAGAIN:
        return "the file changes while it is read";
    case -ENOMEM:
        return "memory ran out";
    default:
        return NULL;
    }
}

static void report_unreadable(const char *path, int error, struct rb_arena *scratch, rb_report_fn *receive,
                              void *context)
{
    static const struct rb_line whole_file = {0};
    struct rb_report report = {.scratch = scratch, .file = path};
    const char *text = policy_describe(error);
    if (text)
        rb_report_add(&report, &whole_file, 0, NULL, "%s", text);
    else
        rb_report_add(&report, &whole_file, 0, NULL, "the file cannot be read: error %d", -error);
    rb_report_deliver(&report, receive, context);
}

// Reports that there is no built-in policy of this name, and lists those that exist.
static void report_unknown(const char *path, struct rb_arena *scratch, rb_report_fn *receive, void *context)
{
    static const struct rb_line whole_file = {0};
    struct rb_report report = {.scratch = scratch, .file = path};
    char known[KNOWN_SIZE];
    struct rb_writer writer = rb_writer_on(known, sizeof(known));
    for (unsigned i = 0; rb_builtin_path(i); i++) {
        rb_write_text(&writer, i == 0 ? "" : rb_builtin_path(i + 1) ? ", " : " and ");
        rb_write_text(&writer, rb_builtin_path(i));
    }
    rb_report_add(&report, &whole_file, 0, rb_builtin_suggest(path),
                  "there is no built-in policy of this name; the names are %s", known);
    rb_report_deliver(&report, receive, context);
}

static int policy_load(const char *path, const struct rb_pairs *pairs, struct rb_policy **out, struct rb_arena *scratch,
                       rb_report_fn *receive, void *context)
{
    struct rb_slice text;
    if (rb_builtin_is(path)) {
        text.at = rb_builtin_policy(path, &text.length);
        if (text.at)
            return parse(text, path, pairs, out, scratch, receive, context);
        report_unknown(path, scratch, receive, context);
        return -ENOENT;
    }
    int result = -EAGAIN;
    for (int tries = 0; result == -EAGAIN && tries < LOAD_TRIES; tries++)
        result = rb_file_read(path, scratch, &text, NULL);
    if (result != 0) {
        report_unreadable(path, result, scratch, receive, context);
        return result;
    }
    return parse(text, path, pairs, out, scratch, receive, context);
}

int rb_policy_load(const char *path, const struct rb_pairs *pairs, struct rb_policy **out, rb_report_fn *report,
                   void *context)
{
    struct rb_arena scratch = {0};
    *out = NULL;
    int result = policy_load(path, pairs, out, &scratch, report, context);
    rb_arena_release(&scratch);
    return result;
}

void rb_policy_free(struct rb_policy *policy)
{
    if (policy) {
        struct rb_arena arena = policy->arena; // a copy, because the policy lies in the arena
        rb_arena_release(&arena);
    }
}

const struct rb_section *rb_policy_match(const struct rb_policy *policy, const struct rb_target *target,
                                         struct rb_match *why)
{
    const struct rb_pattern_record *record = rb_match_find(&policy->index, target);
    if (why)
        *why = record ? record->written : (struct rb_match){NULL, policy->rest ? policy->rest->line : 0};
    if (record)
        return record->section;
    return target->family == AF_UNIX ? NULL : policy->rest;
}

uint64_t rb_policy_serial(const struct rb_policy *policy)
{
    return policy->serial;
}

const struct rb_process_rules *rb_policy_process(const struct rb_policy *policy)
{
    return &policy->process;
}

static bool list_matches(const char *globs, struct rb_slice name)
{
    while (*globs) {
        struct rb_slice glob = {globs, strcspn(globs, " ")};
        if (rb_glob_match_slice(glob, name))
            return true;
        globs += glob.length + (globs[glob.length] == ' ');
    }
    return false;
}

bool rb_policy_covers_program(const struct rb_policy *policy, const char *executable, const char *started)
{
    const char *const paths[] = {executable, started ? started : executable};
    bool listed = false, skipped = false;
    for (unsigned i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        const char *slash = strrchr(paths[i], '/');
        struct rb_slice name = rb_slice_of(slash ? slash + 1 : paths[i]);
        listed = listed || list_matches(policy->process.programs, name);
        skipped = skipped || list_matches(policy->process.skip, name);
    }
    return listed && !skipped;
}

const struct rb_section *rb_policy_section(const struct rb_policy *policy, unsigned index)
{
    return index < policy->section_count ? &policy->sections[index] : NULL;
}

unsigned rb_policy_pattern_count(const struct rb_policy *policy)
{
    return policy->index.count;
}

// SPDX-License-Identifier: MIT
// Reads the pairs that override a policy.
#include "policy/draft.h"
#include "policy/reader.h"
#include "policy/suggest.h"

static const char separators[] = " \t\r\n";

// Bytes for the list of keys in a message, and the longest part of a word in a message.
enum { KEYS_SIZE = 128, WORD_SHOWN = 80 };

struct text {
    struct rb_draft *draft;
    struct rb_line line; // the whole text
    enum rb_origin origin;
};

#define refuse_pair(from, at, better, ...)                                                                             \
    rb_report_add((from)->draft->report, &(from)->line, rb_reader_column(&(from)->line, at), better, __VA_ARGS__)

// Writes the keys, but one item for all keys that begin with the same word and a dot: "intercept, retry.*".
static void write_keys(const struct rb_draft *draft, char out[KEYS_SIZE])
{
    struct rb_writer writer = rb_writer_on(out, KEYS_SIZE);
    for (unsigned i = 0; i < draft->key_count; i++) {
        const char *name = draft->keys[i].name;
        size_t length = strcspn(name, ".");
        if (i > 0 && name[length] && strncmp(name, draft->keys[i - 1].name, length + 1) == 0)
            continue;
        rb_write_text(&writer, i > 0 ? ", " : "");
        rb_write_bytes(&writer, name, length);
        rb_write_text(&writer, name[length] ? ".*" : "");
    }
}

// Reports an error for a key of [rebound] and for hosts. Returns false for another word.
static bool complain_of_place(struct text *from, struct rb_slice word)
{
    const struct rb_draft *draft = from->draft;
    if (rb_slice_is(word, "hosts")) {
        refuse_pair(from, word.at, NULL, "hosts cannot be set here: write it into a section of a policy file");
        return true;
    }
    for (unsigned i = 0; i < draft->process_key_count; i++) {
        const char *name = draft->process_keys[i].name, *place = "write it into [rebound] of a policy file";
        if (!rb_slice_is(word, name))
            continue;
        if (strcmp(name, "log") == 0)
            place = "use --log or REBOUND_LOG";
        else if (strcmp(name, "state") == 0)
            place = "use REBOUND_STATE";
        refuse_pair(from, word.at, NULL, "%s cannot be set here: %s", name, place);
        return true;
    }
    return false;
}

// Reports an unknown word. In "payments.retry.attempts", the part behind the first dot may be a key.
__attribute__((noinline)) static void complain_of_word(struct text *from, struct rb_slice word)
{
    const struct rb_draft *draft = from->draft;
    struct rb_suggestion search = rb_suggest_begin(word);
    const char *dot = memchr(word.at, '.', word.length);
    struct rb_slice behind = {dot ? dot + 1 : word.at, dot ? word.length - (size_t) (dot + 1 - word.at) : 0};
    const char *inner = NULL;
    char keys[KEYS_SIZE];
    int shown = word.length < WORD_SHOWN ? (int) word.length : WORD_SHOWN;
    for (unsigned i = 0; i < draft->key_count; i++) {
        rb_suggest_offer(&search, draft->keys[i].name);
        inner = rb_slice_is(behind, draft->keys[i].name) ? draft->keys[i].name : inner;
    }
    write_keys(draft, keys);
    if (inner)
        refuse_pair(from, word.at, inner, "unknown key %.*s: a pair takes effect in all sections", shown, word.at);
    else if (search.best)
        refuse_pair(from, word.at, search.best, "unknown key %.*s", shown, word.at);
    else
        refuse_pair(from, word.at, NULL, "unknown key %.*s; the keys are %s", shown, word.at, keys);
}

// Reads one word between blanks. Tests the value now, so that an error is reported once and not for each section.
static void read_word(struct text *from, struct rb_slice word, struct rb_section_values *trial)
{
    const char *equals = memchr(word.at, '=', word.length);
    struct rb_slice key = {word.at, equals ? (size_t) (equals - word.at) : word.length};
    struct rb_slice value = {equals ? equals + 1 : word.at, equals ? word.length - key.length - 1 : 0};
    unsigned errors = from->draft->report->count;
    int index = rb_key_find_slice(key);
    if (!equals)
        refuse_pair(from, word.at, NULL, "'=' is missing: blanks separate pairs KEY=VALUE");
    else if (key.length == 0)
        refuse_pair(from, word.at, NULL, "the key before '=' is missing");
    else if (index < 0 && !complain_of_place(from, key))
        complain_of_word(from, key);
    else if (index >= 0 && value.length == 0)
        refuse_pair(from, equals, NULL, "the value after '=' is missing");
    if (from->draft->report->count > errors)
        return;
    struct rb_draft_value *entry = rb_arena_take(from->draft->scratch, sizeof(*entry));
    if (!entry)
        return;
    *entry = (struct rb_draft_value){NULL, (unsigned) index, from->line, value, from->origin, key.at};
    rb_resolve_value(from->draft, entry, trial);
    if (from->draft->report->count == errors)
        from->draft->override[index] = entry;
}

static bool is_text_clean(struct text *from)
{
    struct rb_slice text = from->line.text;
    if (text.length > RB_PAIRS_MAX) {
        refuse_pair(from, text.at + RB_PAIRS_MAX, NULL, "the text is too long: at most %d bytes are allowed",
                    RB_PAIRS_MAX);
        return false;
    }
    for (size_t i = 0; i < text.length; i++) {
        unsigned char byte = (unsigned char) text.at[i];
        if ((byte < ' ' && !strchr(separators, byte)) || byte == 0x7f) {
            refuse_pair(from, text.at + i, NULL, "a control character in the text");
            return false;
        }
    }
    return true;
}

static void read_text(struct rb_draft *draft, const char *name, const char *text, enum rb_origin origin)
{
    struct text from = {draft, {.file = name}, origin};
    struct rb_section_values *trial = text ? rb_arena_take(draft->scratch, sizeof(*trial)) : NULL;
    if (!trial)
        return;
    rb_key_defaults(trial);
    from.line.text = rb_slice_of(text);
    if (!is_text_clean(&from))
        return;
    for (text += strspn(text, separators); *text; text += strspn(text, separators)) {
        struct rb_slice word = {text, strcspn(text, separators)};
        read_word(&from, word, trial);
        text += word.length;
    }
}

void rb_draft_pairs_check(const struct rb_draft *draft)
{
    const struct rb_draft_value *wait = draft->override[rb_key_find("start.wait")];
    bool hosts = false;
    for (const struct rb_draft_section *section = draft->sections; section; section = section->next)
        hosts |= section->kind == RB_DRAFT_POLICY && section->hosts;
    if (wait && !hosts && !rb_slice_is(wait->value, "off"))
        rb_report_add(draft->report, &wait->line, rb_reader_column(&wait->line, wait->at), NULL,
                      "start.wait needs a section with hosts, and the policy has none: use the policy builtin:patient");
}

void rb_draft_pairs_read(struct rb_draft *draft, const struct rb_pairs *pairs)
{
    if (!pairs)
        return;
    read_text(draft, "REBOUND_SET", pairs->environment, RB_ORIGIN_ENVIRONMENT);
    read_text(draft, "--set", pairs->option, RB_ORIGIN_OPTION);
}

// SPDX-License-Identifier: MIT
// Reads, writes and describes the value of a key by its kind.
#include "policy/key.h"
#include "policy/value.h"

enum { SECOND_WORD = 1 };

static const struct rb_scale *scale_of(enum rb_key_kind kind)
{
    switch (kind) {
    case RB_KEY_FACTOR:
        return &rb_scale_factor;
    case RB_KEY_RATIO:
        return &rb_scale_ratio;
    case RB_KEY_RATE:
        return &rb_scale_rate;
    default:
        return &rb_scale_count;
    }
}

static const char *key_kind_read_word(const struct rb_key *key, void *field, const char *value, unsigned *offset)
{
    unsigned index;
    const char *wrong = rb_value_word(value, offset, key->words, &index);
    if (!wrong && key->kind == RB_KEY_SWITCH)
        *(bool *) field = index == SECOND_WORD;
    else if (!wrong)
        memcpy(field, &index, sizeof(index));
    return wrong;
}

// An unknown bare word is more likely a misspelt word than a file name, so a file name needs a slash or a dot. A path
// that programs open later must be absolute, because they may change their working directory.
static const char *key_kind_read_name(const struct rb_key *key, const char **field, const char *value, unsigned *offset)
{
    unsigned index;
    bool path = key->kind == RB_KEY_PATH;
    if (path && strlen(value) > key->max) {
        *offset = 0;
        return rb_value_path_too_long;
    }
    if (!(path ? value[0] == '/' : strchr(value, '/') || strchr(value, '.'))) {
        const char *wrong = rb_value_word(value, offset, key->words, &index);
        if (wrong)
            return wrong;
    }
    *field = value;
    return NULL;
}

const char *rb_key_kind_parse(const struct rb_key *key, void *rules, const char *value, unsigned *offset)
{
    void *field = (char *) rules + key->target;
    const char *wrong = NULL;
    switch (key->kind) {
    case RB_KEY_COUNT:
        return rb_value_count(value, offset, key->min, key->max, field);
    case RB_KEY_FACTOR:
    case RB_KEY_RATIO:
    case RB_KEY_RATE:
        return rb_value_scaled(value, offset, scale_of(key->kind), (uint32_t) key->min, (uint32_t) key->max, field);
    case RB_KEY_DURATION:
        return rb_value_duration(value, offset, key->min, key->max, field);
    case RB_KEY_LIMIT:
        return rb_value_limit(value, offset, key->words[0], key->min, key->max, field);
    case RB_KEY_SWITCH:
    case RB_KEY_WORD:
        return key_kind_read_word(key, field, value, offset);
    case RB_KEY_FILE:
    case RB_KEY_PATH:
        return key_kind_read_name(key, field, value, offset);
    case RB_KEY_GLOBS:
        wrong = rb_value_globs(value, offset);
        if (!wrong)
            *(const char **) field = value;
        return wrong;
    case RB_KEY_OWN:
        break;
    }
    return key->own->read(rules, value, offset);
}

unsigned long rb_key_kind_format(const struct rb_key *key, const void *rules, char *out, unsigned long size)
{
    const void *field = (const char *) rules + key->target;
    uint64_t ms = 0;
    unsigned index = 0;
    switch (key->kind) {
    case RB_KEY_COUNT:
    case RB_KEY_FACTOR:
    case RB_KEY_RATIO:
    case RB_KEY_RATE:
        return rb_value_write_scaled(out, size, *(const uint32_t *) field, scale_of(key->kind));
    case RB_KEY_DURATION:
    case RB_KEY_LIMIT:
        ms = *(const uint64_t *) field;
        return ms == 0 && key->kind == RB_KEY_LIMIT ? rb_value_write(out, size, key->words[0])
                                                    : rb_value_write_duration(ms, out, size);
    case RB_KEY_SWITCH:
        return rb_value_write(out, size, key->words[*(const bool *) field ? SECOND_WORD : 0]);
    case RB_KEY_WORD:
        memcpy(&index, field, sizeof(index));
        return rb_value_write(out, size, key->words[index]);
    case RB_KEY_FILE:
    case RB_KEY_PATH:
        return rb_value_write(out, size, *(const char *const *) field);
    case RB_KEY_GLOBS:
        return rb_value_write_tokens(out, size, *(const char *const *) field);
    case RB_KEY_OWN:
        break;
    }
    return key->own->write(rules, out, size);
}

// "a", "a or b", "a, b or c".
static void describe_words(struct rb_writer *writer, const char *const *words)
{
    for (unsigned i = 0; words[i]; i++) {
        rb_write_text(writer, i == 0 ? "" : words[i + 1] ? ", " : " or ");
        rb_write_text(writer, words[i]);
    }
}

static void describe_number(struct rb_writer *writer, const struct rb_key *key, const char *what)
{
    const struct rb_scale *scale = scale_of(key->kind);
    rb_write_text(writer, what);
    rb_write_scaled(writer, key->min, scale->decimals);
    rb_write_text(writer, scale->unit);
    rb_write_text(writer, " to ");
    rb_write_scaled(writer, key->max, scale->decimals);
    rb_write_text(writer, scale->unit);
}

static void describe_duration(struct rb_writer *writer, const struct rb_key *key)
{
    char min[32], max[32];
    rb_value_write_duration(key->min, min, sizeof(min));
    rb_value_write_duration(key->max, max, sizeof(max));
    rb_write_text(writer, "a duration ");
    if (key->min > 0) {
        rb_write_text(writer, "from ");
        rb_write_text(writer, min);
        rb_write_text(writer, " to ");
        rb_write_text(writer, max);
    } else {
        rb_write_text(writer, "up to ");
        rb_write_text(writer, max);
        rb_write_text(writer, ", such as 200ms");
    }
}

static void describe_file(struct rb_writer *writer, const struct rb_key *key, const char *value)
{
    for (unsigned i = 0; key->words[i]; i++) {
        rb_write_text(writer, key->words[i]);
        rb_write_text(writer, ", ");
    }
    rb_write_text(writer, key->kind == RB_KEY_PATH ? "or a file such as /run/rebound" : "or a file such as ./");
    rb_write_text(writer, key->kind == RB_KEY_PATH ? "" : value);
}

unsigned long rb_key_kind_expects(const struct rb_key *key, const char *value, char *out, unsigned long size)
{
    struct rb_writer writer = rb_writer_on(out, size);
    if (key->text) {
        rb_write_text(&writer, key->text);
        return writer.length;
    }
    switch (key->kind) {
    case RB_KEY_COUNT:
        describe_number(&writer, key, "a number from ");
        break;
    case RB_KEY_FACTOR:
        describe_number(&writer, key, "a number from ");
        rb_write_text(&writer, ", with up to three decimals");
        break;
    case RB_KEY_RATIO:
        describe_number(&writer, key, "a percentage from ");
        break;
    case RB_KEY_RATE:
        describe_number(&writer, key, "a rate from ");
        break;
    case RB_KEY_DURATION:
        describe_duration(&writer, key);
        break;
    case RB_KEY_LIMIT:
        describe_duration(&writer, key);
        rb_write_text(&writer, ", or ");
        rb_write_text(&writer, key->words[0]);
        break;
    case RB_KEY_SWITCH:
        describe_words(&writer, (const char *const[]){key->words[SECOND_WORD], key->words[0], NULL});
        break;
    case RB_KEY_WORD:
        describe_words(&writer, key->words);
        break;
    case RB_KEY_FILE:
    case RB_KEY_PATH:
        describe_file(&writer, key, value);
        break;
    case RB_KEY_GLOBS:
    case RB_KEY_OWN: // these have a text
        break;
    }
    return writer.length;
}

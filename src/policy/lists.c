// SPDX-License-Identifier: MIT
// Reads and writes the values of retry.on, retry.rejected, retry.methods, retry.idempotency_headers and intercept.
#include "policy/lists.h"

#include "policy/value.h"

// The methods that IANA's HTTP Method Registry marks as safe: RFC 9110, section 9.2.1 (GET, HEAD, OPTIONS, TRACE); RFC
// 4918, section 9.1 (PROPFIND); RFC 3253, section 3.6 (REPORT); RFC 5323, section 2 (SEARCH).
#define METHODS_SAFE "GET HEAD OPTIONS TRACE PROPFIND REPORT SEARCH"

// The methods that are idempotent but not safe: RFC 9110, section 9.2.2 (PUT, DELETE); RFC 4918, sections 9.2
// (PROPPATCH), 9.3 (MKCOL), 9.8 (COPY), 9.9 (MOVE) and 9.11 (UNLOCK). LOCK and POST are not idempotent.
#define METHODS_IDEMPOTENT METHODS_SAFE " PUT DELETE PROPPATCH MKCOL COPY MOVE UNLOCK"

static const struct method_set {
    const char *word;
    const char *methods;
} method_sets[] = {{"safe", METHODS_SAFE}, {"idempotent", METHODS_IDEMPOTENT}, {"all", "*"}};

enum { METHOD_SETS = sizeof(method_sets) / sizeof(method_sets[0]) };

static const struct cause_word {
    const char *word;
    enum rb_cause cause;
} causes[] = {{"refused", RB_CAUSE_REFUSED},
              {"unreachable", RB_CAUSE_UNREACHABLE},
              {"reset", RB_CAUSE_RESET},
              {"timeout", RB_CAUSE_TIMEOUT},
              {"dns", RB_CAUSE_DNS}};

enum { CAUSE_WORDS = sizeof(causes) / sizeof(causes[0]) };

static const struct intercept_word {
    const char *word;
    uint32_t bit;
} intercepts[] = {{"curl", RB_INTERCEPT_CURL},
                  {"connect", RB_INTERCEPT_CONNECT},
                  {"dns", RB_INTERCEPT_DNS},
                  {"http", RB_INTERCEPT_HTTP}};

enum { INTERCEPT_WORDS = sizeof(intercepts) / sizeof(intercepts[0]) };

enum { STATUS_CLASS_SIZE = 100 };

const char *const rb_lists_cause_words[] = {"refused", "unreachable", "reset",     "timeout",
                                            "dns",     "none",        "throttled", NULL};
const char *const rb_lists_rejected_words[] = {"throttled", "none", NULL};
const char *const rb_lists_intercept_words[] = {"curl", "connect", "dns", "http", "off", NULL};
const char *const rb_lists_method_words[] = {
    "safe",     "idempotent", "all",    "GET",   "HEAD",   "OPTIONS", "TRACE", "POST", "PUT",       "DELETE", "PATCH",
    "PROPFIND", "REPORT",     "SEARCH", "MKCOL", "UNLOCK", "LOCK",    "COPY",  "MOVE", "PROPPATCH", NULL};

static const char *list_fail(unsigned *offset, const char *value, const char *at, const char *message)
{
    *offset = (unsigned) (at - value);
    return message;
}

static void separate(struct rb_writer *writer)
{
    rb_write_text(writer, writer->length > 0 ? ", " : "");
}

// A list of causes and statuses: the values of retry.on or retry.rejected. They are read into this struct first,
// because a struct rb_rules is too large for small stacks.
struct list_causes {
    uint32_t bits;
    bool throttled;
    uint64_t statuses[RB_STATUS_WORDS];
};

// Adds statuses to the list, or removes them.
static void put_statuses(struct list_causes *list, unsigned first, unsigned count, bool in)
{
    for (unsigned status = first; status < first + count; status++)
        rb_rules_put(list->statuses, status, in);
}

// Reads "503" or "5xx".
static bool read_status(struct list_causes *list, struct rb_slice item, bool in)
{
    if (item.length != 3 || item.at[0] < '4' || item.at[0] > '5')
        return false;
    unsigned class = (unsigned) (item.at[0] - '0') * STATUS_CLASS_SIZE;
    if (rb_char_lower(item.at[1]) == 'x' && rb_char_lower(item.at[2]) == 'x') {
        put_statuses(list, class, STATUS_CLASS_SIZE, in);
        return true;
    }
    if (!rb_char_digit(item.at[1]) || !rb_char_digit(item.at[2]))
        return false;
    put_statuses(list, class + (unsigned) (item.at[1] - '0') * 10 + (unsigned) (item.at[2] - '0'), 1, in);
    return true;
}

// Reads one item without its sign.
//   with_causes: words for causes other than `throttled` are allowed
static const char *read_cause(struct list_causes *list, struct rb_slice item, bool in, bool with_causes)
{
    for (unsigned i = 0; with_causes && i < CAUSE_WORDS; i++) {
        if (rb_slice_is(item, causes[i].word)) {
            uint32_t bit = 1U << causes[i].cause;
            list->bits = in ? list->bits | bit : list->bits & ~bit;
            return NULL;
        }
    }
    if (rb_slice_is(item, "throttled")) {
        list->throttled = in;
        return NULL;
    }
    if (rb_slice_is(item, "none"))
        return "'none' stands alone";
    if (item.length == 0)
        return "an empty item in the list";
    if (rb_char_digit(item.at[0]))
        return read_status(list, item, in) ? NULL : "a status is 400 to 599, or a class such as 5xx";
    return "not a known word";
}

// Reads a list. Items with a sign change the list that is there; without signs, a new list begins.
static const char *read_causes(struct list_causes *list, const char *value, bool with_causes, unsigned *offset)
{
    struct rb_slice rest = rb_slice_of(value), item;
    bool changes = value[0] == '+' || value[0] == '-';
    if (!changes)
        *list = (struct list_causes){0};
    while (strcmp(value, "none") != 0 && rb_slice_next(&rest, &item)) {
        bool sign = item.length > 0 && (item.at[0] == '+' || item.at[0] == '-'), in = !sign || item.at[0] == '+';
        if (item.length > 0 && sign != changes)
            return list_fail(offset, value, item.at, "either all items have a sign (+409, -500) or none has");
        item.at += sign;
        item.length -= sign;
        const char *wrong = read_cause(list, item, in, with_causes);
        if (wrong)
            return list_fail(offset, value, item.at, wrong);
    }
    return NULL;
}

const char *rb_lists_read_causes(struct rb_section_values *values, const char *value, unsigned *offset)
{
    struct rb_rules *rules = &values->rules;
    struct list_causes list = {.bits = rules->causes & ~(1U << RB_CAUSE_STATUS), .throttled = rules->throttled};
    memcpy(list.statuses, rules->statuses, sizeof(list.statuses));
    const char *wrong = read_causes(&list, value, true, offset);
    if (wrong)
        return wrong;
    bool any = list.throttled;
    for (unsigned i = 0; i < RB_STATUS_WORDS; i++)
        any |= list.statuses[i] != 0;
    rules->causes = list.bits | (any ? 1U << RB_CAUSE_STATUS : 0);
    rules->throttled = list.throttled;
    memcpy(rules->statuses, list.statuses, sizeof(rules->statuses));
    return NULL;
}

const char *rb_lists_read_rejected(struct rb_section_values *values, const char *value, unsigned *offset)
{
    struct rb_rules *rules = &values->rules;
    struct list_causes list = {.throttled = rules->rejected_throttled};
    memcpy(list.statuses, rules->rejected, sizeof(list.statuses));
    const char *wrong = read_causes(&list, value, false, offset);
    if (wrong)
        return wrong;
    rules->rejected_throttled = list.throttled;
    memcpy(rules->rejected, list.statuses, sizeof(rules->rejected));
    return NULL;
}

void rb_lists_reject_none(struct rb_section_values *values)
{
    values->rules.rejected_throttled = false;
    memset(values->rules.rejected, 0, sizeof(values->rules.rejected));
}

// Writes "5xx" for a class of which every status is set, and the numbers of the other statuses that are set.
static void write_statuses(const uint64_t *statuses, struct rb_writer *writer)
{
    for (unsigned first = RB_STATUS_MIN; first <= RB_STATUS_MAX; first += STATUS_CLASS_SIZE) {
        unsigned last = first + STATUS_CLASS_SIZE - 1, set = 0;
        for (unsigned status = first; status <= last; status++)
            set += rb_rules_has(statuses, status);
        if (set == STATUS_CLASS_SIZE) {
            separate(writer);
            rb_write_number(writer, first / STATUS_CLASS_SIZE);
            rb_write_text(writer, "xx");
            continue;
        }
        for (unsigned status = first; status <= last && set > 0; status++) {
            if (rb_rules_has(statuses, status)) {
                separate(writer);
                rb_write_number(writer, status);
            }
        }
    }
}

static void write_throttled(bool throttled, struct rb_writer *writer)
{
    if (throttled) {
        separate(writer);
        rb_write_text(writer, "throttled");
    }
}

unsigned long rb_lists_write_causes(const struct rb_section_values *values, char *out, unsigned long size)
{
    struct rb_writer writer = rb_writer_on(out, size);
    for (unsigned i = 0; i < CAUSE_WORDS; i++) {
        if (values->rules.causes >> causes[i].cause & 1) {
            separate(&writer);
            rb_write_text(&writer, causes[i].word);
        }
    }
    write_throttled(values->rules.throttled, &writer);
    write_statuses(values->rules.statuses, &writer);
    rb_write_text(&writer, writer.length == 0 ? "none" : "");
    return writer.length;
}

unsigned long rb_lists_write_rejected(const struct rb_section_values *values, char *out, unsigned long size)
{
    struct rb_writer writer = rb_writer_on(out, size);
    write_statuses(values->rules.rejected, &writer);
    write_throttled(values->rules.rejected_throttled, &writer);
    rb_write_text(&writer, writer.length == 0 ? "none" : "");
    return writer.length;
}

// Rejects methods with lower-case letters: methods are case-sensitive (RFC 9110, section 9.1), and no registered one
// has any.
static const char *check_methods(const char *value, unsigned *offset)
{
    struct rb_slice rest = rb_slice_of(value), item;
    while (rb_slice_next(&rest, &item)) {
        for (unsigned i = 0; i < METHOD_SETS; i++)
            if (rb_slice_is(item, method_sets[i].word))
                return list_fail(offset, value, item.at, "'safe', 'idempotent' and 'all' stand alone");
        for (size_t i = 0; i < item.length; i++)
            if (item.at[i] != '*' && rb_char_lower(item.at[i]) == item.at[i] && rb_char_alnum(item.at[i]) &&
                !rb_char_digit(item.at[i]))
                return list_fail(offset, value, item.at, "method names are written in capitals");
        if (rb_slice_is(item, "*"))
            return list_fail(offset, value, item.at, "all methods are written as 'all'");
    }
    return NULL;
}

const char *rb_lists_read_methods(struct rb_section_values *values, const char *value, unsigned *offset)
{
    for (unsigned i = 0; i < METHOD_SETS; i++) {
        if (strcmp(value, method_sets[i].word) == 0) {
            memcpy(values->methods, method_sets[i].methods, strlen(method_sets[i].methods) + 1);
            return NULL;
        }
    }
    const char *wrong = check_methods(value, offset);
    return wrong ? wrong : rb_value_tokens(value, offset, values->methods, sizeof(values->methods));
}

unsigned long rb_lists_write_methods(const struct rb_section_values *values, char *out, unsigned long size)
{
    for (unsigned i = 0; i < METHOD_SETS; i++)
        if (strcmp(values->methods, method_sets[i].methods) == 0)
            return rb_value_write(out, size, method_sets[i].word);
    return rb_value_write_tokens(out, size, values->methods);
}

const char *rb_lists_read_headers(struct rb_section_values *values, const char *value, unsigned *offset)
{
    if (strcmp(value, "none") == 0) {
        values->idempotency_headers[0] = '\0';
        return NULL;
    }
    if (strcmp(value, "*") == 0)
        return list_fail(offset, value, value, "not the name of a header");
    return rb_value_tokens(value, offset, values->idempotency_headers, sizeof(values->idempotency_headers));
}

unsigned long rb_lists_write_headers(const struct rb_section_values *values, char *out, unsigned long size)
{
    return rb_value_write_tokens(out, size, values->idempotency_headers[0] ? values->idempotency_headers : "none");
}

static const char *read_intercept(struct rb_slice item, uint32_t *bits)
{
    for (unsigned i = 0; i < INTERCEPT_WORDS; i++) {
        if (rb_slice_is(item, intercepts[i].word)) {
            *bits |= intercepts[i].bit;
            return NULL;
        }
    }
    if (item.length == 0)
        return "an empty item in the list";
    return rb_slice_is(item, "off") ? "'off' stands alone" : "not a known word";
}

const char *rb_lists_read_intercept(struct rb_section_values *values, const char *value, unsigned *offset)
{
    uint32_t bits = 0;
    struct rb_slice rest = rb_slice_of(value), item;
    while (strcmp(value, "off") != 0 && rb_slice_next(&rest, &item)) {
        const char *wrong = read_intercept(item, &bits);
        if (wrong)
            return list_fail(offset, value, item.at, wrong);
    }
    values->rules.intercept = bits;
    return NULL;
}

unsigned long rb_lists_write_intercept(const struct rb_section_values *values, char *out, unsigned long size)
{
    struct rb_writer writer = rb_writer_on(out, size);
    for (unsigned i = 0; i < INTERCEPT_WORDS; i++) {
        if (values->rules.intercept & intercepts[i].bit) {
            separate(&writer);
            rb_write_text(&writer, intercepts[i].word);
        }
    }
    rb_write_text(&writer, writer.length == 0 ? "off" : "");
    return writer.length;
}

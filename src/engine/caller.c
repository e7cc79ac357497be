// SPDX-License-Identifier: MIT
// Hashes of credentials.
#include "engine/caller.h"

#include "base/siphash.h"
#include "engine/tenants.h"

// The key for hashes of parts. It is constant because these hashes are hashed again with the key of the state, and
// the result must be equal in all processes.
static const uint64_t part_key[2] = {UINT64_C(0x7265626f756e6400), UINT64_C(0x6f7074696f6e7300)};

static void caller_begin(struct rb_siphash *hash, const uint64_t key[2], unsigned kind)
{
    unsigned char first = (unsigned char) kind;
    rb_siphash_begin(hash, key);
    rb_siphash_add(hash, &first, 1);
}

static uint64_t caller_end_part(struct rb_siphash *hash)
{
    uint64_t value = rb_siphash_end(hash);
    return value ? value : 1;
}

static uint64_t hash_of_kind(unsigned kind, struct rb_slice text)
{
    struct rb_siphash hash;
    caller_begin(&hash, part_key, kind);
    rb_siphash_add(&hash, text.at, text.length);
    return caller_end_part(&hash);
}

uint64_t rb_caller_text(enum rb_caller_part kind, const char *text, size_t length)
{
    return text ? hash_of_kind(kind, (struct rb_slice){text, length}) : 0;
}

static unsigned hex(char digit)
{
    char letter = rb_char_lower(digit);
    if (rb_char_digit(digit))
        return (unsigned) (digit - '0');
    return letter >= 'a' && letter <= 'f' ? (unsigned) (letter - 'a') + 10 : 16;
}

uint64_t rb_caller_encoded(enum rb_caller_part kind, const char *text, size_t length)
{
    struct rb_siphash hash;
    caller_begin(&hash, part_key, kind);
    for (size_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char) text[i];
        if (text[i] == '%' && i + 2 < length && hex(text[i + 1]) < 16 && hex(text[i + 2]) < 16) {
            byte = (unsigned char) (hex(text[i + 1]) << 4 | hex(text[i + 2]));
            i += 2;
        }
        rb_siphash_add(&hash, &byte, 1);
    }
    return caller_end_part(&hash);
}

// --- header fields

static bool caller_begins_with(struct rb_slice text, const char *word)
{
    size_t length = strlen(word);
    return text.length >= length && rb_slice_is_nocase((struct rb_slice){text.at, length}, word);
}

static struct rb_slice caller_skip(struct rb_slice text, size_t length)
{
    return (struct rb_slice){text.at + length, text.length - length};
}

// Returns the length up to one of the characters in `ends`, or of the whole text.
static size_t length_before(struct rb_slice text, const char *ends)
{
    size_t length = 0;
    while (length < text.length && !strchr(ends, text.at[length]))
        length++;
    return length;
}

// Returns the value of NAME=VALUE, without quotes. VALUE ends at one of the characters in `ends`. `at` is NULL if there
// is no such parameter.
//   name: in lower case, with the equals sign
static struct rb_slice parameter(struct rb_slice text, const char *name, const char *ends)
{
    for (; text.length > 0; text = caller_skip(text, 1)) {
        if (!caller_begins_with(text, name))
            continue;
        text = caller_skip(text, strlen(name));
        if (text.length > 0 && text.at[0] == '"') {
            text = caller_skip(text, 1);
            ends = "\"";
        }
        return (struct rb_slice){text.at, length_before(text, ends)};
    }
    return (struct rb_slice){NULL, 0};
}

// Hashes the part of an Authorization field that is the same in every request.
static uint64_t hash_of_authorization(struct rb_slice value)
{
    struct rb_slice rest = caller_skip(value, length_before(value, " \t")), found = {NULL, 0};
    while (rest.length > 0 && rb_char_blank(rest.at[0]))
        rest = caller_skip(rest, 1);
    if (caller_begins_with(value, "bearer "))
        return hash_of_kind(RB_CALLER_BEARER, rest);
    if (caller_begins_with(value, "basic "))
        return hash_of_kind(RB_CALLER_BASIC, rest);
    if (caller_begins_with(value, "digest "))
        found = parameter(rest, "username=", ", \t");
    if (found.at)
        return hash_of_kind(RB_CALLER_USER, found);
    if (caller_begins_with(value, "aws "))
        found = (struct rb_slice){rest.at, length_before(rest, ":\r\n")};
    else
        found = parameter(rest, "credential=", "/, \t"); // AWS4-HMAC-SHA256 and schemes derived from it
    return found.at ? hash_of_kind(RB_CALLER_ACCESS_KEY, found) : hash_of_kind(RB_CALLER_OTHER, value);
}

uint64_t rb_caller_field(struct rb_slice name, struct rb_slice value)
{
    static const char *const keys[] = {"x-api-key", "api-key", "x-goog-api-key"};
    if (rb_slice_is_nocase(name, "authorization"))
        return hash_of_authorization(value);
    for (unsigned i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        if (rb_slice_is_nocase(name, keys[i]))
            return hash_of_kind(RB_CALLER_API_KEY + i, value);
    return 0;
}

// --- the sum

void rb_caller_add(uint64_t *sum, const uint64_t key[2], uint64_t part)
{
    struct rb_siphash hash;
    if (part == 0)
        return;
    caller_begin(&hash, key, RB_CALLER_PART);
    rb_siphash_add(&hash, &part, sizeof(part));
    *sum += rb_siphash_end(&hash);
}

uint64_t rb_caller_end(uint64_t sum)
{
    if (sum == 0)
        return RB_TENANT_ANONYMOUS;
    return sum > RB_TENANT_ANONYMOUS ? sum : RB_TENANT_ANONYMOUS + 1;
}

// SPDX-License-Identifier: MIT
// Parses and normalises one host pattern of a policy file.
#define _GNU_SOURCE 1 // memrchr
#include "policy/pattern.h"

#include <sys/socket.h>

#include "base/hash.h"
#include "policy/address.h"

enum { PORT_MAX = 65535, BITS_V4 = 32, BITS_V6 = 128, BITS_MAPPED = 96 };

// The arguments of rb_pattern_parse, for its helpers.
struct parse {
    struct rb_slice text;
    struct rb_arena *keep;
    struct rb_pattern *out;
    size_t *offset;
    const char **better;
};

static const char *pattern_fail(const struct parse *parse, const char *at, const char *message)
{
    *parse->offset = (size_t) (at - parse->text.at);
    return message;
}

static struct rb_slice between(const char *start, const char *end)
{
    return (struct rb_slice){start, (size_t) (end - start)};
}

static const char *end_of(struct rb_slice slice)
{
    return slice.at + slice.length;
}

// Reads a decimal number without sign or leading zero. Returns false if it is malformed or above `max`.
static bool read_number(struct rb_slice text, unsigned max, unsigned *out)
{
    unsigned number = 0;
    for (size_t i = 0; i < text.length; i++) {
        if (!rb_char_digit(text.at[i]) || number > max)
            return false;
        number = number * 10 + (unsigned) (text.at[i] - '0');
    }
    *out = number;
    return text.length > 0 && number <= max && (text.at[0] != '0' || text.length == 1);
}

static const char *pattern_read_port(const struct parse *parse, struct rb_slice text)
{
    unsigned port;
    if (!read_number(text, PORT_MAX, &port) || port == 0)
        return pattern_fail(parse, text.at, "a port is a number from 1 to 65535");
    parse->out->port = (uint16_t) port;
    return NULL;
}

static const char *read_path(const struct parse *parse, struct rb_slice path)
{
    if (path.length == 0 || path.at[0] != '/')
        return pattern_fail(parse, path.at, "the path of a Unix socket starts with a slash");
    if (path.length > RB_UNIX_PATH_MAX)
        return pattern_fail(parse, path.at, "the path of a Unix socket has at most 107 bytes");
    bool glob = memchr(path.at, '*', path.length) || memchr(path.at, '?', path.length);
    parse->out->kind = glob ? RB_PATTERN_GLOB : RB_PATTERN_PATH;
    parse->out->key = path;
    return NULL;
}

static const char *check_label(const struct parse *parse, struct rb_slice label)
{
    if (label.length == 0)
        return pattern_fail(parse, label.at, "an empty label in the name: two dots, or a dot at the start");
    if (label.length > RB_HOST_LABEL_MAX)
        return pattern_fail(parse, label.at, "a label of a name has at most 63 bytes");
    for (size_t i = 0; i < label.length; i++) {
        char c = label.at[i];
        if (c == '*')
            return pattern_fail(parse, label.at + i,
                                "'*' stands for whole labels at the start of a name only: *.example.com");
        if ((unsigned char) c >= 0x80)
            return pattern_fail(parse, label.at + i, "a name is written in its ASCII form (xn--...)");
        if (c == '@' || c == '?')
            return pattern_fail(parse, label.at + i, "a pattern is a host with an optional port, no URL");
        if (!rb_char_alnum(c) && c != '-' && c != '_')
            return pattern_fail(parse, label.at + i, "a character that no host name has");
    }
    return NULL;
}

static bool all_digits(struct rb_slice text)
{
    for (size_t i = 0; i < text.length; i++)
        if (!rb_char_digit(text.at[i]))
            return false;
    return true;
}

// Checks every label; *last receives the last one.
static const char *check_labels(const struct parse *parse, struct rb_slice name, struct rb_slice *last)
{
    const char *end = end_of(name);
    for (const char *start = name.at; start <= end; start = end_of(*last) + 1) {
        const char *dot = memchr(start, '.', (size_t) (end - start));
        *last = between(start, dot ? dot : end);
        const char *wrong = check_label(parse, *last);
        if (wrong)
            return wrong;
    }
    return NULL;
}

static const char *lower_key(const struct parse *parse, struct rb_slice name)
{
    parse->out->key = name;
    size_t i = 0;
    while (i < name.length && rb_char_lower(name.at[i]) == name.at[i])
        i++;
    char *copy = i < name.length ? rb_arena_copy(parse->keep, name.at, name.length) : NULL;
    for (i = 0; copy && i < name.length; i++)
        copy[i] = rb_char_lower(copy[i]);
    parse->out->key.at = copy ? copy : name.at;
    return NULL;
}

static const char *read_name(const struct parse *parse, struct rb_slice name)
{
    bool wildcard = name.length > 1 && name.at[0] == '*' && name.at[1] == '.';
    struct rb_slice key = wildcard ? between(name.at + 2, end_of(name)) : name;
    key.length -= key.length > 1 && key.at[key.length - 1] == '.';
    struct rb_slice last = key;
    const char *wrong = check_labels(parse, key, &last);
    if (wrong)
        return wrong;
    if (key.length > RB_HOST_MAX)
        return pattern_fail(parse, name.at, "a host name has at most 253 bytes");
    if (all_digits(last)) {
        return pattern_fail(parse, name.at,
                            wildcard ? "'*' does not stand in an address: write a prefix such as 10.0.0.0/8"
                                     : "this is neither a name nor an IPv4 address of four numbers, 0 to 255");
    }
    parse->out->kind = wildcard ? RB_PATTERN_WILDCARD : RB_PATTERN_NAME;
    return lower_key(parse, key);
}

// Clears the bits of `address` after the first `bits`. Returns true if one of them was set.
static bool clear_host_bits(uint8_t address[16], unsigned bits)
{
    bool any = false;
    for (unsigned i = 0; i < 16; i++) {
        unsigned kept = bits <= i * 8 ? 0 : bits - i * 8 >= 8 ? 8 : bits - i * 8;
        uint8_t mask = (uint8_t) (0xff00U >> kept);
        any |= (address[i] & (uint8_t) ~mask) != 0;
        address[i] &= mask;
    }
    return any;
}

// Suggests the same prefix without host bits. Not inlined, so that only wrong patterns pay for the large stack frame.
__attribute__((noinline)) static void suggest_prefix(const struct parse *parse, int family, const uint8_t address[16],
                                                     unsigned bits)
{
    char text[64];
    struct rb_writer writer = rb_writer_on(text, sizeof(text));
    rb_address_write(&writer, family, address);
    rb_write_text(&writer, "/");
    rb_write_number(&writer, bits);
    *parse->better = rb_arena_copy(parse->keep, text, writer.length);
}

// Reads an address or a prefix.
//   bits: the text after the slash; `at` is NULL without a slash
//   six: the address was written as IPv6; an IPv4-mapped one is already converted to IPv4
static const char *read_address(const struct parse *parse, int family, bool six, struct rb_slice bits)
{
    struct rb_pattern *out = parse->out;
    unsigned written = six ? BITS_V6 : BITS_V4, folded = six && family == AF_INET ? BITS_MAPPED : 0;
    out->family_bits = family == AF_INET6 ? BITS_V6 : BITS_V4;
    unsigned number = written;
    if (bits.at && !read_number(bits, written, &number)) {
        return pattern_fail(parse, bits.at,
                            six ? "a prefix length of IPv6 is a number from 0 to 128"
                                : "a prefix length of IPv4 is a number from 0 to 32");
    }
    if (number < folded)
        return pattern_fail(parse, bits.at, "an IPv4-mapped prefix has 96 to 128 bits");
    number -= folded;
    if (clear_host_bits(out->address, number)) {
        suggest_prefix(parse, family, out->address, number);
        return pattern_fail(parse, parse->text.at, "the address has bits set behind its prefix length");
    }
    out->prefix_bits = (uint8_t) number;
    out->kind = number == out->family_bits ? RB_PATTERN_ADDRESS : RB_PATTERN_PREFIX;
    return NULL;
}

// Reads [v6] or [v6]/bits, each with an optional :port.
static const char *pattern_read_bracketed(const struct parse *parse)
{
    struct rb_slice text = parse->text;
    const char *close = memchr(text.at, ']', text.length);
    if (!close)
        return pattern_fail(parse, text.at, "']' is missing after the IPv6 address");
    struct rb_slice literal = between(text.at + 1, close), bits = {NULL, 0};
    const char *zone = memchr(literal.at, '%', literal.length);
    if (zone)
        return pattern_fail(parse, zone, "an address in a pattern has no zone");
    int family = rb_address_parse(literal, parse->out->address);
    if (family == 0 || !memchr(literal.at, ':', literal.length))
        return pattern_fail(parse, literal.at, "this is not an IPv6 address");
    const char *rest = close + 1, *end = end_of(text);
    const char *colon = memchr(rest, ':', (size_t) (end - rest));
    if (rest < end && *rest == '/') {
        bits = between(rest + 1, colon ? colon : end);
        rest = end_of(bits);
    }
    if (rest < end && *rest != ':')
        return pattern_fail(parse, rest, "only /bits and :port may follow the IPv6 address");
    const char *wrong = rest < end ? pattern_read_port(parse, between(rest + 1, end)) : NULL;
    return wrong ? wrong : read_address(parse, family, true, bits);
}

// Not inlined, so that only wrong patterns pay for the large stack frame.
__attribute__((noinline)) static const char *complain_of_colons(const struct parse *parse)
{
    uint8_t address[16];
    if (rb_address_parse(parse->text, address) == 0)
        return pattern_fail(parse, memchr(parse->text.at, ':', parse->text.length), "more than one ':' in the pattern");
    char text[64];
    struct rb_writer writer = rb_writer_on(text, sizeof(text));
    rb_write_text(&writer, "[");
    rb_write_bytes(&writer, parse->text.at, parse->text.length);
    rb_write_text(&writer, "]");
    *parse->better = rb_arena_copy(parse->keep, text, writer.length);
    return pattern_fail(parse, parse->text.at, "an IPv6 address stands in brackets");
}

// Reads a name, a wildcard, an IPv4 address or prefix, or "*". The caller has removed the port.
static const char *read_host(const struct parse *parse, struct rb_slice host)
{
    const char *slash = memchr(host.at, '/', host.length);
    struct rb_slice bits = {NULL, 0}, base = host;
    if (slash) {
        bits = between(slash + 1, end_of(host));
        base = between(host.at, slash);
    }
    int family = rb_address_parse(base, parse->out->address);
    if (family == AF_INET)
        return read_address(parse, family, false, bits);
    if (slash) {
        *parse->better = all_digits(bits) ? NULL : rb_arena_copy(parse->keep, base.at, base.length);
        return pattern_fail(parse, slash,
                            all_digits(bits) ? "a prefix length needs an address before it: 10.0.0.0/8"
                                             : "a pattern has no path after the host");
    }
    if (host.length == 0)
        return pattern_fail(parse, host.at, "the host before ':' is missing");
    if (rb_slice_is(host, "*")) {
        parse->out->kind = RB_PATTERN_ANY;
        return NULL;
    }
    return read_name(parse, host);
}

const char *rb_pattern_parse(struct rb_slice text, struct rb_arena *keep, struct rb_pattern *out, size_t *offset,
                             const char **better)
{
    struct parse parse = {text, keep, out, offset, better};
    *out = (struct rb_pattern){0};
    *better = NULL;
    if (text.length >= 5 && memcmp(text.at, "unix:", 5) == 0)
        return read_path(&parse, between(text.at + 5, end_of(text)));
    // memmem is not used to find "://", because glibc's has a table on the stack.
    const char *scheme = text.at, *end = end_of(text);
    while ((scheme = memchr(scheme, ':', (size_t) (end - scheme))) &&
           (end - scheme < 3 || memcmp(scheme, "://", 3) != 0))
        scheme++;
    if (scheme) {
        struct rb_slice host = between(scheme + 3, end_of(text));
        const char *path = memchr(host.at, '/', host.length);
        *better = rb_arena_copy(keep, host.at, path ? (size_t) (path - host.at) : host.length);
        return pattern_fail(&parse, text.at, "a pattern is a host with an optional port, no URL");
    }
    if (text.at[0] == '[')
        return pattern_read_bracketed(&parse);
    const char *colon = memchr(text.at, ':', text.length);
    if (colon && colon != memrchr(text.at, ':', text.length))
        return complain_of_colons(&parse);
    const char *wrong = colon ? pattern_read_port(&parse, between(colon + 1, end_of(text))) : NULL;
    return wrong ? wrong : read_host(&parse, between(text.at, colon ? colon : end_of(text)));
}

bool rb_pattern_same(const struct rb_pattern *a, const struct rb_pattern *b)
{
    return a->kind == b->kind && a->port == b->port && a->family_bits == b->family_bits &&
           a->prefix_bits == b->prefix_bits && memcmp(a->address, b->address, sizeof(a->address)) == 0 &&
           a->key.length == b->key.length && (a->key.length == 0 || memcmp(a->key.at, b->key.at, a->key.length) == 0);
}

uint64_t rb_pattern_hash(const struct rb_pattern *pattern)
{
    uint64_t hash = rb_hash_address(pattern->family_bits, pattern->address);
    hash = rb_hash_mix(hash, (uint64_t) pattern->kind << 32 | (uint64_t) pattern->prefix_bits << 16 | pattern->port);
    return rb_hash_mix(hash, rb_hash_name(pattern->key.at, pattern->key.length));
}

// SPDX-License-Identifier: MIT
// Which section a target gets: the documented precedence, and a comparison with a matcher that simply tries everything.
#include "test_policy_support.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <strings.h>

#include "policy/prefix.h"

// A target as text, optionally with the address that its name resolved to: "api.example.com:443 10.1.2.3".
struct target_text {
    char name[300], address[64];
    struct rb_target target;
};

static void make_target(struct target_text *out, const char *text)
{
    const char *blank = strchr(text, ' ');
    snprintf(out->name, sizeof(out->name), "%.*s", blank ? (int) (blank - text) : (int) strlen(text), text);
    out->target = (struct rb_target){0};
    if (out->name[0])
        assert_int_equal(rb_target_from_url(&out->target, out->name, NULL), 0);
    if (blank) {
        struct rb_target address;
        snprintf(out->address, sizeof(out->address), "%s", blank + 1);
        assert_int_equal(rb_target_from_url(&address, out->address, NULL), 0);
        out->target.family = address.family;
        out->target.port = address.port ? address.port : out->target.port;
        memcpy(out->target.address, address.address, sizeof(address.address));
    }
}

static const char ladder[] = "[exact-port]\nhosts = api.example.com:443, 10.1.2.3:443, [2001:db8::1]:443\n"
                             "[default]\nretry.attempts = 1\n"
                             "[any]\nhosts = *\n"
                             "[any-port]\nhosts = *:9\n"
                             "[wide]\nhosts = *.com, 10.0.0.0/8, [2001:db8::]/32\n"
                             "[wide-port]\nhosts = *.com:8, 10.0.0.0/8:8, [2001:db8::]/32:8\n"
                             "[narrow]\nhosts = *.example.com, 10.1.0.0/16, [2001:db8::]/64\n"
                             "[narrow-port]\nhosts = *.example.com:7, 10.1.0.0/16:7, [2001:db8::]/64:7\n"
                             "[exact]\nhosts = api.example.com, 10.1.2.3, [2001:db8::1]\n"
                             "[socket]\nhosts = unix:/run/app/a.sock\n"
                             "[sockets]\nhosts = unix:/run/app/*.sock\n"
                             "[all-sockets]\nhosts = unix:/run/*\n";

struct step {
    const char *target, *section, *pattern;
};

static const struct step steps[] = {
    {"api.example.com:443", "exact-port", "api.example.com:443"},
    {"API.Example.COM.:443", "exact-port", "api.example.com:443"},
    {"api.example.com:7", "exact", "api.example.com"},
    {"api.example.com", "exact", "api.example.com"},
    {"b.example.com:7", "narrow-port", "*.example.com:7"},
    {"a.b.c.example.com:7", "narrow-port", "*.example.com:7"},
    {"b.example.com:8", "wide-port", "*.com:8"}, // a port is more specific than a longer name
    {"b.example.com:1", "narrow", "*.example.com"},
    {"b.EXAMPLE.com", "narrow", "*.example.com"},
    {"example.com:1", "wide", "*.com"}, // the apex is not below itself
    {"xexample.com", "wide", "*.com"},
    {"example.com:8", "wide-port", "*.com:8"},
    {"com", "any", "*"},
    {"com:9", "any-port", "*:9"},
    {"x.org:9", "any-port", "*:9"},
    {"x.org", "any", "*"},
    {"10.1.2.3:443", "exact-port", "10.1.2.3:443"},
    {"10.1.2.3:7", "exact", "10.1.2.3"},
    {"[::ffff:10.1.2.3]:443", "exact-port", "10.1.2.3:443"},
    {"10.1.9.9:7", "narrow-port", "10.1.0.0/16:7"},
    {"10.1.9.9:8", "wide-port", "10.0.0.0/8:8"},
    {"10.1.9.9", "narrow", "10.1.0.0/16"},
    {"10.2.0.0:7", "wide", "10.0.0.0/8"},
    {"10.2.0.0:8", "wide-port", "10.0.0.0/8:8"},
    {"11.0.0.0:9", "any-port", "*:9"},
    {"11.0.0.0", "any", "*"},
    {"[2001:db8::1]:443", "exact-port", "[2001:db8::1]:443"},
    {"[2001:db8::1]", "exact", "[2001:db8::1]"},
    {"[2001:db8::2]:7", "narrow-port", "[2001:db8::]/64:7"},
    {"[2001:db8::2]:8", "wide-port", "[2001:db8::]/32:8"},
    {"[2001:db8::2]", "narrow", "[2001:db8::]/64"},
    {"[2001:db8:1::]", "wide", "[2001:db8::]/32"},
    {"[2001:db9::]", "any", "*"},
    {"[a01:203::]", "any", "*"}, // the bytes of 10.1.2.3 in the other family
    // A name beats its address, however specific that one is; an address beats what stands for everything.
    {"x.com 10.1.2.3:443", "wide", "*.com"},
    {"x.org 10.1.2.3:443", "exact-port", "10.1.2.3:443"},
    {"x.org 10.9.9.9:9", "wide", "10.0.0.0/8"},
    {"x.org 12.9.9.9:9", "any-port", "*:9"},
    // Sockets: literal bytes decide, and nothing but unix: patterns applies.
    {"unix:/run/app/a.sock", "socket", "unix:/run/app/a.sock"},
    {"unix:/run/app/b.sock", "sockets", "unix:/run/app/*.sock"},
    {"unix:/run/app/A.sock", "sockets", "unix:/run/app/*.sock"},
    {"unix:/run/b.sock", "all-sockets", "unix:/run/*"},
    {"unix:/var/run/nscd/socket", NULL, NULL},
};

static void check_steps(const char *text, const struct step *step, size_t count)
{
    struct rb_policy *policy = policy_of(text);
    for (; count > 0; step++, count--) {
        struct target_text target = {0};
        struct rb_match why = {"unset", 77};
        make_target(&target, step->target);
        const struct rb_section *section = rb_policy_match(policy, &target.target, &why);
        assert_ptr_equal(section, rb_policy_match(policy, &target.target, NULL));
        if (!section || !step->section) {
            assert_true(!section && !step->section);
            continue;
        }
        if (strcmp(section->name, step->section) != 0)
            print_message("%s\n", step->target);
        assert_string_equal(section->name, step->section);
        if (step->pattern)
            assert_string_equal(why.pattern, step->pattern);
        else
            assert_null(why.pattern);
    }
    rb_policy_free(policy);
}

static void test_precedence(void **state)
{
    (void) state;
    check_steps(ladder, steps, sizeof(steps) / sizeof(steps[0]));
}

// The order of the sections in the file has no influence.
static void test_order_does_not_count(void **state)
{
    char reversed[sizeof(ladder)] = "", copy[sizeof(ladder)];
    (void) state;
    strcpy(copy, ladder);
    for (char *at = copy + strlen(copy); at-- > copy;) {
        if (*at == '[' && (at == copy || at[-1] == '\n')) {
            strcat(reversed, at);
            *at = '\0';
        }
    }
    assert_int_equal(strlen(reversed), strlen(ladder));
    check_steps(reversed, steps, sizeof(steps) / sizeof(steps[0]));
}

static void test_without_any(void **state)
{
    static const struct step some[] = {{"a:1", "a", "a"},
                                       {"b:1", "default", NULL},
                                       {"10.0.0.1", "default", NULL},
                                       {" 10.0.0.1", "default", NULL},
                                       {"unix:/x", NULL, NULL}};
    static const struct step none[] = {{"a:1", "a", "a"}, {"b:1", NULL, NULL}, {"10.0.0.1", NULL, NULL}};
    static const struct step port[] = {{"a:1", "a", "*:1"}, {"a:2", NULL, NULL}, {"a", NULL, NULL}};
    static const struct step only_default[] = {{"a:1", "default", NULL}, {"10.0.0.1", "default", NULL}};
    (void) state;
    check_steps("[a]\nhosts = a\n[default]\n", some, 5);
    check_steps("[a]\nhosts = a\n", none, 3);
    check_steps("[a]\nhosts = *:1\n", port, 3);
    check_steps("[default]\n", only_default, 2);
}

// A prefix of length 0 covers a whole address family.
static void test_prefixes_of_length_zero(void **state)
{
    static const struct step all[] = {{"1.2.3.4", "four", "0.0.0.0/0"},
                                      {"255.255.255.255:5", "port", "0.0.0.0/0:5"},
                                      {"[::1]", "six", "[::]/0"},
                                      {"a", NULL, NULL}};
    (void) state;
    check_steps("[four]\nhosts = 0.0.0.0/0\n[port]\nhosts = 0.0.0.0/0:5\n[six]\nhosts = [::]/0\n", all, 4);
}

static void test_line_of_the_match(void **state)
{
    struct rb_policy *policy = policy_of("[default]\n\n[a]\n\nhosts = a\n");
    struct target_text target = {0};
    struct rb_match why;
    (void) state;
    make_target(&target, "a");
    rb_policy_match(policy, &target.target, &why);
    assert_int_equal(why.line, 5);
    make_target(&target, "b");
    rb_policy_match(policy, &target.target, &why);
    assert_int_equal(why.line, 1);
    rb_policy_free(policy);
}

// Names as they come from a program: not terminated, of any length, of any bytes. More dots than a depth mask has bits.
static void test_odd_names(void **state)
{
    enum { LABELS = 80 };
    char text[2 * LABELS + 64] = "[default]\n[a]\nhosts = *.x\n[b]\nhosts = *";
    (void) state;
    for (int i = 0; i < LABELS; i++)
        strcat(text, ".a");
    struct rb_policy *policy = policy_of(text);
    for (size_t length = 0; length < 600; length++) {
        char *exact = malloc(length ? length : 1);
        for (size_t i = 0; i < length; i++)
            exact[i] = i % 2 ? '.' : 'a';
        if (length >= 3)
            memcpy(exact + length - 2, ".X", 2);
        struct rb_target target = {.name = exact, .name_length = length};
        const struct rb_section *section = rb_policy_match(policy, &target, NULL);
        assert_string_equal(section->name, length >= 3 && length <= 253 ? "a" : "default");
        if (length >= 3) {
            exact[length - 2] = length % 2 ? '.' : 'a';
            exact[length - 1] = length % 2 ? 'a' : '.';
            section = rb_policy_match(policy, &target, NULL);
            size_t labels = (length + 1) / 2;
            assert_string_equal(section->name, labels > LABELS && length - !(length % 2) <= 253 ? "b" : "default");
        }
        free(exact);
    }
    struct rb_target dot = {.name = ".", .name_length = 1};
    assert_string_equal(rb_policy_match(policy, &dot, NULL)->name, "default");
    rb_policy_free(policy);
}

// --- A matcher that tries every pattern, written from the documentation alone.

struct naive {
    char text[80]; // as in the file
    char host[80]; // without the port
    unsigned port;
    int kind; // 0 name, 1 wildcard, 2 address or prefix, 3 any
    int family, bits;
    uint8_t address[16];
    char section[16];
};

static bool prefix_covers(const struct naive *pattern, const struct rb_target *target)
{
    if (pattern->family != target->family)
        return false;
    for (int bit = 0; bit < pattern->bits; bit++)
        if ((pattern->address[bit / 8] ^ target->address[bit / 8]) >> (7 - bit % 8) & 1)
            return false;
    return true;
}

static bool below(const char *suffix, const char *name)
{
    size_t length = strlen(name), tail = strlen(suffix);
    return length > tail + 1 && name[length - tail - 1] == '.' && strcasecmp(name + length - tail, suffix) == 0;
}

// The rank of a pattern for a target: higher wins, 0 does not match. Names before addresses before everything.
static unsigned rank(const struct naive *pattern, const struct rb_target *target, const char *name)
{
    if (pattern->port && pattern->port != target->port)
        return 0;
    unsigned port = pattern->port != 0;
    switch (pattern->kind) {
    case 0:
        return name && strcasecmp(name, pattern->host) == 0 ? 9000000 + port : 0;
    case 1:
        return name && below(pattern->host + 2, name) ? 7000000 + 1000000 * port + (unsigned) strlen(pattern->host) : 0;
    case 2:
        if (!target->family || !prefix_covers(pattern, target))
            return 0;
        return pattern->bits == (pattern->family == AF_INET ? 32 : 128)
                   ? 6000000 + port
                   : 3000000 + 1000000 * port + (unsigned) pattern->bits;
    default:
        return 1 + port;
    }
}

static uint64_t dice = 88172645463325252;

static unsigned roll(unsigned sides)
{
    dice ^= dice << 13;
    dice ^= dice >> 7;
    dice ^= dice << 17;
    return (unsigned) (dice >> 32) % sides;
}

// Few labels and few bits, so that patterns nest and targets hit.
static void roll_name(char *out, unsigned most)
{
    static const char *const labels[] = {"a", "b", "cc", "xn--d", "e-1", "longer-label"};
    out[0] = '\0';
    for (unsigned left = 1 + roll(most); left > 0; left--) {
        strcat(out, labels[roll(6)]);
        strcat(out, left > 1 ? "." : "");
    }
}

static void roll_address(struct naive *out, bool whole)
{
    char text[64] = "";
    uint8_t *address = out->address;
    out->family = roll(2) ? AF_INET : AF_INET6;
    int size = out->family == AF_INET ? 32 : 128;
    out->bits = whole || roll(4) == 0 ? size : (int) roll((unsigned) size + 1);
    memset(address, 0, 16);
    for (int byte = 0; byte < size / 8; byte++)
        address[byte] = roll(3) ? 0 : roll(2) ? 0x80 : (uint8_t) roll(256);
    address[0] = (uint8_t) (0x20 + roll(2)); // keeps clear of IPv4-mapped addresses
    for (int bit = out->bits; bit < size; bit++)
        address[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
    inet_ntop(out->family, address, text, sizeof(text));
    snprintf(out->host, sizeof(out->host), out->family == AF_INET ? "%s" : "[%s]", text);
    if (out->bits < size)
        snprintf(out->host + strlen(out->host), sizeof(out->host) - strlen(out->host), "/%d", out->bits);
}

static void roll_pattern(struct naive *out)
{
    *out = (struct naive){.kind = (int) roll(4), .port = roll(2) ? 0 : 1 + roll(3)};
    if (out->kind == 0) {
        roll_name(out->host, 4);
    } else if (out->kind == 1) {
        strcpy(out->host, "*.");
        roll_name(out->host + 2, 3);
    } else if (out->kind == 2) {
        roll_address(out, false);
    } else {
        strcpy(out->host, "*");
    }
    memcpy(out->text, out->host, sizeof(out->text));
    if (out->port)
        snprintf(out->text + strlen(out->text), sizeof(out->text) - strlen(out->text), ":%u", out->port);
}

static unsigned roll_patterns(struct naive *patterns, unsigned most)
{
    unsigned count = 0;
    for (unsigned i = 0; i < most; i++) {
        struct naive *added = &patterns[count];
        roll_pattern(added);
        bool twin = false;
        for (unsigned j = 0; j < count; j++)
            twin |= strcmp(patterns[j].text, added->text) == 0;
        snprintf(added->section, sizeof(added->section), "s%u", count);
        count += !twin;
    }
    return count;
}

static struct rb_policy *policy_from(const struct naive *patterns, unsigned count)
{
    char *text = calloc(count + 1, 128);
    size_t length = (size_t) sprintf(text, "[default]\n");
    for (unsigned i = 0; i < count; i++)
        length += (size_t) sprintf(text + length, "[%s]\nhosts = %s\n", patterns[i].section, patterns[i].text);
    struct rb_policy *policy = policy_of(text);
    free(text);
    return policy;
}

static void compare_one(const struct rb_policy *policy, const struct naive *patterns, unsigned count)
{
    char name[80], *given = NULL;
    struct naive address = {0};
    struct rb_target target = {.port = (uint16_t) roll(4)};
    if (roll(3)) {
        roll_name(name, 5);
        for (size_t i = 0; name[i]; i++)
            name[i] = (char) (roll(4) ? name[i] : toupper((unsigned char) name[i]));
        given = strdup(name);
        target.name = given;
        target.name_length = strlen(given);
    }
    if (!given || roll(2)) {
        roll_address(&address, true);
        target.family = address.family;
        memcpy(target.address, address.address, 16);
    }
    const struct naive *best = NULL;
    for (unsigned i = 0; i < count; i++) {
        unsigned value = rank(&patterns[i], &target, given ? name : NULL);
        best = value > (best ? rank(best, &target, given ? name : NULL) : 0) ? &patterns[i] : best;
    }
    struct rb_match why;
    const struct rb_section *section = rb_policy_match(policy, &target, &why);
    assert_string_equal(section->name, best ? best->section : "default");
    if (best)
        assert_string_equal(why.pattern, best->text);
    free(given);
}

static void test_against_naive_matcher(void **state)
{
    enum { ROUNDS = 200, TARGETS = 200, PATTERNS = 300 };
    struct naive *patterns = calloc(PATTERNS, sizeof(*patterns));
    (void) state;
    for (unsigned round = 0; round < ROUNDS; round++) {
        unsigned count = roll_patterns(patterns, 1 + roll(PATTERNS - 1));
        struct rb_policy *policy = policy_from(patterns, count);
        assert_int_equal(rb_policy_pattern_count(policy), count);
        for (unsigned i = 0; i < TARGETS; i++)
            compare_one(policy, patterns, count);
        rb_policy_free(policy);
    }
    free(patterns);
}

// Nested and neighbouring prefixes in numbers: every address of a small range against a walk over all of them.
static void test_dense_prefixes(void **state)
{
    enum { RANGE = 1 << 12 };
    static char text[RANGE * 40];
    static int owner[RANGE];
    size_t length = (size_t) sprintf(text, "[default]\n");
    int sections = 0;
    (void) state;
    memset(owner, -1, sizeof(owner));
    for (int bits = 20; bits <= 32; bits++) {
        int step = 1 << (32 - bits);
        for (int base = 0; base < RANGE; base += step) {
            if (roll(3) > 0)
                continue;
            length += (size_t) sprintf(text + length, "[%d]\nhosts = 10.0.%d.%d/%d\n", sections, base / 256, base % 256,
                                       bits);
            for (int i = 0; i < step; i++)
                owner[base + i] = sections;
            sections++;
        }
    }
    struct rb_policy *policy = policy_of(text);
    for (int i = 0; i < RANGE; i++) {
        struct rb_target target = {.family = AF_INET, .address = {10, 0, (uint8_t) (i / 256), (uint8_t) (i % 256)}};
        const struct rb_section *section = rb_policy_match(policy, &target, NULL);
        assert_int_equal(strcmp(section->name, "default") == 0 ? -1 : atoi(section->name), owner[i]);
    }
    rb_policy_free(policy);
}

// The memory for the nodes of a tree is mapped before the tree is built. No set of prefixes may need more nodes.
static void test_size_of_the_tree(void **state)
{
    enum { MOST = 600 };
    (void) state;
    for (unsigned round = 0; round < 300; round++) {
        struct rb_arena arena = {0}, scratch = {0};
        struct rb_prefix_tree tree = {0};
        struct rb_prefix *prefixes = rb_arena_take(&arena, MOST * sizeof(*prefixes));
        uint32_t count = 2 + roll(MOST - 2);
        for (uint32_t i = 0; i < count; i++) {
            // Runs of neighbours far from each other: crowded and empty corners of the tables.
            uint64_t run = (uint64_t) (i % (1 + round % 7)) << 57;
            prefixes[i] = (struct rb_prefix){.bits = {run | (uint64_t) i << (round % 40), 0}, .length = 64};
        }
        assert_int_equal(rb_prefix_build(&tree, prefixes, count, &arena, &scratch), 0);
        assert_true(tree.node_count <= 4 * count + 1);
        for (uint32_t i = 0; i < count; i++)
            assert_ptr_equal(rb_prefix_find(&tree, tree.prefixes[i].bits), &tree.prefixes[i]);
        rb_arena_release(&scratch);
        rb_arena_release(&arena);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_precedence),
        cmocka_unit_test(test_order_does_not_count),
        cmocka_unit_test(test_without_any),
        cmocka_unit_test(test_prefixes_of_length_zero),
        cmocka_unit_test(test_line_of_the_match),
        cmocka_unit_test(test_odd_names),
        cmocka_unit_test(test_against_naive_matcher),
        cmocka_unit_test(test_dense_prefixes),
        cmocka_unit_test(test_size_of_the_tree),
    };
    return cmocka_run_group_tests_name("policy match", tests, NULL, NULL);
}

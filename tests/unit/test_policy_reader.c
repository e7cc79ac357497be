// SPDX-License-Identifier: MIT
// Every error of a policy file: its line, column, source line, sentence and suggestion; and what is no error.
#include "test_policy_support.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "policy/glob.h"
#include "policy/key.h"

// One file with exactly one error. length 0: that of the text as a string.
struct mistake {
    const char *text;
    size_t length;
    unsigned line, column;
    const char *source, *message, *suggestion;
};

#define A10 "aaaaaaaaaa"
#define A50 A10 A10 A10 A10 A10
#define A190 A50 A50 A50 A10 A10 A10 A10

static const struct mistake mistakes[] = {
    // Lines that inih would misread.
    {"; " A190 "aaaaaaa", 0, 1, 199, "; " A190 "aaaaaaa", "the line is too long: 199 bytes, at most 198 are allowed",
     ""},
    {"[a]\n\"b ;c\" = 2\n", 0, 2, 1, "\"b ;c\" = 2", "unknown key \"b ;c\"", ""},
    {"[default]\n; " A190 A10 "\nretry.attempts = 2\n", 0, 2, 199, "; " A190 A10,
     "the line is too long: 202 bytes, at most 198 are allowed", ""},
    {"[default]\nretry.attempts = 2" A190 "\n", 0, 2, 199, "retry.attempts = 2" A190,
     "the line is too long: 208 bytes, at most 198 are allowed", ""},
    {"[default]\nretry.\0attempts = 2\n", 30, 2, 7, "retry.?attempts = 2",
     "a NUL byte in the line (a binary file, or UTF-16?)", ""},
    {"[default]\nretry.attempts\r = 2\n", 0, 2, 15, "retry.attempts\r = 2", "a control character (0x0d) in the line",
     ""},
    {"; \x7f\n", 0, 1, 3, "; \x7f", "a control character (0x7f) in the line", ""},
    {"\n \xef\xbb\xbf[a]\n", 0, 2, 2, " \xef\xbb\xbf[a]", "'=' is missing: a line is a [section] or key = value", ""},
    {"[a]\n  retry.attempts 2\n", 0, 2, 3, "  retry.attempts 2", "'=' is missing: a line is a [section] or key = value",
     ""},
    {"[a]\nretry.attempts ; = 2\n", 0, 2, 1, "retry.attempts ; = 2",
     "'=' is missing: a line is a [section] or key = value", ""},
    {"[a]\nretry.attempts: 2\n", 0, 2, 15, "retry.attempts: 2", "':' does not separate key and value: write '='", ""},
    {"[a]\nretry:attempts = 2\n", 0, 2, 6, "retry:attempts = 2", "a ':' in the key: key and value are separated by '='",
     ""},
    {"[a]\n = 2\n", 0, 2, 2, " = 2", "the key before '=' is missing", ""},
    {"[a]\nretry.attempts =  ; 2\n", 0, 2, 16, "retry.attempts =  ; 2", "the value after '=' is missing", ""},
    {"[a]\nretry.attempts = \"\"\n", 0, 2, 16, "retry.attempts = \"\"", "the value after '=' is missing", ""},
    {"[a]\nretry.attempts = \"2\n", 0, 2, 18, "retry.attempts = \"2", "the double quote is not closed", ""},
    {"[a]\nretry.attempts = \"2\" x\n", 0, 2, 21, "retry.attempts = \"2\" x", "double quotes go around the whole value",
     ""},
    {"[a]\nretry.attempts = 2\"3\"\n", 0, 2, 19, "retry.attempts = 2\"3\"", "double quotes go around the whole value",
     ""},
    {"retry.attempts = 2\n[a]\n", 0, 1, 1, "retry.attempts = 2", "retry.attempts stands before the first section", ""},
    // Sections.
    {" []\n", 0, 1, 2, " []", "the section has no name", ""},
    {"[ \t]\n", 0, 1, 1, "[ \t]", "the section has no name", ""},
    {"[a\n", 0, 1, 1, "[a", "the section is not closed: ']' is missing", ""},
    {"[a ; ]\n", 0, 1, 1, "[a ; ]", "the section is not closed: ']' is missing", ""},
    {"[a] b\n", 0, 1, 5, "[a] b", "text after ']'", ""},
    {"[a];b\n", 0, 1, 4, "[a];b", "text after ']'", ""},
    {"[a\"b]\n", 0, 1, 3, "[a\"b]", "a character that the name of a section may not have", ""},
    {"[" A50 A10 "aaaa]\n", 0, 1, 2, "[" A50 A10 "aaaa]", "the name of a section has at most 63 bytes", ""},
    {"[a]\nhosts = x\n[b]\n[ a ]\n", 0, 4, 3, "[ a ]", "duplicate section [a]; first used on line 1", ""},
    {"[default]\n[default]\n", 0, 2, 2, "[default]", "duplicate section [default]; first used on line 1", ""},
    {"[Default]\nretry.attempts = 2\n", 0, 1, 2, "[Default]", "section [Default] has no hosts and therefore no effect",
     "default"},
    {"[reboudn]\n", 0, 1, 2, "[reboudn]", "section [reboudn] has no hosts and therefore no effect", "rebound"},
    // Keys.
    {"[a]\nretry.atempts = 2\n", 0, 2, 1, "retry.atempts = 2", "unknown key retry.atempts", "retry.attempts"},
    {"[a]\nRETRY.ATTEMPTS = 2\n", 0, 2, 1, "RETRY.ATTEMPTS = 2", "unknown key RETRY.ATTEMPTS", "retry.attempts"},
    {"[a]\nhost = x\n", 0, 2, 1, "host = x", "unknown key host", "hosts"},
    {"[a]\ncolour = red\n", 0, 2, 1, "colour = red", "unknown key colour", ""},
    {"[a]\nretry;attempts = 2\n", 0, 2, 1, "retry;attempts = 2", "unknown key retry;attempts", "retry.attempts"},
    {"[a]\n" A50 A50 " = 2\n", 0, 2, 1, A50 A50 " = 2", "unknown key " A50 A10 A10 A10, ""},
    {"[a]\nretry.base = 1s\n\nretry.base = 2s\n", 0, 4, 1, "retry.base = 2s", "retry.base is already set on line 2",
     ""},
    {"[a]\ndns.stale = on\n", 0, 2, 13, "dns.stale = on",
     "dns.stale: a duration is a number with a unit: 2s, 250ms; expected off, or a duration from 1ms to 24h", ""},
    {"[a]\nbreaker.quorum = 17\n", 0, 2, 18, "breaker.quorum = 17",
     "breaker.quorum: out of range; expected a number from 1 to 16", ""},
    {"[a]\ndns.total = off\n", 0, 2, 13, "dns.total = off",
     "dns.total: a duration is a number with a unit: 2s, 250ms; expected a duration from 1ms to 24h", ""},
    {"[a]\nlog = off\n", 0, 2, 1, "log = off", "log belongs in [rebound]", ""},
    {"[a]\nstate = /x\n", 0, 2, 1, "state = /x", "state belongs in [rebound]", ""},
    // [rebound].
    {"[rebound]\nstate.cells = 9\n", 0, 2, 15, "state.cells = 9",
     "state.cells: out of range; expected a number from 16 to 65536", ""},
    {"[rebound]\nstate = sharde\n", 0, 2, 9, "state = sharde",
     "state: 'sharde' is not a known word; expected shared, private, or a file such as /run/rebound", "shared"},
    {"[rebound]\nstate = shared\nstate = private\n", 0, 3, 1, "state = private", "state is already set on line 2", ""},
    {"[rebound]\ndeepbind = on\n", 0, 2, 12, "deepbind = on",
     "deepbind: 'on' is not a known word; expected clear or keep", ""},
    {"[rebound]\ndeepbind = kep\n", 0, 2, 12, "deepbind = kep",
     "deepbind: 'kep' is not a known word; expected clear or keep", "keep"},
    {"[rebound]\ndeepbind = clear\ndeepbind = keep\n", 0, 3, 1, "deepbind = keep", "deepbind is already set on line 2",
     ""},
    {"[a]\ndeepbind = keep\n", 0, 2, 1, "deepbind = keep", "deepbind belongs in [rebound]", ""},
    {"[rebound]\nprogram = x\n", 0, 2, 1, "program = x", "unknown key program", "programs"},
    {"[rebound]\nretry.base = 1s\n", 0, 2, 1, "retry.base = 1s",
     "retry.base belongs in the section of a policy, not in [rebound]", ""},
    {"[rebound]\nhosts = x\n", 0, 2, 1, "hosts = x", "hosts belongs in the section of a policy, not in [rebound]", ""},
    {"[rebound]\nlog = off\nlog = stderr\n", 0, 3, 1, "log = stderr", "log is already set on line 2", ""},
    {"[rebound]\nlog = stdrr\n", 0, 2, 7, "log = stdrr",
     "log: 'stdrr' is not a known word; expected off, stderr, or a file such as ./stdrr", "stderr"},
    {"[rebound]\nskip = a,,b\n", 0, 2, 10, "skip = a,,b", "an empty item in the list of programs", ""},
    {"[rebound]\nprograms = a b\n", 0, 2, 13, "programs = a b",
     "a blank in the name of a program: commas separate names", ""},
    // Values.
    {"[a]\nretry.attempts = 101\n", 0, 2, 18, "retry.attempts = 101",
     "retry.attempts: out of range; expected a number from 1 to 100", ""},
    {"[a]\nretry.attempts = 3 # three\n", 0, 2, 20, "retry.attempts = 3 # three",
     "a comment behind a value begins with ';', not with '#'", ""},
    {"[a]\nretry.base = 2\n", 0, 2, 14, "retry.base = 2",
     "retry.base: a duration needs a unit: 2s, 250ms; expected a duration up to 24h, such as 200ms", ""},
    {"[a]\nretry.backoff = exponental\n", 0, 2, 17, "retry.backoff = exponental",
     "retry.backoff: not a known word; expected fixed, linear or exponential", "exponential"},
    {"[a]\nbreaker = fof\n", 0, 2, 11, "breaker = fof", "breaker: not a known word; expected on or off", "off"},
    {"[a]\nretry.on = reset, \t tiemout\n", 0, 2, 21, "retry.on = reset, \t tiemout",
     "retry.on: not a known word; expected refused, unreachable, reset, timeout, dns, throttled and statuses (503, "
     "5xx), "
     "all with + or -, or none",
     "timeout"},
    {"[a]\nretry.methods = GET, delete\n", 0, 2, 22, "retry.methods = GET, delete",
     "retry.methods: method names are written in capitals; expected safe, idempotent, all, or a list of methods",
     "DELETE"},
    {"[a]\nintercept = curl, dsn\n", 0, 2, 19, "intercept = curl, dsn",
     "intercept: not a known word; expected a list of curl, connect, dns and http, or off", "dns"},
    {"[a]\nretry.base = \"2\" ; x\n", 0, 2, 15, "retry.base = \"2\" ; x",
     "retry.base: a duration needs a unit: 2s, 250ms; expected a duration up to 24h, such as 200ms", ""},
    // Values that contradict each other: the complaint stands at the key of the section at hand.
    {"[a]\nretry.base = 20s\n", 0, 2, 14, "retry.base = 20s",
     "retry.base (20s) is over retry.cap (10s), so every wait would be the cap", ""},
    {"[a]\nretry.cap = 100ms\n[b]\n", 0, 2, 13, "retry.cap = 100ms",
     "retry.base (200ms) is over retry.cap (100ms), so every wait would be the cap", ""},
    {"[default]\nbreaker.window = 5\nbreaker.min_calls = 10\n[a]\nretry.base = 1s\n", 0, 3, 21,
     "breaker.min_calls = 10", "breaker.min_calls (10) is over breaker.window (5), which never holds so many calls",
     ""},
    {"[a]\nbreaker.window = 5\n[default]\nbreaker.min_calls = 6\n", 0, 2, 18, "breaker.window = 5",
     "breaker.min_calls (6) is over breaker.window (5), which never holds so many calls", ""},
    // Patterns.
    {"[default]\nhosts = x\n", 0, 2, 1, "hosts = x",
     "hosts has no place in [default], which covers the hosts that no section names", ""},
    {"[a]\nhosts = a, , b\n", 0, 2, 12, "hosts = a, , b", "an empty pattern in the list of hosts", ""},
    {"[a]\nhosts = a,\n", 0, 2, 11, "hosts = a,", "an empty pattern in the list of hosts", ""},
    {"[a]\nhosts = a, b\n[b]\nhosts = c,  A.\n", 0, 4, 13, "hosts = c,  A.", "duplicate pattern; first used on line 2",
     ""},
    {"[a]\nhosts = *.x.y:80\nhosts = *.X.Y.:80\n", 0, 3, 9, "hosts = *.X.Y.:80",
     "duplicate pattern; first used on line 2", ""},
    {"[a]\nhosts = 10.0.0.1, [::ffff:10.0.0.1]\n", 0, 2, 19, "hosts = 10.0.0.1, [::ffff:10.0.0.1]",
     "duplicate pattern; first used on line 2", ""},
    {"[a]\nhosts = [::ffff:10.0.0.0]/104, 10.0.0.0/8\n", 0, 2, 32, "hosts = [::ffff:10.0.0.0]/104, 10.0.0.0/8",
     "duplicate pattern; first used on line 2", ""},
    {"[a]\nhosts = 10.0.0.1, 10.0.0.1/32\n", 0, 2, 19, "hosts = 10.0.0.1, 10.0.0.1/32",
     "duplicate pattern; first used on line 2", ""},
    {"[a]\nhosts = *, *\n", 0, 2, 12, "hosts = *, *", "duplicate pattern; first used on line 2", ""},
    {"[a]\nhosts = 10.1.2.3/8\n", 0, 2, 9, "hosts = 10.1.2.3/8", "the address has bits set behind its prefix length",
     "10.0.0.0/8"},
    {"[a]\nhosts = [2001:db8::1]/32\n", 0, 2, 9, "hosts = [2001:db8::1]/32",
     "the address has bits set behind its prefix length", "[2001:db8::]/32"},
    {"[a]\nhosts = 10.0.0.0/33\n", 0, 2, 18, "hosts = 10.0.0.0/33", "a prefix length of IPv4 is a number from 0 to 32",
     ""},
    {"[a]\nhosts = 10.0.0.0/\n", 0, 2, 18, "hosts = 10.0.0.0/", "a prefix length of IPv4 is a number from 0 to 32", ""},
    {"[a]\nhosts = [::]/129\n", 0, 2, 14, "hosts = [::]/129", "a prefix length of IPv6 is a number from 0 to 128", ""},
    {"[a]\nhosts = [::ffff:10.0.0.0]/8\n", 0, 2, 27, "hosts = [::ffff:10.0.0.0]/8",
     "an IPv4-mapped prefix has 96 to 128 bits", ""},
    {"[a]\nhosts = [::1\n", 0, 2, 9, "hosts = [::1", "']' is missing after the IPv6 address", ""},
    {"[a]\nhosts = [x]\n", 0, 2, 10, "hosts = [x]", "this is not an IPv6 address", ""},
    {"[a]\nhosts = [10.0.0.1]\n", 0, 2, 10, "hosts = [10.0.0.1]", "this is not an IPv6 address", ""},
    {"[a]\nhosts = [fe80::1%lo]\n", 0, 2, 17, "hosts = [fe80::1%lo]", "an address in a pattern has no zone", ""},
    {"[a]\nhosts = [::1]x\n", 0, 2, 14, "hosts = [::1]x", "only /bits and :port may follow the IPv6 address", ""},
    {"[a]\nhosts = ::1\n", 0, 2, 9, "hosts = ::1", "an IPv6 address stands in brackets", "[::1]"},
    {"[a]\nhosts = a:b:c\n", 0, 2, 10, "hosts = a:b:c", "more than one ':' in the pattern", ""},
    {"[a]\nhosts = a:0\n", 0, 2, 11, "hosts = a:0", "a port is a number from 1 to 65535", ""},
    {"[a]\nhosts = a:65536\n", 0, 2, 11, "hosts = a:65536", "a port is a number from 1 to 65535", ""},
    {"[a]\nhosts = a:http\n", 0, 2, 11, "hosts = a:http", "a port is a number from 1 to 65535", ""},
    {"[a]\nhosts = a:\n", 0, 2, 11, "hosts = a:", "a port is a number from 1 to 65535", ""},
    {"[a]\nhosts = :80\n", 0, 2, 9, "hosts = :80", "the host before ':' is missing", ""},
    {"[a]\nhosts = a.*.b\n", 0, 2, 11, "hosts = a.*.b",
     "'*' stands for whole labels at the start of a name only: *.example.com", ""},
    {"[a]\nhosts = *a.b\n", 0, 2, 9, "hosts = *a.b",
     "'*' stands for whole labels at the start of a name only: *.example.com", ""},
    {"[a]\nhosts = *.*.b\n", 0, 2, 11, "hosts = *.*.b",
     "'*' stands for whole labels at the start of a name only: *.example.com", ""},
    {"[a]\nhosts = *.\n", 0, 2, 11, "hosts = *.", "an empty label in the name: two dots, or a dot at the start", ""},
    {"[a]\nhosts = *.1.2.3\n", 0, 2, 9, "hosts = *.1.2.3",
     "'*' does not stand in an address: write a prefix such as 10.0.0.0/8", ""},
    {"[a]\nhosts = 10.1.2.256\n", 0, 2, 9, "hosts = 10.1.2.256",
     "this is neither a name nor an IPv4 address of four numbers, 0 to 255", ""},
    {"[a]\nhosts = 010.1.2.3\n", 0, 2, 9, "hosts = 010.1.2.3",
     "this is neither a name nor an IPv4 address of four numbers, 0 to 255", ""},
    {"[a]\nhosts = a..b\n", 0, 2, 11, "hosts = a..b", "an empty label in the name: two dots, or a dot at the start",
     ""},
    {"[a]\nhosts = .a\n", 0, 2, 9, "hosts = .a", "an empty label in the name: two dots, or a dot at the start", ""},
    {"[a]\nhosts = a b\n", 0, 2, 10, "hosts = a b", "a character that no host name has", ""},
    {"[a]\nhosts = caf\xc3\xa9\n", 0, 2, 12, "hosts = caf\xc3\xa9", "a name is written in its ASCII form (xn--...)",
     ""},
    {"[a]\nhosts = u@a\n", 0, 2, 10, "hosts = u@a", "a pattern is a host with an optional port, no URL", ""},
    {"[a]\nhosts = https://a.b:1/c\n", 0, 2, 9, "hosts = https://a.b:1/c",
     "a pattern is a host with an optional port, no URL", "a.b:1"},
    {"[a]\nhosts = a.b/c\n", 0, 2, 12, "hosts = a.b/c", "a pattern has no path after the host", "a.b"},
    {"[a]\nhosts = a.b/8\n", 0, 2, 12, "hosts = a.b/8", "a prefix length needs an address before it: 10.0.0.0/8", ""},
    {"[a]\nhosts = " A50 A10 "aaaa.b\n", 0, 2, 9, "hosts = " A50 A10 "aaaa.b", "a label of a name has at most 63 bytes",
     ""},
    {"[a]\nhosts = unix:run/x\n", 0, 2, 14, "hosts = unix:run/x", "the path of a Unix socket starts with a slash", ""},
    {"[a]\nhosts = unix:/" A50 A50 A10 "\n", 0, 2, 14, "hosts = unix:/" A50 A50 A10,
     "the path of a Unix socket has at most 107 bytes", ""},
};

static void check_mistake(void **state)
{
    const struct mistake *mistake = *state;
    size_t length = mistake->length ? mistake->length : strlen(mistake->text);
    char *exact = malloc(length); // no byte behind the text may be read
    struct kept *kept = calloc(1, sizeof(*kept));
    struct rb_policy *policy = (struct rb_policy *) &policy;
    memcpy(exact, mistake->text, length);
    assert_int_equal(rb_policy_parse((struct rb_slice){exact, length}, "test.ini", NULL, &policy, keep, kept), -EINVAL);
    assert_null(policy);
    const struct kept_diagnostic *first = &kept->all[0];
    if (kept->count != 1)
        print_kept(kept);
    assert_int_equal(kept->count, 1);
    assert_string_equal(first->message, mistake->message);
    assert_int_equal(first->line, mistake->line);
    assert_int_equal(first->column, mistake->column);
    assert_string_equal(first->text, mistake->source);
    assert_string_equal(first->suggestion, mistake->suggestion);
    free(kept);
    free(exact);
}

// One run reports all errors in the order of lines, also the errors that are found at the end.
static void test_all_in_order(void **state)
{
    static const char text[] = "x = 1\n"
                               "[a]\n"
                               "retry.base = 20s\n"
                               "retry.on = 99\n"
                               "hosts = a..b, c:0\n"
                               "[a]\n"
                               "[b\n"
                               "log = off\n"
                               "nonsense\n";
    static const unsigned places[][2] = {{1, 1}, {3, 14}, {4, 12}, {5, 11}, {5, 17}, {6, 2}, {7, 1}, {9, 1}};
    struct kept *kept = calloc(1, sizeof(*kept));
    struct rb_policy *policy;
    (void) state;
    assert_int_equal(rb_policy_parse((struct rb_slice){text, sizeof(text) - 1}, "test.ini", NULL, &policy, keep, kept),
                     -EINVAL);
    assert_int_equal(kept->count, sizeof(places) / sizeof(places[0]));
    for (unsigned i = 0; i < kept->count; i++) {
        assert_int_equal(kept->all[i].line, places[i][0]);
        assert_int_equal(kept->all[i].column, places[i][1]);
    }
    free(kept);
}

// The report about a wrong file of any size is bounded.
static void test_report_is_bounded(void **state)
{
    enum { LINES = 5000, LAST = 1000 };
    static char text[LINES * 2];
    struct kept *kept = calloc(1, sizeof(*kept));
    struct rb_policy *policy;
    (void) state;
    for (unsigned i = 0; i < LINES; i++)
        memcpy(text + 2 * (size_t) i, "x\n", 2);
    assert_int_equal(rb_policy_parse((struct rb_slice){text, sizeof(text)}, "test.ini", NULL, &policy, keep, kept),
                     -EINVAL);
    assert_int_equal(kept->count, LAST + 1);
    free(kept);
}

// What a valid file may look like: byte order mark, CRLF, indentation, comments, quotes, no newline at the end.
static void test_tolerated_forms(void **state)
{
    struct rb_policy *policy = policy_of("\xef\xbb\xbf[rebound] ; comment\r\n"
                                         "  ; indented comment\r\n"
                                         "\t# another = one\r\n"
                                         "  log = \"/tmp/a ; b;c.jsonl\" ; the log\r\n"
                                         "\tskip=ssh ,  sudo*;x\r\n"
                                         "\r\n"
                                         "[ my policy ]\r\n"
                                         "   hosts = a.example , b.example:80\r\n"
                                         "   hosts = \"c.example\"\r\n"
                                         "      retry.attempts = 7\r\n"
                                         "retry.jitter=none");
    (void) state;
    const struct rb_process_rules *process = rb_policy_process(policy);
    assert_string_equal(process->log, "/tmp/a ; b;c.jsonl");
    assert_string_equal(process->programs, "*");
    assert_string_equal(process->skip, "ssh sudo*;x");
    const struct rb_section *section = rb_policy_section(policy, 0);
    assert_string_equal(section->name, "my policy");
    assert_int_equal(section->line, 7);
    assert_int_equal(section->rules.attempts, 7);
    assert_int_equal(section->rules.backoff.jitter, RB_JITTER_NONE);
    assert_int_equal(rb_policy_pattern_count(policy), 3);
    assert_null(rb_policy_section(policy, 1));
    rb_policy_free(policy);
}

// The longest line that is allowed is read whole, and one byte more is refused (see the table above).
static void test_longest_line(void **state)
{
    char text[256];
    (void) state;
    int head = snprintf(text, sizeof(text), "[rebound]\nlog = /");
    memset(text + head, 'x', 10 + 198 - (size_t) head);
    text[10 + 198] = '\0';
    struct rb_policy *policy = policy_of(text);
    assert_string_equal(rb_policy_process(policy)->log, text + 16);
    rb_policy_free(policy);
}

static void test_empty_texts(void **state)
{
    static const char *const texts[] = {"", "\n", "; nothing", "\xef\xbb\xbf"};
    (void) state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct rb_policy *policy = policy_of(texts[i]);
        assert_null(rb_policy_section(policy, 0));
        assert_string_equal(rb_policy_process(policy)->log, "off");
        rb_policy_free(policy);
    }
}

// A section with hosts may have any name. So may a section without hosts, if its name is not similar to a special one.
static void test_names_of_sections(void **state)
{
    (void) state;
    rb_policy_free(policy_of("[Default]\nhosts = a\n[rebounds]\nhosts = b\n[draft]\nretry.base = 1s\n[a/b.c-d e:f]\n"));
}

// Sections inherit from [default] at any place of the file. Each key keeps the line that its value came from.
static void test_inheritance(void **state)
{
    struct rb_policy *policy = policy_of("[a]\nhosts = a\nretry.base = 1s\n"
                                         "[default]\nretry.attempts = 9\nretry.base = 2s\n"
                                         "[b]\nhosts = b\n");
    const struct rb_section *a = rb_policy_section(policy, 0), *rest = rb_policy_section(policy, 1),
                            *b = rb_policy_section(policy, 2);
    int attempts = rb_key_find("retry.attempts"), base = rb_key_find("retry.base"), cap = rb_key_find("retry.cap");
    (void) state;
    assert_string_equal(a->name, "a");
    assert_string_equal(rest->name, "default");
    assert_string_equal(b->name, "b");
    assert_int_equal(a->index + 10 * rest->index + 100 * b->index, 210);
    assert_int_equal(a->rules.attempts, 9);
    assert_int_equal(a->rules.backoff.base_ms, 1000);
    assert_int_equal(b->rules.backoff.base_ms, 2000);
    assert_int_equal(b->rules.backoff.cap_ms, 10000);
    assert_int_equal(a->key_places[attempts], 5);
    assert_int_equal(a->key_origins[attempts], RB_ORIGIN_DEFAULT);
    assert_int_equal(a->key_places[base], 3);
    assert_int_equal(a->key_origins[base], RB_ORIGIN_SECTION);
    assert_int_equal(a->key_places[cap], 0);
    assert_int_equal(a->key_origins[cap], RB_ORIGIN_NONE);
    assert_int_equal(rest->key_places[base], 6);
    assert_int_equal(rest->key_origins[base], RB_ORIGIN_SECTION);
    assert_int_equal(b->key_places[base], 6);
    assert_int_equal(b->key_origins[base], RB_ORIGIN_DEFAULT);
    rb_policy_free(policy);
}

static void test_state(void **state)
{
    struct rb_policy *policy;
    static const char text[] = "[rebound]\nstate = /run/state\nstate.cells = 4096\n";
    (void) state;
    assert_int_equal(rb_policy_parse((struct rb_slice){text, sizeof(text) - 1}, "p", NULL, &policy, NULL, NULL), 0);
    assert_string_equal(rb_policy_process(policy)->state, "/run/state");
    assert_int_equal(rb_policy_process(policy)->state_cells, 4096);
    rb_policy_free(policy);
    assert_int_equal(rb_policy_parse((struct rb_slice){"", 0}, "p", NULL, &policy, NULL, NULL), 0);
    assert_string_equal(rb_policy_process(policy)->state, "shared");
    assert_int_equal(rb_policy_process(policy)->state_cells, RB_CELLS_DEFAULT);
    rb_policy_free(policy);
}

static void test_deepbind(void **state)
{
    static const struct {
        const char *text;
        bool keep;
    } policies[] = {
        {"", false},
        {"[rebound]\n", false},
        {"[rebound]\ndeepbind = clear\n", false},
        {"[rebound]\ndeepbind = keep\n", true},
    };
    (void) state;
    for (size_t i = 0; i < sizeof(policies) / sizeof(policies[0]); i++) {
        struct rb_policy *policy = policy_of(policies[i].text);
        assert_int_equal(rb_policy_process(policy)->deepbind_keep, policies[i].keep);
        rb_policy_free(policy);
    }
}

static void test_programs(void **state)
{
    struct rb_policy *policy = policy_of("[rebound]\nprograms = curl, python3*, w?et\nskip = python3.9, ssh\n");
    (void) state;
    assert_true(rb_policy_covers_program(policy, "curl", NULL));
    assert_true(rb_policy_covers_program(policy, "/usr/bin/curl", NULL));
    assert_true(rb_policy_covers_program(policy, "python3.11", NULL));
    assert_true(rb_policy_covers_program(policy, "wget", NULL));
    assert_false(rb_policy_covers_program(policy, "python3.9", NULL));
    assert_false(rb_policy_covers_program(policy, "curl2", NULL));
    assert_false(rb_policy_covers_program(policy, "ssh", NULL));
    assert_false(rb_policy_covers_program(policy, "", NULL));
    // One name must be listed, and none skipped.
    assert_true(rb_policy_covers_program(policy, "/usr/bin/busybox", "/bin/wget"));
    assert_true(rb_policy_covers_program(policy, "/usr/bin/wget", "/usr/local/bin/w"));
    assert_false(rb_policy_covers_program(policy, "/usr/bin/curl", "/home/u/ssh"));
    assert_false(rb_policy_covers_program(policy, "/usr/bin/ssh", "curl"));
    assert_false(rb_policy_covers_program(policy, "/usr/bin/busybox", "nc"));
    rb_policy_free(policy);
    policy = policy_of("");
    assert_true(rb_policy_covers_program(policy, "anything", NULL));
    rb_policy_free(policy);
}

static void test_glob(void **state)
{
    (void) state;
    assert_true(rb_glob_match("", ""));
    assert_true(rb_glob_match("*", ""));
    assert_true(rb_glob_match("a*b*c", "aXbYbZc"));
    assert_true(rb_glob_match("**a?", "xaab"));
    assert_true(rb_glob_match("/run/*.sock", "/run/a/b.sock"));
    assert_false(rb_glob_match("?", ""));
    assert_false(rb_glob_match("a*b", "ab!"));
    assert_false(rb_glob_match("[a]", "a"));
    assert_false(rb_glob_match("a", "A"));
}

struct unreadable {
    const char *path;
    int error;
    const char *message;
};

static void test_unreadable(void **state)
{
    char fifo[] = "/tmp/rebound-test-XXXXXX/fifo";
    char *slash = strrchr(fifo, '/');
    (void) state;
    *slash = '\0';
    assert_non_null(mkdtemp(fifo));
    char directory[sizeof(fifo)];
    strcpy(directory, fifo);
    *slash = '/';
    assert_int_equal(mkfifo(fifo, 0600), 0);
    const struct unreadable cases[] = {{directory, -EISDIR, "this is a directory"},
                                       {"/nonexistent/policy.ini", -ENOENT, "there is no such file"},
                                       {fifo, -EINVAL, "this is not a regular file"}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct kept *kept = calloc(1, sizeof(*kept));
        struct rb_policy *policy;
        assert_int_equal(rb_policy_load(cases[i].path, NULL, &policy, keep, kept), cases[i].error);
        assert_null(policy);
        assert_int_equal(kept->count, 1);
        assert_int_equal(kept->all[0].line, 0);
        assert_string_equal(kept->all[0].message, cases[i].message);
        assert_int_equal(rb_policy_load(cases[i].path, NULL, &policy, NULL, NULL), cases[i].error);
        free(kept);
    }
    unlink(fifo);
    rmdir(directory);
}

// A file over 64 MiB is refused before it is read. The file is sparse.
static void test_too_large(void **state)
{
    char path[] = "/tmp/rebound-test-XXXXXX";
    struct rb_policy *policy;
    (void) state;
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, 64 * 1024 * 1024 + 1), 0);
    close(fd);
    assert_int_equal(rb_policy_load(path, NULL, &policy, NULL, NULL), -EFBIG);
    unlink(path);
}

static void name_mistake(const void *row, char *name, size_t size)
{
    snprintf(name, size, "mistake %td", (const struct mistake *) row - mistakes);
}

int main(void)
{
    static const struct case_table table = {mistakes, sizeof(mistakes[0]), sizeof(mistakes) / sizeof(mistakes[0]),
                                            check_mistake, name_mistake};
    static const struct CMUnitTest others[] = {
        cmocka_unit_test(test_all_in_order),
        cmocka_unit_test(test_report_is_bounded),
        cmocka_unit_test(test_tolerated_forms),
        cmocka_unit_test(test_longest_line),
        cmocka_unit_test(test_empty_texts),
        cmocka_unit_test(test_inheritance),
        cmocka_unit_test(test_names_of_sections),
        cmocka_unit_test(test_programs),
        cmocka_unit_test(test_deepbind),
        cmocka_unit_test(test_state),
        cmocka_unit_test(test_glob),
        cmocka_unit_test(test_unreadable),
        cmocka_unit_test(test_too_large),
    };
    return run_with_cases("policy reader", &table, others, sizeof(others) / sizeof(others[0]));
}

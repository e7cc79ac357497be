// SPDX-License-Identifier: MIT
// Tests of the classification: every CURLcode, every errno of connect and every result of getaddrinfo.
#define _GNU_SOURCE 1
#include "engine_vectors.h"

#include <errno.h>
#include <limits.h>
#include <netdb.h>

#include "engine/classify.h"

static const char *const sent_words[] = {"never", "maybe", "answered", NULL};
static const char *const health_words[] = {"ignored", "success", "failure", "throttled", NULL};

// How far the attempt came: the last column, "" where libcurl was not asked. proxy: by way of a proxy.
static void set_way(struct rb_curl_result *result, const char *word)
{
    static const char *const words[] = {"", "nothing", "address", "peer", "server", NULL};
    const char *rest = word;
    result->proxied = strncmp(rest, "proxy-", 6) == 0;
    rest += result->proxied ? 6 : 0;
    result->tls = strncmp(rest, "tls-", 4) == 0;
    rest += result->tls ? 4 : 0;
    result->reached = (enum rb_reached) vector_word(rest, words);
}

static int signed_number(const char *text)
{
    char *end;
    long value = strtol(text, &end, 10);
    if (end == text || *end != '\0')
        fail_msg("\"%s\" is not a number", text);
    return (int) value;
}

// Compares as text, so that a failure prints both outcomes in full.
static void check(const struct rb_outcome *got, const char *const *want)
{
    char actual[128], expected[128];
    vector_word(want[1], sent_words);
    vector_word(want[2], health_words);
    snprintf(actual, sizeof(actual), "%s %s %s permanent=%d once=%d", rb_cause_name(got->cause), sent_words[got->sent],
             health_words[got->health], got->permanent, got->once);
    snprintf(expected, sizeof(expected), "%s %s %s permanent=%s once=%s", want[0], want[1], want[2], want[3], want[4]);
    assert_string_equal(actual, expected);
}

static void test_curl_row(void **state)
{
    const struct vector_row *row = *state;
    struct rb_curl_result result = {
        .code = signed_number(row->field[1]),
        .http = strcmp(row->field[2], "http") == 0,
        .request_size = signed_number(row->field[3]),
        .answered = vector_number(row->field[4]) != 0,
        .finished = vector_number(row->field[4]) == 2,
        .cut = vector_number(row->field[4]) == 3,
        .status = (unsigned) vector_number(row->field[5]),
        .os_errno = signed_number(row->field[6]),
    };
    set_way(&result, row->field[15]);
    result.tunnel = row->field[16][0] ? (unsigned) vector_number(row->field[16]) : 0;
    struct rb_outcome outcome = rb_classify_curl(&result);
    check(&outcome, &row->field[7]);
    bool error = (result.code == 22 || result.code == 33) && result.status >= 400;
    bool by_status = result.http && ((result.code == 0 && !result.cut) || error);
    bool by_proxy = !by_status && outcome.cause == RB_CAUSE_STATUS;
    assert_int_equal(outcome.status, by_status ? result.status : by_proxy ? result.tunnel : 0);
    assert_int_equal(outcome.tunnel, by_proxy);
}

static void test_errno_row(void **state)
{
    const struct vector_row *row = *state;
    struct rb_outcome outcome = rb_classify_errno(signed_number(row->field[1]), strcmp(row->field[2], "unix") == 0);
    check(&outcome, &row->field[3]);
    assert_int_equal(outcome.status, 0);
}

static void test_eai_row(void **state)
{
    const struct vector_row *row = *state;
    struct rb_outcome outcome = rb_classify_eai(signed_number(row->field[1]), signed_number(row->field[2]));
    check(&outcome, &row->field[3]);
    assert_int_equal(outcome.status, 0);
}

// A failed connect whose errno speaks of the own machine.
static bool is_local(int err, int code)
{
    static const int local[] = {EADDRNOTAVAIL, EMFILE, ENFILE, ENOMEM, ENOBUFS, ENETUNREACH, ENETDOWN, EACCES, EPERM};
    for (size_t i = 0; i < sizeof(local) / sizeof(local[0]); i++)
        if (err == local[i])
            return code == 7 || code == 96;
    return false;
}

// The caller relies on these for every combination of inputs, likely or not.
static void check_curl_laws(const struct rb_curl_result *result)
{
    struct rb_outcome outcome = rb_classify_curl(result);
    if (outcome.sent == RB_SENT_NEVER)
        assert_true(!result->answered && (!result->http || result->request_size == 0));
    if (result->answered)
        assert_int_equal(outcome.sent, RB_SENT_ANSWERED);
    if (outcome.tunnel)
        assert_true(result->http && result->code != 0 && result->tunnel >= 300 && outcome.status == result->tunnel &&
                    outcome.cause == RB_CAUSE_STATUS && outcome.health == RB_HEALTH_IGNORED);
    else if (outcome.cause == RB_CAUSE_STATUS)
        assert_true(result->http && outcome.status >= 400 && outcome.sent == RB_SENT_ANSWERED);
    if (outcome.cause == RB_CAUSE_OTHER)
        assert_true(outcome.permanent);
    if (outcome.cause == RB_CAUSE_NONE)
        assert_true(result->code == 0 && !result->cut);
    if (outcome.health == RB_HEALTH_FAILURE)
        assert_true(outcome.cause != RB_CAUSE_DNS && !is_local(result->os_errno, result->code));
    if (result->proxied && result->code != 0 && result->reached > 0 && result->reached < RB_REACHED_SERVER)
        assert_int_equal(outcome.health, RB_HEALTH_IGNORED);
    if (result->code != 0)
        assert_int_not_equal(outcome.health == RB_HEALTH_SUCCESS && result->code != 22 && result->code != 33, 1);
}

static void test_curl_laws(void **state)
{
    (void) state;
    static const int errnos[] = {0,       ECONNREFUSED,  ETIMEDOUT, ECONNRESET, EPIPE,  EINPROGRESS,
                                 EISCONN, EINTR,         ENOENT,    INT_MAX,    EMFILE, ENFILE,
                                 ENOMEM,  EADDRNOTAVAIL, ENOBUFS,   ENETUNREACH};
    static const unsigned statuses[] = {0, 100, 200, 302, 404, 429, 503, 599, 600, UINT_MAX};
    static const unsigned tunnels[] = {0, 100, 200, 302, 407, 503};
    static const int64_t sizes[] = {INT64_MIN, -1, 0, 1, INT64_MAX};
    for (int code = -2; code < 130; code++)
        for (size_t e = 0; e < sizeof(errnos) / sizeof(errnos[0]); e++)
            for (size_t s = 0; s < sizeof(statuses) / sizeof(statuses[0]); s++)
                for (size_t z = 0; z < sizeof(sizes) / sizeof(sizes[0]); z++)
                    for (unsigned bits = 0; bits < 5 << 4; bits++)
                        check_curl_laws(&(struct rb_curl_result){.code = code,
                                                                 .request_size = sizes[z],
                                                                 .status = statuses[s],
                                                                 .tunnel = tunnels[(s + e) % 6],
                                                                 .answered = (bits & 1) != 0,
                                                                 .finished = (bits & 1) != 0 && e % 2 == 0,
                                                                 .cut = (bits & 1) != 0 && e % 3 == 0,
                                                                 .os_errno = errnos[e],
                                                                 .http = (bits & 2) != 0,
                                                                 .tls = (bits & 4) != 0,
                                                                 .proxied = (bits & 8) != 0,
                                                                 .reached = (enum rb_reached)(bits >> 4)});
}

// No result of connect sends a request, and what may be repeated has a word in retry.on.
static void test_errno_laws(void **state)
{
    (void) state;
    for (int err = -2; err < 200; err++) {
        for (unsigned local = 0; local < 2; local++) {
            struct rb_outcome outcome = rb_classify_errno(err, local != 0);
            assert_int_not_equal(outcome.sent, RB_SENT_ANSWERED);
            assert_int_equal(outcome.permanent, outcome.cause == RB_CAUSE_OTHER);
            assert_false(outcome.once);
        }
    }
}

// Which failures show that the host may not have started: not those of the own machine, of a proxy or of a family.
static void test_absent(void **state)
{
    static const int hosts[] = {ECONNREFUSED, ENETUNREACH, EHOSTUNREACH, EHOSTDOWN, ENETDOWN};
    static const int others[] = {0, ETIMEDOUT, ECONNRESET, EADDRNOTAVAIL, ENOBUFS, EAGAIN, EACCES, EMFILE, ENOENT};
    static const int names[] = {EAI_NONAME, EAI_AGAIN};
    static const int answers[] = {0, EAI_NODATA, EAI_ADDRFAMILY, EAI_FAIL, EAI_SERVICE, EAI_MEMORY, EAI_FAMILY};
    static const struct {
        int code, os_errno;
        bool proxied, absent;
    } curl[] = {{6, 0, false, true},
                {6, 0, true, false},
                {5, 0, true, false},
                {7, ECONNREFUSED, false, true},
                {7, EINPROGRESS, false, true}, // libcurl has not stored the errno of the end
                {7, EHOSTUNREACH, false, true},
                {7, ENOENT, false, true},
                {7, ECONNREFUSED, true, false},
                {7, 0, false, false}, // a callback of the program rejected the address
                {7, EADDRNOTAVAIL, false, false},
                {97, 0, true, false},
                {28, 0, false, false},
                {52, 0, false, false},
                {35, 0, false, false},
                {0, 0, false, false}};
    (void) state;
    for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++)
        assert_true(rb_classify_errno(hosts[i], false).absent);
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        assert_false(rb_classify_errno(others[i], false).absent);
    assert_true(rb_classify_errno(ENOENT, true).absent);
    assert_true(rb_classify_errno(ECONNREFUSED, true).absent);
    assert_false(rb_classify_errno(EAGAIN, true).absent); // its backlog is full
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        assert_true(rb_classify_eai(names[i], 0).absent);
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++)
        assert_false(rb_classify_eai(answers[i], 0).absent);
    assert_true(rb_classify_eai(EAI_SYSTEM, ECONNREFUSED).absent);
    assert_false(rb_classify_eai(EAI_SYSTEM, EMFILE).absent);
    for (size_t i = 0; i < sizeof(curl) / sizeof(curl[0]); i++) {
        struct rb_curl_result result = {
            .code = curl[i].code, .os_errno = curl[i].os_errno, .proxied = curl[i].proxied, .http = true};
        assert_int_equal(rb_classify_curl(&result).absent, curl[i].absent);
    }
}

static void test_cause_names(void **state)
{
    (void) state;
    static const char *const names[] = {"none", "refused", "unreachable", "reset", "timeout", "dns", "status", "other"};
    for (int cause = 0; cause < RB_CAUSE_COUNT; cause++)
        assert_string_equal(rb_cause_name((enum rb_cause) cause), names[cause]);
    assert_string_equal(rb_cause_name((enum rb_cause) RB_CAUSE_COUNT), "other");
}

int main(void)
{
    static const struct vector_table tables[] = {
        {"curlcode.tsv", test_curl_row}, {"errno.tsv", test_errno_row}, {"eai.tsv", test_eai_row}, {NULL, NULL}};
    static const struct CMUnitTest others[] = {
        cmocka_unit_test(test_curl_laws),
        cmocka_unit_test(test_errno_laws),
        cmocka_unit_test(test_absent),
        cmocka_unit_test(test_cause_names),
    };
    return vector_run("engine classify", tables, others, sizeof(others) / sizeof(others[0]));
}

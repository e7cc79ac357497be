// SPDX-License-Identifier: MIT
// The caller of a transfer: which options make two transfers those of one caller.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "curl/credential.h"
#include "curl/fields.h"
#include "curl/handle.h"
#include "engine/tenants.h"

static const uint64_t key[2] = {1, 2}, other_key[2] = {1, 3};

// --- a request: options and header lines, applied to a new handle

struct request {
    const char *lines[4]; // of the header
    const char *url, *pair, *user, *password, *bearer, *netrc_file, *certificate, *signs;
    long methods, netrc;
};

static void set(struct rb_handle *handle, CURLoption option, const char *text)
{
    char copy[256];
    if (!text)
        return;
    strcpy(copy, text); // libcurl copies: the program may overwrite it
    rb_credential_note(handle, option, (union rb_option){.pointer = copy});
    memset(copy, 'x', sizeof(copy));
}

static uint64_t with_key(const struct request *request, const uint64_t which[2])
{
    struct rb_handle handle = {.url = (char *) request->url};
    struct curl_slist lines[4] = {{NULL, NULL}};
    for (unsigned i = 0; i < 4 && request->lines[i]; i++) {
        lines[i].data = (char *) request->lines[i];
        if (i > 0)
            lines[i - 1].next = &lines[i];
        handle.headers = lines;
    }
    set(&handle, CURLOPT_USERPWD, request->pair);
    set(&handle, CURLOPT_USERNAME, request->user);
    set(&handle, CURLOPT_PASSWORD, request->password);
    set(&handle, CURLOPT_XOAUTH2_BEARER, request->bearer);
    set(&handle, CURLOPT_NETRC_FILE, request->netrc_file);
    set(&handle, CURLOPT_SSLCERT, request->certificate);
    set(&handle, CURLOPT_AWS_SIGV4, request->signs);
    rb_credential_note(&handle, CURLOPT_HTTPAUTH, (union rb_option){.number = request->methods});
    rb_credential_note(&handle, CURLOPT_NETRC, (union rb_option){.number = request->netrc});
    return rb_credential(&handle, which);
}

static uint64_t of(struct request request)
{
    return with_key(&request, key);
}

static uint64_t of_line(const char *line)
{
    return of((struct request){.lines = {line}});
}

#define SAME(a, b) assert_int_equal(a, b)
#define OTHER(a, b) assert_int_not_equal(a, b)
#define NOBODY(request) assert_int_equal(request, RB_TENANT_ANONYMOUS)

static void test_nobody(void **state)
{
    (void) state;
    NOBODY(of((struct request){.url = NULL}));
    NOBODY(of((struct request){.url = "http://api.test/a@b?c=d@e#f@g"}));
    NOBODY(of((struct request){.lines = {"Accept: */*", "X-Api: key", "Authorizations: x"}}));
    NOBODY(of_line("Cookie: session=1"));
    NOBODY(of_line("Authorization:")); // takes it off
    NOBODY(of_line("Authorization: "));
    NOBODY(of_line("Authorization"));
    NOBODY(of((struct request){.netrc_file = "/home/a/.netrc"})); // is not read
}

static void test_tokens(void **state)
{
    (void) state;
    uint64_t one = of_line("Authorization: Bearer one");
    OTHER(one, of_line("Authorization: Bearer two"));
    OTHER(one, RB_TENANT_ANONYMOUS);
    OTHER(one, 0);
    SAME(one, of_line("authorization:bearer  one  "));
    SAME(one, of((struct request){.lines = {"Accept: */*", "Authorization: Bearer one", "Cookie: a=b"}}));
    SAME(one, of((struct request){.bearer = "one"}));
    OTHER(one, of_line("Authorization: one"));
    OTHER(one, of_line("X-Api-Key: one"));
    OTHER(one, of((struct request){.lines = {"Authorization: Bearer one", "X-Api-Key: two"}}));
    OTHER(of_line("Authorization: Token one"), of_line("Authorization: Token two"));
    OTHER(of_line("Authorization;"), RB_TENANT_ANONYMOUS); // sent empty
}

static void test_keys(void **state)
{
    (void) state;
    static const char *const lines[] = {"X-Api-Key: one", "X-Api-Key: two",      "Api-Key: one",
                                        "Api-Key: two",   "X-Goog-Api-Key: one", "X-Goog-Api-Key: two"};
    for (unsigned i = 0; i < 6; i++) {
        OTHER(of_line(lines[i]), RB_TENANT_ANONYMOUS);
        for (unsigned j = 0; j < i; j++)
            OTHER(of_line(lines[i]), of_line(lines[j]));
    }
    SAME(of_line("X-Api-Key: one"), of_line("x-API-key: one"));
    SAME(of((struct request){.lines = {"X-Api-Key: one", "Api-Key: two"}}),
         of((struct request){.lines = {"Api-Key: two", "X-Api-Key: one"}}));
}

static void test_users(void **state)
{
    (void) state;
    uint64_t one = of((struct request){.pair = "me:secret"});
    SAME(one, of((struct request){.user = "me", .password = "secret"}));
    SAME(one, of((struct request){.url = "http://me:secret@api.test/x@y"}));
    SAME(one, of((struct request){.url = "me:s%65cret@api.test"}));
    OTHER(one, of((struct request){.pair = "me:other"}));
    OTHER(one, of((struct request){.pair = "you:secret"}));
    OTHER(one, of((struct request){.pair = "me"}));
    SAME(of((struct request){.pair = "me"}), of((struct request){.url = "http://me@api.test/"}));
    OTHER(of((struct request){.pair = "a:b:c"}), of((struct request){.pair = "a:b"}));
    SAME(of((struct request){.pair = "a:b%3ac"}), of((struct request){.user = "a", .password = "b%3ac"}));
    OTHER(of((struct request){.url = "http://a%2:b@api.test/"}), of((struct request){.url = "http://a%3:b@api.test/"}));
    OTHER(of_line("Authorization: Basic bWU6c2VjcmV0"), of_line("Authorization: Basic bWU6b3RoZXI="));
}

// What changes with each request does not count.
static void test_signatures(void **state)
{
    (void) state;
    uint64_t one = of_line("Authorization: AWS4-HMAC-SHA256 Credential=AKID/20260101/eu/s3/aws4_request, "
                           "SignedHeaders=host;x-amz-date, Signature=aaaa");
    SAME(one,
         of_line("Authorization: AWS4-HMAC-SHA256 SignedHeaders=host, Credential=AKID/20260102/us/ec2/aws4_request,"
                 "Signature=bbbb"));
    OTHER(one, of_line("Authorization: AWS4-HMAC-SHA256 Credential=AKIE/20260101/eu/s3/aws4_request, Signature=aaaa"));
    SAME(of_line("Authorization: AWS AKID:aaaa"), of_line("Authorization: AWS AKID:bbbb"));
    SAME(one, of_line("Authorization: AWS AKID:cccc"));
    OTHER(of_line("Authorization: AWS AKID:aaaa"), of_line("Authorization: AWS AKIE:aaaa"));
    SAME(of((struct request){.signs = "aws:amz", .pair = "AKID:one"}),
         of((struct request){.signs = "aws:amz", .pair = "AKID:two"}));
    SAME(of_line("Authorization: Digest username=\"me\", nonce=\"1\", response=\"a\""),
         of_line("Authorization: Digest realm=\"x\", username=\"me\", nonce=\"2\", response=\"b\""));
    OTHER(of_line("Authorization: Digest username=\"me\", nonce=\"1\""),
          of_line("Authorization: Digest username=\"you\", nonce=\"1\""));
    SAME(of((struct request){.pair = "me:one", .methods = (long) CURLAUTH_DIGEST}),
         of_line("Authorization: Digest username=me, nonce=\"2\""));
}

static void test_files(void **state)
{
    (void) state;
    uint64_t plain = of((struct request){.netrc = CURL_NETRC_OPTIONAL});
    OTHER(plain, RB_TENANT_ANONYMOUS);
    OTHER(plain, of((struct request){.netrc = CURL_NETRC_REQUIRED, .netrc_file = "/a"}));
    OTHER(of((struct request){.certificate = "/a.pem"}), of((struct request){.certificate = "/b.pem"}));
}

static void test_key_of_the_state(void **state)
{
    struct request request = {.lines = {"Authorization: Bearer one"}};
    (void) state;
    SAME(with_key(&request, key), with_key(&request, key));
    OTHER(with_key(&request, key), with_key(&request, other_key));
}

// An option that is taken back.
static void test_taken_back(void **state)
{
    static const CURLoption options[] = {CURLOPT_USERPWD, CURLOPT_USERNAME, CURLOPT_PASSWORD, CURLOPT_SSLCERT,
                                         CURLOPT_XOAUTH2_BEARER};
    struct rb_handle handle = {0};
    (void) state;
    for (unsigned i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        set(&handle, options[i], "me:secret");
        OTHER(rb_credential(&handle, key), RB_TENANT_ANONYMOUS);
        rb_credential_note(&handle, options[i], (union rb_option){.pointer = NULL});
        NOBODY(rb_credential(&handle, key));
    }
}

// --- header lines

static void test_lines(void **state)
{
    static const char *const texts[] = {"A: b", "C:", "D;", "E; f", ":g", "no field", "H:  i j \t", "K: \t", NULL};
    static const char *const names[] = {"A", "D", "H"}, *const values[] = {"b", "", "i j"};
    struct curl_slist lines[8];
    struct rb_field field;
    unsigned found = 0;
    (void) state;
    for (unsigned i = 0; texts[i]; i++)
        lines[i] = (struct curl_slist){(char *) texts[i], texts[i + 1] ? &lines[i + 1] : NULL};
    for (const struct curl_slist *line = lines; rb_fields_next(&line, &field); found++) {
        assert_true(found < 3 && rb_field_is(&field, names[found]));
        assert_int_equal(field.value_length, strlen(values[found]));
        assert_memory_equal(field.value, values[found], field.value_length);
    }
    assert_int_equal(found, 3);
    assert_true(rb_fields_have(lines, "x a"));
    assert_false(rb_fields_have(lines, "C K E"));
    assert_false(rb_fields_have(NULL, "A"));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nobody),
        cmocka_unit_test(test_tokens),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_users),
        cmocka_unit_test(test_signatures),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_key_of_the_state),
        cmocka_unit_test(test_taken_back),
        cmocka_unit_test(test_lines),
    };
    return cmocka_run_group_tests_name("curl credential", tests, NULL, NULL);
}

// SPDX-License-Identifier: MIT
// The route of a transfer: which options and variables change it, and for which hosts.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "curl/handle.h"
#include "curl/route.h"
#include "curl/via.h"

static struct rb_handle handle;

static void set(CURLoption option, void *pointer)
{
    rb_option_note(&handle, option, (union rb_option){.pointer = pointer});
}

static void set_text(CURLoption option, const char *text)
{
    char copy[256]; // libcurl copies, and so do we
    strcpy(copy, text);
    set(option, copy);
    memset(copy, 'x', sizeof(copy) - 1);
}

static void set_number(CURLoption option, long number)
{
    rb_option_note(&handle, option, (union rb_option){.number = number});
}

static void set_line(CURLoption option, char *text)
{
    struct curl_slist line = {text, NULL};
    set(option, &line);
}

static int begin(void **state)
{
    (void) state;
    static const char *const names[] = {"http_proxy", "https_proxy", "HTTPS_PROXY", "HTTP_PROXY",
                                        "all_proxy",  "ALL_PROXY",   "no_proxy",    "NO_PROXY"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        unsetenv(names[i]);
    memset(&handle, 0, sizeof(handle));
    return 0;
}

static int end(void **state)
{
    rb_via_free(handle.via);
    return begin(state);
}

static uint64_t via_to(const char *url, bool *proxied)
{
    struct rb_target target;
    assert_int_equal(rb_target_from_url(&target, url, NULL), 0);
    return rb_via_find(&handle, &target, strncmp(url, "https:", 6) == 0, proxied);
}

static uint64_t via(const char *url)
{
    bool proxied = true;
    uint64_t way = via_to(url, &proxied);
    assert_false(proxied);
    return way;
}

static bool is_proxied(const char *url)
{
    bool proxied = false;
    uint64_t way = via_to(url, &proxied);
    assert_true(proxied || way == 0);
    assert_true(!proxied || way != 0);
    return proxied;
}

static void test_directly(void **state)
{
    (void) state;
    set(CURLOPT_PROXY, NULL);
    set(CURLOPT_CONNECT_TO, NULL);
    set(CURLOPT_INTERFACE, NULL);
    set_number(CURLOPT_IPRESOLVE, CURL_IPRESOLVE_WHATEVER);
    set_number(CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_2TLS);
    assert_null(handle.via);
    assert_int_equal(via("http://a.test/"), 0);
    assert_int_equal(via("https://a.test/"), 0);
    set_number(CURLOPT_PROXYTYPE, CURLPROXY_SOCKS5); // without a proxy that says nothing
    set_number(CURLOPT_PROXYPORT, 3128);
    assert_int_equal(via("http://a.test/"), 0);
}

static void test_proxy(void **state)
{
    (void) state;
    set_text(CURLOPT_PROXY, "http://proxy.test:3128");
    assert_true(is_proxied("http://a.test/"));
    bool proxied;
    uint64_t first = via_to("http://a.test/", &proxied);
    set_text(CURLOPT_PROXY, "http://me:secret@proxy.test:3128");
    assert_int_equal(via_to("http://a.test/", &proxied), first);
    assert_null(strstr(handle.via->proxy, "secret"));
    set_number(CURLOPT_PROXYTYPE, CURLPROXY_SOCKS5);
    assert_int_not_equal(via_to("http://a.test/", &proxied), first);
    set_number(CURLOPT_PROXYTYPE, CURLPROXY_HTTP);
    assert_int_equal(via_to("http://a.test/", &proxied), first);
    set_number(CURLOPT_HTTPPROXYTUNNEL, 1);
    assert_int_not_equal(via_to("http://a.test/", &proxied), first);
    set_number(CURLOPT_HTTPPROXYTUNNEL, 0);
    set_text(CURLOPT_PROXY, "http://proxy.test:3129");
    assert_int_not_equal(via_to("http://a.test/", &proxied), first);
    set(CURLOPT_PROXY, NULL);
    assert_false(is_proxied("http://a.test/"));
    set_text(CURLOPT_PRE_PROXY, "socks5://proxy.test");
    assert_true(is_proxied("http://a.test/"));
}

// libcurl reads http_proxy in lower case only, and an empty value as none.
static void test_environment(void **state)
{
    (void) state;
    assert_int_equal(rb_via_environment(), 0);
    setenv("HTTP_PROXY", "http://one.test", 1);
    assert_false(is_proxied("http://a.test/"));
    assert_int_equal(rb_via_environment(), 0);
    setenv("http_proxy", "http://one.test", 1);
    uint64_t before = rb_via_environment();
    assert_int_not_equal(before, 0);
    assert_true(is_proxied("http://a.test/"));
    assert_false(is_proxied("https://a.test/"));
    setenv("http_proxy", "http://two.test", 1);
    assert_int_not_equal(rb_via_environment(), before);
    setenv("http_proxy", "", 1);
    assert_false(is_proxied("http://a.test/"));
    setenv("HTTPS_PROXY", "http://one.test", 1);
    assert_true(is_proxied("https://a.test/"));
    assert_false(is_proxied("http://a.test/"));
    setenv("https_proxy", "http://two.test", 1);
    bool proxied;
    uint64_t lower = via_to("https://a.test/", &proxied);
    setenv("HTTPS_PROXY", "http://three.test", 1);
    assert_int_equal(via_to("https://a.test/", &proxied), lower);
    setenv("ALL_PROXY", "socks5://all.test", 1);
    assert_true(is_proxied("http://a.test/"));
    set_text(CURLOPT_PROXY, ""); // none, whatever the environment says
    assert_false(is_proxied("http://a.test/"));
    assert_false(is_proxied("https://a.test/"));
}

static void test_hosts_without_proxy(void **state)
{
    (void) state;
    setenv("all_proxy", "http://proxy.test", 1);
    setenv("no_proxy", "one.test, .two.test three.test.,10.1.0.0/16,[2001:db8::]/32,192.0.2.7,fd00::1", 1);
    static const char *const direct[] = {"http://one.test/",     "http://ONE.test./",      "http://a.one.test/",
                                         "http://two.test/",     "http://a.two.test/",     "http://three.test/",
                                         "http://10.1.255.3/",   "http://192.0.2.7/",      "http://[2001:db8:1::5]/",
                                         "http://[fd00::1]:81/", "https://10.1.0.0:8443/x"};
    static const char *const others[] = {"http://none.test/", "http://one.test.example/", "http://test/",
                                         "http://10.2.0.1/",  "http://192.0.2.70/",       "http://[2001:db9::5]/",
                                         "http://[fd00::2]/", "http://stone.test/"};
    for (size_t i = 0; i < sizeof(direct) / sizeof(direct[0]); i++)
        assert_false(is_proxied(direct[i]));
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        assert_true(is_proxied(others[i]));
    set_text(CURLOPT_NOPROXY, ""); // in place of the variable
    assert_true(is_proxied("http://one.test/"));
    set_text(CURLOPT_NOPROXY, "none.test");
    assert_false(is_proxied("http://none.test/"));
    set_text(CURLOPT_NOPROXY, "*");
    assert_false(is_proxied("http://other.test/"));
    set_text(CURLOPT_NOPROXY, "10.0.0.0/x, /8, 10.0.0.0/99");
    assert_true(is_proxied("http://10.0.0.1/"));
}

static void test_connect_to(void **state)
{
    (void) state;
    set_line(CURLOPT_CONNECT_TO, "::127.0.0.1:9");
    assert_int_not_equal(via("http://a.test/"), 0);
    assert_int_equal(via("http://a.test/"), via("https://b.test/"));
    set_line(CURLOPT_CONNECT_TO, "a.test:80:b.test:");
    assert_int_not_equal(via("http://A.test/"), 0);
    assert_int_equal(via("http://a.test:81/"), 0);
    assert_int_equal(via("http://b.test/"), 0);
    set_line(CURLOPT_CONNECT_TO, "[::1]::b.test:");
    assert_int_not_equal(via("http://[::1]:82/"), 0);
    assert_int_equal(via("http://[::2]:82/"), 0);
    set_line(CURLOPT_CONNECT_TO, "a.test:80::"); // says nothing
    assert_int_equal(via("http://a.test/"), 0);
    set_line(CURLOPT_CONNECT_TO, "a.test");
    assert_int_equal(via("http://a.test/"), 0);
    set(CURLOPT_CONNECT_TO, NULL);
    assert_int_equal(via("http://[::1]:82/"), 0);
}

static void test_resolve(void **state)
{
    (void) state;
    set_line(CURLOPT_RESOLVE, "a.test:80:127.0.0.9");
    uint64_t first = via("http://a.test/");
    assert_int_not_equal(first, 0);
    assert_int_equal(via("http://a.test:81/"), 0);
    assert_int_equal(via("http://b.test/"), 0);
    set_line(CURLOPT_RESOLVE, "+a.test:80:127.0.0.8");
    assert_int_not_equal(via("http://a.test/"), first);
    set(CURLOPT_RESOLVE, NULL); // libcurl has not forgotten it
    assert_int_not_equal(via("http://a.test/"), 0);
    rb_handle_reset(&handle);
    assert_int_not_equal(via("http://a.test/"), 0);
    set_line(CURLOPT_RESOLVE, "-a.test:80");
    assert_int_equal(via("http://a.test/"), 0);
    set_line(CURLOPT_RESOLVE, "*:80:127.0.0.9");
    assert_int_not_equal(via("http://b.test/"), 0);
}

static void test_other_options(void **state)
{
    static const struct {
        CURLoption option;
        const char *text;
    } texts[] = {{CURLOPT_UNIX_SOCKET_PATH, "/run/a"},
                 {CURLOPT_ABSTRACT_UNIX_SOCKET, "/run/a"},
                 {CURLOPT_INTERFACE, "eth0"},
                 {CURLOPT_DNS_SERVERS, "127.0.0.1"},
                 {CURLOPT_DOH_URL, "https://doh.test/"}};
    static const struct {
        CURLoption option;
        long number;
    } numbers[] = {{CURLOPT_IPRESOLVE, CURL_IPRESOLVE_V6},
                   {CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE},
                   {CURLOPT_HAPROXYPROTOCOL, 1}};
    uint64_t seen[8];
    size_t count = 0;
    (void) state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        set_text(texts[i].option, texts[i].text);
        seen[count++] = via("http://a.test/");
        set(texts[i].option, NULL);
        assert_int_equal(via("http://a.test/"), 0);
    }
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        set_number(numbers[i].option, numbers[i].number);
        seen[count++] = via("http://a.test/");
        set_number(numbers[i].option, 0);
        assert_int_equal(via("http://a.test/"), 0);
    }
    for (size_t i = 0; i < count; i++) {
        assert_int_not_equal(seen[i], 0);
        for (size_t j = 0; j < i; j++)
            assert_int_not_equal(seen[i], seen[j]);
    }
    assert_int_not_equal(via("http://a.test:443/"), 0); // plain text
    assert_int_equal(via("https://a.test:443/"), 0);
}

static void test_copies(void **state)
{
    (void) state;
    assert_null(rb_via_copy(NULL));
    set_text(CURLOPT_PROXY, "proxy.test");
    set_line(CURLOPT_RESOLVE, "a.test:80:127.0.0.9");
    set_number(CURLOPT_IPRESOLVE, CURL_IPRESOLVE_V4);
    bool proxied;
    uint64_t original = via_to("http://a.test/", &proxied);
    struct rb_via *first = handle.via;
    handle.via = rb_via_copy(first);
    rb_via_free(first);
    assert_int_equal(via_to("http://a.test/", &proxied), original);
    assert_true(proxied);
}

static uint64_t key_of(const struct rb_policy *policy)
{
    struct rb_route *route = rb_route_take(&handle, policy);
    assert_non_null(route);
    uint64_t key = route->key;
    rb_route_leave(route);
    return key;
}

// The cached route of a handle is computed again when an option or the environment changes it, and when it changes
// back.
static void test_kept_routes(void **state)
{
    static const char text[] = "[default]\nretry.attempts = 2\n";
    static const struct rb_libcurl library = {0};
    struct rb_policy *policy;
    (void) state;
    assert_int_equal(rb_policy_parse((struct rb_slice){text, sizeof(text) - 1}, "text", NULL, &policy, NULL, NULL), 0);
    handle.curl = &library;
    set_text(CURLOPT_URL, "http://a.test/");
    uint64_t direct = key_of(policy);
    setenv("http_proxy", "http://proxy.test", 1);
    uint64_t proxied = key_of(policy);
    assert_int_not_equal(proxied, direct);
    setenv("no_proxy", "a.test", 1);
    assert_int_equal(key_of(policy), direct);
    unsetenv("no_proxy");
    assert_int_equal(key_of(policy), proxied);
    unsetenv("http_proxy");
    assert_int_equal(key_of(policy), direct);
    set_line(CURLOPT_CONNECT_TO, "::b.test:");
    assert_int_not_equal(key_of(policy), direct);
    set(CURLOPT_CONNECT_TO, NULL);
    assert_int_equal(key_of(policy), direct);
    set_text(CURLOPT_INTERFACE, "eth0");
    assert_int_not_equal(key_of(policy), direct);
    rb_handle_reset(&handle);
    set_text(CURLOPT_URL, "http://a.test/");
    assert_int_equal(key_of(policy), direct);
    rb_route_forget(&handle);
    free(handle.url);
    rb_policy_free(policy);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_directly, begin, end),
        cmocka_unit_test_setup_teardown(test_proxy, begin, end),
        cmocka_unit_test_setup_teardown(test_environment, begin, end),
        cmocka_unit_test_setup_teardown(test_hosts_without_proxy, begin, end),
        cmocka_unit_test_setup_teardown(test_connect_to, begin, end),
        cmocka_unit_test_setup_teardown(test_resolve, begin, end),
        cmocka_unit_test_setup_teardown(test_other_options, begin, end),
        cmocka_unit_test_setup_teardown(test_copies, begin, end),
        cmocka_unit_test_setup_teardown(test_kept_routes, begin, end),
    };
    return cmocka_run_group_tests_name("curl via", tests, NULL, NULL);
}

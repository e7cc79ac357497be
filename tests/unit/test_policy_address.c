// SPDX-License-Identifier: MIT
// Address literals: what is written equals inet_ntop's text.
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "policy/address.h"

static void check_written(int family, const uint8_t address[16])
{
    char expected[INET6_ADDRSTRLEN], out[INET6_ADDRSTRLEN];
    struct rb_writer writer = rb_writer_on(out, sizeof(out));
    assert_non_null(inet_ntop(family, address, expected, sizeof(expected)));
    rb_address_write_bare(&writer, family, address);
    assert_string_equal(out, expected);
}

static void test_known_addresses(void **state)
{
    static const char *const literals[] = {"::",        "::1",         "1::",       "::1.2.3.4",  "::0.1.0.0",
                                           "1:0:0:2::", "::1:0:0:0:2", "1::2:0:0",  "0:1::",      "1:0:2:0:3:0:4:0",
                                           "fe80::1",   "2001:db8::7", "::1:2:3:4", "64:ff9b::7", "ff02::1:ff00:0"};
    (void) state;
    for (size_t i = 0; i < sizeof(literals) / sizeof(literals[0]); i++) {
        uint8_t address[16];
        assert_int_equal(inet_pton(AF_INET6, literals[i], address), 1);
        check_written(AF_INET6, address);
    }
}

// Many groups are zero, so that runs of all lengths and places occur.
static void test_random_addresses(void **state)
{
    enum { ROUNDS = 20000 };
    uint32_t random = 1;
    (void) state;
    for (unsigned i = 0; i < ROUNDS; i++) {
        uint8_t address[16] = {0}, folded[16];
        for (unsigned j = 0; j < 16; j++) {
            random = random * 1664525 + 1013904223;
            address[j] = random >> 30 ? 0 : (uint8_t) (random >> 16);
        }
        check_written(AF_INET, address);
        if (rb_address_fold(address, folded) == AF_INET6)
            check_written(AF_INET6, address);
    }
}

static void test_brackets(void **state)
{
    char out[INET6_ADDRSTRLEN + 2];
    struct rb_writer writer = rb_writer_on(out, sizeof(out));
    (void) state;
    rb_address_write(&writer, AF_INET6, (const uint8_t[16]){[15] = 1});
    rb_address_write(&writer, AF_INET, (const uint8_t[16]){127, 0, 0, 1});
    assert_string_equal(out, "[::1]127.0.0.1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_addresses),
        cmocka_unit_test(test_random_addresses),
        cmocka_unit_test(test_brackets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

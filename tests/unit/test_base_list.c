// SPDX-License-Identifier: MIT
// Tests of lists of names in one text.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/list.h"

static bool holds(const char *list, const char *name, bool fold)
{
    return rb_list_holds(list, name, strlen(name), fold);
}

static void test_lists(void **state)
{
    (void) state;
    assert_true(holds("GET HEAD PUT", "GET", false));
    assert_true(holds("GET HEAD PUT", "HEAD", false));
    assert_true(holds("GET HEAD PUT", "PUT", false));
    assert_false(holds("GET HEAD PUT", "get", false));
    assert_false(holds("GET HEAD PUT", "GE", false));
    assert_false(holds("GET HEAD PUT", "GETS", false));
    assert_false(holds("GET HEAD PUT", "GET HEAD", false));
    assert_false(holds("GET HEAD PUT", "", false));
    assert_false(holds("GET  HEAD", "", false));
    assert_false(holds("", "GET", false));
    assert_false(holds("", "", false));
    assert_true(holds("*", "ANYTHING", false));
    assert_false(holds("* GET", "PUT", false));
    assert_true(holds("Idempotency-Key X-Key", "idempotency-KEY", true));
    assert_true(holds("Idempotency-Key X-Key", "x-key", true));
    assert_false(holds("X-Key", "X\rKey", true));
    assert_false(holds("A@B", "A`B", true)); // differ in the case bit, but are no letters
    assert_true(rb_list_holds("GET HEAD", "HEADER", 4, false));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lists),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: MIT
// Functions found in the objects after this one.
#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "real/elf.h"

static void next_is_libcs(void **state)
{
    (void) state;
    assert_ptr_equal(rb_elf_next("getsockopt"), dlsym(RTLD_NEXT, "getsockopt"));
    assert_null(rb_elf_next("no_such_function"));
}

// One that is missing is looked for in every object, and does not end the search for those behind it.
static void all_are_found_as_each_alone(void **state)
{
    static const char *const names[] = {"getsockopt", "no_such_function", "epoll_ctl", "_cmocka_run_group_tests"};
    void *found[] = {&found, &found, &found, &found};
    (void) state;
    rb_elf_next_all(names, found, 4);
    for (unsigned i = 0; i < 4; i++)
        assert_ptr_equal(found[i], rb_elf_next(names[i]));
    assert_null(found[1]);
    assert_non_null(found[2]);
    assert_non_null(found[3]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(next_is_libcs),
        cmocka_unit_test(all_are_found_as_each_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

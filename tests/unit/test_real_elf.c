// SPDX-License-Identifier: MIT
// Functions found in the objects after this one.
#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/auxv.h>
#include <unistd.h>

#include <cmocka.h>

#include "real/elf.h"

static void next_is_libcs(void **state)
{
    (void) state;
    assert_ptr_equal(rb_elf_next("getsockopt"), dlsym(RTLD_NEXT, "getsockopt"));
    assert_null(rb_elf_next("no_such_function"));
}

static void next_anywhere_is_the_same(void **state)
{
    static const char *const names[] = {"getsockopt", "no_such_function", "epoll_ctl", "_cmocka_run_group_tests"};
    (void) state;
    for (unsigned i = 0; i < 4; i++)
        assert_ptr_equal(rb_elf_next_anywhere(names[i]), rb_elf_next(names[i]));
    assert_non_null(rb_elf_next("_cmocka_run_group_tests"));
}

// This program defines two functions that libc also defines.
static unsigned calls;

int dl_iterate_phdr(int (*visit)(struct dl_phdr_info *, size_t, void *), void *context)
{
    calls++;
    return rb_elf_each(visit, context);
}

unsigned long getauxval(unsigned long type)
{
    calls++;
    return rb_elf_auxiliary(type);
}

static int count(struct dl_phdr_info *info, size_t size, void *context)
{
    (void) info, (void) size;
    ++*(unsigned *) context;
    return 0;
}

static void libcs_own_are_found_behind_others(void **state)
{
    unsigned objects = 0, before = calls;
    void *libc = dlopen("libc.so.6", RTLD_NOW | RTLD_NOLOAD);
    (void) state;
    assert_non_null(libc);
    assert_ptr_equal(rb_elf_libc("dl_iterate_phdr"), dlsym(libc, "dl_iterate_phdr"));
    assert_ptr_not_equal(rb_elf_libc("dl_iterate_phdr"), (void *) dl_iterate_phdr);
    assert_null(rb_elf_libc("no_such_function"));
    assert_int_equal(rb_elf_each(count, &objects), 0);
    assert_true(objects >= 3);
    assert_int_equal(rb_elf_auxiliary(AT_PAGESZ), sysconf(_SC_PAGESIZE));
    assert_int_equal(calls, before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(next_is_libcs),
        cmocka_unit_test(next_anywhere_is_the_same),
        cmocka_unit_test(libcs_own_are_found_behind_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

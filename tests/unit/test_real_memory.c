// SPDX-License-Identifier: MIT
// Which memory can be read: stack, heap, mappings that change, and pages without permission.
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "real/memory.h"

enum { PAGE = 4096 };

static char in_program[2 * PAGE] = "data";

static char *pages(unsigned count, int protection)
{
    char *memory = mmap(NULL, (size_t) count * PAGE, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(memory != MAP_FAILED);
    return memory;
}

static void pointers_that_no_program_maps_are_not_readable(void **unused)
{
    (void) unused;
    assert_false(rb_memory_is_readable(NULL, 1));
    assert_false(rb_memory_is_readable((void *) 16, 1));
    assert_false(rb_memory_is_readable((void *) -1, 16));
    assert_false(rb_memory_is_readable(in_program, SIZE_MAX));
    assert_true(rb_memory_is_readable(NULL, 0));
}

static void memory_in_use_is_readable(void **unused)
{
    (void) unused;
    char on_stack[10 * PAGE] = "", *allocated = malloc(100000);
    assert_non_null(allocated);
    for (unsigned round = 0; round < 3; round++) {
        assert_true(rb_memory_is_readable(on_stack, sizeof(on_stack)));
        assert_true(rb_memory_is_readable(on_stack + sizeof(on_stack) - 1, 1));
        assert_true(rb_memory_is_readable(allocated, 100000));
        assert_true(rb_memory_is_readable(allocated + 50001, 1));
        assert_true(rb_memory_is_readable(in_program, sizeof(in_program)));
        assert_true(rb_memory_is_readable("constant", 8));
    }
    free(allocated);
}

static void *readable_in_thread(void *unused)
{
    (void) unused;
    char on_stack[4 * PAGE] = "";
    return (void *) (uintptr_t) rb_memory_is_readable(on_stack, sizeof(on_stack));
}

static void the_stack_of_each_thread_is_readable(void **unused)
{
    (void) unused;
    for (unsigned i = 0; i < 3; i++) {
        pthread_t thread;
        void *result;
        assert_int_equal(pthread_create(&thread, NULL, readable_in_thread, NULL), 0);
        assert_int_equal(pthread_join(thread, &result), 0);
        assert_non_null(result);
    }
}

static void an_unreadable_page_is_found_anywhere(void **unused)
{
    (void) unused;
    char *memory = pages(3, PROT_READ | PROT_WRITE);
    assert_true(rb_memory_is_readable(memory, 3 * PAGE));
    assert_int_equal(mprotect(memory + PAGE, PAGE, PROT_NONE), 0);
    assert_true(rb_memory_is_readable(memory, PAGE));
    assert_false(rb_memory_is_readable(memory + PAGE - 1, 2));
    assert_false(rb_memory_is_readable(memory + PAGE + 100, 4));
    assert_false(rb_memory_is_readable(memory, 3 * PAGE));
    assert_true(rb_memory_is_readable(memory + 2 * PAGE, 1));
    munmap(memory, (size_t) 3 * PAGE);
    assert_false(rb_memory_is_readable(memory, 1));
}

static void the_heap_ends_at_the_program_break(void **unused)
{
    (void) unused;
    char *end = sbrk(8 * PAGE);
    if (end == (char *) -1)
        skip();
    assert_true(rb_memory_is_readable(end, 8 * PAGE));
    assert_int_equal(brk(end), 0);
    assert_false(rb_memory_is_readable(end + PAGE, 7 * PAGE));
    assert_true(rb_memory_is_readable(end - 1, 1));
}

// The kernel reads the memory as a set of signals. It must change nothing.
static void the_signal_mask_stays(void **unused)
{
    (void) unused;
    sigset_t set, before, after;
    char *memory = pages(1, PROT_READ | PROT_WRITE);
    memset(memory, 0xff, PAGE);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    assert_int_equal(pthread_sigmask(SIG_SETMASK, &set, &before), 0);
    assert_true(rb_memory_is_readable(memory, PAGE));
    assert_int_equal(pthread_sigmask(SIG_SETMASK, &before, &after), 0);
    for (int number = 1; number < SIGRTMAX; number++)
        assert_int_equal(sigismember(&after, number), number == SIGUSR1);
    munmap(memory, PAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pointers_that_no_program_maps_are_not_readable),
        cmocka_unit_test(memory_in_use_is_readable),
        cmocka_unit_test(the_stack_of_each_thread_is_readable),
        cmocka_unit_test(an_unreadable_page_is_found_anywhere),
        cmocka_unit_test(the_heap_ends_at_the_program_break),
        cmocka_unit_test(the_signal_mask_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

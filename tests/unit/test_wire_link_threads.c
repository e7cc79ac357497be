// SPDX-License-Identifier: MIT
// The table of links under threads: of all calls that want a link at the same time, one gets it. A link is given back
// once, whoever closes its descriptor.
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "wire/link.h"

enum { THREADS = 4, ROUNDS = 3000, DESCRIPTORS = 3, SPARE_ROUNDS = 70000 };

static int fds[DESCRIPTORS];
static struct rb_section section;

static void open_link(int fd)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    struct rb_peer peer = {.last_candidate = false};
    rb_link_open(fd, (const struct sockaddr *) &address, sizeof(address), &peer, &section);
}

static void use_link(unsigned i, unsigned how)
{
    struct rb_link *link = rb_link_claim(fds[i]);
    if (!link)
        return;
    assert_int_equal(link->fd, fds[i]);
    link->exchanges++;
    if (how % 4 == 0)
        rb_link_drop(link);
    else
        rb_link_release(link);
}

static void *use_links(void *context)
{
    unsigned state = (unsigned) (uintptr_t) context;
    for (unsigned round = 0; round < ROUNDS; round++) {
        unsigned which = (round + state) % DESCRIPTORS, how = round * 7 + state;
        rb_link_note_wait(fds[which], RB_LINK_WAIT_FEW);
        if (how % 5 == 0)
            open_link(fds[which]);
        else if (how % 5 == 1)
            rb_link_close(fds[which]);
        else if (how % 5 == 2)
            rb_link_leave(fds[which]);
        else
            use_link(which, how);
    }
    return NULL;
}

static void no_link_has_two_owners(void **state)
{
    pthread_t threads[THREADS];
    (void) state;
    section.rules.intercept = RB_INTERCEPT_HTTP;
    for (unsigned i = 0; i < DESCRIPTORS; i++)
        assert_true((fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) > 0);
    for (uintptr_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, use_links, (void *) i), 0);
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    for (unsigned i = 0; i < DESCRIPTORS; i++)
        rb_link_close(fds[i]);
    assert_int_equal(rb_link_count, 0);
}

// More links than the table has room for at one time, so each must be given back.
static void a_link_that_is_closed_during_its_claim_is_given_back(void **state)
{
    (void) state;
    for (unsigned i = 0; i < SPARE_ROUNDS; i++) {
        open_link(fds[0]);
        struct rb_link *link = rb_link_claim(fds[0]);
        assert_non_null(link);
        assert_false(rb_link_is_disturbed(link));
        rb_link_close(fds[0]);
        assert_true(rb_link_is_disturbed(link));
        rb_link_release(link);
    }
}

static _Atomic bool opening;

static void *open_others(void *context)
{
    (void) context;
    for (unsigned round = 0; round < SPARE_ROUNDS; round++) {
        open_link(fds[1]);
        rb_link_close(fds[1]);
    }
    opening = false;
    return NULL;
}

static void a_claim_does_not_fail_while_others_open_links(void **state)
{
    pthread_t thread;
    (void) state;
    opening = true;
    open_link(fds[0]);
    assert_int_equal(pthread_create(&thread, NULL, open_others, NULL), 0);
    while (opening) {
        struct rb_link *link = rb_link_claim(fds[0]);
        assert_non_null(link);
        assert_false(rb_link_is_disturbed(link));
        rb_link_release(link);
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
    rb_link_close(fds[0]);
    assert_int_equal(rb_link_count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_link_has_two_owners),
        cmocka_unit_test(a_link_that_is_closed_during_its_claim_is_given_back),
        cmocka_unit_test(a_claim_does_not_fail_while_others_open_links),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: MIT
// The descriptors in the control data of messages, also in control data that is cut off or wrong.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "net/rights.h"

static int seen[16];
static unsigned count;

static void visit(int fd)
{
    seen[count++] = fd;
}

static char control[256];

// Appends a part with `fds` integers from `first` on. Returns the length of the control data.
static size_t append(size_t used, int type, int first, unsigned fds)
{
    struct cmsghdr header = {.cmsg_len = CMSG_LEN(fds * sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = type};
    memcpy(control + used, &header, sizeof(header));
    for (unsigned i = 0; i < fds; i++) {
        int fd = first + (int) i;
        memcpy(control + used + CMSG_LEN(0) + i * sizeof(int), &fd, sizeof(fd));
    }
    return used + CMSG_SPACE(fds * sizeof(int));
}

static unsigned visits(size_t length)
{
    struct msghdr message = {.msg_control = control, .msg_controllen = length};
    count = 0;
    rb_rights_visit(&message, visit);
    return count;
}

static void all_parts(void **state)
{
    (void) state;
    size_t used = append(0, SCM_RIGHTS, 3, 2);
    used = append(used, SCM_CREDENTIALS, 100, 3);
    used = append(used, SCM_RIGHTS, 7, 1);
    assert_int_equal(visits(used), 3);
    assert_int_equal(seen[0], 3);
    assert_int_equal(seen[1], 4);
    assert_int_equal(seen[2], 7);
    // The padding after the last part may be missing.
    assert_int_equal(visits(used - CMSG_SPACE(sizeof(int)) + CMSG_LEN(sizeof(int))), 3);
}

static void cut_off(void **state)
{
    (void) state;
    size_t used = append(0, SCM_RIGHTS, 3, 2), whole = append(used, SCM_RIGHTS, 7, 2);
    for (size_t length = used; length < used + CMSG_LEN(2 * sizeof(int)); length++)
        assert_int_equal(visits(length), 2);
    assert_int_equal(visits(whole), 4);
    assert_int_equal(visits(sizeof(struct cmsghdr) - 1), 0);
    assert_int_equal(visits(0), 0);
}

static void wrong_lengths(void **state)
{
    (void) state;
    static const size_t wrong[] = {0, 1, sizeof(struct cmsghdr) - 1, 200, UINT32_MAX, UINT32_MAX - 6};
    size_t used = append(0, SCM_RIGHTS, 3, 1);
    append(used, SCM_RIGHTS, 7, 1);
    for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct cmsghdr header = {.cmsg_len = wrong[i], .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
        memcpy(control + used, &header, sizeof(header));
        assert_int_equal(visits(2 * used), 1);
    }
}

// musl's structures have 32-bit lengths, and undefined padding behind them.
static void padding(void **state)
{
    (void) state;
    uint64_t length = append(0, SCM_RIGHTS, 3, 1), part;
    memcpy(&part, control, sizeof(part));
    part |= UINT64_C(0xabcdef01) << 32;
    memcpy(control, &part, sizeof(part));
    assert_int_equal(visits(length | UINT64_C(0x12345678) << 32), 1);
}

static void wrong_pointers(void **state)
{
    (void) state;
    struct msghdr message = {.msg_control = (void *) 4096, .msg_controllen = 64};
    count = 0;
    rb_rights_visit(NULL, visit);
    rb_rights_visit(&message, visit);
    message.msg_control = NULL;
    rb_rights_visit(&message, visit);
    rb_rights_visit_all(NULL, 5, visit);
    assert_int_equal(count, 0);
}

static void several_messages(void **state)
{
    (void) state;
    struct mmsghdr messages[3] = {{.msg_len = 0}};
    size_t used = append(0, SCM_RIGHTS, 5, 1);
    count = 0;
    messages[2].msg_hdr = (struct msghdr){.msg_control = control, .msg_controllen = used};
    rb_rights_visit_all(messages, 2, visit);
    assert_int_equal(count, 0);
    rb_rights_visit_all(messages, 3, visit);
    assert_int_equal(count, 1);
    assert_int_equal(seen[0], 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_parts), cmocka_unit_test(cut_off),        cmocka_unit_test(wrong_lengths),
        cmocka_unit_test(padding),   cmocka_unit_test(wrong_pointers), cmocka_unit_test(several_messages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

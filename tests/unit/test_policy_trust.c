// SPDX-License-Identifier: MIT
// Whose policy files a process obeys: by owner, mode and user.
#include "test_policy_support.h"

#include <errno.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "policy/trust.h"

enum { ROOT = 0, USER = 1000, ANOTHER = 1001, FILE_TYPE = S_IFREG };

static void test_owner_and_mode(void **state)
{
    static const struct {
        uint32_t owner, mode, user;
        enum rb_trust trust;
    } rows[] = {
        {ROOT, 0644, ROOT, RB_TRUST_OK},
        {ROOT, 0600, ROOT, RB_TRUST_OK},
        {ROOT, 0444, ROOT, RB_TRUST_OK},
        {ROOT, 0664, ROOT, RB_TRUST_GROUP},
        {ROOT, 0666, ROOT, RB_TRUST_OTHERS},
        {ROOT, 0646, ROOT, RB_TRUST_OTHERS},
        {USER, 0644, ROOT, RB_TRUST_OWNER},
        {USER, 0400, ROOT, RB_TRUST_OWNER},
        {ROOT, 0644, USER, RB_TRUST_OK}, // a ConfigMap
        {ROOT, 0664, USER, RB_TRUST_OK},
        {ROOT, 0666, USER, RB_TRUST_OTHERS},
        {USER, 0644, USER, RB_TRUST_OK},
        {USER, 0664, USER, RB_TRUST_OK}, // umask 002 and a group of the user's own
        {USER, 0602, USER, RB_TRUST_OTHERS},
        {ANOTHER, 0600, USER, RB_TRUST_OWNER},
        {ANOTHER, 0644, USER, RB_TRUST_OWNER},
    };
    (void) state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct rb_file_identity file = {.owner = rows[i].owner, .mode = FILE_TYPE | rows[i].mode};
        enum rb_trust trust = rb_trust_judge(&file, rows[i].user);
        if (trust != rows[i].trust)
            fail_msg("row %zu: %d instead of %d", i, trust, rows[i].trust);
        assert_int_equal(rb_trust_remedy(trust)[0] == '\0', trust == RB_TRUST_OK);
    }
}

static void test_explanations(void **state)
{
    struct rb_file_identity file = {.owner = UINT32_MAX - 1};
    char out[RB_TRUST_SIZE], small[8];
    (void) state;
    rb_trust_explain(RB_TRUST_OK, &file, ROOT, out, sizeof(out));
    assert_string_equal(out, "");
    rb_trust_explain(RB_TRUST_OWNER, &file, ROOT, out, sizeof(out));
    assert_string_equal(out, "the file belongs to user 4294967294; programs of root obey only files that belong to "
                             "root and that nobody else may write");
    rb_trust_explain(RB_TRUST_GROUP, &file, ROOT, out, sizeof(out));
    assert_string_equal(out, "its group may write the file; programs of root obey only files that belong to root and "
                             "that nobody else may write");
    rb_trust_explain(RB_TRUST_OTHERS, &file, UINT32_MAX - 1, out, sizeof(out));
    assert_string_equal(out, "everybody may write the file; programs of user 4294967294 obey only files that belong to "
                             "this user or to root and that others may not write");
    rb_trust_explain(RB_TRUST_OWNER, &file, UINT32_MAX - 1, out, sizeof(out));
    assert_true(strlen(out) + 1 < sizeof(out)); // the longest one is not cut
    rb_trust_explain(RB_TRUST_OWNER, &file, ROOT, small, sizeof(small));
    assert_string_equal(small, "the fil");
}

// The user in a child with these users.
static uint32_t user_as(uid_t real, uid_t effective, uid_t saved)
{
    int ends[2], status = 0;
    uint32_t user = UINT32_MAX;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        errno = 77;
        bool set = setresuid(real, effective, saved) == 0;
        user = rb_trust_user();
        bool told = write(ends[1], &user, sizeof(user)) == (ssize_t) sizeof(user);
        _exit(set && told ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(read(ends[0], &user, sizeof(user)), sizeof(user));
    close(ends[0]);
    close(ends[1]);
    return user;
}

// A process of root that acts for another user for a while can become root again.
static void test_user(void **state)
{
    (void) state;
    if (geteuid() != ROOT) {
        assert_int_equal(rb_trust_user(), geteuid());
        skip();
    }
    assert_int_equal(user_as(ROOT, ROOT, ROOT), ROOT);
    assert_int_equal(user_as(ROOT, USER, ROOT), ROOT);
    assert_int_equal(user_as(USER, USER, ROOT), ROOT);
    assert_int_equal(user_as(USER, ROOT, ROOT), ROOT);
    assert_int_equal(user_as(ROOT, USER, USER), ROOT);
    assert_int_equal(user_as(USER, USER, USER), USER);
    assert_int_equal(user_as(USER, ANOTHER, ANOTHER), ANOTHER);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_owner_and_mode),
        cmocka_unit_test(test_explanations),
        cmocka_unit_test(test_user),
    };
    return cmocka_run_group_tests_name("policy trust", tests, NULL, NULL);
}

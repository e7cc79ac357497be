// SPDX-License-Identifier: MIT
// The policy in force: where the file is looked for, and what happens when it changes. Files are real, time is not.
#include "test_policy_support.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "process/reload.h"

enum { LONG = 1000000 }; // milliseconds, beyond every limit in the code

static char directory[64];
static uint64_t now = 1;

static struct {
    unsigned count, loaded, reloaded, invalid, unreadable, untrusted;
    int error;
    unsigned line;
    char message[256], path[RB_POLICY_PATH_SIZE];
} told;

static void notify(enum rb_reload_event event, const char *path, const struct rb_diagnostic *diagnostic, int error)
{
    told.count++;
    told.loaded += event == RB_RELOAD_LOADED;
    told.reloaded += event == RB_RELOAD_RELOADED;
    told.invalid += event == RB_RELOAD_INVALID;
    told.unreadable += event == RB_RELOAD_UNREADABLE;
    told.untrusted += event == RB_RELOAD_UNTRUSTED;
    told.error = error;
    told.line = diagnostic ? diagnostic->line : 0;
    snprintf(told.message, sizeof(told.message), "%s", diagnostic ? diagnostic->message : "");
    snprintf(told.path, sizeof(told.path), "%s", path);
}

static char *file_called(const char *name)
{
    static char path[256];
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    return path;
}

static void write_file(const char *name, const char *text)
{
    FILE *file = fopen(file_called(name), "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void write_attempts(const char *name, unsigned attempts)
{
    char text[64];
    snprintf(text, sizeof(text), "[default]\nretry.attempts = %u\n", attempts);
    write_file(name, text);
}

static void replace(const char *name, unsigned attempts)
{
    char fresh[256];
    write_attempts("fresh", attempts);
    strcpy(fresh, file_called("fresh"));
    assert_int_equal(rename(fresh, file_called(name)), 0);
}

// retry.attempts of the policy in force after `ms` more milliseconds, 0: there is none.
static unsigned attempts_after(uint64_t ms)
{
    now += ms;
    errno = 77;
    const struct rb_policy *policy = rb_reload_current(now);
    assert_int_equal(errno, 77);
    return policy ? rb_policy_section(policy, 0)->rules.attempts : 0;
}

static int start(const char *name)
{
    memset(&told, 0, sizeof(told));
    return rb_reload_start(file_called(name), NULL, notify);
}

static int setup(void **state)
{
    (void) state;
    strcpy(directory, "/tmp/rebound-test-XXXXXX");
    return mkdtemp(directory) ? 0 : -1;
}

static int teardown(void **state)
{
    static const char *const names[] = {"p",
                                        "fresh",
                                        "..data",
                                        "a/p",
                                        "b/p",
                                        "a",
                                        "b",
                                        "rebound/policy.ini",
                                        "rebound",
                                        ".config/rebound/policy.ini",
                                        ".config/rebound",
                                        ".config"};
    (void) state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        remove(file_called(names[i]));
    return rmdir(directory);
}

// Runs first, because no policy may have been in force before.
static void test_broken_from_the_start(void **state)
{
    (void) state;
    write_file("p", "[default]\nretry.attempts = 0\nbogus = 1\n");
    assert_int_equal(start("p"), -EINVAL);
    assert_int_equal(told.count, 1);
    assert_int_equal(told.invalid, 1);
    assert_int_equal(told.line, 2);
    assert_string_equal(told.message, "retry.attempts: out of range; expected a number from 1 to 100");
    assert_string_equal(told.path, file_called("p"));
    assert_int_equal(attempts_after(0), 0);
    assert_int_equal(attempts_after(LONG), 0);
    assert_int_equal(told.count, 1);
    replace("p", 5);
    assert_int_equal(attempts_after(1000), 5);
    assert_int_equal(told.count, 2);
    assert_int_equal(told.loaded, 1);
}

static void test_missing_at_the_start(void **state)
{
    (void) state;
    assert_int_equal(start("p"), -ENOENT);
    assert_int_equal(told.unreadable, 1);
    assert_int_equal(told.error, -ENOENT);
    attempts_after(1000);
    assert_int_equal(told.count, 1);
    replace("p", 6);
    assert_int_equal(attempts_after(1000), 6);
}

static void test_looks_once_a_second(void **state)
{
    (void) state;
    write_attempts("p", 2);
    assert_int_equal(start("p"), 0);
    assert_int_equal(told.count, 1);
    assert_int_equal(attempts_after(LONG), 2);
    replace("p", 3);
    assert_int_equal(attempts_after(999), 2);
    assert_int_equal(told.count, 1);
    assert_int_equal(attempts_after(1), 3);
    assert_int_equal(told.count, 2);
    assert_int_equal(attempts_after(LONG), 3);
    assert_int_equal(told.count, 2);
}

static void test_written_in_place(void **state)
{
    (void) state;
    write_attempts("p", 2);
    assert_int_equal(start("p"), 0);
    attempts_after(LONG);
    write_attempts("p", 44);
    assert_int_equal(attempts_after(1000), 44);
}

static void test_broken_file_keeps_the_last_good_policy(void **state)
{
    (void) state;
    write_attempts("p", 2);
    assert_int_equal(start("p"), 0);
    attempts_after(LONG);
    write_file("p", "[default]\nretry.attempts = many\n");
    assert_int_equal(attempts_after(1000), 2);
    assert_int_equal(told.invalid, 1);
    assert_int_equal(told.line, 2);
    assert_int_equal(attempts_after(1000), 2);
    assert_int_equal(attempts_after(1000), 2);
    assert_int_equal(told.count, 2); // once per change
    write_file("p", "[default\nx");
    assert_int_equal(attempts_after(1000), 2);
    assert_int_equal(told.invalid, 2);
    replace("p", 8);
    assert_int_equal(attempts_after(1000), 8);
}

static void test_vanished_file_keeps_the_last_good_policy(void **state)
{
    (void) state;
    write_attempts("p", 2);
    assert_int_equal(start("p"), 0);
    attempts_after(LONG);
    unlink(file_called("p"));
    assert_int_equal(attempts_after(1000), 2);
    assert_int_equal(attempts_after(1000), 2);
    assert_int_equal(told.unreadable, 1);
    assert_int_equal(told.error, -ENOENT);
    assert_int_equal(mkdir(file_called("p"), 0700), 0);
    assert_int_equal(attempts_after(1000), 2);
    assert_int_equal(told.unreadable, 2);
    assert_int_equal(told.error, -EISDIR);
    rmdir(file_called("p"));
    replace("p", 9);
    assert_int_equal(attempts_after(1000), 9);
}

static void set_mode(const char *name, mode_t mode)
{
    assert_int_equal(chmod(file_called(name), mode), 0);
}

static void test_untrusted_from_the_start(void **state)
{
    (void) state;
    unlink(file_called("p"));
    write_attempts("p", 3);
    set_mode("p", 0666);
    assert_int_equal(start("p"), -EPERM);
    assert_int_equal(told.untrusted, 1);
    assert_int_equal(told.error, 0);
    assert_int_equal(told.line, 0);
    assert_memory_equal(told.message, "everybody may write the file; ", 30);
    unsigned before = attempts_after(LONG); // of an earlier test: this process keeps it
    assert_int_not_equal(before, 3);
    assert_int_equal(attempts_after(1000), before);
    assert_int_equal(told.count, 1);
    set_mode("p", 0644);
    assert_int_equal(attempts_after(1000), 3);
    assert_int_equal(told.count, 2);
}

static void test_untrusted_file_keeps_the_last_good_policy(void **state)
{
    (void) state;
    replace("p", 2);
    set_mode("p", 0644);
    assert_int_equal(start("p"), 0);
    assert_int_equal(attempts_after(LONG), 2);
    write_attempts("fresh", 3);
    set_mode("fresh", 0606);
    char fresh[256];
    strcpy(fresh, file_called("fresh"));
    assert_int_equal(rename(fresh, file_called("p")), 0);
    assert_int_equal(attempts_after(1000), 2);
    assert_int_equal(attempts_after(1000), 2);
    assert_int_equal(told.untrusted, 1);
    assert_int_equal(told.count, 2);
    set_mode("p", 0600);
    assert_int_equal(attempts_after(1000), 3);
    set_mode("p", 0622); // whoever could write it has not done so yet
    assert_int_equal(attempts_after(1000), 3);
    assert_int_equal(told.untrusted, 2);
}

// A file that is not trusted is not read, so its mistakes are not reported.
static void test_untrusted_file_is_not_read(void **state)
{
    (void) state;
    write_file("p", "[default]\nbogus = 1\n");
    set_mode("p", 0666);
    assert_int_equal(start("p"), -EPERM);
    assert_int_equal(told.untrusted, 1);
    assert_int_equal(told.count, 1);
}

static void test_group_and_owner(void **state)
{
    bool root = geteuid() == 0;
    (void) state;
    replace("p", 31);
    set_mode("p", 0664);
    assert_int_equal(start("p"), root ? -EPERM : 0);
    assert_int_equal(told.untrusted, root);
    if (!root)
        skip();
    replace("p", 32);
    set_mode("p", 0644);
    assert_int_equal(chown(file_called("p"), 1000, 0), 0);
    assert_int_equal(start("p"), -EPERM);
    assert_memory_equal(told.message, "the file belongs to user 1000; ", 31);
    assert_int_equal(chown(file_called("p"), 0, 1000), 0);
    assert_int_equal(attempts_after(1000), 32);
}

// As Kubernetes updates a mounted ConfigMap: the file is a link through ..data, which is swapped by rename.
static void test_swapped_symlink(void **state)
{
    char fresh[256];
    (void) state;
    unlink(file_called("p"));
    mkdir(file_called("a"), 0700);
    mkdir(file_called("b"), 0700);
    write_attempts("a/p", 11);
    write_attempts("b/p", 12);
    assert_int_equal(symlink("a", file_called("..data")), 0);
    assert_int_equal(symlink("..data/p", file_called("p")), 0);
    assert_int_equal(start("p"), 0);
    assert_int_equal(attempts_after(LONG), 11);
    assert_int_equal(symlink("b", file_called("fresh")), 0);
    strcpy(fresh, file_called("fresh"));
    assert_int_equal(rename(fresh, file_called("..data")), 0);
    assert_int_equal(attempts_after(1000), 12);
    unlink(file_called("p"));
}

// A program may keep a policy for a minute: through more replacements than are remembered, the first one stays
// readable.
static void test_replaced_policies_stay_for_a_minute(void **state)
{
    (void) state;
    replace("p", 1);
    assert_int_equal(start("p"), 0);
    attempts_after(LONG);
    const struct rb_section *old = rb_policy_section(rb_reload_current(now), 0);
    for (unsigned i = 2; i < 50; i++) {
        replace("p", i);
        assert_int_equal(attempts_after(1000), i);
        assert_int_equal(old->rules.attempts, 1);
        assert_string_equal(old->name, "default");
    }
}

static unsigned long mapped_pages(void)
{
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%lu", &pages), 1);
    fclose(file);
    return pages;
}

// Replacements that are minutes apart do not make memory grow.
static void test_replaced_policies_are_freed(void **state)
{
    (void) state;
    replace("p", 1);
    assert_int_equal(start("p"), 0);
    unsigned long before = 0;
    for (unsigned i = 0; i < 400; i++) {
        replace("p", 1 + i % 90);
        attempts_after(61000);
        before = i == 100 ? mapped_pages() : before;
    }
    // 300 policies of 4 pages each would be 1,200.
    assert_true(mapped_pages() < before + 600);
}

static void test_builtin(void **state)
{
    (void) state;
    memset(&told, 0, sizeof(told));
    assert_int_equal(rb_reload_start("builtin:default", NULL, notify), 0);
    assert_int_equal(told.count, 0); // it is not read before it is asked for
    assert_int_equal(attempts_after(LONG), 3);
    assert_int_equal(told.count, 1);
    assert_string_equal(told.path, "builtin:default");
    assert_int_equal(attempts_after(LONG), 3);
    assert_int_equal(told.count, 1);
    assert_int_equal(rb_reload_start("builtin:default", NULL, NULL), 0);
}

// Every built-in policy can be named. An unknown name is reported once, and there is no policy.
static void test_builtin_names(void **state)
{
    (void) state;
    assert_int_equal(rb_reload_start("builtin:api", NULL, notify), 0);
    assert_int_equal(attempts_after(LONG), 5);
    memset(&told, 0, sizeof(told));
    assert_int_equal(rb_reload_start("builtin:apt", NULL, notify), 0);
    assert_int_equal(told.count, 0);
    assert_int_equal(attempts_after(LONG), 0);
    assert_int_equal(attempts_after(LONG), 0);
    assert_int_equal(told.count, 1);
    assert_int_equal(told.invalid, 1);
    assert_string_equal(told.path, "builtin:apt");
    assert_int_equal(rb_reload_start("builtin:default", NULL, NULL), 0);
}

// REBOUND_SET overrides every policy that is loaded. A file that does not fit it is an invalid one.
static void test_set(void **state)
{
    (void) state;
    write_attempts("p", 4);
    memset(&told, 0, sizeof(told));
    assert_int_equal(rb_reload_start(file_called("p"), "retry.attempts=7 retry.base=1s", notify), 0);
    assert_int_equal(attempts_after(LONG), 7);
    replace("p", 5);
    assert_int_equal(attempts_after(1000), 7);
    assert_int_equal(told.reloaded, 1);
    write_file("fresh", "[default]\nretry.cap = 500ms\n");
    char fresh[256];
    strcpy(fresh, file_called("fresh"));
    assert_int_equal(rename(fresh, file_called("p")), 0);
    assert_int_equal(attempts_after(1000), 7);
    assert_int_equal(told.invalid, 1);
    assert_int_equal(told.line, 0);
    assert_non_null(strstr(told.message, "retry.base (1s) is over retry.cap (500ms)"));
    replace("p", 6);
    assert_int_equal(attempts_after(1000), 7);
    assert_int_equal(told.reloaded, 2);
}

// A wrong REBOUND_SET is a wrong policy, of a file and of a built-in policy.
static void test_wrong_set(void **state)
{
    (void) state;
    write_attempts("p", 4);
    assert_int_equal(rb_reload_start("builtin:default", NULL, NULL), 0); // forgets the policy of the test before
    memset(&told, 0, sizeof(told));
    assert_int_equal(rb_reload_start(file_called("p"), "retry.atempts=7", notify), -EDOM);
    assert_int_equal(attempts_after(LONG), 0);
    assert_int_equal(told.invalid, 1);
    assert_string_equal(told.message, "unknown key retry.atempts");
    assert_int_equal(rb_reload_start("builtin:api", "retry.attempts=6", notify), 0);
    assert_int_equal(attempts_after(LONG), 6);
    memset(&told, 0, sizeof(told));
    assert_int_equal(rb_reload_start("builtin:api", "retry.attempts", notify), 0);
    assert_int_equal(attempts_after(LONG), 0);
    assert_int_equal(attempts_after(LONG), 0);
    assert_int_equal(told.count, 1);
    assert_int_equal(told.invalid, 1);
    assert_int_equal(rb_reload_start("builtin:default", NULL, NULL), 0);
}

// The program may change its directory. A relative path still refers to the directory at the start.
static void test_relative_path(void **state)
{
    int here = open(".", O_RDONLY | O_DIRECTORY);
    (void) state;
    replace("p", 21);
    assert_int_equal(chdir(directory), 0);
    memset(&told, 0, sizeof(told));
    assert_int_equal(rb_reload_start("p", NULL, notify), 0);
    assert_string_equal(told.path, file_called("p"));
    assert_int_equal(fchdir(here), 0);
    attempts_after(LONG);
    replace("p", 22);
    assert_int_equal(attempts_after(1000), 22);
    close(here);
}

static void set(const char *name, const char *value)
{
    if (value)
        setenv(name, value, 1);
    else
        unsetenv(name);
}

static void make_own(const char *parent)
{
    char path[512];
    snprintf(path, sizeof(path), "%s%s%s/rebound", directory, parent[0] ? "/" : "", parent);
    if (parent[0])
        mkdir(file_called(parent), 0700);
    mkdir(path, 0700);
    strcat(path, "/policy.ini");
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fclose(file);
}

// What the library asks for in this environment.
static int locate(const char *explicit_path, bool secure, char *out)
{
    const char *variable = getenv("REBOUND_POLICY");
    struct rb_reload_places places = {.named = explicit_path};
    if (!secure) {
        places.config = getenv("XDG_CONFIG_HOME");
        places.home = getenv("HOME");
        if (!explicit_path && variable && *variable)
            places.named = variable;
    }
    return rb_reload_locate(&places, out);
}

static void test_locate(void **state)
{
    char out[RB_POLICY_PATH_SIZE], longest[RB_POLICY_PATH_SIZE + 1];
    bool system = access("/etc/rebound/policy.ini", F_OK) == 0;
    (void) state;
    set("XDG_CONFIG_HOME", NULL);
    set("HOME", "/nonexistent");
    set("REBOUND_POLICY", "/nonexistent/p.ini");
    assert_int_equal(locate("x.ini", false, out), 0);
    assert_string_equal(out, "x.ini");
    assert_int_equal(locate(NULL, false, out), 0);
    assert_string_equal(out, "/nonexistent/p.ini");
    assert_int_equal(locate(NULL, true, out), system ? 0 : -ENOENT);
    set("REBOUND_POLICY", "");
    assert_int_equal(locate(NULL, false, out), system ? 0 : -ENOENT);
    make_own(".config");
    set("HOME", directory);
    assert_int_equal(locate(NULL, false, out), 0);
    assert_string_equal(out, file_called(".config/rebound/policy.ini"));
    assert_int_equal(locate(NULL, true, out), system ? 0 : -ENOENT);
    make_own("");
    set("XDG_CONFIG_HOME", directory);
    assert_int_equal(locate(NULL, false, out), 0);
    assert_string_equal(out, file_called("rebound/policy.ini"));
    set("XDG_CONFIG_HOME", "relative");
    assert_int_equal(locate(NULL, false, out), 0);
    assert_string_equal(out, file_called(".config/rebound/policy.ini"));
    memset(longest, 'x', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    assert_int_equal(locate(longest, false, out), -ENAMETOOLONG);
    set("REBOUND_POLICY", longest);
    assert_int_equal(locate(NULL, false, out), -ENAMETOOLONG);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_broken_from_the_start, setup, teardown),
        cmocka_unit_test_setup_teardown(test_missing_at_the_start, setup, teardown),
        cmocka_unit_test_setup_teardown(test_looks_once_a_second, setup, teardown),
        cmocka_unit_test_setup_teardown(test_written_in_place, setup, teardown),
        cmocka_unit_test_setup_teardown(test_broken_file_keeps_the_last_good_policy, setup, teardown),
        cmocka_unit_test_setup_teardown(test_vanished_file_keeps_the_last_good_policy, setup, teardown),
        cmocka_unit_test_setup_teardown(test_untrusted_from_the_start, setup, teardown),
        cmocka_unit_test_setup_teardown(test_untrusted_file_keeps_the_last_good_policy, setup, teardown),
        cmocka_unit_test_setup_teardown(test_untrusted_file_is_not_read, setup, teardown),
        cmocka_unit_test_setup_teardown(test_group_and_owner, setup, teardown),
        cmocka_unit_test_setup_teardown(test_swapped_symlink, setup, teardown),
        cmocka_unit_test_setup_teardown(test_replaced_policies_stay_for_a_minute, setup, teardown),
        cmocka_unit_test_setup_teardown(test_replaced_policies_are_freed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_builtin, setup, teardown),
        cmocka_unit_test_setup_teardown(test_builtin_names, setup, teardown),
        cmocka_unit_test_setup_teardown(test_set, setup, teardown),
        cmocka_unit_test_setup_teardown(test_wrong_set, setup, teardown),
        cmocka_unit_test_setup_teardown(test_relative_path, setup, teardown),
        cmocka_unit_test_setup_teardown(test_locate, setup, teardown),
    };
    return cmocka_run_group_tests_name("policy reload", tests, NULL, NULL);
}

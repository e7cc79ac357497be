// SPDX-License-Identifier: MIT
// The file of the state: how it is made and found, and what happens if something else is in its place.
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "state_file.h"

#include "engine/breaker.h"
#include "state/store.h"

enum { CELLS = 64 };

static int set_up(void **state)
{
    (void) state;
    return make_directory() ? 0 : 1;
}

static int tear_down(void **state)
{
    (void) state;
    rmdir(path);
    return remove_directory();
}

static void make(void)
{
    assert_int_equal(rb_store_make(path, CELLS), RB_STORE_SOUND);
}

// Maps the file and unmaps it. Returns the error.
static enum rb_store_error attempt(void)
{
    struct rb_state mapped = {0};
    int before = dup(0);
    close(before);
    enum rb_store_error error = rb_store_map(&mapped, path, true);
    int after = dup(0);
    close(after);
    assert_int_equal(before, after); // no descriptor stays open
    assert_int_equal(mapped.header != NULL, error == RB_STORE_SOUND);
    rb_store_unmap(&mapped);
    return error;
}

static void write_at(off_t offset, const void *bytes, size_t length)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, bytes, length, offset), length);
    close(fd);
}

static void test_made_once(void **state)
{
    struct stat status;
    struct rb_state first, second;
    (void) state;
    assert_int_equal(attempt(), RB_STORE_ABSENT);
    make();
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode, S_IFREG | 0600);
    assert_int_equal(status.st_nlink, 1);
    assert_int_equal(status.st_size, rb_state_size(CELLS));
    assert_true(status.st_blocks * 512 >= status.st_size); // no hole that a full file system could not fill
    assert_int_equal(rb_store_map(&first, path, true), RB_STORE_SOUND);
    assert_int_equal(first.cell_count, CELLS);
    atomic_store(&first.cells[CELLS - 1].key, 77);
    make(); // somebody was faster: that file stays
    assert_int_equal(rb_store_map(&second, path, false), RB_STORE_SOUND);
    assert_int_equal(atomic_load(&second.cells[CELLS - 1].key), 77);
    rb_store_unmap(&first);
    rb_store_unmap(&second);
}

static void test_the_umask_does_not_matter(void **state)
{
    (void) state;
    mode_t before = umask(0777);
    make();
    umask(before);
    assert_int_equal(attempt(), RB_STORE_SOUND);
}

static void test_links_are_not_followed(void **state)
{
    char other[160];
    (void) state;
    make();
    snprintf(other, sizeof(other), "%s/other", directory);
    assert_int_equal(rename(path, other), 0);
    assert_int_equal(symlink(other, path), 0);
    assert_int_equal(attempt(), RB_STORE_FOREIGN);
    assert_int_equal(rb_store_make(path, CELLS), RB_STORE_SOUND); // somebody was faster
    unlink(other);
    assert_int_equal(attempt(), RB_STORE_FOREIGN); // one that leads nowhere
}

static void test_other_kinds_of_file(void **state)
{
    (void) state;
    assert_int_equal(mkdir(path, 0600), 0);
    assert_int_equal(attempt(), RB_STORE_FOREIGN);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0);
    int reader = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    assert_true(reader >= 0);
    assert_int_equal(attempt(), RB_STORE_FOREIGN); // and does not wait for a writer
    struct pollfd other_end = {.fd = reader, .events = POLLIN};
    assert_int_equal(poll(&other_end, 1, 0), 0); // nobody has opened it: no hang-up
    close(reader);
}

static void test_mode_and_owner(void **state)
{
    (void) state;
    make();
    assert_int_equal(chmod(path, 0644), 0);
    assert_int_equal(attempt(), RB_STORE_FOREIGN);
    assert_int_equal(chmod(path, 0600), 0);
    assert_int_equal(attempt(), RB_STORE_SOUND);
    if (geteuid() != 0)
        return;
    assert_int_equal(chown(path, 65534, 65534), 0);
    assert_int_equal(attempt(), RB_STORE_FOREIGN);
}

// What root may ask for: a file that belongs to the named user, and to nobody else.
static void test_the_file_of_another_user(void **state)
{
    enum { ANOTHER = 65534 };
    struct rb_state mapped;
    (void) state;
    if (geteuid() != 0)
        skip();
    make();
    assert_int_equal(rb_store_map_of(&mapped, path, ANOTHER, true), RB_STORE_FOREIGN); // it is root's
    assert_int_equal(chown(path, ANOTHER, ANOTHER), 0);
    assert_int_equal(rb_store_map_of(&mapped, path, ANOTHER + 1, true), RB_STORE_FOREIGN);
    assert_int_equal(rb_store_map_of(&mapped, path, ANOTHER, true), RB_STORE_SOUND);
    atomic_store(&mapped.cells[0].key, 1);
    assert_int_equal(truncate(path, 0), 0);
    assert_int_equal(atomic_load(&mapped.cells[0].key), 0); // and root lives
    rb_store_unmap(&mapped);
    assert_int_equal(rb_store_map_of(&mapped, path, ANOTHER, true), RB_STORE_DAMAGED);
}

static void test_cut_short(void **state)
{
    (void) state;
    make();
    assert_int_equal(truncate(path, (off_t) rb_state_size(CELLS) - 1), 0);
    assert_int_equal(attempt(), RB_STORE_DAMAGED);
    assert_int_equal(truncate(path, 100), 0);
    assert_int_equal(attempt(), RB_STORE_DAMAGED);
    assert_int_equal(truncate(path, 0), 0);
    assert_int_equal(attempt(), RB_STORE_DAMAGED);
    assert_int_equal(truncate(path, (off_t) rb_state_size(CELLS)), 0); // zeros
    assert_int_equal(attempt(), RB_STORE_DAMAGED);
}

static void test_another_version(void **state)
{
    uint64_t version = RB_STATE_VERSION + 1;
    (void) state;
    make();
    write_at(offsetof(struct rb_state_header, constants.version), &version, sizeof(version));
    assert_int_equal(attempt(), RB_STORE_VERSION);
}

// A change of any bit in the constant words is seen.
static void test_damaged_headers(void **state)
{
    struct rb_state mapped;
    uint32_t cells;
    (void) state;
    make();
    assert_int_equal(rb_store_map(&mapped, path, true), RB_STORE_SOUND);
    for (size_t bit = 0; bit < 8 * offsetof(struct rb_state_header, boot); bit++) {
        struct rb_state_header header = *mapped.header;
        ((unsigned char *) &header)[bit / 8] ^= (unsigned char) (1u << bit % 8);
        assert_int_not_equal(rb_state_examine(&header.constants, rb_state_size(CELLS), &cells), RB_STATE_SOUND);
    }
    assert_int_not_equal(rb_state_examine(&mapped.header->constants, rb_state_size(CELLS) + 1, &cells), RB_STATE_SOUND);
    rb_store_unmap(&mapped);
}

static void test_random_bytes(void **state)
{
    unsigned char noise[4096];
    (void) state;
    make();
    srandom(1);
    for (unsigned round = 0; round < 50; round++) {
        for (size_t i = 0; i < sizeof(noise); i++)
            noise[i] = (unsigned char) random();
        write_at(0, noise, sizeof(noise));
        assert_int_equal(attempt(), RB_STORE_DAMAGED);
    }
}

static void test_no_room(void **state)
{
    struct rlimit before, small;
    (void) state;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = (struct rlimit){.rlim_cur = 4096, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    enum rb_store_error error = rb_store_make(path, CELLS); // SIGXFSZ would end this program
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(error, RB_STORE_DENIED);
    assert_int_equal(attempt(), RB_STORE_ABSENT);
}

static void test_no_directory(void **state)
{
    char deep[192];
    struct rb_state mapped;
    (void) state;
    snprintf(deep, sizeof(deep), "%s/nowhere/state", directory);
    assert_int_equal(rb_store_map(&mapped, deep, true), RB_STORE_ABSENT);
    assert_int_equal(rb_store_make(deep, CELLS), RB_STORE_DENIED);
    assert_int_equal(rb_store_make("/proc/rebound", CELLS), RB_STORE_DENIED); // nobody may write there
}

// Cut short while it is mapped: seen without touching it, and replaced at the same place; touched all the same, zeros.
static void test_cut_while_mapped(void **state)
{
    struct rb_state mapped;
    (void) state;
    make();
    assert_int_equal(rb_store_map(&mapped, path, true), RB_STORE_SOUND);
    struct rb_cell *cell = &mapped.cells[CELLS - 1];
    assert_true(rb_store_is_whole(&mapped));
    assert_int_equal(truncate(path, (off_t) rb_state_size(CELLS)), 0); // the same
    assert_true(rb_store_is_whole(&mapped));
    assert_int_equal(truncate(path, 4096), 0);
    assert_false(rb_store_is_whole(&mapped));
    assert_true(rb_store_replace(&mapped));
    assert_true(rb_store_is_whole(&mapped));
    assert_int_equal(atomic_load(&cell->key), 0);
    atomic_store(&cell->key, 5);
    rb_store_unmap(&mapped);
    unlink(path);
    make();
    assert_int_equal(rb_store_map(&mapped, path, true), RB_STORE_SOUND);
    assert_int_equal(truncate(path, 4096), 0);
    assert_int_equal(atomic_load(&mapped.cells[CELLS - 1].key), 0); // touched before anybody looked
    assert_false(rb_store_is_whole(&mapped));
    rb_store_unmap(&mapped);
    unlink(path);
    make();
    assert_int_equal(rb_store_map(&mapped, path, true), RB_STORE_SOUND);
    assert_int_equal(truncate(path, 0), 0);
    assert_int_equal(truncate(path, (off_t) rb_state_size(CELLS)), 0); // and made as long again
    assert_false(rb_store_is_whole(&mapped));
    rb_store_unmap(&mapped);
}

// Many processes make the file at the same moment. All of them use one file, and no other file is left.
static void test_many_makers(void **state)
{
    enum { MAKERS = 16 };
    pid_t children[MAKERS];
    struct rb_state mapped;
    (void) state;
    for (unsigned i = 0; i < MAKERS; i++) {
        children[i] = fork();
        assert_true(children[i] >= 0);
        if (children[i] == 0) {
            bool done =
                rb_store_make(path, CELLS) == RB_STORE_SOUND && rb_store_map(&mapped, path, true) == RB_STORE_SOUND;
            if (done)
                atomic_fetch_add(&mapped.header->evicted, 1);
            _exit(done ? 0 : 1);
        }
    }
    for (unsigned i = 0; i < MAKERS; i++) {
        int status;
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_int_equal(status, 0);
    }
    assert_int_equal(rb_store_map(&mapped, path, true), RB_STORE_SOUND);
    assert_int_equal(atomic_load(&mapped.header->evicted), MAKERS);
    rb_store_unmap(&mapped);
}

// ---- makers that are killed ----

// The number of entries in the directory beside the file; `unknown` receives one that is not the file.
static unsigned count_entries(char unknown[256])
{
    DIR *entries = opendir(directory);
    struct dirent *entry;
    unsigned count = 0;
    assert_non_null(entries);
    while ((entry = readdir(entries))) {
        if (entry->d_name[0] == '.')
            continue;
        count++;
        if (strcmp(entry->d_name, "state") != 0)
            snprintf(unknown, 256, "%s", entry->d_name);
    }
    closedir(entries);
    return count;
}

// A child that waits to be traced and then makes the file. Returns its pid, 0 where nobody may trace.
static pid_t start_maker(void)
{
    int status;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
            _exit(77);
        raise(SIGSTOP);
        _exit(rb_store_make(path, CELLS) == RB_STORE_SOUND ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSTOPPED(status) ? child : 0;
}

// Kills a maker before or after one of its system calls. Returns false when it ended by itself.
static bool kill_at(pid_t child, unsigned stop)
{
    int status = 0;
    for (unsigned i = 0; i < stop; i++) {
        assert_int_equal(ptrace(PTRACE_SYSCALL, child, NULL, NULL), 0);
        assert_int_equal(waitpid(child, &status, 0), child);
        if (WIFEXITED(status)) {
            assert_int_equal(WEXITSTATUS(status), 0);
            return false;
        }
    }
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, &status, 0), child);
    return true;
}

static void test_a_killed_maker_leaves_nothing(void **state)
{
    char unknown[256] = "";
    bool ended = false;
    unsigned stop, empty = 0;
    (void) state;
    int fd = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0)
        skip();
    close(fd);
    for (stop = 1; !ended; stop++) {
        pid_t child = start_maker();
        if (child == 0)
            skip();
        ended = !kill_at(child, stop);
        unsigned entries = count_entries(unknown);
        assert_string_equal(unknown, "");
        assert_int_equal(attempt(), entries == 0 ? RB_STORE_ABSENT : RB_STORE_SOUND); // none, or a whole one
        empty += entries == 0;
        unlink(path);
    }
    assert_in_range(empty, 10, stop - 1);
}

// ---- names ----

static void test_paths(void **state)
{
    char out[64];
    const uid_t me = geteuid();
    (void) state;
    assert_true(rb_store_is_default(NULL) && rb_store_is_default("") && rb_store_is_default("shared"));
    assert_false(rb_store_is_default("private") || rb_store_is_default("/dev/shm/rebound.0"));
    assert_true(rb_store_path("/run/state", me, out, sizeof(out)));
    assert_string_equal(out, "/run/state");
    assert_false(rb_store_path("private", me, out, sizeof(out)));
    assert_false(
        rb_store_path("/a/path/of/more/than/sixty/three/bytes/that/does/not/fit/in/here", me, out, sizeof(out)));
    for (unsigned error = 0; error <= RB_STORE_ERRORS; error++) {
        assert_true(rb_store_error_text((enum rb_store_error) error)[0] != '\0');
        assert_true(rb_store_error_name((enum rb_store_error) error)[0] != '\0');
    }
}

// A /dev/shm of this test's own. Only root can have one.
static bool own_names;

static int set_up_names(void **state)
{
    static bool apart;
    (void) state;
    apart = apart || (unshare(CLONE_NEWNS) == 0 && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
    own_names = apart && mount("none", "/dev/shm", "tmpfs", 0, "mode=1777") == 0;
    return 0;
}

static int tear_down_names(void **state)
{
    (void) state;
    return own_names && umount("/dev/shm") != 0;
}

static void need_names(void)
{
    if (!own_names)
        skip();
}

// The name with this index.
static const char *name_of(unsigned index)
{
    static char names[4][64];
    static unsigned next;
    char *name = names[next++ % 4];
    int length = snprintf(name, sizeof(names[0]), "/dev/shm/rebound.0.v%d", RB_STATE_VERSION);
    if (index > 0)
        snprintf(name + length, sizeof(names[0]) - (size_t) length, ".%u", index);
    return name;
}

static const char *found(void)
{
    static char out[64];
    assert_true(rb_store_path("shared", 0, out, sizeof(out)));
    return out;
}

static void take(unsigned index, uid_t owner, mode_t mode)
{
    int fd = open(name_of(index), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(fchown(fd, owner, owner), 0);
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
}

static void test_the_name_has_the_version(void **state)
{
    char out[64], others[64];
    (void) state;
    need_names();
    assert_string_equal(found(), name_of(0));
    assert_true(rb_store_path("", 0, out, sizeof(out)));
    assert_string_equal(out, name_of(0));
    assert_true(rb_store_path(NULL, 65534, out, sizeof(out)));
    snprintf(others, sizeof(others), "/dev/shm/rebound.65534.v%d", RB_STATE_VERSION);
    assert_string_equal(out, others);
    assert_false(rb_store_path("shared", 0, out, strlen(name_of(0))));
}

static void test_a_name_that_is_taken(void **state)
{
    (void) state;
    need_names();
    take(0, 65534, 0600);
    assert_string_equal(found(), name_of(1));
    take(1, 0, 0644);
    assert_string_equal(found(), name_of(2));
    assert_int_equal(symlink("/etc/passwd", name_of(2)), 0);
    assert_int_equal(mkfifo(name_of(3), 0600), 0);
    assert_int_equal(mkdir(name_of(4), 0700), 0);
    take(5, 0, 0600); // empty: damaged
    assert_string_equal(found(), name_of(6));
    assert_int_equal(rb_store_make(name_of(6), CELLS), RB_STORE_SOUND);
    assert_string_equal(found(), name_of(6));
    unlink(name_of(0)); // all who run use the file that there is
    assert_string_equal(found(), name_of(6));
    assert_int_equal(rb_store_make(name_of(8), CELLS), RB_STORE_SOUND);
    assert_string_equal(found(), name_of(6));
    assert_int_equal(rb_store_make(name_of(0), CELLS), RB_STORE_SOUND);
    assert_string_equal(found(), name_of(0));
}

static void test_all_names_are_taken(void **state)
{
    char out[64];
    struct rb_store_file file;
    (void) state;
    need_names();
    for (unsigned i = 0; i < RB_STORE_NAMES; i++)
        take(i, 65534, 0600);
    assert_int_equal(rb_store_open(&file, NULL, 0, true, out, sizeof(out)), RB_STORE_FOREIGN);
    assert_string_equal(out, name_of(0));
    assert_string_equal(found(), name_of(0));
}

// Without a free descriptor the names cannot be examined. Then no other name may be chosen.
static void test_no_descriptor(void **state)
{
    char out[64];
    struct rlimit before, small;
    struct rb_store_file file;
    (void) state;
    need_names();
    assert_int_equal(rb_store_make(name_of(0), CELLS), RB_STORE_SOUND);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    small = (struct rlimit){.rlim_cur = 0, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &small), 0);
    enum rb_store_error error = rb_store_open(&file, NULL, 0, true, out, sizeof(out));
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(error, RB_STORE_DENIED);
    assert_string_equal(out, name_of(0));
}

// The layout is the same for every build; a change of it is another version.
static void test_sizes(void **state)
{
    struct rb_state parts;
    (void) state;
    assert_int_equal(rb_state_size(0), 512 + 512 * 8 + 64 * 128 + 64 * 8 * 640 + 512 * 448);
    assert_int_equal(rb_state_size(1024) - rb_state_size(0), 1024 * 1408);
    assert_true(rb_store_private(&parts, CELLS));
    assert_ptr_equal(parts.processes, parts.header + 1);
    assert_ptr_equal((char *) (parts.cells + CELLS), (char *) parts.header + rb_state_size(CELLS));
    rb_store_unmap(&parts);
}

#define WITH_NAMES(test) cmocka_unit_test_setup_teardown(test, set_up_names, tear_down_names)
#define IN_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_DIRECTORY(test_made_once),
        IN_DIRECTORY(test_the_umask_does_not_matter),
        IN_DIRECTORY(test_links_are_not_followed),
        IN_DIRECTORY(test_other_kinds_of_file),
        IN_DIRECTORY(test_mode_and_owner),
        IN_DIRECTORY(test_the_file_of_another_user),
        IN_DIRECTORY(test_cut_short),
        IN_DIRECTORY(test_another_version),
        IN_DIRECTORY(test_damaged_headers),
        IN_DIRECTORY(test_random_bytes),
        IN_DIRECTORY(test_no_room),
        IN_DIRECTORY(test_no_directory),
        IN_DIRECTORY(test_cut_while_mapped),
        IN_DIRECTORY(test_many_makers),
        IN_DIRECTORY(test_a_killed_maker_leaves_nothing),
        cmocka_unit_test(test_paths),
        WITH_NAMES(test_the_name_has_the_version),
        WITH_NAMES(test_a_name_that_is_taken),
        WITH_NAMES(test_all_names_are_taken),
        WITH_NAMES(test_no_descriptor),
        cmocka_unit_test(test_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

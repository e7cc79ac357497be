// SPDX-License-Identifier: MIT
// Destinations of the log: which are refused, which are left alone, and that no line is joined to a part of another.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "process/sink.h"

enum { ANOTHER = 1000 };

static const char line[] = "\n{\"line\":1}\n"; // 11 bytes without the first newline
enum { LINE = sizeof(line) - 1, SHOWN = LINE - 1 };

static char directory[64];

static int setup(void **state)
{
    (void) state;
    strcpy(directory, "/tmp/rebound-sink-XXXXXX");
    return mkdtemp(directory) ? chmod(directory, 0755) : -1;
}

static int teardown(void **state)
{
    char command[128];
    (void) state;
    snprintf(command, sizeof(command), "rm -r %s", directory);
    return system(command);
}

static const char *file_called(const char *name)
{
    static char paths[4][256];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof(paths[0]), "%s/%s", directory, name);
    return path;
}

static void put(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static const char *text_of(const char *path)
{
    static char text[64 * 1024];
    FILE *file = fopen(path, "r");
    if (!file)
        return "(no file)";
    text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
    fclose(file);
    return text;
}

static void need_root(void)
{
    if (geteuid() != 0)
        skip();
}

// Each line but those of blanks alone that stand at the very end is whole; returns how many lines there are.
static unsigned whole_lines(const char *path)
{
    unsigned count = 0;
    char *rest = (char *) text_of(path), *at;
    while ((at = strsep(&rest, "\n"))) {
        if (!rest) {
            assert_int_equal(strspn(at, " "), strlen(at));
            break;
        }
        at += strspn(at, " ");
        size_t length = strlen(at);
        while (length > 0 && at[length - 1] == ' ')
            length--;
        if (length != SHOWN - 1 || strncmp(at, line + 1, length) != 0)
            fail_msg("no whole line: '%s'", at);
        count++;
    }
    return count;
}

// Runs a test in a process of its own: what it does to descriptor 2, limits and users ends with it.
static void in_child(void (*act)(void))
{
    int status;
    pid_t child = fork();
    if (child == 0) {
        act();
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

// In the child: ends it with the number of the source line.
#define MUST(condition)                                                                                                \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            _exit(__LINE__ % 250 + 1);                                                                                 \
    } while (0)

// ---- files ----

static void test_makes_and_appends(void **state)
{
    struct stat status;
    const char *path = file_called("log");
    (void) state;
    errno = 77;
    assert_int_equal(rb_sink_write(path, line, LINE), RB_LOSS_NONE);
    assert_int_equal(rb_sink_write(path, line, LINE), RB_LOSS_NONE);
    assert_int_equal(errno, 77);
    assert_string_equal(text_of(path), "{\"line\":1}\n{\"line\":1}\n");
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777 & ~0640, 0);
}

static void test_relative_paths(void **state)
{
    int here = open(".", O_RDONLY | O_DIRECTORY);
    (void) state;
    assert_int_equal(chdir(directory), 0);
    assert_int_equal(mkdir("sub", 0755), 0);
    assert_int_equal(rb_sink_write("log", line, LINE), RB_LOSS_NONE);
    assert_int_equal(rb_sink_write("./sub//..///sub/log", line, LINE), RB_LOSS_NONE);
    assert_int_equal(rb_sink_write("sub/../log", line, LINE), RB_LOSS_NONE);
    assert_int_equal(fchdir(here), 0);
    close(here);
    assert_int_equal(whole_lines(file_called("log")), 2);
    assert_int_equal(whole_lines(file_called("sub/log")), 1);
}

static void test_rotation(void **state)
{
    const char *path = file_called("log"), *old = file_called("log.1");
    (void) state;
    rb_sink_write(path, line, LINE);
    assert_int_equal(rename(path, old), 0);
    rb_sink_write(path, line, LINE);
    rb_sink_write(path, line, LINE);
    assert_int_equal(unlink(path), 0);
    rb_sink_write(path, line, LINE);
    assert_int_equal(whole_lines(old), 1);
    assert_int_equal(whole_lines(path), 1);
}

static unsigned open_descriptors(void)
{
    unsigned count = 0;
    DIR *all = opendir("/proc/self/fd");
    assert_non_null(all);
    while (readdir(all))
        count++;
    closedir(all);
    return count;
}

static void test_leaves_no_descriptor(void **state)
{
    (void) state;
    unsigned before = open_descriptors();
    assert_int_equal(mkdir(file_called("real"), 0755), 0);
    assert_int_equal(symlink("real", file_called("way")), 0);
    assert_int_equal(symlink("nowhere", file_called("dangling")), 0);
    rb_sink_write(file_called("way/log"), line, LINE);
    rb_sink_write(file_called("way/log"), line, LINE);
    rb_sink_write(file_called("dangling/log"), line, LINE);
    rb_sink_write(file_called("no/log"), line, LINE);
    rb_sink_write(file_called("way"), line, LINE);
    rb_sink_write(directory, line, LINE);
    rb_sink_examine(file_called("way/log"));
    assert_int_equal(open_descriptors(), before);
}

static void test_what_is_not_there(void **state)
{
    (void) state;
    put(file_called("file"), "");
    assert_int_equal(rb_sink_write("/nowhere/at/all", line, LINE), RB_LOSS_ABSENT);
    assert_int_equal(rb_sink_write(file_called("file/log"), line, LINE), RB_LOSS_ABSENT);
    assert_int_equal(rb_sink_write("", line, LINE), RB_LOSS_ABSENT);
    assert_int_equal(rb_sink_write(directory, line, LINE), RB_LOSS_TYPE);
    assert_int_equal(rb_sink_write(file_called(""), line, LINE), RB_LOSS_TYPE);
    assert_int_equal(rb_sink_write("/dev/full", line, LINE), RB_LOSS_FULL);
    assert_int_equal(rb_sink_write("/dev/null", line, LINE), RB_LOSS_NONE);
    assert_int_equal(rb_sink_examine("/nowhere/at/all"), RB_LOSS_NONE);
    assert_int_equal(rb_sink_examine(directory), RB_LOSS_TYPE);
    assert_int_equal(rb_sink_examine("/dev/full"), RB_LOSS_NONE);
}

// Names of all reasons are there, and differ.
static void test_words(void **state)
{
    (void) state;
    for (unsigned i = 0; i < RB_LOSS_COUNT; i++) {
        assert_non_null(rb_loss_name(i));
        assert_non_null(rb_loss_text(i));
        for (unsigned j = 0; j < i; j++)
            assert_string_not_equal(rb_loss_name(i), rb_loss_name(j));
    }
    assert_string_equal(rb_loss_name(RB_LOSS_COUNT), "unknown");
}

// ---- what another user could have put there ----

static void test_link_is_refused(void **state)
{
    const char *link = file_called("log"), *target = file_called("target");
    (void) state;
    assert_int_equal(symlink(target, link), 0);
    assert_int_equal(rb_sink_write(link, line, LINE), RB_LOSS_LINK);
    assert_int_equal(access(target, F_OK), -1);
    put(target, "");
    assert_int_equal(rb_sink_write(link, line, LINE), RB_LOSS_LINK);
    assert_string_equal(text_of(target), "");
    assert_int_equal(rb_sink_examine(link), RB_LOSS_LINK);
    assert_int_equal(rb_sink_write("/proc/self/fd/1", line, LINE), RB_LOSS_LINK);
}

static void test_own_links_among_the_directories(void **state)
{
    (void) state;
    assert_int_equal(mkdir(file_called("real"), 0755), 0);
    assert_int_equal(mkdir(file_called("real/deep"), 0755), 0);
    assert_int_equal(symlink("real", file_called("one")), 0);
    assert_int_equal(symlink(file_called("one"), file_called("two")), 0); // an absolute one
    assert_int_equal(symlink("deep/../deep/./", file_called("real/three")), 0);
    assert_int_equal(rb_sink_write(file_called("two/three/log"), line, LINE), RB_LOSS_NONE);
    assert_int_equal(rb_sink_write(file_called("two/three/log"), line, LINE), RB_LOSS_NONE);
    assert_int_equal(whole_lines(file_called("real/deep/log")), 2);
    assert_int_equal(symlink("ring", file_called("ring")), 0);
    assert_int_equal(rb_sink_write(file_called("ring/log"), line, LINE), RB_LOSS_LINK);
    assert_int_equal(rb_sink_write("/proc/self/cwd/log", line, LINE), RB_LOSS_LINK); // says more than it shows
}

static void test_foreign_link_among_the_directories(void **state)
{
    const char *link = file_called("link");
    (void) state;
    need_root();
    assert_int_equal(mkdir(file_called("real"), 0755), 0);
    put(file_called("real/old"), "");
    assert_int_equal(symlink("real", link), 0);
    assert_int_equal(lchown(link, ANOTHER, ANOTHER), 0);
    assert_int_equal(rb_sink_write(file_called("link/log"), line, LINE), RB_LOSS_LINK);
    assert_int_equal(rb_sink_write(file_called("link/old"), line, LINE), RB_LOSS_LINK);
    assert_int_equal(access(file_called("real/log"), F_OK), -1);
    assert_string_equal(text_of(file_called("real/old")), "");
    assert_int_equal(rb_sink_examine(file_called("link/old")), RB_LOSS_LINK);
    assert_int_equal(symlink("link/../link", file_called("outer")), 0);
    assert_int_equal(rb_sink_write(file_called("outer/log"), line, LINE), RB_LOSS_LINK);
}

// A file system gives the inode number of a removed file to a new one. The path of the new file is checked again.
static void test_reused_inode_is_checked_again(void **state)
{
    struct stat old, new;
    (void) state;
    need_root();
    assert_int_equal(mkdir(file_called("real"), 0755), 0);
    assert_int_equal(symlink("real", file_called("link")), 0);
    assert_int_equal(lchown(file_called("link"), ANOTHER, ANOTHER), 0);
    // Few file systems reuse the number at once. On the others, every write finds a new number.
    for (unsigned i = 0; i < 200; i++) {
        assert_int_equal(rb_sink_write(file_called("real/log"), line, LINE), RB_LOSS_NONE);
        assert_int_equal(stat(file_called("real/log"), &old), 0);
        assert_int_equal(unlink(file_called("real/log")), 0);
        put(file_called("real/log"), "");
        assert_int_equal(stat(file_called("real/log"), &new), 0);
        assert_int_equal(rb_sink_write(file_called("link/log"), line, LINE), RB_LOSS_LINK);
        if (old.st_ino == new.st_ino)
            break;
    }
}

static void test_second_name_is_refused(void **state)
{
    const char *path = file_called("log"), *other = file_called("other");
    (void) state;
    put(path, "");
    assert_int_equal(link(path, other), 0);
    assert_int_equal(rb_sink_write(path, line, LINE), RB_LOSS_NAMES);
    assert_string_equal(text_of(path), "");
    assert_int_equal(unlink(other), 0);
    assert_int_equal(rb_sink_write(path, line, LINE), RB_LOSS_NONE);
}

static void test_foreign_owner_is_refused(void **state)
{
    const char *path = file_called("log"), *fifo = file_called("fifo");
    (void) state;
    need_root();
    put(path, "");
    assert_int_equal(chown(path, ANOTHER, 0), 0);
    assert_int_equal(rb_sink_write(path, line, LINE), RB_LOSS_OWNER);
    assert_string_equal(text_of(path), "");
    assert_int_equal(rb_sink_examine(path), RB_LOSS_OWNER);
    assert_int_equal(mkfifo(fifo, 0666), 0);
    assert_int_equal(chown(fifo, ANOTHER, 0), 0);
    int reader = open(fifo, O_RDONLY | O_NONBLOCK);
    assert_int_equal(rb_sink_write(fifo, line, LINE), RB_LOSS_OWNER);
    close(reader);
}

static void write_as_another(void)
{
    MUST(setgroups(0, NULL) == 0 && setgid(ANOTHER) == 0 && setuid(ANOTHER) == 0);
    MUST(rb_sink_write(file_called("shared"), line, LINE) == RB_LOSS_NONE);
    MUST(rb_sink_write(file_called("private"), line, LINE) == RB_LOSS_DENIED);
    MUST(rb_sink_write(file_called("own"), line, LINE) == RB_LOSS_NONE);
    MUST(rb_sink_write(file_called("new"), line, LINE) == RB_LOSS_DENIED);
    MUST(rb_sink_write(file_called("write-only"), line, LINE) == RB_LOSS_NONE);
    MUST(rb_sink_write(file_called("third"), line, LINE) == RB_LOSS_OWNER);
}

// A worker that dropped root, and the modes that let it write on.
static void test_another_user(void **state)
{
    static const struct {
        const char *name;
        uid_t owner;
        gid_t group;
        mode_t mode;
    } files[] = {
        {"shared", 0, ANOTHER, 0660},     {"private", 0, 0, 0640},     {"own", ANOTHER, ANOTHER, 0600},
        {"write-only", 0, ANOTHER, 0620}, {"third", 1001, 1001, 0666},
    };
    (void) state;
    need_root();
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        put(file_called(files[i].name), "");
        assert_int_equal(chown(file_called(files[i].name), files[i].owner, files[i].group), 0);
        assert_int_equal(chmod(file_called(files[i].name), files[i].mode), 0);
    }
    in_child(write_as_another);
    assert_int_equal(whole_lines(file_called("shared")), 1);
    assert_int_equal(whole_lines(file_called("write-only")), 1);
}

// Whether a worker that drops root is certain to lose this log.
static void test_for_root_alone(void **state)
{
    static const struct {
        mode_t mode;
        bool for_root;
    } rows[] = {{0600, true}, {0644, true}, {0640, true}, {0660, false}, {0620, false}, {0646, false}};
    const char *path = file_called("log"), *folder = file_called("folder"), *new = file_called("folder/new");
    (void) state;
    need_root();
    put(path, "");
    assert_int_equal(mkdir(folder, 0755), 0);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(chmod(path, rows[i].mode), 0);
        assert_int_equal(rb_sink_is_for_root(path), rows[i].for_root);
        assert_int_equal(chmod(folder, rows[i].mode | 0111), 0);
        assert_int_equal(rb_sink_is_for_root(new), rows[i].for_root);
    }
    assert_int_equal(chmod(path, 0600) || chmod(folder, 0755), 0);
    assert_int_equal(chown(path, ANOTHER, 0) || chown(folder, ANOTHER, 0), 0);
    assert_false(rb_sink_is_for_root(path));
    assert_false(rb_sink_is_for_root(new));
    assert_false(rb_sink_is_for_root("/nowhere/at/all"));
    assert_int_equal(access(new, F_OK), -1);
}

static void test_missing_in_another_root(void **state)
{
    const char *jail = file_called("jail");
    (void) state;
    assert_int_equal(mkdir(jail, 0755) || mkdir(file_called("jail/var"), 0755), 0);
    assert_true(rb_sink_is_missing_in(jail, "/var/log/x"));
    assert_false(rb_sink_is_missing_in(jail, "/var/x"));
    assert_false(rb_sink_is_missing_in(jail, "//x"));
    assert_false(rb_sink_is_missing_in(jail, "var/log/x"));
    assert_int_equal(mkdir(file_called("jail/real"), 0755), 0);
    assert_int_equal(symlink("../real", file_called("jail/var/log")), 0);
    assert_false(rb_sink_is_missing_in(jail, "/var/log/x"));
    assert_false(rb_sink_is_missing_in("/", directory));
    // What the system call would refuse.
    assert_false(rb_sink_is_missing_in("/nowhere", "/var/log/x"));
    assert_false(rb_sink_is_missing_in(NULL, "/var/log/x"));
    assert_false(rb_sink_is_missing_in((const char *) 1, "/var/log/x"));
}

static void test_the_end_of_a_file(void **state)
{
    char out[8];
    const char *path = file_called("log");
    (void) state;
    assert_int_equal(rb_sink_read_end(path, out, sizeof(out)), 0);
    put(path, "abc");
    assert_int_equal(rb_sink_read_end(path, out, sizeof(out)), 3);
    assert_memory_equal(out, "abc", 3);
    put(path, "0123456789");
    assert_int_equal(rb_sink_read_end(path, out, sizeof(out)), 8);
    assert_memory_equal(out, "23456789", 8);
    assert_int_equal(symlink("log", file_called("link")), 0);
    assert_int_equal(rb_sink_read_end(file_called("link"), out, sizeof(out)), 0);
    assert_int_equal(mkfifo(file_called("fifo"), 0600), 0);
    assert_int_equal(rb_sink_read_end(file_called("fifo"), out, sizeof(out)), 0);
}

static void test_other_types(void **state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    (void) state;
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", file_called("socket"));
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *) &address, sizeof(address)), 0);
    assert_int_equal(rb_sink_write(address.sun_path, line, LINE), RB_LOSS_TYPE);
    close(fd);
    if (geteuid() == 0 && mknod(file_called("disk"), S_IFBLK | 0600, makedev(7, 250)) == 0)
        assert_int_equal(rb_sink_write(file_called("disk"), line, LINE), RB_LOSS_TYPE);
}

static void test_fifo(void **state)
{
    char got[64];
    const char *path = file_called("fifo");
    (void) state;
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(rb_sink_write(path, line, LINE), RB_LOSS_BUSY); // nobody reads
    int reader = open(path, O_RDONLY | O_NONBLOCK);
    assert_int_equal(rb_sink_write(path, line, LINE), RB_LOSS_NONE);
    assert_int_equal(read(reader, got, sizeof(got)), SHOWN);
    assert_memory_equal(got, line + 1, SHOWN);
    int filler = open(path, O_WRONLY | O_NONBLOCK);
    while (write(filler, got, 1) == 1)
        continue;
    assert_int_equal(rb_sink_write(path, line, LINE), RB_LOSS_BUSY);
    close(filler);
    close(reader);
}

// ---- parts of lines ----

static void limit_size(rlim_t size)
{
    struct rlimit limit;
    getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = size;
    setrlimit(RLIMIT_FSIZE, &limit);
}

// The limit cuts the second line at each of its bytes. Nothing of it is left, and the next line stands by itself.
static void test_part_is_taken_back(void **state)
{
    struct rlimit before;
    const char *path = file_called("log");
    sigset_t pending;
    (void) state;
    getrlimit(RLIMIT_FSIZE, &before);
    for (rlim_t cut = 0; cut < SHOWN; cut++) {
        unlink(path);
        assert_int_equal(rb_sink_write(path, line, LINE), RB_LOSS_NONE);
        limit_size(SHOWN + cut);
        assert_int_equal(rb_sink_write(path, line, LINE), RB_LOSS_FULL);
        assert_int_equal(rb_sink_write(path, line, LINE), RB_LOSS_FULL);
        limit_size(before.rlim_cur);
        assert_int_equal(whole_lines(path), 1);
        assert_int_equal(text_of(path)[strlen(text_of(path)) - 1], '\n');
        assert_int_equal(rb_sink_write(path, line, LINE), RB_LOSS_NONE);
        assert_int_equal(whole_lines(path), 2);
    }
    sigpending(&pending);
    assert_false(sigismember(&pending, SIGXFSZ));
}

static void test_part_at_the_start_of_a_file(void **state)
{
    struct rlimit before;
    const char *path = file_called("log");
    (void) state;
    getrlimit(RLIMIT_FSIZE, &before);
    limit_size(SHOWN - 3);
    assert_int_equal(rb_sink_write(path, line, LINE), RB_LOSS_FULL);
    limit_size(before.rlim_cur);
    assert_string_equal(text_of(path), "        ");
    assert_int_equal(rb_sink_write(path, line, LINE), RB_LOSS_NONE);
    assert_int_equal(rb_sink_write(path, line, LINE), RB_LOSS_NONE);
    assert_string_equal(text_of(path), "        {\"line\":1}\n{\"line\":1}\n");
}

// Another process left a part of a line: it was killed right there.
static void test_part_of_another_process(void **state)
{
    const char *path = file_called("log");
    struct rlimit before;
    (void) state;
    put(path, "{\"line\":1}\n{\"li");
    assert_int_equal(rb_sink_write(path, line, LINE), RB_LOSS_NONE);
    assert_string_equal(text_of(path), "{\"line\":1}\n{\"li\n{\"line\":1}\n");
    assert_int_equal(rb_sink_write(path, line, LINE), RB_LOSS_NONE);
    assert_string_equal(text_of(path), "{\"line\":1}\n{\"li\n{\"line\":1}\n{\"line\":1}\n");
    // Removing an incomplete line behind such a part leaves the part alone.
    put(path, "{\"li");
    getrlimit(RLIMIT_FSIZE, &before);
    limit_size(8);
    assert_int_equal(rb_sink_write(path, line, LINE), RB_LOSS_FULL);
    limit_size(before.rlim_cur);
    assert_string_equal(text_of(path), "{\"li   \n");
    assert_int_equal(rb_sink_write(path, line, LINE), RB_LOSS_NONE);
    assert_string_equal(text_of(path), "{\"li   \n{\"line\":1}\n");
}

static void cut_in_a_file_that_cannot_be_read(void)
{
    const char *path = file_called("log");
    MUST(setgroups(0, NULL) == 0 && setgid(ANOTHER) == 0 && setuid(ANOTHER) == 0);
    MUST(rb_sink_write(path, line, LINE) == RB_LOSS_NONE);
    limit_size(SHOWN + 4);
    MUST(rb_sink_write(path, line, LINE) == RB_LOSS_FULL);
    limit_size(1000);
    MUST(rb_sink_write(path, line, LINE) == RB_LOSS_NONE);
    MUST(rb_sink_write(path, line, LINE) == RB_LOSS_NONE);
}

// A file that the user cannot read keeps a partial line. The next line does not continue it.
static void test_part_in_a_file_that_cannot_be_read(void **state)
{
    const char *path = file_called("log");
    (void) state;
    need_root();
    put(path, "");
    assert_int_equal(chown(path, 0, ANOTHER), 0);
    assert_int_equal(chmod(path, 0620), 0);
    in_child(cut_in_a_file_that_cannot_be_read);
    assert_string_equal(text_of(path), "{\"line\":1}\n{\"li\n{\"line\":1}\n{\"line\":1}\n");
}

enum { WRITERS = 4, ROUNDS = 200 };

// Writers, half of which meet their limit again and again, at another byte each time.
static void write_beside_others(unsigned number)
{
    const char *path = file_called("log");
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct stat status;
        bool cut = number % 2 == 1 && stat(path, &status) == 0;
        limit_size(cut ? (rlim_t) status.st_size + i % SHOWN : 1000000);
        rb_sink_write(path, line, LINE);
    }
    _exit(0);
}

// Every line is whole, or (when its writer was cut at the same moment as another one) empty.
static void test_parts_beside_other_writers(void **state)
{
    int status;
    (void) state;
    for (unsigned i = 0; i < WRITERS; i++)
        if (fork() == 0)
            write_beside_others(i);
    for (unsigned i = 0; i < WRITERS; i++) {
        assert_true(wait(&status) > 0);
        assert_int_equal(status, 0);
    }
    unsigned whole = 0;
    char *rest = (char *) text_of(file_called("log")), *at;
    while ((at = strsep(&rest, "\n"))) {
        char *shown = strstr(at, "{\"line\":1}");
        whole += shown != NULL;
        size_t blanks = strspn(at, " ");
        if (shown)
            blanks += SHOWN - 1 + strspn(shown + SHOWN - 1, " ");
        if (blanks != strlen(at))
            fail_msg("joined or cut: '%s'", at);
    }
    assert_true(whole >= WRITERS / 2 * ROUNDS);
}

// ---- stderr ----

static int replacement; // what descriptor 2 becomes

// Descriptor 2 is a pipe at the start. Returns its reading end.
static int start_with_a_pipe(void)
{
    int ends[2];
    MUST(pipe2(ends, O_NONBLOCK) == 0 && dup2(ends[1], STDERR_FILENO) == STDERR_FILENO && close(ends[1]) == 0);
    rb_sink_start();
    return ends[0];
}

static void write_to_the_pipe(void)
{
    char got[64];
    int reader = start_with_a_pipe();
    MUST(rb_sink_write("stderr", line, LINE) == RB_LOSS_NONE);
    MUST(read(reader, got, sizeof(got)) == SHOWN && memcmp(got, line + 1, SHOWN) == 0);
    rb_sink_start(); // the first one counts
    int again = dup(STDERR_FILENO);
    close(STDERR_FILENO);
    MUST(rb_sink_write("stderr", line, LINE) == RB_LOSS_REPLACED);
    MUST(dup(again) == STDERR_FILENO);
    MUST(rb_sink_write("stderr", line, LINE) == RB_LOSS_NONE);
    while (write(STDERR_FILENO, "x", 1) == 1)
        continue;
    MUST(rb_sink_write("stderr", line, LINE) == RB_LOSS_BUSY);
    close(reader);
    MUST(rb_sink_write("stderr", line, LINE) == RB_LOSS_BUSY); // no SIGPIPE
}

static void test_stderr(void **state)
{
    (void) state;
    assert_int_equal(rb_sink_write("stderr", line, LINE), RB_LOSS_REPLACED); // before rb_sink_start
    in_child(write_to_the_pipe);
}

static void write_to_the_replacement(void)
{
    start_with_a_pipe();
    MUST(dup2(replacement, STDERR_FILENO) == STDERR_FILENO);
    MUST(rb_sink_write("stderr", line, LINE) == RB_LOSS_REPLACED);
    rb_sink_start();
    MUST(rb_sink_write("stderr", line, LINE) == RB_LOSS_REPLACED);
}

static void write_after_a_start_without(void)
{
    close(STDERR_FILENO);
    rb_sink_start();
    MUST(dup(replacement) == STDERR_FILENO);
    MUST(rb_sink_write("stderr", line, LINE) == RB_LOSS_REPLACED);
}

// A file that the program opens as descriptor 2 gets no line.
static void test_replaced_stderr(void **state)
{
    int pair[2], ends[2];
    char byte;
    (void) state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
    int all[] = {open(file_called("data"), O_RDWR | O_CREAT, 0600),
                 pair[0],
                 ends[1],
                 eventfd(0, EFD_NONBLOCK),
                 epoll_create1(0),
                 socket(AF_INET, SOCK_DGRAM, 0),
                 open("/dev/null", O_WRONLY),
                 open(directory, O_RDONLY)};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        replacement = all[i];
        in_child(write_to_the_replacement);
        in_child(write_after_a_start_without);
    }
    assert_string_equal(text_of(file_called("data")), "");
    assert_int_equal(read(pair[1], &byte, 1), -1);
    assert_int_equal(read(ends[0], &byte, 1), -1);
    assert_int_equal(read(all[3], &byte, 1), -1);
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        close(all[i]);
    close(pair[1]);
    close(ends[0]);
}

static int stderr_domain;

static void start_with_a_socket(void)
{
    char got[64];
    int pair[2] = {-1, -1};
    if (stderr_domain == AF_UNIX) {
        MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) == 0);
    } else {
        struct sockaddr_storage address = {.ss_family = (sa_family_t) stderr_domain};
        socklen_t length = sizeof(address);
        int listener = socket(stderr_domain, SOCK_STREAM, 0);
        MUST(listen(listener, 1) == 0 && getsockname(listener, (struct sockaddr *) &address, &length) == 0);
        pair[1] = socket(stderr_domain, SOCK_STREAM, 0);
        MUST(connect(pair[1], (struct sockaddr *) &address, length) == 0);
        MUST((pair[0] = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0);
    }
    MUST(dup2(pair[1], STDERR_FILENO) == STDERR_FILENO);
    rb_sink_start();
    enum rb_loss error = rb_sink_write("stderr", line, LINE);
    MUST(error == (stderr_domain == AF_UNIX ? RB_LOSS_NONE : RB_LOSS_REPLACED));
    MUST(read(pair[0], got, sizeof(got)) == (stderr_domain == AF_UNIX ? SHOWN : -1));
}

// A service of inetd has its connection as descriptors 0, 1 and 2. The journal of systemd is a local socket.
static void test_sockets_as_stderr(void **state)
{
    static const int domains[] = {AF_UNIX, AF_INET, AF_INET6};
    (void) state;
    for (size_t i = 0; i < sizeof(domains) / sizeof(domains[0]); i++) {
        stderr_domain = domains[i];
        int fd = socket(stderr_domain, SOCK_STREAM, 0);
        if (fd >= 0)
            in_child(start_with_a_socket);
        close(fd);
    }
}

static int file_flags;

static void fill_a_file(void)
{
    int fd = open(file_called("err"), O_WRONLY | O_CREAT | O_TRUNC | file_flags, 0600);
    MUST(dup2(fd, STDERR_FILENO) == STDERR_FILENO);
    rb_sink_start();
    MUST(rb_sink_write("stderr", line, LINE) == RB_LOSS_NONE);
    limit_size(SHOWN + 4);
    MUST(rb_sink_write("stderr", line, LINE) == RB_LOSS_FULL);
    limit_size(1000);
    MUST(rb_sink_write("stderr", line, LINE) == RB_LOSS_NONE);
    MUST(write(STDERR_FILENO, "own text\n", 9) == 9);
    limit_size(2 * SHOWN + 4 + 9 + 5);
    MUST(rb_sink_write("stderr", line, LINE) == RB_LOSS_FULL);
    limit_size(1000);
    MUST(rb_sink_write("stderr", line, LINE) == RB_LOSS_NONE);
}

// The program's own lines keep their newlines.
static void test_part_on_stderr(void **state)
{
    (void) state;
    for (file_flags = 0; file_flags <= O_APPEND; file_flags += O_APPEND) {
        in_child(fill_a_file);
        assert_string_equal(text_of(file_called("err")),
                            "{\"line\":1}    \n{\"line\":1}\nown text\n     {\"line\":1}\n");
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_makes_and_appends, setup, teardown),
        cmocka_unit_test_setup_teardown(test_relative_paths, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rotation, setup, teardown),
        cmocka_unit_test_setup_teardown(test_leaves_no_descriptor, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_is_not_there, setup, teardown),
        cmocka_unit_test_setup_teardown(test_words, setup, teardown),
        cmocka_unit_test_setup_teardown(test_link_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_own_links_among_the_directories, setup, teardown),
        cmocka_unit_test_setup_teardown(test_foreign_link_among_the_directories, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reused_inode_is_checked_again, setup, teardown),
        cmocka_unit_test_setup_teardown(test_second_name_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_foreign_owner_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_another_user, setup, teardown),
        cmocka_unit_test_setup_teardown(test_for_root_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(test_missing_in_another_root, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_end_of_a_file, setup, teardown),
        cmocka_unit_test_setup_teardown(test_other_types, setup, teardown),
        cmocka_unit_test_setup_teardown(test_fifo, setup, teardown),
        cmocka_unit_test_setup_teardown(test_part_is_taken_back, setup, teardown),
        cmocka_unit_test_setup_teardown(test_part_at_the_start_of_a_file, setup, teardown),
        cmocka_unit_test_setup_teardown(test_part_of_another_process, setup, teardown),
        cmocka_unit_test_setup_teardown(test_part_in_a_file_that_cannot_be_read, setup, teardown),
        cmocka_unit_test_setup_teardown(test_parts_beside_other_writers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stderr, setup, teardown),
        cmocka_unit_test_setup_teardown(test_replaced_stderr, setup, teardown),
        cmocka_unit_test_setup_teardown(test_sockets_as_stderr, setup, teardown),
        cmocka_unit_test_setup_teardown(test_part_on_stderr, setup, teardown),
    };
    return cmocka_run_group_tests_name("process sink", tests, NULL, NULL);
}

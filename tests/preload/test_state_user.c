// SPDX-License-Identifier: MIT
// The shared state belongs to the effective user. What a process has mapped after it has changed its user, and which
// files it has made. All of it wants root, and a /dev/shm of its own.
#include <netdb.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>

#include "network.h"
#include "state/layout.h"

#define POLICY                                                                                                         \
    "[local]\nhosts=127.0.0.1, localhost\nretry.attempts=2\nretry.backoff=fixed\nretry.base=1ms\n"                     \
    "retry.jitter=none\nbreaker=off\nbudget.floor=1000/s\n"

enum { NOBODY = 65534, OTHER = 65000, THREADS = 4, TURNS = 300, USERS = 20, PEOPLE_TURNS = 3 };

// ---- what is mapped, and what was made ----

// How many mappings have a name that holds `name`.
static unsigned mapped(const char *name)
{
    char line[512];
    unsigned count = 0;
    prctl(PR_SET_DUMPABLE, 1); // after a change of the user the file is root's
    FILE *maps = fopen("/proc/self/maps", "re");
    CHECK(maps != NULL);
    while (fgets(line, sizeof(line), maps))
        count += strstr(line, name) != NULL;
    fclose(maps);
    return count;
}

// The part of a user's file name that all versions have.
static const char *name_of(unsigned user)
{
    static char names[4][64];
    static unsigned next;
    char *name = names[next++ % 4];
    snprintf(name, sizeof(names[0]), "/dev/shm/rebound.%u.v", user);
    return name;
}

// The owner of the one file with that beginning; -1: there is none.
static long owner_of_file(unsigned user)
{
    const char *name = name_of(user) + strlen("/dev/shm/");
    DIR *entries = opendir("/dev/shm");
    struct dirent *entry;
    struct stat status;
    long owner = -1;
    CHECK(entries != NULL);
    while ((entry = readdir(entries))) {
        if (strncmp(entry->d_name, name, strlen(name)) != 0)
            continue;
        CHECK_INT(owner, -1);
        CHECK_INT(fstatat(dirfd(entries), entry->d_name, &status, 0), 0);
        CHECK_INT(status.st_mode, S_IFREG | 0600);
        owner = status.st_uid;
    }
    closedir(entries);
    return owner;
}

static unsigned files(void)
{
    DIR *entries = opendir("/dev/shm");
    unsigned count = 0;
    CHECK(entries != NULL);
    for (struct dirent *entry; (entry = readdir(entries));)
        count += entry->d_name[0] != '.';
    closedir(entries);
    return count;
}

static void check_only(unsigned user)
{
    CHECK_INT(mapped("/dev/shm/rebound."), 1);
    CHECK_INT(mapped(name_of(user)), 1);
    CHECK_INT(owner_of_file(user), user);
}

// Runs a role in a /dev/shm of its own, with the default state. Its library and policy are there for everybody.
static void run_apart(const char *role)
{
    if (geteuid() != 0)
        test_skip("only root changes its user");
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("none", "/dev/shm", "tmpfs", 0, "mode=1777") != 0)
        test_skip("no namespace of mounts");
    CHECK_INT(chmod(getenv("RB_TEST_DIR"), 0755), 0);
    setenv("REBOUND_STATE", "shared", 1);
    CHECK_INT(test_under(role), 0);
}

#define APART(name)                                                                                                    \
    static void name(void)                                                                                             \
    {                                                                                                                  \
        run_apart(#name "_role");                                                                                      \
    }

// ---- one thread ----

APART(drop)
static void drop_role(void)
{
    struct port port = port_new();
    CHECK_INT(dial_once(&port), ECONNREFUSED);
    check_only(0);
    CHECK_INT(setgid(NOBODY) | setuid(NOBODY), 0);
    CHECK_INT(mapped("/dev/shm/rebound."), 0); // at once
    CHECK_INT(dial_once(&port), ECONNREFUSED);
    check_only(NOBODY);
    CHECK_INT(files(), 2);
}

// The other functions that change the effective user.
APART(drop_otherwise)
static void drop_otherwise_role(void)
{
    struct port port = port_new();
    for (int way = 0; way < 3; way++) {
        CHECK_INT(dial_once(&port), ECONNREFUSED);
        check_only(0);
        CHECK_INT(way == 0   ? seteuid(NOBODY)
                  : way == 1 ? setreuid((uid_t) -1, NOBODY)
                             : setresuid((uid_t) -1, NOBODY, (uid_t) -1),
                  0);
        CHECK_INT(mapped("/dev/shm/rebound."), 0);
        CHECK_INT(seteuid(0), 0);
    }
    CHECK_INT(setresuid((uid_t) -1, (uid_t) -1, 0), 0); // no change of the effective user
    CHECK_INT(dial_once(&port), ECONNREFUSED);
    CHECK_INT(setreuid(0, (uid_t) -1), 0);
    check_only(0);
    CHECK_INT(files(), 1);
}

// A bare system call is seen by the next call.
APART(drop_behind_our_back)
static void drop_behind_our_back_role(void)
{
    struct port port = port_new();
    CHECK_INT(dial_once(&port), ECONNREFUSED);
    CHECK_INT(syscall(SYS_setresuid, NOBODY, NOBODY, NOBODY), 0);
    CHECK_INT(dial_once(&port), ECONNREFUSED);
    check_only(NOBODY);
}

APART(first_call_as_another)
static void first_call_as_another_role(void)
{
    struct port port = port_new();
    CHECK_INT(seteuid(NOBODY), 0);
    CHECK_INT(dial_once(&port), ECONNREFUSED);
    check_only(NOBODY);
    CHECK_INT(seteuid(0), 0);
    CHECK_INT(mapped("/dev/shm/rebound."), 0);
    CHECK_INT(dial_once(&port), ECONNREFUSED);
    check_only(0);
}

// A program that has made no call that the policy concerns makes no file, whoever it is.
APART(no_call)
static void no_call_role(void)
{
    CHECK_INT(setuid(NOBODY), 0);
    CHECK_INT(files(), 0);
    CHECK_INT(mapped("/dev/shm/rebound."), 0);
}

// An explicit path is root's; the user that the process becomes has no file there, and leaves root's alone.
APART(explicit_path)
static void explicit_path_role(void)
{
    setenv("REBOUND_STATE", "/dev/shm/state", 1);
    CHECK_INT(test_under("explicit_path_inner"), 0);
}

static void explicit_path_inner(void)
{
    struct port port = port_new();
    CHECK_INT(dial_once(&port), ECONNREFUSED);
    CHECK_INT(mapped("/dev/shm/state"), 1);
    CHECK_INT(seteuid(NOBODY), 0);
    CHECK_INT(mapped("/dev/shm"), 0);
    CHECK_INT(dial_once(&port), ECONNREFUSED);
    CHECK_INT(mapped("/dev/shm"), 0);
    CHECK_INT(files(), 1);
    CHECK_INT(seteuid(0), 0);
    CHECK_INT(dial_once(&port), ECONNREFUSED);
    CHECK_INT(mapped("/dev/shm/state"), 1);
}

static unsigned long address_space_kb(void)
{
    char *text = test_read("/proc/self/status", NULL), *line = strstr(text, "VmSize:");
    CHECK(line != NULL);
    unsigned long kb = strtoul(line + strlen("VmSize:"), NULL, 10);
    free(text);
    return kb;
}

// Nothing is lost when the user changes for each call.
APART(back_and_forth)
static void back_and_forth_role(void)
{
    struct port port = port_new();
    unsigned descriptors = test_descriptors();
    unsigned long before = 0;
    for (int i = 0; i < TURNS; i++) {
        uid_t user = i % 2 ? NOBODY : 0;
        CHECK_INT(seteuid(user), 0);
        CHECK_INT(mapped(name_of(user ? 0 : NOBODY)), 0);
        CHECK_INT(dial_once(&port), ECONNREFUSED);
        CHECK_INT(mapped(name_of(user)), 1);
        if (i == 3)
            before = address_space_kb();
    }
    CHECK_INT(seteuid(0), 0);
    CHECK_BETWEEN((long) address_space_kb() - (long) before, -100000, 16000);
    CHECK_INT(test_descriptors(), descriptors);
    CHECK_INT(files(), 2);
}

// A file server has many users. The memory that is kept for those of before is bounded.
APART(many_users)
static void many_users_role(void)
{
    struct port port = port_new();
    unsigned long before = 0;
    for (int i = 0; i < USERS * PEOPLE_TURNS; i++) {
        uid_t user = (uid_t) (OTHER + i % USERS);
        CHECK_INT(seteuid(user), 0);
        CHECK_INT(dial_once(&port), ECONNREFUSED);
        CHECK_INT(seteuid(0), 0);
        CHECK_INT(mapped("/dev/shm/rebound."), 0);
        CHECK_INT(owner_of_file(user), user);
        if (i == 10)
            before = address_space_kb();
    }
    CHECK_BETWEEN((long) address_space_kb() - (long) before, -100000, 16000);
    CHECK_INT(files(), USERS);
}

// A file that the process would make belongs to its file system user.
APART(file_system_user)
static void file_system_user_role(void)
{
    struct port port = port_new();
    CHECK_INT(syscall(SYS_setfsuid, NOBODY), 0);
    CHECK_INT(dial_once(&port), ECONNREFUSED);
    CHECK_INT(files(), 0);
    CHECK_INT(syscall(SYS_setfsuid, 0), NOBODY);
    while (mapped(name_of(0)) == 0) {
        CHECK_INT(dial_once(&port), ECONNREFUSED);
        test_pause();
    }
    check_only(0);
}

// ---- several processes ----

// As nginx does it: the parent stays root, and the worker that it forks becomes another user.
APART(worker)
static void worker_role(void)
{
    struct port port = port_new();
    CHECK_INT(dial_once(&port), ECONNREFUSED);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        check_only(0);
        CHECK_INT(setuid(NOBODY), 0);
        CHECK_INT(mapped("/dev/shm/rebound."), 0);
        CHECK_INT(dial_once(&port), ECONNREFUSED);
        check_only(NOBODY);
        _exit(0);
    }
    CHECK_INT(test_status(child), 0);
    check_only(0);
    CHECK_INT(dial_once(&port), ECONNREFUSED);
    check_only(0);
    CHECK_INT(files(), 2);
}

// A vfork child shares its parent's memory but may have another user.
APART(vfork_child)
static void vfork_child_role(void)
{
    struct port port = port_new();
    CHECK_INT(dial_once(&port), ECONNREFUSED);
    pid_t child = vfork();
    if (child == 0)
        _exit(setuid(NOBODY) == 0 ? 0 : 1);
    CHECK_INT(test_status(child), 0);
    CHECK_INT(dial_once(&port), ECONNREFUSED);
    check_only(0);
    CHECK_INT(files(), 1);
}

// As with su, the executed program runs as another user from its start.
APART(executed)
static void executed_role(void)
{
    struct port port = port_new();
    CHECK_INT(dial_once(&port), ECONNREFUSED);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        CHECK_INT(setuid(NOBODY), 0);
        if (access(RB_BUILD_DIR "/librebound.so", R_OK) != 0)
            _exit(0); // another user cannot read what is tested
        _exit(test_under("executed_inner"));
    }
    CHECK_INT(test_status(child), 0);
    check_only(0);
}

static void executed_inner(void)
{
    struct port port = port_new();
    CHECK_INT(dial_once(&port), ECONNREFUSED);
    check_only(NOBODY);
}

// ---- which name ----

static const char *first_name(void)
{
    static char name[80];
    snprintf(name, sizeof(name), "%s%d", name_of(0), RB_STATE_VERSION);
    return name;
}

// Another user takes the first name again and again, and gives it up. Processes that are started meanwhile may make
// their file at this name or the next. In the end all of them use the same file.
static void take_and_give_up(int stop)
{
    CHECK_INT(syscall(SYS_setresuid, NOBODY, NOBODY, NOBODY), 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (struct pollfd told = {.fd = stop, .events = POLLIN}; poll(&told, 1, 0) == 0;) {
        int fd = open(first_name(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        close(fd);
        if (fd >= 0)
            unlink(first_name());
    }
    _exit(0);
}

static unsigned long long mapped_inode(void)
{
    return test_mapped_inode(name_of(0));
}

// A process whose first name was taken uses the next one. As soon as there is a file of its user at the first name, it
// moves there: another process may have made that one.
APART(move_to_an_earlier_name)
static void move_to_an_earlier_name_role(void)
{
    struct port port = port_new();
    struct stat status;
    size_t length;
    char second[96];
    snprintf(second, sizeof(second), "%s.1", first_name());
    test_write(first_name(), "");
    CHECK_INT(chown(first_name(), NOBODY, NOBODY), 0);
    CHECK_INT(dial_once(&port), ECONNREFUSED);
    CHECK_INT(lstat(second, &status), 0);
    CHECK(mapped_inode() == status.st_ino);
    CHECK_INT(unlink(first_name()), 0);
    char *content = test_read(second, &length);
    int fd = open("/dev/shm/copy", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    CHECK_INT(write(fd, content, length), length);
    close(fd);
    free(content);
    CHECK_INT(rename("/dev/shm/copy", first_name()), 0);
    CHECK_INT(lstat(first_name(), &status), 0);
    for (; mapped_inode() != status.st_ino; test_pause())
        CHECK_INT(dial_once(&port), ECONNREFUSED);
    CHECK_INT(mapped("/dev/shm/rebound."), 1);
}

// The file of root with the first name in order.
static unsigned long long first_inode(void)
{
    char name[80];
    struct stat status;
    for (int i = 0; i < 10; i++) {
        snprintf(name, sizeof(name), i == 0 ? "%s%d" : "%s%d.%d", name_of(0), RB_STATE_VERSION, i);
        if (lstat(name, &status) == 0 && status.st_uid == 0)
            return status.st_ino;
    }
    return 0;
}

// Tells all the time which file this process uses.
static void dial_and_tell(_Atomic unsigned long long *told)
{
    struct port port = port_new();
    for (;; test_pause()) {
        CHECK_INT(dial_once(&port), ECONNREFUSED);
        atomic_store(told, mapped_inode());
    }
}

enum { PROCESSES = 8 };

static bool all_agree(_Atomic unsigned long long *told)
{
    unsigned long long first = first_inode();
    for (int i = 0; i < PROCESSES; i++)
        if (first == 0 || atomic_load(&told[i]) != first)
            return false;
    return true;
}

APART(agree_on_a_name)
static void agree_on_a_name_role(void)
{
    int stop[2];
    pid_t children[PROCESSES], taker;
    _Atomic unsigned long long *told =
        mmap(NULL, PROCESSES * sizeof(*told), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(told != MAP_FAILED);
    CHECK_INT(pipe2(stop, O_CLOEXEC), 0);
    CHECK((taker = fork()) >= 0);
    if (taker == 0)
        take_and_give_up(stop[0]);
    for (int i = 0; i < PROCESSES; i++) {
        CHECK((children[i] = fork()) >= 0);
        if (children[i] == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            dial_and_tell(&told[i]);
        }
    }
    for (int i = 0; i < PROCESSES; i++)
        while (atomic_load(&told[i]) == 0)
            test_pause();
    CHECK_INT(write(stop[1], "", 1), 1);
    CHECK_INT(test_status(taker), 0);
    while (!all_agree(told))
        test_pause();
    for (int i = 0; i < PROCESSES; i++) {
        kill(children[i], SIGKILL);
        test_status(children[i]);
    }
}

// ---- threads ----

static _Atomic bool ended;
static _Atomic unsigned dialled;

static void *dial_on(void *argument)
{
    for (; !atomic_load(&ended); atomic_fetch_add(&dialled, 1))
        CHECK_INT(dial_once(argument), ECONNREFUSED);
    return NULL;
}

static void await_dials(unsigned count)
{
    for (unsigned until = atomic_load(&dialled) + count; atomic_load(&dialled) < until;)
        test_pause();
}

static void start_threads(pthread_t threads[THREADS], struct port *port)
{
    for (int i = 0; i < THREADS; i++)
        CHECK_INT(pthread_create(&threads[i], NULL, dial_on, port), 0);
    await_dials(10 * THREADS);
}

static void end_threads(pthread_t threads[THREADS])
{
    atomic_store(&ended, true);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

APART(threads_while_one_drops)
static void threads_while_one_drops_role(void)
{
    struct port port = port_new();
    pthread_t threads[THREADS];
    start_threads(threads, &port);
    for (int i = 0; i < 20; i++) {
        CHECK_INT(seteuid(i % 2 ? 0 : NOBODY), 0);
        CHECK_INT(mapped(name_of(i % 2 ? NOBODY : 0)), 0);
        await_dials(THREADS);
    }
    CHECK_INT(setuid(NOBODY), 0);
    for (int i = 0; i < 20; i++) {
        CHECK_INT(mapped(name_of(0)), 0);
        await_dials(THREADS);
    }
    end_threads(threads);
    check_only(NOBODY);
    CHECK_INT(files(), 2);
}

// By bare system calls each thread has a user of its own. None uses the state of another one's user.
static void *change_on(void *argument)
{
    for (int i = 0; !atomic_load(&ended); i++) {
        CHECK_INT(syscall(SYS_setresuid, -1, i % 2 ? 0 : NOBODY, 0), 0);
        CHECK_INT(dial_once(argument), ECONNREFUSED);
    }
    return NULL;
}

APART(threads_of_several_users)
static void threads_of_several_users_role(void)
{
    struct port port = port_new();
    pthread_t threads[THREADS], changer;
    start_threads(threads, &port);
    CHECK_INT(pthread_create(&changer, NULL, change_on, &port), 0);
    await_dials(100 * THREADS);
    end_threads(threads);
    pthread_join(changer, NULL);
    CHECK_INT(dial_once(&port), ECONNREFUSED);
    check_only(0);
    CHECK_INT(owner_of_file(NOBODY), NOBODY);
    CHECK_INT(files(), 2);
}

// ---- the table of names ----

// Memory that processes share has this name.
#define SHARED_MEMORY "/dev/zero (deleted)"

static void look_up(struct port *port)
{
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *found;
    CHECK_INT(getaddrinfo("localhost", NULL, &hints, &found), 0);
    in_port_t number = port->address.sin_port;
    memcpy(&port->address, found->ai_addr, sizeof(port->address));
    port->address.sin_port = number;
    freeaddrinfo(found);
}

// The child shares the table with its parent until it changes its user. What was learnt before stays known.
APART(names)
static void names_role(void)
{
    struct port port = port_new();
    look_up(&port);
    CHECK_INT(dial_once(&port), ECONNREFUSED);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        CHECK_INT(mapped(SHARED_MEMORY), 1);
        CHECK_INT(seteuid(NOBODY), 0);
        CHECK_INT(mapped(SHARED_MEMORY), 0);
        CHECK_INT(seteuid(0), 0); // whoever may write the log
        CHECK_INT(dial_once(&port), ECONNREFUSED);
        _exit(0);
    }
    CHECK_INT(test_status(child), 0);
    CHECK_INT(mapped(SHARED_MEMORY), 1);
    CHECK_INT(test_log(RETRY, "\"localhost:"), 2);
}

static const struct test tests[] = {
    {"drop", POLICY, drop},
    {"drop_role", NULL, drop_role},
    {"drop_otherwise", POLICY, drop_otherwise},
    {"drop_otherwise_role", NULL, drop_otherwise_role},
    {"drop_behind_our_back", POLICY, drop_behind_our_back},
    {"drop_behind_our_back_role", NULL, drop_behind_our_back_role},
    {"first_call_as_another", POLICY, first_call_as_another},
    {"first_call_as_another_role", NULL, first_call_as_another_role},
    {"no_call", POLICY, no_call},
    {"no_call_role", NULL, no_call_role},
    {"explicit_path", POLICY, explicit_path},
    {"explicit_path_role", NULL, explicit_path_role},
    {"explicit_path_inner", NULL, explicit_path_inner},
    {"back_and_forth", POLICY, back_and_forth},
    {"back_and_forth_role", NULL, back_and_forth_role},
    {"many_users", POLICY, many_users},
    {"many_users_role", NULL, many_users_role},
    {"file_system_user", POLICY, file_system_user},
    {"file_system_user_role", NULL, file_system_user_role},
    {"worker", POLICY, worker},
    {"worker_role", NULL, worker_role},
    {"vfork_child", POLICY, vfork_child},
    {"vfork_child_role", NULL, vfork_child_role},
    {"executed", POLICY, executed},
    {"executed_role", NULL, executed_role},
    {"executed_inner", NULL, executed_inner},
    {"move_to_an_earlier_name", POLICY, move_to_an_earlier_name},
    {"move_to_an_earlier_name_role", NULL, move_to_an_earlier_name_role},
    {"agree_on_a_name", POLICY, agree_on_a_name},
    {"agree_on_a_name_role", NULL, agree_on_a_name_role},
    {"threads_while_one_drops", POLICY, threads_while_one_drops},
    {"threads_while_one_drops_role", NULL, threads_while_one_drops_role},
    {"threads_of_several_users", POLICY, threads_of_several_users},
    {"threads_of_several_users_role", NULL, threads_of_several_users_role},
    {"names", POLICY, names},
    {"names_role", NULL, names_role},
};

TEST_MAIN(tests)

// SPDX-License-Identifier: MIT
// The state file is cut short under the program that has it mapped, at the worst time: right before the next touch. Or
// it is removed or replaced.
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "network.h"

#define POLICY "[local]\nhosts=127.0.0.1\nretry.attempts=2\nretry.backoff=fixed\nretry.base=1ms\nretry.jitter=none\n"
#define LOST "\"decision\":\"state\""

enum { THREADS = 4, PAGE = 4096 };

static void cut(off_t size)
{
    CHECK_INT(truncate(getenv("REBOUND_STATE"), size), 0);
}

static void await_lost(const struct port *port)
{
    for (; test_log(LOST, "\"damaged\"") == 0; test_pause())
        CHECK_INT(dial_once(port), ECONNREFUSED);
}

static void check_cut(off_t size)
{
    struct port port = port_new();
    CHECK_INT(dial_once(&port), ECONNREFUSED);
    cut(size);
    CHECK_INT(dial_once(&port), ECONNREFUSED);
    await_lost(&port);
    for (int i = 0; i < 20; i++)
        CHECK_INT(dial_once(&port), ECONNREFUSED);
    CHECK_INT(test_log(LOST, ""), 1);
}

static void emptied(void)
{
    check_cut(0);
}

static void halved(void)
{
    check_cut(20 * PAGE);
}

// Nothing touches it any more but the end of the process.
static void cut_and_end(void)
{
    struct port port = port_new();
    CHECK_INT(dial_once(&port), ECONNREFUSED);
    cut(0);
    exit(0);
}

static void at_the_end(void)
{
    CHECK_INT(test_under("cut_and_end"), 0);
    CHECK_INT(test_log(LOST, "\"damaged\""), 1);
}

static _Atomic bool ended;

static void *dial_on(void *argument)
{
    for (; !atomic_load(&ended); test_pause())
        CHECK_INT(dial_once(argument), ECONNREFUSED);
    return NULL;
}

static void under_threads(void)
{
    struct port port = port_new();
    pthread_t threads[THREADS];
    CHECK_INT(dial_once(&port), ECONNREFUSED);
    for (int i = 0; i < THREADS; i++)
        CHECK_INT(pthread_create(&threads[i], NULL, dial_on, &port), 0);
    while (test_log_lines() < 4 * THREADS)
        test_pause();
    cut(0);
    await_lost(&port);
    atomic_store(&ended, true);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    CHECK_INT(test_log(LOST, ""), 1);
}

// ---- a file that is removed or replaced ----

static unsigned long long mapped_inode(void)
{
    return test_mapped_inode(getenv("REBOUND_STATE"));
}

static unsigned long long inode_of_file(void)
{
    struct stat status;
    return stat(getenv("REBOUND_STATE"), &status) == 0 ? status.st_ino : 0;
}

// Calls until the process uses the file that stands at the path.
static void dial_until_attached(const struct port *port, unsigned long long before)
{
    unsigned descriptors = test_descriptors();
    for (; mapped_inode() == 0 || mapped_inode() == before; test_pause())
        CHECK_INT(dial_once(port), ECONNREFUSED);
    CHECK_INT(test_descriptors(), descriptors);
}

static void removed(void)
{
    struct port port = port_new();
    CHECK_INT(dial_once(&port), ECONNREFUSED);
    unsigned long long before = mapped_inode();
    CHECK(before != 0);
    int kept = open(getenv("REBOUND_STATE"), O_RDONLY | O_CLOEXEC); // its number is not given to another file
    CHECK_INT(unlink(getenv("REBOUND_STATE")), 0);
    dial_until_attached(&port, before);
    CHECK(mapped_inode() == inode_of_file());
    CHECK_INT(test_log(LOST, "\"replaced\""), 1);
    CHECK_INT(test_log(LOST, ""), 1);
    close(kept);
}

static void make_another(void)
{
    struct port port = port_new();
    CHECK_INT(dial_once(&port), ECONNREFUSED);
}

// Another process has made a file at the path meanwhile.
static void replaced(void)
{
    struct port port = port_new();
    char kept[512];
    CHECK_INT(dial_once(&port), ECONNREFUSED);
    unsigned long long before = mapped_inode();
    snprintf(kept, sizeof(kept), "%s.kept", getenv("REBOUND_STATE"));
    CHECK_INT(rename(getenv("REBOUND_STATE"), kept), 0);
    CHECK_INT(test_under("make_another"), 0);
    unsigned long long others = inode_of_file();
    CHECK(others != 0 && others != before);
    dial_until_attached(&port, before);
    CHECK(mapped_inode() == others && inode_of_file() == others);
    CHECK_INT(test_log(LOST, "\"replaced\""), 1);
}

// What stands there now is no state: the process goes on, and takes the next file that is one.
static void replaced_by_a_directory(void)
{
    struct port port = port_new();
    CHECK_INT(dial_once(&port), ECONNREFUSED);
    unsigned long long before = mapped_inode();
    int kept = open(getenv("REBOUND_STATE"), O_RDONLY | O_CLOEXEC);
    CHECK_INT(unlink(getenv("REBOUND_STATE")), 0);
    CHECK_INT(mkdir(getenv("REBOUND_STATE"), 0700), 0);
    for (; test_log(LOST, "\"foreign\"") == 0; test_pause())
        CHECK_INT(dial_once(&port), ECONNREFUSED);
    CHECK_INT(rmdir(getenv("REBOUND_STATE")), 0);
    dial_until_attached(&port, before);
    CHECK_INT(test_log(LOST, ""), 2);
    close(kept);
}

// A file that was cut short is not used again. When it is removed, the process has a shared state again.
static void cut_then_removed(void)
{
    struct port port = port_new();
    CHECK_INT(dial_once(&port), ECONNREFUSED);
    cut(0);
    await_lost(&port);
    CHECK_INT(mapped_inode(), 0);
    CHECK_INT(unlink(getenv("REBOUND_STATE")), 0);
    dial_until_attached(&port, 0);
    CHECK_INT(test_log(LOST, ""), 2);
}

// A program that has changed its root keeps what it has: the path leads nowhere.
static void changed_root(void)
{
    struct port port = port_new();
    char line[512], name[512];
    bool kept = false;
    if (geteuid() != 0)
        test_skip("only root changes its root");
    snprintf(name, sizeof(name), "%s", getenv("REBOUND_STATE"));
    CHECK_INT(dial_once(&port), ECONNREFUSED);
    FILE *maps = fopen("/proc/self/maps", "re");
    CHECK(maps != NULL && chroot("/proc") == 0 && chdir("/") == 0);
    for (uint64_t until = test_now_ms() + 700; test_now_ms() < until;
         test_pause()) // twice as long as between two looks
        CHECK_INT(dial_once(&port), ECONNREFUSED);
    while (fgets(line, sizeof(line), maps))
        kept = kept || strstr(line, name);
    CHECK(kept);
    fclose(maps);
}

// Several processes miss the file at the same time. All of them end up in one.
enum { PROCESSES = 6, ROUNDS = 3, TURN_MS = 10 };

static void dial_and_tell(_Atomic unsigned long long *told)
{
    struct port port = port_new();
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;; poll(NULL, 0, TURN_MS)) { // the log stays short
        CHECK_INT(dial_once(&port), ECONNREFUSED);
        atomic_store(told, mapped_inode());
    }
}

static bool all_use(_Atomic unsigned long long *told, unsigned long long inode)
{
    for (int i = 0; i < PROCESSES; i++)
        if (inode == 0 || atomic_load(&told[i]) != inode)
            return false;
    return true;
}

static void removed_under_many(void)
{
    struct port port = port_new();
    pid_t children[PROCESSES];
    int kept[ROUNDS];
    _Atomic unsigned long long *told =
        mmap(NULL, PROCESSES * sizeof(*told), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(told != MAP_FAILED);
    CHECK_INT(dial_once(&port), ECONNREFUSED);
    for (int i = 0; i < PROCESSES; i++) {
        CHECK((children[i] = fork()) >= 0);
        if (children[i] == 0)
            dial_and_tell(&told[i]);
    }
    for (int round = 0; round < ROUNDS; round++) {
        while (!all_use(told, inode_of_file()))
            test_pause();
        kept[round] = open(getenv("REBOUND_STATE"), O_RDONLY | O_CLOEXEC); // its number is not given to another file
        CHECK_INT(unlink(getenv("REBOUND_STATE")), 0);
    }
    while (!all_use(told, inode_of_file()))
        test_pause();
    for (int i = 0; i < PROCESSES; i++) {
        kill(children[i], SIGKILL);
        test_status(children[i]);
    }
    for (int round = 0; round < ROUNDS; round++)
        close(kept[round]);
    CHECK_INT(test_log(LOST, ""), PROCESSES * ROUNDS);
    CHECK_INT(test_log(LOST, "\"replaced\""), PROCESSES * ROUNDS);
}

// ---- a program with a handler of its own ----

static sigjmp_buf back;
static volatile sig_atomic_t calls;

static void on_info(int number, siginfo_t *info, void *context)
{
    (void) number, (void) info, (void) context;
    calls++;
    siglongjmp(back, 1);
}

static void on_signal(int number)
{
    (void) number;
    calls++;
}

static void fault_itself(void)
{
    int fd = memfd_create("cut", MFD_CLOEXEC);
    volatile char *memory = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
    CHECK(fd >= 0 && memory != MAP_FAILED);
    if (sigsetjmp(back, 1) == 0)
        CHECK_INT(memory[0], 1); // not reached
}

static void own_handler(void)
{
    struct port port = port_new();
    struct sigaction action = {.sa_sigaction = on_info, .sa_flags = SA_SIGINFO}, before, seen;
    CHECK_INT(sigaction(SIGBUS, NULL, &before), 0);
    CHECK_INT(dial_once(&port), ECONNREFUSED);
    CHECK_INT(sigaction(SIGBUS, NULL, &seen), 0);
    CHECK(seen.sa_handler == before.sa_handler && seen.sa_flags == before.sa_flags);
    CHECK_INT(sigaction(SIGBUS, &action, NULL), 0);
    cut(0);
    CHECK_INT(dial_once(&port), ECONNREFUSED);
    CHECK_INT(calls, 0);
    fault_itself();
    CHECK_INT(calls, 1);
    CHECK_INT(sigaction(SIGBUS, NULL, &seen), 0);
    CHECK(seen.sa_sigaction == on_info);
}

static void own_handler_by_signal(void)
{
    struct port port = port_new();
    CHECK(signal(SIGBUS, on_signal) != on_signal);
    CHECK_INT(dial_once(&port), ECONNREFUSED);
    CHECK(signal(SIGBUS, SIG_DFL) == on_signal);
    CHECK(signal(SIGBUS, on_signal) == SIG_DFL);
    cut(0);
    CHECK_INT(dial_once(&port), ECONNREFUSED);
    CHECK_INT(calls, 0);
    CHECK_INT(raise(SIGBUS), 0);
    CHECK_INT(calls, 1);
}

// Without a handler its own SIGBUS ends it; what a sanitizer says of that is not looked at.
static void say_nothing(void)
{
    CHECK(dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO) == STDERR_FILENO);
}

static void fault_after_dial(void)
{
    struct port port = port_new();
    CHECK_INT(dial_once(&port), ECONNREFUSED);
    cut(0);
    CHECK_INT(dial_once(&port), ECONNREFUSED);
    say_nothing();
    fault_itself();
}

static void raise_after_dial(void)
{
    struct port port = port_new();
    CHECK_INT(dial_once(&port), ECONNREFUSED);
    say_nothing();
    raise(SIGBUS);
}

static void no_handler(void)
{
    int status = test_is_sanitized() ? 1 : 128 + SIGBUS; // the sanitizer's own handler reports
    CHECK_INT(test_under("fault_after_dial"), status);
    CHECK_INT(test_under("raise_after_dial"), status);
}

static const struct test tests[] = {
    {"emptied", POLICY, emptied},
    {"halved", POLICY, halved},
    {"at_the_end", POLICY, at_the_end},
    {"cut_and_end", NULL, cut_and_end},
    {"under_threads", POLICY, under_threads},
    {"removed", POLICY, removed},
    {"replaced", POLICY, replaced},
    {"make_another", NULL, make_another},
    {"replaced_by_a_directory", POLICY, replaced_by_a_directory},
    {"cut_then_removed", POLICY, cut_then_removed},
    {"changed_root", POLICY, changed_root},
    {"removed_under_many", POLICY, removed_under_many},
    {"own_handler", POLICY, own_handler},
    {"own_handler_by_signal", POLICY, own_handler_by_signal},
    {"no_handler", POLICY, no_handler},
    {"fault_after_dial", NULL, fault_after_dial},
    {"raise_after_dial", NULL, raise_after_dial},
};

TEST_MAIN(tests)

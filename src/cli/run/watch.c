// SPDX-License-Identifier: MIT
// The process behind `rebound run --summary` that prints the summary ("watcher").
//
// rebound executes the program in its own process, so another process must print. A waiting parent process would not
// pass on pid, signals and exit status exactly. The library cannot print either: it never writes to stderr, and a
// killed program runs no destructors. So the watcher is a process that init adopts, in a session of its own, which no
// signal for the program reaches.
//
// An orphan is adopted by the nearest ancestor that is a child subreaper (prctl(2)) or init. If that is the program
// itself, the watcher stays its child, of a kind that only wait calls with __WCLONE or __WALL see: it sends no SIGCHLD.
// When the program ends, the library takes the exit status of such a watcher (rb_summary_end). If another ancestor
// adopts the watcher, the watcher ends after the program, so that the ancestor gets the program's exit status first.
#include "cli/run/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cli/run/page.h"
#include "real/system.h"

// Interval in which the watcher checks whether the program has ended. A normal exit wakes the watcher at once.
enum { STEP_MS = 20 };

static struct rb_summary_page *page;
static char page_path[32];
static pid_t own_child; // the watcher, if it stays a child of this process; otherwise 0

static int make_file(void)
{
    static const char *const places[] = {"/dev/shm/rebound-XXXXXX", "/tmp/rebound-XXXXXX"};
    struct rlimit largest;
    int fd = -1;
    if (getrlimit(RLIMIT_FSIZE, &largest) == 0 && largest.rlim_cur < RB_SUMMARY_SIZE)
        return -EFBIG; // making the file would raise SIGXFSZ
    for (size_t i = 0; fd < 0 && i < sizeof(places) / sizeof(places[0]); i++) {
        memcpy(page_path, places[i], strlen(places[i]) + 1);
        fd = mkostemp(page_path, O_CLOEXEC);
        // Reserve the space now. On a full file system, the program would otherwise get SIGBUS when it counts.
        int error = fd < 0 ? 0 : posix_fallocate(fd, 0, RB_SUMMARY_SIZE);
        if (error != 0) {
            unlink(page_path);
            close(fd);
            errno = error;
            fd = -1;
        }
    }
    return fd < 0 ? -errno : fd;
}

static int make_page(void)
{
    int fd = make_file();
    if (fd < 0)
        return fd;
    void *mapped = mmap(NULL, RB_SUMMARY_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    int error = mapped == MAP_FAILED ? -errno : 0;
    close(fd);
    if (error != 0) {
        unlink(page_path);
        return error;
    }
    page = mapped;
    page->version = RB_SUMMARY_VERSION;
    page->size = RB_SUMMARY_SIZE;
    atomic_store(&page->main_pid, getpid());
    page->magic = RB_SUMMARY_MAGIC;
    return 0;
}

// --- in the watcher

static void leave_everything(int process)
{
    if (chdir("/") != 0) // so that the watcher keeps no directory busy
        errno = 0;
    close(STDOUT_FILENO); // readers of the program's output must see end of file
    if (process >= 0)
        dup2(process, STDIN_FILENO);
    else
        close(STDIN_FILENO);
    closefrom(STDERR_FILENO + 1);
}

// True when the program has ended. `has_process`: stdin is the pidfd of the program. Without a pidfd (Linux before
// 5.3), another process with the same pid looks like the program, and the summary is printed late.
static bool is_gone(pid_t pid, bool has_process)
{
    struct pollfd process = {.fd = STDIN_FILENO, .events = POLLIN};
    return has_process ? poll(&process, 1, 0) > 0 : kill(pid, 0) != 0 && errno == ESRCH;
}

static void run_watch_print(void)
{
    static char text[RB_PAGE_TEXT_SIZE];
    size_t length = rb_page_format(page, rb_system_now_ms(), text, sizeof(text));
    for (size_t done = 0; done < length;) {
        ssize_t written = write(STDERR_FILENO, text + done, length - done);
        if (written > 0)
            done += (size_t) written;
        else if (written < 0 && errno == EAGAIN) // the program has made stderr non-blocking
            poll(&(struct pollfd){.fd = STDERR_FILENO, .events = POLLOUT}, 1, -1);
        else
            break;
    }
}

static void run_watch_loop(int process, bool stays)
{
    const struct timespec step = {.tv_nsec = STEP_MS * 1000000L};
    pid_t pid = atomic_load(&page->main_pid);
    leave_everything(process);
    // The program ends: it is gone, or it announces its exit, or the command could not execute it.
    while (atomic_load(&page->exiting) == 0 && atomic_load(&page->main_pid) == pid && !is_gone(pid, process >= 0))
        syscall(SYS_futex, &page->exiting, FUTEX_WAIT, 0, &step, NULL, 0);
    unlink(page_path);
    if (atomic_load(&page->main_pid) != 0)
        run_watch_print();
    close(STDERR_FILENO);
    atomic_store(&page->printed, stays ? (uint32_t) getpid() : 1);
    syscall(SYS_futex, &page->printed, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
    while (!stays && pid != 0 && !is_gone(pid, process >= 0))
        nanosleep(&step, NULL);
    _exit(0);
}

// --- in the command

// Starts the watcher in another session with all signals blocked. Returns when signals for the program no longer reach
// the watcher. The child forks again, so that another process adopts the watcher. If this process would adopt it, as
// init (pid 1 in a container) or as a subreaper, the first child is the watcher.
static int start_watcher(void)
{
    sigset_t all, before;
    int subreaper = 0;
    bool stays = getpid() == 1 || (prctl(PR_GET_CHILD_SUBREAPER, &subreaper, 0, 0, 0) == 0 && subreaper);
    int process = (int) syscall(SYS_pidfd_open, getpid(), 0);
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    // Fork without SIGCHLD at the child's end: the signal would stay pending for the program.
    pid_t child = (pid_t) syscall(SYS_clone, 0, NULL, NULL, NULL, NULL);
    if (child == 0) {
        setsid();
        if (stays || fork() == 0)
            run_watch_loop(process, stays);
        _exit(0);
    }
    int error = child < 0 ? -errno : 0;
    if (child > 0 && !stays)
        waitpid(child, NULL, __WCLONE);
    own_child = child > 0 && stays ? child : 0;
    sigprocmask(SIG_SETMASK, &before, NULL);
    if (process >= 0)
        close(process);
    return error;
}

int rb_watcher_start(void)
{
    int error = make_page();
    if (error == 0)
        error = start_watcher();
    if (error == 0 && setenv(RB_SUMMARY_ENV, page_path, 1) != 0) {
        rb_watcher_cancel();
        error = -ENOMEM;
    } else if (error != 0 && page) {
        unlink(page_path);
    }
    return error;
}

void rb_watcher_cancel(void)
{
    if (!page)
        return;
    atomic_store(&page->main_pid, 0);
    atomic_store(&page->exiting, 1);
    syscall(SYS_futex, &page->exiting, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
    if (own_child != 0)
        waitpid(own_child, NULL, __WCLONE);
}

// SPDX-License-Identifier: MIT
// Programs that restrict themselves: by a seccomp filter, in strict mode, or by Landlock.
//
// After a filter, the program must make the same system calls as without the library: its filter may end it for any
// other. Each way to use the network runs twice under ptrace, and the two lists of calls must be the same.
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netdb.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/uio.h>

#include "network.h"
#include "park.h"
#include "process/summary.h"
#include "resolver.h"
#include "trace.h"
#include "web.h"

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_restrict_self 446
#endif

enum { LISTED = 8192, ALLOWED = 64 };

static void skip_sanitized(void)
{
    if (test_is_sanitized())
        test_skip("the sanitizer makes system calls of its own");
}

// --- filters

struct filter {
    struct sock_filter code[ALLOWED + 4];
    struct sock_fprog program;
};

// Allows `count` system calls, and ends the process for any other. 0: allows all. The sanitizer makes calls of its own,
// so all are allowed with it.
static void filter_make(struct filter *filter, const int *allowed, unsigned count)
{
    unsigned n = 0;
    CHECK(count <= ALLOWED);
    count = test_is_sanitized() ? 0 : count;
    if (count > 0)
        filter->code[n++] = (struct sock_filter) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (unsigned i = 0; i < count; i++)
        filter->code[n++] = (struct sock_filter) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned) allowed[i],
                                                          (unsigned char) (count - i), 0);
    if (count > 0)
        filter->code[n++] = (struct sock_filter) BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
    filter->code[n++] = (struct sock_filter) BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    filter->program = (struct sock_fprog){(unsigned short) n, filter->code};
}

static void install(const int *allowed, unsigned count)
{
    struct filter filter;
    filter_make(&filter, allowed, count);
    CHECK_INT(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter.program) != 0)
        _exit(TEST_SKIPPED);
}

// --- ways to use the network after a filter, with what they need from before it

static struct port dead, live;
static int used[8], watching;

static void block(void)
{
    CHECK_INT(dial_once(&dead), ECONNREFUSED);
    CHECK_INT(dial_once(&live), 0);
}

static int begin(const struct port *port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0);
    CHECK(dial(fd, port) == 0 || errno == EINPROGRESS);
    return fd;
}

static void wait_by_poll(int fd)
{
    struct pollfd ready = {.fd = fd, .events = POLLOUT};
    CHECK_INT(poll(&ready, 1, 5000), 1);
}

static void wait_by_ppoll(int fd)
{
    struct pollfd ready = {.fd = fd, .events = POLLOUT};
    struct timespec limit = {.tv_sec = 5};
    sigset_t none;
    sigemptyset(&none);
    CHECK_INT(ppoll(&ready, 1, &limit, &none), 1);
}

static void wait_by_select(int fd)
{
    struct timeval limit = {.tv_sec = 5};
    fd_set set;
    FD_ZERO(&set);
    FD_SET(fd, &set);
    CHECK_INT(select(fd + 1, NULL, &set, NULL, &limit), 1);
}

static void wait_by_pselect(int fd)
{
    struct timespec limit = {.tv_sec = 5};
    fd_set set;
    FD_ZERO(&set);
    FD_SET(fd, &set);
    CHECK_INT(pselect(fd + 1, NULL, &set, NULL, &limit, NULL), 1);
}

static void wait_by_epoll(int fd)
{
    struct epoll_event event = {.events = EPOLLOUT};
    int epfd = epoll_create1(EPOLL_CLOEXEC);
    CHECK_INT(epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &event), 0);
    CHECK_INT(epoll_wait(epfd, &event, 1, 5000), 1);
    CHECK_INT(epoll_ctl(epfd, EPOLL_CTL_MOD, fd, &event), 0);
    CHECK_INT(epoll_pwait(epfd, &event, 1, 5000, NULL), 1);
    CHECK_INT(epoll_ctl(epfd, EPOLL_CTL_DEL, fd, NULL), 0);
    close(epfd);
}

static void nonblocking(void)
{
    void (*const waits[])(int) = {wait_by_poll, wait_by_ppoll, wait_by_select, wait_by_pselect, wait_by_epoll};
    for (unsigned i = 0; i < sizeof(waits) / sizeof(waits[0]); i++) {
        int refused = begin(&dead), accepted = begin(&live);
        waits[i](refused);
        waits[i](accepted);
        CHECK_INT(pending_error(refused), ECONNREFUSED);
        CHECK_INT(pending_error(accepted), 0);
        CHECK_INT(write(accepted, "ping", 4), 4);
        CHECK_INT(send(accepted, "ping", 4, 0), 4);
        shutdown(accepted, SHUT_RDWR);
        close(refused);
        close(accepted);
    }
}

static void send_descriptor(int socket, int fd)
{
    char byte = 'x', control[CMSG_SPACE(sizeof(int))] = "";
    struct iovec part = {&byte, 1};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    *header = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
    memcpy(CMSG_DATA(header), &fd, sizeof(fd));
    CHECK_INT(sendmsg(socket, &message, 0), 1);
}

static int receive_descriptor(int socket)
{
    char byte, control[CMSG_SPACE(sizeof(int))] = "";
    struct iovec part = {&byte, 1};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
    int fd = -1;
    CHECK_INT(recvmsg(socket, &message, 0), 1);
    memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fd));
    return fd;
}

// Calls on descriptors, some of which the library knows from before.
static void descriptors(void)
{
    int yes = 1, pair[2], copy = dup(used[0]);
    CHECK(copy >= 0 && dup2(used[1], copy) == copy && dup3(used[2], copy, O_CLOEXEC) == copy);
    int more = fcntl(copy, F_DUPFD_CLOEXEC, 50);
    CHECK(more >= 50);
    CHECK_INT(fcntl(more, F_SETFL, O_NONBLOCK), 0);
    CHECK_INT(fcntl(more, F_SETOWN, 0), 0);
    CHECK_INT(ioctl(more, FIONBIO, &yes), 0);
    CHECK_INT(ioctl(more, FIOASYNC, &yes), 0);
    CHECK_INT(setsockopt(more, SOL_SOCKET, SO_KEEPALIVE, &yes, sizeof(yes)), 0);
    CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    send_descriptor(pair[0], used[3]);
    close(receive_descriptor(pair[1]));
    close(used[0]);
    close(used[4]);
    close(watching);
    CHECK_INT(close_range(50, 60, 0), 0);
}

static void on_signal(int number)
{
    (void) number;
}

// Calls that make processes, change users, and set signal actions.
static void processes(void)
{
    struct sigaction action = {.sa_handler = on_signal}, before;
    pid_t child = fork();
    if (child == 0)
        _exit(dial_once(&dead) == ECONNREFUSED ? 0 : 1);
    CHECK_INT(test_status(child), 0);
    child = _Fork();
    if (child == 0)
        _exit(0);
    CHECK_INT(test_status(child), 0);
    child = vfork();
    if (child == 0)
        _exit(0);
    CHECK_INT(test_status(child), 0);
    CHECK_INT(sigaction(SIGBUS, &action, &before), 0);
    CHECK(before.sa_handler == SIG_DFL);
    CHECK(signal(SIGBUS, SIG_DFL) == on_signal);
    CHECK_INT(setuid(geteuid()), 0);
    CHECK_INT(setgid(getegid()), 0);
    CHECK_INT(unshare(0), 0);
    CHECK_INT(syscall(SYS_getppid), getppid());
}

static void lookups(void)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list;
    CHECK_INT(getaddrinfo("127.0.0.1", "80", &hints, &list), 0);
    freeaddrinfo(list);
    CHECK_INT(getaddrinfo("localhost", "80", &hints, &list), 0);
    freeaddrinfo(list);
    CHECK(gethostbyname("localhost") != NULL);
}

// Ends in another way than the others, which leave main. The other program is not under the library.
static void program_started(void)
{
    char *const nothing[] = {NULL};
    execle("/bin/true", "true", (char *) NULL, nothing);
    _exit(1);
}

static struct bytes body;

static CURL *handle_new(const struct port *port)
{
    return easy_new(port_url(port, "good/ok"), &body);
}

static void easy_run(CURL *easy, CURLcode expected)
{
    CHECK_INT(curl_easy_perform(easy), expected);
    CHECK_INT(STATUS(easy), expected == CURLE_OK ? 200 : 0);
}

static CURL *easy_before;

static void easy(void)
{
    CURL *refused = handle_new(&dead), *copy = curl_easy_duphandle(easy_before);
    easy_run(refused, CURLE_COULDNT_CONNECT);
    easy_run(easy_before, CURLE_OK);
    easy_run(copy, CURLE_OK);
    curl_easy_reset(copy);
    curl_easy_cleanup(refused);
    curl_easy_cleanup(copy);
    curl_easy_cleanup(easy_before);
}

static void multi(void)
{
    CURL *handles[] = {handle_new(&dead), handle_new(&web_port), easy_before};
    CURLM *all = curl_multi_init();
    int running = 1, left, failed = 0, done = 0;
    for (unsigned i = 0; i < 3; i++)
        CHECK_INT(curl_multi_add_handle(all, handles[i]), CURLM_OK);
    while (running > 0) {
        CHECK_INT(curl_multi_perform(all, &running), CURLM_OK);
        CHECK_INT(curl_multi_wait(all, NULL, 0, 5000, NULL), CURLM_OK);
    }
    for (CURLMsg *message; (message = curl_multi_info_read(all, &left)); done++)
        failed += message->data.result != CURLE_OK;
    CHECK_INT(done, 3);
    CHECK_INT(failed, 1);
    for (unsigned i = 0; i < 3; i++)
        curl_multi_remove_handle(all, handles[i]);
    curl_multi_cleanup(all);
}

static const struct way {
    const char *name;
    void (*run)(void);
    bool web;
} ways[] = {
    {"block", block, false},
    {"nonblocking", nonblocking, false},
    {"descriptors", descriptors, false},
    {"processes", processes, false},
    {"lookups", lookups, false},
    {"program_started", program_started, false},
    {"easy", easy, true},
    {"multi", multi, true},
};

enum { WAYS = sizeof(ways) / sizeof(ways[0]) };

// What a program does before its filter: repeated connects, and registrations in an epoll.
static void be_active(void)
{
    struct epoll_event event = {.events = EPOLLIN};
    CHECK_INT(dial_once(&dead), ECONNREFUSED);
    int fd = begin(&dead);
    wait_by_poll(fd);
    CHECK_INT(pending_error(fd), ECONNREFUSED);
    close(fd);
    for (unsigned i = 0; i < sizeof(used) / sizeof(used[0]); i++) {
        used[i] = begin(&live);
        CHECK_INT(epoll_ctl(watching, EPOLL_CTL_ADD, used[i], &event), 0);
    }
}

// The page of `rebound run --summary`. This process is the one that the command became.
static void make_summary_page(const char *path)
{
    struct rb_summary_page *page = calloc(1, sizeof(*page));
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    CHECK(page && fd >= 0);
    page->magic = RB_SUMMARY_MAGIC;
    page->version = RB_SUMMARY_VERSION;
    page->size = RB_SUMMARY_SIZE;
    page->main_pid = getpid();
    CHECK_INT(write(fd, page, sizeof(*page)), sizeof(*page));
    close(fd);
    free(page);
}

static void act_in_sandbox(void)
{
    const char *name = getenv("RB_WAY");
    dead = port_new();
    live = port_listening();
    watching = epoll_create1(EPOLL_CLOEXEC);
    for (unsigned i = 0; i < sizeof(used) / sizeof(used[0]); i++)
        used[i] = stream();
    if (getenv("RB_ACTIVE"))
        be_active();
    for (unsigned i = 0; i < WAYS; i++) {
        if (strcmp(ways[i].name, name) != 0)
            continue;
        if (ways[i].web)
            web_start();
        easy_before = ways[i].web ? handle_new(&web_port) : NULL;
        if (getenv("RB_ACTIVE") && easy_before)
            easy_run(easy_before, CURLE_OK);
        if (getenv("RB_CHANGED"))
            test_write(getenv("REBOUND_POLICY"), "[local]\nhosts=127.0.0.1\nretry.attempts=2\n");
        install(NULL, 0);
        ways[i].run();
        return;
    }
    _exit(1);
}

// --- the list of calls

struct list {
    bool begun;
    unsigned count;
    unsigned short calls[LISTED];
};

static void list_call(void *context, pid_t child, const struct __ptrace_syscall_info *call)
{
    struct list *list = context;
    (void) child;
    if (list->begun && list->count < LISTED)
        list->calls[list->count++] = (unsigned short) call->entry.nr;
    list->begun = list->begun || (call->entry.nr == SYS_prctl && call->entry.args[0] == PR_SET_SECCOMP);
}

static struct list *list_by(trace_fn *on_call, const char *role, const char *preload)
{
    struct list *list = calloc(1, sizeof(*list));
    CHECK(list != NULL);
    pid_t child = fork();
    if (child == 0) {
        if (strcmp(getenv("REBOUND_LOG"), "stderr") == 0)
            dup2(open(test_path("stderr"), O_WRONLY | O_CREAT | O_APPEND, 0600), STDERR_FILENO);
        if (getenv("REBOUND_SUMMARY"))
            make_summary_page(getenv("REBOUND_SUMMARY"));
        ptrace(PTRACE_TRACEME, 0, NULL, NULL);
        test_execute(getenv("RB_TEST_PROGRAM"), role, preload);
    }
    trace_to_end(child, on_call, list);
    CHECK(list->begun && list->count > 0 && list->count < LISTED);
    return list;
}

// libcurl allocates memory, in sizes that depend on addresses.
static bool is_for_memory(unsigned call)
{
    return call == SYS_brk || call == SYS_mmap || call == SYS_munmap || call == SYS_mremap || call == SYS_madvise;
}

static unsigned count_of(const struct list *list, unsigned call)
{
    unsigned count = 0;
    for (unsigned i = 0; i < list->count; i++)
        count += list->calls[i] == call;
    return count;
}

static void check_same_list(const char *way, const struct list *alone, const struct list *under, bool ordered)
{
    for (unsigned i = 0; ordered && i < alone->count && i < under->count; i++)
        if (alone->calls[i] != under->calls[i]) {
            dprintf(STDERR_FILENO, "%s: call %u is %u, not %u\n", way, i, under->calls[i], alone->calls[i]);
            _exit(1);
        }
    for (unsigned call = 0; call < 1024; call++) {
        bool other = ordered ? count_of(alone, call) != count_of(under, call)
                             : count_of(alone, call) == 0 && count_of(under, call) > 0;
        if (!other || (!ordered && is_for_memory(call)))
            continue;
        dprintf(STDERR_FILENO, "%s: call %u is made %u times, not %u\n", way, call, count_of(under, call),
                count_of(alone, call));
        _exit(1);
    }
}

static void same_calls(void)
{
    skip_sanitized();
    for (unsigned i = 0; i < WAYS; i++) {
        setenv("RB_WAY", ways[i].name, 1);
        struct list *alone = list_by(list_call, "act_in_sandbox", NULL);
        struct list *under = list_by(list_call, "act_in_sandbox", getenv("RB_PRELOAD"));
        check_same_list(ways[i].name, alone, under, !ways[i].web);
        free(alone);
        free(under);
    }
}

static void same_calls_after_activity(void)
{
    setenv("RB_ACTIVE", "1", 1);
    same_calls();
}

static void same_calls_with_private_state(void)
{
    setenv("REBOUND_STATE", "private", 1);
    same_calls_after_activity();
}

static void same_calls_with_log_on_stderr(void)
{
    setenv("REBOUND_LOG", "stderr", 1);
    same_calls_after_activity();
    char *text = test_read(test_path("stderr"), NULL);
    CHECK(strstr(text, "\"decision\":\"sandbox\",\"reason\":\"seccomp\"") != NULL);
    free(text);
}

static void same_calls_with_changed_policy(void)
{
    setenv("RB_CHANGED", "1", 1);
    same_calls_after_activity();
}

static void same_calls_with_builtin_policy(void)
{
    setenv("REBOUND_POLICY", "builtin:default", 1);
    same_calls();
}

static void same_calls_when_switched_off(void)
{
    setenv("REBOUND_DISABLE", "1", 1);
    same_calls_after_activity();
}

static void same_calls_with_summary(void)
{
    setenv("REBOUND_SUMMARY", test_path("summary"), 1);
    same_calls_after_activity();
}

static void fork_in_sandbox(void)
{
    static const int allowed[] = {SYS_clone,   SYS_set_robust_list, SYS_rt_sigprocmask, SYS_wait4,     SYS_socket,
                                  SYS_connect, SYS_close,           SYS_write,          SYS_exit_group};
    dead = port_new();
    install(allowed, sizeof(allowed) / sizeof(allowed[0]));
    pid_t child = fork();
    if (child == 0)
        _exit(dial_once(&dead) == ECONNREFUSED ? 0 : 1);
    _exit(test_status(child));
}

static void forked_child(void)
{
    CHECK_INT(test_alone("fork_in_sandbox"), 0);
    CHECK_INT(test_under("fork_in_sandbox"), 0);
    setenv("REBOUND_DISABLE", "1", 1);
    CHECK_INT(test_under("fork_in_sandbox"), 0);
}

// A filter that allows what the start of a program needs. That program is under the library, too.
static void start_in_sandbox(void)
{
    static const int allowed[] = {SYS_execve,  SYS_brk,       SYS_access,     SYS_openat,          SYS_newfstatat,
                                  SYS_fstat,   SYS_mmap,      SYS_munmap,     SYS_mprotect,        SYS_read,
                                  SYS_pread64, SYS_close,     SYS_arch_prctl, SYS_set_tid_address, SYS_set_robust_list,
                                  SYS_rseq,    SYS_getrandom, SYS_prlimit64,  SYS_exit_group};
    install(allowed, sizeof(allowed) / sizeof(allowed[0]));
    execl("/bin/true", "true", (char *) NULL);
    _exit(1);
}

static void started_program(void)
{
    CHECK_INT(test_alone("start_in_sandbox"), 0);
    CHECK_INT(test_under("start_in_sandbox"), 0);
}

// --- what was going on when the filter came

static unsigned sandbox_lines(const char *reason)
{
    return test_log("\"decision\":\"sandbox\"", reason);
}

// Two connects are parked: one is polled, one is in an epoll. Both failures reach the program.
static void leave_parked(void)
{
    static const int allowed[] = {SYS_poll, SYS_epoll_wait, SYS_getsockopt, SYS_close, SYS_write, SYS_exit_group};
    struct port port = port_new();
    struct sockaddr_un nobody = {.sun_family = AF_UNIX};
    snprintf(nobody.sun_path, sizeof(nobody.sun_path), "%s/nobody.sock", getenv("RB_TEST_DIR"));
    int polled = parked(&port), watched = parked(&port), local = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    int epfd = epoll_for(watched, EPOLLOUT);
    CHECK(connect(local, (struct sockaddr *) &nobody, sizeof(nobody)) == -1 && errno == EINPROGRESS);
    install(allowed, sizeof(allowed) / sizeof(allowed[0]));
    CHECK(ready_now(polled, POLLOUT) & POLLERR);
    CHECK(wait_epoll(epfd, 1000).events & EPOLLERR);
    CHECK_INT(pending_error(polled), ECONNREFUSED);
    CHECK_INT(pending_error(polled), 0);
    CHECK_INT(pending_error(watched), ECONNREFUSED);
    CHECK_INT(pending_error(local), ENOENT);
    CHECK_INT(pending_error(local), 0);
    _exit(0);
}

static void parked_connects(void)
{
    CHECK_INT(test_under("leave_parked"), 0);
    CHECK_INT(test_log(STOP, "\"reason\":\"sandbox\""), 3);
    CHECK_INT(sandbox_lines("seccomp"), 1);
}

static pid_t worker;
static _Atomic int worker_ready;
static enum wait_way worker_way;
static int worker_fd, worker_epfd;

// Installs a filter in all threads.
static void install_for_all(const int *allowed, unsigned count)
{
    struct filter filter;
    filter_make(&filter, allowed, count);
    CHECK_INT(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    CHECK_INT(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &filter.program), 0);
}

// What the start and the end of a thread need.
#define ENDS                                                                                                           \
    SYS_rseq, SYS_set_robust_list, SYS_futex, SYS_exit, SYS_exit_group, SYS_madvise, SYS_munmap, SYS_rt_sigprocmask,   \
        SYS_write

static void *dial_slowly(void *unused)
{
    int fd = stream();
    worker = test_thread_id();
    worker_ready = 1;
    CHECK_INT(dial(fd, &dead), -1);
    CHECK_INT(errno, ECONNREFUSED);
    return unused;
}

static void await_worker(void)
{
    while (!worker_ready)
        test_pause();
}

// A thread waits between two attempts of a blocking connect.
static void filter_during_delay(void)
{
    static const int allowed[] = {ENDS};
    pthread_t thread;
    dead = port_new();
    CHECK_INT(pthread_create(&thread, NULL, dial_slowly, NULL), 0);
    await_worker();
    test_await_sleep(worker);
    install_for_all(allowed, sizeof(allowed) / sizeof(allowed[0]));
    thread_end(thread);
    _exit(0);
}

static void during_a_delay(void)
{
    CHECK_INT(test_under("filter_during_delay"), 0);
}

static void *wait_slowly(void *unused)
{
    worker = test_thread_id();
    worker_ready = 1;
    CHECK_INT(wait_by(worker_way, worker_fd, worker_epfd, NULL), 1);
    CHECK_INT(pending_error(worker_fd), ECONNREFUSED);
    return unused;
}

// A thread waits for a parked connect. The filter allows the call that the program makes.
static void filter_during_wait(void)
{
    static const int calls[WAIT_WAYS] = {SYS_ppoll, SYS_pselect6, SYS_epoll_pwait,
                                         SYS_poll,  SYS_select,   SYS_epoll_wait};
    int allowed[] = {ENDS, SYS_getsockopt, SYS_pselect6, 0};
    pthread_t thread;
    dead = port_new();
    worker_way = (enum wait_way) atoi(getenv("RB_WAY"));
    worker_fd = parked(&dead);
    worker_epfd = epoll_for(worker_fd, EPOLLOUT);
    allowed[sizeof(allowed) / sizeof(allowed[0]) - 1] = calls[worker_way];
    if (worker_way != WAIT_PSELECT && worker_way != WAIT_SELECT) // glibc makes select of pselect6
        allowed[sizeof(allowed) / sizeof(allowed[0]) - 2] = calls[worker_way];
    CHECK_INT(pthread_create(&thread, NULL, wait_slowly, NULL), 0);
    await_worker();
    while (test_call_of(worker) < 0 || test_call_of(worker) == SYS_futex)
        test_pause();
    install_for_all(allowed, sizeof(allowed) / sizeof(allowed[0]));
    thread_end(thread);
    _exit(0);
}

static void during_a_wait(void)
{
    for (int way = 0; way < WAIT_WAYS; way++) {
        char text[] = {(char) ('0' + way), '\0'};
        setenv("RB_WAY", text, 1);
        int status = test_under("filter_during_wait");
        if (status != 0)
            dprintf(STDERR_FILENO, "way %d\n", way);
        CHECK_INT(status, 0);
    }
}

static _Atomic bool installed;

// Connects without a pause, and 20 times more after the filter.
static void *dial_busily(void *nonblocking)
{
    for (int after = 0; after < 20; after += installed) {
        if (!nonblocking) {
            CHECK_INT(dial_once(&dead), ECONNREFUSED);
            continue;
        }
        int fd = begin(&dead);
        wait_by_poll(fd);
        CHECK_INT(pending_error(fd), ECONNREFUSED);
        close(fd);
    }
    return NULL;
}

// Threads are in the middle of their calls.
static void filter_among_busy_threads(void)
{
    static const int allowed[] = {ENDS,     SYS_socket,     SYS_connect,        SYS_close,
                                  SYS_poll, SYS_getsockopt, SYS_clock_nanosleep};
    pthread_t threads[4];
    dead = port_new();
    for (unsigned i = 0; i < 4; i++)
        CHECK_INT(pthread_create(&threads[i], NULL, dial_busily, i % 2 ? &dead : NULL), 0);
    test_await_log(RETRY, "", 8);
    install_for_all(allowed, sizeof(allowed) / sizeof(allowed[0]));
    installed = true;
    for (unsigned i = 0; i < 4; i++)
        thread_end(threads[i]);
    _exit(0);
}

static void among_busy_threads(void)
{
    for (unsigned round = 0; round < 20; round++) {
        CHECK_INT(test_under("filter_among_busy_threads"), 0);
        test_write(test_path("log"), "");
    }
}

static void *look_up_slowly(void *unused)
{
    struct addrinfo *list;
    worker = test_thread_id();
    worker_ready = 1;
    CHECK_INT(getaddrinfo("a.test", NULL, NULL, &list), EAI_AGAIN);
    CHECK_INT(resolver_calls(), 1);
    return unused;
}

// A thread waits between two lookups.
static void filter_during_lookup(void)
{
    static const int allowed[] = {ENDS};
    pthread_t thread;
    resolver_fails(9, EAI_AGAIN, 0);
    CHECK_INT(pthread_create(&thread, NULL, look_up_slowly, NULL), 0);
    await_worker();
    test_await_sleep(worker);
    install_for_all(allowed, sizeof(allowed) / sizeof(allowed[0]));
    thread_end(thread);
    _exit(0);
}

static void during_a_lookup(void)
{
    resolver_role("filter_during_lookup");
}

static void *transfer_slowly(void *easy)
{
    worker = test_thread_id();
    worker_ready = 1;
    CHECK_INT(curl_easy_perform(easy), CURLE_OK);
    CHECK_INT(STATUS(easy), 503);
    return NULL;
}

// A thread waits between two attempts of a transfer.
static void filter_during_transfer(void)
{
    static const int allowed[] = {ENDS, SYS_rt_sigaction, SYS_close, SYS_brk};
    pthread_t thread;
    web_start();
    CURL *easy = easy_new(web_url("sick/s503"), &body);
    CHECK_INT(pthread_create(&thread, NULL, transfer_slowly, easy), 0);
    await_worker();
    test_await_sleep(worker);
    install_for_all(allowed, sizeof(allowed) / sizeof(allowed[0]));
    thread_end(thread);
    CHECK_TEXT(body.at, "status 503\n");
    _exit(0);
}

static void during_a_transfer(void)
{
    CHECK_INT(test_under("filter_during_transfer"), 0);
    CHECK_INT(test_log(RETRY, ""), 1);
}

// A transfer of a multi handle waits for its next attempt.
static void filter_during_loop(void)
{
    static const int allowed[] = {ENDS, SYS_poll, SYS_close, SYS_brk, SYS_recvfrom, SYS_rt_sigaction};
    web_start();
    CURL *easy = easy_new(web_url("sick/s503"), &body);
    CURLM *all = curl_multi_init();
    int running = 1, left = 0;
    CHECK_INT(curl_multi_add_handle(all, easy), CURLM_OK);
    while (test_log(RETRY, "") == 0) {
        CHECK_INT(curl_multi_perform(all, &running), CURLM_OK);
        CHECK_INT(curl_multi_wait(all, NULL, 0, 10, NULL), CURLM_OK);
    }
    install(allowed, sizeof(allowed) / sizeof(allowed[0]));
    while (running > 0) {
        CHECK_INT(curl_multi_wait(all, NULL, 0, 1000, NULL), CURLM_OK);
        CHECK_INT(curl_multi_perform(all, &running), CURLM_OK);
    }
    const CURLMsg *message = curl_multi_info_read(all, &left);
    CHECK(message && message->data.result == CURLE_OK);
    CHECK_INT(STATUS(easy), 503);
    CHECK_TEXT(body.at, "status 503\n");
    _exit(0);
}

static void during_a_loop(void)
{
    CHECK_INT(test_under("filter_during_loop"), 0);
}

// --- other ways into a sandbox

static void be_strict(void)
{
    dead = port_new();
    CHECK_INT(dial_once(&dead), ECONNREFUSED);
    int pipes[2];
    char byte = 'x';
    CHECK_INT(pipe(pipes), 0);
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) != 0)
        _exit(TEST_SKIPPED);
    bool same = write(pipes[1], &byte, 1) == 1 && read(pipes[0], &byte, 1) == 1;
    syscall(SYS_exit, same ? 0 : 1);
}

static void strict_mode(void)
{
    skip_sanitized();
    CHECK_INT(test_alone("be_strict"), 0);
    CHECK_INT(test_under("be_strict"), 0);
    CHECK_INT(sandbox_lines("seccomp"), 1);
}

// The other two system calls that install a filter, in a program that ends at any other call.
static void install_by_number(void)
{
    static const int allowed[] = {SYS_socket, SYS_connect, SYS_close, SYS_write, SYS_exit_group};
    bool by_prctl = strcmp(getenv("RB_WAY"), "prctl") == 0;
    struct filter filter;
    dead = port_new();
    filter_make(&filter, allowed, sizeof(allowed) / sizeof(allowed[0]));
    CHECK_INT(syscall(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    if (by_prctl)
        CHECK_INT(syscall(SYS_prctl, PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter.program), 0);
    else
        CHECK_INT(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter.program), 0);
    CHECK_INT(dial_once(&dead), ECONNREFUSED);
    _exit(0);
}

static void by_number(void)
{
    setenv("RB_WAY", "prctl", 1);
    CHECK_INT(test_under("install_by_number"), 0);
    setenv("RB_WAY", "seccomp", 1);
    CHECK_INT(test_under("install_by_number"), 0);
    CHECK_INT(sandbox_lines("seccomp"), 2);
}

// A filter that the kernel refuses changes nothing.
static void refused_filters(void)
{
    struct sock_fprog empty = {0};
    struct filter filter;
    dead = port_new();
    filter_make(&filter, NULL, 0);
    CHECK_INT(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    CHECK_INT(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, NULL), -1);
    CHECK_INT(errno, EFAULT);
    CHECK_INT(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, NULL), -1);
    CHECK_INT(errno, EFAULT);
    CHECK_INT(sandbox_lines(""), 0);
    CHECK_INT(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &empty), -1);
    CHECK_INT(errno, EINVAL);
    CHECK_INT(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 1 << 20, &filter.program), -1);
    CHECK_INT(errno, EINVAL);
    CHECK_INT(sandbox_lines("seccomp"), 2);
    CHECK_INT(sandbox_lines("refused"), 2);
    CHECK_INT(dial_once(&dead), ECONNREFUSED);
    CHECK_INT(test_log(RETRY, ""), 2);
    CHECK(test_mapped_inode(getenv("REBOUND_STATE")) != 0);
}

// A vfork child shares our memory. Its filter must not change what the parent does.
static void filter_in_vfork_child(void)
{
    dead = port_new();
    CHECK_INT(dial_once(&dead), ECONNREFUSED);
    pid_t child = vfork();
    if (child == 0) {
        install(NULL, 0);
        _exit(0);
    }
    CHECK_INT(test_status(child), 0);
    CHECK_INT(dial_once(&dead), ECONNREFUSED);
    CHECK_INT(test_log(RETRY, ""), 4);
}

// A child that was made without fork handlers.
static void filter_in_clone_child(void)
{
    static const int allowed[] = {SYS_socket, SYS_connect, SYS_close, SYS_write, SYS_exit_group};
    dead = port_new();
    CHECK_INT(dial_once(&dead), ECONNREFUSED);
    pid_t child = (pid_t) syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
    if (child == 0) {
        install(allowed, sizeof(allowed) / sizeof(allowed[0]));
        _exit(dial_once(&dead) == ECONNREFUSED ? 0 : 1);
    }
    CHECK_INT(test_status(child), 0);
    CHECK_INT(dial_once(&dead), ECONNREFUSED);
    CHECK_INT(test_log(RETRY, ""), 4);
}

static void dial_dead(void)
{
    dead = port_new();
    CHECK_INT(dial_once(&dead), ECONNREFUSED);
}

// A filter that a program inherits, as in a container, changes nothing.
static void inherited_filter(void)
{
    pid_t child = fork();
    if (child == 0) {
        install(NULL, 0);
        test_execute(getenv("RB_TEST_PROGRAM"), "dial_dead", getenv("RB_PRELOAD"));
    }
    CHECK_INT(test_status(child), 0);
    CHECK_INT(test_log(RETRY, ""), 2);
}

// --- Landlock

// Lets the process open nothing.
static void close_off_files(void)
{
    struct {
        uint64_t files;
    } rules = {.files = (1 << 13) - 1};
    long set = syscall(SYS_landlock_create_ruleset, &rules, sizeof(rules), 0);
    if (set < 0)
        _exit(TEST_SKIPPED);
    CHECK_INT(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    CHECK_INT(syscall(SYS_landlock_restrict_self, -1, 0), -1);
    CHECK_INT(errno, EBADF);
    CHECK_INT(syscall(SYS_landlock_restrict_self, STDERR_FILENO, 0), -1);
    CHECK_INT(errno, EBADFD);
    CHECK_INT(syscall(SYS_landlock_restrict_self, set, 0), 0);
    CHECK(open(getenv("REBOUND_POLICY"), O_RDONLY) < 0 && errno == EACCES);
}

static void act_without_files(void)
{
    dead = port_new();
    close_off_files();
    prctl(PR_GET_SECCOMP); // begins the list
    CHECK_INT(dial_once(&dead), ECONNREFUSED);
    pid_t child = fork();
    if (child == 0)
        _exit(dial_once(&dead) == ECONNREFUSED ? 0 : 1);
    CHECK_INT(test_status(child), 0);
    CHECK_INT(dial_once(&dead), ECONNREFUSED);
}

static void list_without_files(void *context, pid_t child, const struct __ptrace_syscall_info *call)
{
    struct list *list = context;
    (void) child;
    if (list->begun && list->count < LISTED)
        list->calls[list->count++] = (unsigned short) call->entry.nr;
    list->begun = list->begun || (call->entry.nr == SYS_prctl && call->entry.args[0] == PR_GET_SECCOMP);
}

// Connects are repeated, and no file is opened for that. The log in a file ends with the line that says so.
static void landlock(void)
{
    skip_sanitized();
    struct list *list = list_by(list_without_files, "act_without_files", getenv("RB_PRELOAD"));
    CHECK_INT(count_of(list, SYS_connect), 6);
    CHECK_INT(count_of(list, SYS_openat) + count_of(list, SYS_open), 0);
    CHECK_INT(sandbox_lines("landlock"), 2); // the first one was refused
    CHECK_INT(sandbox_lines("refused"), 1);
    CHECK_INT(test_log_lines(), 3);
    free(list);
}

static const struct test tests[] = {
    {"same_calls", LOCAL, same_calls},
    {"same_calls_after_activity", LOCAL, same_calls_after_activity},
    {"same_calls_with_private_state", LOCAL, same_calls_with_private_state},
    {"same_calls_with_log_on_stderr", LOCAL, same_calls_with_log_on_stderr},
    {"same_calls_with_changed_policy", LOCAL, same_calls_with_changed_policy},
    {"same_calls_with_builtin_policy", LOCAL, same_calls_with_builtin_policy},
    {"same_calls_when_switched_off", LOCAL, same_calls_when_switched_off},
    {"same_calls_with_summary", LOCAL, same_calls_with_summary},
    {"forked_child", LOCAL, forked_child},
    {"started_program", LOCAL, started_program},
    {"parked_connects", LONG, parked_connects},
    {"during_a_delay", POLICY "retry.base=300ms\n", during_a_delay},
    {"during_a_wait", POLICY "retry.base=300ms\n", during_a_wait},
    {"among_busy_threads", POLICY "retry.base=1ms\nbudget.floor=1000/s\n", among_busy_threads},
    {"during_a_lookup", "[local]\nhosts=*.test\nretry.base=300ms\n", during_a_lookup},
    {"during_a_transfer", "[local]\nhosts=127.0.0.1\nretry.base=300ms\nretry.jitter=none\n", during_a_transfer},
    {"during_a_loop", "[local]\nhosts=127.0.0.1\nretry.base=300ms\nretry.jitter=none\n", during_a_loop},
    {"strict_mode", LOCAL, strict_mode},
    {"by_number", LOCAL, by_number},
    {"refused_filters", LOCAL, refused_filters},
    {"filter_in_vfork_child", LOCAL, filter_in_vfork_child},
    {"filter_in_clone_child", LOCAL, filter_in_clone_child},
    {"inherited_filter", LOCAL, inherited_filter},
    {"landlock", LOCAL, landlock},
    {"act_in_sandbox", NULL, act_in_sandbox},
    {"act_without_files", NULL, act_without_files},
    {"fork_in_sandbox", NULL, fork_in_sandbox},
    {"start_in_sandbox", NULL, start_in_sandbox},
    {"leave_parked", NULL, leave_parked},
    {"filter_during_delay", NULL, filter_during_delay},
    {"filter_during_wait", NULL, filter_during_wait},
    {"filter_among_busy_threads", NULL, filter_among_busy_threads},
    {"filter_during_lookup", NULL, filter_during_lookup},
    {"filter_during_transfer", NULL, filter_during_transfer},
    {"filter_during_loop", NULL, filter_during_loop},
    {"be_strict", NULL, be_strict},
    {"install_by_number", NULL, install_by_number},
    {"dial_dead", NULL, dial_dead},
};

TEST_MAIN(tests)

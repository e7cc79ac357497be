// SPDX-License-Identifier: MIT
// Runs a program under ptrace beside a small server, and makes one of its system calls fail.
//
//   inject [OPTION...] PROGRAM ARGUMENT...
//
//   --preload FILE      preload this library into the program
//   --fail CASE         ORIGIN:CALL:N:ERRNO, for example library:openat:3:EMFILE: the third openat of the library
//   fails.
//                       3+ in place of 3: so do all later ones. ORIGIN is library (an instruction of the library), libc
//                       (libc, called by the library) or program (every call, whoever makes it)
//   --answers STATUSES  the statuses of the server's answers, default 200; the last one repeats
//   --refuse N          the port refuses the first N connects; default 0
//   --limit SECONDS     the program is killed after this time; default 20
//   --report FILE       where the lines below go; default stderr
//   --trace             prints each call of the library to stderr
//
// {port} in an argument becomes the port of the server. The report:
//
//   ended exit STATUS | ended signal NUMBER | ended limit
//   server CONNECTIONS REQUESTS BYTES
//   failed N            how many calls were made to fail
//   call ORIGIN CALL N  how often the library, or libc for it, made this call, in the order of first use
//
// The exit status is 0 if the program ran, whatever became of it; 77 if this machine cannot trace; else 2. Only one
// process is followed, with all its threads.
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "answer.h"
#include "calls.h"
#include "origin.h"

// What __ptrace_syscall_info describes.
enum { ENTRY = PTRACE_SYSCALL_INFO_ENTRY, EXIT = PTRACE_SYSCALL_INFO_EXIT };

enum { TASKS = 64, CALLS = 512, ERRNOS = 133, UNABLE = 77, BROKEN = 2, SYSCALL_STOP = SIGTRAP | 0x80 };

static struct settings {
    const char *preload, *answers, *report;
    unsigned long refuse;
    unsigned limit;
    bool trace;
    enum origin origin; // of the call to fail
    long call;          // -1: none fails
    unsigned long nth;
    bool later_too;
    int error;
} settings = {.answers = "200", .limit = 20, .call = -1};

// A thread between the entry and the exit of a system call.
static struct task {
    pid_t tid;
    enum origin origin;
    long number;
    bool fails, dials;
    uint64_t arguments[6];
} tasks[TASKS];
static unsigned task_count;

static unsigned counts[ORIGINS][CALLS];
static struct {
    enum origin origin;
    long number;
} order[ORIGINS * CALLS];
static unsigned ordered;

static uint16_t port;
static unsigned long refused, failed;
static pid_t program;
static volatile sig_atomic_t out_of_time;

static void fail_usage(const char *what)
{
    fprintf(stderr, "inject: bad argument: %s\n", what);
    exit(BROKEN);
}

// ---- changing a system call ----

#if defined(__x86_64__)

static bool prevent_call(pid_t tid)
{
    return ptrace(PTRACE_POKEUSER, tid, offsetof(struct user_regs_struct, orig_rax), -1L) == 0;
}

static bool set_result(pid_t tid, long result)
{
    return ptrace(PTRACE_POKEUSER, tid, offsetof(struct user_regs_struct, rax), result) == 0;
}

enum { CAN_CHANGE = true };

#else

static bool prevent_call(pid_t tid)
{
    (void) tid;
    return false;
}

static bool set_result(pid_t tid, long result)
{
    (void) tid;
    (void) result;
    return false;
}

enum { CAN_CHANGE = false };

#endif

// ---- system calls ----

static struct task *task_of(pid_t tid)
{
    for (unsigned i = 0; i < task_count; i++)
        if (tasks[i].tid == tid)
            return &tasks[i];
    if (task_count == TASKS)
        fail_usage("the program has too many threads");
    tasks[task_count] = (struct task){.tid = tid};
    return &tasks[task_count++];
}

static void forget_task(pid_t tid)
{
    *task_of(tid) = tasks[task_count - 1];
    task_count--;
}

static bool is_dial_of_port(pid_t tid, const uint64_t *arguments)
{
    struct sockaddr_in to = {.sin_family = AF_UNSPEC};
    struct iovec here = {&to, sizeof(to)}, there = {(void *) (uintptr_t) arguments[1], sizeof(to)};
    return process_vm_readv(tid, &here, 1, &there, 1, 0) == (ssize_t) sizeof(to) && to.sin_family == AF_INET &&
           to.sin_port == htons(port);
}

// Counts a call and returns its number, from 1.
static unsigned long count_call(enum origin origin, long number)
{
    if (number < 0 || number >= CALLS)
        return 0;
    if (counts[origin][number]++ == 0) {
        order[ordered].origin = origin;
        order[ordered++].number = number;
    }
    return counts[origin][number];
}

// With the origin `program` every call counts, whoever makes it.
static unsigned long number_for_case(const struct task *task, unsigned long nth)
{
    static unsigned long all;
    if (task->number != settings.call)
        return 0;
    if (settings.origin == ORIGIN_PROGRAM)
        return ++all;
    return task->origin == settings.origin ? nth : 0;
}

// A close that fails closes the descriptor nevertheless (close(2)), so that call is made.
static void enter_call(struct task *task, const struct __ptrace_syscall_info *info)
{
    task->number = (long) info->entry.nr;
    task->origin = origin_of(task->tid, info->instruction_pointer, info->stack_pointer);
    memcpy(task->arguments, info->entry.args, sizeof(task->arguments));
    unsigned long nth = number_for_case(task, count_call(task->origin, task->number));
    task->fails = nth > 0 && (nth == settings.nth || (settings.later_too && nth > settings.nth));
    failed += task->fails;
    task->dials = task->number == SYS_connect && !task->fails && is_dial_of_port(task->tid, task->arguments);
    if (task->fails && task->number != SYS_close && !prevent_call(task->tid)) {
        perror("inject: ptrace");
        exit(BROKEN);
    }
}

static void print_call(const struct task *task, long result)
{
    fprintf(stderr, "%d %s %s(%#lx, %#lx, %#lx, %#lx) = %ld%s\n", task->tid, origin_names[task->origin],
            calls_name(task->number), (unsigned long) task->arguments[0], (unsigned long) task->arguments[1],
            (unsigned long) task->arguments[2], (unsigned long) task->arguments[3], result,
            task->fails ? " (injected)" : "");
}

static void leave_call(struct task *task, const struct __ptrace_syscall_info *info)
{
    if (task->fails)
        set_result(task->tid, -(long) settings.error);
    if (settings.trace && (task->origin != ORIGIN_PROGRAM || task->fails || task->number == SYS_connect))
        print_call(task, task->fails ? -(long) settings.error : (long) info->exit.rval);
    if (task->dials && ++refused == settings.refuse)
        answer_listen();
    task->fails = task->dials = false;
}

static void on_call(pid_t tid)
{
    struct __ptrace_syscall_info info;
    if (ptrace(PTRACE_GET_SYSCALL_INFO, tid, sizeof(info), &info) < 0)
        return; // the thread was killed
    if (info.op == ENTRY)
        enter_call(task_of(tid), &info);
    else if (info.op == EXIT)
        leave_call(task_of(tid), &info);
}

// ---- the program ----

static void on_alarm(int signal)
{
    (void) signal;
    out_of_time = 1;
    kill(program, SIGKILL);
}

static void insert_port(char **arguments)
{
    static const char word[] = "{port}";
    for (; *arguments; arguments++) {
        const char *at = strstr(*arguments, word);
        char *text;
        if (!at)
            continue;
        if (asprintf(&text, "%.*s%u%s", (int) (at - *arguments), *arguments, port, at + sizeof(word) - 1) < 0)
            fail_usage(*arguments);
        *arguments = text;
    }
}

// Starts the program, which waits until it is traced.
static void start_program(char **arguments)
{
    int gate[2];
    if (pipe2(gate, 0) != 0)
        exit(BROKEN);
    program = fork();
    if (program == 0) {
        char byte;
        struct rlimit none = {0, 0};
        close(gate[1]);
        if (read(gate[0], &byte, 1) != 1)
            _exit(BROKEN);
        close(gate[0]);
        setrlimit(RLIMIT_CORE, &none);
        personality(ADDR_NO_RANDOMIZE); // what the stack holds is then the same in each run
        if (settings.preload)
            setenv("LD_PRELOAD", settings.preload, 1);
        execvp(arguments[0], arguments);
        _exit(127);
    }
    close(gate[0]);
    long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXEC | PTRACE_O_TRACECLONE | PTRACE_O_EXITKILL;
    if (program < 0 || ptrace(PTRACE_SEIZE, program, 0, options) != 0) {
        perror("inject: ptrace");
        exit(UNABLE);
    }
    if (write(gate[1], "", 1) != 1)
        exit(BROKEN);
    close(gate[1]);
}

// The signal that a stop would deliver. 0: the stop is one of ptrace's own.
static int handle_stop(pid_t tid, int status)
{
    int signal = WSTOPSIG(status), event = status >> 16;
    if (event == PTRACE_EVENT_EXEC)
        task_count = 0;
    if (signal == SYSCALL_STOP)
        on_call(tid);
    return event || signal == SYSCALL_STOP ? 0 : signal;
}

// Follows the program to its end. Returns its wait status.
static int follow_program(void)
{
    for (;;) {
        int status;
        pid_t tid = waitpid(-1, &status, __WALL);
        if (tid < 0 && errno == EINTR)
            continue;
        if (tid < 0)
            exit(BROKEN);
        if (WIFSTOPPED(status))
            ptrace(PTRACE_SYSCALL, tid, 0, (long) handle_stop(tid, status));
        else if (tid == program)
            return status;
        else
            forget_task(tid);
    }
}

static void write_report(int status, struct answer_seen seen)
{
    FILE *out = settings.report ? fopen(settings.report, "we") : stderr;
    if (!out) {
        perror(settings.report);
        exit(BROKEN);
    }
    if (out_of_time)
        fputs("ended limit\n", out);
    else if (WIFSIGNALED(status))
        fprintf(out, "ended signal %d\n", WTERMSIG(status));
    else
        fprintf(out, "ended exit %d\n", WEXITSTATUS(status));
    fprintf(out, "server %u %u %lu\nfailed %lu\n", seen.connections, seen.requests, seen.bytes, failed);
    for (unsigned i = 0; i < ordered; i++)
        if (order[i].origin != ORIGIN_PROGRAM)
            fprintf(out, "call %s %s %u\n", origin_names[order[i].origin], calls_name(order[i].number),
                    counts[order[i].origin][order[i].number]);
    if (out != stderr)
        fclose(out);
}

// ---- arguments ----

static unsigned long parse_number(const char *text, char **end)
{
    unsigned long number = strtoul(text, end, 10);
    if (*end == text)
        fail_usage(text);
    return number;
}

static int find_errno(const char *name)
{
    for (int i = 1; i <= ERRNOS; i++) {
        const char *known = strerrorname_np(i);
        if (known && strcmp(known, name) == 0)
            return i;
    }
    fail_usage(name);
    return 0;
}

static void parse_case(const char *text)
{
    char *copy = strdup(text), *rest = copy, *end;
    const char *origin = strsep(&rest, ":"), *call = strsep(&rest, ":"), *nth = strsep(&rest, ":");
    if (!rest)
        fail_usage(text);
    while (settings.origin < ORIGINS && strcmp(origin, origin_names[settings.origin]) != 0)
        settings.origin++;
    settings.call = calls_find(call);
    settings.nth = parse_number(nth, &end);
    settings.later_too = *end == '+';
    settings.error = find_errno(rest);
    if (settings.origin == ORIGINS || settings.call < 0 || !CAN_CHANGE) {
        fprintf(stderr, "inject: %s: %s\n", text, CAN_CHANGE ? "unknown origin or call" : "not on this architecture");
        exit(CAN_CHANGE ? BROKEN : UNABLE);
    }
    free(copy);
}

static void parse(int argc, char **argv)
{
    static const struct option options[] = {
        {"preload", required_argument, NULL, 'p'}, {"fail", required_argument, NULL, 'f'},
        {"answers", required_argument, NULL, 'a'}, {"refuse", required_argument, NULL, 'r'},
        {"limit", required_argument, NULL, 'l'},   {"report", required_argument, NULL, 'o'},
        {"trace", no_argument, NULL, 't'},         {0},
    };
    char *end;
    for (int option; (option = getopt_long(argc, argv, "+", options, NULL)) != -1;)
        switch (option) {
        case 'p':
            settings.preload = optarg;
            break;
        case 'f':
            parse_case(optarg);
            break;
        case 'a':
            settings.answers = optarg;
            break;
        case 'r':
            settings.refuse = parse_number(optarg, &end);
            break;
        case 'l':
            settings.limit = (unsigned) parse_number(optarg, &end);
            break;
        case 'o':
            settings.report = optarg;
            break;
        case 't':
            settings.trace = true;
            break;
        default:
            exit(BROKEN);
        }
    if (optind == argc)
        fail_usage("no program");
}

int main(int argc, char **argv)
{
    parse(argc, argv);
    port = answer_start(settings.answers);
    if (settings.refuse == 0)
        answer_listen();
    insert_port(argv + optind);
    start_program(argv + optind);
    origin_follow(program, settings.preload);
    struct sigaction action = {.sa_handler = on_alarm};
    sigaction(SIGALRM, &action, NULL);
    alarm(settings.limit);
    int status = follow_program();
    alarm(0);
    write_report(status, answer_stop());
    return 0;
}

// SPDX-License-Identifier: MIT
// The handler, and the program's own action behind it.
#include "real/fault.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "real/fork.h"
#include "real/kernel.h"
#include "real/system.h"

static void on_fault(int number, siginfo_t *info, void *context);

// ---- mappings ----

enum { MAPPINGS = 4, TAKEN = 1 };

static struct {
    _Atomic uintptr_t start; // 0: free; TAKEN: about to be watched
    _Atomic size_t size;
} mappings[MAPPINGS];

// Where several threads fault at once, each puts memory there; what was written meanwhile is lost, as the file is.
static bool mend(uintptr_t address)
{
    for (unsigned i = 0; i < MAPPINGS; i++) {
        uintptr_t start = atomic_load(&mappings[i].start);
        size_t size = atomic_load(&mappings[i].size);
        if (start > TAKEN && address - start < size)
            return rb_system_memory_over((void *) start, size);
    }
    return false;
}

// ---- the program's action ----

// Of the process with this number our handler is, or may become, the kernel's action. 0: of none. A vfork child shares
// our memory but not our actions.
static _Atomic int owner;
static _Atomic(sighandler_t) programs_handler;
static _Atomic int programs_flags;

// What we add to the flags of a program without a handler; a handler keeps its own.
enum { ADDED = SA_ONSTACK | SA_RESTART };

struct action {
    sighandler_t handler; // sa_handler or sa_sigaction
    int flags;
};

static bool is_owner(void)
{
    int known = atomic_load(&owner);
    return known != 0 && known == rb_system_pid();
}

static struct action recall(void)
{
    return (struct action){atomic_load(&programs_handler), atomic_load(&programs_flags)};
}

static sighandler_t ours(void)
{
    return (struct sigaction){.sa_sigaction = on_fault}.sa_handler;
}

static bool is_ours(const struct sigaction *action)
{
    return action->sa_handler == ours();
}

// Notes an action of the program's and makes it ours: same mask, and called in the same way.
static void put_on(struct sigaction *action)
{
    atomic_store(&programs_handler, action->sa_handler);
    atomic_store(&programs_flags, action->sa_flags);
    action->sa_flags |= SA_SIGINFO | (action->sa_handler == SIG_DFL ? ADDED : 0);
    action->sa_handler = ours();
}

static void take_off(struct sigaction *action, struct action programs)
{
    if (programs.handler == SIG_DFL)
        action->sa_flags = programs.flags;
    else if (!(programs.flags & SA_SIGINFO))
        action->sa_flags &= ~SA_SIGINFO;
    action->sa_handler = programs.handler;
}

// Whatever action there is becomes ours, but not one that ignores: it would be seen in programs that this one runs.
static void adopt(void)
{
    struct sigaction action;
    if (rb_libc_sigaction(SIGBUS, NULL, &action) != 0 || is_ours(&action) || action.sa_handler == SIG_IGN)
        return;
    put_on(&action);
    rb_libc_sigaction(SIGBUS, &action, NULL);
}

// ---- the handler ----

// Waits for the end of the handler, where it is unblocked, and ends the program as without us.
static void die(siginfo_t *info)
{
    struct sigaction action = {.sa_handler = SIG_DFL};
    rb_libc_sigaction(SIGBUS, &action, NULL);
    rb_kernel(SYS_rt_tgsigqueueinfo, rb_system_pid(), rb_kernel(SYS_gettid), SIGBUS, info);
}

// With SA_RESETHAND the kernel has taken the handler away, and nothing else: a program's is used up by a signal of its
// own only.
static void put_on_again(bool used)
{
    struct sigaction action;
    if (!is_owner() || rb_libc_sigaction(SIGBUS, NULL, &action) != 0 || action.sa_handler != SIG_DFL)
        return;
    action.sa_flags = recall().flags;
    if (!used)
        action.sa_handler = recall().handler;
    put_on(&action);
    rb_libc_sigaction(SIGBUS, &action, NULL);
}

static void pass_on(struct action to, int number, siginfo_t *info, void *context)
{
    struct sigaction action = {.sa_handler = to.handler};
    if (to.handler == SIG_DFL)
        die(info);
    else if (to.flags & SA_SIGINFO)
        action.sa_sigaction(number, info, context);
    else
        action.sa_handler(number);
}

static void on_fault(int number, siginfo_t *info, void *context)
{
    int saved = errno;
    struct action programs = recall();
    bool mended = info->si_code == BUS_ADRERR && mend((uintptr_t) info->si_addr);
    if (programs.flags & SA_RESETHAND)
        put_on_again(!mended);
    errno = saved;
    if (!mended)
        pass_on(programs, number, info, context);
}

// ---- from outside ----

static void forked(void)
{
    if (atomic_load(&owner) != 0)
        atomic_store(&owner, rb_system_pid());
}

static void begin(void)
{
    static _Atomic bool told;
    int nobody = 0;
    atomic_compare_exchange_strong(&owner, &nobody, rb_system_pid());
    if (!atomic_exchange(&told, true))
        rb_fork_notify(NULL, forked);
    if (is_owner())
        adopt();
}

void rb_fault_watch(const void *memory, size_t size)
{
    int saved = errno;
    for (unsigned i = 0; i < MAPPINGS; i++) {
        uintptr_t none = 0;
        if (!atomic_compare_exchange_strong(&mappings[i].start, &none, TAKEN))
            continue;
        atomic_store(&mappings[i].size, size);
        atomic_store(&mappings[i].start, (uintptr_t) memory);
        break;
    }
    begin();
    errno = saved;
}

void rb_fault_unwatch(const void *memory)
{
    for (unsigned i = 0; i < MAPPINGS; i++) {
        uintptr_t start = (uintptr_t) memory;
        atomic_compare_exchange_strong(&mappings[i].start, &start, 0);
    }
}

static __attribute__((noinline)) int act(const struct sigaction *action, struct sigaction *old)
{
    struct sigaction dressed;
    struct action before = recall();
    bool is_programs = action && action->sa_handler != SIG_IGN && !is_ours(action); // who asked the kernel saw ours
    if (is_programs && is_owner()) {
        dressed = *action;
        put_on(&dressed);
        action = &dressed;
    }
    int result = rb_libc_sigaction(SIGBUS, action, old);
    if (result == 0 && old && is_ours(old))
        take_off(old, before);
    return result;
}

// libcurl calls it a dozen times in a transfer, for SIGPIPE.
int rb_fault_sigaction(int number, const struct sigaction *action, struct sigaction *old)
{
    return number == SIGBUS ? act(action, old) : rb_libc_sigaction(number, action, old);
}

sighandler_t rb_fault_signalled(int number, sighandler_t previous)
{
    if (number != SIGBUS)
        return previous;
    if (previous == ours())
        previous = recall().handler;
    if (is_owner())
        adopt();
    return previous;
}

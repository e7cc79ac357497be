// SPDX-License-Identifier: MIT
// Our SIGBUS handler, and the emulation of the program's own SIGBUS action.
#include "real/fault.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "real/fork.h"
#include "real/kernel.h"
#include "real/pages.h"
#include "real/sandbox.h"
#include "real/system.h"

static void on_fault(int number, siginfo_t *info, void *context);

// ---- mappings ----

enum { MAPPINGS = 4, TAKEN = 1 };

static struct {
    _Atomic uintptr_t start; // 0: free; TAKEN: being filled in
    _Atomic size_t size;
} mappings[MAPPINGS];

// Replaces the mapping that contains `address` by zeroed memory. If several threads fault at once, each replaces it;
// what they wrote in between is lost, as the file's content is.
static bool fault_repair(uintptr_t address)
{
    for (unsigned i = 0; i < MAPPINGS; i++) {
        uintptr_t start = atomic_load(&mappings[i].start);
        size_t size = atomic_load(&mappings[i].size);
        if (start > TAKEN && address - start < size)
            return rb_pages_memory_over((void *) start, size);
    }
    return false;
}

// ---- the program's action ----

// The pid of the process whose kernel action for SIGBUS is, or may become, our handler. 0: no process. A vfork child
// shares our memory but has its own actions.
static _Atomic int owner;
static _Atomic(sighandler_t) programs_handler;
static _Atomic int programs_flags;

// The flags that we add when the program's action is SIG_DFL. If the program has a handler, its flags are kept.
enum { ADDED = SA_ONSTACK | SA_RESTART };

struct action {
    sighandler_t handler; // sa_handler or sa_sigaction
    int flags;
};

static bool is_owner(void)
{
    int known = rb_sandbox_is_filtered() ? 0 : atomic_load(&owner);
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

static bool fault_is_ours(const struct sigaction *action)
{
    return action->sa_handler == ours();
}

// Stores the program's action and replaces its handler by ours in *action. The mask and other flags stay.
static void fault_wrap(struct sigaction *action)
{
    atomic_store(&programs_handler, action->sa_handler);
    atomic_store(&programs_flags, action->sa_flags);
    action->sa_flags |= SA_SIGINFO | (action->sa_handler == SIG_DFL ? ADDED : 0);
    action->sa_handler = ours();
}

static void fault_unwrap(struct sigaction *action, struct action programs)
{
    if (programs.handler == SIG_DFL)
        action->sa_flags = programs.flags;
    else if (!(programs.flags & SA_SIGINFO))
        action->sa_flags &= ~SA_SIGINFO;
    action->sa_handler = programs.handler;
}

// Installs our handler in front of the current action. SIG_IGN stays: it is inherited by programs that this process
// executes.
static void adopt(void)
{
    struct sigaction action;
    if (rb_libc_sigaction(SIGBUS, NULL, &action) != 0 || fault_is_ours(&action) || action.sa_handler == SIG_IGN)
        return;
    fault_wrap(&action);
    rb_libc_sigaction(SIGBUS, &action, NULL);
}

// ---- the handler ----

// With SA_RESETHAND the kernel has reset the handler to SIG_DFL and kept the flags. We install ours again. The
// program's own handler counts as used up only if the signal was for it.
static void fault_reinstall(bool used)
{
    struct sigaction action;
    if (!is_owner() || rb_libc_sigaction(SIGBUS, NULL, &action) != 0 || action.sa_handler != SIG_DFL)
        return;
    action.sa_flags = recall().flags;
    if (!used)
        action.sa_handler = recall().handler;
    fault_wrap(&action);
    rb_libc_sigaction(SIGBUS, &action, NULL);
}

// For SIG_DFL, sets that action and sends the signal again. The signal is delivered when the handler returns and SIGBUS
// is unblocked, and ends the program as it would without us.
static void fault_pass_on(struct action to, int number, siginfo_t *info, void *context)
{
    struct sigaction action = {.sa_handler = to.handler};
    if (to.handler == SIG_DFL) {
        rb_libc_sigaction(SIGBUS, &action, NULL);
        rb_kernel(SYS_rt_tgsigqueueinfo, rb_system_pid(), rb_kernel(SYS_gettid), SIGBUS, info);
    } else if (to.flags & SA_SIGINFO) {
        action.sa_sigaction(number, info, context);
    } else {
        action.sa_handler(number);
    }
}

static void on_fault(int number, siginfo_t *info, void *context)
{
    int saved = errno;
    struct action programs = recall();
    bool repaired = info->si_code == BUS_ADRERR && fault_repair((uintptr_t) info->si_addr);
    if (programs.flags & SA_RESETHAND)
        fault_reinstall(!repaired);
    errno = saved;
    if (!repaired)
        fault_pass_on(programs, number, info, context);
}

// ---- the interface ----

static void fault_forked(void)
{
    if (atomic_load(&owner) != 0 && !rb_sandbox_is_filtered())
        atomic_store(&owner, rb_system_pid());
}

static void fault_begin(void)
{
    static _Atomic bool registered;
    int nobody = 0;
    atomic_compare_exchange_strong(&owner, &nobody, rb_system_pid());
    if (!atomic_exchange(&registered, true))
        rb_fork_notify(NULL, NULL, fault_forked);
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
    fault_begin();
    errno = saved;
}

void rb_fault_unwatch(const void *memory)
{
    for (unsigned i = 0; i < MAPPINGS; i++) {
        uintptr_t start = (uintptr_t) memory;
        atomic_compare_exchange_strong(&mappings[i].start, &start, 0);
    }
}

void rb_fault_rest(void)
{
    struct sigaction action;
    int saved = errno;
    if (atomic_load(&owner) != 0 && rb_libc_sigaction(SIGBUS, NULL, &action) == 0 && fault_is_ours(&action)) {
        fault_unwrap(&action, recall());
        rb_libc_sigaction(SIGBUS, &action, NULL);
    }
    errno = saved;
}

void rb_fault_resume(void)
{
    int saved = errno;
    if (is_owner())
        adopt();
    errno = saved;
}

static __attribute__((noinline)) int act(const struct sigaction *action, struct sigaction *old)
{
    struct sigaction wrapped;
    struct action before = recall();
    bool is_programs = action && action->sa_handler != SIG_IGN &&
                       !fault_is_ours(action); // a program that bypassed us by a raw system call may pass our handler
    if (is_programs && is_owner()) {
        wrapped = *action;
        fault_wrap(&wrapped);
        action = &wrapped;
    }
    int result = rb_libc_sigaction(SIGBUS, action, old);
    if (result == 0 && old && fault_is_ours(old))
        fault_unwrap(old, before);
    return result;
}

// Kept small: libcurl calls sigaction a dozen times per transfer, for SIGPIPE.
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

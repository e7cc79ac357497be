// SPDX-License-Identifier: MIT
// Traces the system calls of a child by ptrace.
#ifndef RB_PRELOAD_TRACE_H
#define RB_PRELOAD_TRACE_H

#include <sys/ptrace.h>

#include "support.h"

// Receives each system call that the child enters.
typedef void trace_fn(void *context, pid_t child, const struct __ptrace_syscall_info *call);

// Traces a child from its first stop to its end. The child has asked for PTRACE_TRACEME and must exit with status 0.
// Skips the test if the child does not stop, because then ptrace is not allowed.
static inline void trace_to_end(pid_t child, trace_fn *on_call, void *context)
{
    int status = 0;
    CHECK_INT(waitpid(child, &status, 0), child);
    if (!WIFSTOPPED(status))
        test_skip("no ptrace");
    ptrace(PTRACE_SETOPTIONS, child, NULL, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
    while (ptrace(PTRACE_SYSCALL, child, NULL, NULL) == 0 && waitpid(child, &status, 0) == child &&
           WIFSTOPPED(status)) {
        struct __ptrace_syscall_info call;
        if (ptrace(PTRACE_GET_SYSCALL_INFO, child, sizeof(call), &call) > 0 && call.op == PTRACE_SYSCALL_INFO_ENTRY)
            on_call(context, child, &call);
    }
    CHECK(WIFEXITED(status));
    CHECK_INT(WEXITSTATUS(status), 0);
}

#endif

// SPDX-License-Identifier: MIT
// A sandbox that refuses one system call, and of which the library does not know.
#ifndef RB_PRELOAD_SANDBOX_H
#define RB_PRELOAD_SANDBOX_H

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>

#include "real/kernel.h"
#include "support.h"

// From now on, the system call with this number fails with EPERM in this thread and in the threads that it starts. The
// filter is installed past the library, so it has the effect of one that the program was started with.
static inline void refuse_call(unsigned number)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof(code) / sizeof(code[0]), .filter = code};
    CHECK_INT(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    if (rb_kernel_always(SYS_prctl, PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
        test_skip("no seccomp");
}

#endif

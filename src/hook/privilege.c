// SPDX-License-Identifier: MIT
// Changes of the user, the groups or the root directory, and the begin of a sandbox. Afterwards the policy file may be
// out of reach, so these calls read the policy first where no other call has done so. The log may be out of reach, too.
// When the effective user has changed, what is shared with the one before is given up.
#include <grp.h>
#include <stdarg.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "hook/hook.h"
#include "real/libc.h"
#include "state/identity.h"

static int changed(int result)
{
    if (result == 0)
        rb_identity_changed();
    return result;
}

RB_HOOK int chroot(const char *path)
{
    if (rb_process_active())
        rb_process_before_root(path);
    return rb_libc_chroot(path);
}

// For a process of root; another one changes its effective user only, and has no root to give up.
RB_HOOK int setuid(uid_t user)
{
    if (rb_process_active())
        rb_process_before_users(user, user, user);
    return changed(rb_libc_setuid(user));
}

RB_HOOK int seteuid(uid_t user)
{
    rb_process_active();
    return changed(rb_libc_seteuid(user));
}

// The saved user follows the effective one.
RB_HOOK int setreuid(uid_t real, uid_t effective)
{
    if (rb_process_active())
        rb_process_before_users(real, effective, effective);
    return changed(rb_libc_setreuid(real, effective));
}

RB_HOOK int setresuid(uid_t real, uid_t effective, uid_t saved)
{
    if (rb_process_active())
        rb_process_before_users(real, effective, saved);
    return changed(rb_libc_setresuid(real, effective, saved));
}

RB_HOOK int setfsuid(uid_t user)
{
    rb_process_active();
    return rb_libc_setfsuid(user);
}

RB_HOOK int setgid(gid_t group)
{
    rb_process_active();
    return rb_libc_setgid(group);
}

RB_HOOK int setegid(gid_t group)
{
    rb_process_active();
    return rb_libc_setegid(group);
}

RB_HOOK int setregid(gid_t real, gid_t effective)
{
    rb_process_active();
    return rb_libc_setregid(real, effective);
}

RB_HOOK int setresgid(gid_t real, gid_t effective, gid_t saved)
{
    rb_process_active();
    return rb_libc_setresgid(real, effective, saved);
}

RB_HOOK int setfsgid(gid_t group)
{
    rb_process_active();
    return rb_libc_setfsgid(group);
}

RB_HOOK int setgroups(size_t count, const gid_t *groups)
{
    rb_process_active();
    return rb_libc_setgroups(count, groups);
}

RB_HOOK int initgroups(const char *user, gid_t group)
{
    rb_process_active();
    return rb_libc_initgroups(user, group);
}

// A process without rights asks for PR_SET_NO_NEW_PRIVS before it filters its system calls or restricts its files, and
// libseccomp does so in any process. Such a filter may end the process for an openat.
RB_HOOK int prctl(int option, ...)
{
    unsigned long more[4];
    va_list arguments;
    va_start(arguments, option);
    for (unsigned i = 0; i < 4; i++)
        more[i] = va_arg(arguments, unsigned long);
    va_end(arguments);
    if (option == PR_SET_NO_NEW_PRIVS || option == PR_SET_SECCOMP)
        rb_process_active();
    return rb_libc_prctl(option, more[0], more[1], more[2], more[3]);
}

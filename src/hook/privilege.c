// SPDX-License-Identifier: MIT
// Calls that change the user, the groups or the root directory. Afterwards the process may be unable to open the policy
// file, so each hook first reads the policy if no earlier call has read it. The process may also be unable to write the
// log. After a change of the effective user, the process detaches from the state of the previous user.
#include <grp.h>
#include <sys/fsuid.h>
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

// setuid sets all three users for a process of root. Any other process only changes its effective user and has no root
// privilege to lose.
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

// setreuid sets the saved user to the new effective user.
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

// SPDX-License-Identifier: MIT
// Calls that lock all memory of the process, which includes that of the library.
#include <sys/mman.h>

#include "hook/hook.h"
#include "real/pages.h"

RB_HOOK int mlockall(int flags)
{
    return rb_pages_lock_all(flags);
}

RB_HOOK int munlockall(void)
{
    return rb_pages_unlock_all();
}

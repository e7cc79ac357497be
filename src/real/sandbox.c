// SPDX-License-Identifier: MIT
// The state of the sandbox.
#include "real/sandbox.h"

_Atomic int rb_sandbox_now;

bool rb_sandbox_enter(enum rb_sandbox_state from, enum rb_sandbox_state to)
{
    int expected = from;
    return atomic_compare_exchange_strong(&rb_sandbox_now, &expected, to);
}

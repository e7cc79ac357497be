// SPDX-License-Identifier: MIT
// The list of registered functions.
#include "state/identity.h"

#include <stdatomic.h>
#include <stddef.h>

#include "real/sandbox.h"

enum { FUNCTIONS = 4 };

static _Atomic(rb_identity_fn *) functions[FUNCTIONS];

void rb_identity_notify(rb_identity_fn *changed)
{
    for (unsigned i = 0; i < FUNCTIONS; i++) {
        rb_identity_fn *there = NULL;
        if (atomic_compare_exchange_strong(&functions[i], &there, changed) || there == changed)
            return;
    }
}

void rb_identity_changed(void)
{
    if (rb_sandbox_is_filtered())
        return;
    for (unsigned i = 0; i < FUNCTIONS; i++) {
        rb_identity_fn *function = atomic_load_explicit(&functions[i], memory_order_acquire);
        if (function)
            function();
    }
}

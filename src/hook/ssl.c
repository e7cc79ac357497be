// SPDX-License-Identifier: MIT
// OpenSSL's interface for connections.
#include "hook/ssl.h"
#include "hook/hook.h"

// NOLINTBEGIN(bugprone-macro-parentheses): they are types and parameter lists
#define LIBSSL(family, result, name, parameters, arguments, absent)                                                    \
    RB_HOOK result SSL_##name parameters                                                                               \
    {                                                                                                                  \
        const struct rb_libssl *libssl = rb_libssl_of(ssl, RB_CALLER);                                                 \
        return libssl && libssl->name ? libssl->name arguments : (absent);                                             \
    }
// NOLINTEND(bugprone-macro-parentheses)
#include "hook/hooks.def"

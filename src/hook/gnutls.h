// SPDX-License-Identifier: MIT
// The hooks of GnuTLS's interface.
#ifndef RB_HOOK_GNUTLS_H
#define RB_HOOK_GNUTLS_H

#include "real/libgnutls.h"

#define LIBGNUTLS(family, result, name, parameters, arguments, absent) result gnutls_##name parameters;
#include "hook/hooks.def"

#endif

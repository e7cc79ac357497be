// SPDX-License-Identifier: MIT
// The hooks of OpenSSL's interface.
#ifndef RB_HOOK_SSL_H
#define RB_HOOK_SSL_H

#include "real/libssl.h"

#define LIBSSL(family, result, name, parameters, arguments, absent) result SSL_##name parameters;
#include "hook/hooks.def"

#endif

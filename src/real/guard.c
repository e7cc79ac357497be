// SPDX-License-Identifier: MIT
// Storage of the re-entrancy guard.
#include "real/guard.h"

__thread unsigned rb_guard_depth;

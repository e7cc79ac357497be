// SPDX-License-Identifier: MIT
// The clock of changes.
#include "net/park/change.h"

_Atomic uint64_t rb_change_count;

// SPDX-License-Identifier: MIT
// Hints in a JSON body. Private to engine/hints.
#ifndef RB_ENGINE_HINT_BODY_H
#define RB_ENGINE_HINT_BODY_H

#include "base/slice.h"

struct rb_hint_body {
    bool quota;             // "code" or "type" of "error" is insufficient_quota
    bool aws_throttled;     // "__type" names throttling
    uint64_t retry_info_ms; // google.rpc.RetryInfo in "details" of "error"; 0: none
};

// Reads a body, or its beginning. *found starts as all zero and stays so if the text is not JSON. Pure.
void rb_hint_body_read(struct rb_slice body, struct rb_hint_body *found);

#endif

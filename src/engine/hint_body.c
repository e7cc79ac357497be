// SPDX-License-Identifier: MIT
// Walks through a JSON body and looks at a few members by their path.
#include "engine/hint_body.h"

#include "base/scan.h"
#include "engine/hint_value.h"

enum { SECOND_MS = 1000 };

// The places that matter, by the depth at which they are. A body may also be an array of such objects, as streaming
// APIs of Google send it.
enum hint_place { PLACE_ROOT = 1, PLACE_ERROR, PLACE_DETAILS, PLACE_DETAIL };

struct hint_body_walk {
    unsigned base;       // 1 if the body is an array, otherwise 0
    unsigned matched;    // up to this depth the path is error, details, any item
    bool info;           // the current detail is a RetryInfo
    uint64_t delay_ms;   // "retryDelay" of the current detail
    struct rb_slice key; // the latest key
    struct rb_hint_body found;
};

// Returns the name of a type without the address before it.
static struct rb_slice hint_body_type(struct rb_slice type)
{
    const char *slash = memrchr(type.at, '/', type.length);
    if (slash) {
        type.length -= (size_t) (slash + 1 - type.at);
        type.at = slash + 1;
    }
    return type;
}

// A duration in the JSON form of protocol buffers: decimal seconds and "s".
static uint64_t hint_body_delay(struct rb_slice text)
{
    uint64_t ms = 0;
    if (text.length < 2 || text.at[text.length - 1] != 's')
        return 0;
    text.length--;
    return rb_hint_value_decimal(text, SECOND_MS, &ms) ? ms : 0;
}

static void hint_body_string(struct hint_body_walk *walk, struct rb_slice text, unsigned depth)
{
    if (walk->matched != depth)
        return;
    if (depth == PLACE_ROOT && rb_scan_is(walk->key, "__type"))
        walk->found.aws_throttled |= rb_hint_value_aws_throttling(text);
    else if (depth == PLACE_ERROR && (rb_scan_is(walk->key, "code") || rb_scan_is(walk->key, "type")))
        walk->found.quota |= rb_scan_is(text, "insufficient_quota");
    else if (depth == PLACE_DETAIL && rb_scan_is(walk->key, "@type"))
        walk->info = rb_slice_is(hint_body_type(text), "google.rpc.RetryInfo");
    else if (depth == PLACE_DETAIL && rb_scan_is(walk->key, "retryDelay"))
        walk->delay_ms = hint_body_delay(text);
}

// An object or an array begins; `depth` includes it.
static void hint_body_open(struct hint_body_walk *walk, bool object, unsigned depth)
{
    bool expected = depth == PLACE_ROOT      ? object
                    : depth == PLACE_ERROR   ? object && rb_scan_is(walk->key, "error")
                    : depth == PLACE_DETAILS ? !object && rb_scan_is(walk->key, "details")
                                             : depth == PLACE_DETAIL && object;
    if (expected && walk->matched == depth - 1)
        walk->matched = depth;
    if (depth == PLACE_DETAIL) {
        walk->info = false;
        walk->delay_ms = 0;
    }
}

// An object or an array ends; `depth` does not include it.
static void hint_body_close(struct hint_body_walk *walk, unsigned depth)
{
    bool detail = depth + 1 == PLACE_DETAIL && walk->matched == PLACE_DETAIL;
    if (detail && walk->info && walk->delay_ms > walk->found.retry_info_ms)
        walk->found.retry_info_ms = walk->delay_ms;
    if (walk->matched > depth)
        walk->matched = depth;
}

void rb_hint_body_read(struct rb_slice body, struct rb_hint_body *found)
{
    struct rb_scan scan = rb_scan_begin(body);
    struct hint_body_walk walk = {0};
    for (;;) {
        enum rb_scan_token token = rb_scan_next(&scan);
        if (token == RB_SCAN_ARRAY && scan.depth == 1)
            walk.base = 1;
        unsigned depth = scan.depth - (scan.depth > 0 ? walk.base : 0);
        switch (token) {
        case RB_SCAN_OBJECT:
        case RB_SCAN_ARRAY:
            if (depth > 0)
                hint_body_open(&walk, token == RB_SCAN_OBJECT, depth);
            break;
        case RB_SCAN_CLOSE:
            hint_body_close(&walk, depth);
            break;
        case RB_SCAN_KEY:
            walk.key = scan.text;
            break;
        case RB_SCAN_STRING:
            hint_body_string(&walk, scan.text, depth);
            break;
        case RB_SCAN_OTHER:
            break;
        case RB_SCAN_END:
        case RB_SCAN_CUT:
            *found = walk.found;
            return;
        case RB_SCAN_INVALID:
            return;
        }
    }
}

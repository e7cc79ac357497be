// SPDX-License-Identifier: MIT
// Fuzzes the hints about retries: header lines, an empty line, and a body. Checks that the answer agrees with itself,
// and that a body that is cut says nothing that the whole body does not say.
#include <stdlib.h>
#include <string.h>

#include "base/scan.h"
#include "engine/hints.h"

static const int64_t now_s = 1795953600;

static void require(bool holds)
{
    if (!holds)
        abort();
}

// Memory of its own, where reading beyond the end shows.
static struct rb_slice copy_of(const uint8_t *data, size_t size)
{
    char *copy = malloc(size > 0 ? size : 1);
    require(copy != NULL);
    if (size > 0)
        memcpy(copy, data, size);
    return (struct rb_slice){copy, size};
}

static void add_line(struct rb_hints *hints, const uint8_t *line, size_t length)
{
    const uint8_t *colon = memchr(line, ':', length);
    size_t name_length = colon ? (size_t) (colon - line) : length;
    struct rb_slice name = copy_of(line, name_length);
    struct rb_slice value = colon ? copy_of(colon + 1, length - name_length - 1) : copy_of(line, 0);
    rb_hints_add(hints, name, value, now_s);
    free((char *) name.at);
    free((char *) value.at);
}

static void check(const struct rb_hint *hint)
{
    require(hint->verdict <= RB_HINT_QUOTA && hint->source < RB_HINT_SOURCES);
    require((hint->source == RB_HINT_NONE) == (hint->wait_ms == 0));
    require(hint->wait_ms == 0 || (hint->verdict != RB_HINT_QUOTA && hint->verdict != RB_HINT_STOP));
}

static bool is_json(struct rb_slice body)
{
    struct rb_scan scan = rb_scan_begin(body);
    enum rb_scan_token token = rb_scan_next(&scan);
    while (token < RB_SCAN_END) {
        require(scan.depth <= RB_SCAN_DEPTH_MAX);
        token = rb_scan_next(&scan);
    }
    return token == RB_SCAN_END;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const unsigned statuses[] = {200, 400, 403, 429, 503};
    struct rb_hints hints = {0};
    while (size > 0) {
        const uint8_t *end = memchr(data, '\n', size);
        size_t length = end ? (size_t) (end - data) : size;
        if (length > 0)
            add_line(&hints, data, length);
        data += end ? length + 1 : length;
        size -= end ? length + 1 : length;
        if (length == 0)
            break;
    }
    struct rb_slice body = copy_of(data, size), half = copy_of(data, size / 2);
    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
        struct rb_hint whole = rb_hints_judge(&hints, statuses[i], RB_HINT_HONOUR, body, true);
        struct rb_hint cut = rb_hints_judge(&hints, statuses[i], RB_HINT_HONOUR, half, true);
        struct rb_hint standard = rb_hints_judge(&hints, statuses[i], RB_HINT_STANDARD, body, true);
        check(&whole);
        check(&cut);
        check(&standard);
        require(standard.verdict == RB_HINT_NO_VERDICT && standard.source <= RB_HINT_RETRY_AFTER);
        require(cut.verdict != RB_HINT_QUOTA || whole.verdict == RB_HINT_QUOTA || !is_json(body));
    }
    free((char *) body.at);
    free((char *) half.at);
    return 0;
}

// SPDX-License-Identifier: MIT
// Fuzzes the parser of HTTP framing. The first byte of the input chooses the kind of message and how the bytes are cut.
// Checks that no prefix contradicts a longer one, that no byte behind the text is read, that each head agrees with
// itself, and that the end of a body does not depend on the segmentation.
#include <stdlib.h>

#include "wire/frame.h"

static void require(bool holds)
{
    if (!holds)
        abort();
}

// Memory of its own, where reading beyond the end shows.
static char *copy_of(const char *bytes, size_t length)
{
    char *copy = malloc(length > 0 ? length : 1);
    require(copy != NULL);
    if (length > 0)
        memcpy(copy, bytes, length);
    return copy;
}

static bool same_slice(struct rb_slice a, const char *text_a, struct rb_slice b, const char *text_b)
{
    return a.length == b.length && (!a.at || a.at - text_a == b.at - text_b);
}

static bool same_head(const struct rb_frame_head *a, const char *text_a, const struct rb_frame_head *b,
                      const char *text_b)
{
    return a->length == b->length && a->fields == b->fields && a->minor == b->minor && a->status == b->status &&
           same_slice(a->method, text_a, b->method, text_b) && same_slice(a->target, text_a, b->target, text_b) &&
           a->asks == b->asks && a->body == b->body && a->content_length == b->content_length &&
           a->keeps_alive == b->keeps_alive && a->expects_continue == b->expects_continue &&
           a->upgrades == b->upgrades && a->event_stream == b->event_stream;
}

static void check_head(enum rb_frame_kind kind, struct rb_slice text, const struct rb_frame_head *head)
{
    struct rb_slice name, value;
    size_t at = 0, last = 0;
    require(head->length <= text.length && head->length <= RB_FRAME_HEAD_MAX && head->fields + 2 <= head->length);
    require(memcmp(text.at + head->length - 4, "\r\n\r\n", 4) == 0);
    require(head->minor <= 1 && (head->body == RB_BODY_LENGTH || head->content_length == 0));
    require(head->content_length <= INT64_MAX);
    require(head->body != RB_BODY_UNTIL_CLOSE || (!head->keeps_alive && kind == RB_FRAME_RESPONSE));
    require(kind == RB_FRAME_RESPONSE ? head->status >= 100 && head->status <= 999 : head->status == 0);
    require(kind == RB_FRAME_RESPONSE || (head->method.length > 0 && head->target.length > 0 && !head->event_stream));
    for (; rb_frame_next_field(head, text, &at, &name, &value); last = at) {
        require(at > last && at + 2 <= head->length && name.length > 0);
        require(name.at >= text.at + head->fields && name.at + name.length < value.at);
        require(value.at + value.length + 2 <= text.at + at);
    }
}

// Each prefix is partial until one is decided. All longer ones are decided in the same way.
static enum rb_frame_result check_prefixes(enum rb_frame_kind kind, struct rb_slice text, enum rb_frame_asks asked,
                                           struct rb_frame_head *head)
{
    enum rb_frame_result last = rb_frame_read_head(kind, text, asked, head);
    size_t step = text.length / 300 + 1;
    bool decided = false;
    for (size_t length = 0; length < text.length; length += step) {
        struct rb_frame_head shorter;
        char *copy = copy_of(text.at, length);
        enum rb_frame_result result = rb_frame_read_head(kind, (struct rb_slice){copy, length}, asked, &shorter);
        require(result == last || (result == RB_FRAME_PARTIAL && !decided));
        require(result != RB_FRAME_COMPLETE || same_head(&shorter, copy, head, text.at));
        require(last != RB_FRAME_COMPLETE || (result == RB_FRAME_COMPLETE) == (length >= head->length));
        decided = result != RB_FRAME_PARTIAL;
        free(copy);
    }
    return last;
}

// Takes the body in pieces of 1 to `most` bytes.
static void check_body(const struct rb_frame_head *head, const char *bytes, size_t length, unsigned most)
{
    struct rb_frame_body whole, pieces;
    rb_frame_body_begin(&whole, head);
    rb_frame_body_begin(&pieces, head);
    size_t taken = rb_frame_body_take(&whole, bytes, length), total = 0;
    require(taken <= length);
    for (size_t at = 0, piece = 0; at < length; at += piece) {
        piece = 1 + (at * 7 + most) % most;
        piece = piece < length - at ? piece : length - at;
        char *copy = copy_of(bytes + at, piece);
        size_t now = rb_frame_body_take(&pieces, copy, piece);
        free(copy);
        require(now == piece || rb_frame_body_is_done(&pieces) || rb_frame_body_is_invalid(&pieces));
        total += now;
    }
    require(total == taken && whole.place == pieces.place && whole.left == pieces.left);
    require(taken == length || rb_frame_body_is_done(&whole) || rb_frame_body_is_invalid(&whole));
    require(head->body != RB_BODY_LENGTH || rb_frame_body_is_done(&whole) == (taken == head->content_length));
    require(rb_frame_body_take(&whole, bytes, 0) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    enum rb_frame_kind kind = data[0] & 1 ? RB_FRAME_RESPONSE : RB_FRAME_REQUEST;
    enum rb_frame_asks asked = (enum rb_frame_asks)((data[0] >> 1 & 3) % 3);
    struct rb_frame_head head;
    struct rb_slice text = {copy_of((const char *) data + 1, size - 1), size - 1};
    if (check_prefixes(kind, text, asked, &head) == RB_FRAME_COMPLETE) {
        check_head(kind, text, &head);
        check_body(&head, text.at + head.length, text.length - head.length, (data[0] >> 3) + 1U);
    }
    free((char *) text.at);
    return 0;
}

// SPDX-License-Identifier: MIT
// Reads HTTP messages from stdin, each after a header of 6 bytes: kind, what the request asks for, and the length of
// the message (32 bits, in the order of this machine). Writes a line for each: what the parser of wire/frame.h says.
#include <stdio.h>
#include <stdlib.h>

#include "wire/frame.h"

static const char *state_of(const struct rb_frame_body *body)
{
    if (rb_frame_body_is_done(body))
        return "done";
    return rb_frame_body_is_invalid(body) ? "invalid" : "more";
}

static void judge(enum rb_frame_kind kind, enum rb_frame_asks asked, struct rb_slice text)
{
    static const char *const bodies[] = {"none", "length", "chunked", "until-close"};
    struct rb_frame_head head;
    struct rb_frame_body body;
    enum rb_frame_result result = rb_frame_read_head(kind, text, asked, &head);
    if (result != RB_FRAME_COMPLETE) {
        puts(result == RB_FRAME_PARTIAL ? "partial" : "invalid");
        return;
    }
    rb_frame_body_begin(&body, &head);
    size_t taken = rb_frame_body_take(&body, text.at + head.length, text.length - head.length);
    printf("complete %zu %u %u %s %llu %d %d %d %zu %s\n", head.length, head.minor, head.status, bodies[head.body],
           (unsigned long long) head.content_length, head.keeps_alive, head.expects_continue, head.upgrades, taken,
           state_of(&body));
}

int main(void)
{
    unsigned char kind_and_asked[2];
    uint32_t length;
    while (fread(kind_and_asked, sizeof(kind_and_asked), 1, stdin) == 1 &&
           fread(&length, sizeof(length), 1, stdin) == 1) {
        char *message = malloc(length + 1U);
        if (!message || fread(message, 1, length, stdin) != length)
            return 1;
        judge((enum rb_frame_kind) kind_and_asked[0], (enum rb_frame_asks) kind_and_asked[1],
              (struct rb_slice){message, length});
        free(message);
    }
    return 0;
}

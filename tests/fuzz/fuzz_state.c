// SPDX-License-Identifier: MIT
// Fuzzes what processes share: each 16 bytes of the input overwrite a word of a state, or let a reader or a writer act.
#include "state_play.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void act(struct rb_view *view, uint64_t where, uint64_t what, uint64_t now_ms)
{
    switch (where & 3) {
    case 0:
        play_write(&view->state, what, now_ms);
        break;
    case 1:
        play_read(view, what, now_ms);
        break;
    default:
        play_mutate(&view->state, where >> 2, what);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct rb_view view;
    uint64_t words[2], now_ms = 1000000;
    if (!view.state.header)
        play_require(rb_store_private(&view.state, PLAY_CELLS));
    view.writable = true;
    for (; size >= sizeof(words); data += sizeof(words), size -= sizeof(words)) {
        memcpy(words, data, sizeof(words));
        now_ms += words[1] >> 60;
        act(&view, words[0], words[1], now_ms);
    }
    memset(view.state.header, 0, (size_t) rb_state_size(PLAY_CELLS));
    rb_state_describe(&view.state.header->constants, PLAY_CELLS);
    return 0;
}

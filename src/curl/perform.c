// SPDX-License-Identifier: MIT
// The attempts of one curl_easy_perform.
#include "curl/perform.h"

#include <errno.h>

#include "curl/ids.h"
#include "curl/response/response_private.h"
#include "curl/transfer.h"
#include "real/guard.h"
#include "real/pause.h"
#include "real/sandbox.h"
#include "real/system.h"

// Intervals of progress callbacks during a wait, and of checks for resumption during a paused delivery.
enum { PROGRESS_MS = 100, PAUSE_MS = 10 };

static CURLcode real_perform(const struct rb_handle *handle)
{
    unsigned depth = rb_guard_enter();
    CURLcode code = handle->curl->easy_perform(handle->easy);
    rb_guard_leave(depth);
    return code;
}

enum perform_waited { PERFORM_WAITED, PERFORM_CANCELLED, PERFORM_SIGNALLED };

// Waits between attempts and calls the progress callback, because programs cancel with it. A signal handler ends only a
// wait for the start of the host: alone, the transfer would have failed long before, and the handler may ask the
// program to end.
static enum perform_waited perform_wait_out(const struct rb_transfer *transfer)
{
    uint64_t until = rb_system_now_ms() + transfer->delay_ms;
    for (uint64_t now = until - transfer->delay_ms; now < until && !rb_sandbox_is_filtered();
         now = rb_system_now_ms()) {
        uint64_t step = until - now < PROGRESS_MS ? until - now : PROGRESS_MS;
        if (!transfer->starts)
            rb_system_sleep(step);
        else if (rb_pause_wait(step, RB_PAUSE_CANCELS) == -EINTR)
            return PERFORM_SIGNALLED;
        if (!rb_transfer_goes_on(transfer->handle))
            return PERFORM_CANCELLED;
    }
    return PERFORM_WAITED;
}

// Waits until the program resumes a paused delivery. Only its progress callback can do this here. Returns CURLE_OK when
// resumed.
static CURLcode await_resumption(const struct rb_transfer *transfer)
{
    while (transfer->handle->flow == RB_FLOW_LATE_PAUSED) {
        rb_system_sleep(PAUSE_MS);
        if (!rb_transfer_goes_on(transfer->handle))
            return CURLE_ABORTED_BY_CALLBACK;
        if (rb_system_now_ms() >= transfer->program_deadline_ms)
            return CURLE_OPERATION_TIMEDOUT;
    }
    return CURLE_OK;
}

static CURLcode deliver(struct rb_transfer *transfer, CURLcode code)
{
    while (rb_transfer_deliver(transfer, &code) == RB_DELIVERY_PAUSED) {
        CURLcode wrong = await_resumption(transfer);
        if (wrong == CURLE_OK)
            continue;
        rb_transfer_interrupt(transfer, wrong);
        return wrong;
    }
    return code;
}

static CURLcode perform_run(struct rb_transfer *transfer)
{
    CURLcode code;
    enum perform_waited waited;
    if (rb_transfer_hold(transfer) && perform_wait_out(transfer) != PERFORM_WAITED) {
        rb_transfer_abort(transfer, &code);
        return deliver(transfer, code);
    }
    rb_transfer_start(transfer);
    do {
        code = real_perform(transfer->handle);
        if (rb_transfer_ended(transfer, &code) == RB_TRANSFER_DONE)
            break;
        waited = perform_wait_out(transfer);
        if (waited == PERFORM_CANCELLED)
            rb_transfer_abort(transfer, &code);
        else if (waited == PERFORM_SIGNALLED)
            rb_transfer_give_up(transfer, RB_REASON_INTERRUPTED, &code);
    } while (waited == PERFORM_WAITED && rb_transfer_again(transfer, &code));
    return deliver(transfer, code);
}

CURLcode rb_http_perform(struct rb_handle *handle, const struct rb_policy *policy)
{
    struct rb_transfer transfer; // large, so rb_transfer_begin initializes only what is used
    struct rb_response response; // likewise
    if (handle->transfer)        // called from a callback of this transfer
        return rb_guard_depth > 0 ? real_perform(handle) : CURLE_FAILED_INIT;
    rb_figures_forget(handle);
    rb_ids_begin(handle);
    if (!policy || !rb_transfer_begin(&transfer, &response, handle, policy))
        return real_perform(handle);
    CURLcode code = perform_run(&transfer);
    rb_transfer_end(&transfer);
    return code;
}

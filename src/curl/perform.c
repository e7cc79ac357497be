// SPDX-License-Identifier: MIT
// The attempts of one curl_easy_perform.
#include "curl/perform.h"

#include "curl/ids.h"
#include "curl/response/response_private.h"
#include "curl/transfer.h"
#include "real/guard.h"
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

// Waits between attempts and calls the progress callback, because programs cancel with it. Returns false when
// cancelled.
static bool perform_wait_out(const struct rb_handle *handle, uint64_t ms)
{
    uint64_t until = rb_system_now_ms() + ms;
    for (uint64_t now = until - ms; now < until && !rb_sandbox_is_filtered(); now = rb_system_now_ms()) {
        uint64_t left = until - now;
        rb_system_sleep(left < PROGRESS_MS ? left : PROGRESS_MS);
        if (!rb_transfer_goes_on(handle))
            return false;
    }
    return true;
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
    if (rb_transfer_hold(transfer) && !perform_wait_out(transfer->handle, transfer->delay_ms)) {
        rb_transfer_abort(transfer, &code);
        return deliver(transfer, code);
    }
    rb_transfer_start(transfer);
    do {
        code = real_perform(transfer->handle);
        if (rb_transfer_ended(transfer, &code) == RB_TRANSFER_DONE)
            break;
        if (!perform_wait_out(transfer->handle, transfer->delay_ms)) {
            rb_transfer_abort(transfer, &code);
            break;
        }
    } while (rb_transfer_again(transfer, &code));
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

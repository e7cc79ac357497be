// SPDX-License-Identifier: MIT
// The calls on a multi handle. Calls that drive libcurl also handle the members that wait outside libcurl's multi
// handle.
#include "curl/multi/multi.h"

#include <poll.h>
#include <stdlib.h>

#include "curl/figures.h"
#include "curl/ids.h"
#include "curl/multi/member.h"
#include "curl/multi/multi_callback.h"
#include "curl/registry.h"
#include "real/guard.h"
#include "real/sandbox.h"

static struct rb_registry multis;

// --- life

void rb_multi_register(CURLM *handle, const struct rb_libcurl *curl)
{
    free(rb_registry_take(&multis, handle)); // libcurl freed this handle without our hooks
    struct rb_multi *multi = calloc(1, sizeof(*multi));
    if (!multi)
        return;
    multi->real = handle;
    multi->curl = curl;
    multi->progress_ms = multi->libcurl_ms = multi->armed_ms = RB_NEVER;
    rb_members_init(multi);
    if (!rb_registry_put(&multis, handle, multi))
        free(multi);
}

struct rb_multi *rb_multi_find(CURLM *handle)
{
    return rb_registry_find(&multis, handle);
}

const struct rb_libcurl *rb_multi_owner(const struct rb_multi *multi)
{
    return multi->curl;
}

void rb_multi_forget(struct rb_handle *easy)
{
    rb_member_forget(easy);
}

// The transfer is not tracked. What curl_easy_getinfo answers for it is not that of the handle's transfer before.
static void multi_add_in_sandbox(struct rb_multi *multi, struct rb_handle *easy)
{
    if (!easy || easy->member)
        return;
    rb_figures_forget(easy);
    easy->multi_ids = &multi->ids;
    rb_ids_begin(easy);
    easy->multi_ids = NULL; // the multi handle may end before the easy handle
}

// libcurl may call the timer callback before it returns, and the program may drive the handle from there.
CURLMcode rb_multi_add(struct rb_multi *multi, struct rb_handle *easy, CURL *bare)
{
    if (easy && (rb_multi_holds(easy) || (easy->member && multi->calling)))
        return CURLM_ADDED_ALREADY;
    if (multi->calling)
        return CURLM_RECURSIVE_API_CALL;
    bool filtered = rb_sandbox_is_filtered();
    struct rb_member *member = filtered ? NULL : rb_member_add(multi, easy);
    if (filtered)
        multi_add_in_sandbox(multi, easy);
    multi->inside++;
    CURLMcode code = multi->curl->multi_add_handle(multi->real, bare);
    multi->inside--;
    multi->busy |= code == CURLM_OK;
    if (code != CURLM_OK && member)
        rb_multi_forget(easy);
    return code;
}

// libcurl does not have a handle that waits outside of its multi handle. For such a handle, returns the error that
// libcurl would return if it had the handle.
CURLMcode rb_multi_remove(struct rb_multi *multi, struct rb_handle *easy, CURL *bare)
{
    struct rb_member *member = easy ? easy->member : NULL;
    bool ours = member && member->multi == multi, outside = member && member->outside;
    CURLMcode code = CURLM_OK;
    if (outside && !ours)
        return CURLM_BAD_EASY_HANDLE;
    if (ours && (multi->calling || (outside && rb_member_refuses(multi))))
        return CURLM_RECURSIVE_API_CALL;
    if (!outside) {
        multi->inside++;
        code = multi->curl->multi_remove_handle(multi->real, bare);
        multi->inside--;
    }
    if (code != CURLM_OK)
        return code;
    if (ours)
        rb_multi_forget(easy);
    else
        rb_messages_forget(&multi->messages, bare);
    return code;
}

// In curl_multi_cleanup, libcurl calls only timer and socket callbacks. Our timer callback uses the record, so the
// record is freed afterwards.
CURLMcode rb_multi_cleanup(struct rb_multi *multi)
{
    if (multi->calling || multi->inside > 0)
        return multi->calling ? CURLM_RECURSIVE_API_CALL : multi->curl->multi_cleanup(multi->real);
    rb_members_forget(multi);
    rb_registry_take(&multis, multi->real);
    CURLMcode code = multi->curl->multi_cleanup(multi->real);
    rb_members_free(multi);
    rb_messages_free(&multi->messages);
    rb_ids_free(&multi->ids);
    free(multi);
    return code;
}

bool rb_multi_holds(const struct rb_handle *easy)
{
    return easy->member && easy->member->outside;
}

bool rb_multi_pause(struct rb_handle *easy, int mask)
{
    struct rb_member *member = easy->member;
    if (rb_transfer_pause(easy, mask)) {
        if (member && !member->multi->calling)
            rb_multi_callback_set_timer(member->multi);
        return true;
    }
    if (!easy->transfer || easy->response || (member && !member->outside))
        return false;
    rb_handle_data_set_flow(easy, mask & CURLPAUSE_RECV ? RB_FLOW_PAUSE_DUE : RB_FLOW_LIBCURL);
    return true;
}

// --- calls that drive libcurl

// In nested calls from a callback, no waiting member is resumed; the outer call does that. Handles that the program
// adds in a notification begin now.
static void multi_before(struct rb_multi *multi)
{
    if (multi->waiting > 0 && multi->inside == 0) {
        rb_members_attend(multi);
        rb_multi_callback_send_notifications(multi);
    }
    if (!rb_node_is_empty(&multi->fresh))
        rb_members_begin(multi);
}

static CURLMcode after(struct rb_multi *multi, CURLMcode code, int *running)
{
    multi->busy = !running || *running > 0;
    rb_members_drain(multi);
    if (running)
        *running += (int) multi->waiting;
    return rb_multi_callback_set_timer(multi) == -1 && code == CURLM_OK ? CURLM_ABORTED_BY_CALLBACK : code;
}

static bool is_idle(const struct rb_multi *multi)
{
    return multi->members == 0;
}

// multi_enter and multi_leave do our work before and after a call in which libcurl drives its transfers.
static unsigned multi_enter(struct rb_multi *multi)
{
    multi_before(multi);
    multi->inside++;
    return rb_guard_enter();
}

static CURLMcode multi_leave(struct rb_multi *multi, unsigned depth, CURLMcode code, int *running)
{
    rb_guard_leave(depth);
    multi->inside--;
    return after(multi, code, running);
}

// call: libcurl's function, which handles all of its transfers
static CURLMcode drive(struct rb_multi *multi, CURLMcode (*call)(CURLM *, int *), int *running)
{
    if (is_idle(multi))
        return call(multi->real, running);
    if (rb_member_refuses(multi))
        return CURLM_RECURSIVE_API_CALL;
    unsigned depth = multi_enter(multi);
    CURLMcode code = call(multi->real, running);
    return multi_leave(multi, depth, code, running);
}

CURLMcode rb_multi_perform(struct rb_multi *multi, int *running)
{
    return drive(multi, multi->curl->multi_perform, running);
}

CURLMcode rb_multi_socket_all(struct rb_multi *multi, int *running)
{
    return drive(multi, multi->curl->multi_socket_all, running);
}

// A timer that has expired is no longer set. libcurl sets it again if necessary.
CURLMcode rb_multi_socket_action(struct rb_multi *multi, curl_socket_t socket, int events, int *running)
{
    if (rb_member_refuses(multi))
        return CURLM_RECURSIVE_API_CALL;
    if (socket == CURL_SOCKET_TIMEOUT)
        multi->libcurl_ms = multi->armed_ms = RB_NEVER;
    if (is_idle(multi))
        return multi->curl->multi_socket_action(multi->real, socket, events, running);
    unsigned depth = multi_enter(multi);
    CURLMcode code = multi->curl->multi_socket_action(multi->real, socket, events, running);
    return multi_leave(multi, depth, code, running);
}

// --- waiting and queries

static int shorten(const struct rb_multi *multi, int timeout_ms)
{
    uint64_t due_ms = rb_members_due_ms(multi);
    if (due_ms == RB_NEVER)
        return timeout_ms;
    long own = rb_multi_callback_left_ms(due_ms);
    return timeout_ms < 0 || own < timeout_ms ? (int) own : timeout_ms;
}

// True if transfers wait and libcurl has none. libcurl's own wait would return at once, and the program's loop would
// spin.
static bool is_alone(const struct rb_multi *multi)
{
    return multi->waiting > 0 && !multi->busy;
}

// libcurl's names for events have the values of poll, so no event needs a translation.
_Static_assert(CURL_WAIT_POLLIN == POLLIN && CURL_WAIT_POLLPRI == POLLPRI && CURL_WAIT_POLLOUT == POLLOUT, "events");

static CURLMcode wait_alone(struct curl_waitfd *extra, unsigned count, int timeout_ms, int *ready)
{
    enum { EVENTS = CURL_WAIT_POLLIN | CURL_WAIT_POLLPRI | CURL_WAIT_POLLOUT };
    struct pollfd few[16], *all = count <= 16 ? few : malloc(count * sizeof(*all));
    if (!all)
        return CURLM_OUT_OF_MEMORY;
    for (unsigned i = 0; i < count; i++)
        all[i] = (struct pollfd){.fd = extra[i].fd, .events = (short) (extra[i].events & EVENTS)};
    int found = poll(all, count, timeout_ms);
    for (unsigned i = 0; i < count; i++)
        extra[i].revents = found > 0 ? (short) (all[i].revents & EVENTS) : 0;
    if (ready)
        *ready = found > 0 ? found : 0;
    if (all != few)
        free(all);
    return CURLM_OK;
}

CURLMcode rb_multi_wait(struct rb_multi *multi, struct curl_waitfd *extra, unsigned count, int timeout_ms, int *ready)
{
    if (rb_member_refuses(multi))
        return CURLM_RECURSIVE_API_CALL;
    int own_ms = timeout_ms < 0 ? timeout_ms : shorten(multi, timeout_ms); // libcurl rejects a negative timeout
    if (is_alone(multi) && timeout_ms >= 0)
        return wait_alone(extra, count, own_ms, ready);
    return multi->curl->multi_wait(multi->real, extra, count, own_ms, ready);
}

CURLMcode rb_multi_poll(struct rb_multi *multi, struct curl_waitfd *extra, unsigned count, int timeout_ms, int *ready)
{
    if (rb_member_refuses(multi))
        return CURLM_RECURSIVE_API_CALL;
    int own_ms = timeout_ms < 0 ? timeout_ms : shorten(multi, timeout_ms);
    if (is_alone(multi) && timeout_ms >= 0 &&
        !multi->curl->multi_wakeup) // with wakeup, libcurl's wait has a descriptor and does not return at once
        return wait_alone(extra, count, own_ms, ready);
    return multi->curl->multi_poll(multi->real, extra, count, own_ms, ready);
}

CURLMcode rb_multi_timeout(struct rb_multi *multi, long *timeout_ms)
{
    CURLMcode code = multi->calling ? CURLM_RECURSIVE_API_CALL : multi->curl->multi_timeout(multi->real, timeout_ms);
    if (code == CURLM_OK)
        *timeout_ms = shorten(multi, *timeout_ms > INT32_MAX ? INT32_MAX : (int) *timeout_ms);
    return code;
}

CURLMsg *rb_multi_info_read(struct rb_multi *multi, int *left)
{
    CURLMsg *message = NULL;
    if (multi->messages.count == 0 && is_idle(multi))
        return multi->curl->multi_info_read(multi->real, left);
    bool refused = rb_member_refuses(multi);
    if (multi->messages.count == 0 && !refused) {
        rb_members_drain(multi);
        rb_multi_callback_set_timer(multi);
    }
    if (multi->messages.count > 0 && !refused)
        message = rb_messages_take(&multi->messages);
    if (left)
        *left = refused ? 0 : (int) multi->messages.count;
    return message;
}

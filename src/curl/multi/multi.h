// SPDX-License-Identifier: MIT
// Transfers in a multi handle: a failed one leaves it, waits, and comes back, while the program sees it running.
//
// Everything happens in the program's own calls, never inside a callback: after the real perform or socket_action the
// real messages are read; those of transfers that are repeated go no further. There is no thread and no descriptor of
// ours. A handle that was taken out for a wait is counted as running, and the time to the end of the shortest wait goes
// into every answer about time: timeout, the timer callback, and how long poll and wait may take.
#ifndef RB_HTTP_MULTI_H
#define RB_HTTP_MULTI_H

#include "curl/handle.h"

struct rb_multi;

// Begins to track a multi handle that `curl` has made. Without memory for it the handle passes through.
void rb_multi_register(CURLM *handle, const struct rb_libcurl *curl);

// The record of a multi handle, or NULL. Lock-free.
struct rb_multi *rb_multi_find(CURLM *handle);

// The library that made it.
const struct rb_libcurl *rb_multi_owner(const struct rb_multi *multi);

// Each is the curl_multi_* function of the same name: parameters and result are those of libcurl's manual.
//   easy: the handle's record, NULL when we do not track it; then `bare` is passed on
CURLMcode rb_multi_cleanup(struct rb_multi *multi);
CURLMcode rb_multi_add(struct rb_multi *multi, struct rb_handle *easy, CURL *bare);
CURLMcode rb_multi_remove(struct rb_multi *multi, struct rb_handle *easy, CURL *bare);
CURLMcode rb_multi_perform(struct rb_multi *multi, int *running);
CURLMcode rb_multi_socket_action(struct rb_multi *multi, curl_socket_t socket, int events, int *running);
CURLMcode rb_multi_socket_all(struct rb_multi *multi, int *running);
CURLMcode rb_multi_wait(struct rb_multi *multi, struct curl_waitfd *extra, unsigned count, int timeout_ms, int *ready);
CURLMcode rb_multi_poll(struct rb_multi *multi, struct curl_waitfd *extra, unsigned count, int timeout_ms, int *ready);
CURLMcode rb_multi_timeout(struct rb_multi *multi, long *timeout_ms);
CURLMsg *rb_multi_info_read(struct rb_multi *multi, int *left);

// As curl_multi_notify_enable and curl_multi_notify_disable, where this libcurl has them.
CURLMcode rb_multi_notify(struct rb_multi *multi, unsigned kind, bool wanted);

// True for the options of a multi handle that are ours to set: the timer, the push and the notify callbacks.
bool rb_multi_replaces(CURLMoption option);

// Sets one of these.
CURLMcode rb_multi_set(struct rb_multi *multi, CURLMoption option, union rb_option value);

// The easy handle is about to be freed: it leaves its multi handle.
void rb_multi_forget(struct rb_handle *easy);

// True while the handle is out of its multi handle to wait, of which the program knows nothing.
bool rb_multi_holds(const struct rb_handle *easy);

// The program resumed (or paused) a transfer, in a multi handle or not. Returns true when libcurl must not hear of it:
// the handle waits outside, or its response is being delivered after the transfer.
bool rb_multi_pause(struct rb_handle *easy, int mask);

#endif

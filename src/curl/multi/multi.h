// SPDX-License-Identifier: MIT
// Transfers in a multi handle. A failed transfer is removed from libcurl's multi handle, waits and is added again. The
// program sees it running all the time.
//
// All work is done in the program's own calls, never in a callback, without a thread or a descriptor of ours. After
// perform or socket_action, libcurl's messages are read, and those of retried transfers are dropped. A waiting handle
// counts as running. The time until the next attempt shortens all times that the program gets: curl_multi_timeout, the
// timer callback, and the timeouts of poll and wait.
#ifndef RB_CURL_MULTI_MULTI_H
#define RB_CURL_MULTI_MULTI_H

#include "curl/handle.h"

struct rb_multi;

// Starts to track a multi handle of the library `curl`. Without memory, the handle passes through.
void rb_multi_register(CURLM *handle, const struct rb_libcurl *curl);

// Returns the record of a multi handle or NULL. Lock-free.
struct rb_multi *rb_multi_find(CURLM *handle);

// Returns the libcurl that made the handle.
const struct rb_libcurl *rb_multi_owner(const struct rb_multi *multi);

// Each function replaces curl_multi_* of the same name. See libcurl's manual for parameters and results.
//   easy: the handle's record; NULL if it is not tracked, then `bare` is passed to libcurl
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

// Removes the easy handle from its multi handle, because it is about to be freed.
void rb_multi_forget(struct rb_handle *easy);

// True while the handle waits outside libcurl's multi handle. The program does not see this.
bool rb_multi_holds(const struct rb_handle *easy);

// Handles curl_easy_pause, inside or outside a multi handle. Returns true when libcurl must not be called: the handle
// waits, or its response is being delivered after the transfer.
bool rb_multi_pause(struct rb_handle *easy, int mask);

#endif

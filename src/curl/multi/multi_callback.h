// SPDX-License-Identifier: MIT
// Puts our callbacks for timer, push and notifications in place of the program's. libcurl does not know the members
// that wait outside of its multi handle. So our callbacks add what concerns these members, and then call the program's.
#ifndef RB_CURL_MULTI_MULTI_CALLBACK_H
#define RB_CURL_MULTI_MULTI_CALLBACK_H

#include "curl/handle_data.h"

struct rb_multi;

// Milliseconds until a time, at most INT32_MAX.
//   due_ms: in ms of rb_system_now_ms
long rb_multi_callback_left_ms(uint64_t due_ms);

// Sets the program's timer to the earlier one of libcurl's time and ours, if it changed. Returns the result of the
// program's callback: -1 on failure, else 0.
int rb_multi_callback_set_timer(struct rb_multi *multi);

// Notifies the program of members that have ended, and of messages in a queue that was empty.
void rb_multi_callback_send_notifications(struct rb_multi *multi);

// Replaces curl_multi_notify_enable and curl_multi_notify_disable. Call only if this libcurl has them.
CURLMcode rb_multi_callback_notify(struct rb_multi *multi, unsigned kind, bool wanted);

// True for options whose values we replace: timer, push and notify callbacks.
bool rb_multi_callback_replaces(CURLMoption option);

// Replaces curl_multi_setopt for these options.
CURLMcode rb_multi_callback_set(struct rb_multi *multi, CURLMoption option, union rb_option value);

#endif

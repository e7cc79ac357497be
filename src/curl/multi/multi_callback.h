// SPDX-License-Identifier: MIT
// Replaces the program's callbacks on a multi handle: timer, push and notify. libcurl only knows its own transfers, so
// its calls need additions (rb_multi_set in curl/multi/multi.h).
#ifndef RB_HTTP_MULTI_CALLBACK_H
#define RB_HTTP_MULTI_CALLBACK_H

#include "curl/multi/member.h"

// Milliseconds until a time, at most INT32_MAX.
//   due_ms: in ms of rb_system_now_ms
long rb_multi_left_ms(uint64_t due_ms);

// Sets the program's timer to the earlier one of libcurl's time and ours, if it changed. Returns the result of the
// program's callback: -1 on failure, else 0.
int rb_multi_set_timer(struct rb_multi *multi);

// Notifies the program of members that have ended, and of messages in a queue that was empty.
void rb_multi_send_notifications(struct rb_multi *multi);

#endif

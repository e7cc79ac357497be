// SPDX-License-Identifier: MIT
// What the program has a multi handle call: the timer, the push and the notify callbacks. Ours stand in their place
// (rb_multi_set, curl/multi/multi.h), for libcurl knows only of what is in its hands.
#ifndef RB_HTTP_MULTI_CALLBACK_H
#define RB_HTTP_MULTI_CALLBACK_H

#include "curl/multi/member.h"

// What is left until a time, in ms, at most INT32_MAX.
//   due_ms: of rb_system_now_ms
long rb_multi_left_ms(uint64_t due_ms);

// Sets the program's one timer to the earlier of libcurl's time and ours, where it is not set so already. Returns what
// the program's callback returned: -1 when it failed, else 0.
int rb_multi_set_timer(struct rb_multi *multi);

// Notifies the program of the members that have ended, and of messages where there were none.
void rb_multi_tell(struct rb_multi *multi);

#endif

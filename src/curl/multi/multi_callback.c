// SPDX-License-Identifier: MIT
// The callbacks of a multi handle: timer, notifications, pushed streams.
#include "curl/multi/multi_callback.h"

#include "base/arithmetic.h"
#include "curl/handle.h"
#include "curl/multi/member.h"
#include "curl/override.h"
#include "real/system.h"

// --- the timer

long rb_multi_callback_left_ms(uint64_t due_ms)
{
    uint64_t now_ms = rb_system_now_ms();
    uint64_t left = due_ms > now_ms ? due_ms - now_ms : 0;
    return left > INT32_MAX ? INT32_MAX : (long) left;
}

int rb_multi_callback_set_timer(struct rb_multi *multi)
{
    uint64_t due_ms = rb_arithmetic_min(rb_members_due_ms(multi), multi->libcurl_ms);
    bool asked = multi->asked;
    multi->asked = false;
    if (!multi->timer || (due_ms == multi->armed_ms && !asked))
        return 0;
    multi->armed_ms = due_ms;
    return multi->timer(multi->real, due_ms == RB_NEVER ? -1 : rb_multi_callback_left_ms(due_ms), multi->timer_data);
}

static int on_timer(CURLM *real, long timeout_ms, void *context)
{
    struct rb_multi *multi = context;
    (void) real;
    multi->libcurl_ms = timeout_ms < 0 ? RB_NEVER : rb_system_now_ms() + (uint64_t) timeout_ms;
    multi->asked = true;
    return multi->calling ? 0 : rb_multi_callback_set_timer(multi); // otherwise the timer is set at the end of the call
}

// --- notifications

// Searches from the start of the list each time, because the program's callback may add and remove handles.
void rb_multi_callback_send_notifications(struct rb_multi *multi)
{
    while (multi->unreported > 0) {
        struct rb_node *link = multi->ended.next;
        while (link != &multi->ended && !((struct rb_member *) link)->unreported)
            link = link->next;
        if (link == &multi->ended)
            break;
        struct rb_member *member = (struct rb_member *) link;
        member->unreported = false;
        multi->unreported--;
        if (rb_member_notifies(multi, RB_NOTIFY_EASY_DONE))
            multi->notify(multi->real, RB_NOTIFY_EASY_DONE, member->easy->easy, multi->notify_data);
    }
    bool news = multi->messages.news && multi->messages.count > 0;
    multi->messages.news = false;
    if (news && rb_member_notifies(multi, RB_NOTIFY_INFO_READ))
        multi->notify(multi->real, RB_NOTIFY_INFO_READ, multi->internal, multi->notify_data);
}

// libcurl notifies of every attempt. The program only gets notifications for transfers that have ended and for its
// messages.
static void on_notify(CURLM *real, unsigned kind, CURL *easy, void *context)
{
    struct rb_multi *multi = context;
    if (kind == RB_NOTIFY_INFO_READ)
        multi->internal = easy;
    rb_members_drain(multi);
    const struct rb_member *member = rb_member_of(multi, easy);
    bool ours = kind == RB_NOTIFY_INFO_READ || (member && (member->own || member->transfer));
    if (!ours)
        multi->notify(real, kind, easy, multi->notify_data);
    rb_multi_callback_send_notifications(multi);
}

// --- options

// A handle for a pushed stream is a copy with our callbacks, which refer to the parent's record. Restores the program's
// callbacks.
static int on_push(CURL *parent, CURL *easy, size_t count, struct curl_pushheaders *headers, void *context)
{
    const struct rb_multi *multi = context;
    const struct rb_handle *handle = rb_handle_find(parent);
    if (handle)
        rb_override_restore(handle, easy);
    return multi->push(parent, easy, count, headers, multi->push_data);
}

bool rb_multi_callback_replaces(CURLMoption option)
{
    return option == CURLMOPT_TIMERFUNCTION || option == CURLMOPT_TIMERDATA || option == CURLMOPT_PUSHFUNCTION ||
           option == CURLMOPT_PUSHDATA || (int) option == RB_NOTIFYFUNCTION || (int) option == RB_NOTIFYDATA;
}

static CURLMcode set_pair(const struct rb_multi *multi, CURLMoption function, void (*ours)(void), CURLMoption data)
{
    CURLMcode code = multi->curl->multi_setopt(multi->real, function, ours);
    if (code == CURLM_OK)
        code = multi->curl->multi_setopt(multi->real, data, multi);
    return code;
}

// libcurl returns an error if it does not have the option.
static CURLMcode set_notify(struct rb_multi *multi, rb_notify_callback callback)
{
    CURLMcode code = set_pair(multi, (CURLMoption) RB_NOTIFYFUNCTION, callback ? (void (*)(void)) on_notify : NULL,
                              (CURLMoption) RB_NOTIFYDATA);
    if (code == CURLM_OK)
        multi->notify = callback;
    return code;
}

CURLMcode rb_multi_callback_notify(struct rb_multi *multi, unsigned kind, bool wanted)
{
    CURLMcode code = wanted ? multi->curl->multi_notify_enable(multi->real, kind)
                            : multi->curl->multi_notify_disable(multi->real, kind);
    if (code == CURLM_OK && wanted)
        multi->notified |= 1U << kind;
    else if (code == CURLM_OK)
        multi->notified &= ~(1U << kind);
    return code;
}

CURLMcode rb_multi_callback_set(struct rb_multi *multi, CURLMoption option, union rb_option value)
{
    CURLMcode code;
    if (rb_member_refuses(multi))
        return CURLM_RECURSIVE_API_CALL;
    switch ((int) option) {
    case RB_NOTIFYFUNCTION:
        return set_notify(multi, (rb_notify_callback) value.function);
    case RB_NOTIFYDATA: // an error shows that libcurl does not have the option
        code = multi->curl->multi_setopt(multi->real, (CURLMoption) RB_NOTIFYDATA, multi);
        if (code == CURLM_OK)
            multi->notify_data = value.pointer;
        return code;
    case CURLMOPT_TIMERFUNCTION:
        multi->timer = (curl_multi_timer_callback) value.function;
        multi->armed_ms = RB_NEVER;
        return set_pair(multi, option, value.function ? (void (*)(void)) on_timer : NULL, CURLMOPT_TIMERDATA);
    case CURLMOPT_PUSHFUNCTION:
        multi->push = (curl_push_callback) value.function;
        return set_pair(multi, option, value.function ? (void (*)(void)) on_push : NULL, CURLMOPT_PUSHDATA);
    case CURLMOPT_TIMERDATA:
        multi->timer_data = value.pointer;
        return CURLM_OK;
    default:
        multi->push_data = value.pointer;
        return CURLM_OK;
    }
}

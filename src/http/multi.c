// SPDX-License-Identifier: MIT
// The members of a multi handle: where each is, and what the program is told of it.
#include "http/multi.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "http/callbacks.h"
#include "http/figures.h"
#include "http/registry.h"
#include "http/transfer.h"
#include "real/guard.h"
#include "real/system.h"
#include "state/process.h"

// How often the progress callback of a waiting transfer is called; it is how programs cancel.
enum { PROGRESS_MS = 200 };

enum { SPARES_MAX = 1024 };

static const uint64_t never = UINT64_MAX;

struct link {
    struct link *next, *previous;
};

// One easy handle that the program added.
struct rb_member {
    struct link link; // first: in one of the lists of the multi handle
    struct rb_multi *multi;
    struct rb_handle *easy;
    struct rb_transfer *transfer; // `room`; NULL: it passes through, or has ended
    CURLcode code;                // of a transfer whose delivery lingers
    bool outside;                 // libcurl's multi handle does not have it
    uint64_t due_ms;              // end of the wait
    CURLMsg message;
    bool own;    // the message is ours
    bool untold; // the program is to be notified of its end
    struct rb_transfer room;
};

struct rb_multi {
    CURLM *real;
    const struct rb_libcurl *curl;
    bool calling;    // it is we who may be calling the program back
    unsigned inside; // calls of libcurl's under way, from which it may call the program back
    bool busy;       // libcurl has transfers in its hands, as far as we know

    struct link fresh;     // added since the last call: the program may still set options
    struct link running;   // in libcurl's hands
    struct link parked;    // outside for a wait, the one due first in front
    struct link lingering; // ended, with a delivery that the program paused
    struct link ended;     // the program has been, or will be, told
    unsigned members;      // in all of these
    unsigned waiting;      // parked or lingering: running, as far as the program is concerned
    uint64_t progress_ms;  // when progress callbacks are due; never: none is wanted
    struct link spare;     // owned: members to be used again, while their memory is warm
    unsigned spares;

    CURLMsg **messages; // owned ring of messages that the program has not read
    size_t first, count, room;

    curl_multi_timer_callback timer; // the program's
    void *timer_data;
    uint64_t libcurl_ms; // when libcurl wants to be called
    uint64_t armed_ms;   // what the program's timer is set to
    bool asked;          // libcurl wants it set, whatever it is set to
    curl_push_callback push;
    void *push_data;

    rb_notify_callback notify; // the program's
    void *notify_data;
    unsigned notified; // kinds that it enabled, as bits
    CURL *internal;    // libcurl's own handle, which it passes with news of messages; NULL: not seen yet
    unsigned untold;   // members of whose end the program is to be notified
    bool news;         // a message came where there was none
};

static struct rb_registry multis;

// --- lists

static void list_init(struct link *list)
{
    list->next = list->previous = list;
}

static bool list_empty(const struct link *list)
{
    return list->next == list;
}

static void list_take(struct link *link)
{
    link->previous->next = link->next;
    link->next->previous = link->previous;
}

static void list_put_before(struct link *link, struct link *place)
{
    link->next = place;
    link->previous = place->previous;
    place->previous->next = link;
    place->previous = link;
}

static void move(struct rb_member *member, struct link *list)
{
    list_take(&member->link);
    list_put_before(&member->link, list);
}

static struct rb_member *first_of(const struct link *list)
{
    return list_empty(list) ? NULL : (struct rb_member *) list->next;
}

// --- life

void rb_multi_register(CURLM *handle, const struct rb_libcurl *curl)
{
    free(rb_registry_take(&multis, handle)); // an address that libcurl freed behind our back
    struct rb_multi *multi = calloc(1, sizeof *multi);
    if (!multi)
        return;
    multi->real = handle;
    multi->curl = curl;
    multi->progress_ms = multi->libcurl_ms = multi->armed_ms = never;
    list_init(&multi->fresh);
    list_init(&multi->running);
    list_init(&multi->parked);
    list_init(&multi->lingering);
    list_init(&multi->ended);
    list_init(&multi->spare);
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

// Whether libcurl refuses calls on the multi handle, being in a callback. Not every version does so in every callback,
// so it is asked.
static bool refuses(const struct rb_multi *multi)
{
    long unused;
    return multi->calling ||
           (multi->inside > 0 && multi->curl->multi_timeout(multi->real, &unused) == CURLM_RECURSIVE_API_CALL);
}

// --- messages

static bool make_room(struct rb_multi *multi, size_t wanted)
{
    if (wanted <= multi->room)
        return true;
    size_t room = multi->room ? multi->room : 16;
    while (room < wanted)
        room *= 2;
    CURLMsg **larger = malloc(room * sizeof(CURLMsg *));
    if (!larger)
        return false;
    for (size_t i = 0; multi->room > 0 && i < multi->count; i++)
        larger[i] = multi->messages[(multi->first + i) % multi->room];
    free(multi->messages);
    multi->messages = larger;
    multi->room = room;
    multi->first = 0;
    return true;
}

// The room was made before.
static void put_message(struct rb_multi *multi, CURLMsg *message)
{
    if (multi->count >= multi->room)
        return;
    multi->news |= multi->count == 0;
    multi->messages[(multi->first + multi->count++) % multi->room] = message;
}

static CURLMsg *take_message(struct rb_multi *multi)
{
    CURLMsg *message = multi->messages[multi->first];
    multi->first = (multi->first + 1) % multi->room;
    multi->count--;
    return message;
}

// As libcurl does when a handle is removed.
static void forget_messages(struct rb_multi *multi, const CURL *easy)
{
    size_t count = multi->count;
    bool news = multi->news;
    for (size_t i = 0; i < count; i++) {
        CURLMsg *message = take_message(multi);
        if (message->easy_handle != easy)
            put_message(multi, message);
    }
    multi->news = news;
}

// --- time

static bool watches(const struct rb_handle *handle)
{
    return !handle->no_progress && (handle->progress || handle->old_progress);
}

static uint64_t earlier(uint64_t one_ms, uint64_t other_ms)
{
    return one_ms < other_ms ? one_ms : other_ms;
}

// A paused delivery is due when the program resumes it, or when its time is over.
static uint64_t delivery_due_ms(const struct rb_multi *multi)
{
    uint64_t due_ms = never;
    for (const struct link *link = multi->lingering.next; link != &multi->lingering; link = link->next) {
        const struct rb_member *member = (const struct rb_member *) link;
        due_ms = earlier(due_ms, member->easy->paused ? member->transfer->program_deadline_ms : 0);
    }
    return due_ms;
}

// When the program has to call us for the sake of a waiting transfer.
static uint64_t next_due_ms(const struct rb_multi *multi)
{
    const struct rb_member *first = first_of(&multi->parked);
    if (multi->waiting == 0)
        return never;
    return earlier(earlier(multi->progress_ms, delivery_due_ms(multi)), first ? first->due_ms : never);
}

static long left_ms(uint64_t due_ms)
{
    uint64_t now_ms = rb_system_now_ms();
    uint64_t left = due_ms > now_ms ? due_ms - now_ms : 0;
    return left > INT32_MAX ? INT32_MAX : (long) left;
}

// Sets the program's one timer to the earlier of libcurl's time and ours.
static int set_timer(struct rb_multi *multi)
{
    uint64_t due_ms = earlier(next_due_ms(multi), multi->libcurl_ms);
    bool asked = multi->asked;
    multi->asked = false;
    if (!multi->timer || (due_ms == multi->armed_ms && !asked))
        return 0;
    multi->armed_ms = due_ms;
    return multi->timer(multi->real, due_ms == never ? -1 : left_ms(due_ms), multi->timer_data);
}

static int on_timer(CURLM *real, long timeout_ms, void *context)
{
    struct rb_multi *multi = context;
    (void) real;
    multi->libcurl_ms = timeout_ms < 0 ? never : rb_system_now_ms() + (uint64_t) timeout_ms;
    multi->asked = true;
    return multi->calling ? 0 : set_timer(multi); // else at the end of the call
}

// --- one member's way

static void leave_transfer(struct rb_member *member)
{
    if (!member->transfer)
        return;
    rb_transfer_end(member->transfer);
    member->transfer = NULL;
}

// A transfer whose progress is watched is cancelled by that, also while nothing moves.
static void watch(const struct rb_member *member)
{
    if (watches(member->easy) && member->multi->progress_ms == never)
        member->multi->progress_ms = rb_system_now_ms() + PROGRESS_MS;
}

static bool is_notified(const struct rb_multi *multi, unsigned kind)
{
    return multi->notify && (multi->notified & 1U << kind);
}

// Delivers what is held and tells the program, unless it pauses the delivery.
static void finish(struct rb_member *member, CURLcode code)
{
    struct rb_multi *multi = member->multi;
    if (rb_transfer_deliver(member->transfer, &code) == RB_DELIVERY_PAUSED) {
        member->code = code;
        move(member, &multi->lingering);
        multi->waiting++;
        watch(member);
        return;
    }
    leave_transfer(member);
    member->message = (CURLMsg){.msg = CURLMSG_DONE, .easy_handle = member->easy->easy};
    member->message.data.result = code;
    member->own = true;
    member->untold = is_notified(multi, RB_NOTIFY_EASY_DONE);
    multi->untold += member->untold;
    move(member, &multi->ended);
    put_message(multi, &member->message);
}

static void insert_parked(struct rb_multi *multi, struct rb_member *member)
{
    struct link *place = &multi->parked;
    while (place->previous != &multi->parked && ((struct rb_member *) place->previous)->due_ms > member->due_ms)
        place = place->previous;
    list_take(&member->link);
    list_put_before(&member->link, place);
}

// Takes a member out for its wait. Returns false when libcurl does not let go of it.
static bool park(struct rb_member *member)
{
    struct rb_multi *multi = member->multi;
    uint64_t now_ms = rb_system_now_ms();
    if (multi->curl->multi_remove_handle(multi->real, member->easy->easy) != CURLM_OK)
        return false;
    member->outside = true;
    member->due_ms = now_ms + member->transfer->delay_ms;
    insert_parked(multi, member);
    multi->waiting++;
    watch(member);
    return true;
}

static void ended(struct rb_member *member, CURLcode code)
{
    if (rb_transfer_ended(member->transfer, &code) == RB_TRANSFER_WAIT) {
        if (park(member))
            return;
        rb_transfer_give_up(member->transfer, RB_REASON_RESOURCE, &code);
    }
    finish(member, code);
}

static void come_back(struct rb_member *member)
{
    struct rb_multi *multi = member->multi;
    CURLcode code = CURLE_OK;
    move(member, &multi->running);
    multi->waiting--;
    if (member->transfer->call.attempt == 0) {
        rb_transfer_start(member->transfer);
    } else if (!rb_transfer_again(member->transfer, &code)) {
        finish(member, code);
        return;
    }
    member->outside = multi->curl->multi_add_handle(multi->real, member->easy->easy) != CURLM_OK;
    if (member->outside)
        ended(member, CURLE_OUT_OF_MEMORY);
}

static void begin(struct rb_member *member)
{
    struct rb_multi *multi = member->multi;
    const struct rb_policy *policy = rb_guard_depth > 0 || !rb_process_active() ? NULL : rb_process_policy();
    move(member, &multi->running);
    rb_figures_forget(member->easy);
    if (!policy || !rb_transfer_begin(&member->room, member->easy, policy))
        return;
    member->transfer = &member->room;
    if (!rb_transfer_hold(member->transfer) || !park(member))
        rb_transfer_start(member->transfer);
}

// --- before and after each call that drives libcurl

static void cancel(struct rb_member *member)
{
    CURLcode code = CURLE_ABORTED_BY_CALLBACK;
    member->multi->waiting--;
    if (member->easy->late)
        rb_transfer_interrupt(member->transfer, code);
    else
        rb_transfer_abort(member->transfer, &code);
    finish(member, code);
}

static void show_progress_of(struct rb_multi *multi, const struct link *list, uint64_t now_ms)
{
    for (struct link *link = list->next, *next; link != list; link = next) {
        struct rb_member *member = (struct rb_member *) link;
        next = link->next;
        if (!watches(member->easy))
            continue;
        multi->progress_ms = now_ms + PROGRESS_MS;
        if (!rb_transfer_goes_on(member->easy))
            cancel(member);
    }
}

static void show_progress(struct rb_multi *multi, uint64_t now_ms)
{
    if (multi->progress_ms > now_ms)
        return;
    multi->progress_ms = never;
    show_progress_of(multi, &multi->parked, now_ms);
    show_progress_of(multi, &multi->lingering, now_ms);
}

static void go_on_delivering(struct rb_multi *multi, uint64_t now_ms)
{
    for (struct link *link = multi->lingering.next, *next; link != &multi->lingering; link = next) {
        struct rb_member *member = (struct rb_member *) link;
        next = link->next;
        if (member->easy->paused && member->transfer->program_deadline_ms > now_ms)
            continue;
        if (member->easy->paused) {
            member->code = CURLE_OPERATION_TIMEDOUT;
            rb_transfer_interrupt(member->transfer, member->code);
        }
        multi->waiting--;
        finish(member, member->code);
    }
}

// The program may remove and add any handle from its callback: the list is looked at anew each time.
static struct rb_member *next_untold(const struct rb_multi *multi)
{
    struct link *link = multi->ended.next;
    while (link != &multi->ended && !((struct rb_member *) link)->untold)
        link = link->next;
    return link == &multi->ended ? NULL : (struct rb_member *) link;
}

static void notify(struct rb_multi *multi)
{
    struct rb_member *member;
    while (multi->untold > 0 && (member = next_untold(multi))) {
        member->untold = false;
        multi->untold--;
        if (is_notified(multi, RB_NOTIFY_EASY_DONE))
            multi->notify(multi->real, RB_NOTIFY_EASY_DONE, member->easy->easy, multi->notify_data);
    }
    bool news = multi->news && multi->count > 0;
    multi->news = false;
    if (news && is_notified(multi, RB_NOTIFY_INFO_READ))
        multi->notify(multi->real, RB_NOTIFY_INFO_READ, multi->internal, multi->notify_data);
}

static void attend_waiting(struct rb_multi *multi)
{
    struct rb_member *member;
    uint64_t now_ms = rb_system_now_ms();
    multi->calling = true;
    show_progress(multi, now_ms);
    while ((member = first_of(&multi->parked)) && member->due_ms <= now_ms)
        come_back(member);
    go_on_delivering(multi, now_ms);
    multi->calling = false;
    notify(multi);
}

// From within a callback, where libcurl allows that at all, no transfer comes back: the outer call will see to it. What
// the program adds when it is notified begins now, too.
static void before(struct rb_multi *multi)
{
    struct rb_member *member;
    if (multi->waiting > 0 && multi->inside == 0)
        attend_waiting(multi);
    while ((member = first_of(&multi->fresh)))
        begin(member);
}

static struct rb_member *member_of(const struct rb_multi *multi, CURL *easy)
{
    const struct rb_handle *handle = rb_handle_find(easy);
    return handle && handle->member && handle->member->multi == multi ? handle->member : NULL;
}

// Reads libcurl's messages. Those of transfers that go on are not for the program. Without memory for more, the rest
// stays where it is until the program has read some.
static void drain(struct rb_multi *multi)
{
    CURLMsg *message;
    int left;
    multi->calling = true;
    while (make_room(multi, multi->members + multi->count + 1) &&
           (message = multi->curl->multi_info_read(multi->real, &left))) {
        struct rb_member *member = message->msg == CURLMSG_DONE ? member_of(multi, message->easy_handle) : NULL;
        if (member && member->transfer) {
            ended(member, message->data.result);
            continue;
        }
        if (member)
            move(member, &multi->ended);
        put_message(multi, message);
    }
    multi->calling = false;
}

// libcurl notifies of each attempt; the program is to hear of transfers that have ended, and of messages for it.
static void on_notify(CURLM *real, unsigned kind, CURL *easy, void *context)
{
    struct rb_multi *multi = context;
    if (kind == RB_NOTIFY_INFO_READ)
        multi->internal = easy;
    drain(multi);
    const struct rb_member *member = member_of(multi, easy);
    bool ours = kind == RB_NOTIFY_INFO_READ || (member && (member->own || member->transfer));
    if (!ours)
        multi->notify(real, kind, easy, multi->notify_data);
    notify(multi);
}

static CURLMcode after(struct rb_multi *multi, CURLMcode code, int *running)
{
    multi->busy = !running || *running > 0;
    drain(multi);
    if (running)
        *running += (int) multi->waiting;
    return set_timer(multi) == -1 && code == CURLM_OK ? CURLM_ABORTED_BY_CALLBACK : code;
}

static bool is_idle(const struct rb_multi *multi)
{
    return multi->members == 0;
}

static unsigned enter(struct rb_multi *multi)
{
    multi->inside++;
    return rb_guard_enter();
}

static void leave(struct rb_multi *multi, unsigned depth)
{
    rb_guard_leave(depth);
    multi->inside--;
}

CURLMcode rb_multi_perform(struct rb_multi *multi, int *running)
{
    if (is_idle(multi))
        return multi->curl->multi_perform(multi->real, running);
    if (refuses(multi))
        return CURLM_RECURSIVE_API_CALL;
    before(multi);
    unsigned depth = enter(multi);
    CURLMcode code = multi->curl->multi_perform(multi->real, running);
    leave(multi, depth);
    return after(multi, code, running);
}

// A timer that went off is no longer set; libcurl sets it anew where it still wants it.
CURLMcode rb_multi_socket_action(struct rb_multi *multi, curl_socket_t socket, int events, int *running)
{
    if (refuses(multi))
        return CURLM_RECURSIVE_API_CALL;
    if (socket == CURL_SOCKET_TIMEOUT)
        multi->libcurl_ms = multi->armed_ms = never;
    if (is_idle(multi))
        return multi->curl->multi_socket_action(multi->real, socket, events, running);
    before(multi);
    unsigned depth = enter(multi);
    CURLMcode code = multi->curl->multi_socket_action(multi->real, socket, events, running);
    leave(multi, depth);
    return after(multi, code, running);
}

CURLMcode rb_multi_socket_all(struct rb_multi *multi, int *running)
{
    if (is_idle(multi))
        return multi->curl->multi_socket_all(multi->real, running);
    if (refuses(multi))
        return CURLM_RECURSIVE_API_CALL;
    before(multi);
    unsigned depth = enter(multi);
    CURLMcode code = multi->curl->multi_socket_all(multi->real, running);
    leave(multi, depth);
    return after(multi, code, running);
}

// --- waiting and asking

static int shorten(const struct rb_multi *multi, int timeout_ms)
{
    uint64_t due_ms = next_due_ms(multi);
    if (due_ms == never)
        return timeout_ms;
    long own = left_ms(due_ms);
    return timeout_ms < 0 || own < timeout_ms ? (int) own : timeout_ms;
}

static short to_poll(short events)
{
    return (short) ((events & CURL_WAIT_POLLIN ? POLLIN : 0) | (events & CURL_WAIT_POLLPRI ? POLLPRI : 0) |
                    (events & CURL_WAIT_POLLOUT ? POLLOUT : 0));
}

static short from_poll(short events)
{
    return (short) ((events & POLLIN ? CURL_WAIT_POLLIN : 0) | (events & POLLPRI ? CURL_WAIT_POLLPRI : 0) |
                    (events & POLLOUT ? CURL_WAIT_POLLOUT : 0));
}

// With nothing in its hands libcurl's own wait would return at once, and the program's loop would spin.
static CURLMcode wait_alone(struct curl_waitfd *extra, unsigned count, int timeout_ms, int *ready)
{
    struct pollfd few[16], *all = count <= 16 ? few : malloc(count * sizeof *all);
    if (!all)
        return CURLM_OUT_OF_MEMORY;
    for (unsigned i = 0; i < count; i++)
        all[i] = (struct pollfd){.fd = extra[i].fd, .events = to_poll(extra[i].events)};
    int found = poll(all, count, timeout_ms);
    for (unsigned i = 0; i < count; i++)
        extra[i].revents = found > 0 ? from_poll(all[i].revents) : 0;
    if (ready)
        *ready = found > 0 ? found : 0;
    if (all != few)
        free(all);
    return CURLM_OK;
}

CURLMcode rb_multi_wait(struct rb_multi *multi, struct curl_waitfd *extra, unsigned count, int timeout_ms, int *ready)
{
    if (refuses(multi))
        return CURLM_RECURSIVE_API_CALL;
    int own_ms = timeout_ms < 0 ? timeout_ms : shorten(multi, timeout_ms); // libcurl refuses a negative time
    if (multi->waiting > 0 && !multi->busy && timeout_ms >= 0)
        return wait_alone(extra, count, own_ms, ready);
    return multi->curl->multi_wait(multi->real, extra, count, own_ms, ready);
}

CURLMcode rb_multi_poll(struct rb_multi *multi, struct curl_waitfd *extra, unsigned count, int timeout_ms, int *ready)
{
    if (refuses(multi))
        return CURLM_RECURSIVE_API_CALL;
    int own_ms = timeout_ms < 0 ? timeout_ms : shorten(multi, timeout_ms);
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
    if (multi->count == 0 && is_idle(multi))
        return multi->curl->multi_info_read(multi->real, left);
    bool refused = refuses(multi);
    if (multi->count == 0 && !refused) {
        drain(multi);
        set_timer(multi);
    }
    if (multi->count > 0 && !refused)
        message = take_message(multi);
    if (left)
        *left = refused ? 0 : (int) multi->count;
    return message;
}

// --- adding and removing

static struct rb_member *take_spare(struct rb_multi *multi)
{
    struct rb_member *member = first_of(&multi->spare);
    if (!member)
        return malloc(sizeof *member);
    list_take(&member->link);
    multi->spares--;
    return member;
}

// The one that was used last is used first.
static void spare(struct rb_multi *multi, struct rb_member *member)
{
    if (multi->spares == SPARES_MAX) {
        free(member);
        return;
    }
    list_put_before(&member->link, multi->spare.next);
    multi->spares++;
}

// Without memory the handle passes through; the room for its message is made now.
static struct rb_member *make_member(struct rb_multi *multi, struct rb_handle *easy)
{
    struct rb_member *member = NULL;
    if (easy && easy->curl == multi->curl && !easy->member && make_room(multi, multi->members + multi->count + 1))
        member = take_spare(multi);
    if (!member)
        return NULL;
    memset(member, 0, offsetof(struct rb_member, room));
    member->multi = multi;
    member->easy = easy;
    return member;
}

static void join(struct rb_multi *multi, struct rb_member *member)
{
    list_put_before(&member->link, &multi->fresh);
    multi->members++;
    member->easy->member = member;
}

// libcurl may ask for its timer before it returns, and the program may drive the handle from there.
CURLMcode rb_multi_add(struct rb_multi *multi, struct rb_handle *easy, CURL *bare)
{
    if (easy && (rb_multi_holds(easy) || (easy->member && multi->calling)))
        return CURLM_ADDED_ALREADY;
    if (multi->calling)
        return CURLM_RECURSIVE_API_CALL;
    struct rb_member *member = make_member(multi, easy);
    if (member)
        join(multi, member);
    multi->inside++;
    CURLMcode code = multi->curl->multi_add_handle(multi->real, bare);
    multi->inside--;
    multi->busy |= code == CURLM_OK;
    if (code != CURLM_OK && member)
        rb_multi_forget(easy);
    return code;
}

void rb_multi_forget(struct rb_handle *easy)
{
    struct rb_member *member = easy->member;
    if (!member)
        return;
    struct rb_multi *multi = member->multi;
    if (member->transfer && (member->outside || easy->late))
        multi->waiting--;
    leave_transfer(member);
    list_take(&member->link);
    multi->members--;
    multi->untold -= member->untold;
    forget_messages(multi, easy->easy);
    easy->member = NULL;
    spare(multi, member);
}

// libcurl's answer where it would not remove the handle if it had it; CURLM_OK: it may.
static CURLMcode may_remove(const struct rb_multi *multi, const struct rb_member *member)
{
    if (member->multi != multi)
        return member->outside ? CURLM_BAD_EASY_HANDLE : CURLM_OK; // of another one libcurl knows itself
    return multi->calling || (member->outside && refuses(multi)) ? CURLM_RECURSIVE_API_CALL : CURLM_OK;
}

static CURLMcode remove_real(struct rb_multi *multi, CURL *bare)
{
    multi->inside++;
    CURLMcode code = multi->curl->multi_remove_handle(multi->real, bare);
    multi->inside--;
    return code;
}

CURLMcode rb_multi_remove(struct rb_multi *multi, struct rb_handle *easy, CURL *bare)
{
    struct rb_member *member = easy ? easy->member : NULL;
    CURLMcode code = member ? may_remove(multi, member) : CURLM_OK;
    if (code == CURLM_OK && (!member || !member->outside))
        code = remove_real(multi, bare);
    if (code != CURLM_OK)
        return code;
    if (member && member->multi == multi)
        rb_multi_forget(easy);
    else
        forget_messages(multi, bare);
    return code;
}

static void forget_all(struct link *list)
{
    struct rb_member *member;
    while ((member = first_of(list)))
        rb_multi_forget(member->easy);
}

static void free_spares(struct rb_multi *multi)
{
    for (struct link *link = multi->spare.next, *next; link != &multi->spare; link = next) {
        next = link->next;
        free(link); // the first in its member
    }
}

// Called back only for timers and sockets, for which ours stays until then.
CURLMcode rb_multi_cleanup(struct rb_multi *multi)
{
    if (multi->calling || multi->inside > 0)
        return multi->calling ? CURLM_RECURSIVE_API_CALL : multi->curl->multi_cleanup(multi->real);
    struct link *lists[] = {&multi->fresh, &multi->running, &multi->parked, &multi->lingering, &multi->ended};
    for (unsigned i = 0; i < sizeof lists / sizeof lists[0]; i++)
        forget_all(lists[i]);
    rb_registry_take(&multis, multi->real);
    CURLMcode code = multi->curl->multi_cleanup(multi->real);
    free_spares(multi);
    free(multi->messages);
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
            set_timer(member->multi);
        return true;
    }
    if (!easy->transfer || easy->response || (member && !member->outside))
        return false;
    easy->pause_wanted = mask & CURLPAUSE_RECV;
    return true;
}

// --- options

// A clone for a pushed stream has our callbacks, with the parent's record.
static int on_push(CURL *parent, CURL *easy, size_t count, struct curl_pushheaders *headers, void *context)
{
    const struct rb_multi *multi = context;
    const struct rb_handle *handle = rb_handle_find(parent);
    if (handle)
        rb_callbacks_return(handle, easy);
    return multi->push(parent, easy, count, headers, multi->push_data);
}

bool rb_multi_replaces(CURLMoption option)
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

// libcurl says whether it knows the option at all.
static CURLMcode set_notify(struct rb_multi *multi, rb_notify_callback callback)
{
    CURLMcode code = set_pair(multi, (CURLMoption) RB_NOTIFYFUNCTION, callback ? (void (*)(void)) on_notify : NULL,
                              (CURLMoption) RB_NOTIFYDATA);
    if (code == CURLM_OK)
        multi->notify = callback;
    return code;
}

static CURLMcode set_notify_data(struct rb_multi *multi, void *data)
{
    CURLMcode code = multi->curl->multi_setopt(multi->real, (CURLMoption) RB_NOTIFYDATA, multi);
    if (code == CURLM_OK)
        multi->notify_data = data;
    return code;
}

CURLMcode rb_multi_notify(struct rb_multi *multi, unsigned kind, bool wanted)
{
    CURLMcode code = wanted ? multi->curl->multi_notify_enable(multi->real, kind)
                            : multi->curl->multi_notify_disable(multi->real, kind);
    if (code == CURLM_OK && wanted)
        multi->notified |= 1U << kind;
    else if (code == CURLM_OK)
        multi->notified &= ~(1U << kind);
    return code;
}

CURLMcode rb_multi_set(struct rb_multi *multi, CURLMoption option, union rb_option value)
{
    if (refuses(multi))
        return CURLM_RECURSIVE_API_CALL;
    switch ((int) option) {
    case RB_NOTIFYFUNCTION:
        return set_notify(multi, (rb_notify_callback) value.function);
    case RB_NOTIFYDATA:
        return set_notify_data(multi, value.pointer);
    case CURLMOPT_TIMERFUNCTION:
        multi->timer = (curl_multi_timer_callback) value.function;
        multi->armed_ms = never;
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

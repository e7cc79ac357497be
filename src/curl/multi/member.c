// SPDX-License-Identifier: MIT
// Moves the members of a multi handle between its lists. The header draws the lists.
#include "curl/multi/member.h"

#include <stdlib.h>
#include <string.h>

#include "base/arithmetic.h"
#include "curl/figures.h"
#include "curl/handle.h"
#include "curl/ids.h"
#include "process/process.h"
#include "real/guard.h"
#include "real/system.h"

// Time in ms between two progress callbacks for a waiting transfer. A program cancels a transfer by the callback's
// result.
enum { PROGRESS_MS = 200 };

// Number of freed members that a multi handle keeps for reuse.
enum { SPARES_MAX = 1024 };

static void list_init(struct rb_node *list)
{
    list->next = list->previous = list;
}

static void list_take(struct rb_node *link)
{
    link->previous->next = link->next;
    link->next->previous = link->previous;
}

static void list_put_before(struct rb_node *link, struct rb_node *place)
{
    link->next = place;
    link->previous = place->previous;
    place->previous->next = link;
    place->previous = link;
}

static void move(struct rb_member *member, struct rb_node *list)
{
    list_take(&member->link);
    list_put_before(&member->link, list);
}

static struct rb_member *first_of(const struct rb_node *list)
{
    return rb_node_is_empty(list) ? NULL : (struct rb_member *) list->next;
}

// Reserves room for the queued messages, for one message of each member, and for one more. The last one is for the
// member that is being added, or for a message of a handle that is not a member. Returns false without memory.
static bool reserve(struct rb_multi *multi)
{
    return rb_messages_reserve(&multi->messages, multi->members + multi->messages.count + 1);
}

// --- adding and removing

void rb_members_init(struct rb_multi *multi)
{
    list_init(&multi->fresh);
    list_init(&multi->running);
    list_init(&multi->parked);
    list_init(&multi->delivering);
    list_init(&multi->ended);
    list_init(&multi->spare);
}

static struct rb_member *take_spare(struct rb_multi *multi)
{
    struct rb_member *member = first_of(&multi->spare);
    if (!member)
        return malloc(sizeof(*member));
    list_take(&member->link);
    multi->spares--;
    return member;
}

// Keeps the memory of a member for reuse. Puts it at the front of the list, because take_spare takes the first one, and
// memory that was used last is most likely still in the processor's cache.
static void spare(struct rb_multi *multi, struct rb_member *member)
{
    if (multi->spares == SPARES_MAX) {
        free(member);
        return;
    }
    list_put_before(&member->link, multi->spare.next);
    multi->spares++;
}

// Reserves room for the member's message now, so that finish() needs no memory to queue it.
struct rb_member *rb_member_add(struct rb_multi *multi, struct rb_handle *easy)
{
    struct rb_member *member = NULL;
    if (easy && easy->curl == multi->curl && !easy->member && reserve(multi))
        member = take_spare(multi);
    if (!member)
        return NULL;
    memset(member, 0, offsetof(struct rb_member, room));
    member->multi = multi;
    member->easy = easy;
    list_put_before(&member->link, &multi->fresh);
    multi->members++;
    easy->member = member;
    easy->multi_ids = &multi->ids;
    rb_ids_free(&easy->own_ids); // libcurl closes the connections that curl_easy_perform has kept
    rb_ids_begin(easy);
    return member;
}

static void leave_transfer(struct rb_member *member)
{
    if (!member->transfer)
        return;
    rb_transfer_end(member->transfer);
    member->transfer = NULL;
}

void rb_member_forget(struct rb_handle *easy)
{
    struct rb_member *member = easy->member;
    if (!member)
        return;
    struct rb_multi *multi = member->multi;
    if (member->transfer && (member->outside || rb_handle_data_is_late(easy)))
        multi->waiting--;
    leave_transfer(member);
    list_take(&member->link);
    multi->members--;
    multi->unreported -= member->unreported;
    rb_messages_forget(&multi->messages, easy->easy);
    easy->member = NULL;
    easy->multi_ids = NULL;
    spare(multi, member);
}

struct rb_member *rb_member_of(const struct rb_multi *multi, CURL *easy)
{
    const struct rb_handle *handle = rb_handle_find(easy);
    return handle && handle->member && handle->member->multi == multi ? handle->member : NULL;
}

void rb_members_forget(struct rb_multi *multi)
{
    struct rb_node *lists[] = {&multi->fresh, &multi->running, &multi->parked, &multi->delivering, &multi->ended};
    for (unsigned i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        struct rb_member *member;
        while ((member = first_of(lists[i])))
            rb_member_forget(member->easy);
    }
}

void rb_members_free(struct rb_multi *multi)
{
    for (struct rb_node *link = multi->spare.next, *next; link != &multi->spare; link = next) {
        next = link->next;
        free(link); // the link is the first field of the member
    }
}

// --- time

// Returns true if the program has set a progress callback and has not disabled it (CURLOPT_NOPROGRESS).
static bool watches(const struct rb_handle *handle)
{
    return !handle->no_progress && (handle->progress || handle->old_progress);
}

// Returns the earliest time at which a member in `delivering` needs a call. A paused delivery is due at its transfer's
// deadline. A delivery that the program has resumed is due at once (0).
static uint64_t delivery_due_ms(const struct rb_multi *multi)
{
    uint64_t due_ms = RB_NEVER;
    for (const struct rb_node *link = multi->delivering.next; link != &multi->delivering; link = link->next) {
        const struct rb_member *member = (const struct rb_member *) link;
        bool paused = member->easy->flow == RB_FLOW_LATE_PAUSED;
        due_ms = rb_arithmetic_min(due_ms, paused ? member->transfer->program_deadline_ms : 0);
    }
    return due_ms;
}

uint64_t rb_members_waiting_due_ms(const struct rb_multi *multi)
{
    const struct rb_member *first = first_of(&multi->parked);
    uint64_t parked_ms = first ? first->due_ms : RB_NEVER;
    return rb_arithmetic_min(rb_arithmetic_min(multi->progress_ms, delivery_due_ms(multi)), parked_ms);
}

// --- the states of one member

// Schedules progress callbacks for a waiting transfer, so that the program can cancel the transfer. Does nothing if the
// program has no progress callback.
static void member_watch(const struct rb_member *member)
{
    if (watches(member->easy) && member->multi->progress_ms == RB_NEVER)
        member->multi->progress_ms = rb_system_now_ms() + PROGRESS_MS;
}

// Delivers the held response, then queues the message that the transfer has ended. If the program pauses the delivery,
// moves the member to `delivering` and queues no message yet.
static void finish(struct rb_member *member, CURLcode code)
{
    struct rb_multi *multi = member->multi;
    if (rb_transfer_deliver(member->transfer, &code) == RB_DELIVERY_PAUSED) {
        member->code = code;
        move(member, &multi->delivering);
        multi->waiting++;
        member_watch(member);
        return;
    }
    leave_transfer(member);
    member->message = (CURLMsg){.msg = CURLMSG_DONE, .easy_handle = member->easy->easy};
    member->message.data.result = code;
    member->own = true;
    member->unreported = rb_member_notifies(multi, RB_NOTIFY_EASY_DONE);
    multi->unreported += member->unreported;
    move(member, &multi->ended);
    rb_messages_put(&multi->messages, &member->message);
}

static void insert_parked(struct rb_multi *multi, struct rb_member *member)
{
    struct rb_node *place = &multi->parked;
    while (place->previous != &multi->parked && ((struct rb_member *) place->previous)->due_ms > member->due_ms)
        place = place->previous;
    list_take(&member->link);
    list_put_before(&member->link, place);
}

// Removes a member from libcurl's multi handle until its wait is over. Returns false if libcurl refuses to remove it.
static bool member_park(struct rb_member *member)
{
    struct rb_multi *multi = member->multi;
    uint64_t now_ms = rb_system_now_ms();
    if (multi->curl->multi_remove_handle(multi->real, member->easy->easy) != CURLM_OK)
        return false;
    member->outside = true;
    member->due_ms = now_ms + member->transfer->delay_ms;
    insert_parked(multi, member);
    multi->waiting++;
    member_watch(member);
    return true;
}

// An attempt has ended with `code`. Parks the member for another attempt, or finishes the transfer.
static void ended(struct rb_member *member, CURLcode code)
{
    if (rb_transfer_ended(member->transfer, &code) == RB_TRANSFER_WAIT) {
        if (member_park(member))
            return;
        rb_transfer_give_up(member->transfer, RB_REASON_RESOURCE, &code);
    }
    finish(member, code);
}

// A member's wait is over: starts its next attempt and adds the handle to libcurl's multi handle again.
static void resume_member(struct rb_member *member)
{
    struct rb_multi *multi = member->multi;
    CURLcode code = CURLE_OK;
    move(member, &multi->running);
    multi->waiting--;
    if (member->transfer->call.attempt == 0) {
        rb_ids_again(member->easy);
        rb_transfer_start(member->transfer);
    } else if (!rb_transfer_again(member->transfer, &code)) {
        finish(member, code);
        return;
    }
    member->outside = multi->curl->multi_add_handle(multi->real, member->easy->easy) != CURLM_OK;
    if (member->outside)
        ended(member, CURLE_OUT_OF_MEMORY);
}

static void member_begin(struct rb_member *member)
{
    struct rb_multi *multi = member->multi;
    const struct rb_policy *policy = rb_guard_depth > 0 || !rb_process_active() ? NULL : rb_process_policy();
    move(member, &multi->running);
    rb_figures_forget(member->easy);
    if (!policy || !rb_transfer_begin(&member->room, &member->response, member->easy, policy))
        return;
    member->transfer = &member->room;
    if (!rb_transfer_hold(member->transfer) || !member_park(member))
        rb_transfer_start(member->transfer);
}

void rb_members_begin(struct rb_multi *multi)
{
    struct rb_member *member;
    while ((member = first_of(&multi->fresh)))
        member_begin(member);
}

// --- waiting members

// The progress callback has asked to cancel a waiting transfer: ends it with CURLE_ABORTED_BY_CALLBACK.
static void cancel(struct rb_member *member)
{
    CURLcode code = CURLE_ABORTED_BY_CALLBACK;
    member->multi->waiting--;
    if (rb_handle_data_is_late(member->easy))
        rb_transfer_interrupt(member->transfer, code);
    else
        rb_transfer_abort(member->transfer, &code);
    finish(member, code);
}

static void show_progress_of(struct rb_multi *multi, const struct rb_node *list, uint64_t now_ms)
{
    for (struct rb_node *link = list->next, *next; link != list; link = next) {
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
    multi->progress_ms = RB_NEVER;
    show_progress_of(multi, &multi->parked, now_ms);
    show_progress_of(multi, &multi->delivering, now_ms);
}

static void continue_deliveries(struct rb_multi *multi, uint64_t now_ms)
{
    for (struct rb_node *link = multi->delivering.next, *next; link != &multi->delivering; link = next) {
        struct rb_member *member = (struct rb_member *) link;
        next = link->next;
        bool paused = member->easy->flow == RB_FLOW_LATE_PAUSED;
        if (paused && member->transfer->program_deadline_ms > now_ms)
            continue;
        if (paused) {
            member->code = CURLE_OPERATION_TIMEDOUT;
            rb_transfer_interrupt(member->transfer, member->code);
        }
        multi->waiting--;
        finish(member, member->code);
    }
}

void rb_members_attend(struct rb_multi *multi)
{
    struct rb_member *member;
    uint64_t now_ms = rb_system_now_ms();
    multi->calling = true;
    show_progress(multi, now_ms);
    while ((member = first_of(&multi->parked)) && member->due_ms <= now_ms)
        resume_member(member);
    continue_deliveries(multi, now_ms);
    multi->calling = false;
}

// --- messages of libcurl

void rb_members_drain(struct rb_multi *multi)
{
    CURLMsg *message;
    int left;
    multi->calling = true;
    while (reserve(multi) && (message = multi->curl->multi_info_read(multi->real, &left))) {
        struct rb_member *member = message->msg == CURLMSG_DONE ? rb_member_of(multi, message->easy_handle) : NULL;
        if (member && member->transfer) {
            ended(member, message->data.result);
            continue;
        }
        if (member)
            move(member, &multi->ended);
        rb_messages_put(&multi->messages, message);
    }
    multi->calling = false;
}

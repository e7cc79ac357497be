// SPDX-License-Identifier: MIT
// Connections of OpenSSL: hold a response, send the request again.
#include "wire/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>

#include "base/arithmetic.h"
#include "net/socket.h"
#include "real/kernel.h"
#include "real/libc.h"
#include "real/pause.h"
#include "real/sandbox.h"
#include "real/system.h"
#include "wire/async.h"
#include "wire/bio.h"
#include "wire/exchange.h"
#include "wire/loop.h"
#include "wire/quiet.h"
#include "wire/tls_again.h"

// FEW: the most descriptors of a wait. WRITE_MS: the longest time in which a request is written again. STALL_MS: a
// response that is not whole then is passed on. RECORD: the most bytes of a TLS record.
enum { FEW = 2, WRITE_MS = 1000, STALL_MS = 5000, RECORD = 16384 };

// Of SSL_get_error and SSL_get_shutdown.
enum { ERROR_WANT_READ = 2, ERROR_WANT_WRITE = 3, RECEIVED_SHUTDOWN = 2 };

// --- the link of a connection

// Claims the link of a connection object. Returns NULL if the library does not follow it.
static struct rb_link *claim_tls(const struct rb_libssl *libssl, const SSL *ssl)
{
    if (!libssl->get_rfd || !libssl->get_wfd || !libssl->get_error)
        return NULL;
    int fd = libssl->get_rfd(ssl);
    bool detached = fd < 0;
    if (libssl->get_wfd(ssl) != fd || (!detached && !rb_link_is_tls(fd)))
        return NULL;
    struct rb_link *link = detached ? rb_bio_claim(libssl, ssl) : rb_link_claim(fd);
    if (link && !link->ssl)
        link->detached = detached;
    if (!link || !link->ssl || (link->ssl == ssl && link->detached == detached))
        return link;
    rb_exchange_end(link); // another object uses the connection
    rb_link_enter(link, RB_LINK_IDLE);
    rb_link_drop(link);
    return NULL;
}

static void release_tls(const struct rb_tls_io *io, bool followed)
{
    if (!followed && io->link->detached)
        rb_async_show(io->libssl, io->ssl, io->link);
    if (followed)
        rb_link_release(io->link);
    else
        rb_link_drop(io->link);
}

// --- single steps

// Calls SSL_peek, or writes the request again, without waiting, also on a blocking socket. A connection that the server
// has reset raises no SIGPIPE, because the program does not write here.
//   bytes: the buffer of SSL_peek, inside x->seen; NULL: write the request, of which `sent` bytes were written
static int call_now(const struct rb_tls_io *io, char *bytes, size_t sent)
{
    const struct rb_exchange *x = io->link->exchange;
    struct rb_quiet quiet;
    rb_quiet_begin(&quiet, io->link->fd, !bytes);
    int result = bytes ? io->libssl->peek(io->ssl, bytes, (int) (x->seen + sizeof(x->seen) - bytes))
                       : io->libssl->write(io->ssl, x->request + sent, (int) (x->request_length - sent));
    rb_quiet_end(&quiet);
    return result;
}

// The events that a call waits for, or 0 if the call has failed.
static short wanted_events(const struct rb_tls_io *io, int result)
{
    int error = io->libssl->get_error(io->ssl, result);
    return error == ERROR_WANT_READ ? POLLIN : error == ERROR_WANT_WRITE ? POLLOUT : 0;
}

// A failure that the program does not see leaves no trace in OpenSSL's error queue, which would be taken for the cause
// of a later failure.
static void forget_failure(const struct rb_tls_io *io)
{
    const struct rb_libcrypto *libcrypto = rb_libcrypto_of(io->libssl);
    if (libcrypto && libcrypto->clear_error)
        libcrypto->clear_error();
}

// Waits for events. A connection that has ended behind a hidden response is not polled, because it would report its end
// at once. Returns 0, -ETIMEDOUT at until_ms, or -EINTR if the program's own read would end. A read that does not wait
// would end at once.
static int await_events(const struct rb_tls_io *io, short events, uint64_t until_ms)
{
    const struct rb_link *link = io->link;
    bool deaf = link->state == RB_LINK_PARKED && link->exchange->closes;
    for (;;) {
        uint64_t left_ms = until_ms == UINT64_MAX ? INT_MAX : rb_arithmetic_sub(until_ms, rb_system_now_ms());
        struct pollfd p = {.fd = deaf ? -1 : link->fd, .events = events};
        if (!io->waits)
            return left_ms == 0 ? -ETIMEDOUT : -EINTR;
        int ready = rb_libc_poll(&p, 1, left_ms > INT_MAX ? INT_MAX : (int) left_ms);
        if (ready > 0)
            return 0;
        if (ready == 0 && rb_system_now_ms() >= until_ms)
            return -ETIMEDOUT;
        if (ready < 0 && (errno != EINTR || !rb_pause_all_restart()))
            return -EINTR;
    }
}

// What a read would find.
enum ahead { AHEAD_BYTES, AHEAD_NOTHING, AHEAD_END };

// Looks at what the connection has, without a call that reads. After SSL_read or SSL_peek has found the end, a
// connection object without the server's announcement of the end (close_notify) is of no use any more.
static enum ahead look_ahead(const struct rb_tls_io *io)
{
    char byte;
    if (io->libssl->has_pending && io->libssl->has_pending(io->ssl))
        return AHEAD_BYTES;
    long found = rb_kernel(SYS_recvfrom, io->link->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT, NULL, NULL);
    return found > 0 ? AHEAD_BYTES : found == -EAGAIN || found == -EINTR ? AHEAD_NOTHING : AHEAD_END;
}

// The connection is used up: the program reads the end of the stream, and a pool of connections sees the end.
static void end_connection(const struct rb_tls_io *io)
{
    rb_kernel(SYS_shutdown, io->link->fd, SHUT_RD);
    if (io->libssl->set_shutdown && io->libssl->get_shutdown)
        io->libssl->set_shutdown(io->ssl, io->libssl->get_shutdown(io->ssl) | RECEIVED_SHUTDOWN);
}

// --- give the program what was read

// Copies held bytes to the program. Returns their number.
//   followed: receives false if the link is to be dropped
static int read_held_tls(const struct rb_tls_io *io, char *buffer, size_t length, bool *followed)
{
    struct rb_link *link = io->link;
    struct rb_exchange *x = link->exchange;
    size_t left = x->held_length - x->given, count = length < left ? length : left;
    count = count < INT_MAX ? count : INT_MAX;
    if (x->notified)
        io->libssl->set_shutdown(io->ssl, io->libssl->get_shutdown(io->ssl) | RECEIVED_SHUTDOWN);
    x->notified = false;
    memcpy(buffer, x->held + x->given, count);
    if (!io->peeks)
        x->given += count;
    *followed = true;
    if (x->given == x->held_length && !rb_exchange_resume(link, followed)) {
        end_connection(io);
        rb_exchange_end(link);
        rb_link_enter(link, RB_LINK_ENDED);
    }
    return (int) count;
}

// The repetition has failed: the program gets the response before it.
static void fall_back_tls(const struct rb_tls_io *io, enum rb_reason reason)
{
    forget_failure(io);
    end_connection(io);
    rb_exchange_fall_back(io->link, reason);
}

// The request is not repeated: the program gets what the library has.
static void give_up_tls(const struct rb_tls_io *io)
{
    rb_exchange_give_up(io->link, RB_REASON_INTERRUPTED);
    if (!rb_exchange_give_taken(io->link))
        fall_back_tls(io, RB_REASON_NONE);
}

// Opens the connection again. Takes no longer than the program waits. Returns true if the request can be written.
static bool open_again(const struct rb_tls_io *io, uint64_t until_ms)
{
    struct rb_link *link = io->link;
    struct rb_exchange *x = link->exchange;
    if (!io->waits && link->limit_end_ms > 0)
        until_ms = rb_arithmetic_min(until_ms, link->limit_end_ms);
    if (!rb_tls_again_open(io->libssl, io->ssl, link, until_ms))
        return false;
    link->exchanges = 0;
    x->closes = x->notified = false;
    return true;
}

// --- examine

// Calls SSL_peek so that it finds nothing in the socket.
static int peek_mute(const struct rb_tls_io *io)
{
    const struct rb_exchange *x = io->link->exchange;
    atomic_store_explicit(&io->link->mute, true, memory_order_relaxed);
    int result = call_now(io, (char *) x->seen + x->taken, 0);
    atomic_store_explicit(&io->link->mute, false, memory_order_relaxed);
    return result;
}

// What to do next in a read.
enum step {
    STEP_CALL,   // make the program's call
    STEP_GIVE,   // the program gets what is held
    STEP_RESULT, // the program gets the result of the last call
    STEP_AGAIN   // examine further
};

static bool has_previous_tls(const struct rb_exchange *x)
{
    return x->held_length > 0;
}

// Reads the bytes that SSL_peek has shown: it has taken their record from the socket, so poll does not report them.
static bool take_shown(const struct rb_tls_io *io, int shown)
{
    struct rb_exchange *x = io->link->exchange;
    int got = io->libssl->read(io->ssl, x->seen + x->taken, shown);
    x->taken += got > 0 ? (size_t) got : 0;
    return got == shown; // always
}

static enum step examine_shown(const struct rb_tls_io *io, int shown, uint64_t until_ms)
{
    struct rb_link *link = io->link;
    struct rb_exchange *x = link->exchange;
    x->seen_length = x->taken + (size_t) shown;
    x->reopens = link->reopens && !io->loops && rb_tls_again_is_possible(io->libssl, io->ssl);
    if (io->loops)
        until_ms = rb_loop_until_ms(link);
    enum rb_look look = rb_exchange_look(link, false, until_ms);
    if (look == RB_LOOK_PASS && x->taken == 0)
        return STEP_CALL;
    if (!take_shown(io, shown) || look == RB_LOOK_PASS) {
        rb_exchange_give_taken(link);
        return STEP_GIVE;
    }
    if (look == RB_LOOK_RETRY)
        rb_link_enter(link, RB_LINK_PARKED);
    return STEP_AGAIN;
}

// The request is to be repeated on a new connection, when it is due.
static enum step park_ended(struct rb_link *link)
{
    link->exchange->closes = true;
    rb_link_enter(link, RB_LINK_PARKED);
    return STEP_AGAIN;
}

// The connection has ended, or has an error.
static enum step examine_end(const struct rb_tls_io *io, uint64_t until_ms)
{
    struct rb_link *link = io->link;
    struct rb_exchange *x = link->exchange;
    int error = errno;
    if (x->taken > 0) { // the program finds the end behind these bytes
        forget_failure(io);
        if (rb_exchange_look(link, true, until_ms) == RB_LOOK_RETRY)
            return park_ended(link);
        rb_exchange_give_taken(link);
        return STEP_GIVE;
    }
    bool previous = has_previous_tls(x);
    if (rb_exchange_broke(link, 0, previous && x->reopens, until_ms) && previous)
        return park_ended(link);
    errno = error; // of the program's read
    if (!previous) {
        x->passes = true;
        return STEP_RESULT;
    }
    fall_back_tls(io, RB_REASON_NONE);
    return STEP_GIVE;
}

// Returns when the wait for more of a response ends at the latest.
static uint64_t last_ms_of(const struct rb_exchange *x)
{
    uint64_t stalls_ms = x->taken > 0 ? rb_arithmetic_add(x->first_byte_ms, STALL_MS) : UINT64_MAX;
    return rb_arithmetic_min(stalls_ms, x->total_until_ms);
}

// Waits for the next bytes of a response of which a part was read, or of a repeated request.
static enum step await_bytes(const struct rb_tls_io *io, short events, uint64_t until_ms)
{
    struct rb_link *link = io->link;
    struct rb_exchange *x = link->exchange;
    int result = await_events(io, events, rb_arithmetic_min(until_ms, last_ms_of(x)));
    if (result == 0)
        return STEP_AGAIN;
    if (result == -EINTR) {
        errno = io->waits ? EINTR : EAGAIN;
        return STEP_RESULT;
    }
    if (!rb_exchange_give_taken(link))
        fall_back_tls(io, RB_REASON_TIME);
    return STEP_GIVE;
}

static enum step examine_response(const struct rb_tls_io *io, uint64_t until_ms, int *result)
{
    struct rb_exchange *x = io->link->exchange;
    bool waits_here = x->taken > 0 || has_previous_tls(x);
    char *end = x->seen + x->taken;
    if (sizeof(x->seen) - x->taken < RECORD) { // the rest of a record would stay where poll does not report it
        x->reason = RB_REASON_OVERFLOW;
        rb_exchange_give_taken(io->link);
        return STEP_GIVE;
    }
    enum ahead ahead = waits_here && x->reopens ? look_ahead(io) : AHEAD_BYTES;
    if (ahead == AHEAD_END)
        return examine_end(io, until_ms);
    int size = (int) (sizeof(x->seen) - x->taken);
    if (ahead == AHEAD_NOTHING)
        *result = peek_mute(io);
    else
        *result = waits_here ? call_now(io, end, 0) : io->libssl->peek(io->ssl, end, size);
    if (*result > 0)
        return examine_shown(io, *result, until_ms);
    short events = wanted_events(io, *result);
    if (events == 0)
        return examine_end(io, until_ms);
    if (waits_here)
        return await_bytes(io, events, until_ms);
    atomic_store_explicit(&io->link->starved, true, memory_order_relaxed);
    return STEP_RESULT;
}

// --- send again

// Waits for room in the socket, also on a non-blocking one: the request is at most 64 KiB. Does not wait in an event
// loop.
static bool send_request_tls(const struct rb_tls_io *io, uint64_t until_ms)
{
    const struct rb_exchange *x = io->link->exchange;
    struct rb_tls_io waiting = *io;
    size_t sent = 0;
    waiting.waits = true;
    until_ms = rb_arithmetic_min(until_ms, rb_system_now_ms() + WRITE_MS);
    while (sent < x->request_length) {
        int put = call_now(io, NULL, sent);
        short events = put > 0 ? 0 : wanted_events(io, put);
        if (put > 0)
            sent += (size_t) put;
        else if (events == 0 || io->loops || await_events(&waiting, events, until_ms) == -ETIMEDOUT)
            return false;
    }
    return true;
}

static enum step repeat_request_tls(const struct rb_tls_io *io, uint64_t until_ms)
{
    struct rb_link *link = io->link;
    struct rb_exchange *x = link->exchange;
    if (rb_link_is_disturbed(link) || !rb_socket_is(link->fd, link->identity) || !rb_exchange_again(link)) {
        give_up_tls(io);
        return STEP_GIVE;
    }
    x->taken = 0;
    until_ms = rb_arithmetic_min(until_ms, x->total_until_ms);
    if (!x->closes && send_request_tls(io, until_ms))
        return STEP_AGAIN;
    if (x->reopens && !io->loops && open_again(io, until_ms) && send_request_tls(io, until_ms))
        return STEP_AGAIN;
    fall_back_tls(io, RB_REASON_INTERRUPTED);
    return STEP_GIVE;
}

// Calls SSL_peek behind a hidden response. SSL_peek must find nothing, so that SSL_get_error tells the program to call
// again if a signal ends the wait. If the connection has ended and can be opened again, the end is not shown.
static int peek_behind(const struct rb_tls_io *io)
{
    struct rb_exchange *x = io->link->exchange;
    if (!x->reopens)
        return call_now(io, x->seen + x->taken, 0);
    enum ahead ahead = x->closes ? AHEAD_END : look_ahead(io);
    x->closes = ahead == AHEAD_END;
    int result = ahead == AHEAD_BYTES ? call_now(io, x->seen + x->taken, 0) : peek_mute(io);
    int shown = io->libssl->get_shutdown && io->libssl->set_shutdown ? io->libssl->get_shutdown(io->ssl) : 0;
    if (result > 0 || !(shown & RECEIVED_SHUTDOWN))
        return result;
    forget_failure(io);
    io->libssl->set_shutdown(io->ssl, shown & ~RECEIVED_SHUTDOWN);
    x->closes = x->notified = true;
    return peek_mute(io);
}

// A response is held until the request is due.
static enum step examine_parked(const struct rb_tls_io *io, uint64_t until_ms, int *result)
{
    struct rb_link *link = io->link;
    struct rb_exchange *x = link->exchange;
    *result = x->taken < sizeof(x->seen) ? peek_behind(io) : 0;
    short events = *result > 0 ? 0 : wanted_events(io, *result);
    if (events == 0) { // the server has closed the connection, or has sent more
        if (*result > 0)
            take_shown(io, *result);
        else
            forget_failure(io);
        give_up_tls(io);
        return STEP_GIVE;
    }
    if (rb_system_now_ms() >= x->due_ms)
        return repeat_request_tls(io, until_ms);
    if (await_events(io, events, x->due_ms) != -EINTR)
        return STEP_AGAIN;
    errno = io->waits ? EINTR : EAGAIN;
    return STEP_RESULT;
}

// --- reads

// A link that is parked in an event loop is due: the program must call SSL_read, which goes on. Until the program does
// so, its waits report the socket as readable again: at first often, because the program may have had no room for the
// event.
static bool due_tls(struct rb_link *link)
{
    enum { OFTEN_MS = 10, RARELY_MS = 1000 };
    uint64_t now_ms = rb_system_now_ms(), again_ms = now_ms > rb_loop_until_ms(link) ? RARELY_MS : OFTEN_MS;
    rb_loop_park(link, now_ms + again_ms, due_tls, true);
    return true;
}

// The program's read in an event loop finds nothing. If something is hidden, parks the link until something is due.
static enum step park_tls(const struct rb_tls_io *io)
{
    struct rb_link *link = io->link;
    const struct rb_exchange *x = link->exchange;
    bool parked = link->state == RB_LINK_PARKED;
    int error = errno;
    if (!parked && x->taken == 0 && !has_previous_tls(x))
        return STEP_RESULT;
    uint64_t when_ms = parked ? x->due_ms : rb_arithmetic_min(last_ms_of(x), rb_loop_until_ms(link));
    if (rb_loop_park(link, when_ms, due_tls, true)) {
        errno = error;
        return STEP_RESULT;
    }
    if (parked)
        give_up_tls(io);
    else if (!rb_exchange_give_taken(link))
        fall_back_tls(io, RB_REASON_INTERRUPTED);
    return STEP_GIVE;
}

// Examines the response of a link, and waits as long as the program's read may.
static enum step examine_tls(const struct rb_tls_io *io, int *result)
{
    struct rb_link *link = io->link;
    const struct rb_exchange *x = link->exchange;
    uint64_t limit_ms = io->waits ? rb_socket_receive_limit_ms(link->fd) : 0; // SO_RCVTIMEO is the program's limit
    uint64_t until_ms = limit_ms > 0 ? rb_system_now_ms() + limit_ms : UINT64_MAX;
    enum step step = STEP_AGAIN;
    if (io->loops && x->hold_until_ms > 0)
        until_ms = x->hold_until_ms;
    while (step == STEP_AGAIN) {
        if (!rb_exchange_may_hold(link) && link->state != RB_LINK_PARKED)
            return STEP_CALL;
        step = link->state == RB_LINK_PARKED ? examine_parked(io, until_ms, result)
                                             : examine_response(io, until_ms, result);
    }
    if (io->loops && step == STEP_RESULT && wanted_events(io, *result) != 0)
        step = park_tls(io);
    return step;
}

static const enum step steps_of_async[] = {
    [RB_ASYNC_CALL] = STEP_CALL, [RB_ASYNC_GIVE] = STEP_GIVE, [RB_ASYNC_RESULT] = STEP_RESULT};

// Returns what a read of the program is to do.
static enum step begin_read(struct rb_tls_io *io, int *result)
{
    struct rb_link *link = io->link;
    bool examines = link->state == RB_LINK_PARKED || rb_exchange_may_hold(link);
    // A response may be hidden if the program waits in its read, or by a call that rb_tls_poll replaces.
    int wait = atomic_load_explicit(&link->wait, memory_order_relaxed);
    bool unseen = wait == RB_LINK_WAIT_FEW && atomic_load_explicit(&link->starved, memory_order_relaxed);
    io->waits = examines && rb_socket_is_blocking(link->fd);
    if (link->state == RB_LINK_SENT && unseen && !io->waits)
        rb_link_note_wait(link->fd, wait = RB_LINK_WAIT_LOOP); // the program waits by a call that is not intercepted
    if (link->state == RB_LINK_ENDED)
        end_connection(io);
    if (link->detached)
        return steps_of_async[rb_async_read(io->libssl, io->ssl, link, result)];
    bool hides = examines && (wait == RB_LINK_WAIT_FEW || (io->waits && wait == RB_LINK_WAIT_UNKNOWN));
    bool starved = atomic_load_explicit(&link->starved, memory_order_relaxed);
    io->loops = examines && !hides && !io->waits && (link->state != RB_LINK_SENT || !starved) &&
                (link->hold || rb_loop_may_hold(link));
    hides = hides || io->loops;
    if (link->hold)
        rb_loop_unpark(link);
    if (link->state == RB_LINK_DELIVER)
        return STEP_GIVE;
    if (hides && !rb_sandbox_is_filtered())
        return examine_tls(io, result);
    if (link->state == RB_LINK_PARKED)
        give_up_tls(io);
    return link->state == RB_LINK_DELIVER || rb_exchange_give_taken(link) ? STEP_GIVE : STEP_CALL;
}

bool rb_tls_before_read(struct rb_tls_io *io, const struct rb_libssl *libssl, SSL *ssl, void *buffer, size_t length,
                        bool peeks, int *result)
{
    struct rb_link *link = length > 0 ? claim_tls(libssl, ssl) : NULL;
    int saved = errno;
    *io = (struct rb_tls_io){.link = link, .libssl = libssl, .ssl = ssl, .bytes = buffer, .peeks = peeks};
    if (!link)
        return true;
    bool followed = true;
    enum step step = begin_read(io, result);
    if (step == STEP_GIVE)
        *result = read_held_tls(io, buffer, length, &followed);
    if (step != STEP_RESULT)
        errno = saved;
    if (step != STEP_CALL)
        release_tls(io, followed);
    else
        io->loan = rb_link_lend(link);
    return step == STEP_CALL;
}

void rb_tls_after_read(const struct rb_tls_io *io, long got)
{
    if (!io->link || !rb_link_regain(io->link, io->loan))
        return;
    int saved = errno;
    if (got <= 0)
        atomic_store_explicit(&io->link->starved, true, memory_order_relaxed);
    release_tls(io, got <= 0 || io->peeks || rb_exchange_read(io->link, io->bytes, (size_t) got));
    errno = saved;
}

// --- waits

// The program sees its descriptor as readable.
static int show_readable(struct pollfd *fds, nfds_t count, nfds_t own)
{
    int ready = 0;
    fds[own].revents |= (short) (fds[own].events & (POLLIN | POLLRDNORM));
    for (nfds_t i = 0; i < count; i++)
        ready += fds[i].revents != 0;
    return ready;
}

// Waits in the kernel.
//   deaf: the index of a descriptor that has no events; `count`: none
static int wait_until(struct pollfd *fds, nfds_t count, nfds_t deaf, uint64_t until_ms, const sigset_t *mask)
{
    struct pollfd copy[FEW];
    uint64_t left_ms = rb_arithmetic_sub(until_ms, rb_system_now_ms());
    struct timespec left = {.tv_sec = (time_t) (left_ms / 1000), .tv_nsec = (long) (left_ms % 1000) * 1000000};
    memcpy(copy, fds, count * sizeof(*fds));
    if (deaf < count)
        copy[deaf].fd = -1;
    int ready = rb_libc_ppoll(copy, count, until_ms == UINT64_MAX ? NULL : &left, mask);
    for (nfds_t i = 0; ready >= 0 && i < count; i++)
        fds[i].revents = copy[i].revents;
    return ready;
}

// The program's wait ends before the request is due or before its repetition has an answer. The program gets what the
// library has.
static void end_of_wait(struct rb_link *link)
{
    bool parked = link->state == RB_LINK_PARKED;
    rb_exchange_give_up(link, RB_REASON_TIME);
    if (!rb_exchange_give_taken(link))
        rb_exchange_fall_back(link, parked ? RB_REASON_NONE : RB_REASON_TIME);
}

// Waits for a link of which the library hides something.
static int wait_for_hidden(struct pollfd *fds, nfds_t count, nfds_t own, uint64_t until_ms, bool limits,
                           const sigset_t *mask, struct rb_link *link)
{
    const struct rb_exchange *x = link->exchange;
    bool parked = link->state == RB_LINK_PARKED;
    uint64_t change_ms = parked ? x->due_ms : last_ms_of(x);
    if (parked && limits && change_ms >= until_ms)
        end_of_wait(link);
    if (link->state == RB_LINK_DELIVER) {
        int others = wait_until(fds, count, count, 0, mask);
        return others < 0 ? others : show_readable(fds, count, own);
    }
    int ready = wait_until(fds, count, parked && x->closes ? own : count, rb_arithmetic_min(change_ms, until_ms), mask);
    bool changes = rb_system_now_ms() >= change_ms;
    if (ready != 0 || (!changes && !limits))
        return ready;
    if (!parked || !changes)
        end_of_wait(link);
    return show_readable(fds, count, own);
}

bool rb_tls_poll(struct pollfd *fds, nfds_t count, nfds_t own, uint64_t until_ms, enum rb_link_span span,
                 const sigset_t *mask, int *result)
{
    struct rb_link *link = count <= FEW ? rb_link_claim(fds[own].fd) : NULL;
    if (!link)
        return false;
    bool limits = rb_link_limits(link, until_ms, span);
    const struct rb_exchange *x = link->detached ? NULL : link->exchange;
    bool unanswered = x && link->state == RB_LINK_SENT && !x->passes && (x->taken > 0 || has_previous_tls(x));
    bool hides = unanswered || (x && (link->state == RB_LINK_PARKED || link->state == RB_LINK_DELIVER));
    if (hides)
        *result = wait_for_hidden(fds, count, own, until_ms, limits, mask, link);
    rb_link_release(link);
    return hides;
}

// --- writes

// The program writes on a connection that was used up: opens it again, if the program's call may wait.
static bool revive_tls(const struct rb_tls_io *io)
{
    struct rb_link *link = io->link;
    int wait = atomic_load_explicit(&link->wait, memory_order_relaxed);
    bool waits = wait == RB_LINK_WAIT_FEW || (wait == RB_LINK_WAIT_UNKNOWN && rb_socket_is_blocking(link->fd));
    uint64_t own_ms = rb_socket_send_limit_ms(link->fd), limit_ms = link->limit_ms > 0 ? link->limit_ms : UINT64_MAX;
    if (own_ms > 0)
        limit_ms = rb_arithmetic_min(limit_ms, own_ms);
    if (link->detached || !link->reopens || !waits || rb_link_is_disturbed(link) ||
        !rb_socket_is(link->fd, link->identity) ||
        !rb_tls_again_open(io->libssl, io->ssl, link, rb_arithmetic_add(rb_system_now_ms(), limit_ms)))
        return false;
    link->exchanges = 0;
    rb_link_enter(link, RB_LINK_IDLE);
    return true;
}

bool rb_tls_before_write(struct rb_tls_io *io, const struct rb_libssl *libssl, SSL *ssl, const void *bytes)
{
    struct rb_link *link = claim_tls(libssl, ssl);
    *io = (struct rb_tls_io){.link = link, .libssl = libssl, .ssl = ssl, .bytes = bytes};
    if (!link)
        return true;
    int saved = errno;
    if (!link->ssl) {
        link->ssl = ssl;
        link->way = link->detached ? RB_WAY_BIO : RB_WAY_OPENSSL;
        link->identity = rb_socket_identity(link->fd);
    }
    bool ended = link->state == RB_LINK_ENDED && !revive_tls(io);
    if (ended)
        rb_link_release(link);
    else
        io->loan = rb_link_lend(link);
    errno = saved;
    return !ended;
}

void rb_tls_after_write(const struct rb_tls_io *io, long put)
{
    if (!io->link || !rb_link_regain(io->link, io->loan))
        return;
    int saved = errno;
    bool followed = put <= 0 || rb_exchange_wrote(io->link, io->bytes, (size_t) put);
    if (followed && io->link->state == RB_LINK_SENT)
        rb_loop_expect(io->link);
    release_tls(io, followed);
    errno = saved;
}

size_t rb_tls_held(const struct rb_libssl *libssl, const SSL *ssl)
{
    struct rb_link *link = claim_tls(libssl, ssl);
    if (!link)
        return 0;
    const struct rb_exchange *x = link->exchange;
    size_t held = link->state == RB_LINK_DELIVER ? x->held_length - x->given : 0;
    rb_link_release(link);
    return held;
}

void rb_tls_forget(const struct rb_libssl *libssl, const SSL *ssl)
{
    struct rb_link *link = claim_tls(libssl, ssl);
    if (!link)
        return;
    rb_exchange_end(link);
    rb_link_enter(link, RB_LINK_IDLE);
    rb_link_drop(link);
}

void rb_tls_before_shutdown(const struct rb_libssl *libssl, SSL *ssl)
{
    struct rb_link *link = claim_tls(libssl, ssl);
    if (!link)
        return;
    bool shows = link->detached && rb_async_show(libssl, ssl, link);
    if (shows) // after SSL_shutdown, no request can be written
        rb_link_drop(link);
    else
        rb_link_release(link);
}

void rb_tls_before_free(const struct rb_libssl *libssl, const SSL *ssl)
{
    struct rb_link *link = claim_tls(libssl, ssl);
    if (!link)
        return;
    if (link->detached)
        rb_async_forget(link);
    rb_link_release(link);
}

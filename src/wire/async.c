// SPDX-License-Identifier: MIT
// OpenSSL with BIOs in memory: hold a response, send the request again.
#include "wire/async.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/arithmetic.h"
#include "net/socket.h"
#include "real/kernel.h"
#include "real/sandbox.h"
#include "real/system.h"
#include "wire/exchange.h"
#include "wire/loop.h"

// STALL_MS: a response that is not whole after this time is passed on. RECORD: the most bytes of a TLS record.
// OVERHEAD: the most bytes by which the records of a request are longer than the request. SHOW_MS: when the program is
// told again that there is something to read.
enum { STALL_MS = 5000, RECORD = 16384, OVERHEAD = 2048, SHOW_MS = 100 };

// Of SSL_get_error, and the type of a BIO in memory.
enum { ERROR_WANT_READ = 2, TYPE_MEMORY = 0x401 };

// The life of a nudge.
enum { NUDGE_NONE, NUDGE_WANTED, NUDGE_READ }; // READ: the program has read it from the socket
static const char nudge_byte = 0x17;           // the first byte of a record with data

// A connection object and its link.
struct async {
    struct rb_link *link;
    struct rb_exchange *x;
    const struct rb_libssl *libssl;
    const struct rb_libcrypto *libcrypto;
    SSL *ssl;
    BIO *in, *out;
};

// --- the connection

static bool is_memory(const struct rb_libcrypto *libcrypto, const BIO *bio)
{
    return bio && libcrypto->method_type(bio) == TYPE_MEMORY &&
           strcmp(libcrypto->method_name(bio), "memory buffer") == 0;
}

// Returns false if the connection object has no BIOs in memory, or if functions are missing.
static bool open_async(struct async *a, const struct rb_libssl *libssl, SSL *ssl, struct rb_link *link)
{
    *a = (struct async){.link = link, .x = link->exchange, .libssl = libssl, .ssl = ssl};
    if (!libssl->get_rbio || !libssl->get_wbio || !libssl->get_shutdown)
        return false;
    const struct rb_libcrypto *c = a->libcrypto = rb_libcrypto_of(libssl);
    if (!c || !c->clear_error || !c->method_type || !c->method_name || !c->bio_read || !c->pending || !c->number_read ||
        !c->number_written)
        return false;
    a->in = libssl->get_rbio(ssl);
    a->out = libssl->get_wbio(ssl);
    return is_memory(c, a->in) && is_memory(c, a->out);
}

// Returns true if OpenSSL has got all that the program has read from the socket.
static bool has_all_input(const struct async *a)
{
    uint64_t read = atomic_load(&a->link->received) + a->link->nudges;
    return a->libcrypto->number_written(a->in) == read;
}

// Returns true if the socket takes the records of the request at once.
static bool has_room(const struct async *a)
{
    int size = 0, queued = 0;
    uint32_t length = sizeof(size);
    if (rb_kernel(SYS_getsockopt, a->link->fd, SOL_SOCKET, SO_SNDBUF, &size, &length) != 0 ||
        rb_kernel(SYS_ioctl, a->link->fd, TIOCOUTQ, &queued) != 0)
        return false;
    // The kernel counts the memory of its packets, too.
    return queued >= 0 && size / 2 - queued >= (long) (a->x->request_length + OVERHEAD);
}

// Returns true if a request can be sent. The program must have sent all that OpenSSL has written.
static bool may_send(const struct async *a)
{
    return a->libssl->get_shutdown(a->ssl) == 0 && a->libcrypto->pending(a->out) == 0 &&
           a->libcrypto->number_read(a->out) == atomic_load(&a->link->sent) && has_room(a);
}

// Returns true if the program does not see what the server has sent.
static bool hides(const struct rb_link *link)
{
    const struct rb_exchange *x = link->exchange;
    bool unanswered = x && link->state == RB_LINK_SENT && !x->passes && (x->taken > 0 || x->held_length > 0);
    return unanswered || link->state == RB_LINK_PARKED;
}

// --- the nudge

// The program must read. Returns true if it is to be told that the socket is readable.
static bool want_nudge(const struct async *a)
{
    int none = NUDGE_NONE;
    // Otherwise the program has read bytes that it will give to OpenSSL.
    if (!a->x->goes_on || (has_all_input(a) && a->libcrypto->pending(a->in) == 0))
        atomic_compare_exchange_strong(&a->link->nudge, &none, NUDGE_WANTED);
    return atomic_load(&a->link->nudge) == NUDGE_WANTED;
}

// Takes the nudge out of the BIO, before OpenSSL reads from it.
static void take_nudge(const struct async *a)
{
    struct rb_link *link = a->link;
    int wanted = NUDGE_WANTED;
    char byte;
    if (atomic_compare_exchange_strong(&link->nudge, &wanted, NUDGE_NONE) || wanted == NUDGE_NONE)
        return;
    uint64_t before = atomic_load(&link->nudge_at), written = a->libcrypto->number_written(a->in);
    if (written <= before)
        return; // the program has not yet given it to OpenSSL
    // Behind the last bytes of a connection, OpenSSL may get it: nothing follows.
    if (a->libcrypto->pending(a->in) == written - before)
        a->libcrypto->bio_read(a->in, &byte, 1);
    atomic_store(&link->nudge, NUDGE_NONE);
}

// --- give up

// A failure that the program does not see leaves no trace in OpenSSL's error queue.
static void fall_back_async(const struct async *a, enum rb_reason reason)
{
    a->libcrypto->clear_error();
    rb_exchange_fall_back(a->link, reason);
}

static enum rb_async_step give_up_async(const struct async *a, enum rb_reason reason)
{
    if (!rb_exchange_give_taken(a->link))
        fall_back_async(a, reason);
    return RB_ASYNC_GIVE;
}

static rb_loop_due async_due;

// Returns when something is to be done about a link that hides something.
static uint64_t next_ms(const struct rb_link *link)
{
    const struct rb_exchange *x = link->exchange;
    uint64_t until_ms = rb_arithmetic_min(rb_loop_until_ms(link), x->total_until_ms);
    if (link->state == RB_LINK_PARKED)
        return x->due_ms;
    return x->taken > 0 ? rb_arithmetic_min(until_ms, rb_arithmetic_add(x->first_byte_ms, STALL_MS)) : until_ms;
}

static bool park_async(struct rb_link *link)
{
    bool parked = rb_loop_park(link, next_ms(link), async_due, true);
    atomic_store(&link->hides, parked);
    return parked;
}

// The program is told that it can read, until it does so.
static void park_delivery(struct rb_link *link, uint64_t delay_ms)
{
    rb_loop_park(link, rb_system_now_ms() + delay_ms, async_due, true);
}

// --- send again

// Sends what OpenSSL has written. The exchange's memory for the response is free while a request is written.
static bool send_out(const struct async *a)
{
    struct rb_exchange *x = a->x;
    for (int got; (got = a->libcrypto->bio_read(a->out, x->seen, sizeof(x->seen))) > 0;)
        for (int at = 0; at < got;) {
            long put = rb_kernel(SYS_sendto, a->link->fd, x->seen + at, got - at, MSG_DONTWAIT | MSG_NOSIGNAL, NULL, 0);
            if (put == -EINTR)
                continue;
            if (put <= 0)
                return false;
            atomic_fetch_add(&a->link->sent, (uint64_t) put);
            at += (int) put;
        }
    return true;
}

static bool send_request_async(const struct async *a)
{
    const struct rb_exchange *x = a->x;
    for (size_t sent = 0; sent < x->request_length;) {
        int put = a->libssl->write(a->ssl, x->request + sent, (int) (x->request_length - sent));
        if (put <= 0 || !send_out(a))
            return false;
        sent += (size_t) put;
    }
    return true;
}

// The request is due. Returns RB_ASYNC_RESULT if it was sent, and RB_ASYNC_GIVE otherwise.
static enum rb_async_step repeat_request_async(const struct async *a)
{
    struct rb_link *link = a->link;
    if (rb_sandbox_is_filtered() || rb_link_is_disturbed(link) || !rb_socket_is(link->fd, link->identity) ||
        !may_send(a) || !rb_exchange_again(link)) {
        rb_exchange_give_taken(link);
        return RB_ASYNC_GIVE;
    }
    a->x->taken = 0;
    if (send_request_async(a))
        return RB_ASYNC_RESULT;
    fall_back_async(a, RB_REASON_INTERRUPTED);
    return RB_ASYNC_GIVE;
}

// The time of a parked link has come: sends its request, or gives up.
static bool async_due(struct rb_link *link)
{
    struct async a;
    const struct rb_libssl *libssl = link->ssl ? rb_libssl_of(link->ssl, NULL) : NULL;
    if (!libssl || !open_async(&a, libssl, (SSL *) link->ssl, link))
        return false;
    bool waits = false;
    if (link->state == RB_LINK_PARKED)
        waits = (rb_system_now_ms() < a.x->due_ms || repeat_request_async(&a) == RB_ASYNC_RESULT) && park_async(link);
    if (hides(link) && !waits)
        give_up_async(&a, RB_REASON_TIME);
    if (link->state != RB_LINK_DELIVER)
        return false;
    bool shows = want_nudge(&a);
    park_delivery(link, SHOW_MS);
    return shows;
}

// --- examine

// Looks at the next bytes without waiting. Returns their number, 0 if there are none yet, or -1 at the end.
static int peek_async(const struct async *a, int *result)
{
    struct rb_exchange *x = a->x;
    *result = a->libssl->peek(a->ssl, x->seen + x->taken, (int) (sizeof(x->seen) - x->taken));
    if (*result > 0)
        return *result;
    bool over = atomic_load(&a->link->input_over) && has_all_input(a);
    return a->libssl->get_error(a->ssl, *result) == ERROR_WANT_READ && !(over && hides(a->link)) ? 0 : -1;
}

// Reads the bytes that were shown, so that SSL_peek shows the next record.
static bool take_shown_async(const struct async *a, int shown)
{
    struct rb_exchange *x = a->x;
    int got = a->libssl->read(a->ssl, x->seen + x->taken, shown);
    x->taken += got > 0 ? (size_t) got : 0;
    return got == shown; // always
}

// The connection has ended before the end of a response.
static enum rb_async_step examine_end_async(const struct async *a)
{
    struct rb_link *link = a->link;
    struct rb_exchange *x = a->x;
    if (x->taken > 0) { // the program finds the end behind these bytes
        a->libcrypto->clear_error();
        if (link->state == RB_LINK_SENT)
            rb_exchange_look(link, true, UINT64_MAX);
        return give_up_async(a, RB_REASON_NONE);
    }
    int error = errno;
    bool previous = x->held_length > 0;
    rb_exchange_broke(link, 0, false, UINT64_MAX);
    errno = error; // of the program's read
    if (previous)
        return give_up_async(a, RB_REASON_NONE);
    x->passes = true;
    return RB_ASYNC_RESULT;
}

// Returns RB_ASYNC_CALL and sets *more if there may be further bytes to examine.
static enum rb_async_step examine_response_async(const struct async *a, int *result, bool *more)
{
    struct rb_link *link = a->link;
    struct rb_exchange *x = a->x;
    if (sizeof(x->seen) - x->taken < RECORD) {
        x->reason = RB_REASON_OVERFLOW;
        return give_up_async(a, RB_REASON_NONE);
    }
    int shown = peek_async(a, result);
    if (shown <= 0)
        return shown == 0 ? RB_ASYNC_RESULT : examine_end_async(a);
    x->seen_length = x->taken + (size_t) shown;
    enum rb_look look = rb_exchange_look(link, false, rb_loop_until_ms(link));
    if (look == RB_LOOK_PASS && x->taken == 0)
        return RB_ASYNC_CALL;
    if (!take_shown_async(a, shown) || look == RB_LOOK_PASS)
        return give_up_async(a, RB_REASON_NONE);
    if (look == RB_LOOK_RETRY)
        rb_link_enter(link, RB_LINK_PARKED);
    *more = true;
    return RB_ASYNC_CALL;
}

// A response is held until the request is due. SSL_peek must find nothing, so that SSL_get_error tells the program to
// call again.
static enum rb_async_step examine_parked_async(const struct async *a, int *result, bool *more)
{
    int shown = a->x->taken < sizeof(a->x->seen) ? peek_async(a, result) : -1;
    if (shown > 0)
        take_shown_async(a, shown);
    if (shown != 0) // the server has sent more, or has closed the connection
        return give_up_async(a, RB_REASON_NONE);
    if (rb_system_now_ms() < a->x->due_ms)
        return RB_ASYNC_RESULT;
    enum rb_async_step step = repeat_request_async(a);
    *more = step == RB_ASYNC_RESULT;
    return step;
}

// --- reads

static enum rb_async_step examine_async(const struct async *a, int *result)
{
    enum rb_async_step step;
    bool more;
    do {
        more = false;
        step = a->link->state == RB_LINK_PARKED ? examine_parked_async(a, result, &more)
                                                : examine_response_async(a, result, &more);
    } while (more);
    return step;
}

enum rb_async_step rb_async_read(const struct rb_libssl *libssl, SSL *ssl, struct rb_link *link, int *result)
{
    struct async a;
    const struct rb_exchange *x = link->exchange;
    bool held = hides(link);
    bool asks = x && x->rules.async && rb_exchange_may_hold(link);
    bool nudged = atomic_load_explicit(&link->nudge, memory_order_relaxed) != NUDGE_NONE;
    bool opened = (nudged || held || asks) && open_async(&a, libssl, ssl, link);
    if (opened)
        take_nudge(&a);
    else if (held) // the program has replaced the BIOs
        rb_exchange_give_only(link);
    if (link->state == RB_LINK_DELIVER) {
        rb_loop_unpark(link);
        atomic_store(&link->hides, false);
        return RB_ASYNC_GIVE;
    }
    if (!opened)
        return RB_ASYNC_CALL;
    if (!held && (!asks || rb_sandbox_is_filtered() || !rb_loop_may_hold(link) || !may_send(&a)))
        return RB_ASYNC_CALL;
    enum rb_async_step step = examine_async(&a, result);
    if (step == RB_ASYNC_RESULT && hides(link)) {
        if (!park_async(link))
            return give_up_async(&a, RB_REASON_TIME);
        errno = EAGAIN;
        return step;
    }
    rb_loop_unpark(link);
    atomic_store(&link->hides, false);
    return step;
}

bool rb_async_show(const struct rb_libssl *libssl, SSL *ssl, struct rb_link *link)
{
    struct async a;
    if (open_async(&a, libssl, ssl, link))
        take_nudge(&a);
    if (!hides(link))
        return false;
    if (rb_exchange_give_only(link))
        park_delivery(link, 0);
    return true;
}

void rb_async_forget(struct rb_link *link)
{
    if (hides(link))
        rb_exchange_give_only(link);
    rb_loop_unpark(link);
    link->ssl = NULL;
}

// --- the socket

// Gives the program the byte that makes it call SSL_read. Returns false if another call has changed the nudge.
//   from: the state of the nudge
static bool give_nudge(struct rb_link *link, char *place, int from)
{
    if (!atomic_compare_exchange_strong(&link->nudge, &from, NUDGE_READ))
        return false;
    atomic_store(&link->nudge_at, atomic_load(&link->received) + atomic_fetch_add(&link->nudges, 1));
    *place = nudge_byte;
    return true;
}

ssize_t rb_async_received(int fd, const struct iovec *parts, size_t count, bool peeks, ssize_t result)
{
    struct rb_link *link = rb_link_on(fd) ? rb_link_of(fd) : NULL;
    int wanted = NUDGE_WANTED;
    if (!link || peeks)
        return result;
    if (result > 0) {
        atomic_fetch_add(&link->received, (uint64_t) result);
        atomic_compare_exchange_strong(&link->nudge, &wanted, NUDGE_NONE); // the program will call SSL_read
        return result;
    }
    bool broken = errno == ECONNRESET || errno == ETIMEDOUT || errno == EPIPE || errno == ECONNABORTED ||
                  errno == EHOSTUNREACH || errno == ENETUNREACH;
    bool ends = result == 0 || broken, hidden = atomic_load(&link->hides);
    char *place = NULL; // the first byte of the buffers
    for (size_t i = 0; (ends || errno == EAGAIN) && i < count && !place; i++)
        place = parts[i].iov_len > 0 ? parts[i].iov_base : NULL;
    if (!place)
        return result;
    if (ends)
        atomic_store(&link->input_over, true);
    wanted = atomic_load(&link->nudge);
    // A program may see the end of the socket without a further SSL_read, or read on behind it only to close the
    // connection. With the nudge, it finds the end of the connection in OpenSSL, behind the response.
    if ((wanted == NUDGE_WANTED || (ends && hidden && wanted == NUDGE_NONE)) && give_nudge(link, place, wanted))
        return 1;
    return result;
}

void rb_async_sent(int fd, size_t length)
{
    struct rb_link *link = rb_link_on(fd) ? rb_link_of(fd) : NULL;
    if (link)
        atomic_fetch_add(&link->sent, (uint64_t) length);
}

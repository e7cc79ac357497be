// SPDX-License-Identifier: MIT
// The connections that the library follows, because the program may speak HTTP on them ("links").
//
// A link begins when a connect to a covered host succeeds or is in progress. It ends when the program closes the
// descriptor, or as soon as the library sees something that it does not follow ("opaque"): another protocol, pipelined
// requests, a descriptor that another process may have, reads and writes past the library. From then on, a call on the
// descriptor passes through.
//
// A thread that works with a link claims it. A claim never waits: if another thread has it, or a signal handler of the
// same thread, the call passes through, and the owner of the claim makes the link opaque when it releases it. A thread
// that may wait lends its claim (rb_link_lend).
#ifndef RB_WIRE_LINK_H
#define RB_WIRE_LINK_H

#include <netinet/in.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "net/connection.h"
#include "wire/opening.h"

// The life of a link. rb_link_enter makes every change.
//
//   IDLE -- the program writes -> SENDING -- the request is whole -> SENT -- a response is passed on -> BODY
//    ^                                                              | ^                                  |
//    |                            its status is to be repeated      v | due: the request is sent again   |
//    |                                                            PARKED                                 |
//    '--------------------------- the response is whole ------------ | ----------------------------------'
//                                                                    v  the repeated request has failed
//                                            ENDED <- all read -- DELIVER
//
// The program writes on a link that has ended: the library connects again (plain connections only), and the link is
// IDLE. Every state can end the link (opaque, closed).
enum rb_link_state {
    RB_LINK_IDLE,    // no request is in progress
    RB_LINK_SENDING, // the program has written a part of a request
    RB_LINK_SENT,    // the request is written; the program has read nothing of the final response
    RB_LINK_BODY,    // the program reads a response
    RB_LINK_PARKED,  // a whole response is hidden from the program; its request is repeated when it is due
    RB_LINK_DELIVER, // the repeated request has failed: the program gets the response that was hidden, then the end
    RB_LINK_ENDED    // the connection was used up by a repeated request, and the program has read everything
};

// How the program waits for the descriptor.
enum rb_link_wait {
    RB_LINK_WAIT_UNKNOWN,
    RB_LINK_WAIT_FEW,  // by poll or select, for at most two descriptors
    RB_LINK_WAIT_LOOP, // in an event loop: poll or select for more descriptors
    RB_LINK_WAIT_EPOLL // it is registered on an epoll; this is never changed
};

struct rb_exchange;

struct rb_link {
    _Atomic uint32_t claim;                     // private to link.c
    uint32_t loans;                             // number of loans so far, also of earlier connections; likewise
    int fd;                                     // -1: unused
    enum rb_link_state state;                   // this and the fields below: for the owner of the claim
    enum rb_way way;                            // how the program speaks HTTP
    struct rb_exchange *exchange;               // the request in progress; NULL: none
    void (*forget)(struct rb_link *link);       // releases the exchange
    bool (*give_only)(struct rb_link *link);    // rb_exchange_give_only
    void (*unmark)(const struct rb_link *link); // rb_mark_restore; NULL: the mark was never set
    void (*unpark)(struct rb_link *link);       // rb_loop_unpark; NULL: the link was never parked in an event loop
    bool (*due)(struct rb_link *link);          // of a link that is parked in an event loop (wire/loop.h)
    unsigned hold;                              // its place in the table of wire/loop.c; 0: not parked there
    int home;                                   // 1 + the epoll on which it was registered last; 0: none (wire/loop.c)
    unsigned exchanges;                         // responses that were read to their end
    uint64_t identity;                          // of the socket, from the first request on; 0: unknown
    const void *ssl;                            // the connection object of OpenSSL; NULL: not known
    _Atomic uint64_t hello; // random bytes of its ClientHello; 0: not known; also read without a claim
    uint64_t limit_ms;      // how long the program waits at most, as of its latest long wait; 0: unknown
    uint64_t limit_end_ms;  // when that wait ends
    uint64_t short_end_ms;  // when the first short wait for the response ends; 0: there was none
    bool ticks;             // the program has waited on after a short wait
    // For wire/async.h. Written without a claim.
    _Atomic uint64_t received, sent; // bytes on a socket of TLS that the program has read and written
    _Atomic uint64_t nudge_at;       // bytes that the program had read before the nudge
    _Atomic unsigned nudges;         // that were taken out of the BIO
    _Atomic int nudge;               // a byte that the program reads although the server has not sent it
    _Atomic bool hides;              // the program does not see what the server has sent
    _Atomic bool input_over;         // the program has read the end of the stream, or an error
    struct rb_opening opening;
    _Atomic int wait;     // enum rb_link_wait; written without a claim
    _Atomic bool tls;     // the program has written a TLS record; also read without a claim
    _Atomic bool secured; // OpenSSL or GnuTLS has the descriptor; written without a claim
    _Atomic bool starved; // a read of OpenSSL has found nothing, and no wait for bytes was seen since; likewise
    _Atomic bool mute;    // reads find nothing (rb_link_is_mute)
    bool detached;        // the connection object has no descriptor (wire/bio.h)
    bool reopens;         // http.tls_reconnect, as of the latest request
    bool reported;        // a wait has reported the descriptor as readable since the request was written
    union {
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
    } address; // of the peer
    socklen_t length;
    struct rb_peer peer;
};

extern _Atomic uint32_t rb_link_count; // links of this process

extern _Atomic bool rb_link_holds; // a link with http.hold exists or has existed

// Returns the table entry of a descriptor; private, for rb_link_on.
struct rb_link *rb_link_of(int fd);

// Returns true if the descriptor has a link. One load while the process has none.
static inline bool rb_link_on(int fd)
{
    return __builtin_expect(atomic_load_explicit(&rb_link_count, memory_order_relaxed) > 0, false) &&
           rb_link_of(fd) != NULL;
}

// Returns true if the descriptor has a link on which the program has written a TLS record.
static inline bool rb_link_is_tls(int fd)
{
    const struct rb_link *link = rb_link_on(fd) ? rb_link_of(fd) : NULL;
    return link && atomic_load_explicit(&link->tls, memory_order_relaxed);
}

// Returns true if a read of the descriptor must find nothing: wire/tls.c makes OpenSSL ask for a further read in this
// way, after the server has closed the connection.
static inline bool rb_link_is_mute(int fd)
{
    const struct rb_link *link = rb_link_on(fd) ? rb_link_of(fd) : NULL;
    return link && atomic_load_explicit(&link->mute, memory_order_relaxed);
}

// Begins a link for a TCP socket whose connect has succeeded or is in progress, if the section covers HTTP. Another
// link of the descriptor ends. Does nothing without memory. Keeps errno.
void rb_link_open(int fd, const struct sockaddr *address, socklen_t length, const struct rb_peer *peer,
                  const struct rb_section *section);

// The connect of a descriptor has succeeded. Returns true if the link takes over the call, and records its result when
// the protocol is known; as rb_connection_made_fn. Keeps errno.
bool rb_link_made(int fd, const struct rb_call *call, bool counted);

// Returns true if the program may connect the descriptor again only to learn the result of a connect that has
// succeeded: nothing was written since. Then the kernel answers, and the link goes on unless it fails.
bool rb_link_repeats(int fd, const struct sockaddr *address, socklen_t length);

// A connection of OpenSSL or GnuTLS gets the descriptor: the library will follow TLS on it.
void rb_link_note_secured(int fd);

// The process ends: records the success of connects whose protocol is unknown.
void rb_link_end_all(void);

// Claims the link of a descriptor. Returns NULL if there is none, or if it is claimed already. Lock-free,
// async-signal-safe, as are all functions below.
struct rb_link *rb_link_claim(int fd);

// The same for a caller that can do without the link: a failure leaves the link of the other caller as it is.
struct rb_link *rb_link_try(int fd);

// Lends a claim for a call of the kernel or of a TLS library from which this thread may never come back: it may be
// cancelled, and a signal handler may leave the call by siglongjmp or pthread_exit. Until rb_link_regain, the caller
// must not use the link. Another call that needs the link meanwhile makes it opaque.
// Returns a number for rb_link_regain; 0: another call has needed the link already, and the caller still has the claim.
uint32_t rb_link_lend(struct rb_link *link);

// Takes a lent claim back. Returns false if another call has needed the link: the caller must not use it any more.
bool rb_link_regain(struct rb_link *link, uint32_t loan);

// Releases a claim. If another call has needed the link meanwhile, the link becomes opaque.
void rb_link_release(struct rb_link *link);

// Returns true if another call has needed the claimed link meanwhile: another thread has written, shut the socket down,
// closed the descriptor or made a process that has a copy of it. Then the library must not write on the socket.
bool rb_link_is_disturbed(const struct rb_link *link);

// Changes the state.
void rb_link_enter(struct rb_link *link, enum rb_link_state state);

// Ends a claimed link: the descriptor is opaque from now on. The caller must not use the link any more. The response of
// a link in state DELIVER is kept until the program has read it, and so are bytes of which the library has the only
// copy (rb_exchange_give_only).
void rb_link_drop(struct rb_link *link);

// The descriptor is closed, or is about to belong to another file.
void rb_link_close(int fd);

// The same for the descriptors from `first` to `last`.
void rb_link_close_range(unsigned first, unsigned last);

// The library loses sight of the descriptor: it is duplicated, passed to another process, or used past the library.
void rb_link_leave(int fd);

// Another process gets copies of all descriptors.
void rb_link_leave_all(void);

// A program is started: it gets copies of the descriptors without FD_CLOEXEC.
void rb_link_leave_inherited(void);

// The program waits for the descriptor in this way.
void rb_link_note_wait(int fd, enum rb_link_wait wait);

// How long a wait by poll or select is.
enum rb_link_span {
    RB_LINK_SPAN_LONG,  // its end is the program's limit
    RB_LINK_SPAN_SHORT, // its end may be the limit
    RB_LINK_SPAN_TICK   // a look, or a tick of a loop
};

// The program waits for a claimed link by poll or select. Returns true if the end of this wait is the program's own
// limit. A program with one limit for several waits waits for the rest of it each time, so the end of any wait is the
// limit if an earlier wait has shown it. A program that goes on waiting for a response after a short wait waits in a
// loop; from then on, its short waits on the connection are ticks.
//   until_ms: the end of the wait; UINT64_MAX: none
bool rb_link_limits(struct rb_link *link, uint64_t until_ms, enum rb_link_span span);

#endif

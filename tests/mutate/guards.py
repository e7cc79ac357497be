# SPDX-License-Identifier: MIT
"""The guards of HTTP without libcurl. See run.

A row: a name, a file, a text that is in it exactly once, what stands in its place when the guard is removed, and the tests of
which at least one must fail then. A test is `preload PROGRAM NAME`, `unit PROGRAM` or `clients PATTERN`.
"""

import collections

Guard = collections.namedtuple("Guard", "name file text instead tests")
GUARDS = []


def guard(name, file, text, instead, *tests):
    GUARDS.append(Guard(name, "src/" + file, text, instead, tests))


def wire(name):
    return f"preload test_wire {name}"


def passed(name):
    return f"preload test_wire_guard {name}"


def ssl(name):
    return f"preload test_ssl_http {name}"


def loop(name):
    return f"preload test_wire_loop {name}"


def odd(name):
    """A test of clients/test_wire_odd.py; `NAME CASE` for one case of it."""
    name, _, case = name.partition(" ")
    return f"clients ^wire_odd\\.{name}" + (f"\\[{case}\\]$" if case else "$")


def cell(name):
    """A cell of the matrix of clients."""
    return f"clients ^wire\\.exchange\\[{name}\\]$"



# --- requests that are not repeated

EXCHANGE, SOCKET, WAIT = "wire/exchange.c", "wire/socket.c", "hook/wait.c"
guard("Expect", EXCHANGE, "x->head.expects_continue || x->head.upgrades", "x->head.upgrades",
      passed("a_request_that_expects_an_interim_response_is_not_repeated"))
guard("Upgrade", EXCHANGE, "x->head.expects_continue || x->head.upgrades", "x->head.expects_continue",
      passed("a_request_for_another_protocol_is_not_repeated"))
guard("method (POST 503)", EXCHANGE, "x->allowed = may_repeat_method(x, &section->values);", "x->allowed = true;",
      cell("socket/post_503/plain"))
guard("condition of a PUT", EXCHANGE, "return allowed && (reads ||", "return allowed; (void) (reads ||",
      passed("a_condition_prevents_the_repetition_of_a_put"))
guard("request of more than 64 KiB", EXCHANGE, "x->whole = x->whole && kept;", "", odd("request_size over"))
guard("pipelining in one write", EXCHANGE, "used < length)\n        return false;\n    if (rb_frame_body_is_done(&x->body)) {",
      "false)\n        return false;\n    if (rb_frame_body_is_done(&x->body)) {", passed("two_requests_in_one_write_are_not_repeated"))
guard("pipelining in two writes", EXCHANGE, "return link->state == RB_LINK_SENDING && take_request(",
      "return link->state != RB_LINK_SENDING || take_request(", passed("two_requests_in_two_writes_are_not_repeated"))

# --- responses that are passed on

guard("101", EXCHANGE, "if (x->head.upgrades)\n        return false;", "", passed("after_101_nothing_is_repeated"))
guard("103 that was read", EXCHANGE, "x->passes = true;\n    for (;;) {", "for (;;) {",
      passed("a_response_of_which_a_part_was_read_is_passed_on"))
guard("event stream", EXCHANGE, " || head->event_stream)", ")", cell("socket/stream/plain"))
guard("response of more than 64 KiB", EXCHANGE, "full ? RB_REASON_OVERFLOW : RB_REASON_STACK", "RB_REASON_STACK",
      passed("a_response_of_more_than_64_kib_is_passed_on"))
guard("response that is cut off", EXCHANGE,
      "bool whole = rb_frame_body_is_done(&body) || (head.body == RB_BODY_UNTIL_CLOSE && ended);", "bool whole = true;",
      wire("a_response_that_is_cut_off_is_passed_on"))
guard("bytes behind the response", EXCHANGE, "head.length + used < text.length || ", "", passed("two_responses_at_once_are_passed_on"))
guard("unasked response", EXCHANGE, "return answers && take_response(", "return !answers || take_response(",
      odd("protocol unasked/blocking"))

# --- the memory of an exchange

guard("framing of a hint", EXCHANGE, "if (reader.place == RB_FRAME_AT_CHUNK)", "if (true)", "unit test_wire_exchange")
guard("buffer of a request", EXCHANGE, "if (length > sizeof(x->request) - x->request_length)\n        return false;",
      "if (length > sizeof(x->request) - x->request_length)\n        return true;", "unit test_wire_exchange")
guard("buffer of a response", EXCHANGE, "(!whole && (ended || full))", "(!whole && ended)", "unit test_wire_exchange")
guard("end of a response that was cut off", EXCHANGE, "return !answers; // a body", "return true; // a body", "unit test_wire_exchange")

# --- other protocols: one test for each call

guard("opaque connection", SOCKET, "rb_link_drop(io->link);\n    errno = saved;", "rb_link_release(io->link);\n    errno = saved;",
      "preload test_wire_cost redis")

# --- waits and limits. On a plain socket a hidden response stays in the kernel, so a wait that the library does not see ends
# without a guard.

guard("SO_RCVTIMEO", SOCKET, ".until_ms = limit_ms > 0 ? begun_ms", ".until_ms = false ? begun_ms",
      odd("limit_of_a_hang receive_limit"), passed("a_read_that_ends_before_the_repetition_gets_the_response"))
guard("limit of a wait for a parked response", SOCKET, "if (parked && w->limits && x->due_ms >= w->until_ms) {", "if (false) {",
      passed("a_poll_that_ends_before_the_repetition_reports_the_response"),
      passed("a_select_that_ends_before_the_repetition_reports_the_response"))
guard("limit in the decision", EXCHANGE, "rb_arithmetic_min(x->total_until_ms, until_ms)", "x->total_until_ms",
      passed("a_limit_before_the_repetition_prevents_it"))
guard("limit of the repetition", SOCKET, "if (ready == 0 && repeated && (w->limits ||", "if (ready == 0 && repeated && (false ||",
      odd("limit_during_the_retry poll_limit"))
guard("event loop", SOCKET, "< RB_LINK_WAIT_LOOP)\n        makes = ", "< 100)\n        makes = ", wire("a_blocking_socket_in_a_loop_is_not_held"))
guard("epoll", WAIT, "if (LINKED && op == EPOLL_CTL_ADD)", "if (false)", wire("after_epoll_nothing_is_held"))
guard("two connections in one wait", SOCKET, "if (links < 2)\n        return found;", "if (links < 9)\n        return found;",
      wire("two_connections_in_one_poll_are_not_held"))
guard("SO_RCVLOWAT", SOCKET, "if (marked)\n            rb_mark_restore(link);", "", passed("the_low_mark_of_the_program_stays"))
guard("response that stalls", SOCKET, "return marked && ends_partial(w) ? show(w, false) : 0;", "return 0;",
      wire("a_part_that_poll_reports_can_be_read"))
guard("signal in a wait", SOCKET, "limit_ms == 0 && rb_pause_all_restart()", "true", wire("a_signal_ends_a_read_with_a_limit"),
      odd("interrupted interrupted"))

# --- the connection

guard("shutdown", "hook/socket.c", "rb_link_leave(fd); // a connection that is made again would not be shut down", "",
      wire("a_half_closed_connection_is_opaque"))
guard("request of another thread", SOCKET, "w->lost = !rb_link_regain(w->link, loan)", "rb_link_regain(w->link, loan)",
      wire("a_request_of_another_thread_prevents_the_repetition"))
guard("identity of the socket", SOCKET, "if (rb_link_is_disturbed(link) || !rb_socket_is(link->fd, link->identity) ||",
      "if (rb_link_is_disturbed(link) ||", passed("the_repetition_is_not_sent_to_another_file"))
guard("bytes behind a held response", SOCKET, "|| peek_byte(link->fd) != -EAGAIN ?", "?",
      wire("bytes_behind_the_response_are_not_for_the_repetition"))
guard("SIGPIPE of the repetition", SOCKET, "MSG_NOSIGNAL | MSG_DONTWAIT, NULL, 0);", "MSG_DONTWAIT, NULL, 0);",
      passed("the_repetition_raises_no_signal"))
guard("new connection in an event loop", SOCKET, "if (!waits || !rb_socket_is(", "if (!rb_socket_is(",
      passed("a_stale_connection_in_an_event_loop_is_left_to_the_program"))
guard("write on a connection that is used up", SOCKET, "if (link->state == RB_LINK_ENDED)\n        return revive(", "if (false)\n        return revive(",
      wire("the_next_request_may_follow_the_held_response"))
guard("error of the first attempt", SOCKET, "x->error = x->broke > 0 ? x->broke : 0;", "x->error = EIO;",
      wire("a_refused_repetition_shows_the_first_error"))

# --- calls that the library does not follow

guard("MSG_TRUNC", SOCKET, "(MSG_OOB | MSG_ERRQUEUE | MSG_TRUNC)", "(MSG_OOB | MSG_ERRQUEUE)",
      passed("discarded_bytes_are_not_read_by_the_library"))
guard("wrong buffer", SOCKET, "if (is_past_us(flags) || !rb_memory_is_readable(parts, count * sizeof(*parts)))", "if (is_past_us(flags))",
      passed("a_wrong_buffer_gets_efault"))
guard("wrong buffer of held bytes", SOCKET, "if (io->parts[i].iov_len > 0 && !rb_memory_is_readable(", "if (false && !rb_memory_is_readable(",
      passed("a_wrong_buffer_gets_efault"))

guard("MSG_PEEK", SOCKET, "if (!(io->flags & MSG_PEEK))\n        x->given += got;", "x->given += got;",
      "preload test_wire_play random_play")
guard("peeked bytes", SOCKET, "if (io->flags & MSG_PEEK) { // the program", "if (false) { // the program",
      passed("a_peek_is_no_read"))

HOOK_SOCKET, DESCRIPTOR = "hook/socket.c", "hook/descriptor.c"


def leaves(name, file, text, instead="", test=None):
    guard(name, file, text, instead, passed("left_by_" + (test or name)))


leaves("fdopen", DESCRIPTOR, "rb_link_leave(fd);\n    if (rb_park_on(fd))", "if (rb_park_on(fd))")
leaves("dup", DESCRIPTOR, "rb_link_leave(fd);\n    return rb_park_copied(fd, rb_libc_dup(fd));",
       "return rb_park_copied(fd, rb_libc_dup(fd));")
leaves("dup2", DESCRIPTOR, "dup2(int fd, int copy)\n{\n    rb_link_leave(fd);", "dup2(int fd, int copy)\n{")
leaves("dup3", DESCRIPTOR, "dup3(int fd, int copy, int flags)\n{\n    rb_link_leave(fd);", "dup3(int fd, int copy, int flags)\n{")
leaves("F_DUPFD", DESCRIPTOR, "rb_link_leave(fd);\n        return rb_park_copied(fd, result);",
       "return rb_park_copied(fd, result);", "dupfd")
leaves("SIGIO: O_ASYNC", DESCRIPTOR, "bool asynchronous = command == F_SETFL && ((intptr_t) argument & O_ASYNC);",
       "bool asynchronous = false;", "o_async")
leaves("SIGIO: F_SETOWN", DESCRIPTOR, "command == F_SETOWN ||", "", "setown")
leaves("SIGIO: F_SETSIG", DESCRIPTOR, " || command == F_SETSIG)", ")", "setsig")
leaves("SIGIO: FIOASYNC", DESCRIPTOR, "which == FIOASYNC ||", "", "fioasync")
leaves("SIGIO: SIOCSPGRP", DESCRIPTOR, " || which == SIOCSPGRP;", ";", "siocspgrp")
leaves("splice to the connection", HOOK_SOCKET, "if (rb_link_on(out))\n        rb_link_leave(out);", "", "splice_out")
leaves("splice from the connection", HOOK_SOCKET, "return PAST(fd, 0, rb_libc_splice(", "return IO(fd, 0, rb_libc_splice(", "splice_in")
leaves("sendfile", HOOK_SOCKET, "return PAST(out, 0, rb_libc_sendfile(", "return IO(out, 0, rb_libc_sendfile(")
leaves("sendfile64", HOOK_SOCKET, "return PAST(out, 0, rb_libc_sendfile64(", "return IO(out, 0, rb_libc_sendfile64(")
leaves("dprintf", HOOK_SOCKET, "PAST(fd, 0, rb_libc_vdprintf(", "IO(fd, 0, rb_libc_vdprintf(")
leaves("recvmmsg", HOOK_SOCKET, "PAST(fd, flags, rb_libc_recvmmsg(", "IO(fd, flags, rb_libc_recvmmsg(")
leaves("sendmmsg", HOOK_SOCKET, "PAST(fd, flags, rb_libc_sendmmsg(", "IO(fd, flags, rb_libc_sendmmsg(")
leaves("SCM_RIGHTS", HOOK_SOCKET, "rb_rights_visit(message, rb_link_leave);", ";", "rights")
leaves("SCM_RIGHTS of sendmmsg", HOOK_SOCKET, "rb_rights_visit_all(messages, count, rb_link_leave);", ";", "rights_of_sendmmsg")

PROCESS, START = "hook/process.c", "hook/start.c"
leaves("fork", "wire/link.c", "rb_fork_notify(NULL, rb_link_leave_all, link_forked_child);", "(void) link_forked_child;")
leaves("_Fork", PROCESS, "rb_link_leave_all();\n    rb_park_forking();", "rb_park_forking();")
leaves("clone", PROCESS, ", rb_link_leave_all();", ";")
leaves("clone by number", PROCESS, "before_clone((unsigned long) c->a);", "", "clone_by_number")
leaves("vfork", PROCESS, "rb_link_leave_inherited();", "")
leaves("start of a program", START, "rb_link_leave_inherited();", "", "system")
leaves("spawn with actions", START, "rb_link_leave_all();", ";", "spawn_with_actions")

guard("close", DESCRIPTOR, "rb_link_close(fd);\n    rb_park_closing(fd);", "rb_park_closing(fd);", passed("closed_by_close"))
guard("close_range", DESCRIPTOR, "rb_link_close_range(first, last);", "", passed("closed_by_close_range"))
guard("closefrom", DESCRIPTOR, "rb_link_close_range(first > 0", "if (0) rb_link_close_range(first > 0", passed("closed_by_closefrom"))
guard("dup2 over the descriptor", DESCRIPTOR, "if (fd != copy)\n        rb_link_close(copy);\n    rb_park_replacing(fd, copy);\n    return rb_park_copied(fd, rb_libc_dup2(",
      "rb_park_replacing(fd, copy);\n    return rb_park_copied(fd, rb_libc_dup2(", passed("replaced_by_dup2"))
guard("bytes that only the library has", "wire/link.c", "return link->exchange && link->give_only(link);", "return false;",
      ssl("forked"))

# --- the parser: clients disagree about the end of these messages

FRAME = "wire/frame.c"
guard("two lengths", FRAME, "value.length == 0 || (reading->has_length && number != head->content_length)", "value.length == 0",
      "unit test_wire_frame")
guard("chunked and a length", FRAME, "if (reading->chunked && (reading->has_length || head->minor == 0))", "if (false)",
      "unit test_wire_frame")
guard("coding that is not chunked", FRAME, 'return first && rb_slice_is_nocase(value, "chunked");', "return true;",
      "unit test_wire_frame")
guard("response to HEAD", FRAME, "asked == RB_FRAME_ASKS_HEAD || ", "", "unit test_wire_frame")
guard("Content-Length that is too large", FRAME, "number > ((uint64_t) INT64_MAX - digit) / 10", "false", "unit test_wire_frame")
guard("chunk size that is too large", FRAME, "enum { SIZE_DIGITS_MAX = 15 };", "enum { SIZE_DIGITS_MAX = 40 };", "unit test_wire_frame")

# --- TLS

TLS = "wire/tls.c"
guard("TLS: event loop", TLS, "(wait == RB_LINK_WAIT_FEW || (io->waits && wait == RB_LINK_WAIT_UNKNOWN))", "true",
      ssl("event_loop"))
guard("TLS: wait that was not seen", TLS, "if (link->state == RB_LINK_SENT && unseen && !io->waits)", "if (false)",
      ssl("hidden_wait_after_another"))
guard("TLS: wait to write", SOCKET, "if (!(fds[i].events & (POLLIN | POLLRDNORM)))\n            continue;",
      "if (!(fds[i].events & (POLLIN | POLLRDNORM))) {\n            rb_link_note_wait(fds[i].fd, RB_LINK_WAIT_FEW);\n            continue;\n        }",
      ssl("hidden_wait"))
guard("TLS: closed by the server", EXCHANGE, "x->closes && link->tls && !x->reopens ? RB_REASON_STACK", "false ? RB_REASON_STACK", ssl("closing"))
QUIET = "wire/quiet.c"
guard("TLS: SIGPIPE of the repetition", QUIET,
      "quiet->masks = rb_kernel(SYS_rt_sigprocmask, SIG_BLOCK, &broken_pipe, &quiet->mask, RB_KERNEL_SIGNALS) == 0;", ";",
      ssl("broken_pipe"))
guard("TLS: mode of the socket", QUIET, "rb_kernel_always(SYS_fcntl, quiet->fd, F_SETFL, quiet->flags);", ";", ssl("signal_in_wait"))
guard("TLS: room for a record", TLS, "if (sizeof(x->seen) - x->taken < RECORD)", "if (false)",
      ssl("overflow_polling_first"))
guard("TLS: end of a used connection", TLS, "if (io->libssl->set_shutdown && io->libssl->get_shutdown)", "if (false)",
      ssl("no_answer"))
guard("TLS: SSL_pending", "hook/ssl.c", "callee.followed ? (int) rb_tls_held(callee.libssl, ssl) : 0", "0", ssl("pending"))
guard("TLS: another connection object", TLS, "(link->ssl == ssl && link->detached == detached)", "true", ssl("another_object"))
guard("TLS: SSL_clear", "hook/ssl.c", "rb_tls_forget(callee.libssl, ssl);", ";", ssl("cleared"))
guard("TLS: limit of a wait", TLS, "if (parked && limits && change_ms >= until_ms)", "if (false)", ssl("poll_limit"))
guard("TLS: SO_RCVTIMEO", TLS, "io->waits ? rb_socket_receive_limit_ms(link->fd) : 0;", "0;", ssl("receive_limit"))
guard("TLS: identity of the socket", TLS, "!rb_socket_is(link->fd, link->identity) || ", "", ssl("not_to_another_file"))
guard("TLS: descriptor of two holders", TLS, "if (rb_link_is_disturbed(link) || ", "if (", ssl("shared_in_wait"))
guard("TLS: peek", TLS, "if (!io->peeks)\n        x->given += count;", "x->given += count;", "preload test_ssl_play random_play",
      ssl("pending"))

# --- TLS connections that are opened again

AGAIN = "wire/tls_again.c"


def again(name):
    """A test of clients/test_wire_again.py; `NAME CASE` for one case of it."""
    name, _, case = name.partition(" ")
    return f"clients ^wire_again\\.{name}" + (f"\\[{case}\\]$" if case else "$")


def opened(name):
    return f"preload test_ssl_again {name}"


guard("again: http.tls_reconnect", TLS, "x->reopens = link->reopens && !io->loops &&", "x->reopens = !io->loops &&", again("off"))
guard("again: certificate of the peer", AGAIN, "now.certificate && is_same_certificate(libcrypto, accepted->certificate, now.certificate) &&",
      "now.certificate &&", again("other_certificate blocking"), again("no_verification"))
guard("again: bytes of the certificate", AGAIN, "memcmp(memory, memory + length, (size_t) length) == 0", "true",
      again("other_certificate blocking"))
guard("again: result of the verification", AGAIN, "now.verified == accepted->verified && ", "", again("other_verification"))
guard("again: no certificate of the peer", AGAIN, "!in_kernel && shown &&", "!in_kernel &&", opened("no_certificate"))
guard("again: own certificate", AGAIN, "libssl->get_certificate(ssl) || ", "", again("own_certificate"))
guard("again: callback for an own certificate", AGAIN, " || libssl->context_certificate_callback(context);", ";",
      opened("certificate_callback"))
guard("again: protocol", AGAIN, 'protocol.length == 0 || rb_slice_is(protocol, "http/1.1")', "true", again("protocol"))
guard("again: info callbacks", AGAIN, "libssl->set_info_callback(ssl, tell_nobody);", ";", opened("info_callback_of_connection"),
      opened("info_callback_of_context"))
guard("again: info callback comes back", AGAIN, "libssl->set_info_callback(ssl, told);", "(void) told;",
      opened("info_callback_of_connection"))
guard("again: session", AGAIN, "libssl->set_shutdown(ssl, SENT_AND_RECEIVED); // otherwise", "// otherwise",
      again("reopened blocking/tls1.2"))
guard("again: error queue", AGAIN, "    libcrypto->clear_error();", "", again("next_request blocking"))
guard("again: SIGPIPE after a refusal", AGAIN, "rb_socket_disconnect(link->fd); // the peer can be another one\n        libssl->set_shutdown(ssl, SENT_AND_RECEIVED);",
      "rb_socket_disconnect(link->fd);", opened("refused"))
guard("again: signal in the handshake", AGAIN, "(errno == EINTR && rb_pause_all_restart() && left_ms > 0)", "errno == EINTR",
      opened("signal_in_handshake"))
guard("again: limit of the call", TLS, "    until_ms = rb_arithmetic_min(until_ms, x->total_until_ms);\n    if (!x->closes", "    if (!x->closes",
      again("silent blocking"))
guard("again: limit of the program", TLS, "if (!io->waits && link->limit_end_ms > 0)", "if (false)",
      again("silent_until_the_limit select"))
guard("again: end that is not shown", TLS, "atomic_store_explicit(&io->link->mute, true, memory_order_relaxed);", "",
      again("reopened select/tls1.2"))
guard("again: announced end", TLS, "x->closes = x->notified = true;", "x->closes = true;", again("given_up_after_the_end"))
guard("again: end of a body", TLS, "if (rb_exchange_look(link, true, until_ms) == RB_LOOK_RETRY)\n            return park_ended(link);",
      "rb_exchange_look(link, true, until_ms);", again("end_of_body limit"))
guard("again: hang-up", TLS, "if (rb_exchange_broke(link, 0, previous && x->reopens, until_ms) && previous)",
      "if (rb_exchange_broke(link, 0, false, until_ms) && previous)", again("hang_up_on_the_repetition blocking"))
guard("again: next request", TLS, "link->state == RB_LINK_ENDED && !revive_tls(io);", "link->state == RB_LINK_ENDED;",
      cell("http_client/hang_up/again1.3"))
guard("again: stale connection", TLS, "link->state == RB_LINK_ENDED && !revive_tls(io);",
      "(link->state == RB_LINK_ENDED || (link->state == RB_LINK_IDLE && link->exchanges > 0)) && !revive_tls(io);", again("stale"))

# --- OpenSSL without a descriptor


def bio(name):
    return f"preload test_ssl_bio {name}"


BIO, ASYNC = "wire/bio.c", "wire/async.c"
guard("a ClientHello on two sockets", BIO, "if (other > 0) {", "if (0) {", bio("two_sockets"))
guard("a part of a ClientHello", BIO, "length < RANDOM + RB_BIO_RANDOM", "length < RANDOM", bio("short_hello"))
guard("http.async", ASYNC, "x && x->rules.async &&", "x &&", bio("not_held"))
guard("a BIO that is not in memory", ASYNC, 'strcmp(libcrypto->method_name(bio), "memory buffer") == 0', "true", bio("other_bio"))
guard("bytes that the program has not sent", ASYNC, "a->libcrypto->number_read(a->out) == atomic_load(&a->link->sent)", "true",
      bio("unsent"))
guard("bytes that the program has not taken", ASYNC, "a->libcrypto->pending(a->out) == 0 &&", "true &&", bio("untaken"))
guard("room in the socket", ASYNC, "&& has_room(a);", "; (void) has_room;", bio("no_room"))
guard("the nudge is taken out", ASYNC, "if (a->libcrypto->pending(a->in) == written - before)", "if (0)", bio("part"))
guard("the nudge", ASYNC, "shows = want_nudge(&a);", "shows = false; (void) want_nudge;", bio("part"))
guard("MSG_PEEK on TLS", ASYNC, "if (!link || peeks)", "(void) peeks; if (!link)", bio("part_peeked"))
guard("the end of the socket", ASYNC, "bool over = atomic_load(&a->link->input_over)", "bool over = false", bio("broken"))
guard("SSL_shutdown during a hold", ASYNC, "if (!hides(link))\n        return false;\n    if (rb_ex", "return false;\n    if (rb_ex",
      bio("half_closed"))
guard("BIOs that were replaced", ASYNC, "rb_exchange_give_only(link);\n    if (link->state == RB_LINK_DELIVER) {",
      "(void) 0;\n    if (link->state == RB_LINK_DELIVER) {", bio("other_bios"))
guard("another thread", "wire/loop.c", "!tls || (here &&", "!tls || ((void) here, true &&", bio("other_thread"))

# --- GnuTLS

GNUTLS = "wire/gnutls.c"
guard("GnuTLS: connect and request", GNUTLS, "rb_link_note_secured(sends);", "(void) sends;", "clients ^wire_gnutls\\.opens_the_breaker$")
guard("GnuTLS: reason", GNUTLS, "link->exchange->stack = RB_STACK_TLS;", "", "clients ^wire_gnutls\\.counts_statuses")

# --- event loops (http.hold)

SIFT, LOOP = "wire/sift.c", "wire/loop.c"
guard("loop: limit of all holds", SIFT, "rb_exchange_look(link, state & ENDED, until_ms)",
      "rb_exchange_look(link, state & ENDED, UINT64_MAX)", loop("a_wait_longer_than_the_hold_is_not_begun"))
guard("loop: data of two descriptors", SIFT, "rb_park_shares(epfd, registered.data.u64, fd)", "false",
      loop("shared_data_is_not_held"))
guard("loop: one-shot registration", SIFT, "rb_park_rearm(epfd, fd);", ";", loop("a_one_shot_loop_gets_the_repeated_response"))
guard("loop: error of a POST", SIFT, "(state & POLLERR) && x->held_length == 0", "false", loop("a_reset_of_a_post_keeps_its_errno"))
guard("loop: last error", SIFT, "x->error = error;\n        x->passes = true;", ";", loop("the_last_reset_is_read"))
guard("loop: nested epoll", LOOP, " && !rb_park_is_watched(epfd)", "", loop("a_nested_epoll_is_not_held"))
guard("loop: polled epoll", LOOP, "!polled && usable", "usable", loop("a_polled_epoll_is_not_held"))
guard("loop: epoll that is polled later", LOOP, "link->hold == i + 1 && link->state == RB_LINK_PARKED)", "false)",
      loop("a_poll_for_the_epoll_ends_a_hold"))
guard("loop: removed registration", LOOP, "op != EPOLL_CTL_MOD && link->hold", "false && link->hold",
      loop("a_removed_registration_shows_the_response"))
guard("loop: lost sight", EXCHANGE, "if (x && link->unpark)\n        link->unpark(link);", "", loop("lost_sight_shows_the_response"))
guard("loop: lost sight of a new connection", EXCHANGE, "unanswered = unanswered || (x && x->redials", "unanswered = unanswered || (false",
      loop("lost_sight_after_a_reconnect_shows_the_response"))
guard("loop: signals", "wire/epoll.c", "ready >= 0 && call->shown + kept == 0", "call->shown + kept == 0", loop("a_signal_ends_the_wait"))
guard("loop: TLS of two holders", LOOP, "atomic_store(&holds[link->hold - 1].when_ms, 0);", ";", ssl("loop_shared"))

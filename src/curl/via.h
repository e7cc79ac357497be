// SPDX-License-Identifier: MIT
// By what way a handle's transfers reach their host: a proxy, another address than the host's own, or an interface.
//
// The host's breaker, budget and Retry-After are shared by the calls that go the same way. A client whose proxy is
// dead, or that is told to connect elsewhere, harms only those that make the same mistake.
#ifndef RB_HTTP_VIA_H
#define RB_HTTP_VIA_H

#include "policy/target.h"
#include "real/libcurl.h"

struct rb_handle;
union rb_option;

// Options that hold for every host of the handle. Each is kept as a hash of its value, 0: not set.
enum rb_via_option {
    RB_VIA_SOCKET,    // CURLOPT_UNIX_SOCKET_PATH, CURLOPT_ABSTRACT_UNIX_SOCKET
    RB_VIA_INTERFACE, // CURLOPT_INTERFACE
    RB_VIA_FAMILY,    // CURLOPT_IPRESOLVE
    RB_VIA_SERVERS,   // CURLOPT_DNS_SERVERS
    RB_VIA_DOH,       // CURLOPT_DOH_URL
    RB_VIA_OPENER,    // CURLOPT_OPENSOCKETFUNCTION: the program connects where it likes
    RB_VIA_PROTOCOL,  // CURLOPT_HTTP_VERSION where it asks for what not every server understands
    RB_VIA_HAPROXY,   // CURLOPT_HAPROXYPROTOCOL, likewise
    RB_VIA_ALWAYS,    // the ones below count only where there is a proxy
    RB_VIA_PROXY_PORT = RB_VIA_ALWAYS,
    RB_VIA_PROXY_TYPE,
    RB_VIA_TUNNEL,
    RB_VIA_OPTIONS
};

// Of a handle with such an option. Texts are owned.
struct rb_via {
    char *proxy;      // CURLOPT_PROXY without its user and password, "": none; NULL: as the environment says
    char *pre_proxy;  // likewise
    char *no_proxy;   // CURLOPT_NOPROXY; NULL: as the environment says
    char *connect_to; // CURLOPT_CONNECT_TO, a line for each entry
    char *resolve;    // CURLOPT_RESOLVE, likewise. Stays when the option is taken back: libcurl keeps what it was told
    uint64_t options[RB_VIA_OPTIONS];
};

// Notes an option that libcurl accepted. Returns whether it has to do with the way. Without memory the handle becomes
// unknown.
bool rb_via_note(struct rb_handle *handle, CURLoption option, union rb_option value);

// The way to a target as a number that is not 0, or 0: directly, so that calls by connect go the same way.
//   secure: the URL's scheme is https
//   proxied: receives whether there is a proxy
uint64_t rb_via_find(const struct rb_handle *handle, const struct rb_target *target, bool secure, bool *proxied);

// Stands for the proxies that the environment names at this moment, 0: none.
uint64_t rb_via_environment(void);

// As curl_easy_reset: what is left, NULL: nothing. libcurl keeps the names and addresses that it was told.
struct rb_via *rb_via_reset(struct rb_via *via);

// A copy of `from`, NULL: it is NULL, or there is no memory.
struct rb_via *rb_via_copy(const struct rb_via *from);

// NULL is allowed.
void rb_via_free(struct rb_via *via);

#endif

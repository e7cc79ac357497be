// SPDX-License-Identifier: MIT
// The network path of a handle's transfers ("via"): proxy, redirected connect, overridden addresses, interface.
//
// Calls share the breaker, budget and Retry-After of a host only if they use the same path. So a client with a broken
// proxy or a wrong address affects only clients with the same mistake.
#ifndef RB_CURL_VIA_H
#define RB_CURL_VIA_H

#include "policy/target.h"
#include "real/libcurl.h"

struct rb_handle;
union rb_option;

// Options that apply to every host of the handle, each kept as a hash of its value. 0: not set.
enum rb_via_option {
    RB_VIA_SOCKET,    // CURLOPT_UNIX_SOCKET_PATH, CURLOPT_ABSTRACT_UNIX_SOCKET
    RB_VIA_INTERFACE, // CURLOPT_INTERFACE
    RB_VIA_FAMILY,    // CURLOPT_IPRESOLVE
    RB_VIA_SERVERS,   // CURLOPT_DNS_SERVERS
    RB_VIA_DOH,       // CURLOPT_DOH_URL
    RB_VIA_OPENER,    // CURLOPT_OPENSOCKETFUNCTION: the program chooses the address
    RB_VIA_PROTOCOL,  // CURLOPT_HTTP_VERSION, only versions that some servers do not understand
    RB_VIA_HAPROXY,   // CURLOPT_HAPROXYPROTOCOL, which some servers do not understand
    RB_VIA_ALWAYS,    // the options below count only with a proxy
    RB_VIA_PROXY_PORT = RB_VIA_ALWAYS,
    RB_VIA_PROXY_TYPE,
    RB_VIA_TUNNEL,
    RB_VIA_OPTIONS
};

// The options of a handle that change the path. A handle without such an option has none. The strings are owned.
struct rb_via {
    char *proxy;      // CURLOPT_PROXY without user and password; "": no proxy; NULL: use the environment
    char *pre_proxy;  // CURLOPT_PRE_PROXY, likewise
    char *no_proxy;   // CURLOPT_NOPROXY; NULL: use the environment
    char *connect_to; // CURLOPT_CONNECT_TO, one entry per line
    char *resolve;    // CURLOPT_RESOLVE, one entry per line. Kept when the option is cleared, because libcurl keeps the
                      // addresses
    uint64_t options[RB_VIA_OPTIONS];
};

// Records an option that libcurl accepted. Returns whether it affects the path. Without memory, sets handle->unknown.
bool rb_via_note(struct rb_handle *handle, CURLoption option, union rb_option value);

// A hash of the path to a target. 0 means a direct connection; such transfers share their state with plain connects.
//   secure: the URL's scheme is https
//   proxied: receives whether a proxy is used
uint64_t rb_via_find(const struct rb_handle *handle, const struct rb_target *target, bool secure, bool *proxied);

// A hash of the proxy variables in the environment, 0 for none.
uint64_t rb_via_environment(void);

// Frees `via` after curl_easy_reset. libcurl keeps the addresses of CURLOPT_RESOLVE, so returns a new struct with
// these. NULL if there are none.
//   via: NULL is allowed
struct rb_via *rb_via_reset(struct rb_via *via);

// Returns a copy of `from`. NULL if `from` is NULL or without memory.
struct rb_via *rb_via_copy(const struct rb_via *from);

// NULL is allowed.
void rb_via_free(struct rb_via *via);

#endif

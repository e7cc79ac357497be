// SPDX-License-Identifier: MIT
// The target of a call: name, address, port or Unix socket, as far as they are known.
#ifndef RB_POLICY_TARGET_H
#define RB_POLICY_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

enum { RB_NAME_SIZE = 256, RB_LABEL_SIZE = 272 };

// A target; all zero means nothing is known. name is borrowed; it may have upper case and a final dot.
struct rb_target {
    const char *name; // host name, or NULL when only the address is known
    size_t name_length;
    int family;          // AF_INET, AF_INET6 with `address` valid; AF_UNIX with name holding the path; else 0
    uint8_t address[16]; // network order; 4 bytes for AF_INET. IPv4-mapped IPv6 is stored as AF_INET
    uint16_t port;       // host order, 0: not known
};

// Fills a target from a socket address. Returns 0, -EINVAL if `length` is too short, or -EAFNOSUPPORT for families
// without patterns and for an abstract or unnamed Unix socket. For AF_UNIX, name points into `address`.
int rb_target_from_sockaddr(struct rb_target *target, const struct sockaddr *address, socklen_t length);

// Fills a target from a URL ("https://user@Host:8443/x"; "host/path" counts as http) or from "HOST", "HOST:PORT",
// "[v6]:PORT" or "unix:/path". An address literal sets family and address, and name stays NULL.
//   text: NUL-terminated; name points into it
//   scheme: may be NULL; receives the length of the scheme at the start of text, 0 without a scheme
// The port is the explicit one, else 80 for http and ws, 443 for https and wss, 21 for ftp, else 0. Returns 0, or
// -EINVAL if the text contains no host.
int rb_target_from_url(struct rb_target *target, const char *text, size_t *scheme);

// Returns the default port of a scheme in host order; 0 for a scheme not listed above.
uint16_t rb_target_port_of_scheme(const char *scheme);

// Returns true for a host that is not public: its name has no dot (but for a final one), or its address is a loopback,
// link-local or private one (RFC 1918, RFC 4193, RFC 6598), or it is a Unix socket. A name with a dot is public if
// no address is known.
bool rb_target_is_near(const struct rb_target *target);

// Writes "host:port" for logs, breakers and people: lower case, without a final dot; "[v6]:port" for IPv6; without the
// port if it is 0; "unix:/path". The output is NUL-terminated and cut to size - 1 bytes, but not inside a UTF-8
// character. Returns its length.
size_t rb_target_format(const struct rb_target *target, char *out, size_t size);

#endif

// SPDX-License-Identifier: MIT
// Whom a call is for: a name, an address, a port or a Unix socket, as far as they are known.
#ifndef RB_POLICY_TARGET_H
#define RB_POLICY_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

enum { RB_NAME_SIZE = 256, RB_LABEL_SIZE = 272 };

// Zero-initialised: nothing known. name is borrowed, lower case not required, a final dot allowed.
struct rb_target {
    const char *name; // host name, or NULL when only the address is known
    size_t name_length;
    int family;          // AF_INET, AF_INET6 with `address` valid; AF_UNIX with name holding the path; else 0
    uint8_t address[16]; // network order; 4 bytes for AF_INET. IPv4-mapped IPv6 is stored as AF_INET
    uint16_t port;       // host order, 0: not known
};

// Fills a target from a socket address. Returns 0, or -EAFNOSUPPORT for families without patterns, -EINVAL when short.
// An abstract or unnamed Unix socket is -EAFNOSUPPORT. For AF_UNIX, name points into `address`.
int rb_target_from_sockaddr(struct rb_target *target, const struct sockaddr *address, socklen_t length);

// Fills a target from a URL ("https://user@Host:8443/x", "host/path" counts as http) or from "HOST", "HOST:PORT",
// "[v6]:PORT", "unix:/path". An address literal fills family and address, and leaves name NULL.
//   text: NUL-terminated; name points into it
//   scheme: may be NULL; receives the scheme's length (0 when there is none); the scheme starts at text
// The port is the explicit one, else 80 for http and ws, 443 for https and wss, 21 for ftp, else 0.
// Returns 0, -ERANGE for a port over 65535, or -EINVAL when no host can be found in the text.
int rb_target_from_url(struct rb_target *target, const char *text, size_t *scheme);

// The port that a URL with this scheme has unless it names one, in host order; 0: none of the above.
uint16_t rb_target_port_of_scheme(const char *scheme);

// Writes "host:port" (lower case, no final dot; "[v6]:port"; the port is left out when 0; "unix:/path") for logs,
// breakers and people. Returns the length written, always less than `size`, NUL-terminated (cut when too long).
size_t rb_target_format(const struct rb_target *target, char *out, size_t size);

#endif

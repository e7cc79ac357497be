// SPDX-License-Identifier: MIT
// One name lookup of the program, made of as many attempts as its policy allows.
#ifndef RB_NET_LOOKUP_H
#define RB_NET_LOOKUP_H

#include <netdb.h>

#include "policy/policy.h"

// Who asks: for libcurl's own lookups a policy that acts on its transfers repeats those, and not the lookup as well.
enum rb_lookup_caller { RB_LOOKUP_PROGRAM, RB_LOOKUP_LIBCURL };

// As the functions of the same name: result, errno and h_errno are those of the last call that was made, but for an
// answer that took repeating, which leaves errno as it was. Numeric nodes, and hosts that no section covers, go to libc
// untouched. While the resolver fails for a time only, the call is repeated within dns.total; where it fails to the
// end, and dns.stale allows, the program gets the last good answer. The waits are no signal's business, as in
// getaddrinfo itself, and nothing is held across them.
//   policy: the policy in force; NULL: untouched
int rb_net_getaddrinfo(const struct rb_policy *policy, enum rb_lookup_caller caller, const char *node,
                       const char *service, const struct addrinfo *hints, struct addrinfo **result);

// In place of a family: the function without one.
enum { RB_LOOKUP_PLAIN = -1 };

// gethostbyname and gethostbyname2.
struct hostent *rb_net_gethostbyname(const struct rb_policy *policy, enum rb_lookup_caller caller, const char *name,
                                     int family);

// gethostbyname_r and gethostbyname2_r, likewise. A buffer that is too small is the program's to enlarge.
int rb_net_gethostbyname_r(const struct rb_policy *policy, enum rb_lookup_caller caller, const char *name, int family,
                           struct hostent *entry, char *buffer, size_t size, struct hostent **result, int *error);

#endif

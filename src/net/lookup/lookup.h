// SPDX-License-Identifier: MIT
// Retries name lookups as the policy allows.
#ifndef RB_NET_LOOKUP_LOOKUP_H
#define RB_NET_LOOKUP_LOOKUP_H

#include <netdb.h>

#include "policy/policy.h"

// The caller of a lookup. If the policy covers libcurl's transfers, a lookup of libcurl is not retried, because the
// whole transfer is.
enum rb_lookup_caller { RB_LOOKUP_PROGRAM, RB_LOOKUP_LIBCURL };

// Replaces getaddrinfo. The result, errno and h_errno are those of the last attempt. If a retry succeeded, errno keeps
// its value from before. Numeric nodes and hosts that no section covers pass through. Temporary failures of the
// resolver are retried within dns.total. If they persist and dns.stale allows it, the program gets the last good
// answer. As in getaddrinfo, signals do not end the waits. No lock is held during a wait.
//   policy: the current policy; NULL passes through
int rb_lookup_getaddrinfo(const struct rb_policy *policy, enum rb_lookup_caller caller, const char *node,
                          const char *service, const struct addrinfo *hints, struct addrinfo **result);

// A value for `family`: the function without this parameter.
enum { RB_LOOKUP_PLAIN = -1 };

// Replaces gethostbyname and gethostbyname2.
struct hostent *rb_lookup_gethostbyname(const struct rb_policy *policy, enum rb_lookup_caller caller, const char *name,
                                        int family);

// Replaces gethostbyname_r and gethostbyname2_r. A buffer that is too small is reported to the program, which then
// calls again.
int rb_lookup_gethostbyname_r(const struct rb_policy *policy, enum rb_lookup_caller caller, const char *name,
                              int family, struct hostent *entry, char *buffer, size_t size, struct hostent **result,
                              int *error);

#endif

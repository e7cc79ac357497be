// SPDX-License-Identifier: MIT
// The libc functions we stand in front of, found once in the next object after this library.
#ifndef RB_REAL_LIBC_H
#define RB_REAL_LIBC_H

#include <netdb.h>
#include <sys/socket.h>

// Each is the function of the same name, untouched: parameters, result and errno are libc's (or the next preload's).
// A function that is not there answers as libc does for lack of support: connect by a raw system call, getaddrinfo with
// EAI_SYSTEM and ENOSYS, gethostbyname* with no result and NO_RECOVERY. Found lazily, at latest on first use;
// async-signal-safe after rb_libc_resolve.
int rb_libc_connect(int fd, const struct sockaddr *address, socklen_t length);
int rb_libc_getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **result);
struct hostent *rb_libc_gethostbyname(const char *name);
struct hostent *rb_libc_gethostbyname2(const char *name, int family);
int rb_libc_gethostbyname_r(const char *name, struct hostent *entry, char *buffer, size_t size, struct hostent **result,
                            int *error);
int rb_libc_gethostbyname2_r(const char *name, int family, struct hostent *entry, char *buffer, size_t size,
                             struct hostent **result, int *error);

// The loader's own functions. Both judge the caller by the return address, so a hook has to jump to them; NULL: there
// is none, as where nothing has loaded libdl.so.2 of a glibc before 2.34. May be called before anything else works.
typedef void *rb_dlopen_fn(const char *file, int flags);
typedef void *rb_dlsym_fn(void *handle, const char *name);
rb_dlopen_fn *rb_libc_dlopen(void);
rb_dlsym_fn *rb_libc_dlsym(void);

// Finds all but those two now. Called at initialisation, so that no look-up happens later in a signal handler.
void rb_libc_resolve(void);

#endif

// SPDX-License-Identifier: MIT
// OpenSSL's interface for connections.
#include "hook/ssl.h"

#include <stdbool.h>

#include "hook/hook.h"
#include "real/libcurl.h"
#include "wire/tls.h"

// The libssl of a call, and whether the library may follow the connection.
struct callee {
    const struct rb_libssl *libssl;
    bool followed;
};

// Calls of libcurl pass through, because its transfers are repeated as a whole. So do calls that a libssl makes itself.
static struct callee callee_of(const SSL *ssl, const void *caller)
{
    const struct rb_libssl *libssl = rb_libssl_of(ssl, caller);
    bool any = atomic_load_explicit(&rb_link_count, memory_order_relaxed) > 0;
    bool passes =
        !any || !libssl || rb_library_spans(&libssl->library, caller) || rb_libcurl_contains(caller) || rb_guard_depth;
    return (struct callee){libssl, !passes && libssl->read && libssl->write && libssl->peek};
}

// Calls a function of the libssl; `absent`: the result if there is none.
#define CALL(callee, name, absent, ...)                                                                                \
    ((callee).libssl && (callee).libssl->name ? (callee).libssl->name(__VA_ARGS__) : (absent))

// A read or peek whose result is the number of bytes.
#define READ(name, peeks)                                                                                              \
    struct callee callee = callee_of(ssl, RB_CALLER);                                                                  \
    struct rb_tls_io io;                                                                                               \
    int result;                                                                                                        \
    if (!callee.followed || length <= 0)                                                                               \
        return CALL(callee, name, -1, ssl, buffer, length);                                                            \
    if (!rb_tls_before_read(&io, callee.libssl, ssl, buffer, (size_t) length, peeks, &result))                         \
        return result;                                                                                                 \
    result = CALL(callee, name, -1, ssl, buffer, length);                                                              \
    rb_tls_after_read(&io, result);                                                                                    \
    return result

// A read or peek that returns 1 for success and stores the number of bytes.
#define READ_EX(name, peeks)                                                                                           \
    struct callee callee = callee_of(ssl, RB_CALLER);                                                                  \
    struct rb_tls_io io;                                                                                               \
    int result;                                                                                                        \
    if (!callee.followed || !callee.libssl->name || !count)                                                            \
        return CALL(callee, name, 0, ssl, buffer, length, count);                                                      \
    if (!rb_tls_before_read(&io, callee.libssl, ssl, buffer, length, peeks, &result)) {                                \
        *count = result > 0 ? (size_t) result : 0;                                                                     \
        return result > 0;                                                                                             \
    }                                                                                                                  \
    result = callee.libssl->name(ssl, buffer, length, count);                                                          \
    rb_tls_after_read(&io, result > 0 ? (long) *count : 0);                                                            \
    return result

RB_HOOK int SSL_read(SSL *ssl, void *buffer, int length)
{
    READ(read, false);
}

RB_HOOK int SSL_peek(SSL *ssl, void *buffer, int length)
{
    READ(peek, true);
}

RB_HOOK int SSL_read_ex(SSL *ssl, void *buffer, size_t length, size_t *count)
{
    READ_EX(read_ex, false);
}

RB_HOOK int SSL_peek_ex(SSL *ssl, void *buffer, size_t length, size_t *count)
{
    READ_EX(peek_ex, true);
}

RB_HOOK int SSL_write(SSL *ssl, const void *buffer, int length)
{
    struct callee callee = callee_of(ssl, RB_CALLER);
    struct rb_tls_io io;
    if (!callee.followed)
        return CALL(callee, write, -1, ssl, buffer, length);
    if (!rb_tls_before_write(&io, callee.libssl, ssl, buffer))
        return length;
    int result = callee.libssl->write(ssl, buffer, length);
    rb_tls_after_write(&io, result);
    return result;
}

RB_HOOK int SSL_write_ex(SSL *ssl, const void *buffer, size_t length, size_t *count)
{
    struct callee callee = callee_of(ssl, RB_CALLER);
    struct rb_tls_io io;
    if (!callee.followed || !callee.libssl->write_ex || !count)
        return CALL(callee, write_ex, 0, ssl, buffer, length, count);
    if (!rb_tls_before_write(&io, callee.libssl, ssl, buffer)) {
        *count = length;
        return 1;
    }
    int result = callee.libssl->write_ex(ssl, buffer, length, count);
    rb_tls_after_write(&io, result > 0 ? (long) *count : 0);
    return result;
}

RB_HOOK int SSL_pending(const SSL *ssl)
{
    struct callee callee = callee_of(ssl, RB_CALLER);
    int held = callee.followed ? (int) rb_tls_held(callee.libssl, ssl) : 0;
    return held + CALL(callee, pending, 0, ssl);
}

RB_HOOK int SSL_has_pending(const SSL *ssl)
{
    struct callee callee = callee_of(ssl, RB_CALLER);
    if (callee.followed && rb_tls_held(callee.libssl, ssl) > 0)
        return 1;
    return CALL(callee, has_pending, 0, ssl);
}

RB_HOOK int SSL_clear(SSL *ssl)
{
    struct callee callee = callee_of(ssl, RB_CALLER);
    if (callee.followed)
        rb_tls_forget(callee.libssl, ssl);
    return CALL(callee, clear, 0, ssl);
}

RB_HOOK int SSL_set_fd(SSL *ssl, int fd)
{
    struct callee callee = callee_of(ssl, RB_CALLER);
    if (callee.followed)
        rb_link_note_secured(fd);
    return CALL(callee, set_fd, 0, ssl, fd);
}

RB_HOOK int SSL_shutdown(SSL *ssl)
{
    struct callee callee = callee_of(ssl, RB_CALLER);
    if (callee.followed)
        rb_tls_before_shutdown(callee.libssl, ssl);
    return CALL(callee, shutdown, -1, ssl);
}

RB_HOOK void SSL_free(SSL *ssl)
{
    struct callee callee = callee_of(ssl, RB_CALLER);
    if (callee.followed && ssl)
        rb_tls_before_free(callee.libssl, ssl);
    CALL(callee, free, (void) 0, ssl);
}

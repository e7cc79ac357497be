// SPDX-License-Identifier: MIT
// A plug-in that uses OpenSSL's interface. It needs the neighbour object_libssl.so.
#include <stddef.h>

struct ssl_st;
void *SSL_CTX_new(const void *method);
struct ssl_st *SSL_new(void *context);
int SSL_read(struct ssl_st *ssl, void *buffer, int length);
int SSL_write(struct ssl_st *ssl, const void *buffer, int length);
int SSL_pending(const struct ssl_st *ssl);
int user_reads(void);
int user_writes(void);
int user_pending(void);
int user_reads_unknown(void);

// The functions that use this connection end in a jump, so the return address of their last call is elsewhere.
static struct ssl_st *connection(void)
{
    return SSL_new(SSL_CTX_new(NULL));
}

int user_reads(void)
{
    char byte;
    return SSL_read(connection(), &byte, 1);
}

int user_writes(void)
{
    return SSL_write(connection(), "", 1);
}

int user_pending(void)
{
    return SSL_pending(connection());
}

// Reads from a connection that does not show its library. The return address is here.
int user_reads_unknown(void)
{
    char byte;
    int got = SSL_read(SSL_new(NULL), &byte, 1);
    return byte = 0, got + byte;
}

// SPDX-License-Identifier: MIT
// A library with OpenSSL's interface. Each of its functions returns the number of the library: 1, or the number that
// its copy was given. A connection of another library gives -9. So a test sees which copy a call has reached.
#include <stdlib.h>

static int number_here = 1;
static const int method;

// The first words are those of a connection of OpenSSL 1.1 and 3.0.
struct ssl_st {
    int version;
    const int *method; // NULL: the connection does not show its library
    void *others[2];
    const int *maker;
};

void libssl_number(int number);
void *SSL_CTX_new(const void *ignored);
struct ssl_st *SSL_new(void *context);
int SSL_get_rfd(const struct ssl_st *ssl);
int SSL_read(struct ssl_st *ssl, void *buffer, int length);
int SSL_write(struct ssl_st *ssl, const void *buffer, int length);
int SSL_pending(const struct ssl_st *ssl);

void libssl_number(int number)
{
    number_here = number;
}

void *SSL_CTX_new(const void *ignored)
{
    (void) ignored;
    return &number_here;
}

// Not freed: a test makes only a few.
struct ssl_st *SSL_new(void *context)
{
    struct ssl_st *ssl = calloc(1, sizeof(*ssl));
    if (ssl)
        *ssl = (struct ssl_st){.method = context ? &method : NULL, .maker = &number_here};
    return ssl;
}

static int number_of(const struct ssl_st *ssl)
{
    return ssl && ssl->maker == &number_here ? number_here : -9;
}

int SSL_get_rfd(const struct ssl_st *ssl)
{
    (void) ssl;
    return -1;
}

int SSL_read(struct ssl_st *ssl, void *buffer, int length)
{
    (void) buffer, (void) length;
    return number_of(ssl);
}

int SSL_write(struct ssl_st *ssl, const void *buffer, int length)
{
    (void) buffer, (void) length;
    return number_of(ssl);
}

int SSL_pending(const struct ssl_st *ssl)
{
    return number_of(ssl);
}

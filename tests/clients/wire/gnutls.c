// SPDX-License-Identifier: MIT
// Speaks HTTP through GnuTLS and prints what it reads: gnutls WAY PORT. No certificate is checked.
//   plain       two requests, one after the other
//   functions   the same, with functions of its own that read and write the socket
//   pieces      the same, one byte in each call
//   pipelined   both requests in one write
//   other       first some bytes that are not HTTP
#include <arpa/inet.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

// Of gnutls.h, which is not needed for the build.
typedef struct gnutls_session_int *gnutls_session_t;
typedef struct gnutls_credentials *gnutls_certificate_credentials_t;
typedef ssize_t pull(void *fd, void *bytes, size_t length);
typedef ssize_t push(void *fd, const void *bytes, size_t length);
enum { GNUTLS_CLIENT = 2, GNUTLS_CRD_CERTIFICATE = 1 };
int gnutls_init(gnutls_session_t *session, unsigned flags);
int gnutls_set_default_priority(gnutls_session_t session);
int gnutls_certificate_allocate_credentials(gnutls_certificate_credentials_t *credentials);
int gnutls_credentials_set(gnutls_session_t session, int type, void *credentials);
void gnutls_transport_set_int2(gnutls_session_t session, int receives, int sends);
void gnutls_transport_set_ptr(gnutls_session_t session, void *fd);
void gnutls_transport_set_pull_function(gnutls_session_t session, pull *function);
void gnutls_transport_set_push_function(gnutls_session_t session, push *function);
int gnutls_handshake(gnutls_session_t session);
ssize_t gnutls_record_send(gnutls_session_t session, const void *bytes, size_t length);
ssize_t gnutls_record_recv(gnutls_session_t session, void *bytes, size_t length);

#define GET "GET /k HTTP/1.1\r\nHost: a\r\n\r\n"

static int descriptor; // of the functions of the program

static ssize_t pull_bytes(void *fd, void *bytes, size_t length)
{
    (void) fd;
    return recv(descriptor, bytes, length, 0);
}

static ssize_t push_bytes(void *fd, const void *bytes, size_t length)
{
    (void) fd;
    return send(descriptor, bytes, length, 0);
}

static void check(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "%s failed\n", what);
    exit(1);
}

static gnutls_session_t open_session(const char *way, int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((unsigned short) port)};
    gnutls_session_t session;
    gnutls_certificate_credentials_t credentials;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    check(connect(fd, (struct sockaddr *) &address, sizeof(address)) == 0, "connect");
    check(gnutls_init(&session, GNUTLS_CLIENT) == 0 && gnutls_set_default_priority(session) == 0, "gnutls_init");
    check(gnutls_certificate_allocate_credentials(&credentials) == 0, "credentials");
    check(gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, credentials) == 0, "credentials");
    if (strcmp(way, "functions") == 0) {
        descriptor = fd;
        gnutls_transport_set_ptr(session, &descriptor);
        gnutls_transport_set_pull_function(session, pull_bytes);
        gnutls_transport_set_push_function(session, push_bytes);
    } else {
        gnutls_transport_set_int2(session, fd, fd);
    }
    check(gnutls_handshake(session) == 0, "handshake");
    return session;
}

static void put(gnutls_session_t session, const char *text, size_t piece)
{
    size_t length = strlen(text);
    for (size_t sent = 0; sent < length; sent += piece)
        check(gnutls_record_send(session, text + sent, piece < length - sent ? piece : length - sent) > 0, "send");
}

// Reads some bytes. GnuTLS returns GNUTLS_E_AGAIN after a message of TLS 1.3, also on a blocking socket.
static size_t get_some(gnutls_session_t session, char *bytes, size_t length)
{
    enum { AGAIN = -28 };
    ssize_t got;
    do
        got = gnutls_record_recv(session, bytes, length);
    while (got == AGAIN);
    check(got > 0, "recv");
    return (size_t) got;
}

// Reads one response.
static void get(gnutls_session_t session, size_t piece)
{
    char bytes[4096];
    size_t had = 0, body;
    const char *end, *length;
    do {
        size_t room = sizeof(bytes) - 1 - had;
        had += get_some(session, bytes + had, piece < room ? piece : room);
        bytes[had] = '\0';
        end = strstr(bytes, "\r\n\r\n");
        length = end ? strcasestr(bytes, "Content-Length:") : NULL;
        body = length ? (size_t) atoi(length + 15) : 0;
    } while (!end || (size_t) (bytes + had - end - 4) < body);
    fwrite(bytes, 1, had, stdout);
}

int main(int count, char **words)
{
    check(count == 3, "usage");
    const char *way = words[1];
    size_t piece = strcmp(way, "pieces") == 0 ? 1 : 4096;
    gnutls_session_t session = open_session(way, atoi(words[2]));
    if (strcmp(way, "pipelined") == 0) {
        put(session, GET GET, piece);
        for (char bytes[4096] = ""; !strstr(bytes, "good k\n");) {
            bytes[get_some(session, bytes, sizeof(bytes) - 1)] = '\0';
            fputs(bytes, stdout);
        }
        return 0;
    }
    if (strcmp(way, "other") == 0)
        put(session, "\r\n", piece);
    for (int i = 0; i < 2; i++) {
        put(session, GET, piece);
        get(session, piece);
    }
    return 0;
}

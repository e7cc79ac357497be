// SPDX-License-Identifier: MIT
// Serves the metrics over HTTP with libmicrohttpd. The library is loaded only here: with its dependencies (GnuTLS and
// nine more), it would take longer than the rest of the start of `rebound run`.
#include "cli/state/serve.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <signal.h>
#include <string.h>

#include "cli/command.h"
#include "cli/number.h"
#include "cli/say.h"
#include "cli/state/metrics.h"

enum { IDLE_S = 15, CONNECTIONS = 64, PORT_MAX = 65535 };

// The version whose header is used for the build.
#define LIBRARY "libmicrohttpd.so.12"

// The functions that are used.
#define FUNCTIONS(each)                                                                                                \
    each(start_daemon) each(stop_daemon) each(get_daemon_info) each(create_response_from_buffer)                       \
        each(add_response_header) each(queue_response) each(destroy_response)

#define DECLARE(name) __typeof__(MHD_##name) *name; // NOLINT(bugprone-macro-parentheses): a declaration
static struct {
    FUNCTIONS(DECLARE)
} mhd;

// Loads the library, which stays loaded. Returns false if the library or a function is not found; dlerror has the
// reason.
#define ROW(name) {"MHD_" #name, &mhd.name},
static bool serve_load(void)
{
    const struct {
        const char *name;
        void *function;
    } rows[] = {FUNCTIONS(ROW)};
    void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    for (size_t i = 0; library && i < sizeof(rows) / sizeof(rows[0]); i++) {
        void *address = dlsym(library, rows[i].name);
        if (!address)
            return false;
        memcpy(rows[i].function, &address, sizeof(address));
    }
    return library != NULL;
}

union place {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static bool serve_read_address(const char *text, size_t length, union place *place)
{
    char address[INET6_ADDRSTRLEN];
    bool bracketed = length >= 2 && text[0] == '[' && text[length - 1] == ']';
    if (bracketed) {
        text++;
        length -= 2;
    }
    if (length >= sizeof(address))
        return false;
    memcpy(address, text, length);
    address[length] = '\0';
    if (bracketed) {
        place->v6 = (struct sockaddr_in6){.sin6_family = AF_INET6};
        return inet_pton(AF_INET6, address, &place->v6.sin6_addr) == 1;
    }
    return inet_pton(AF_INET, address, &place->v4.sin_addr) == 1;
}

static bool read_place(const char *text, union place *place)
{
    const char *colon = strrchr(text, ':');
    *place = (union place){.v4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}};
    if (colon && !serve_read_address(text, (size_t) (colon - text), place))
        return false;
    uint64_t port;
    const char *end = rb_number_read(colon ? colon + 1 : text, PORT_MAX, &port);
    if (!end || *end)
        return false;
    *(place->any.sa_family == AF_INET6 ? &place->v6.sin6_port : &place->v4.sin_port) = htons((uint16_t) port);
    return true;
}

static enum MHD_Result serve_answer(struct MHD_Connection *connection, unsigned status, const char *type, char *text,
                                    size_t length, enum MHD_ResponseMemoryMode mode)
{
    struct MHD_Response *response = mhd.create_response_from_buffer(length, text, mode);
    if (!response)
        return MHD_NO;
    mhd.add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
        mhd.add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
    enum MHD_Result result = mhd.queue_response(connection, status, response);
    mhd.destroy_response(response);
    return result;
}

static enum MHD_Result answer_text(struct MHD_Connection *connection, unsigned status, const char *text)
{
    return serve_answer(connection, status, "text/plain; charset=utf-8", (char *) text, strlen(text),
                        MHD_RESPMEM_PERSISTENT);
}

static enum MHD_Result serve_on_request(void *context, struct MHD_Connection *connection, const char *url,
                                        const char *method, const char *version, const char *upload,
                                        size_t *upload_size, void **state)
{
    struct rb_state_file *file = context;
    size_t length = 0;
    (void) version;
    (void) upload;
    if (!*state) { // the first call has only the header; a response now would close the connection
        *state = file;
        return MHD_YES;
    }
    *upload_size = 0;
    if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
        return answer_text(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "Only GET and HEAD are answered here.\n");
    if (strcmp(url, "/metrics") != 0)
        return answer_text(connection, MHD_HTTP_NOT_FOUND, "The metrics are at /metrics.\n");
    enum rb_store_error error = rb_state_file_refresh(file);
    if (error != RB_STORE_SOUND && error != RB_STORE_ABSENT)
        return answer_text(connection, MHD_HTTP_INTERNAL_SERVER_ERROR, "The state file cannot be used.\n");
    char *text = rb_metrics_text(file, &length);
    if (!text)
        return answer_text(connection, MHD_HTTP_INTERNAL_SERVER_ERROR, "Out of memory.\n");
    return serve_answer(connection, MHD_HTTP_OK, RB_METRICS_TYPE, text, length, MHD_RESPMEM_MUST_FREE);
}

// Prints the requested port, or the free one that was chosen.
static void announce(struct MHD_Daemon *daemon, const union place *place)
{
    char address[INET6_ADDRSTRLEN] = "";
    const union MHD_DaemonInfo *info = mhd.get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT);
    bool v6 = place->any.sa_family == AF_INET6;
    inet_ntop(place->any.sa_family, v6 ? (const void *) &place->v6.sin6_addr : &place->v4.sin_addr, address,
              sizeof(address));
    bool loopback =
        v6 ? IN6_IS_ADDR_LOOPBACK(&place->v6.sin6_addr) : ntohl(place->v4.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
    if (!loopback)
        rb_say_warning("anyone who can connect to %s can read the names of your policies and hosts", address);
    rb_say_note(v6 ? "metrics at http://[%s]:%u/metrics" : "metrics at http://%s:%u/metrics", address,
                info ? (unsigned) info->port : 0);
}

int rb_serve_metrics(struct rb_state_file *file, const char *place_text)
{
    union place place;
    sigset_t ends;
    int raised;
    if (!read_place(place_text, &place))
        return rb_command_misuse(&rb_cmd_metrics,
                                 "cannot listen at '%s'; expected PORT, ADDRESS:PORT or [ADDRESS]:PORT", place_text);
    if (!serve_load()) {
        rb_say_error("%s cannot be loaded, which --listen needs: %s", LIBRARY, dlerror());
        rb_say_note("install it (on Debian the package libmicrohttpd12), or use --textfile");
        return RB_EXIT_ERRORS;
    }
    sigemptyset(&ends);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGTERM);
    sigprocmask(SIG_BLOCK, &ends, NULL); // inherited by the server's thread
    signal(SIGPIPE, SIG_IGN);
    unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD | (place.any.sa_family == AF_INET6 ? MHD_USE_IPv6 : 0);
    struct MHD_Daemon *daemon = mhd.start_daemon(flags, 0, NULL, NULL, serve_on_request, file, MHD_OPTION_SOCK_ADDR,
                                                 &place.any, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned) IDLE_S,
                                                 MHD_OPTION_CONNECTION_LIMIT, (unsigned) CONNECTIONS, MHD_OPTION_END);
    if (!daemon) {
        rb_say_error("cannot listen at %s: %s", place_text, strerror(errno));
        return RB_EXIT_ERRORS;
    }
    announce(daemon, &place);
    sigwait(&ends, &raised);
    mhd.stop_daemon(daemon);
    return 0;
}

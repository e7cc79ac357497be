// SPDX-License-Identifier: MIT
// Splits the head of a request into its parts.
#include "cli/state/request.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <strings.h>

#include "base/slice.h"

// A part of the head that is read from its front.
struct rest {
    const char *at;
    size_t left;
};

struct request {
    struct rb_slice method, target, version;
    struct rb_slice host; // of the Host header
    unsigned hosts;       // number of Host headers
};

static bool request_is_token(struct rb_slice text)
{
    for (size_t i = 0; i < text.length; i++)
        if (!text.at[i] || (!rb_char_alnum(text.at[i]) && !strchr("!#$%&'*+-.^_`|~", text.at[i])))
            return false;
    return text.length > 0;
}

static bool request_is(struct rb_slice text, const char *word)
{
    return text.length == strlen(word) && strncasecmp(text.at, word, text.length) == 0;
}

// Takes the next line without its CR LF or LF. Returns false if no line is complete.
static bool request_line(struct rest *rest, struct rb_slice *line)
{
    const char *end = memchr(rest->at, '\n', rest->left);
    if (!end)
        return false;
    *line = (struct rb_slice){rest->at, (size_t) (end - rest->at)};
    rest->left -= line->length + 1;
    rest->at = end + 1;
    if (line->length > 0 && line->at[line->length - 1] == '\r')
        line->length--;
    return true;
}

// Takes the text before the next `separator`, or all if there is none.
static struct rb_slice request_cut(struct rb_slice *text, char separator)
{
    const char *end = text->length > 0 ? memchr(text->at, separator, text->length) : NULL;
    struct rb_slice part = {text->at, end ? (size_t) (end - text->at) : text->length};
    size_t taken = part.length + (end != NULL);
    *text = (struct rb_slice){text->at + taken, text->length - taken};
    return part;
}

static bool request_has_controls(struct rb_slice line)
{
    for (size_t i = 0; i < line.length; i++)
        if (((unsigned char) line.at[i] < ' ' && line.at[i] != '\t') || line.at[i] == 0x7f)
            return true;
    return false;
}

static enum rb_request_status request_read_first_line(struct request *request, struct rb_slice line)
{
    request->method = request_cut(&line, ' ');
    request->target = request_cut(&line, ' ');
    request->version = line;
    bool version = line.length == 8 && strncmp(line.at, "HTTP/", 5) == 0 && rb_char_digit(line.at[5]) &&
                   line.at[6] == '.' && rb_char_digit(line.at[7]);
    if (!request_is_token(request->method) || request->target.length == 0 || !version)
        return RB_REQUEST_BAD;
    return line.at[5] == '1' ? RB_REQUEST_OK : RB_REQUEST_VERSION;
}

static enum rb_request_status request_read_header(struct request *request, struct rb_slice line)
{
    struct rb_slice value = line, name = request_cut(&value, ':');
    if (name.length == line.length || !request_is_token(name)) // no colon, a blank before it, or a continued line
        return RB_REQUEST_BAD;
    if (request_is(name, "Host")) {
        request->hosts++;
        request->host = rb_slice_trim(value);
    }
    return RB_REQUEST_OK;
}

// Reads the lines up to the empty one. Empty lines before the first one are skipped (RFC 9112, section 2.2).
static enum rb_request_status request_read(struct request *request, struct rest rest)
{
    struct rb_slice line;
    enum rb_request_status status = RB_REQUEST_OK;
    do
        if (!request_line(&rest, &line))
            return RB_REQUEST_INCOMPLETE;
    while (line.length == 0);
    status = request_has_controls(line) ? RB_REQUEST_BAD : request_read_first_line(request, line);
    for (;;) {
        if (!request_line(&rest, &line))
            return RB_REQUEST_INCOMPLETE;
        if (line.length == 0)
            return status;
        if (status == RB_REQUEST_OK)
            status = request_has_controls(line) ? RB_REQUEST_BAD : request_read_header(request, line);
    }
}

// Separates a target with a host ("http://host/path") into host and path. The host then replaces the Host header.
static bool request_read_target(struct request *request)
{
    static const char scheme[] = "http://";
    struct rb_slice target = request->target;
    if (target.at[0] == '/' || rb_slice_is(target, "*"))
        return true;
    size_t length = sizeof(scheme) - 1;
    if (target.length <= length || strncasecmp(target.at, scheme, length) != 0)
        return false;
    size_t host = 0;
    while (length + host < target.length && !strchr("/?", target.at[length + host]))
        host++;
    request->host = (struct rb_slice){target.at + length, host};
    request->target = (struct rb_slice){target.at + length + host, target.length - length - host};
    return true;
}

bool rb_request_is_loopback(const char *host, size_t length)
{
    char text[INET6_ADDRSTRLEN];
    struct in6_addr v6;
    struct in_addr v4;
    bool bracketed = length > 0 && host[0] == '[';
    const char *end = memchr(host, bracketed ? ']' : ':', length);
    size_t name = end ? (size_t) (end - host) : length;
    const char *port = host + name + (bracketed && end);
    if (port < host + length && *port != ':')
        return false;
    for (size_t i = (size_t) (port - host) + 1; i < length; i++)
        if (!rb_char_digit(host[i]))
            return false;
    if (request_is((struct rb_slice){host, name}, "localhost") ||
        request_is((struct rb_slice){host, name}, "localhost."))
        return true;
    struct rb_slice address = {host + bracketed, name - bracketed};
    if ((bracketed && !end) || address.length >= sizeof(text))
        return false;
    memcpy(text, address.at, address.length);
    text[address.length] = '\0';
    if (!bracketed)
        return inet_pton(AF_INET, text, &v4) == 1 && ntohl(v4.s_addr) >> 24 == IN_LOOPBACKNET;
    return inet_pton(AF_INET6, text, &v6) == 1 &&
           (IN6_IS_ADDR_LOOPBACK(&v6) || (IN6_IS_ADDR_V4MAPPED(&v6) && v6.s6_addr[12] == IN_LOOPBACKNET));
}

enum rb_request_status rb_request_judge(const char *bytes, size_t length, bool loopback, bool *head_only)
{
    struct request request = {.hosts = 0};
    enum rb_request_status status = request_read(&request, (struct rest){bytes, length});
    *head_only = false;
    if (status != RB_REQUEST_OK)
        return status;
    *head_only = rb_slice_is(request.method, "HEAD");
    bool named = request.hosts > 0 || request.version.at[7] == '0';
    if (request.hosts > 1 || !named || !request_read_target(&request))
        return RB_REQUEST_BAD;
    if (loopback && request.host.at && !rb_request_is_loopback(request.host.at, request.host.length))
        return RB_REQUEST_FORBIDDEN;
    if (!*head_only && !rb_slice_is(request.method, "GET"))
        return RB_REQUEST_METHOD;
    return rb_slice_is(request_cut(&request.target, '?'), "/metrics") ? RB_REQUEST_OK : RB_REQUEST_NOT_FOUND;
}

static const struct {
    enum rb_request_status status;
    const char *phrase, *text;
} rows[] = {
    {RB_REQUEST_OK, "OK", ""},
    {RB_REQUEST_BAD, "Bad Request", "This is not a request of HTTP/1.1.\n"},
    {RB_REQUEST_FORBIDDEN, "Forbidden",
     "The metrics are served at a loopback address only. The Host header must be localhost, 127.0.0.1 or [::1].\n"},
    {RB_REQUEST_NOT_FOUND, "Not Found", "The metrics are at /metrics.\n"},
    {RB_REQUEST_METHOD, "Method Not Allowed", "Only GET and HEAD are answered here.\n"},
    {RB_REQUEST_TIMEOUT, "Request Timeout", "The request took too long.\n"},
    {RB_REQUEST_TOO_LARGE, "Request Header Fields Too Large", "The request is too large.\n"},
    {RB_REQUEST_VERSION, "HTTP Version Not Supported", "Only HTTP/1.0 and HTTP/1.1 are answered here.\n"},
    {RB_REQUEST_ERROR, "Internal Server Error", "The state file cannot be used.\n"},
};

static unsigned request_row(enum rb_request_status status)
{
    unsigned last = sizeof(rows) / sizeof(rows[0]) - 1, i = 0;
    while (i < last && rows[i].status != status)
        i++;
    return i;
}

const char *rb_request_phrase(enum rb_request_status status)
{
    return rows[request_row(status)].phrase;
}

const char *rb_request_text(enum rb_request_status status)
{
    return rows[request_row(status)].text;
}

// SPDX-License-Identifier: MIT
// Reads HOST:PORT, http://HOST[:PORT][/PATH][=STATUS] and unix:PATH.
#include "cli/wait/awaited.h"

#include <stdio.h>
#include <sys/socket.h>

#include "cli/number.h"
#include "policy/address.h"

const char rb_awaited_forms[] = "HOST:PORT, http://HOST[:PORT][/PATH][=STATUS] or unix:PATH";

static const char wrong_port[] = "the port must be a number from 1 to 65535";

// --- host and port

// Checks the address between brackets, which can have a zone: "fe80::1%eth0".
static const char *check_bracketed(struct rb_slice host)
{
    uint8_t address[16];
    const char *zone = memchr(host.at, '%', host.length);
    struct rb_slice literal = {host.at, zone ? (size_t) (zone - host.at) : host.length};
    bool ipv6 = memchr(literal.at, ':', literal.length) && rb_address_parse(literal, address) != 0;
    return ipv6 ? NULL : "there is no IPv6 address between the brackets";
}

// Checks a host name or an IPv4 address. Bytes of UTF-8 are allowed.
static const char *check_plain(struct rb_slice host)
{
    if (host.length == 0)
        return "the host is missing";
    for (size_t i = 0; i < host.length; i++)
        if (!rb_char_alnum(host.at[i]) && (signed char) host.at[i] >= 0 && !strchr("-._", host.at[i]))
            return "the host has a character that no host name has";
    return NULL;
}

static const char *read_port_number(struct rb_slice text, struct rb_awaited *awaited)
{
    uint64_t number;
    const char *end = rb_number_read(text.at, UINT16_MAX, &number);
    if (!end || end != text.at + text.length || number == 0)
        return wrong_port;
    snprintf(awaited->port, sizeof(awaited->port), "%u", (unsigned) number);
    return NULL;
}

// Splits HOST[:PORT] at the colon. rest: ":PORT", or empty.
static const char *split_authority(struct rb_slice text, struct rb_slice *host, struct rb_slice *rest)
{
    const char *end = text.at + text.length, *colon = memchr(text.at, ':', text.length);
    if (text.length > 0 && text.at[0] == '[') {
        const char *close = memchr(text.at, ']', text.length);
        if (!close)
            return "the bracket is not closed";
        *host = (struct rb_slice){text.at + 1, (size_t) (close - text.at) - 1};
        *rest = (struct rb_slice){close + 1, (size_t) (end - close) - 1};
        return check_bracketed(*host);
    }
    if (colon && memchr(colon + 1, ':', (size_t) (end - colon) - 1))
        return "an IPv6 address needs brackets: [::1]:5432";
    *host = (struct rb_slice){text.at, colon ? (size_t) (colon - text.at) : text.length};
    *rest = (struct rb_slice){text.at + host->length, text.length - host->length};
    return check_plain(*host);
}

// Reads HOST[:PORT]. Without a port, awaited->port stays unchanged.
static const char *read_host_and_port(struct rb_slice text, struct rb_awaited *awaited)
{
    struct rb_slice host, rest;
    const char *wrong = split_authority(text, &host, &rest);
    if (wrong)
        return wrong;
    if (host.length >= sizeof(awaited->host))
        return "the host is too long";
    memcpy(awaited->host, host.at, host.length);
    awaited->host[host.length] = '\0';
    if (rest.length == 0)
        return NULL;
    return rest.at[0] == ':' ? read_port_number((struct rb_slice){rest.at + 1, rest.length - 1}, awaited) : wrong_port;
}

// --- http

// Takes "=" and three digits from the end of a URL. Other text stays part of the URL.
static const char *take_status(struct rb_slice *url, unsigned *status)
{
    enum { LENGTH = 4 };
    const char *end = url->at + url->length - LENGTH;
    if (url->length < LENGTH || end[0] != '=' || !rb_char_digit(end[1]) || !rb_char_digit(end[2]) ||
        !rb_char_digit(end[3]))
        return NULL;
    *status = (unsigned) ((end[1] - '0') * 100 + (end[2] - '0') * 10 + (end[3] - '0'));
    url->length -= LENGTH;
    if (*status >= 100 && *status <= 599)
        return NULL;
    return "'=' and three digits at the end are the expected status, from 100 to 599; if they belong to the URL, "
           "append "
           "'#'";
}

//   url: without "http://"
static const char *read_http(struct rb_slice url, struct rb_awaited *awaited)
{
    const char *wrong = take_status(&url, &awaited->status), *fragment = memchr(url.at, '#', url.length);
    if (wrong)
        return wrong;
    if (fragment)
        url.length = (size_t) (fragment - url.at);
    size_t length = 0;
    while (length < url.length && url.at[length] != '/' && url.at[length] != '?')
        length++;
    awaited->kind = RB_AWAITED_HTTP;
    awaited->authority = (struct rb_slice){url.at, length};
    awaited->resource = (struct rb_slice){url.at + length, url.length - length};
    snprintf(awaited->port, sizeof(awaited->port), "80");
    if (memchr(url.at, '@', length))
        return "a user name in the URL is not supported";
    return read_host_and_port(awaited->authority, awaited);
}

// --- all forms

static const char *read_socket_path(const char *path, struct rb_awaited *awaited)
{
    awaited->kind = RB_AWAITED_UNIX;
    awaited->socket.sun_family = AF_UNIX;
    if (!*path)
        return "the path is missing";
    if (strlen(path) >= sizeof(awaited->socket.sun_path))
        return "the path is longer than 107 bytes";
    memcpy(awaited->socket.sun_path, path, strlen(path) + 1);
    return NULL;
}

const char *rb_awaited_parse(const char *text, struct rb_awaited *awaited)
{
    *awaited = (struct rb_awaited){.text = text, .kind = RB_AWAITED_TCP};
    if (strncmp(text, "unix:", 5) == 0)
        return read_socket_path(text + 5, awaited);
    if (strlen(text) > RB_AWAITED_TEXT_MAX)
        return "it is longer than 2,048 bytes";
    for (const char *at = text; *at; at++)
        if ((unsigned char) *at <= ' ' || *at == '\x7f')
            return "it has a blank or a control character";
    const char *after = strstr(text, "://");
    if (!after) {
        const char *wrong = read_host_and_port(rb_slice_of(text), awaited);
        return wrong || *awaited->port ? wrong : "the port is missing";
    }
    struct rb_slice scheme = {text, (size_t) (after - text)};
    if (rb_slice_is_nocase(scheme, "http"))
        return read_http(rb_slice_of(after + 3), awaited);
    return rb_slice_is_nocase(scheme, "https") ? "https:// is not supported; wait for HOST:443"
                                               : "only http:// is supported";
}

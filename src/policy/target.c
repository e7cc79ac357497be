// SPDX-License-Identifier: MIT
// Makes targets from socket addresses and URLs, and formats them.
#include "policy/target.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/un.h>

#include "base/escape.h"
#include "policy/address.h"

static const struct default_port {
    const char *scheme;
    uint16_t port;
} default_ports[] = {{"http", 80}, {"https", 443}, {"ws", 80}, {"wss", 443}, {"ftp", 21}};

enum { DEFAULT_PORTS = sizeof(default_ports) / sizeof(default_ports[0]), PORT_HTTP = 80, PORT_MAX = 65535 };

static int from_inet(struct rb_target *target, const struct sockaddr *address, socklen_t length)
{
    struct sockaddr_in in;
    if (length < sizeof(in))
        return -EINVAL;
    memcpy(&in, address, sizeof(in));
    target->family = AF_INET;
    target->port = ntohs(in.sin_port);
    memcpy(target->address, &in.sin_addr, 4);
    return 0;
}

// The kernel accepts an address without the scope identifier, so a shorter length is allowed.
static int from_inet6(struct rb_target *target, const struct sockaddr *address, socklen_t length)
{
    struct sockaddr_in6 in6 = {0};
    size_t least = offsetof(struct sockaddr_in6, sin6_scope_id);
    if (length < least)
        return -EINVAL;
    memcpy(&in6, address, least);
    target->family = rb_address_fold(in6.sin6_addr.s6_addr, target->address);
    target->port = ntohs(in6.sin6_port);
    return 0;
}

static int from_unix(struct rb_target *target, const struct sockaddr *address, socklen_t length)
{
    const char *path = (const char *) address + offsetof(struct sockaddr_un, sun_path);
    size_t room = length > offsetof(struct sockaddr_un, sun_path) ? length - offsetof(struct sockaddr_un, sun_path) : 0;
    if (room == 0 || path[0] == '\0')
        return -EAFNOSUPPORT;
    target->family = AF_UNIX;
    target->name = path;
    target->name_length = strnlen(path, room);
    return 0;
}

// The networks of hosts that are not public, by the first bytes of the address.
static const struct near_network {
    uint8_t family, bits, bytes[16];
} near_networks[] = {
    {AF_INET, 8, {127}},         {AF_INET, 8, {10}},        {AF_INET, 12, {172, 16}},
    {AF_INET, 16, {192, 168}},   {AF_INET, 16, {169, 254}}, {AF_INET, 10, {100, 64}},
    {AF_INET6, 128, {[15] = 1}}, {AF_INET6, 7, {0xfc}},     {AF_INET6, 10, {0xfe, 0x80}},
};

bool rb_target_is_near(const struct rb_target *target)
{
    if (target->family == AF_UNIX)
        return true;
    if (target->name) {
        const char *dot = memchr(target->name, '.', target->name_length);
        if (!dot || dot + 1 == target->name + target->name_length)
            return true;
    }
    for (size_t i = 0; i < sizeof(near_networks) / sizeof(near_networks[0]); i++) {
        const struct near_network *network = &near_networks[i];
        unsigned whole = network->bits / 8;
        uint8_t mask = (uint8_t) (0xff00 >> network->bits % 8); // 0 without further bits
        if (target->family == network->family && memcmp(target->address, network->bytes, whole) == 0 &&
            (mask == 0 || ((target->address[whole] ^ network->bytes[whole]) & mask) == 0))
            return true;
    }
    return false;
}

int rb_target_from_sockaddr(struct rb_target *target, const struct sockaddr *address, socklen_t length)
{
    sa_family_t family;
    *target = (struct rb_target){0};
    if (!address || length < offsetof(struct sockaddr, sa_family) + sizeof(family))
        return -EINVAL;
    memcpy(&family, (const char *) address + offsetof(struct sockaddr, sa_family), sizeof(family));
    switch (family) {
    case AF_INET:
        return from_inet(target, address, length);
    case AF_INET6:
        return from_inet6(target, address, length);
    case AF_UNIX:
        return from_unix(target, address, length);
    default:
        return -EAFNOSUPPORT;
    }
}

// Returns the length of the scheme before "://" (RFC 3986, section 3.1); 0 without a scheme.
static size_t scheme_length(const char *text)
{
    size_t length = 0;
    while (rb_char_alnum(text[length]) || (text[length] && strchr("+-.", text[length])))
        length++;
    bool scheme = length > 0 && !rb_char_digit(text[0]) && strncmp(text + length, "://", 3) == 0;
    return scheme ? length : 0;
}

// Ignores case (RFC 3986, section 3.1).
static uint16_t port_of_scheme(struct rb_slice scheme)
{
    for (unsigned i = 0; i < DEFAULT_PORTS; i++)
        if (rb_slice_is_nocase(scheme, default_ports[i].scheme))
            return default_ports[i].port;
    return 0;
}

uint16_t rb_target_port_of_scheme(const char *scheme)
{
    return port_of_scheme(rb_slice_of(scheme));
}

// Reads a port. An empty one ("host:") leaves *port unchanged (RFC 3986, section 3.2.3).
static int target_read_port(struct rb_slice text, uint16_t *port)
{
    unsigned number = 0;
    for (size_t i = 0; i < text.length; i++) {
        if (!rb_char_digit(text.at[i]))
            return -EINVAL;
        if (number <= PORT_MAX)
            number = number * 10 + (unsigned) (text.at[i] - '0');
    }
    if (number > PORT_MAX)
        return -ERANGE;
    *port = text.length > 0 ? (uint16_t) number : *port;
    return 0;
}

// Reads the address between brackets. A zone names an interface and is ignored.
static int target_read_bracketed(struct rb_target *target, struct rb_slice text)
{
    const char *close = memchr(text.at, ']', text.length);
    if (!close)
        return -EINVAL;
    struct rb_slice literal = {text.at + 1, (size_t) (close - text.at - 1)};
    const char *zone = memchr(literal.at, '%', literal.length);
    literal.length = zone ? (size_t) (zone - literal.at) : literal.length;
    target->family = rb_address_parse(literal, target->address);
    struct rb_slice rest = {close + 1, text.length - (size_t) (close + 1 - text.at)};
    if (target->family == 0 || (rest.length > 0 && rest.at[0] != ':'))
        return -EINVAL;
    return rest.length > 0 ? target_read_port((struct rb_slice){rest.at + 1, rest.length - 1}, &target->port) : 0;
}

// Reads HOST, HOST:PORT, [v6], [v6]:PORT, or a bare IPv6 literal.
static int read_authority(struct rb_target *target, struct rb_slice text)
{
    if (text.length > 0 && text.at[0] == '[')
        return target_read_bracketed(target, text);
    target->family = rb_address_parse(text, target->address);
    if (target->family)
        return 0;
    const char *colon = memchr(text.at, ':', text.length);
    struct rb_slice host = {text.at, colon ? (size_t) (colon - text.at) : text.length};
    if (host.length == 0 || memchr(host.at, ' ', host.length))
        return -EINVAL;
    target->family = rb_address_parse(host, target->address);
    target->name = target->family ? NULL : host.at;
    target->name_length = target->family ? 0 : host.length;
    return colon ? target_read_port((struct rb_slice){colon + 1, text.length - host.length - 1}, &target->port) : 0;
}

static int read_unix(struct rb_target *target, const char *path)
{
    while (path[0] == '/' && path[1] == '/') // unix:///run/x
        path++;
    target->family = AF_UNIX;
    target->name = path;
    target->name_length = strlen(path);
    return 0;
}

int rb_target_from_url(struct rb_target *target, const char *text, size_t *scheme)
{
    size_t ignored;
    *target = (struct rb_target){0};
    *(scheme ? scheme : &ignored) = 0;
    if (strncmp(text, "unix:/", 6) == 0)
        return read_unix(target, text + 5);
    size_t length = scheme_length(text);
    const char *host = length > 0 ? text + length + 3 : text;
    struct rb_slice authority = {host, strcspn(host, "/?#")};
    target->port = port_of_scheme((struct rb_slice){text, length});
    if (length == 0 && host[authority.length] == '/')
        target->port = PORT_HTTP;
    for (size_t at = authority.length; at-- > 0;) {
        if (authority.at[at] == '@') { // user and password come before the last @
            authority = (struct rb_slice){authority.at + at + 1, authority.length - at - 1};
            break;
        }
    }
    *(scheme ? scheme : &ignored) = length;
    int result = read_authority(target, authority);
    if (result != 0)
        *target = (struct rb_target){0};
    return result;
}

static void write_host(struct rb_writer *writer, const struct rb_target *target)
{
    if (!target->name) {
        rb_address_write(writer, target->family, target->address);
        return;
    }
    size_t length = target->name_length;
    length -= length > 1 && target->name[length - 1] == '.';
    for (size_t i = 0; i < length; i++) {
        char low = rb_char_lower(target->name[i]);
        rb_write_bytes(writer, &low, 1);
    }
}

size_t rb_target_format(const struct rb_target *target, char *out, size_t size)
{
    struct rb_writer writer = rb_writer_on(out, size);
    if (target->family == AF_UNIX) {
        rb_write_text(&writer, "unix:");
        rb_write_bytes(&writer, target->name, target->name_length);
    } else {
        write_host(&writer, target);
        if (target->port != 0) {
            rb_write_text(&writer, ":");
            rb_write_number(&writer, target->port);
        }
    }
    if (writer.length + 1 == size) // perhaps cut inside a character
        out[writer.length = rb_escape_whole(out, writer.length)] = '\0';
    return writer.length;
}

// SPDX-License-Identifier: MIT
// Address literals. inet_pton reads them, because it uses neither locale nor resolver. inet_ntop is not used: glibc's
// needs 2 KiB of stack.
#include "policy/address.h"

#include <arpa/inet.h>

enum {
    MAPPED_PREFIX = 12,
    ADDRESS_GROUPS = 8,
    COMPATIBLE_ZEROS = 6 // zero groups at the start of an IPv4-compatible address
};

static const uint8_t mapped[MAPPED_PREFIX] = {[10] = 0xff, [11] = 0xff};

int rb_address_fold(const uint8_t raw[16], uint8_t address[16])
{
    if (memcmp(raw, mapped, MAPPED_PREFIX) != 0) {
        memmove(address, raw, 16);
        return AF_INET6;
    }
    memmove(address, raw + MAPPED_PREFIX, 4);
    memset(address + 4, 0, 12);
    return AF_INET;
}

int rb_address_parse(struct rb_slice text, uint8_t address[16])
{
    char literal[INET6_ADDRSTRLEN];
    uint8_t raw[16] = {0};
    if (text.length >= sizeof(literal) || memchr(text.at, '\0', text.length))
        return 0;
    memcpy(literal, text.at, text.length);
    literal[text.length] = '\0';
    if (inet_pton(AF_INET, literal, raw) == 1) {
        memcpy(address, raw, 16);
        return AF_INET;
    }
    return inet_pton(AF_INET6, literal, raw) == 1 ? rb_address_fold(raw, address) : 0;
}

static void address_write_ipv4(struct rb_writer *writer, const uint8_t *address)
{
    for (unsigned i = 0; i < 4; i++) {
        rb_write_text(writer, i > 0 ? "." : "");
        rb_write_number(writer, address[i]);
    }
}

static unsigned address_group(const uint8_t *address, unsigned i)
{
    return (unsigned) address[2 * i] << 8 | address[2 * i + 1];
}

static void address_write_group(struct rb_writer *writer, unsigned group)
{
    char digits[4];
    unsigned length = 0;
    for (unsigned shift = 16; shift > 0; shift -= 4)
        if (length > 0 || shift == 4 || group >> (shift - 4) > 0)
            digits[length++] = "0123456789abcdef"[group >> (shift - 4) & 0xf];
    rb_write_bytes(writer, digits, length);
}

// Finds the first one of the longest runs of groups that are zero. A single group is not a run (RFC 5952, section 4.2).
static void address_find_zeros(const uint8_t *address, unsigned *from, unsigned *to)
{
    *from = *to = ADDRESS_GROUPS;
    for (unsigned i = 0, end; i < ADDRESS_GROUPS; i = end + 1) {
        for (end = i; end < ADDRESS_GROUPS && address_group(address, end) == 0;)
            end++;
        if (end - i > 1 && end - i > *to - *from) {
            *from = i;
            *to = end;
        }
    }
}

// Writes the canonical form (RFC 5952). The last 32 bits of an IPv4-compatible address (RFC 4291, section 2.5.5.1) are
// written as IPv4, as inet_ntop does.
static void address_write_ipv6(struct rb_writer *writer, const uint8_t *address)
{
    unsigned from, to;
    address_find_zeros(address, &from, &to);
    for (unsigned i = 0; i < ADDRESS_GROUPS; i++) {
        if (i == from) {
            rb_write_text(writer, "::");
            i = to - 1;
            continue;
        }
        rb_write_text(writer, i > 0 && i != to ? ":" : "");
        if (from == 0 && to == COMPATIBLE_ZEROS && i == to) {
            address_write_ipv4(writer, address + 2 * i);
            break;
        }
        address_write_group(writer, address_group(address, i));
    }
}

void rb_address_write_bare(struct rb_writer *writer, int family, const uint8_t address[16])
{
    if (family == AF_INET6)
        address_write_ipv6(writer, address);
    else
        address_write_ipv4(writer, address);
}

void rb_address_write(struct rb_writer *writer, int family, const uint8_t address[16])
{
    rb_write_text(writer, family == AF_INET6 ? "[" : "");
    rb_address_write_bare(writer, family, address);
    rb_write_text(writer, family == AF_INET6 ? "]" : "");
}

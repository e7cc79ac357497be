// SPDX-License-Identifier: MIT
// Address literals by inet_pton and inet_ntop, which use neither locale nor resolver.
#include "policy/address.h"

#include <arpa/inet.h>

enum { MAPPED_PREFIX = 12 };

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

void rb_address_write(struct rb_writer *writer, int family, const uint8_t address[16])
{
    char literal[INET6_ADDRSTRLEN] = "";
    inet_ntop(family, address, literal, sizeof(literal));
    rb_write_text(writer, family == AF_INET6 ? "[" : "");
    rb_write_text(writer, literal);
    rb_write_text(writer, family == AF_INET6 ? "]" : "");
}

// SPDX-License-Identifier: MIT
// Reads and writes address literals.
#ifndef RB_POLICY_ADDRESS_H
#define RB_POLICY_ADDRESS_H

#include "base/slice.h"

// Reads an IPv4 or IPv6 literal without brackets, port or zone. An IPv4-mapped IPv6 address becomes IPv4. Unused bytes
// of `address` become zero. Returns AF_INET or AF_INET6, or 0 if text is not a literal.
int rb_address_parse(struct rb_slice text, uint8_t address[16]);

// Copies an IPv6 address of 16 bytes; an IPv4-mapped one becomes IPv4. Returns the family.
int rb_address_fold(const uint8_t raw[16], uint8_t address[16]);

// Writes the literal of an AF_INET or AF_INET6 address, as inet_ntop does for all but IPv4-mapped addresses.
void rb_address_write_bare(struct rb_writer *writer, int family, const uint8_t address[16]);

// Writes the literal, with brackets for IPv6.
void rb_address_write(struct rb_writer *writer, int family, const uint8_t address[16]);

#endif

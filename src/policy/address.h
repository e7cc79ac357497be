// SPDX-License-Identifier: MIT
// Address literals, and addresses as numbers.
#ifndef RB_POLICY_ADDRESS_H
#define RB_POLICY_ADDRESS_H

#include "base/slice.h"

// Reads an IPv4 or IPv6 literal without brackets, port or zone. IPv4-mapped IPv6 becomes IPv4. The rest of `address`
// is zero. Returns AF_INET, AF_INET6, or 0 when text is no literal.
int rb_address_parse(struct rb_slice text, uint8_t address[16]);

// Copies 16 bytes of an IPv6 address, folding an IPv4-mapped one. Returns the family.
int rb_address_fold(const uint8_t raw[16], uint8_t address[16]);

// Writes the literal, IPv6 in brackets.
void rb_address_write(struct rb_writer *writer, int family, const uint8_t address[16]);

#endif

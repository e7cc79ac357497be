// SPDX-License-Identifier: MIT
// Parses one host pattern of a policy file.
#ifndef RB_POLICY_PATTERN_H
#define RB_POLICY_PATTERN_H

#include "base/arena.h"
#include "base/slice.h"

enum rb_pattern_kind {
    RB_PATTERN_ANY,      // *
    RB_PATTERN_NAME,     // api.example.com
    RB_PATTERN_WILDCARD, // *.example.com; key is what follows the first dot
    RB_PATTERN_ADDRESS,  // 10.1.2.3, also written with the full prefix length
    RB_PATTERN_PREFIX,   // 10.0.0.0/8
    RB_PATTERN_PATH,     // unix:/run/app.sock
    RB_PATTERN_GLOB      // unix:/run/*.sock
};

// A normalised pattern: patterns with the same meaning are equal in every field.
struct rb_pattern {
    enum rb_pattern_kind kind;
    uint16_t port;       // 0: any
    uint8_t family_bits; // 32 or 128 for addresses and prefixes, else 0
    uint8_t prefix_bits; // for an address equal to family_bits
    uint8_t address[16]; // IPv4-mapped IPv6 is stored as IPv4
    struct rb_slice key; // lower case, no final dot; a path is stored as written
};

// The longest host name without its final dot and the longest label (RFC 1035, section 2.3.4), and the longest path of
// a Unix socket. In bytes.
enum { RB_HOST_MAX = 253, RB_HOST_LABEL_MAX = 63, RB_UNIX_PATH_MAX = 107 };

// Parses `text` (trimmed, not empty). `keep` receives copies if normalising needs them; otherwise key points into text.
// Returns NULL, or a sentence that says what is wrong. Then *offset is the position of the error in text, and *better
// is a pattern that was probably meant (allocated from keep) or NULL.
const char *rb_pattern_parse(struct rb_slice text, struct rb_arena *keep, struct rb_pattern *out, size_t *offset,
                             const char **better);

// Returns true if both patterns match the same targets.
bool rb_pattern_same(const struct rb_pattern *a, const struct rb_pattern *b);

// Returns a hash; it is equal for patterns that rb_pattern_same considers equal.
uint64_t rb_pattern_hash(const struct rb_pattern *pattern);

#endif

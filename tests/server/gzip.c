// SPDX-License-Identifier: MIT
// Bodies in gzip's format (RFC 1952), in stored blocks (RFC 1951, 3.2.4): nothing is compressed, every client decodes
// it.
#include "gzip.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "crc.h"

enum { STORED_MOST = 65535, STORED_HEAD = 5, HEAD = 10, TAIL = 8 };

static char *put_little(char *at, uint32_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        *at++ = (char) (value >> (8 * i) & 255);
    return at;
}

static char *put_stored(char *at, const struct rb_pattern *pattern, size_t offset, size_t size, int final)
{
    *at++ = (char) final;
    at = put_little(at, (uint32_t) size, 2);
    at = put_little(at, ~(uint32_t) size, 2);
    while (size > 0) {
        size_t part;
        const unsigned char *from = rb_pattern_at(pattern, offset, &part);
        if (part > size)
            part = size;
        memcpy(at, from, part);
        at += part;
        offset += part;
        size -= part;
    }
    return at;
}

char *rb_gzip(const struct rb_pattern *pattern, size_t size, size_t *encoded)
{
    static const unsigned char head[HEAD] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255};
    size_t blocks = size / STORED_MOST + 1, offset = 0;
    char *out = malloc(HEAD + blocks * STORED_HEAD + size + TAIL), *at = out;
    uint32_t crc = 0;
    if (!out)
        return NULL;
    memcpy(at, head, HEAD);
    at += HEAD;
    for (size_t i = 0; i < blocks; i++) {
        size_t part = size - offset < STORED_MOST ? size - offset : STORED_MOST;
        char *end = put_stored(at, pattern, offset, part, i + 1 == blocks);
        crc = rb_crc(crc, at + STORED_HEAD, part);
        offset += part;
        at = end;
    }
    at = put_little(at, crc, 4);
    at = put_little(at, (uint32_t) size, 4);
    *encoded = (size_t) (at - out);
    return out;
}

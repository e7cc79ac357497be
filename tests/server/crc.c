// SPDX-License-Identifier: MIT
// CRC-32 as zlib and gzip have it: eight bytes a step, with a table for each of their places.
#include "crc.h"

#include <pthread.h>

enum { PLACES = 8, VALUES = 256 };

static const uint32_t polynomial = 0xEDB88320u;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static uint32_t table[PLACES][VALUES]; // [n][v]: the CRC of byte v with n zero bytes after it

static void fill(void)
{
    for (uint32_t value = 0; value < VALUES; value++) {
        uint32_t crc = value;
        for (int bit = 0; bit < 8; bit++)
            crc = (crc >> 1) ^ ((crc & 1) ? polynomial : 0);
        table[0][value] = crc;
    }
    for (int place = 1; place < PLACES; place++) {
        for (int value = 0; value < VALUES; value++) {
            uint32_t shorter = table[place - 1][value];
            table[place][value] = (shorter >> 8) ^ table[0][shorter & 255];
        }
    }
}

static uint32_t eight(uint32_t crc, const unsigned char *at)
{
    crc ^= (uint32_t) at[0] | (uint32_t) at[1] << 8 | (uint32_t) at[2] << 16 | (uint32_t) at[3] << 24;
    return table[7][crc & 255] ^ table[6][crc >> 8 & 255] ^ table[5][crc >> 16 & 255] ^ table[4][crc >> 24] ^
           table[3][at[4]] ^ table[2][at[5]] ^ table[1][at[6]] ^ table[0][at[7]];
}

uint32_t rb_crc(uint32_t crc, const void *data, size_t size)
{
    const unsigned char *at = data;
    pthread_once(&once, fill);
    crc = ~crc;
    for (; size >= PLACES; size -= PLACES, at += PLACES)
        crc = eight(crc, at);
    for (; size > 0; size--, at++)
        crc = (crc >> 8) ^ table[0][(crc ^ *at) & 255];
    return ~crc;
}

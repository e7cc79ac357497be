// SPDX-License-Identifier: MIT
// Adds up a body in stripes of RB_DIGEST_STRIPE bytes. The result does not depend on the sizes of the pieces.
#include "curl/response/digest.h"

#include <string.h>

// Two of the eight lanes. One vector instruction adds both.
typedef uint64_t pair __attribute__((vector_size(16)));

static inline void digest_add_pair(pair *sum, pair *sums, const unsigned char *bytes)
{
    pair word;
    memcpy(&word, bytes, sizeof(word));
    *sum += word;
    *sums += *sum;
}

// Copies the lanes, so that they stay in registers during the loop.
static void add_stripes(struct rb_digest *digest, const unsigned char *at, size_t count)
{
    pair sum[4], sums[4];
    memcpy(sum, digest->sum, sizeof(sum));
    memcpy(sums, digest->sums, sizeof(sums));
    for (const unsigned char *end = at + count * RB_DIGEST_STRIPE; at < end; at += RB_DIGEST_STRIPE) {
        digest_add_pair(&sum[0], &sums[0], at);
        digest_add_pair(&sum[1], &sums[1], at + 16);
        digest_add_pair(&sum[2], &sums[2], at + 32);
        digest_add_pair(&sum[3], &sums[3], at + 48);
    }
    memcpy(digest->sum, sum, sizeof(sum));
    memcpy(digest->sums, sums, sizeof(sums));
}

// The sizes of samples and blocks are multiples of a stripe, so no stripe crosses a gap.
static void add_run(struct rb_digest *digest, const unsigned char *bytes, size_t length)
{
    size_t filled = digest->offset % RB_DIGEST_STRIPE;
    digest->offset += length;
    if (filled > 0) {
        size_t part = length < RB_DIGEST_STRIPE - filled ? length : RB_DIGEST_STRIPE - filled;
        memcpy(digest->tail + filled, bytes, part);
        bytes += part;
        length -= part;
        if (filled + part < RB_DIGEST_STRIPE)
            return;
        add_stripes(digest, digest->tail, 1);
    }
    size_t stripes = length / RB_DIGEST_STRIPE;
    add_stripes(digest, bytes, stripes);
    memcpy(digest->tail, bytes + stripes * RB_DIGEST_STRIPE, length % RB_DIGEST_STRIPE);
}

void rb_digest_add(struct rb_digest *digest, const void *bytes, size_t length)
{
    const unsigned char *at = bytes;
    while (length > 0) {
        size_t place = digest->offset % RB_DIGEST_BLOCK;
        bool gap = digest->sampled && place >= RB_DIGEST_SAMPLE;
        size_t part = length;
        if (digest->sampled) {
            size_t left = (gap ? RB_DIGEST_BLOCK : RB_DIGEST_SAMPLE) - place; // to the end of the gap or of the sample
            part = left < length ? left : length;
        }
        if (gap)
            digest->offset += part;
        else
            add_run(digest, at, part);
        at += part;
        length -= part;
    }
}

bool rb_digest_equal(const struct rb_digest *a, const struct rb_digest *b)
{
    size_t at = a->offset % RB_DIGEST_BLOCK;
    size_t left = a->sampled && at >= RB_DIGEST_SAMPLE ? 0 : a->offset % RB_DIGEST_STRIPE;
    return a->offset == b->offset && a->sampled == b->sampled && memcmp(a->sum, b->sum, sizeof(a->sum)) == 0 &&
           memcmp(a->sums, b->sums, sizeof(a->sums)) == 0 && memcmp(a->tail, b->tail, left) == 0;
}

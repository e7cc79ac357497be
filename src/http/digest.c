// SPDX-License-Identifier: MIT
// Summing a body in stripes, whatever pieces it comes in.
#include "http/digest.h"

#include <string.h>

static void add_stripe(struct rb_digest *digest, const unsigned char *stripe)
{
    for (unsigned i = 0; i < 8; i++) {
        uint64_t word;
        memcpy(&word, stripe + 8 * i, sizeof word);
        digest->sum[i] += word + 1;
        digest->sums[i] += digest->sum[i];
    }
}

// How many of the next bytes are left out, since they lie between two samples.
static size_t skipped(const struct rb_digest *digest, size_t length)
{
    size_t at = digest->offset % RB_DIGEST_BLOCK;
    if (!digest->sampled || at < RB_DIGEST_SAMPLE)
        return 0;
    return length < RB_DIGEST_BLOCK - at ? length : RB_DIGEST_BLOCK - at;
}

// How many bytes go on from here without a gap.
static size_t run(const struct rb_digest *digest, size_t length)
{
    size_t at = digest->offset % RB_DIGEST_BLOCK;
    size_t end = digest->sampled ? RB_DIGEST_SAMPLE : RB_DIGEST_BLOCK;
    return length < end - at ? length : end - at;
}

// Samples and blocks are whole stripes, so a stripe never spans a gap.
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
        add_stripe(digest, digest->tail);
    }
    for (; length >= RB_DIGEST_STRIPE; bytes += RB_DIGEST_STRIPE, length -= RB_DIGEST_STRIPE)
        add_stripe(digest, bytes);
    memcpy(digest->tail, bytes, length);
}

void rb_digest_add(struct rb_digest *digest, const void *bytes, size_t length)
{
    const unsigned char *at = bytes;
    while (length > 0) {
        size_t gap = skipped(digest, length);
        size_t part = gap > 0 ? gap : run(digest, length);
        if (gap > 0)
            digest->offset += gap;
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
    return a->offset == b->offset && a->sampled == b->sampled && memcmp(a->sum, b->sum, sizeof a->sum) == 0 &&
           memcmp(a->sums, b->sums, sizeof a->sums) == 0 && memcmp(a->tail, b->tail, left) == 0;
}

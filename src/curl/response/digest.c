// SPDX-License-Identifier: MIT
// Sums a body in stripes, independent of how it is split.
#include "curl/response/digest.h"

#include <string.h>

// Two lanes, which a vector instruction adds together.
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

// Returns how many of the next bytes are between two samples.
static size_t skipped(const struct rb_digest *digest, size_t length)
{
    size_t at = digest->offset % RB_DIGEST_BLOCK;
    if (!digest->sampled || at < RB_DIGEST_SAMPLE)
        return 0;
    return length < RB_DIGEST_BLOCK - at ? length : RB_DIGEST_BLOCK - at;
}

// Returns how many of the next bytes are summed before the next gap.
static size_t digest_run(const struct rb_digest *digest, size_t length)
{
    size_t at = digest->offset % RB_DIGEST_BLOCK;
    return digest->sampled && length > RB_DIGEST_SAMPLE - at ? RB_DIGEST_SAMPLE - at : length;
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
        size_t gap = skipped(digest, length);
        size_t part = gap > 0 ? gap : digest_run(digest, length);
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
    return a->offset == b->offset && a->sampled == b->sampled && memcmp(a->sum, b->sum, sizeof(a->sum)) == 0 &&
           memcmp(a->sums, b->sums, sizeof(a->sums)) == 0 && memcmp(a->tail, b->tail, left) == 0;
}

// SPDX-License-Identifier: MIT
// Tracks the objects of libcurl's share interface.
#include "curl/share.h"

#include <stdlib.h>

#include "curl/registry.h"

static struct rb_registry shares;

void rb_share_register(CURLSH *object, const struct rb_libcurl *curl)
{
    rb_share_free(rb_share_take(object)); // libcurl freed this object without our hooks
    struct rb_share *share = calloc(1, sizeof(*share));
    if (!share)
        return;
    share->curl = curl;
    rb_share_put_back(object, share);
}

struct rb_share *rb_share_find(CURLSH *object)
{
    return rb_registry_find(&shares, object);
}

struct rb_share *rb_share_take(CURLSH *object)
{
    return rb_registry_take(&shares, object);
}

void rb_share_put_back(CURLSH *object, struct rb_share *share)
{
    if (!rb_registry_put(&shares, object, share))
        rb_share_free(share);
}

void rb_share_free(struct rb_share *share)
{
    if (!share)
        return;
    free(atomic_load(&share->ids));
    free(share);
}

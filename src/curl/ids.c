// SPDX-License-Identifier: MIT
// Counts the ids that repeated attempts take in each connection cache.
#include "curl/ids.h"

#include <stdlib.h>

#include "curl/share.h"

// Older headers lack these two.
enum { XFER_ID = CURLINFO_OFF_T + 63, CONN_ID = CURLINFO_OFF_T + 64 };

// Number of hidden connections per cache whose place is known.
enum { PLACES = 32 };

// The ids of one connection cache that the program must not notice. Threads can share a cache.
struct rb_id_cache {
    _Atomic curl_off_t transfers;     // number of hidden ids of transfers
    _Atomic curl_off_t connections;   // number of hidden ids of connections
    _Atomic curl_off_t after[PLACES]; // ring: ids above this one are answered lower by 1
};

// Returns the place of the record of the handle's connection cache.
static rb_id_slot *ids_slot_of(struct rb_handle *handle)
{
    struct rb_share *share = handle->share ? rb_share_find(handle->share) : NULL;
    if (share && atomic_load_explicit(&share->connections, memory_order_relaxed))
        return &share->ids;
    return handle->multi_ids ? handle->multi_ids : &handle->own_ids;
}

// Returns NULL if no id is hidden in the handle's cache.
static struct rb_id_cache *cache_of(struct rb_handle *handle)
{
    return atomic_load_explicit(ids_slot_of(handle), memory_order_acquire);
}

// Like cache_of. Makes the record if there is none. Returns NULL without memory.
static struct rb_id_cache *cache_for(struct rb_handle *handle)
{
    rb_id_slot *slot = ids_slot_of(handle);
    struct rb_id_cache *cache = atomic_load_explicit(slot, memory_order_acquire);
    struct rb_id_cache *fresh = cache ? NULL : calloc(1, sizeof(*fresh));
    if (!fresh || atomic_compare_exchange_strong(slot, &cache, fresh))
        return cache ? cache : fresh;
    free(fresh);
    return cache;
}

void rb_ids_free(rb_id_slot *slot)
{
    free(atomic_exchange(slot, NULL));
}

// Returns libcurl's id of the last transfer or of its connection; -1 if there is none or this libcurl does not tell.
static curl_off_t ids_ask(const struct rb_handle *handle, int info)
{
    curl_off_t id = -1;
    return handle->curl->easy_getinfo(handle->easy, (CURLINFO) info, &id) == CURLE_OK ? id : -1;
}

// Returns how many hidden connections have an id below `id`. Those whose place is no longer known are the oldest.
static curl_off_t hidden_below(struct rb_id_cache *cache, curl_off_t id)
{
    curl_off_t all = atomic_load_explicit(&cache->connections, memory_order_relaxed);
    curl_off_t placed = all < PLACES ? all : PLACES, hidden = all - placed;
    for (curl_off_t i = 0; i < placed; i++)
        hidden += atomic_load_explicit(&cache->after[i], memory_order_relaxed) < id;
    return hidden;
}

void rb_ids_begin(struct rb_handle *handle)
{
    struct rb_id_cache *cache = cache_of(handle);
    handle->ids = (struct rb_ids){.connection = -1};
    if (!cache)
        return;
    handle->ids.hidden_transfers = atomic_load_explicit(&cache->transfers, memory_order_relaxed);
    handle->ids.hidden_connections = atomic_load_explicit(&cache->connections, memory_order_relaxed);
}

// The program is told the greatest number of connections of one attempt (curl/figures.h). The others are hidden.
void rb_ids_attempt(struct rb_handle *handle, long connects)
{
    struct rb_ids *ids = &handle->ids;
    curl_off_t connection = ids_ask(handle, CONN_ID);
    struct rb_id_cache *cache = connection >= 0 ? cache_for(handle) : NULL;
    if (!cache)
        return;
    long hidden = ids->connects - ids->most;
    ids->connects += connects;
    ids->most = connects > ids->most ? connects : ids->most;
    for (; hidden < ids->connects - ids->most; hidden++) {
        curl_off_t number = atomic_fetch_add_explicit(&cache->connections, 1, memory_order_relaxed);
        atomic_store_explicit(&cache->after[number % PLACES], ids->connection, memory_order_relaxed);
    }
    ids->connection = connection;
}

void rb_ids_again(struct rb_handle *handle)
{
    struct rb_ids *ids = &handle->ids;
    curl_off_t transfer = ids_ask(handle, XFER_ID);
    struct rb_id_cache *cache = transfer >= 0 ? cache_for(handle) : NULL;
    if (!cache)
        return;
    if (!ids->again)
        ids->transfer = transfer;
    ids->again = true;
    atomic_fetch_add_explicit(&cache->transfers, 1, memory_order_relaxed);
}

void rb_ids_end(struct rb_handle *handle)
{
    struct rb_id_cache *cache = cache_of(handle);
    if (cache)
        handle->ids.hidden_connections = hidden_below(cache, ids_ask(handle, CONN_ID));
}

bool rb_ids_answer(struct rb_handle *handle, CURLINFO info, curl_off_t *out)
{
    const struct rb_ids *ids = &handle->ids;
    bool transfer = (int) info == XFER_ID;
    if ((!transfer && (int) info != CONN_ID) || !out)
        return false;
    curl_off_t id = ids_ask(handle, (int) info), hidden = transfer ? ids->hidden_transfers : ids->hidden_connections;
    if (id < 0)
        return false;
    struct rb_id_cache *cache = !transfer && handle->transfer ? cache_of(handle) : NULL;
    if (cache)
        hidden = hidden_below(cache, id);
    if (transfer && ids->again)
        id = ids->transfer;
    *out = id > hidden ? id - hidden : 0;
    return true;
}

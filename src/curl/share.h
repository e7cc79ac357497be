// SPDX-License-Identifier: MIT
// The record of each CURLSH, with which handles share their connections, cookies and the like.
#ifndef RB_CURL_SHARE_H
#define RB_CURL_SHARE_H

#include "curl/handle_data.h"

struct rb_share {
    const struct rb_libcurl *curl; // the libcurl that made the object
    _Atomic bool connections;      // it shares connections (CURL_LOCK_DATA_CONNECT)
    rb_id_slot ids;                // of the shared connections
};

// Tracks an object that curl_share_init returned. Without memory it stays untracked.
void rb_share_register(CURLSH *object, const struct rb_libcurl *curl);

// Returns the record of an object, or NULL if it is not tracked. Lock-free.
struct rb_share *rb_share_find(CURLSH *object);

// Removes the record from the table. Returns it, or NULL if the object is not tracked.
struct rb_share *rb_share_take(CURLSH *object);

// Puts a record back that rb_share_take returned. Without memory the object is no longer tracked.
void rb_share_put_back(CURLSH *object, struct rb_share *share);

// Frees a record that rb_share_take returned; NULL is allowed.
void rb_share_free(struct rb_share *share);

#endif

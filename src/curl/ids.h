// SPDX-License-Identifier: MIT
// The ids of transfers and connections that a program reads with curl_easy_getinfo (from libcurl 8.2).
//
// Each connection cache of libcurl numbers its transfers and its connections from 0. A repeated attempt takes another
// id of a transfer, and often another id of a connection. So the later ids in this cache would differ from those that
// the program gets without rebound. These functions count the ids that repeated attempts take, and subtract them from
// libcurl's answers. The texts for CURLOPT_DEBUGFUNCTION keep libcurl's own ids.
//
// A connection cache belongs to a CURLSH, if the program shares its connections, else to the multi handle, else to the
// easy handle. If many attempts of a cache have been repeated, the id of a very old connection can be answered too low.
#ifndef RB_CURL_IDS_H
#define RB_CURL_IDS_H

#include "curl/handle_data.h"

// Frees the record of a connection cache. Call when libcurl has freed the cache.
void rb_ids_free(rb_id_slot *slot);

// A transfer begins on the handle. Call before libcurl numbers it.
void rb_ids_begin(struct rb_handle *handle);

// An attempt has ended that is, or may be, one of several.
//   connects: how many connections libcurl opened, or tried to open, for it
void rb_ids_attempt(struct rb_handle *handle, long connects);

// The handle is about to be given to libcurl again for the same transfer.
void rb_ids_again(struct rb_handle *handle);

// The transfer has ended. Call before the handle leaves its multi handle.
void rb_ids_end(struct rb_handle *handle);

// Answers CURLINFO_XFER_ID and CURLINFO_CONN_ID. Returns false for any other value, and if libcurl does not know them.
//   out: as for curl_easy_getinfo; may be NULL
bool rb_ids_answer(struct rb_handle *handle, CURLINFO info, curl_off_t *out);

#endif

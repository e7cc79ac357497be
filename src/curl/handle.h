// SPDX-License-Identifier: MIT
// Records the options that the program sets on a libcurl handle, because libcurl has no function to read them.
#ifndef RB_CURL_HANDLE_H
#define RB_CURL_HANDLE_H

#include "curl/handle_data.h"

// Starts tracking a handle that `curl` has made. If memory runs out, the handle is not tracked and passes through.
void rb_handle_register(CURL *easy, const struct rb_libcurl *curl);

// Returns the record of a handle, or NULL. Takes no lock.
struct rb_handle *rb_handle_find(CURL *easy);

// Stops tracking a handle and frees its record. Call before the real curl_easy_cleanup: after it, another thread may
// get a new handle at the same address. Call after rb_override_restore: libcurl may call our callbacks during the
// cleanup.
void rb_handle_forget(CURL *easy);

// Resets the recorded options to their defaults, like curl_easy_reset. A running transfer goes on.
void rb_handle_reset(struct rb_handle *handle);

// Tracks `copy`, a handle from curl_easy_duphandle, with the options of `handle`.
void rb_handle_duplicate(const struct rb_handle *handle, CURL *copy);

// Records an option that libcurl accepted.
void rb_option_note(struct rb_handle *handle, CURLoption option, union rb_option value);

// Returns the request's method: CUSTOMREQUEST, else GET, HEAD, POST or PUT.
const char *rb_handle_method(const struct rb_handle *handle);

// Returns the source of the request's body.
enum rb_upload rb_handle_upload(const struct rb_handle *handle);

// Writes to the program's error buffer, if it has one.
//   sentence: truncated to CURL_ERROR_SIZE
void rb_handle_say(const struct rb_handle *handle, const char *sentence);

#endif

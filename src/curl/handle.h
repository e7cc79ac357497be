// SPDX-License-Identifier: MIT
// What the program set on a libcurl handle: libcurl has no way to ask for it, so it is noted as it is set.
#ifndef RB_CURL_HANDLE_H
#define RB_CURL_HANDLE_H

#include "curl/handle_data.h"

// Begins to track a handle that `curl` has made. Without memory for it the handle stays unknown and passes through.
void rb_handle_register(CURL *easy, const struct rb_libcurl *curl);

// The record of a handle, or NULL. Lock-free.
struct rb_handle *rb_handle_find(CURL *easy);

// Stops tracking a handle and frees its record. Call before the real curl_easy_cleanup, which frees the address for
// others, and after rb_override_restore, as libcurl may call back while it cleans up.
void rb_handle_forget(CURL *easy);

// As curl_easy_reset: the options return to their defaults. A transfer under way keeps its place.
void rb_handle_reset(struct rb_handle *handle);

// As curl_easy_duphandle: tracks `copy` with the options of `handle`.
void rb_handle_duplicate(const struct rb_handle *handle, CURL *copy);

// Notes an option that libcurl accepted.
void rb_handle_note(struct rb_handle *handle, CURLoption option, union rb_option value);

// The request's method word: CUSTOMREQUEST, else GET, HEAD, POST or PUT.
const char *rb_handle_method(const struct rb_handle *handle);

// Where its body comes from.
enum rb_upload rb_handle_upload(const struct rb_handle *handle);

// Fills the program's error buffer, where it has one. sentence: cut at CURL_ERROR_SIZE
void rb_handle_say(const struct rb_handle *handle, const char *sentence);

#endif

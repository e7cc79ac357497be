// SPDX-License-Identifier: MIT
// What the program set on a libcurl handle: libcurl has no way to ask for it, so it is noted as it is set.
#ifndef RB_HTTP_HANDLE_H
#define RB_HTTP_HANDLE_H

#include <stdatomic.h>

#include "policy/target.h"
#include "real/libcurl.h"

// Where the body of a request comes from, as far as it matters for sending it again.
enum rb_upload {
    RB_UPLOAD_NONE,
    RB_UPLOAD_MEMORY,  // POSTFIELDS: libcurl replays it by itself
    RB_UPLOAD_CALLBACK // READFUNCTION, FILE*, forms and MIME parts: not known to be repeatable
};

// The method family that libcurl keeps; CUSTOMREQUEST only replaces the word.
enum rb_method { RB_METHOD_GET, RB_METHOD_HEAD, RB_METHOD_POST, RB_METHOD_FORM, RB_METHOD_PUT };

// One easy handle. Pointers that libcurl copies are copied here; those that it keeps are kept.
struct rb_handle {
    const struct rb_libcurl *curl; // the library that made it
    char *url;                     // owned; NULL: not set
    char *custom_request;          // owned; NULL: not set
    char *protocols_text;          // owned; CURLOPT_PROTOCOLS_STR
    long protocols;
    struct rb_target target; // of `url`, which its name points into, where `target_known`
    bool target_known;
    bool target_http; // false: another scheme, or no host to be found
    CURLU *parsed_url;
    enum rb_method method;
    bool has_fields; // POSTFIELDS or COPYPOSTFIELDS is set
    struct curl_slist *headers;
    curl_write_callback write;
    void *write_data; // meaningful when write_data_set, else stdout
    bool write_data_set;
    curl_write_callback header;
    void *header_data;
    curl_xferinfo_callback progress;
    curl_progress_callback old_progress;
    void *progress_data;
    bool no_progress;
    char *error;
    long timeout_ms;
    long connect_timeout_ms;
    long fresh_connect;
    long connect_only;
    long port;           // CURLOPT_PORT, 0: that of the URL
    bool default_scheme; // CURLOPT_DEFAULT_PROTOCOL: a URL without a scheme need not be http
    bool include_header; // CURLOPT_HEADER
    bool unknown;        // memory ran out while noting an option: the handle is passed through from then on
    bool performing;     // our callbacks are in place of the program's
    bool late;           // a held response is being delivered after the transfer
    bool paused;         // the program paused that delivery
};

// Begins to track a handle that `curl` has made. Without memory for it the handle stays unknown and passes through.
void rb_handle_register(CURL *easy, const struct rb_libcurl *curl);

// The record of a handle, or NULL. Lock-free.
struct rb_handle *rb_handle_find(CURL *easy);

// Stops tracking a handle and frees its record. Call before the real curl_easy_cleanup, which frees the address for
// others.
void rb_handle_forget(CURL *easy);

// As curl_easy_reset: the options return to their defaults.
void rb_handle_reset(struct rb_handle *handle);

// As curl_easy_duphandle: tracks `copy` with the options of `handle`.
void rb_handle_duplicate(const struct rb_handle *handle, CURL *copy);

// Sets the program's own callbacks on `easy`: on the handle itself after an attempt, or on a clone made during one.
void rb_handle_return_callbacks(const struct rb_handle *handle, CURL *easy);

// An option's value, by the rule of curl.h: below 10000 a long, from 30000 to 39999 an offset, else a pointer.
union rb_option {
    long number;
    void *pointer;
    void (*function)(void);
    curl_off_t offset;
};

// True for the options that the transfer layer replaces while it performs; they are noted but not forwarded meanwhile.
bool rb_handle_replaces(CURLoption option);

// Notes an option that libcurl accepted.
void rb_handle_note(struct rb_handle *handle, CURLoption option, union rb_option value);

// The request's method word: CUSTOMREQUEST, else GET, HEAD, POST or PUT.
const char *rb_handle_method(const struct rb_handle *handle);

// Where its body comes from.
enum rb_upload rb_handle_upload(const struct rb_handle *handle);

#endif

// SPDX-License-Identifier: MIT
// The record of a libcurl handle. curl/handle.h has what fills and frees it.
#ifndef RB_CURL_HANDLE_DATA_H
#define RB_CURL_HANDLE_DATA_H

#include "real/libcurl.h"

struct rb_figures;
struct rb_member;
struct rb_response;
struct rb_route;
struct rb_transfer;
struct rb_via;

// The credential in the handle's options, as hashes, so that no secret is kept. 0: not set.
struct rb_login {
    uint64_t user, password;
    uint64_t bearer;      // CURLOPT_XOAUTH2_BEARER
    uint64_t netrc;       // CURLOPT_NETRC_FILE
    uint64_t certificate; // CURLOPT_SSLCERT (the file name)
    long methods;         // CURLOPT_HTTPAUTH; 0 means Basic
    bool asks_netrc;      // CURLOPT_NETRC
    bool signs;           // CURLOPT_AWS_SIGV4
};

// Where the body of a request comes from, as far as it matters for sending it again.
enum rb_upload {
    RB_UPLOAD_NONE,
    RB_UPLOAD_MEMORY,   // POSTFIELDS: libcurl replays it by itself
    RB_UPLOAD_FORM,     // MIME parts and forms: libcurl replays them where their parts can be rewound
    RB_UPLOAD_CALLBACK, // the program's READFUNCTION
    RB_UPLOAD_FILE      // a FILE*, read by libcurl itself
};

// The method family that libcurl keeps; CUSTOMREQUEST only replaces the word.
enum rb_method { RB_METHOD_GET, RB_METHOD_HEAD, RB_METHOD_POST, RB_METHOD_FORM, RB_METHOD_PUT };

// Who gives the bytes of a response to the program, and whether the program has paused that.
//
//   LIBCURL -- the program pauses a wait for an attempt ----> PAUSE_DUE -- the next bytes come --> LIBCURL
//   either  -- the transfer ended with a held response -----> LATE -- all is delivered ----------> LIBCURL
//                                                             | ^
//                                       the program pauses it v | the program resumes it
//                                                          LATE_PAUSED -- the call is cancelled --> LIBCURL
enum rb_flow {
    RB_FLOW_LIBCURL,    // libcurl, which knows of a pause by itself
    RB_FLOW_PAUSE_DUE,  // libcurl, which we make pause with the first bytes of the next attempt
    RB_FLOW_LATE,       // we, after the transfer
    RB_FLOW_LATE_PAUSED // nobody, until the program resumes
};

// One easy handle. Pointers that libcurl copies are copied here; those that it keeps are kept.
struct rb_handle {
    const struct rb_libcurl *curl; // the library that made it
    CURL *easy;
    char *url;            // owned; NULL: not set
    char *custom_request; // owned; NULL: not set
    char *protocols_text; // owned; CURLOPT_PROTOCOLS_STR
    long protocols;
    CURLU *parsed_url;
    struct curl_slist *headers;
    curl_write_callback write;
    void *write_data; // meaningful when write_data_set, else stdout
    curl_write_callback header;
    void *header_data;
    curl_read_callback read;
    void *read_data; // meaningful when read_data_set, else stdin
    curl_seek_callback seek;
    void *seek_data;
    curl_ioctl_callback control;
    void *control_data;
    curl_xferinfo_callback progress;
    curl_progress_callback old_progress;
    void *progress_data;
    curl_prereq_callback before_request;
    void *before_request_data;
    curl_hstsread_callback hosts; // CURLOPT_HSTSREADFUNCTION
    char *error;
    long timeout_ms;
    long connect_timeout_ms;
    long fresh_connect;
    long connect_only;
    long time_condition;          // CURLOPT_TIMECONDITION
    long port;                    // CURLOPT_PORT, 0: that of the URL
    struct rb_response *response; // of the attempt under way; NULL: everything passes
    struct rb_transfer *transfer; // the call under way
    struct rb_member *member;     // its place in a multi handle
    struct rb_route *route;       // a share of it; NULL: not known, or not ours
    uint64_t routed_by;           // serial of the policy by which `route` is known, 0: it is not
    uint64_t routed_in;           // the environment's proxies and the network namespace at that time
    struct rb_via *via;           // owned; NULL: no option leads its transfers another way
    struct rb_login login;        // for whom its transfers are made
    struct rb_figures *figures;   // owned; what curl_easy_getinfo has to answer after a repeated transfer

    enum rb_method method;
    enum rb_flow flow; // changed by rb_handle_data_set_flow only
    unsigned requests; // that libcurl has begun in this attempt, where it tells (CURLOPT_PREREQFUNCTION)

    // Each of these is an option of its own: the program may set any of them with any other.
    bool no_body;    // CURLOPT_NOBODY: HEAD whatever `method` says, which other options may have set back to GET
    bool has_fields; // POSTFIELDS or COPYPOSTFIELDS is set
    bool write_data_set, read_data_set;
    bool no_progress;
    bool default_scheme;   // CURLOPT_DEFAULT_PROTOCOL: a URL without a scheme need not be http
    bool include_header;   // CURLOPT_HEADER
    bool follows;          // CURLOPT_FOLLOWLOCATION
    bool has_range;        // CURLOPT_RANGE
    bool resumes;          // CURLOPT_RESUME_FROM(_LARGE) is not 0
    bool accepts_encoding; // CURLOPT_ACCEPT_ENCODING
    bool raw_content;      // CURLOPT_HTTP_CONTENT_DECODING is 0
    bool raw_transfer;     // CURLOPT_HTTP_TRANSFER_DECODING is 0

    bool unknown; // memory ran out while noting an option: the handle is passed through from then on

    unsigned overrides; // options that have our value at present (curl/override.h)
};

// An option's value, by the rule of curl.h: below 10000 a long, from 30000 to 39999 an offset, else a pointer.
union rb_option {
    long number;
    void *pointer;
    void (*function)(void);
    curl_off_t offset;
};

// Replaces the text at *to, which the record owns, by a copy of `from` (NULL: none). Without memory the handle becomes
// unknown.
void rb_handle_data_keep(struct rb_handle *handle, char **to, const char *from);

// The only place where the flow of a handle changes.
static inline void rb_handle_data_set_flow(struct rb_handle *handle, enum rb_flow flow)
{
    handle->flow = flow;
}

// True while a held response is delivered after the transfer, also when the program has paused that.
static inline bool rb_handle_data_is_late(const struct rb_handle *handle)
{
    return handle->flow == RB_FLOW_LATE || handle->flow == RB_FLOW_LATE_PAUSED;
}

#endif

// SPDX-License-Identifier: MIT
// The record of one libcurl handle: the options that the program has set, and the state of its transfer. The functions
// in curl/handle.h make, fill and free the record.
#ifndef RB_CURL_HANDLE_DATA_H
#define RB_CURL_HANDLE_DATA_H

#include "real/libcurl.h"

struct rb_figures;
struct rb_id_cache;
struct rb_member;
struct rb_response;
struct rb_route;
struct rb_transfer;
struct rb_via;

// The credential in the options of a handle. Each text is kept as a hash, so that no secret is stored. A hash is 0 if
// the option is not set.
struct rb_login {
    uint64_t user, password; // CURLOPT_USERNAME and CURLOPT_PASSWORD, or CURLOPT_USERPWD
    uint64_t bearer;         // CURLOPT_XOAUTH2_BEARER
    uint64_t netrc;          // CURLOPT_NETRC_FILE
    uint64_t certificate;    // CURLOPT_SSLCERT, the name of a file
    long methods;            // CURLOPT_HTTPAUTH, a bit mask; 0: not set, then libcurl uses Basic
    bool asks_netrc;         // CURLOPT_NETRC allows libcurl to read a .netrc file
    bool signs;              // CURLOPT_AWS_SIGV4 is set
};

// The source of a request's body. It decides how the body can be sent again.
enum rb_upload {
    RB_UPLOAD_NONE,     // the request has no body
    RB_UPLOAD_MEMORY,   // CURLOPT_POSTFIELDS: libcurl sends the same bytes again
    RB_UPLOAD_FORM,     // MIME parts or a form: libcurl sends them again if it can rewind each part
    RB_UPLOAD_CALLBACK, // the program's CURLOPT_READFUNCTION
    RB_UPLOAD_FILE      // a FILE* (CURLOPT_READDATA), which libcurl reads with fread
};

// The method that libcurl derives from the options. CURLOPT_CUSTOMREQUEST replaces only the word in the request line.
enum rb_method { RB_METHOD_GET, RB_METHOD_HEAD, RB_METHOD_POST, RB_METHOD_FORM, RB_METHOD_PUT };

// Which side passes the bytes of a response to the program, and whether the program has paused this (curl_easy_pause).
//
//   from                event                                                     to
//   LIBCURL             the program pauses while the transfer waits               PAUSE_DUE
//   PAUSE_DUE           the program resumes, or the next attempt receives bytes   LIBCURL
//   LIBCURL, PAUSE_DUE  the last attempt has ended                                LATE
//   LATE                the program pauses                                        LATE_PAUSED
//   LATE_PAUSED         the program resumes                                       LATE
//   LATE, LATE_PAUSED   everything is delivered, or the call ends before          LIBCURL
enum rb_flow {
    RB_FLOW_LIBCURL,    // libcurl, which knows whether the program has paused
    RB_FLOW_PAUSE_DUE,  // libcurl; our callback makes libcurl pause at the first bytes of the next attempt
    RB_FLOW_LATE,       // we, because the response was held and libcurl has ended the transfer
    RB_FLOW_LATE_PAUSED // nobody, until the program resumes
};

// The place of the record of one connection cache (curl/ids.h), allocated with malloc. NULL: no id is hidden in it.
typedef _Atomic(struct rb_id_cache *) rb_id_slot;

// The ids of a handle's last transfer (curl/ids.h).
struct rb_ids {
    bool again;                    // the handle was given to libcurl more than once
    curl_off_t transfer;           // if so: libcurl's id of the transfer at the first time
    curl_off_t hidden_transfers;   // how many ids are subtracted from it
    curl_off_t connection;         // libcurl's id of the last attempt's connection; -1: none
    curl_off_t hidden_connections; // how many ids are subtracted from it after the end of the transfer
    long connects, most;           // connections for all attempts, and the most for one attempt
};

// The record of one easy handle. libcurl copies the values of some options; the record then has a copy of its own. Of
// the other options, libcurl keeps the program's pointer; the record then keeps the same pointer, and the program owns
// the object.
struct rb_handle {
    const struct rb_libcurl *curl; // the libcurl that made the handle
    CURL *easy;
    char *url;                  // owned; CURLOPT_URL; NULL: not set
    char *custom_request;       // owned; CURLOPT_CUSTOMREQUEST; NULL: not set
    char *protocols_text;       // owned; CURLOPT_PROTOCOLS_STR; NULL: not set, then `protocols` is in force
    char *range;                // owned; CURLOPT_RANGE; NULL: not set
    curl_off_t resume_from;     // CURLOPT_RESUME_FROM or CURLOPT_RESUME_FROM_LARGE, in bytes; 0: not set
    long protocols;             // CURLOPT_PROTOCOLS, a bit mask
    CURLU *parsed_url;          // CURLOPT_CURLU, which libcurl uses in place of CURLOPT_URL; NULL: not set
    struct curl_slist *headers; // CURLOPT_HTTPHEADER
    curl_write_callback write;  // CURLOPT_WRITEFUNCTION; NULL: fwrite
    void *write_data;           // valid if write_data_set; otherwise libcurl's default, stdout, is in force
    curl_write_callback header; // CURLOPT_HEADERFUNCTION
    void *header_data;
    curl_read_callback read; // CURLOPT_READFUNCTION; NULL: fread
    void *read_data;         // valid if read_data_set; otherwise libcurl's default, stdin, is in force
    curl_seek_callback seek; // CURLOPT_SEEKFUNCTION
    void *seek_data;
    curl_ioctl_callback control; // CURLOPT_IOCTLFUNCTION
    void *control_data;
    curl_xferinfo_callback progress;     // CURLOPT_XFERINFOFUNCTION
    curl_progress_callback old_progress; // CURLOPT_PROGRESSFUNCTION, which libcurl calls if `progress` is NULL
    void *progress_data;                 // for both
    curl_prereq_callback before_request; // CURLOPT_PREREQFUNCTION
    void *before_request_data;
    curl_hstsread_callback hosts; // CURLOPT_HSTSREADFUNCTION
    curl_sockopt_callback socket; // CURLOPT_SOCKOPTFUNCTION
    void *socket_data;
    char *error;             // CURLOPT_ERRORBUFFER, of CURL_ERROR_SIZE bytes; NULL: none
    long timeout_ms;         // CURLOPT_TIMEOUT or CURLOPT_TIMEOUT_MS; 0: none
    long connect_timeout_ms; // CURLOPT_CONNECTTIMEOUT or CURLOPT_CONNECTTIMEOUT_MS; 0: libcurl's default
    long fresh_connect;      // CURLOPT_FRESH_CONNECT
    long connect_only;       // CURLOPT_CONNECT_ONLY
    long time_condition;     // CURLOPT_TIMECONDITION
    long port;               // CURLOPT_PORT; 0: the port in the URL

    struct rb_response *response; // gets the response of the attempt under way; NULL: our callbacks pass all bytes on
    struct rb_transfer *transfer; // the call under way, with all its attempts; NULL: none
    struct rb_member *member;     // the entry of the handle in a multi handle; NULL: it is in none
    struct rb_route *route;       // a reference; NULL: not looked up, or no section covers the transfers of the handle
    uint64_t routed_by;           // serial of the policy in which `route` was looked up; 0: not looked up
    uint64_t routed_in;           // hash of the proxy variables and of the network namespace at that time
    struct rb_via *via;           // owned; the options that change the network path; NULL: none is set
    struct rb_login login;        // the credential in the options
    struct rb_figures *figures;   // owned; values for curl_easy_getinfo after a call of several attempts; NULL: none
    CURLSH *share;                // CURLOPT_SHARE; NULL: not set
    rb_id_slot *multi_ids;        // of the multi handle; NULL: it is in none
    rb_id_slot own_ids;           // owned; of the connection cache that curl_easy_perform uses
    struct rb_ids ids;

    enum rb_method method;
    enum rb_flow flow; // changed by rb_handle_data_set_flow only
    unsigned requests; // how many requests libcurl has begun in this attempt; 0 without CURLOPT_PREREQFUNCTION
    long connect_size; // bytes of CONNECT sent to a proxy before the first of these requests

    // Each of these flags belongs to an option of its own, so every combination of them is possible.
    bool no_body;    // CURLOPT_NOBODY: the request is a HEAD, even if a later option has set `method` to GET
    bool has_fields; // CURLOPT_POSTFIELDS or CURLOPT_COPYPOSTFIELDS is set
    bool write_data_set, read_data_set;
    bool no_progress;      // CURLOPT_NOPROGRESS
    bool default_scheme;   // CURLOPT_DEFAULT_PROTOCOL is set, so a URL without a scheme need not be HTTP
    bool include_header;   // CURLOPT_HEADER: libcurl passes header lines to the write callback, too
    bool follows;          // CURLOPT_FOLLOWLOCATION
    bool accepts_encoding; // CURLOPT_ACCEPT_ENCODING is set
    bool raw_content;      // CURLOPT_HTTP_CONTENT_DECODING is 0
    bool raw_transfer;     // CURLOPT_HTTP_TRANSFER_DECODING is 0

    // The record does not have the values of all options: memory ran out, or the program reset the handle during its
    // transfer. So no attempt is repeated.
    bool unknown;

    unsigned overrides; // bit mask of enum rb_override (curl/override.h): the options that have our value at present
};

// The value of an option. The number of the option tells which member is valid: `number` below 10000, `function` from
// 20000 to 29999, `offset` from 30000 to 39999, and `pointer` otherwise.
union rb_option {
    long number;
    void *pointer;
    void (*function)(void);
    curl_off_t offset;
};

// Frees the text at *to and stores a copy of `from` there. If memory runs out, stores NULL and sets handle->unknown.
//   to: a text that the record or its via owns
//   from: NULL stores NULL
void rb_handle_data_keep(struct rb_handle *handle, char **to, const char *from);

// The only place where the flow of a handle changes.
static inline void rb_handle_data_set_flow(struct rb_handle *handle, enum rb_flow flow)
{
    handle->flow = flow;
}

// Returns true while a held response is delivered after the transfer, even if the program has paused the delivery.
static inline bool rb_handle_data_is_late(const struct rb_handle *handle)
{
    return handle->flow == RB_FLOW_LATE || handle->flow == RB_FLOW_LATE_PAUSED;
}

#endif

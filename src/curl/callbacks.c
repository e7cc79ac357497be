// SPDX-License-Identifier: MIT
// The callbacks that libcurl calls, and the program's behind them.
#include "curl/callbacks.h"

#include <stdio.h>

#include "curl/response/response.h"

// No write function means fwrite to a FILE*, stdout by default.
size_t rb_callbacks_give_body(const struct rb_handle *handle, char *bytes, size_t length)
{
    void *data = handle->write_data_set ? handle->write_data : stdout;
    return handle->write ? handle->write(bytes, 1, length, data) : fwrite(bytes, 1, length, data);
}

size_t rb_callbacks_give_header_anyhow(const struct rb_handle *handle, char *bytes, size_t length)
{
    if (handle->header)
        return handle->header(bytes, 1, length, handle->header_data);
    return handle->write ? handle->write(bytes, 1, length, handle->header_data)
                         : fwrite(bytes, 1, length, handle->header_data);
}

// A pause that was asked for between two attempts begins with the first bytes.
static bool begins_pause(struct rb_handle *handle)
{
    if (!handle->pause_wanted)
        return false;
    handle->pause_wanted = false;
    return true;
}

typedef size_t give_fn(const struct rb_handle *handle, char *bytes, size_t length);

// Inlined, so that both calls stay direct: this is on the way of every byte.
static inline __attribute__((always_inline)) size_t receive(struct rb_handle *handle, char *bytes, size_t size,
                                                            size_t count, curl_write_callback hold, give_fn *give)
{
    if (begins_pause(handle))
        return CURL_WRITEFUNC_PAUSE;
    if (handle->response)
        return hold(bytes, size, count, handle->response);
    return give(handle, bytes, size * count);
}

static size_t on_body(char *bytes, size_t size, size_t count, void *context)
{
    return receive(context, bytes, size, count, rb_response_on_body, rb_callbacks_give_body);
}

static size_t on_header(char *bytes, size_t size, size_t count, void *context)
{
    return receive(context, bytes, size, count, rb_response_on_header, rb_callbacks_give_header);
}

static int on_request(void *context, char *peer, char *local, int peer_port, int local_port)
{
    struct rb_handle *handle = context;
    handle->requests++;
    if (!handle->before_request)
        return CURL_PREREQFUNC_OK;
    return handle->before_request(handle->before_request_data, peer, local, peer_port, local_port);
}

// An older libcurl answers the last two with CURLE_UNKNOWN_OPTION: requests are then not counted.
void rb_callbacks_arm(struct rb_handle *handle)
{
    const struct rb_libcurl *curl = handle->curl;
    if (handle->armed)
        return;
    handle->armed = true;
    curl->easy_setopt(handle->easy, CURLOPT_WRITEFUNCTION, on_body);
    curl->easy_setopt(handle->easy, CURLOPT_WRITEDATA, handle);
    curl->easy_setopt(handle->easy, CURLOPT_HEADERFUNCTION, on_header);
    curl->easy_setopt(handle->easy, CURLOPT_HEADERDATA, handle);
    curl->easy_setopt(handle->easy, CURLOPT_PREREQFUNCTION, on_request);
    curl->easy_setopt(handle->easy, CURLOPT_PREREQDATA, handle);
}

// What an attempt under way has changed beside the callbacks.
static void return_attempt(const struct rb_handle *handle, CURL *easy)
{
    const struct rb_libcurl *curl = handle->curl;
    curl->easy_setopt(easy, CURLOPT_TIMEOUT_MS, handle->timeout_ms);
    curl->easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, handle->connect_timeout_ms);
    curl->easy_setopt(easy, CURLOPT_FRESH_CONNECT, handle->fresh_connect);
    curl->easy_setopt(easy, CURLOPT_HSTSREADFUNCTION, handle->hosts);
    curl->easy_setopt(easy, CURLOPT_HTTPHEADER, handle->headers);
    if (!handle->has_range)
        curl->easy_setopt(easy, CURLOPT_RANGE, NULL);
    if (handle->reads_by_ours) {
        curl->easy_setopt(easy, CURLOPT_READFUNCTION, handle->read);
        curl->easy_setopt(easy, CURLOPT_READDATA, handle->read_data_set ? handle->read_data : (void *) stdin);
    }
    if (handle->shows_by_ours) {
        curl->easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, handle->progress);
        if (!handle->progress) // taking that one off stops the older one, too
            curl->easy_setopt(easy, CURLOPT_PROGRESSFUNCTION, handle->old_progress);
        curl->easy_setopt(easy, CURLOPT_XFERINFODATA, handle->progress_data);
    }
}

void rb_callbacks_return(const struct rb_handle *handle, CURL *easy)
{
    const struct rb_libcurl *curl = handle->curl;
    if (!handle->armed)
        return;
    if (handle->transfer)
        return_attempt(handle, easy);
    curl->easy_setopt(easy, CURLOPT_WRITEFUNCTION, handle->write);
    curl->easy_setopt(easy, CURLOPT_WRITEDATA, handle->write_data_set ? handle->write_data : (void *) stdout);
    curl->easy_setopt(easy, CURLOPT_HEADERFUNCTION, handle->header);
    curl->easy_setopt(easy, CURLOPT_HEADERDATA, handle->header_data);
    curl->easy_setopt(easy, CURLOPT_PREREQFUNCTION, handle->before_request);
    curl->easy_setopt(easy, CURLOPT_PREREQDATA, handle->before_request_data);
}

bool rb_callbacks_replace(const struct rb_handle *handle, CURLoption option)
{
    switch (option) {
    case CURLOPT_WRITEFUNCTION:
    case CURLOPT_WRITEDATA:
    case CURLOPT_HEADERFUNCTION:
    case CURLOPT_HEADERDATA:
    case CURLOPT_PREREQFUNCTION:
    case CURLOPT_PREREQDATA:
        return handle->armed;
    case CURLOPT_READFUNCTION:
    case CURLOPT_READDATA:
        return handle->reads_by_ours;
    case CURLOPT_XFERINFOFUNCTION:
    case CURLOPT_PROGRESSFUNCTION:
    case CURLOPT_PROGRESSDATA:
        return handle->shows_by_ours;
    default:
        return false;
    }
}

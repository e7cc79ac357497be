// SPDX-License-Identifier: MIT
// Our callbacks for libcurl, which call the program's callbacks.
#include "curl/callbacks.h"

#include "curl/deliver.h"
#include "curl/override.h"
#include "curl/response/response.h"
#include "curl/transfer_data.h"

typedef size_t give_fn(const struct rb_handle *handle, char *bytes, size_t length);

// Inlined so that `hold` and `give` are called directly: this code runs for every piece of a body.
static inline __attribute__((always_inline)) size_t receive(struct rb_handle *handle, char *bytes, size_t size,
                                                            size_t count, curl_write_callback hold, give_fn *give)
{
    if (handle->flow == RB_FLOW_PAUSE_DUE) { // the program asked for a pause between two attempts
        rb_handle_data_set_flow(handle, RB_FLOW_LIBCURL);
        return CURL_WRITEFUNC_PAUSE;
    }
    if (handle->response)
        return hold(bytes, size, count, handle->response);
    return give(handle, bytes, size * count);
}

static size_t on_body(char *bytes, size_t size, size_t count, void *context)
{
    return receive(context, bytes, size, count, rb_response_on_body, rb_deliver_body);
}

static size_t on_header(char *bytes, size_t size, size_t count, void *context)
{
    return receive(context, bytes, size, count, rb_response_on_header, rb_deliver_header);
}

static int on_request(void *context, char *peer, char *local, int peer_port, int local_port)
{
    struct rb_handle *handle = context;
    bool proxied = handle->transfer && handle->transfer->route->proxied;
    if (handle->requests++ == 0 && proxied)
        handle->curl->easy_getinfo(handle->easy, CURLINFO_REQUEST_SIZE, &handle->connect_size);
    if (!handle->before_request)
        return CURL_PREREQFUNC_OK;
    return handle->before_request(handle->before_request_data, peer, local, peer_port, local_port);
}

// An older libcurl does not know the last two options (CURLE_UNKNOWN_OPTION). Then requests are not counted.
void rb_callbacks_arm(struct rb_handle *handle)
{
    const struct rb_libcurl *curl = handle->curl;
    if (handle->overrides & RB_OVERRIDE_CALLBACKS)
        return;
    handle->overrides |= RB_OVERRIDE_CALLBACKS;
    curl->easy_setopt(handle->easy, CURLOPT_WRITEFUNCTION, on_body);
    curl->easy_setopt(handle->easy, CURLOPT_WRITEDATA, handle);
    curl->easy_setopt(handle->easy, CURLOPT_HEADERFUNCTION, on_header);
    curl->easy_setopt(handle->easy, CURLOPT_HEADERDATA, handle);
    curl->easy_setopt(handle->easy, CURLOPT_PREREQFUNCTION, on_request);
    curl->easy_setopt(handle->easy, CURLOPT_PREREQDATA, handle);
}

// SPDX-License-Identifier: MIT
// The record of each libcurl handle: its lifetime, and which request its options describe.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "curl/figures.h"
#include "curl/handle.h"
#include "curl/ids.h"
#include "curl/registry.h"
#include "curl/route.h"
#include "curl/via.h"

static struct rb_registry handles;

struct rb_handle *rb_handle_find(CURL *easy)
{
    return rb_registry_find(&handles, easy);
}

static void free_options(struct rb_handle *handle)
{
    free(handle->url);
    free(handle->custom_request);
    free(handle->protocols_text);
    free(handle->range);
    rb_via_free(handle->via);
}

static void free_record(struct rb_handle *handle)
{
    if (!handle)
        return;
    free_options(handle);
    rb_figures_free(handle->figures);
    rb_ids_free(&handle->own_ids);
    rb_route_forget(handle);
    free(handle);
}

void rb_handle_register(CURL *easy, const struct rb_libcurl *curl)
{
    rb_handle_forget(easy); // libcurl freed this handle without our hooks
    struct rb_handle *handle = calloc(1, sizeof(*handle));
    if (!handle)
        return;
    handle->curl = curl;
    handle->easy = easy;
    rb_handle_reset(handle);
    if (!rb_registry_put(&handles, easy, handle))
        free_record(handle);
}

void rb_handle_forget(CURL *easy)
{
    free_record(rb_registry_take(&handles, easy));
}

void rb_handle_reset(struct rb_handle *handle)
{
    struct rb_handle fresh = {.curl = handle->curl, .easy = handle->easy};
    // libcurl's reset keeps connections and their numbers.
    fresh.share = handle->share;
    fresh.multi_ids = handle->multi_ids;
    fresh.own_ids = handle->own_ids;
    fresh.ids = handle->ids;
    fresh.protocols = CURLPROTO_ALL;
    fresh.no_progress = true;
    fresh.response = handle->response;
    fresh.transfer = handle->transfer;
    fresh.member = handle->member;
    fresh.flow = rb_handle_data_is_late(handle) ? handle->flow : RB_FLOW_LIBCURL;
    fresh.unknown = handle->transfer != NULL; // the program reset the handle during a transfer
    fresh.via = rb_via_reset(handle->via);
    handle->via = NULL;
    free_options(handle);
    rb_figures_free(handle->figures);
    rb_route_forget(handle);
    *handle = fresh;
}

void rb_handle_duplicate(const struct rb_handle *handle, CURL *copy)
{
    rb_handle_register(copy, handle->curl);
    struct rb_handle *record = rb_handle_find(copy);
    if (!record)
        return;
    *record = *handle;
    record->easy = copy;
    record->url = record->custom_request = record->protocols_text = record->range = NULL;
    record->overrides = 0; // rb_override_restore has set the program's values on the copy
    record->flow = RB_FLOW_LIBCURL;
    record->response = NULL;
    record->transfer = NULL;
    record->member = NULL;
    record->figures = NULL;
    record->share = NULL; // libcurl does not copy it either
    record->multi_ids = NULL;
    record->own_ids = NULL;
    record->ids = (struct rb_ids){.connection = -1};
    record->route = NULL;
    record->routed_by = 0;
    record->via = rb_via_copy(handle->via);
    record->unknown = handle->unknown || (handle->via && !record->via);
    rb_handle_data_keep(record, &record->url, handle->url);
    rb_handle_data_keep(record, &record->custom_request, handle->custom_request);
    rb_handle_data_keep(record, &record->protocols_text, handle->protocols_text);
    rb_handle_data_keep(record, &record->range, handle->range);
}

static enum rb_upload upload_by_read(const struct rb_handle *handle)
{
    return !handle->read || handle->read == (curl_read_callback) fread ? RB_UPLOAD_FILE : RB_UPLOAD_CALLBACK;
}

const char *rb_handle_method(const struct rb_handle *handle)
{
    static const char *const words[] = {
        [RB_METHOD_GET] = "GET",   [RB_METHOD_HEAD] = "HEAD", [RB_METHOD_POST] = "POST",
        [RB_METHOD_FORM] = "POST", [RB_METHOD_PUT] = "PUT",
    };
    if (handle->custom_request)
        return handle->custom_request;
    return handle->no_body ? "HEAD" : words[handle->method];
}

enum rb_upload rb_handle_upload(const struct rb_handle *handle)
{
    switch (handle->method) {
    case RB_METHOD_POST:
        return handle->has_fields ? RB_UPLOAD_MEMORY : upload_by_read(handle);
    case RB_METHOD_FORM:
        return RB_UPLOAD_FORM;
    case RB_METHOD_PUT:
        return upload_by_read(handle);
    default:
        return RB_UPLOAD_NONE;
    }
}

void rb_handle_say(const struct rb_handle *handle, const char *sentence)
{
    if (handle->error)
        snprintf(handle->error, CURL_ERROR_SIZE, "%s", sentence);
}

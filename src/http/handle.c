// SPDX-License-Identifier: MIT
// The options of each libcurl handle, and the table that finds a handle's record.
#include <stdlib.h>
#include <string.h>

#include "http/handle.h"

// Tables grow by a factor of four and are never freed: readers need no lock, and a fork in a threaded program is
// harmless.
enum { FIRST_SLOTS = 64, LEVELS = 12, NEIGHBOURS = 8 };

struct slot {
    _Atomic(CURL *) key;
    struct rb_handle *handle;
};

static struct slot first[FIRST_SLOTS];
static _Atomic(struct slot *) levels[LEVELS];

static struct slot *level(unsigned n, bool make)
{
    if (n == 0)
        return first;
    struct slot *slots = atomic_load_explicit(&levels[n], memory_order_acquire);
    if (slots || !make)
        return slots;
    struct slot *fresh = calloc((size_t) FIRST_SLOTS << (2 * n), sizeof *fresh);
    if (!fresh || atomic_compare_exchange_strong(&levels[n], &slots, fresh))
        return fresh;
    free(fresh);
    return slots;
}

static struct slot *slot_of(struct slot *slots, unsigned n, CURL *easy, unsigned i)
{
    uint64_t hash = (uint64_t) (uintptr_t) easy * 0x9e3779b97f4a7c15u;
    return &slots[((hash >> 40) + i) % ((size_t) FIRST_SLOTS << (2 * n))];
}

static struct slot *find(CURL *easy)
{
    for (unsigned n = 0; n < LEVELS; n++) {
        struct slot *slots = level(n, false);
        if (!slots)
            return NULL;
        for (unsigned i = 0; i < NEIGHBOURS; i++) {
            struct slot *slot = slot_of(slots, n, easy, i);
            if (atomic_load_explicit(&slot->key, memory_order_acquire) == easy)
                return slot;
        }
    }
    return NULL;
}

// Only the thread that owns the handle puts it in or takes it out, so one key never stands twice. The record is stored
// under a claim mark: a reader that sees the key sees the record.
static bool put(CURL *easy, struct rb_handle *handle)
{
    static char claimed;
    for (unsigned n = 0; n < LEVELS; n++) {
        struct slot *slots = level(n, true);
        for (unsigned i = 0; slots && i < NEIGHBOURS; i++) {
            struct slot *slot = slot_of(slots, n, easy, i);
            CURL *empty = NULL;
            if (!atomic_compare_exchange_strong(&slot->key, &empty, (CURL *) &claimed))
                continue;
            slot->handle = handle;
            atomic_store_explicit(&slot->key, easy, memory_order_release);
            return true;
        }
    }
    return false;
}

struct rb_handle *rb_handle_find(CURL *easy)
{
    struct slot *slot = easy ? find(easy) : NULL;
    return slot ? slot->handle : NULL;
}

static void free_record(struct rb_handle *handle)
{
    free(handle->url);
    free(handle->custom_request);
    free(handle->protocols_text);
    free(handle);
}

void rb_handle_register(CURL *easy, const struct rb_libcurl *curl)
{
    rb_handle_forget(easy); // an address that libcurl freed behind our back
    struct rb_handle *handle = calloc(1, sizeof *handle);
    if (!handle)
        return;
    handle->curl = curl;
    rb_handle_reset(handle);
    if (!put(easy, handle))
        free_record(handle);
}

void rb_handle_forget(CURL *easy)
{
    struct slot *slot = easy ? find(easy) : NULL;
    if (!slot)
        return;
    struct rb_handle *handle = slot->handle;
    atomic_store_explicit(&slot->key, NULL, memory_order_release);
    free_record(handle);
}

void rb_handle_reset(struct rb_handle *handle)
{
    const struct rb_libcurl *curl = handle->curl;
    free(handle->url);
    free(handle->custom_request);
    free(handle->protocols_text);
    *handle = (struct rb_handle){.curl = curl, .protocols = CURLPROTO_ALL, .no_progress = true};
}

static void copy_text(struct rb_handle *handle, char **to, const char *from)
{
    char *copy = from ? strdup(from) : NULL;
    if (from && !copy)
        handle->unknown = true;
    free(*to);
    *to = copy;
}

void rb_handle_return_callbacks(const struct rb_handle *handle, CURL *easy)
{
    void *data = handle->write_data_set ? handle->write_data : (void *) stdout;
    handle->curl->easy_setopt(easy, CURLOPT_WRITEFUNCTION, handle->write);
    handle->curl->easy_setopt(easy, CURLOPT_WRITEDATA, data);
    handle->curl->easy_setopt(easy, CURLOPT_HEADERFUNCTION, handle->header);
    handle->curl->easy_setopt(easy, CURLOPT_HEADERDATA, handle->header_data);
}

// A clone made in the middle of a transfer has what we set for the attempt.
static void return_options(const struct rb_handle *handle, CURL *copy)
{
    rb_handle_return_callbacks(handle, copy);
    handle->curl->easy_setopt(copy, CURLOPT_TIMEOUT_MS, handle->timeout_ms);
    handle->curl->easy_setopt(copy, CURLOPT_CONNECTTIMEOUT_MS, handle->connect_timeout_ms);
    handle->curl->easy_setopt(copy, CURLOPT_FRESH_CONNECT, handle->fresh_connect);
}

void rb_handle_duplicate(const struct rb_handle *handle, CURL *copy)
{
    if (handle->performing)
        return_options(handle, copy);
    rb_handle_register(copy, handle->curl);
    struct rb_handle *record = rb_handle_find(copy);
    if (!record)
        return;
    *record = *handle;
    record->url = record->custom_request = record->protocols_text = NULL;
    record->performing = record->late = record->paused = record->target_known = false;
    copy_text(record, &record->url, handle->url);
    copy_text(record, &record->custom_request, handle->custom_request);
    copy_text(record, &record->protocols_text, handle->protocols_text);
}

bool rb_handle_replaces(CURLoption option)
{
    return option == CURLOPT_WRITEFUNCTION || option == CURLOPT_WRITEDATA || option == CURLOPT_HEADERFUNCTION ||
           option == CURLOPT_HEADERDATA;
}

// How libcurl derives the method from the options that imply one (lib/setopt.c): the last one set wins, and switching
// one off means GET, but NOBODY off changes only HEAD.
static void note_method(struct rb_handle *handle, CURLoption option, union rb_option value)
{
    switch (option) {
    case CURLOPT_HTTPGET:
        handle->method = value.number ? RB_METHOD_GET : handle->method;
        break;
    case CURLOPT_NOBODY:
        if (value.number)
            handle->method = RB_METHOD_HEAD;
        else if (handle->method == RB_METHOD_HEAD)
            handle->method = RB_METHOD_GET;
        break;
    case CURLOPT_POST:
        handle->method = value.number ? RB_METHOD_POST : RB_METHOD_GET;
        break;
    case CURLOPT_UPLOAD:
    case CURLOPT_PUT:
        handle->method = value.number ? RB_METHOD_PUT : RB_METHOD_GET;
        break;
    case CURLOPT_HTTPPOST:
    case CURLOPT_MIMEPOST:
        handle->method = RB_METHOD_FORM;
        break;
    case CURLOPT_POSTFIELDS:
    case CURLOPT_COPYPOSTFIELDS:
        handle->has_fields = value.pointer != NULL;
        handle->method = RB_METHOD_POST;
        break;
    default:
        break;
    }
}

static void note_callback(struct rb_handle *handle, CURLoption option, union rb_option value)
{
    switch (option) {
    case CURLOPT_WRITEFUNCTION:
        handle->write = (curl_write_callback) value.function;
        break;
    case CURLOPT_WRITEDATA:
        handle->write_data = value.pointer;
        handle->write_data_set = true;
        break;
    case CURLOPT_HEADERFUNCTION:
        handle->header = (curl_write_callback) value.function;
        break;
    case CURLOPT_HEADERDATA:
        handle->header_data = value.pointer;
        break;
    case CURLOPT_XFERINFOFUNCTION:
        handle->progress = (curl_xferinfo_callback) value.function;
        break;
    case CURLOPT_PROGRESSFUNCTION:
        handle->old_progress = (curl_progress_callback) value.function;
        break;
    case CURLOPT_PROGRESSDATA: // CURLOPT_XFERINFODATA is the same option
        handle->progress_data = value.pointer;
        break;
    default:
        break;
    }
}

static void note_number(struct rb_handle *handle, CURLoption option, long number)
{
    switch (option) {
    case CURLOPT_NOPROGRESS:
        handle->no_progress = number != 0;
        break;
    case CURLOPT_TIMEOUT:
        handle->timeout_ms = number * 1000;
        break;
    case CURLOPT_TIMEOUT_MS:
        handle->timeout_ms = number;
        break;
    case CURLOPT_CONNECTTIMEOUT:
        handle->connect_timeout_ms = number * 1000;
        break;
    case CURLOPT_CONNECTTIMEOUT_MS:
        handle->connect_timeout_ms = number;
        break;
    case CURLOPT_FRESH_CONNECT:
        handle->fresh_connect = number;
        break;
    case CURLOPT_PORT:
        handle->port = number;
        break;
    case CURLOPT_CONNECT_ONLY:
        handle->connect_only = number;
        break;
    case CURLOPT_HEADER:
        handle->include_header = number != 0;
        break;
    case CURLOPT_PROTOCOLS:
        handle->protocols = number;
        copy_text(handle, &handle->protocols_text, NULL);
        break;
    default:
        break;
    }
}

static void note_pointer(struct rb_handle *handle, CURLoption option, void *pointer)
{
    switch (option) {
    case CURLOPT_URL:
        copy_text(handle, &handle->url, pointer);
        handle->target_known = false;
        break;
    case CURLOPT_DEFAULT_PROTOCOL:
        handle->default_scheme = pointer != NULL;
        break;
    case CURLOPT_CURLU:
        handle->parsed_url = pointer;
        break;
    case CURLOPT_CUSTOMREQUEST:
        copy_text(handle, &handle->custom_request, pointer);
        break;
    case CURLOPT_PROTOCOLS_STR:
        copy_text(handle, &handle->protocols_text, pointer);
        break;
    case CURLOPT_HTTPHEADER:
        handle->headers = pointer;
        break;
    case CURLOPT_ERRORBUFFER:
        handle->error = pointer;
        break;
    default:
        break;
    }
}

void rb_handle_note(struct rb_handle *handle, CURLoption option, union rb_option value)
{
    note_method(handle, option, value);
    note_callback(handle, option, value);
    if (option < CURLOPTTYPE_OBJECTPOINT)
        note_number(handle, option, value.number);
    else if (option < CURLOPTTYPE_FUNCTIONPOINT)
        note_pointer(handle, option, value.pointer);
}

const char *rb_handle_method(const struct rb_handle *handle)
{
    static const char *const words[] = {
        [RB_METHOD_GET] = "GET",   [RB_METHOD_HEAD] = "HEAD", [RB_METHOD_POST] = "POST",
        [RB_METHOD_FORM] = "POST", [RB_METHOD_PUT] = "PUT",
    };
    return handle->custom_request ? handle->custom_request : words[handle->method];
}

enum rb_upload rb_handle_upload(const struct rb_handle *handle)
{
    switch (handle->method) {
    case RB_METHOD_POST:
        return handle->has_fields ? RB_UPLOAD_MEMORY : RB_UPLOAD_CALLBACK;
    case RB_METHOD_FORM:
    case RB_METHOD_PUT:
        return RB_UPLOAD_CALLBACK;
    default:
        return RB_UPLOAD_NONE;
    }
}

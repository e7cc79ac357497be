// SPDX-License-Identifier: MIT
// Records each option that a program sets, with libcurl's semantics.
#include "curl/credential.h"
#include "curl/handle.h"
#include "curl/route.h"
#include "curl/via.h"

// Derives the method from options as libcurl does (lib/setopt.c). The last option wins. Turning one off selects GET,
// except NOBODY, which only changes HEAD to GET.
static void note_method(struct rb_handle *handle, CURLoption option, union rb_option value)
{
    switch (option) {
    case CURLOPT_HTTPGET:
        handle->method = value.number ? RB_METHOD_GET : handle->method;
        handle->no_body &= !value.number;
        break;
    case CURLOPT_NOBODY:
        handle->no_body = value.number != 0;
        if (value.number)
            handle->method = RB_METHOD_HEAD;
        else if (handle->method == RB_METHOD_HEAD)
            handle->method = RB_METHOD_GET;
        break;
    case CURLOPT_POST:
        handle->method = value.number ? RB_METHOD_POST : RB_METHOD_GET;
        handle->no_body &= !value.number;
        break;
    case CURLOPT_UPLOAD:
    case CURLOPT_PUT:
        handle->method = value.number ? RB_METHOD_PUT : RB_METHOD_GET;
        handle->no_body &= !value.number;
        break;
    case CURLOPT_HTTPPOST:
    case CURLOPT_MIMEPOST:
        handle->method = RB_METHOD_FORM;
        handle->no_body = false;
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
    case CURLOPT_READFUNCTION:
        handle->read = (curl_read_callback) value.function;
        break;
    case CURLOPT_READDATA:
        handle->read_data = value.pointer;
        handle->read_data_set = true;
        break;
    case CURLOPT_SEEKFUNCTION:
        handle->seek = (curl_seek_callback) value.function;
        break;
    case CURLOPT_SEEKDATA:
        handle->seek_data = value.pointer;
        break;
    case CURLOPT_IOCTLFUNCTION:
        handle->control = (curl_ioctl_callback) value.function;
        break;
    case CURLOPT_IOCTLDATA:
        handle->control_data = value.pointer;
        break;
    default:
        break;
    }
}

static void note_watcher(struct rb_handle *handle, CURLoption option, union rb_option value)
{
    switch (option) {
    case CURLOPT_PREREQFUNCTION:
        handle->before_request = (curl_prereq_callback) value.function;
        break;
    case CURLOPT_PREREQDATA:
        handle->before_request_data = value.pointer;
        break;
    case CURLOPT_HSTSREADFUNCTION:
        handle->hosts = (curl_hstsread_callback) value.function;
        break;
    case CURLOPT_SOCKOPTFUNCTION:
        handle->socket = (curl_sockopt_callback) value.function;
        break;
    case CURLOPT_SOCKOPTDATA:
        handle->socket_data = value.pointer;
        break;
    case CURLOPT_XFERINFOFUNCTION:
        handle->progress = (curl_xferinfo_callback) value.function;
        break;
    case CURLOPT_PROGRESSFUNCTION:
        handle->old_progress = (curl_progress_callback) value.function;
        break;
    case CURLOPT_PROGRESSDATA: // also CURLOPT_XFERINFODATA, which has the same number
        handle->progress_data = value.pointer;
        break;
    default:
        break;
    }
}

static void option_note_number(struct rb_handle *handle, CURLoption option, long number)
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
    case CURLOPT_TIMECONDITION:
        handle->time_condition = number;
        break;
    case CURLOPT_PORT:
        handle->port = number;
        rb_route_forget(handle);
        break;
    case CURLOPT_CONNECT_ONLY:
        handle->connect_only = number;
        break;
    case CURLOPT_HEADER:
        handle->include_header = number != 0;
        break;
    case CURLOPT_FOLLOWLOCATION:
        handle->follows = number != 0;
        break;
    case CURLOPT_RESUME_FROM:
        handle->resume_from = number;
        break;
    case CURLOPT_HTTP_CONTENT_DECODING:
        handle->raw_content = number == 0;
        break;
    case CURLOPT_HTTP_TRANSFER_DECODING:
        handle->raw_transfer = number == 0;
        break;
    case CURLOPT_PROTOCOLS:
        handle->protocols = number;
        rb_handle_data_keep(handle, &handle->protocols_text, NULL);
        break;
    default:
        break;
    }
}

static void option_note_pointer(struct rb_handle *handle, CURLoption option, void *pointer)
{
    switch (option) {
    case CURLOPT_URL:
        rb_handle_data_keep(handle, &handle->url, pointer);
        rb_route_forget(handle);
        break;
    case CURLOPT_DEFAULT_PROTOCOL:
        rb_route_forget(handle);
        handle->default_scheme = pointer != NULL;
        break;
    case CURLOPT_CURLU:
        handle->parsed_url = pointer;
        break;
    case CURLOPT_CUSTOMREQUEST:
        rb_handle_data_keep(handle, &handle->custom_request, pointer);
        break;
    case CURLOPT_PROTOCOLS_STR:
        rb_handle_data_keep(handle, &handle->protocols_text, pointer);
        break;
    case CURLOPT_HTTPHEADER:
        handle->headers = pointer;
        break;
    case CURLOPT_RANGE:
        rb_handle_data_keep(handle, &handle->range, pointer);
        break;
    case CURLOPT_ACCEPT_ENCODING:
        handle->accepts_encoding = pointer != NULL;
        break;
    case CURLOPT_ERRORBUFFER:
        handle->error = pointer;
        break;
    case CURLOPT_SHARE:
        handle->share = pointer;
        break;
    default:
        break;
    }
}

void rb_option_note(struct rb_handle *handle, CURLoption option, union rb_option value)
{
    if (rb_via_note(handle, option, value))
        rb_route_forget(handle);
    rb_credential_note(handle, option, value);
    note_method(handle, option, value);
    note_callback(handle, option, value);
    note_watcher(handle, option, value);
    if (option == CURLOPT_RESUME_FROM_LARGE)
        handle->resume_from = value.offset;
    if (option < CURLOPTTYPE_OBJECTPOINT)
        option_note_number(handle, option, value.number);
    else if (option < CURLOPTTYPE_FUNCTIONPOINT)
        option_note_pointer(handle, option, value.pointer);
}

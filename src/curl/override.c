// SPDX-License-Identifier: MIT
// Restores the program's values of overridden options.
#include "curl/override.h"

#include <stdio.h>

static void restore_callbacks(const struct rb_handle *handle, CURL *easy)
{
    const struct rb_libcurl *curl = handle->curl;
    curl->easy_setopt(easy, CURLOPT_WRITEFUNCTION, handle->write);
    curl->easy_setopt(easy, CURLOPT_WRITEDATA, handle->write_data_set ? handle->write_data : (void *) stdout);
    curl->easy_setopt(easy, CURLOPT_HEADERFUNCTION, handle->header);
    curl->easy_setopt(easy, CURLOPT_HEADERDATA, handle->header_data);
    curl->easy_setopt(easy, CURLOPT_PREREQFUNCTION, handle->before_request);
    curl->easy_setopt(easy, CURLOPT_PREREQDATA, handle->before_request_data);
}

static void restore_reading(const struct rb_handle *handle, CURL *easy)
{
    const struct rb_libcurl *curl = handle->curl;
    curl->easy_setopt(easy, CURLOPT_READFUNCTION, handle->read);
    curl->easy_setopt(easy, CURLOPT_READDATA, handle->read_data_set ? handle->read_data : (void *) stdin);
    curl->easy_setopt(easy, CURLOPT_SEEKFUNCTION, handle->seek);
    curl->easy_setopt(easy, CURLOPT_SEEKDATA, handle->seek_data);
    curl->easy_setopt(easy, CURLOPT_IOCTLFUNCTION, handle->control);
    curl->easy_setopt(easy, CURLOPT_IOCTLDATA, handle->control_data);
}

static void restore_one(const struct rb_handle *handle, CURL *easy, enum rb_override override)
{
    const struct rb_libcurl *curl = handle->curl;
    switch (override) {
    case RB_OVERRIDE_CALLBACKS:
        restore_callbacks(handle, easy);
        break;
    case RB_OVERRIDE_READ:
        restore_reading(handle, easy);
        break;
    case RB_OVERRIDE_PROGRESS:
        curl->easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, handle->progress);
        if (!handle->progress) // XFERINFOFUNCTION = NULL has also removed the older function
            curl->easy_setopt(easy, CURLOPT_PROGRESSFUNCTION, handle->old_progress);
        curl->easy_setopt(easy, CURLOPT_XFERINFODATA, handle->progress_data);
        break;
    case RB_OVERRIDE_TIMEOUT:
        curl->easy_setopt(easy, CURLOPT_TIMEOUT_MS, handle->timeout_ms);
        break;
    case RB_OVERRIDE_CONNECT_TIMEOUT:
        curl->easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, handle->connect_timeout_ms);
        break;
    case RB_OVERRIDE_FRESH_CONNECT:
        curl->easy_setopt(easy, CURLOPT_FRESH_CONNECT, handle->fresh_connect);
        break;
    case RB_OVERRIDE_HSTS:
        curl->easy_setopt(easy, CURLOPT_HSTSREADFUNCTION, handle->hosts);
        break;
    case RB_OVERRIDE_SOCKET:
        curl->easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, handle->socket);
        curl->easy_setopt(easy, CURLOPT_SOCKOPTDATA, handle->socket_data);
        break;
    case RB_OVERRIDE_RANGE:
        curl->easy_setopt(easy, CURLOPT_RANGE, handle->range);
        curl->easy_setopt(easy, CURLOPT_RESUME_FROM_LARGE, handle->resume_from);
        curl->easy_setopt(easy, CURLOPT_HTTPHEADER, handle->headers);
        break;
    case RB_OVERRIDE_PROTOCOLS:
        if (handle->protocols_text)
            curl->easy_setopt(easy, CURLOPT_PROTOCOLS_STR, handle->protocols_text);
        else
            curl->easy_setopt(easy, CURLOPT_PROTOCOLS, handle->protocols);
        break;
    default:
        break;
    }
}

static void restore_set(const struct rb_handle *handle, CURL *easy, unsigned overrides)
{
    for (unsigned left = overrides; left != 0; left &= left - 1)
        restore_one(handle, easy, left & -left);
}

void rb_override_restore(const struct rb_handle *handle, CURL *easy)
{
    restore_set(handle, easy, handle->overrides);
}

void rb_override_end_attempt(struct rb_handle *handle)
{
    unsigned ended = handle->overrides & RB_OVERRIDES_ATTEMPT;
    handle->overrides &= ~ended;
    restore_set(handle, handle->easy, ended);
}

bool rb_override_hides(const struct rb_handle *handle, CURLoption option)
{
    switch (option) {
    case CURLOPT_WRITEFUNCTION:
    case CURLOPT_WRITEDATA:
    case CURLOPT_HEADERFUNCTION:
    case CURLOPT_HEADERDATA:
    case CURLOPT_PREREQFUNCTION:
    case CURLOPT_PREREQDATA:
        return handle->overrides & RB_OVERRIDE_CALLBACKS;
    case CURLOPT_READFUNCTION:
    case CURLOPT_READDATA:
    case CURLOPT_SEEKFUNCTION:
    case CURLOPT_SEEKDATA:
    case CURLOPT_IOCTLFUNCTION:
    case CURLOPT_IOCTLDATA:
        return handle->overrides & RB_OVERRIDE_READ;
    case CURLOPT_XFERINFOFUNCTION:
    case CURLOPT_PROGRESSFUNCTION:
    case CURLOPT_PROGRESSDATA:
        return handle->overrides & RB_OVERRIDE_PROGRESS;
    case CURLOPT_SOCKOPTFUNCTION:
    case CURLOPT_SOCKOPTDATA:
        return handle->overrides & RB_OVERRIDE_SOCKET;
    default:
        return false;
    }
}

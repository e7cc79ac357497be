// SPDX-License-Identifier: MIT
// Computes the values of a call from those of its attempts.
#include "curl/figures.h"

#include <stdlib.h>
#include <strings.h>

#include "curl/response/response.h"
#include "curl/response/saved.h"

// How the value of an attempt becomes the value of the call.
enum kind {
    FIGURE_PLAIN,    // unchanged
    FIGURE_MOMENT,   // a time, counted from the start of the call; 0 if it was not reached
    FIGURE_TOTAL,    // total time from the start of the call; always of the last attempt
    FIGURE_RECEIVED, // body bytes
    FIGURE_SPEED,    // bytes per second received
    FIGURE_SPEED_UP, // bytes per second sent
    FIGURE_CONNECTS, // number of new connections
    FIGURE_TUNNEL,   // status of the answer to CONNECT
    FIGURE_ERRNO     // of the attempt whose result the program got
};

// Newer constants are written as numbers, because the oldest supported curl.h lacks them.
static enum kind figures_kind_of(CURLINFO info)
{
    switch ((int) info) {
    case CURLINFO_TOTAL_TIME:
    case CURLINFO_TOTAL_TIME_T:
        return FIGURE_TOTAL;
    case CURLINFO_NAMELOOKUP_TIME:
    case CURLINFO_NAMELOOKUP_TIME_T:
    case CURLINFO_CONNECT_TIME:
    case CURLINFO_CONNECT_TIME_T:
    case CURLINFO_APPCONNECT_TIME:
    case CURLINFO_APPCONNECT_TIME_T:
    case CURLINFO_PRETRANSFER_TIME:
    case CURLINFO_PRETRANSFER_TIME_T:
    case CURLINFO_STARTTRANSFER_TIME:
    case CURLINFO_STARTTRANSFER_TIME_T:
    case CURLINFO_OFF_T + 67: // POSTTRANSFER_TIME_T
        return FIGURE_MOMENT;
    case CURLINFO_SIZE_DOWNLOAD:
    case CURLINFO_SIZE_DOWNLOAD_T:
        return FIGURE_RECEIVED;
    case CURLINFO_SPEED_DOWNLOAD:
    case CURLINFO_SPEED_DOWNLOAD_T:
        return FIGURE_SPEED;
    case CURLINFO_SPEED_UPLOAD:
    case CURLINFO_SPEED_UPLOAD_T:
        return FIGURE_SPEED_UP;
    case CURLINFO_NUM_CONNECTS:
        return FIGURE_CONNECTS;
    case CURLINFO_HTTP_CONNECTCODE:
        return FIGURE_TUNNEL;
    case CURLINFO_OS_ERRNO:
        return FIGURE_ERRNO;
    default:
        return FIGURE_PLAIN;
    }
}

// Returns libcurl's value, which is that of the last attempt.
static curl_off_t last_offset(const struct rb_handle *handle, CURLINFO info)
{
    curl_off_t value = 0;
    handle->curl->easy_getinfo(handle->easy, info, &value);
    return value;
}

// Returns the value of the saved attempt if there is one, else of the last attempt.
static curl_off_t figures_offset_of(const struct rb_handle *handle, CURLINFO info)
{
    const struct rb_saved *saved = handle->figures->saved;
    const union rb_figure *value = saved ? rb_saved_find(saved, info) : NULL;
    return value ? value->offset : last_offset(handle, info);
}

// Returns the time from the start of the call to the end of its last attempt.
static curl_off_t total_us(const struct rb_handle *handle)
{
    return handle->figures->begun_us + last_offset(handle, CURLINFO_TOTAL_TIME_T);
}

// Returns the average speed over the whole call in bytes per second.
static curl_off_t figures_rate(const struct rb_handle *handle, curl_off_t bytes)
{
    curl_off_t us = total_us(handle);
    return us > 0 ? (curl_off_t) ((double) bytes * 1e6 / (double) us) : bytes;
}

// Returns the number of body bytes for the program.
static curl_off_t received(const struct rb_handle *handle)
{
    const struct rb_figures *figures = handle->figures;
    const struct rb_response *response = handle->response; // set while an attempt continues the response
    curl_off_t own = response ? (curl_off_t) rb_response_received(response) : figures->received;
    if (own >= 0)
        return own;
    return figures->failed ? figures_offset_of(handle, CURLINFO_SIZE_DOWNLOAD_T)
                           : last_offset(handle, CURLINFO_SIZE_DOWNLOAD_T);
}

// Returns the CURLINFO that gives the same time in microseconds. Both forms of the answer are computed from that value.
static CURLINFO in_microseconds(CURLINFO info)
{
    switch ((int) info) {
    case CURLINFO_NAMELOOKUP_TIME:
        return CURLINFO_NAMELOOKUP_TIME_T;
    case CURLINFO_CONNECT_TIME:
        return CURLINFO_CONNECT_TIME_T;
    case CURLINFO_APPCONNECT_TIME:
        return CURLINFO_APPCONNECT_TIME_T;
    case CURLINFO_PRETRANSFER_TIME:
        return CURLINFO_PRETRANSFER_TIME_T;
    case CURLINFO_STARTTRANSFER_TIME:
        return CURLINFO_STARTTRANSFER_TIME_T;
    default:
        return info;
    }
}

// Writes a value in the type of `info`. Returns true, which is the answer of rb_figures_answer.
//   unit: divisor for an answer of type double
static bool figures_put(CURLINFO info, void *out, curl_off_t value, double unit)
{
    if (((int) info & CURLINFO_TYPEMASK) == CURLINFO_DOUBLE)
        *(double *) out = (double) value / unit;
    else
        *(curl_off_t *) out = value;
    return true;
}

static bool put_saved(const struct rb_handle *handle, CURLINFO info, void *out)
{
    const struct rb_saved *saved = handle->figures->saved;
    const union rb_figure *value = saved ? rb_saved_find(saved, info) : NULL;
    if (!value)
        return false;
    switch ((int) info & CURLINFO_TYPEMASK) {
    case CURLINFO_STRING:
        *(char **) out = value->text;
        return true;
    case CURLINFO_LONG:
        *(long *) out = value->number;
        return true;
    case CURLINFO_DOUBLE:
        *(double *) out = value->real;
        return true;
    default:
        *(curl_off_t *) out = value->offset;
        return true;
    }
}

bool rb_figures_answer(const struct rb_handle *handle, CURLINFO info, void *out)
{
    enum kind kind = figures_kind_of(info);
    if (!handle->figures || !out)
        return false;
    switch (kind) {
    case FIGURE_TOTAL:
        return figures_put(info, out, total_us(handle), 1e6);
    case FIGURE_MOMENT: {
        curl_off_t us = figures_offset_of(handle, in_microseconds(info));
        return figures_put(info, out, us > 0 ? handle->figures->moments_us + us : us, 1e6);
    }
    case FIGURE_RECEIVED:
        return figures_put(info, out, received(handle), 1);
    case FIGURE_SPEED:
        return figures_put(info, out, figures_rate(handle, received(handle)), 1);
    case FIGURE_SPEED_UP:
        return figures_put(info, out, figures_rate(handle, figures_offset_of(handle, CURLINFO_SIZE_UPLOAD_T)), 1);
    case FIGURE_CONNECTS:
        *(long *) out = handle->figures->connects;
        return true;
    case FIGURE_TUNNEL:
        if (!put_saved(handle, info, out))
            *(long *) out = handle->figures->tunnel;
        return true;
    case FIGURE_ERRNO:
        return handle->figures->failed && put_saved(handle, info, out);
    case FIGURE_PLAIN:
        break;
    }
    return put_saved(handle, info, out);
}

void rb_figures_free(struct rb_figures *figures)
{
    if (!figures)
        return;
    rb_saved_free(figures->saved);
    free(figures);
}

void rb_figures_forget(struct rb_handle *handle)
{
    rb_figures_free(handle->figures);
    handle->figures = NULL;
}

// --- header fields

// Returns true if curl_easy_header may return the entry.
//   request: number of the request; -1: the last one
static bool matches(const struct rb_saved *saved, const struct rb_saved_header *entry, unsigned origin, int request)
{
    return (entry->header.origin & origin) && entry->request == (request == -1 ? saved->requests : request);
}

// Sets amount and index of a field among those of the same name. libcurl counts only fields that match the mask of
// origins of the query, so the numbers are computed for each query.
static struct curl_header *counted(const struct rb_saved *saved, struct rb_saved_header *entry, unsigned origin,
                                   int request)
{
    size_t amount = 0, index = 0;
    for (size_t i = 0; i < saved->header_count; i++) {
        struct rb_saved_header *other = &saved->headers[i];
        if (!matches(saved, other, origin, request) || strcasecmp(other->header.name, entry->header.name) != 0)
            continue;
        if (other == entry)
            index = amount;
        amount++;
    }
    entry->header.amount = amount;
    entry->header.index = index;
    entry->header.anchor = entry;
    return &entry->header;
}

static CURLHcode find_header(const struct rb_saved *saved, const char *name, size_t index, unsigned origin, int request,
                             struct curl_header **out)
{
    size_t seen = 0;
    for (size_t i = 0; i < saved->header_count; i++) {
        struct rb_saved_header *entry = &saved->headers[i];
        if (!matches(saved, entry, origin, request) || strcasecmp(entry->header.name, name) != 0)
            continue;
        if (seen++ == index) {
            *out = counted(saved, entry, origin, request);
            return CURLHE_OK;
        }
    }
    return seen > 0 ? CURLHE_BADINDEX : CURLHE_MISSING;
}

CURLHcode rb_figures_header(const struct rb_figures *figures, const char *name, size_t index, unsigned origin,
                            int request, struct curl_header **out)
{
    const struct rb_saved *saved = figures->saved;
    const unsigned all = CURLH_HEADER | CURLH_TRAILER | CURLH_CONNECT | CURLH_1XX | CURLH_PSEUDO;
    if (!name || !out || origin == 0 || origin > all || request < -1)
        return CURLHE_BAD_ARGUMENT;
    if (saved->header_count == 0)
        return CURLHE_NOHEADERS;
    if (request > saved->requests)
        return CURLHE_NOREQUEST;
    return find_header(saved, name, index, origin, request, out);
}

struct curl_header *rb_figures_next_header(const struct rb_figures *figures, unsigned origin, int request,
                                           const struct curl_header *previous)
{
    const struct rb_saved *saved = figures->saved;
    size_t i = previous ? (size_t) ((struct rb_saved_header *) previous->anchor - saved->headers) + 1 : 0;
    for (; i < saved->header_count; i++)
        if (matches(saved, &saved->headers[i], origin, request))
            return counted(saved, &saved->headers[i], origin, request);
    return NULL;
}

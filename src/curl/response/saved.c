// SPDX-License-Identifier: MIT
// Copies values and header fields from libcurl, as far as its version supports them.
#include "curl/response/saved.h"

#include <stdlib.h>
#include <string.h>

// Greater than all numbers in use for each type of CURLINFO.
enum { STRINGS = 50, LONGS = 64, DOUBLES = 48, OFFSETS = 80 };

// Skips CURLINFO_PRIVATE, which is the program's pointer and not text, and CURLINFO_LASTSOCKET, which must be current.
static void read_figure(struct rb_saved *saved, const struct rb_handle *handle, int info)
{
    union rb_figure value = {0};
    enum { LASTSOCKET = CURLINFO_LONG + 29 };
    bool kept = info != CURLINFO_PRIVATE && info != LASTSOCKET;
    if (saved->count == sizeof(saved->figures) / sizeof(saved->figures[0]) || !kept ||
        handle->curl->easy_getinfo(handle->easy, (CURLINFO) info, &value) != CURLE_OK)
        return;
    if ((info & CURLINFO_TYPEMASK) == CURLINFO_STRING && value.text)
        value.text = strdup(value.text);
    saved->figures[saved->count].info = (CURLINFO) info;
    saved->figures[saved->count++].value = value;
}

static void read_figures(struct rb_saved *saved, const struct rb_handle *handle)
{
    static const struct {
        int type, count;
    } kinds[] = {
        {CURLINFO_STRING, STRINGS}, {CURLINFO_LONG, LONGS}, {CURLINFO_DOUBLE, DOUBLES}, {CURLINFO_OFF_T, OFFSETS}};
    for (unsigned kind = 0; kind < sizeof(kinds) / sizeof(kinds[0]); kind++)
        for (int i = 1; i < kinds[kind].count; i++)
            read_figure(saved, handle, kinds[kind].type + i);
}

static bool saved_grow(struct rb_saved *saved)
{
    if (saved->header_count < saved->header_room)
        return true;
    size_t room = saved->header_room ? 2 * saved->header_room : 16;
    struct rb_saved_header *larger = realloc(saved->headers, room * sizeof(*larger));
    if (!larger)
        return false;
    saved->headers = larger;
    saved->header_room = room;
    return true;
}

static bool keep_header(struct rb_saved *saved, const struct curl_header *header, int request)
{
    if (!saved_grow(saved))
        return false;
    struct rb_saved_header *entry = &saved->headers[saved->header_count];
    *entry = (struct rb_saved_header){.header = *header, .request = request};
    entry->header.name = strdup(header->name);
    entry->header.value = strdup(header->value);
    entry->header.anchor = NULL;
    saved->header_count++;
    return entry->header.name && entry->header.value;
}

// Reads the header fields of each request of the transfer. The lookup of any field tells whether the transfer had a
// request of a number: if not, libcurl returns an error other than MISSING and BADINDEX. Returns false without memory.
static bool read_headers(struct rb_saved *saved, const struct rb_handle *handle)
{
    const unsigned all = CURLH_HEADER | CURLH_TRAILER | CURLH_CONNECT | CURLH_1XX | CURLH_PSEUDO;
    if (!handle->curl->easy_header || !handle->curl->easy_nextheader)
        return true;
    for (int request = 0;; request++) {
        struct curl_header *header = NULL;
        CURLHcode code = handle->curl->easy_header(handle->easy, "date", 0, CURLH_HEADER, request, &header);
        if (code != CURLHE_OK && code != CURLHE_MISSING && code != CURLHE_BADINDEX)
            return true;
        saved->requests = request;
        header = NULL;
        while ((header = handle->curl->easy_nextheader(handle->easy, all, request, header)))
            if (!keep_header(saved, header, request))
                return false;
    }
}

struct rb_saved *rb_saved_read(const struct rb_handle *handle)
{
    struct rb_saved *saved = calloc(1, sizeof(*saved));
    if (!saved)
        return NULL;
    read_figures(saved, handle);
    if (read_headers(saved, handle))
        return saved;
    rb_saved_free(saved);
    return NULL;
}

void rb_saved_free(struct rb_saved *saved)
{
    if (!saved)
        return;
    for (unsigned i = 0; i < saved->count; i++)
        if ((saved->figures[i].info & CURLINFO_TYPEMASK) == CURLINFO_STRING)
            free(saved->figures[i].value.text);
    for (size_t i = 0; i < saved->header_count; i++) {
        free(saved->headers[i].header.name);
        free(saved->headers[i].header.value);
    }
    free(saved->headers);
    free(saved);
}

const union rb_figure *rb_saved_find(const struct rb_saved *saved, CURLINFO info)
{
    for (unsigned i = 0; i < saved->count; i++)
        if (saved->figures[i].info == info)
            return &saved->figures[i].value;
    return NULL;
}

// SPDX-License-Identifier: MIT
// The values of curl_easy_getinfo and curl_easy_header after a call with several attempts ("figures").
//
// libcurl only has the values of the last attempt. After a simple retry they are right except for the times, which must
// count from the start of the call. In two cases the program gets the response of an earlier attempt: when a later
// attempt continued its download, and when the next attempt could not start. Then the values of that earlier attempt
// are saved and returned.
#ifndef RB_CURL_FIGURES_H
#define RB_CURL_FIGURES_H

#include "curl/handle_data.h"

struct rb_saved;

// Owned by the handle from the end of a call until its next call, and while an attempt continues a download.
struct rb_figures {
    curl_off_t begun_us;   // from the start of the call to the start of its last attempt
    curl_off_t moments_us; // from the start of the call to the start of the attempt whose times are reported
    curl_off_t received;   // body bytes of all attempts; -1: use libcurl's value
    long connects;         // the greatest number of connects in one attempt, because a retry on a kept connection has 0
    long tunnel; // CURLINFO_HTTP_CONNECTCODE of the last attempt that made a connection; a kept tunnel has no CONNECT
    bool failed; // the saved attempt is also the source of CURLINFO_OS_ERRNO
    struct rb_saved *saved; // owned; NULL: use the last attempt's values with adjusted times
};

void rb_figures_free(struct rb_figures *figures);

// Drops the values of the last call, because a new transfer begins on the handle.
void rb_figures_forget(struct rb_handle *handle);

// Answers curl_easy_getinfo where libcurl's value would be wrong. Returns false where it is right.
//   out: as for curl_easy_getinfo; strings stay valid until the handle's next transfer
bool rb_figures_answer(const struct rb_handle *handle, CURLINFO info, void *out);

// Replace curl_easy_header and curl_easy_nextheader. Call only if figures->saved is not NULL.
CURLHcode rb_figures_header(const struct rb_figures *figures, const char *name, size_t index, unsigned origin,
                            int request, struct curl_header **out);
struct curl_header *rb_figures_next_header(const struct rb_figures *figures, unsigned origin, int request,
                                           const struct curl_header *previous);

#endif

// SPDX-License-Identifier: MIT
// What curl_easy_getinfo and curl_easy_header have to answer after a call that was made of several attempts.
//
// libcurl knows the last attempt only. After a plain repetition that is right but for the times, which count from the
// beginning of the call. After a download that was continued, and where a further attempt could not be begun, the
// program must see the response whose bytes it received: that one's figures are saved.
#ifndef RB_HTTP_FIGURES_H
#define RB_HTTP_FIGURES_H

#include "curl/handle.h"

struct rb_saved;

// Owned by the handle from the end of the call until its next one; also while an attempt continues a download.
struct rb_figures {
    curl_off_t begun_us;    // from the beginning of the call to that of its last attempt
    curl_off_t moments_us;  // and to that of the attempt whose moments count
    curl_off_t received;    // body bytes over all attempts; -1: as libcurl says
    long connects;          // the most that one attempt made: a retry over a kept connection does not hide it
    bool failed;            // the saved attempt is also the one whose errno counts
    struct rb_saved *saved; // owned; NULL: the last attempt's figures, with the times moved
};

// Reads all figures and header fields of the attempt that just ended. NULL without memory.
struct rb_saved *rb_saved_read(const struct rb_handle *handle);

void rb_saved_free(struct rb_saved *saved);

void rb_figures_free(struct rb_figures *figures);

// A new transfer begins on the handle: those of the last one are gone.
void rb_figures_forget(struct rb_handle *handle);

// Answers curl_easy_getinfo where libcurl's own answer would be wrong. Returns false where it is right.
//   out: of the type that `info` says, as for curl_easy_getinfo; strings stay valid until the handle's next transfer
bool rb_figures_answer(const struct rb_handle *handle, CURLINFO info, void *out);

// curl_easy_header and curl_easy_nextheader out of the saved header fields; only where figures->saved is not NULL.
CURLHcode rb_figures_header(const struct rb_figures *figures, const char *name, size_t index, unsigned origin,
                            int request, struct curl_header **out);
struct curl_header *rb_figures_next_header(const struct rb_figures *figures, unsigned origin, int request,
                                           const struct curl_header *previous);

#endif

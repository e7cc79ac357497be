// SPDX-License-Identifier: MIT
// Reads the target host of a transfer from the options of its handle.
#ifndef RB_CURL_DESTINATION_H
#define RB_CURL_DESTINATION_H

#include "curl/handle_data.h"
#include "policy/target.h"

// Finds host and port of the handle's next transfer. Returns false when the scheme is not HTTP or HTTPS, or when there
// is no host.
//   secure: receives whether the scheme is https
//   text: receives memory that target->name may point into; the caller frees it with libcurl's own free. NULL if the
//     name points into the handle's record
bool rb_destination(const struct rb_handle *handle, struct rb_target *target, bool *secure, char **text);

// Reads host and port from a URL as libcurl does. Without a scheme, libcurl guesses it from the first label of the name
// (CURLU_GUESS_SCHEME) and defaults to http. Returns false when the scheme is not HTTP or HTTPS, or when there is no
// host.
bool rb_destination_read(const char *url, struct rb_target *target, bool *secure);

#endif

// SPDX-License-Identifier: MIT
// Whom a transfer is for, read out of the options of its handle.
#ifndef RB_HTTP_DESTINATION_H
#define RB_HTTP_DESTINATION_H

#include "curl/handle.h"
#include "policy/target.h"

// Finds host and port of the handle's next transfer. Returns false when it is not HTTP or has no host.
//   secure: receives whether it is https
//   text: receives what target's name may point into, to be freed with the library's own free; NULL: the record's
bool rb_destination(const struct rb_handle *handle, struct rb_target *target, bool *secure, char **text);

// Reads host and port out of a URL as libcurl does: without a scheme it guesses by the first label of the name
// (CURLU_GUESS_SCHEME), else takes http. Returns false when it is not HTTP or has no host.
bool rb_destination_read(const char *url, struct rb_target *target, bool *secure);

#endif

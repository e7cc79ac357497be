// SPDX-License-Identifier: MIT
// Carries out one step of a script as the answer to a request, or in place of it.
#ifndef RB_SERVER_RESPOND_H
#define RB_SERVER_RESPOND_H

#include "request.h"
#include "script.h"

// Performs the step. Returns true when the connection is still open and may serve another request; otherwise it has
// been closed in the step's way.
bool rb_respond(struct rb_wire *wire, const struct rb_request *request, const struct rb_step *step, const char *key);

// A plain 200 (or other) answer with this text and nothing special.
bool rb_respond_text(struct rb_wire *wire, const struct rb_request *request, unsigned status, const char *text);

#endif

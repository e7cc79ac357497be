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

// The deterministic byte at `offset` of a body of a given size.
// text: letters in lines of 64; binary: all 256 values. Periods 1664 and 65536.
unsigned char rb_respond_byte(bool binary, size_t offset);

#endif

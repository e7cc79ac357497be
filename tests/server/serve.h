// SPDX-License-Identifier: MIT
// The life of one accepted connection.
#ifndef RB_SERVER_SERVE_H
#define RB_SERVER_SERVE_H

#include <stdbool.h>

// What the command line says; read-only once the server runs.
struct rb_serve_options {
    const char *script;                // steps for paths that bring none, separated by commas
    const char *accept;                // steps for connections, separated by commas
    void (*listen_in)(unsigned after); // the control path "listen/MS" calls it
};

// Serves `fd` on a thread of its own and closes it. control: the connection came in by the control port.
// Returns 0 or a negative errno; then fd has been closed.
int rb_serve_start(int fd, bool control, const struct rb_serve_options *options);

#endif

// SPDX-License-Identifier: MIT
// The life of one accepted connection.
#include "serve.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "crc.h"
#include "ledger.h"
#include "respond.h"
#include "script.h"

enum { THREAD_STACK = 512 * 1024 };

struct connection {
    const struct rb_serve_options *options;
    bool control;
    bool counted;
    unsigned long number;
    struct rb_request request;
    struct rb_wire wire;
};

static const char control_prefix[] = "/_/";

static bool answer_control(struct connection *connection)
{
    const char *what = connection->request.path + sizeof(control_prefix) - 1;
    if (connection->counted) {
        rb_ledger_connection(-1);
        connection->counted = false;
    }
    if (!strncmp(what, "listen/", 7)) {
        connection->options->listen_in((unsigned) strtoul(what + 7, NULL, 10));
        return rb_respond_text(&connection->wire, &connection->request, 200, "");
    }
    char *text = rb_ledger_report(what);
    bool open = rb_respond_text(&connection->wire, &connection->request, text ? 200 : 404, text ? text : "unknown\n");
    free(text);
    return open;
}

// Splits "/KEY/STEP/STEP?query" into key and steps; both may be empty. CONNECT has the key "connect".
static void split_path(const struct rb_request *request, char *key, char *steps, size_t steps_size)
{
    if (!strcmp(request->method, "CONNECT")) {
        snprintf(key, RB_KEY_SIZE, "connect");
        steps[0] = '\0';
        return;
    }
    const char *path = request->path + (request->path[0] == '/');
    size_t length = strcspn(path, "?#");
    size_t key_length = strcspn(path, "/?#");
    snprintf(key, RB_KEY_SIZE, "%.*s", (int) key_length, path);
    if (key_length < length)
        key_length++;
    snprintf(steps, steps_size, "%.*s", (int) (length - key_length), path + key_length);
}

static int choose_step(const struct connection *connection, char *key, struct rb_step *step)
{
    char steps[sizeof(connection->request.path)], bad[256];
    split_path(&connection->request, key, steps, sizeof(steps));
    unsigned long index = rb_ledger_next(key);
    int err = steps[0] ? rb_script_step(steps, '/', index, step, bad, sizeof(bad))
                       : rb_script_step(connection->options->script, ',', index, step, bad, sizeof(bad));
    if (err < 0)
        fprintf(stderr, "faultd: no such step: %s\n", bad);
    return err;
}

// After a granted CONNECT the connection goes on as if it were the tunnel's other end.
static bool answer_connect(struct connection *connection, const struct rb_step *step, const char *key)
{
    static const char granted[] = "HTTP/1.1 200 Connection established\r\n\r\n";
    if (step->kind == RB_STEP_ANSWER && step->status == 200)
        return rb_wire_send(&connection->wire, granted, sizeof(granted) - 1) == 0;
    return rb_respond(&connection->wire, &connection->request, step, key);
}

static bool serve_request(struct connection *connection)
{
    struct rb_request *request = &connection->request;
    char key[RB_KEY_SIZE];
    struct rb_step step;
    int err = choose_step(connection, key, &step);
    if (err < 0)
        return rb_respond_text(&connection->wire, request, 599, "faultd: no such step\n");
    if (!step.early)
        err = rb_request_read_body(&connection->wire, request);
    rb_ledger_note(key, request);
    if (err < 0) {
        rb_wire_close(&connection->wire);
        return false;
    }
    if (!strcmp(request->method, "CONNECT"))
        return answer_connect(connection, &step, key);
    return rb_respond(&connection->wire, request, &step, key);
}

static void serve_http(struct connection *connection)
{
    bool open = true;
    while (open) {
        int err = rb_request_read_head(&connection->wire, &connection->request);
        if (err < 0) {
            rb_wire_close(&connection->wire);
            return;
        }
        if (!strncmp(connection->request.path, control_prefix, sizeof(control_prefix) - 1))
            open = answer_control(connection);
        else
            open = serve_request(connection);
    }
}

// Notes what came in over a connection that is not served as HTTP.
static void read_raw(struct connection *connection)
{
    struct rb_request *seen = &connection->request;
    char block[RB_WIRE_BUFFER];
    long got;
    memset(seen, 0, sizeof(*seen));
    snprintf(seen->method, sizeof(seen->method), "RAW");
    snprintf(seen->path, sizeof(seen->path), "-");
    while ((got = rb_wire_take(&connection->wire, block, sizeof(block))) > 0) {
        seen->body_crc = rb_crc(seen->body_crc, block, (size_t) got);
        seen->body_size += (uint64_t) got;
    }
    rb_ledger_next("raw");
    rb_ledger_note("raw", seen);
}

static void serve_raw(struct connection *connection, const struct rb_step *step)
{
    rb_wire_pause(step->delay);
    if (step->kind == RB_STEP_RESET) {
        rb_wire_reset(&connection->wire);
        return;
    }
    rb_wire_send(&connection->wire, step->text, strlen(step->text));
    if (step->kind == RB_STEP_RAW && step->last)
        shutdown(connection->wire.fd, SHUT_WR);
    if (step->kind == RB_STEP_RAW || step->kind == RB_STEP_HANG)
        read_raw(connection);
    rb_wire_close(&connection->wire);
}

static void *serve(void *argument)
{
    struct connection *connection = argument;
    struct rb_step step = {.kind = RB_STEP_HTTP};
    char bad[256];
    if (!connection->control)
        rb_script_step(connection->options->accept, ',', connection->number, &step, bad, sizeof(bad));
    if (step.kind == RB_STEP_HTTP)
        serve_http(connection);
    else
        serve_raw(connection, &step);
    free(connection);
    return NULL;
}

static int start_thread(struct connection *connection)
{
    pthread_attr_t attributes;
    pthread_t thread;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, THREAD_STACK);
    int err = pthread_create(&thread, &attributes, serve, connection);
    pthread_attr_destroy(&attributes);
    return -err;
}

int rb_serve_start(int fd, bool control, const struct rb_serve_options *options)
{
    struct connection *connection = calloc(1, sizeof(*connection));
    int err = connection ? 0 : -ENOMEM, on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on,
               sizeof(on)); // an answer in pieces must not wait; not for Unix sockets
    if (err == 0) {
        connection->options = options;
        connection->control = control;
        connection->counted = !control;
        connection->number = control ? 0 : rb_ledger_connection(1);
        connection->wire.fd = fd;
        err = start_thread(connection);
    }
    if (err < 0) {
        close(fd);
        free(connection);
    }
    return err;
}

// SPDX-License-Identifier: MIT
// HTTP requests as the faulty server reads them.
#include "request.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "crc.h"

enum { LINE_SIZE = 16 * 1024, BLOCK_SIZE = 64 * 1024 };

// "http://host:port/x" of a request to a proxy becomes "/x"; a bare "host:port" (CONNECT) stays.
static const char *origin_form(const char *target)
{
    const char *authority = strstr(target, "://");
    if (target[0] == '/' || !authority)
        return target;
    const char *path = strchr(authority + 3, '/');
    return path ? path : "/";
}

static int parse_request_line(char *line, struct rb_request *request)
{
    char *target = strchr(line, ' ');
    char *version = target ? strchr(target + 1, ' ') : NULL;
    if (!version || strncmp(version, " HTTP/1.", 8) != 0)
        return -EPROTO;
    *target++ = *version++ = '\0';
    const char *path = origin_form(target);
    if (strlen(line) >= sizeof(request->method) || strlen(path) >= sizeof(request->path))
        return -E2BIG;
    memcpy(request->method, line, strlen(line) + 1);
    memcpy(request->path, path, strlen(path) + 1);
    request->http10 = strcmp(version, "HTTP/1.0") == 0;
    request->keep_alive = !request->http10;
    return 0;
}

static void parse_field(const char *line, struct rb_request *request)
{
    const char *colon = strchr(line, ':');
    if (!colon)
        return;
    size_t name = (size_t) (colon - line);
    const char *value = colon + 1 + strspn(colon + 1, " \t");
    if (name == 14 && !strncasecmp(line, "Content-Length", name))
        request->length = strtoull(value, NULL, 10);
    else if (name == 17 && !strncasecmp(line, "Transfer-Encoding", name))
        request->chunked = !strcasecmp(value, "chunked");
    else if (name == 6 && !strncasecmp(line, "Expect", name))
        request->expects = !strcasecmp(value, "100-continue");
    else if (name == 5 && !strncasecmp(line, "Range", name))
        snprintf(request->range, sizeof(request->range), "%s", value);
    else if (name == 8 && !strncasecmp(line, "If-Range", name))
        snprintf(request->if_range, sizeof(request->if_range), "%s", value);
    else if (name == 10 && !strncasecmp(line, "Connection", name))
        request->keep_alive =
            strcasecmp(value, "close") != 0 && (request->keep_alive || !strcasecmp(value, "keep-alive"));
}

int rb_request_read_head(struct rb_wire *wire, struct rb_request *request)
{
    char line[LINE_SIZE];
    memset(request, 0, sizeof(*request));
    int length = rb_wire_line(wire, line, sizeof(line));
    if (length < 0)
        return length;
    request->head_crc = rb_crc(0, line, (size_t) length);
    int err = parse_request_line(line, request);
    while (err == 0) {
        length = rb_wire_line(wire, line, sizeof(line));
        if (length <= 0)
            return length;
        request->head_crc = rb_crc(request->head_crc, line, (size_t) length);
        parse_field(line, request);
    }
    return err;
}

static int read_bytes(struct rb_wire *wire, struct rb_request *request, uint64_t size)
{
    char block[BLOCK_SIZE];
    while (size > 0) {
        long got = rb_wire_take(wire, block, size < sizeof(block) ? (size_t) size : sizeof(block));
        if (got <= 0)
            return got < 0 ? (int) got : -ENODATA;
        request->body_crc = rb_crc(request->body_crc, block, (size_t) got);
        request->body_size += (uint64_t) got;
        size -= (uint64_t) got;
    }
    return 0;
}

static int read_chunks(struct rb_wire *wire, struct rb_request *request)
{
    char line[LINE_SIZE];
    for (;;) {
        int err = rb_wire_line(wire, line, sizeof(line));
        if (err < 0)
            return err;
        uint64_t size = strtoull(line, NULL, 16);
        if (size == 0)
            break;
        err = read_bytes(wire, request, size);
        if (err == 0)
            err = rb_wire_line(wire, line, sizeof(line));
        if (err < 0)
            return err;
    }
    int length;
    while ((length = rb_wire_line(wire, line, sizeof(line))) > 0)
        ;
    return length;
}

int rb_request_read_body(struct rb_wire *wire, struct rb_request *request)
{
    static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
    if (request->expects && (request->chunked || request->length > 0)) {
        int err = rb_wire_send(wire, go_on, sizeof(go_on) - 1);
        if (err < 0)
            return err;
    }
    return request->chunked ? read_chunks(wire, request) : read_bytes(wire, request, request->length);
}

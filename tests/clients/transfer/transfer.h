// SPDX-License-Identifier: MIT
// A libcurl program for tests: transfers as the command line says, and one line of JSON about how it saw them.
#ifndef RB_TRANSFER_H
#define RB_TRANSFER_H

#define CURL_DISABLE_DEPRECATION // programs use the old options too
#include <curl/curl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum request { REQUEST_GET, REQUEST_HEAD, REQUEST_PUT, REQUEST_POST, REQUEST_CALLBACK, REQUEST_MIME };

enum mode { MODE_EASY, MODE_POLL, MODE_SOCKET, MODE_WAIT, MODE_FDSET };

// The usage stands at the top of main.c.
struct options {
    enum mode mode;
    enum request request;
    const char *url;
    unsigned count;
    curl_off_t size; // bytes to send, -1: as usual for the request
    bool no_seek, ioctl, unknown_size;
    const char *file;
    long skip;
    const char *idempotency_key, *method, *range, *encoding, *proxy, *out;
    struct curl_slist *headers;
    bool tunnel, suppress, h2, pipewait, insecure, expect100, no_expect, follow, fail, include, progress;
    bool to_stdout, header_data, no_header;
    long timeout_ms, connect_timeout_ms;
    curl_off_t resume, abort_after, pause_after, max_size;
    long cancel_ms;             // the progress callback cancels so long after the start
    unsigned readd_at, drop_at; // rounds of the loop
};

struct transfer {
    const struct options *options;
    CURL *easy;
    curl_mime *mime;
    struct curl_slist *headers;
    FILE *in, *out;
    char *fields;
    char error[CURL_ERROR_SIZE];
    CURLcode result;
    bool done;

    uint64_t at;     // the next byte to hand out
    uint64_t handed; // bytes handed out, again and again
    unsigned seeks;

    uint64_t received;
    uint32_t crc;
    unsigned writes, header_lines, blocks;
    char first_line[128]; // of the last block
    char trace[64];       // runs of calls: H header lines, B body
    bool paused, was_paused;

    long begun; // on transfer_clock
    unsigned progress_calls, progress_backwards;
    curl_off_t progress_most, progress_total, progress_last;
};

// How a multi handle was seen from outside.
struct view {
    unsigned loops;    // rounds of the program's own loop
    unsigned messages; // that info_read gave
    unsigned counts;   // of `running`
    int running[64];   // its values in turn, without repetitions
    int most;
};

// Makes the handle. Returns false, with a line on stderr, when libcurl refuses an option.
bool transfer_prepare(struct transfer *transfer, const struct options *options, unsigned number);

// Milliseconds of a clock that only goes forward.
long transfer_clock(void);

// Lets a transfer go on that paused itself.
void transfer_resume(struct transfer *transfer);

void transfer_free(struct transfer *transfer);

// Runs `count` transfers to their end, one after another (easy) or at once. Returns false when a call of the multi
// interface failed.
bool transfer_drive(struct transfer *transfers, unsigned count, struct view *view);

#endif

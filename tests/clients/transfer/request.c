// SPDX-License-Identifier: MIT
// One transfer: its options, what it sends and what it receives.
#include "transfer.h"

#include <stdlib.h>
#include <string.h>

#include "../../server/crc.h"
#include "../../server/pattern.h"

static const struct rb_pattern pattern = {.binary = true};

// --- sending

static size_t hand_out(char *out, size_t size, size_t count, void *context)
{
    struct transfer *transfer = context;
    size_t room = size * count, used = 0, part;
    uint64_t left = (uint64_t) transfer->options->size - transfer->at;
    if (room > left)
        room = (size_t) left;
    while (used < room) {
        const unsigned char *from = rb_pattern_at(&pattern, transfer->at, &part);
        if (part > room - used)
            part = room - used;
        memcpy(out + used, from, part);
        used += part;
        transfer->at += part;
    }
    transfer->handed += used;
    return used;
}

static int seek_to(void *context, curl_off_t offset, int origin)
{
    struct transfer *transfer = context;
    transfer->seeks++;
    if (origin != SEEK_SET || offset < 0 || offset > transfer->options->size)
        return CURL_SEEKFUNC_FAIL;
    transfer->at = (uint64_t) offset;
    return CURL_SEEKFUNC_OK;
}

static curlioerr restart(CURL *easy, int command, void *context)
{
    (void) easy;
    if (command != CURLIOCMD_RESTARTREAD)
        return CURLIOE_UNKNOWNCMD;
    return seek_to(context, 0, SEEK_SET) == CURL_SEEKFUNC_OK ? CURLIOE_OK : CURLIOE_FAILRESTART;
}

// --- receiving

static void note(struct transfer *transfer, char kind)
{
    size_t used = strlen(transfer->trace);
    if ((used == 0 || transfer->trace[used - 1] != kind) && used + 1 < sizeof(transfer->trace))
        transfer->trace[used] = kind;
}

static size_t take(char *data, size_t size, size_t count, void *context)
{
    struct transfer *transfer = context;
    const struct options *options = transfer->options;
    size_t length = size * count;
    if (options->pause_after >= 0 && transfer->received >= (uint64_t) options->pause_after && !transfer->was_paused) {
        transfer->paused = transfer->was_paused = true;
        return CURL_WRITEFUNC_PAUSE;
    }
    if (options->abort_after >= 0 && transfer->received + length > (uint64_t) options->abort_after)
        return 0;
    transfer->received += length;
    transfer->crc = rb_crc(transfer->crc, data, length);
    transfer->writes++;
    note(transfer, 'B');
    return length;
}

static size_t take_header(char *data, size_t size, size_t count, void *context)
{
    struct transfer *transfer = context;
    size_t length = size * count;
    transfer->header_lines++;
    note(transfer, 'H');
    if (length > 5 && !strncmp(data, "HTTP/", 5)) {
        transfer->blocks++;
        snprintf(transfer->first_line, sizeof(transfer->first_line), "%.*s", (int) strcspn(data, "\r\n"), data);
    }
    return length;
}

void transfer_resume(struct transfer *transfer)
{
    if (!transfer->paused)
        return;
    transfer->paused = false;
    curl_easy_pause(transfer->easy, CURLPAUSE_CONT);
}

static int watch(void *context, curl_off_t total, curl_off_t now, curl_off_t up_total, curl_off_t up_now)
{
    struct transfer *transfer = context;
    (void) up_total;
    (void) up_now;
    transfer->progress_calls++;
    if (now < transfer->progress_last)
        transfer->progress_backwards++;
    if (now > transfer->progress_most)
        transfer->progress_most = now;
    transfer->progress_last = now;
    transfer->progress_total = total;
    if (transfer->options->mode == MODE_EASY)
        transfer_resume(transfer);
    long limit = transfer->options->cancel_ms;
    return limit > 0 && transfer_clock() - transfer->begun >= limit;
}

// --- options

static bool accepted(const char *option, CURLcode code)
{
    if (code != CURLE_OK)
        fprintf(stderr, "transfer: %s: %s\n", option, curl_easy_strerror(code));
    return code == CURLE_OK;
}

#define SET(option, value)                                                                                             \
    do {                                                                                                               \
        if (!accepted(#option, curl_easy_setopt(transfer->easy, option, value)))                                       \
            return false;                                                                                              \
    } while (0)

// "{n}" becomes the number of the transfer.
static char *make_url(const char *text, unsigned number)
{
    size_t size = strlen(text) + 16;
    char *url = malloc(size);
    const char *mark = strstr(text, "{n}");
    if (url && mark)
        snprintf(url, size, "%.*s%u%s", (int) (mark - text), text, number, mark + 3);
    else if (url)
        snprintf(url, size, "%s", text);
    return url;
}

static bool set_file(struct transfer *transfer)
{
    transfer->in = fopen(transfer->options->file, "rb");
    long skip = transfer->options->skip; // none for a pipe
    if (!transfer->in || (skip > 0 && fseek(transfer->in, skip, SEEK_SET) < 0)) {
        perror(transfer->options->file);
        return false;
    }
    SET(CURLOPT_READDATA, transfer->in);
    return true;
}

static bool set_source(struct transfer *transfer)
{
    const struct options *options = transfer->options;
    if (options->file)
        return set_file(transfer);
    SET(CURLOPT_READFUNCTION, hand_out);
    SET(CURLOPT_READDATA, transfer);
    if (options->ioctl) {
        SET(CURLOPT_IOCTLFUNCTION, restart);
        SET(CURLOPT_IOCTLDATA, transfer);
    } else if (!options->no_seek) {
        SET(CURLOPT_SEEKFUNCTION, seek_to);
        SET(CURLOPT_SEEKDATA, transfer);
    }
    return true;
}

static bool set_fields(struct transfer *transfer)
{
    size_t size = (size_t) transfer->options->size;
    transfer->fields = malloc(size + 1);
    if (!transfer->fields)
        return false;
    hand_out(transfer->fields, 1, size, transfer);
    transfer->handed = transfer->at = 0;
    SET(CURLOPT_POSTFIELDS, transfer->fields);
    SET(CURLOPT_POSTFIELDSIZE_LARGE, transfer->options->size);
    return true;
}

static bool set_mime(struct transfer *transfer)
{
    transfer->mime = curl_mime_init(transfer->easy);
    curl_mimepart *text = curl_mime_addpart(transfer->mime), *data = curl_mime_addpart(transfer->mime);
    curl_mime_name(text, "text");
    curl_mime_data(text, "a few words", CURL_ZERO_TERMINATED);
    curl_mime_name(data, "data");
    curl_mime_filename(data, "data.bin");
    curl_mime_data_cb(data, transfer->options->unknown_size ? -1 : transfer->options->size, hand_out,
                      transfer->options->no_seek ? NULL : seek_to, NULL, transfer);
    SET(CURLOPT_MIMEPOST, transfer->mime);
    return true;
}

static bool set_request(struct transfer *transfer)
{
    const struct options *options = transfer->options;
    curl_off_t size = options->unknown_size ? -1 : options->size;
    switch (options->request) {
    case REQUEST_GET:
        return true;
    case REQUEST_HEAD:
        SET(CURLOPT_NOBODY, 1L);
        return true;
    case REQUEST_PUT:
        SET(CURLOPT_UPLOAD, 1L);
        SET(CURLOPT_INFILESIZE_LARGE, size);
        return set_source(transfer);
    case REQUEST_POST:
        return set_fields(transfer);
    case REQUEST_CALLBACK:
        SET(CURLOPT_POST, 1L);
        SET(CURLOPT_POSTFIELDSIZE_LARGE, size);
        return set_source(transfer);
    case REQUEST_MIME:
        return set_mime(transfer);
    }
    return false;
}

static void add_header(struct transfer *transfer, const char *line)
{
    struct curl_slist *longer = curl_slist_append(transfer->headers, line);
    if (longer)
        transfer->headers = longer;
}

static bool set_headers(struct transfer *transfer)
{
    const struct options *options = transfer->options;
    char line[256];
    for (const struct curl_slist *header = options->headers; header; header = header->next)
        add_header(transfer, header->data);
    if (options->idempotency_key) {
        snprintf(line, sizeof(line), "Idempotency-Key: %s", options->idempotency_key);
        add_header(transfer, line);
    }
    if (options->request == REQUEST_CALLBACK && options->unknown_size)
        add_header(transfer, "Transfer-Encoding: chunked");
    if (options->expect100)
        add_header(transfer, "Expect: 100-continue");
    if (options->no_expect)
        add_header(transfer, "Expect:");
    if (transfer->headers)
        SET(CURLOPT_HTTPHEADER, transfer->headers);
    return true;
}

// What is not set at all differs from what is set to its default: a program that sets nothing writes to stdout.
static bool set_sink(struct transfer *transfer)
{
    const struct options *options = transfer->options;
    if (options->out) {
        transfer->out = fopen(options->out, "wb");
        SET(CURLOPT_WRITEDATA, transfer->out);
    } else if (!options->to_stdout) {
        SET(CURLOPT_WRITEFUNCTION, take);
        SET(CURLOPT_WRITEDATA, transfer);
    }
    if (options->header_data) {
        SET(CURLOPT_HEADERDATA, options->to_stdout ? (void *) stdout : (void *) transfer);
    } else if (!options->no_header) {
        SET(CURLOPT_HEADERFUNCTION, take_header);
        SET(CURLOPT_HEADERDATA, transfer);
    }
    return true;
}

static bool set_texts(struct transfer *transfer)
{
    const struct options *options = transfer->options;
    if (options->method)
        SET(CURLOPT_CUSTOMREQUEST, options->method);
    if (options->range)
        SET(CURLOPT_RANGE, options->range);
    if (options->encoding)
        SET(CURLOPT_ACCEPT_ENCODING, options->encoding);
    SET(CURLOPT_PROXY, options->proxy ? options->proxy : "");
    return true;
}

static bool set_limits(struct transfer *transfer)
{
    const struct options *options = transfer->options;
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_TIMEOUT_MS, options->timeout_ms);
    SET(CURLOPT_CONNECTTIMEOUT_MS, options->connect_timeout_ms);
    if (options->resume > 0)
        SET(CURLOPT_RESUME_FROM_LARGE, options->resume);
    if (options->max_size > 0)
        SET(CURLOPT_MAXFILESIZE_LARGE, options->max_size);
    return true;
}

static bool set_flags(struct transfer *transfer)
{
    const struct options *options = transfer->options;
    SET(CURLOPT_FOLLOWLOCATION, (long) options->follow);
    SET(CURLOPT_FAILONERROR, (long) options->fail);
    SET(CURLOPT_HEADER, (long) options->include);
    SET(CURLOPT_HTTPPROXYTUNNEL, (long) options->tunnel);
    SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, (long) options->suppress);
    SET(CURLOPT_PIPEWAIT, (long) options->pipewait);
    SET(CURLOPT_SSL_VERIFYPEER, (long) !options->insecure);
    SET(CURLOPT_SSL_VERIFYHOST, options->insecure ? 0L : 2L);
    if (options->h2)
        SET(CURLOPT_HTTP_VERSION, (long) CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE);
    return true;
}

static bool set_watch(struct transfer *transfer)
{
    const struct options *options = transfer->options;
    if (!options->progress && options->pause_after < 0 && options->cancel_ms == 0)
        return true;
    SET(CURLOPT_NOPROGRESS, 0L);
    SET(CURLOPT_XFERINFOFUNCTION, watch);
    SET(CURLOPT_XFERINFODATA, transfer);
    return true;
}

bool transfer_prepare(struct transfer *transfer, const struct options *options, unsigned number)
{
    transfer->options = options;
    transfer->begun = transfer_clock();
    transfer->easy = curl_easy_init();
    char *url = make_url(options->url, number);
    if (!transfer->easy || !url)
        return false;
    CURLcode code = curl_easy_setopt(transfer->easy, CURLOPT_URL, url);
    free(url);
    SET(CURLOPT_ERRORBUFFER, transfer->error);
    SET(CURLOPT_PRIVATE, transfer);
    return code == CURLE_OK && set_request(transfer) && set_headers(transfer) && set_sink(transfer) &&
           set_texts(transfer) && set_limits(transfer) && set_flags(transfer) && set_watch(transfer);
}

void transfer_free(struct transfer *transfer)
{
    curl_easy_cleanup(transfer->easy);
    curl_mime_free(transfer->mime);
    curl_slist_free_all(transfer->headers);
    free(transfer->fields);
    if (transfer->in)
        fclose(transfer->in);
    if (transfer->out)
        fclose(transfer->out);
}

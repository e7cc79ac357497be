// SPDX-License-Identifier: MIT
// A libcurl program for tests: transfers as the command line says, and one line of JSON about how it saw them.
//
//   transfer [OPTION...] URL
//
//   --mode easy|poll|socket|wait|fdset   curl_easy_perform; or curl_multi_perform with curl_multi_poll, curl_multi_wait
//   or
//                                        select; or curl_multi_socket_action over an epoll loop
//   --request get|head|put|post|callback|mime|upload50
//                                        put: UPLOAD from a callback; post: POSTFIELDS; callback: POST from one;
//                                        mime: a form with a text and a callback part; upload50: put of 50 MB
//   --count N                            so many handles, with easy one after another, else at once; {n} in the URL
//                                        becomes the number of each
//   --size N                             bytes to send: the deterministic binary body of faultd
//   --no-seek, --ioctl, --unknown-size   no SEEKFUNCTION; IOCTLFUNCTION in its place; no length (chunked)
//   --file PATH, --skip N                READDATA a FILE* under the default fread, from byte N on
//   --method M, --header LINE, --idempotency-key K, --range R, --resume N, --encoding E, --proxy URL
//   --tunnel, --suppress                 HTTPPROXYTUNNEL, SUPPRESS_CONNECT_HEADERS
//   --h2, --pipewait, --insecure, --expect100, --no-expect, --follow, --fail, --include, --max-size N
//   --timeout-ms N, --connect-timeout-ms N
//   --stdout, --out PATH                 no WRITEFUNCTION and no WRITEDATA; WRITEDATA a FILE* alone
//   --header-data                        HEADERDATA without HEADERFUNCTION
//   --no-header                          neither of them
//   --progress                           a progress callback
//   --abort-after N, --pause-after N     the write callback refuses what is beyond N bytes; pauses once there
//   --cancel-after-ms N                  the progress callback cancels
//   --readd-at N, --drop-at N            in that round of the loop every transfer is taken out of the multi handle, and
//                                        put in again; or taken out for good
//
// The line goes to stdout, with --stdout to stderr. The exit status is that of the first transfer, 99 for misuse.
// After a minute SIGALRM ends it.
#include <getopt.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "transfer.h"

enum { LIMIT_S = 60, MISUSE = 99 };

static const char *const modes[] = {"easy", "poll", "socket", "wait", "fdset", NULL};
static const char *const requests[] = {"get", "head", "put", "post", "callback", "mime", "upload50", NULL};
static const curl_off_t sizes[] = {0, 0, 5000, 3000, 5000, 4000, 50000000};

enum choice {
    CHOICE_MODE = 1000,
    CHOICE_REQUEST,
    CHOICE_HEADER,
};

// Where the value of an option goes; options that need more have a choice above.
struct known {
    const char *name;
    enum { FLAG, TEXT, COUNT, LONG, BIG, OTHER } kind;
    size_t field;
    int choice;
};

#define AT(member) offsetof(struct options, member), 0

static const struct known known[] = {
    {"mode", OTHER, 0, CHOICE_MODE},
    {"request", OTHER, 0, CHOICE_REQUEST},
    {"count", COUNT, AT(count)},
    {"header", OTHER, 0, CHOICE_HEADER},
    {"size", BIG, AT(size)},
    {"no-seek", FLAG, AT(no_seek)},
    {"ioctl", FLAG, AT(ioctl)},
    {"unknown-size", FLAG, AT(unknown_size)},
    {"file", TEXT, AT(file)},
    {"skip", LONG, AT(skip)},
    {"method", TEXT, AT(method)},
    {"idempotency-key", TEXT, AT(idempotency_key)},
    {"range", TEXT, AT(range)},
    {"resume", BIG, AT(resume)},
    {"encoding", TEXT, AT(encoding)},
    {"proxy", TEXT, AT(proxy)},
    {"tunnel", FLAG, AT(tunnel)},
    {"suppress", FLAG, AT(suppress)},
    {"h2", FLAG, AT(h2)},
    {"pipewait", FLAG, AT(pipewait)},
    {"insecure", FLAG, AT(insecure)},
    {"expect100", FLAG, AT(expect100)},
    {"no-expect", FLAG, AT(no_expect)},
    {"follow", FLAG, AT(follow)},
    {"fail", FLAG, AT(fail)},
    {"include", FLAG, AT(include)},
    {"max-size", BIG, AT(max_size)},
    {"timeout-ms", LONG, AT(timeout_ms)},
    {"connect-timeout-ms", LONG, AT(connect_timeout_ms)},
    {"stdout", FLAG, AT(to_stdout)},
    {"out", TEXT, AT(out)},
    {"header-data", FLAG, AT(header_data)},
    {"no-header", FLAG, AT(no_header)},
    {"progress", FLAG, AT(progress)},
    {"abort-after", BIG, AT(abort_after)},
    {"pause-after", BIG, AT(pause_after)},
    {"cancel-after-ms", LONG, AT(cancel_ms)},
    {"readd-at", COUNT, AT(readd_at)},
    {"drop-at", COUNT, AT(drop_at)},
};

enum { KNOWN = sizeof(known) / sizeof(*known) };

static _Noreturn void misuse(const char *what)
{
    fprintf(stderr, "transfer: what is '%s'? The usage stands at the top of main.c\n", what);
    exit(MISUSE);
}

static long long number(const char *text)
{
    char *end;
    long long value = strtoll(text, &end, 10);
    if (end == text || *end || value < 0)
        misuse(text);
    return value;
}

static unsigned find(const char *const *names, const char *name)
{
    for (unsigned i = 0; names[i]; i++)
        if (!strcmp(names[i], name))
            return i;
    misuse(name);
}

static void store(struct options *options, const struct known *option, const char *value)
{
    char *field = (char *) options + option->field;
    if (option->kind == FLAG)
        *(bool *) field = true;
    else if (option->kind == TEXT)
        *(const char **) field = value;
    else if (option->kind == COUNT)
        *(unsigned *) field = (unsigned) number(value);
    else if (option->kind == LONG)
        *(long *) field = (long) number(value);
    else if (option->kind == BIG)
        *(curl_off_t *) field = number(value);
}

static void choose(struct options *options, const struct known *option, const char *value)
{
    if (option->choice == CHOICE_MODE) {
        options->mode = (enum mode) find(modes, value);
    } else if (option->choice == CHOICE_REQUEST) {
        unsigned which = find(requests, value);
        options->request = !strcmp(value, "upload50") ? REQUEST_PUT : (enum request) which;
        if (options->size < 0)
            options->size = sizes[which];
    } else if (option->choice == CHOICE_HEADER) {
        options->headers = curl_slist_append(options->headers, value);
    } else {
        store(options, option, value);
    }
}

static void parse(int argc, char **argv, struct options *options)
{
    struct option table[KNOWN + 1] = {{0}};
    int index, got;
    for (int i = 0; i < KNOWN; i++)
        table[i] = (struct option){known[i].name, known[i].kind == FLAG ? no_argument : required_argument, NULL, 1};
    while ((got = getopt_long(argc, argv, "", table, &index)) != -1) {
        if (got != 1)
            exit(MISUSE);
        choose(options, &known[index], optarg);
    }
    if (optind != argc - 1)
        misuse(optind < argc ? argv[optind + 1] : "no URL");
    options->url = argv[optind];
    if (options->size < 0)
        options->size = 0;
}

// --- the line

static void print_text(FILE *out, const char *name, const char *text)
{
    fprintf(out, ", \"%s\": \"", name);
    for (; text && *text; text++)
        if ((unsigned char) *text < ' ' || *text == '"' || *text == '\\')
            fprintf(out, "\\u%04x", (unsigned char) *text);
        else
            fputc(*text, out);
    fputc('"', out);
}

static void print_longs(FILE *out, CURL *easy)
{
    static const struct {
        const char *name;
        CURLINFO info;
    } figures[] = {
        {"status", CURLINFO_RESPONSE_CODE},    {"connect_status", CURLINFO_HTTP_CONNECTCODE},
        {"http", CURLINFO_HTTP_VERSION},       {"redirects", CURLINFO_REDIRECT_COUNT},
        {"header_size", CURLINFO_HEADER_SIZE}, {"request_size", CURLINFO_REQUEST_SIZE},
        {"connects", CURLINFO_NUM_CONNECTS},   {"errno", CURLINFO_OS_ERRNO},
        {"port", CURLINFO_PRIMARY_PORT},
    };
    for (size_t i = 0; i < sizeof(figures) / sizeof(*figures); i++) {
        long value = -1;
        curl_easy_getinfo(easy, figures[i].info, &value);
        fprintf(out, ", \"%s\": %ld", figures[i].name, value);
    }
}

static void print_offsets(FILE *out, CURL *easy)
{
    static const struct {
        const char *name;
        CURLINFO info;
    } figures[] = {
        {"size_download", CURLINFO_SIZE_DOWNLOAD_T},
        {"size_upload", CURLINFO_SIZE_UPLOAD_T},
        {"length", CURLINFO_CONTENT_LENGTH_DOWNLOAD_T},
        {"upload_length", CURLINFO_CONTENT_LENGTH_UPLOAD_T},
        {"retry_after", CURLINFO_RETRY_AFTER},
        {"lookup_us", CURLINFO_NAMELOOKUP_TIME_T},
        {"connect_us", CURLINFO_CONNECT_TIME_T},
        {"tls_us", CURLINFO_APPCONNECT_TIME_T},
        {"ready_us", CURLINFO_PRETRANSFER_TIME_T},
        {"first_us", CURLINFO_STARTTRANSFER_TIME_T},
        {"total_us", CURLINFO_TOTAL_TIME_T},
    };
    for (size_t i = 0; i < sizeof(figures) / sizeof(*figures); i++) {
        curl_off_t value = -1;
        curl_easy_getinfo(easy, figures[i].info, &value);
        fprintf(out, ", \"%s\": %lld", figures[i].name, (long long) value);
    }
}

static void print_strings(FILE *out, CURL *easy)
{
    char *type = NULL, *method = NULL;
    curl_easy_getinfo(easy, CURLINFO_CONTENT_TYPE, &type);
    curl_easy_getinfo(easy, CURLINFO_EFFECTIVE_METHOD, &method);
    print_text(out, "type", type);
    print_text(out, "method", method);
}

static void print_transfer(FILE *out, struct transfer *transfer)
{
    fprintf(out, "{\"done\": %s, \"result\": %d", transfer->done ? "true" : "false", (int) transfer->result);
    print_text(out, "error", transfer->error);
    fprintf(out, ", \"received\": %llu, \"crc\": \"%08x\", \"writes\": %u", (unsigned long long) transfer->received,
            (unsigned) transfer->crc, transfer->writes);
    fprintf(out, ", \"header_lines\": %u, \"blocks\": %u", transfer->header_lines, transfer->blocks);
    print_text(out, "first_line", transfer->first_line);
    print_text(out, "trace", transfer->trace);
    fprintf(out, ", \"handed\": %llu, \"seeks\": %u, \"paused\": %s", (unsigned long long) transfer->handed,
            transfer->seeks, transfer->was_paused ? "true" : "false");
    fprintf(out, ", \"progress\": [%u, %u, %lld, %lld]", transfer->progress_calls, transfer->progress_backwards,
            (long long) transfer->progress_most, (long long) transfer->progress_total);
    print_longs(out, transfer->easy);
    print_offsets(out, transfer->easy);
    print_strings(out, transfer->easy);
    fputc('}', out);
}

// The most memory that this program has had, since it was started: not, as of getrusage, also by who started it.
static long resident_kib(void)
{
    char line[256];
    long kib = -1;
    FILE *status = fopen("/proc/self/status", "r");
    while (status && fgets(line, sizeof(line), status))
        if (!strncmp(line, "VmHWM:", 6))
            kib = strtol(line + 6, NULL, 10);
    if (status)
        fclose(status);
    return kib;
}

static void print_all(FILE *out, struct transfer *transfers, unsigned count, bool good, const struct view *view)
{
    fprintf(out, "{\"good\": %s, \"messages\": %u, \"loops\": %u, \"most\": %d, \"running\": [",
            good ? "true" : "false", view->messages, view->loops, view->most);
    for (unsigned i = 0; i < view->counts; i++)
        fprintf(out, "%s%d", i ? ", " : "", view->running[i]);
    fprintf(out, "], \"resident_kib\": %ld, \"transfers\": [", resident_kib());
    for (unsigned i = 0; i < count; i++) {
        if (i)
            fputs(", ", out);
        print_transfer(out, &transfers[i]);
    }
    fputs("]}\n", out);
}

int main(int argc, char **argv)
{
    struct options options = {.count = 1, .size = -1, .abort_after = -1, .pause_after = -1};
    struct view view = {0};
    parse(argc, argv, &options);
    alarm(LIMIT_S);
    struct transfer *transfers = calloc(options.count, sizeof(*transfers));
    if (!transfers || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return MISUSE;
    for (unsigned i = 0; i < options.count; i++)
        if (!transfer_prepare(&transfers[i], &options, i))
            return MISUSE;
    bool good = transfer_drive(transfers, options.count, &view);
    fflush(stdout);
    print_all(options.to_stdout ? stderr : stdout, transfers, options.count, good, &view);
    int result = options.count > 0 ? (int) transfers[0].result : 0;
    for (unsigned i = 0; i < options.count; i++)
        transfer_free(&transfers[i]);
    free(transfers);
    curl_slist_free_all(options.headers);
    curl_global_cleanup();
    return result;
}

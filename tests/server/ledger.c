// SPDX-License-Identifier: MIT
// What the faulty server has seen: requests and bytes for each key, and accepted connections. Safe from any thread.
#include "ledger.h"

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct text {
    char *at;
    size_t size;
};

struct entry {
    struct entry *next;
    char key[RB_KEY_SIZE];
    unsigned long requests;
    uint64_t bytes;
    struct text log, ranges;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct entry *entries;
static unsigned long connections;

static _Noreturn void out_of_memory(void)
{
    fputs("faultd: out of memory\n", stderr);
    abort();
}

static struct entry *find(const char *key)
{
    for (struct entry *entry = entries; entry; entry = entry->next)
        if (!strcmp(entry->key, key))
            return entry;
    struct entry *entry = calloc(1, sizeof(*entry));
    if (!entry)
        out_of_memory();
    snprintf(entry->key, sizeof(entry->key), "%s", key);
    entry->next = entries;
    entries = entry;
    return entry;
}

static void forget_all(void)
{
    while (entries) {
        struct entry *entry = entries;
        entries = entry->next;
        free(entry->log.at);
        free(entry->ranges.at);
        free(entry);
    }
    connections = 0;
}

unsigned long rb_ledger_next(const char *key)
{
    pthread_mutex_lock(&lock);
    unsigned long number = find(key)->requests++;
    pthread_mutex_unlock(&lock);
    return number;
}

static void append(struct text *text, const char *line, size_t length)
{
    char *grown = realloc(text->at, text->size + length + 1);
    if (!grown)
        out_of_memory();
    memcpy(grown + text->size, line, length + 1);
    text->at = grown;
    text->size += length;
}

static void note_range(struct entry *entry, const struct rb_request *request)
{
    char line[sizeof(request->range) + sizeof(request->if_range) + 8];
    int length = snprintf(line, sizeof(line), "%s %s\n", request->range[0] ? request->range : "-",
                          request->if_range[0] ? request->if_range : "-");
    append(&entry->ranges, line, (size_t) length);
}

void rb_ledger_note(const char *key, const struct rb_request *request)
{
    char line[sizeof(request->path) + 256];
    int length =
        snprintf(line, sizeof(line), "%lu %s %s %llu %08x %08x\n", rb_ledger_clock(), request->method, request->path,
                 (unsigned long long) request->body_size, (unsigned) request->body_crc, (unsigned) request->head_crc);
    pthread_mutex_lock(&lock);
    struct entry *entry = find(key);
    entry->bytes += request->body_size;
    append(&entry->log, line, (size_t) length);
    note_range(entry, request);
    pthread_mutex_unlock(&lock);
}

unsigned long rb_ledger_connection(int change)
{
    pthread_mutex_lock(&lock);
    unsigned long before = connections;
    if (change > 0)
        connections++;
    else if (connections > 0)
        connections--;
    pthread_mutex_unlock(&lock);
    return before;
}

static char *decimal(unsigned long long value)
{
    char text[32];
    snprintf(text, sizeof(text), "%llu\n", value);
    return strdup(text);
}

static char *copy(const struct text *text)
{
    return strdup(text->at ? text->at : "");
}

static char *report(const char *what)
{
    if (!strcmp(what, "connections"))
        return decimal(connections);
    if (!strcmp(what, "reset")) {
        forget_all();
        return strdup("");
    }
    if (!strncmp(what, "count/", 6))
        return decimal(find(what + 6)->requests);
    if (!strncmp(what, "bytes/", 6))
        return decimal(find(what + 6)->bytes);
    if (!strncmp(what, "log/", 4))
        return copy(&find(what + 4)->log);
    if (!strncmp(what, "ranges/", 7))
        return copy(&find(what + 7)->ranges);
    return NULL;
}

char *rb_ledger_report(const char *what)
{
    pthread_mutex_lock(&lock);
    char *text = report(what);
    pthread_mutex_unlock(&lock);
    return text;
}

unsigned long rb_ledger_clock(void)
{
    static pthread_mutex_t first_lock = PTHREAD_MUTEX_INITIALIZER;
    static struct timespec first;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    pthread_mutex_lock(&first_lock);
    if (first.tv_sec == 0)
        first = now;
    struct timespec since = first;
    pthread_mutex_unlock(&first_lock);
    return (unsigned long) ((now.tv_sec - since.tv_sec) * 1000 + (now.tv_nsec - since.tv_nsec) / 1000000);
}

// SPDX-License-Identifier: MIT
// Formats the summary.
#include "cli/run/page.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/escape.h"
#include "cli/moment.h"

struct text {
    char *out;
    size_t size;
    size_t length;
};

static void page_add(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void page_add(struct text *text, const char *format, ...)
{
    size_t room = text->size - text->length;
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text->out + text->length, room, format, arguments);
    va_end(arguments);
    if (length > 0)
        text->length += (size_t) length < room ? (size_t) length : room - 1;
}

static bool is_ready(const struct rb_summary_policy *slot)
{
    return atomic_load_explicit(&slot->state, memory_order_acquire) == RB_SUMMARY_READY;
}

static bool page_is_same(const struct rb_summary_policy *a, const struct rb_summary_policy *b)
{
    return is_ready(a) && is_ready(b) && strncmp(a->name, b->name, RB_SUMMARY_NAME_SIZE) == 0;
}

// Adds up all slots of the policy in `slot`: two processes that use a policy at the same moment may each claim a slot.
// Returns false if an earlier slot has the same policy, or if all counters are 0.
static bool page_sum_up(const struct rb_summary_page *page, int slot, uint64_t sums[RB_SUMMARY_COUNTERS])
{
    uint64_t any = 0;
    for (int i = 0; i < slot; i++)
        if (page_is_same(&page->policies[i], &page->policies[slot]))
            return false;
    for (int counter = 0; counter < RB_SUMMARY_COUNTERS; counter++) {
        sums[counter] = 0;
        for (int i = slot; i < RB_SUMMARY_POLICIES; i++)
            if (page_is_same(&page->policies[slot], &page->policies[i]))
                sums[counter] += atomic_load_explicit(&page->policies[i].counters[counter], memory_order_relaxed);
        any |= sums[counter];
    }
    return any > 0;
}

// Omits failed calls if there are none.
static void add_policy(struct text *text, const char *name, const uint64_t sums[RB_SUMMARY_COUNTERS])
{
    uint64_t calls = sums[RB_SUMMARY_CALLS], retries = sums[RB_SUMMARY_RETRIES];
    char copy[RB_SUMMARY_NAME_SIZE], shown[RB_SUMMARY_NAME_SIZE * RB_ESCAPED_SIZE];
    snprintf(copy, sizeof(copy), "%.*s", RB_SUMMARY_NAME_SIZE - 1, name);
    rb_escape_fit(shown, sizeof(shown), copy, sizeof(shown));
    page_add(text, "rebound: %s: %" PRIu64 " call%s, %" PRIu64 " retr%s, ", shown, calls, calls == 1 ? "" : "s",
             retries, retries == 1 ? "y" : "ies");
    page_add(text, "%" PRIu64 " recovered, %" PRIu64 " refused by the breaker", sums[RB_SUMMARY_RECOVERED],
             sums[RB_SUMMARY_REFUSED]);
    if (sums[RB_SUMMARY_STOPPED] > 0)
        page_add(text, ", %" PRIu64 " failed", sums[RB_SUMMARY_STOPPED]);
    page_add(text, "\n");
    if (sums[RB_SUMMARY_STACK] > 0)
        page_add(text,
                 "rebound: %s: failed calls not repeated, because of the way in which the program speaks HTTP: %" PRIu64
                 "; see 'rebound doctor PROGRAM'\n",
                 shown, sums[RB_SUMMARY_STACK]);
}

static bool host_is_ready(const struct rb_summary_host *host)
{
    return atomic_load_explicit(&host->state, memory_order_acquire) == RB_SUMMARY_READY;
}

// Writes the name of a host as it is shown.
static const char *page_host(const struct rb_summary_host *host, char out[RB_SUMMARY_HOST_SIZE * RB_ESCAPED_SIZE])
{
    char copy[RB_SUMMARY_HOST_SIZE];
    snprintf(copy, sizeof(copy), "%.*s", RB_SUMMARY_HOST_SIZE - 1, host->host);
    rb_escape_fit(out, RB_SUMMARY_HOST_SIZE * RB_ESCAPED_SIZE, copy, RB_SUMMARY_HOST_SIZE * RB_ESCAPED_SIZE);
    return out;
}

static uint64_t host_counter(const struct rb_summary_host *host, unsigned counter)
{
    return atomic_load_explicit(&host->counters[counter], memory_order_relaxed);
}

// The requests of a host by the ways in which the program speaks HTTP.
static void add_ways(struct text *text, const struct rb_summary_host *host, const char *name)
{
    static const char *const ways[RB_WAY_COUNT] = {
        [RB_WAY_NONE] = "another way", [RB_WAY_CURL] = "libcurl",          [RB_WAY_SOCKET] = "a socket",
        [RB_WAY_OPENSSL] = "OpenSSL",  [RB_WAY_BIO] = "OpenSSL in memory", [RB_WAY_GNUTLS] = "GnuTLS (only counted)",
    };
    unsigned written = 0;
    for (unsigned way = 0; way < RB_WAY_COUNT; way++) {
        uint64_t count = host_counter(host, RB_SUMMARY_WAY + way);
        if (count == 0)
            continue;
        if (written++ == 0)
            page_add(text, "rebound: %s: %" PRIu64 " HTTP request%s by %s", name, count, count == 1 ? "" : "s",
                     ways[way]);
        else
            page_add(text, ", %" PRIu64 " by %s", count, ways[way]);
    }
    page_add(text, written > 0 ? "\n" : "");
}

static void page_add_host(struct text *text, const struct rb_summary_host *host)
{
    char name[RB_SUMMARY_HOST_SIZE * RB_ESCAPED_SIZE];
    if (!host_is_ready(host))
        return;
    page_host(host, name);
    add_ways(text, host, name);
    for (unsigned stack = 0; stack < RB_STACK_COUNT; stack++) {
        uint64_t count = host_counter(host, RB_SUMMARY_NOT_REPEATED + stack);
        if (count > 0)
            page_add(text, "rebound: %s: %" PRIu64 " not repeated: %s\n", name, count,
                     rb_stack_text((enum rb_stack) stack));
    }
    uint64_t tls = host_counter(host, RB_SUMMARY_TLS), examined = host_counter(host, RB_SUMMARY_TLS_EXAMINED);
    if (tls > examined)
        page_add(text, "rebound: %s: %" PRIu64 " TLS connection%s not examined; see 'rebound doctor PROGRAM'\n", name,
                 tls - examined, tls - examined == 1 ? "" : "s");
}

// Returns true if the wait for a name has become a wait for one of its ports.
static bool page_continues(const struct rb_summary_page *page, const struct rb_summary_host *host)
{
    size_t length = strnlen(host->host, RB_SUMMARY_HOST_SIZE);
    for (int i = 0; i < RB_SUMMARY_HOSTS; i++)
        if (host_is_ready(&page->hosts[i]) && length < RB_SUMMARY_HOST_SIZE - 1 &&
            strncmp(page->hosts[i].host, host->host, length) == 0 && page->hosts[i].host[length] == ':' &&
            !strchr(host->host, ':'))
            return true;
    return false;
}

static void add_wait(struct text *text, const struct rb_summary_page *page, const struct rb_summary_host *host,
                     uint64_t now_ms)
{
    char name[RB_SUMMARY_HOST_SIZE * RB_ESCAPED_SIZE], time[32];
    if (!host_is_ready(host))
        return;
    uint64_t waited_ms = atomic_load(&host->waited_ms), since_ms = atomic_load(&host->waits_since_ms);
    if (since_ms > 0 && now_ms > since_ms && now_ms - since_ms > waited_ms)
        waited_ms = now_ms - since_ms; // a signal has ended the process in the wait
    if (waited_ms == 0 || page_continues(page, host))
        return;
    rb_moment_waited(waited_ms, time, sizeof(time));
    page_add(text, "rebound: waited %s for %s\n", time, page_host(host, name));
}

size_t rb_page_format(const struct rb_summary_page *page, uint64_t now_ms, char *out, size_t size)
{
    struct text text = {out, size, 0};
    uint64_t sums[RB_SUMMARY_COUNTERS];
    out[0] = '\0';
    for (int i = 0; i < RB_SUMMARY_POLICIES; i++)
        if (page_sum_up(page, i, sums))
            add_policy(&text, page->policies[i].name, sums);
    for (int i = 0; i < RB_SUMMARY_HOSTS; i++)
        page_add_host(&text, &page->hosts[i]);
    for (int i = 0; i < RB_SUMMARY_HOSTS; i++)
        add_wait(&text, page, &page->hosts[i], now_ms);
    if (text.length == 0)
        page_add(&text, "rebound: no calls seen\n");
    if (atomic_load_explicit(&page->crowded, memory_order_relaxed))
        page_add(&text, "rebound: more than %d policies were in use; the rest is not counted\n", RB_SUMMARY_POLICIES);
    if (atomic_load_explicit(&page->changed, memory_order_relaxed))
        page_add(&text, "rebound: a process changed its user; its calls as another user are not counted\n");
    return text.length;
}

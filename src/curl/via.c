// SPDX-License-Identifier: MIT
// Proxies, redirected connects and address overrides of a handle, with libcurl's semantics.
#include "curl/via.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/hash.h"
#include "curl/handle_data.h"
#include "policy/address.h"
#include "real/system.h"

// Adds a text with its kind and a terminating NUL, so that different sequences of texts have different hashes.
static uint64_t mix_text(uint64_t hash, unsigned what, const char *text, size_t length)
{
    unsigned char kind = (unsigned char) what;
    hash = rb_hash_bytes(rb_hash_bytes(hash, &kind, 1), text, length);
    return rb_hash_bytes(hash, "", 1);
}

static uint64_t via_hash_of(const char *text)
{
    uint64_t hash = text ? rb_hash_bytes(RB_HASH_BEGIN, text, strlen(text)) : 0;
    return text && hash == 0 ? 1 : hash;
}

enum { HTTPS_PORT = 443 };

enum { PROXY = RB_VIA_OPTIONS, PRE_PROXY, CONNECT_TO, RESOLVE, PLAIN_TO_TLS_PORT };

// --- recording options

static struct rb_via *via_of(struct rb_handle *handle)
{
    if (!handle->via)
        handle->via = calloc(1, sizeof(*handle->via));
    if (!handle->via)
        handle->unknown = true;
    return handle->via;
}

static void note_option(struct rb_handle *handle, enum rb_via_option which, uint64_t hash)
{
    if (hash == 0 && !handle->via)
        return;
    struct rb_via *via = via_of(handle);
    if (via)
        via->options[which] = hash;
}

// Removes user and password from a proxy's URL (RFC 3986, section 3.2.1), so that no secret is kept.
static void note_proxy(struct rb_handle *handle, char **text, const char *value)
{
    rb_handle_data_keep(handle, text, value);
    if (!*text)
        return;
    char *scheme_end = strstr(*text, "://"), *begin = scheme_end ? scheme_end + 3 : *text;
    size_t length = strcspn(begin, "/");
    char *at = memrchr(begin, '@', length);
    if (!at)
        return;
    size_t rest = strlen(at + 1);
    memmove(begin, at + 1, rest);
    memset(begin + rest, 0, (size_t) (at + 1 - begin));
}

// Joins the lines of a list.
static void note_list(struct rb_handle *handle, char **text, const struct curl_slist *list)
{
    size_t size = 1;
    for (const struct curl_slist *line = list; line; line = line->next)
        size += strlen(line->data) + 1;
    char *joined = list ? malloc(size) : NULL, *end = joined;
    if (list && !joined)
        handle->unknown = true;
    for (const struct curl_slist *line = list; line && joined; line = line->next) {
        size_t length = strlen(line->data);
        end = (char *) memcpy(end, line->data, length) + length;
        *end++ = '\n';
    }
    if (joined)
        *end = '\0';
    free(*text);
    *text = joined;
}

static bool via_note_pointer(struct rb_handle *handle, CURLoption option, void *pointer)
{
    struct rb_via *via;
    bool needed = pointer || handle->via;
    switch (option) {
    case CURLOPT_PROXY:
        if (needed && (via = via_of(handle)))
            note_proxy(handle, &via->proxy, pointer);
        return true;
    case CURLOPT_PRE_PROXY:
        if (needed && (via = via_of(handle)))
            note_proxy(handle, &via->pre_proxy, pointer);
        return true;
    case CURLOPT_NOPROXY:
        if (needed && (via = via_of(handle)))
            rb_handle_data_keep(handle, &via->no_proxy, pointer);
        return true;
    case CURLOPT_CONNECT_TO:
        if (needed && (via = via_of(handle)))
            note_list(handle, &via->connect_to, pointer);
        return true;
    case CURLOPT_RESOLVE:
        if (pointer && (via = via_of(handle)))
            note_list(handle, &via->resolve, pointer);
        return true;
    case CURLOPT_UNIX_SOCKET_PATH:
    case CURLOPT_ABSTRACT_UNIX_SOCKET:
        note_option(handle, RB_VIA_SOCKET, pointer ? mix_text(RB_HASH_BEGIN, option, pointer, strlen(pointer)) : 0);
        return true;
    case CURLOPT_INTERFACE:
        note_option(handle, RB_VIA_INTERFACE, via_hash_of(pointer));
        return true;
    case CURLOPT_DNS_SERVERS:
        note_option(handle, RB_VIA_SERVERS, via_hash_of(pointer));
        return true;
    case CURLOPT_DOH_URL:
        note_option(handle, RB_VIA_DOH, via_hash_of(pointer));
        return true;
    default:
        return false;
    }
}

// Values of CURLOPT_HTTP_VERSION: HTTP/2 without TLS and without upgrade, and HTTP/3, which uses UDP.
enum { HTTP_2_PRIOR_KNOWLEDGE = 5, HTTP_3 = 30 };

static bool via_note_number(struct rb_handle *handle, CURLoption option, long number)
{
    switch (option) {
    case CURLOPT_PROXYPORT:
        note_option(handle, RB_VIA_PROXY_PORT, (uint64_t) number);
        return true;
    case CURLOPT_PROXYTYPE:
        note_option(handle, RB_VIA_PROXY_TYPE, (uint64_t) number);
        return true;
    case CURLOPT_HTTPPROXYTUNNEL:
        note_option(handle, RB_VIA_TUNNEL, number != 0);
        return true;
    case CURLOPT_IPRESOLVE:
        note_option(handle, RB_VIA_FAMILY, (uint64_t) number);
        return true;
    case CURLOPT_HAPROXYPROTOCOL:
        note_option(handle, RB_VIA_HAPROXY, number != 0);
        return true;
    case CURLOPT_HTTP_VERSION: {
        bool assumed = number == HTTP_2_PRIOR_KNOWLEDGE || number >= HTTP_3; // libcurl does not ask the server first
        note_option(handle, RB_VIA_PROTOCOL, assumed ? (uint64_t) number : 0);
        return true;
    }
    default:
        return false;
    }
}

bool rb_via_note(struct rb_handle *handle, CURLoption option, union rb_option value)
{
    if (option < CURLOPTTYPE_OBJECTPOINT)
        return via_note_number(handle, option, value.number);
    if (option < CURLOPTTYPE_FUNCTIONPOINT)
        return via_note_pointer(handle, option, value.pointer);
    if (option != CURLOPT_OPENSOCKETFUNCTION)
        return false;
    note_option(handle, RB_VIA_OPENER, value.function != NULL);
    return true;
}

struct rb_via *rb_via_copy(const struct rb_via *from)
{
    struct rb_via *copy = from ? malloc(sizeof(*copy)) : NULL;
    if (!copy)
        return NULL;
    *copy = *from;
    char **texts[] = {&copy->proxy, &copy->pre_proxy, &copy->no_proxy, &copy->connect_to, &copy->resolve};
    bool whole = true;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        char *original = *texts[i];
        *texts[i] = original ? strdup(original) : NULL;
        whole = whole && (!original || *texts[i]);
    }
    if (whole)
        return copy;
    rb_via_free(copy);
    return NULL;
}

struct rb_via *rb_via_reset(struct rb_via *via)
{
    struct rb_via *kept = via && via->resolve ? calloc(1, sizeof(*kept)) : NULL;
    if (kept) {
        kept->resolve = via->resolve;
        via->resolve = NULL;
    }
    rb_via_free(via);
    return kept;
}

void rb_via_free(struct rb_via *via)
{
    if (!via)
        return;
    free(via->proxy);
    free(via->pre_proxy);
    free(via->no_proxy);
    free(via->connect_to);
    free(via->resolve);
    free(via);
}

// --- the environment

// The variables that libcurl reads (lib/url.c, detect_proxy). An empty one counts as not set. HTTP_PROXY is not among
// them, because a CGI server sets it from a request field.
enum variable { HTTP_LOWER, HTTPS_LOWER, HTTPS_UPPER, ALL_LOWER, ALL_UPPER, NO_LOWER, NO_UPPER, VARIABLES };

struct environment {
    const char *values[VARIABLES];
};

// Scans the environment once; libcurl scans it once per variable.
static void read_environment(struct environment *found)
{
    static const char *const names[VARIABLES] = {
        "http_proxy=", "https_proxy=", "HTTPS_PROXY=", "all_proxy=", "ALL_PROXY=", "no_proxy=", "NO_PROXY="};
    *found = (struct environment){{NULL}};
    for (char **each = environ; each && *each; each++) {
        const char *text = *each;
        char first = (char) (text[0] | 0x20);
        if (first != 'h' && first != 'a' && first != 'n')
            continue;
        for (unsigned i = 0; i < VARIABLES; i++) {
            size_t length = strlen(names[i]);
            if (!found->values[i] && strncmp(text, names[i], length) == 0)
                found->values[i] = text + length;
        }
    }
    for (unsigned i = 0; i < VARIABLES; i++)
        if (found->values[i] && !*found->values[i])
            found->values[i] = NULL;
}

static uint64_t hash_environment(void)
{
    struct environment found;
    uint64_t hash = 0;
    read_environment(&found);
    for (unsigned i = 0; i < VARIABLES; i++)
        if (found.values[i])
            hash = mix_text(hash ? hash : RB_HASH_BEGIN, i, found.values[i], strlen(found.values[i]));
    return hash;
}

// Reading all variables takes longer than everything else per transfer, so the hash is kept as long as the pointers to
// the variables are the same. setenv and putenv change these pointers. A program may also overwrite the text of a
// variable in place. So the hash is kept for a second at most.
uint64_t rb_via_environment(void)
{
    enum { LOOK_EVERY_MS = 1000 };
    static _Atomic uint64_t seen, seen_ms, known;
    uint64_t sum = (uintptr_t) environ, now_ms = rb_system_coarse_ms();
    for (char **each = environ; each && *each; each++)
        sum = (sum << 7 | sum >> 57) + (uintptr_t) *each;
    if (atomic_load_explicit(&seen, memory_order_acquire) == sum &&
        now_ms - atomic_load_explicit(&seen_ms, memory_order_relaxed) < LOOK_EVERY_MS)
        return atomic_load_explicit(&known, memory_order_relaxed);
    uint64_t hash = hash_environment();
    atomic_store_explicit(&known, hash, memory_order_relaxed);
    atomic_store_explicit(&seen_ms, now_ms, memory_order_relaxed);
    atomic_store_explicit(&seen, sum, memory_order_release);
    return hash;
}

static const char *either(const char *first, const char *second)
{
    return first ? first : second;
}

// --- hosts without a proxy

// Parses digits. Returns UINT_MAX if there are none, other characters, or a number that is too large.
static unsigned via_read_number(const char *digits, size_t length)
{
    unsigned number = 0;
    for (size_t i = 0; i < length; i++) {
        if (!rb_char_digit(digits[i]) || number > UINT16_MAX)
            return UINT_MAX;
        number = number * 10 + (unsigned) (digits[i] - '0');
    }
    return length > 0 ? number : UINT_MAX;
}

// Matches ADDRESS, or ADDRESS/BITS by the first BITS bits. IPv6 may have brackets.
static bool covers_address(struct rb_slice word, const struct rb_target *target)
{
    uint8_t address[16];
    unsigned all = target->family == AF_INET ? 32 : 128, bits = all;
    const char *slash = memchr(word.at, '/', word.length);
    if (slash) {
        bits = via_read_number(slash + 1, (size_t) (word.at + word.length - slash - 1));
        word.length = (size_t) (slash - word.at);
    }
    if (word.length > 1 && word.at[0] == '[' && word.at[word.length - 1] == ']')
        word = (struct rb_slice){word.at + 1, word.length - 2};
    unsigned bytes = bits / 8, rest = bits % 8;
    if (bits > all || rb_address_parse(word, address) != target->family || memcmp(address, target->address, bytes) != 0)
        return false;
    return rest == 0 || (address[bytes] ^ target->address[bytes]) >> (8 - rest) == 0;
}

// Matches the name itself or a subdomain.
static bool covers_name(struct rb_slice word, const struct rb_target *target)
{
    size_t length = target->name_length;
    if (length > 0 && target->name[length - 1] == '.')
        length--;
    if (word.length > 0 && word.at[word.length - 1] == '.')
        word.length--;
    if (word.length > 0 && word.at[0] == '.')
        word = (struct rb_slice){word.at + 1, word.length - 1};
    if (word.length == 0 || word.length > length)
        return false;
    const char *tail = target->name + length - word.length;
    return strncasecmp(tail, word.at, word.length) == 0 && (word.length == length || tail[-1] == '.');
}

// Follows lib/noproxy.c: "*" alone, or names and addresses separated by commas and blanks.
static bool needs_no_proxy(const char *list, const struct rb_target *target)
{
    static const char separators[] = ", \t";
    if (!list)
        return false;
    if (strcmp(list, "*") == 0)
        return true;
    for (const char *at = list + strspn(list, separators); *at; at += strspn(at, separators)) {
        struct rb_slice word = {at, strcspn(at, separators)};
        if (target->name ? covers_name(word, target) : covers_address(word, target))
            return true;
        at += word.length;
    }
    return false;
}

// --- overrides for single hosts

// True when the text is the target's host, as written in a URL.
static bool is_host(struct rb_slice text, const struct rb_target *target)
{
    uint8_t address[16];
    if (target->name) {
        bool dot = target->name_length > 0 && target->name[target->name_length - 1] == '.';
        size_t length = target->name_length - (dot && text.length + 1 == target->name_length ? 1 : 0);
        return text.length == length && strncasecmp(text.at, target->name, length) == 0;
    }
    if (text.length > 1 && text.at[0] == '[')
        text = (struct rb_slice){text.at + 1, text.length - 2};
    return rb_address_parse(text, address) == target->family &&
           memcmp(address, target->address, target->family == AF_INET ? 4 : 16) == 0;
}

// Removes "HOST:" from the start of an entry and returns HOST. Colons in brackets belong to an IPv6 address.
static struct rb_slice cut_host(struct rb_slice *entry)
{
    const char *end = entry->at + entry->length, *from = entry->at;
    const char *bracket = entry->length > 0 && *from == '[' ? memchr(from, ']', entry->length) : NULL;
    const char *colon = memchr(bracket ? bracket : from, ':', (size_t) (end - (bracket ? bracket : from)));
    struct rb_slice host = {from, (size_t) ((colon ? colon : end) - from)};
    *entry = colon ? (struct rb_slice){colon + 1, (size_t) (end - colon - 1)} : (struct rb_slice){end, 0};
    return host;
}

// Removes "PORT:" from the start of an entry. Returns whether PORT is the target's port.
//   any: the result if PORT is empty
static bool via_cut_port(struct rb_slice *entry, const struct rb_target *target, bool any)
{
    struct rb_slice port = cut_host(entry);
    return port.length == 0 ? any : via_read_number(port.at, port.length) == target->port;
}

// Reads the next line.
static bool next_line(const char **text, struct rb_slice *line)
{
    if (!*text || !**text)
        return false;
    *line = (struct rb_slice){*text, strcspn(*text, "\n")};
    *text += line->length + 1;
    return true;
}

// CURLOPT_CONNECT_TO: HOST:PORT:CONNECT-TO-HOST:CONNECT-TO-PORT. The first matching entry with a destination counts.
static uint64_t mix_connect_to(uint64_t hash, const char *lines, const struct rb_target *target)
{
    struct rb_slice entry;
    while (next_line(&lines, &entry)) {
        struct rb_slice host = cut_host(&entry);
        if ((host.length == 0 || is_host(host, target)) && via_cut_port(&entry, target, true) && entry.length > 1)
            return mix_text(hash, CONNECT_TO, entry.at, entry.length);
    }
    return hash;
}

// CURLOPT_RESOLVE: [+]HOST:PORT:ADDRESS[,ADDRESS]..., or -HOST:PORT to remove. HOST may be "*". All entries of the host
// count, because the one that libcurl uses depends on its cache.
static uint64_t mix_resolve(uint64_t hash, const char *lines, const struct rb_target *target)
{
    struct rb_slice entry;
    while (next_line(&lines, &entry)) {
        if (entry.length > 0 && entry.at[0] == '-')
            continue;
        if (entry.length > 0 && entry.at[0] == '+')
            entry = (struct rb_slice){entry.at + 1, entry.length - 1};
        struct rb_slice host = cut_host(&entry);
        if ((rb_slice_is(host, "*") || is_host(host, target)) && via_cut_port(&entry, target, false))
            hash = mix_text(hash, RESOLVE, entry.at, entry.length);
    }
    return hash;
}

// --- the path

static uint64_t mix_options(uint64_t hash, const struct rb_via *via, unsigned from, unsigned end)
{
    for (unsigned i = from; via && i < end; i++)
        if (via->options[i])
            hash = mix_text(hash, i, (const char *) &via->options[i], sizeof(via->options[i]));
    return hash;
}

static bool is_given(const char *proxy)
{
    return proxy && *proxy;
}

// Follows lib/url.c, create_conn_helper_init_proxy: options have priority over the environment. No proxy is used if the
// exclusion list contains the target.
static uint64_t mix_proxy(uint64_t hash, const struct rb_via *via, const struct rb_target *target, bool secure,
                          bool *proxied)
{
    struct environment found;
    const char *proxy = via ? via->proxy : NULL, *before = via ? via->pre_proxy : NULL;
    read_environment(&found);
    const char *const *values = found.values;
    const char *without = either(values[NO_LOWER], values[NO_UPPER]);
    if (via && via->no_proxy)
        without = via->no_proxy;
    if (!proxy && !before) {
        const char *own = secure ? either(values[HTTPS_LOWER], values[HTTPS_UPPER]) : values[HTTP_LOWER];
        proxy = either(own, either(values[ALL_LOWER], values[ALL_UPPER]));
    }
    *proxied = (is_given(proxy) || is_given(before)) && !needs_no_proxy(without, target);
    if (!*proxied)
        return hash;
    if (is_given(proxy))
        hash = mix_text(hash, PROXY, proxy, strlen(proxy));
    if (is_given(before))
        hash = mix_text(hash, PRE_PROXY, before, strlen(before));
    return mix_options(hash, via, RB_VIA_ALWAYS, RB_VIA_OPTIONS);
}

// http:// on port 443 is a mistake of the client, but looks like a failing server. So it counts as a separate path.
uint64_t rb_via_find(const struct rb_handle *handle, const struct rb_target *target, bool secure, bool *proxied)
{
    const struct rb_via *via = handle->via;
    uint64_t hash = mix_proxy(RB_HASH_BEGIN, via, target, secure, proxied);
    hash = mix_options(hash, via, 0, RB_VIA_ALWAYS);
    if (via) {
        hash = mix_connect_to(hash, via->connect_to, target);
        hash = mix_resolve(hash, via->resolve, target);
    }
    if (!secure && target->port == HTTPS_PORT)
        hash = mix_text(hash, PLAIN_TO_TLS_PORT, "", 0);
    return hash == RB_HASH_BEGIN ? 0 : hash ? hash : 1;
}

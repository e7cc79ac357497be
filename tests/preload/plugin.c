// SPDX-License-Identifier: MIT
// A plug-in that transfers with the libcurl that it was linked to: built once for each flavour.
#include <curl/curl.h>
#include <string.h>

const char *plugin_flavour(void);
CURL *plugin_begin(const char *url);
int plugin_perform(CURL *easy, char *body, size_t size, long *status);
CURL *plugin_copy(CURL *easy);
void plugin_end(CURL *easy);

// Where a body goes.
struct sink {
    char *at;
    size_t size, length;
};

static size_t take(char *data, size_t size, size_t count, void *context)
{
    struct sink *sink = context;
    size_t length = size * count;
    if (sink->length + length >= sink->size)
        return 0;
    memcpy(sink->at + sink->length, data, length);
    sink->length += length;
    sink->at[sink->length] = '\0';
    return length;
}

// The TLS library of this flavour, "OpenSSL/3..." or "GnuTLS/3...".
const char *plugin_flavour(void)
{
    return curl_version_info(CURLVERSION_NOW)->ssl_version;
}

CURL *plugin_begin(const char *url)
{
    CURL *easy = curl_easy_init();
    if (easy) {
        curl_easy_setopt(easy, CURLOPT_URL, url);
        curl_easy_setopt(easy, CURLOPT_PROXY, "");
        curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    }
    return easy;
}

// Returns the CURLcode.
int plugin_perform(CURL *easy, char *body, size_t size, long *status)
{
    struct sink sink = {.at = body, .size = size};
    body[0] = '\0';
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, &sink);
    CURLcode code = curl_easy_perform(easy);
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, status);
    return (int) code;
}

CURL *plugin_copy(CURL *easy)
{
    return curl_easy_duphandle(easy);
}

void plugin_end(CURL *easy)
{
    curl_easy_cleanup(easy);
}

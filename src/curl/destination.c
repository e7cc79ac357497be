// SPDX-License-Identifier: MIT
// Reads CURLOPT_URL or CURLOPT_CURLU and the options that change the target.
#include "curl/destination.h"

#include <string.h>
#include <strings.h>

// Without a scheme in the URL, libcurl guesses it from the first label of the name. Returns true if it guesses HTTP.
static bool guessed_http(const struct rb_target *target)
{
    static const char others[][6] = {"dict.", "ftp.", "imap.", "ldap.", "pop3.", "smtp."};
    for (size_t i = 0; target->name && i < sizeof(others) / sizeof(others[0]); i++)
        if (strncasecmp(target->name, others[i], strlen(others[i])) == 0)
            return false;
    return true;
}

bool rb_destination_read(const char *url, struct rb_target *target, bool *secure)
{
    size_t scheme;
    if (!url || rb_target_from_url(target, url, &scheme) != 0)
        return false;
    if (scheme == 0 && target->port == 0)
        target->port = 80;
    *secure = scheme == 5 && strncasecmp(url, "https", 5) == 0;
    return *secure || (scheme == 0 && guessed_http(target)) || (scheme == 4 && strncasecmp(url, "http", 4) == 0);
}

bool rb_destination(const struct rb_handle *handle, struct rb_target *target, bool *secure, char **text)
{
    const struct rb_libcurl *curl = handle->curl;
    bool http = false;
    *text = NULL;
    if (!handle->parsed_url) {
        // CURLOPT_DEFAULT_PROTOCOL chooses the scheme, which need not be HTTP.
        bool other = handle->default_scheme && handle->url && !strstr(handle->url, "://");
        http = !other && rb_destination_read(handle->url, target, secure);
    } else if (curl->url_get && curl->url_get(handle->parsed_url, CURLUPART_URL, text, 0) == CURLUE_OK) {
        http = rb_destination_read(*text, target, secure);
    }
    if (handle->port > 0)
        target->port = (uint16_t) handle->port;
    return http;
}

// SPDX-License-Identifier: MIT
// Reads credentials from options, header fields and URLs.
#include "curl/credential.h"

#include <string.h>

#include "curl/fields.h"
#include "curl/handle_data.h"
#include "engine/caller.h"

// --- options

static size_t length_of(const char *text)
{
    return text ? strlen(text) : 0;
}

void rb_credential_note(struct rb_handle *handle, CURLoption option, union rb_option value)
{
    struct rb_login *login = &handle->login;
    const char *text = option >= CURLOPTTYPE_OBJECTPOINT && option < CURLOPTTYPE_FUNCTIONPOINT ? value.pointer : NULL;
    switch (option) {
    case CURLOPT_USERPWD: {
        const char *colon = text ? strchr(text, ':') : NULL; // without a colon, the text is a user
        const char *password = colon ? colon + 1 : NULL;
        login->user = rb_caller_text(RB_CALLER_USER, text, colon ? (size_t) (colon - text) : length_of(text));
        login->password = rb_caller_text(RB_CALLER_PASSWORD, password, length_of(password));
        break;
    }
    case CURLOPT_USERNAME:
        login->user = rb_caller_text(RB_CALLER_USER, text, length_of(text));
        break;
    case CURLOPT_PASSWORD:
        login->password = rb_caller_text(RB_CALLER_PASSWORD, text, length_of(text));
        break;
    case CURLOPT_XOAUTH2_BEARER:
        login->bearer = rb_caller_text(RB_CALLER_BEARER, text, length_of(text));
        break;
    case CURLOPT_NETRC_FILE:
        login->netrc = rb_caller_text(RB_CALLER_NETRC, text, length_of(text));
        break;
    case CURLOPT_SSLCERT:
        login->certificate = rb_caller_text(RB_CALLER_CERTIFICATE, text, length_of(text));
        break;
    case CURLOPT_AWS_SIGV4:
        login->signs = text != NULL;
        break;
    case CURLOPT_HTTPAUTH:
        login->methods = value.number;
        break;
    case CURLOPT_NETRC:
        login->asks_netrc = value.number != CURL_NETRC_IGNORED;
        break;
    default:
        break;
    }
}

// --- the URL

// Reads user and password from the URL (RFC 3986, section 3.2.1).
static void read_url(struct rb_login *login, const char *url)
{
    const char *scheme_end = url ? strstr(url, "://") : NULL;
    const char *begin = scheme_end ? scheme_end + 3 : url;
    const char *at = begin ? memrchr(begin, '@', strcspn(begin, "/?#")) : NULL;
    if (!at)
        return;
    const char *colon = memchr(begin, ':', (size_t) (at - begin));
    login->user = rb_caller_encoded(RB_CALLER_USER, begin, (size_t) ((colon ? colon : at) - begin));
    login->password = colon ? rb_caller_encoded(RB_CALLER_PASSWORD, colon + 1, (size_t) (at - colon - 1)) : 0;
}

static void read_part(const struct rb_handle *handle, CURLUPart which, enum rb_caller_part kind, uint64_t *hash)
{
    char *part = NULL;
    if (handle->curl->url_get(handle->parsed_url, which, &part, 0) != CURLUE_OK)
        return;
    size_t length = strlen(part);
    *hash = rb_caller_encoded(kind, part, length);
    for (volatile char *at = part; length > 0; length--)
        *at++ = '\0';
    handle->curl->free(part);
}

// --- the credential

uint64_t rb_credential(const struct rb_handle *handle, const uint64_t key[2])
{
    struct rb_login login = handle->login;
    if (!handle->parsed_url) {
        read_url(&login, handle->url);
    } else if (handle->curl->url_get) {
        read_part(handle, CURLUPART_USER, RB_CALLER_USER, &login.user);
        read_part(handle, CURLUPART_PASSWORD, RB_CALLER_PASSWORD, &login.password);
    }
    // With these methods, the server gets only a value derived from the password, which changes with each request.
    bool derived = login.signs || login.methods == (long) CURLAUTH_DIGEST;
    uint64_t netrc = login.netrc ? login.netrc : 1; // 1: the default file
    uint64_t parts[] = {login.user, derived ? 0 : login.password, login.bearer, login.asks_netrc ? netrc : 0,
                        login.certificate};
    uint64_t sum = 0;
    for (unsigned i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        rb_caller_add(&sum, key, parts[i]);
    struct rb_field field;
    for (const struct curl_slist *line = handle->headers; rb_fields_next(&line, &field);)
        rb_caller_add(&sum, key,
                      rb_caller_field((struct rb_slice){field.name, field.name_length},
                                      (struct rb_slice){field.value, field.value_length}));
    return rb_caller_end(sum);
}

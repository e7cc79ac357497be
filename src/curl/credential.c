// SPDX-License-Identifier: MIT
// Reads credentials from options, header fields and URLs.
#include "curl/credential.h"

#include <string.h>
#include <strings.h>

#include "base/siphash.h"
#include "curl/fields.h"
#include "curl/handle_data.h"
#include "engine/tenants.h"

// What a hash is made of. The kind goes into the hash, so that a user and an equal password have different hashes.
enum kind { PART, USER, PASSWORD, BEARER, BASIC, ACCESS_KEY, OTHER, NETRC, CERTIFICATE, API_KEY };

// The key for hashes of options. It is constant because these hashes are hashed again with the key of the state, and
// the result must be equal in all processes.
static const uint64_t option_key[2] = {UINT64_C(0x7265626f756e6400), UINT64_C(0x6f7074696f6e7300)};

static uint64_t credential_hash_of(const uint64_t key[2], unsigned kind, const void *bytes, size_t length)
{
    struct rb_siphash hash;
    unsigned char first = (unsigned char) kind;
    rb_siphash_begin(&hash, key);
    rb_siphash_add(&hash, &first, 1);
    rb_siphash_add(&hash, bytes, length);
    return rb_siphash_end(&hash);
}

static uint64_t not_zero(uint64_t hash)
{
    return hash ? hash : 1;
}

static uint64_t hash_of_text(unsigned kind, const char *text, size_t length)
{
    return text ? not_zero(credential_hash_of(option_key, kind, text, length)) : 0;
}

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
        login->user = hash_of_text(USER, text, colon ? (size_t) (colon - text) : length_of(text));
        login->password = hash_of_text(PASSWORD, password, length_of(password));
        break;
    }
    case CURLOPT_USERNAME:
        login->user = hash_of_text(USER, text, length_of(text));
        break;
    case CURLOPT_PASSWORD:
        login->password = hash_of_text(PASSWORD, text, length_of(text));
        break;
    case CURLOPT_XOAUTH2_BEARER:
        login->bearer = hash_of_text(BEARER, text, length_of(text));
        break;
    case CURLOPT_NETRC_FILE:
        login->netrc = hash_of_text(NETRC, text, length_of(text));
        break;
    case CURLOPT_SSLCERT:
        login->certificate = hash_of_text(CERTIFICATE, text, length_of(text));
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

static unsigned hex(char digit)
{
    if (digit >= '0' && digit <= '9')
        return (unsigned) (digit - '0');
    char letter = (char) (digit | 0x20);
    return letter >= 'a' && letter <= 'f' ? (unsigned) (letter - 'a') + 10 : 16;
}

// Hashes percent-encoded text after decoding it.
static uint64_t hash_of_encoded(unsigned kind, const char *text, size_t length)
{
    struct rb_siphash hash;
    unsigned char byte = (unsigned char) kind;
    rb_siphash_begin(&hash, option_key);
    rb_siphash_add(&hash, &byte, 1);
    for (size_t i = 0; i < length; i++) {
        byte = (unsigned char) text[i];
        if (text[i] == '%' && i + 2 < length && hex(text[i + 1]) < 16 && hex(text[i + 2]) < 16) {
            byte = (unsigned char) (hex(text[i + 1]) << 4 | hex(text[i + 2]));
            i += 2;
        }
        rb_siphash_add(&hash, &byte, 1);
    }
    return not_zero(rb_siphash_end(&hash));
}

// Reads user and password from the URL (RFC 3986, section 3.2.1).
static void read_url(struct rb_login *login, const char *url)
{
    const char *scheme_end = url ? strstr(url, "://") : NULL;
    const char *begin = scheme_end ? scheme_end + 3 : url;
    const char *at = begin ? memrchr(begin, '@', strcspn(begin, "/?#")) : NULL;
    if (!at)
        return;
    const char *colon = memchr(begin, ':', (size_t) (at - begin));
    login->user = hash_of_encoded(USER, begin, (size_t) ((colon ? colon : at) - begin));
    login->password = colon ? hash_of_encoded(PASSWORD, colon + 1, (size_t) (at - colon - 1)) : 0;
}

static void read_part(const struct rb_handle *handle, CURLUPart which, unsigned kind, uint64_t *hash)
{
    char *part = NULL;
    if (handle->curl->url_get(handle->parsed_url, which, &part, 0) != CURLUE_OK)
        return;
    size_t length = strlen(part);
    *hash = hash_of_encoded(kind, part, length);
    for (volatile char *at = part; length > 0; length--)
        *at++ = '\0';
    handle->curl->free(part);
}

// --- header fields

struct piece {
    const char *at;
    size_t length;
};

static bool credential_begins_with(struct piece text, const char *word)
{
    size_t length = strlen(word);
    return text.length >= length && strncasecmp(text.at, word, length) == 0;
}

static struct piece credential_skip(struct piece text, size_t length)
{
    return (struct piece){text.at + length, text.length - length};
}

// Returns the value of NAME=VALUE, without quotes. VALUE ends at one of the characters in `ends`. `at` is NULL if there
// is no such parameter.
static struct piece parameter(struct piece text, const char *name, const char *ends)
{
    for (; text.length > 0; text = credential_skip(text, 1)) {
        if (!credential_begins_with(text, name))
            continue;
        text = credential_skip(text, strlen(name));
        if (text.length > 0 && text.at[0] == '"') {
            text = credential_skip(text, 1);
            ends = "\"";
        }
        size_t length = 0;
        while (length < text.length && !strchr(ends, text.at[length]))
            length++;
        return (struct piece){text.at, length};
    }
    return (struct piece){NULL, 0};
}

// Hashes the part of an Authorization field that is the same in every request.
static uint64_t hash_of_authorization(struct piece value)
{
    size_t scheme = 0;
    while (scheme < value.length && value.at[scheme] != ' ' && value.at[scheme] != '\t')
        scheme++;
    struct piece rest = credential_skip(value, scheme);
    while (rest.length > 0 && (rest.at[0] == ' ' || rest.at[0] == '\t'))
        rest = credential_skip(rest, 1);
    if (credential_begins_with(value, "Bearer "))
        return hash_of_text(BEARER, rest.at, rest.length);
    if (credential_begins_with(value, "Basic "))
        return hash_of_text(BASIC, rest.at, rest.length);
    struct piece found = {NULL, 0};
    if (credential_begins_with(value, "Digest "))
        found = parameter(rest, "username=", ", \t");
    if (found.at)
        return hash_of_text(USER, found.at, found.length);
    if (credential_begins_with(value, "AWS "))
        found = (struct piece){rest.at, strcspn(rest.at, ":\r\n")};
    else
        found = parameter(rest, "Credential=", "/, \t"); // AWS4-HMAC-SHA256 and schemes derived from it
    if (found.at)
        return hash_of_text(ACCESS_KEY, found.at, found.length);
    return hash_of_text(OTHER, value.at, value.length);
}

// Returns 0 if the field is not a credential.
static uint64_t hash_of_field(const struct rb_field *field)
{
    static const char *const keys[] = {"X-Api-Key", "Api-Key", "X-Goog-Api-Key"};
    if (rb_field_is(field, "Authorization"))
        return hash_of_authorization((struct piece){field->value, field->value_length});
    for (unsigned i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        if (rb_field_is(field, keys[i]))
            return hash_of_text(API_KEY + i, field->value, field->value_length);
    return 0;
}

// --- the credential

// Adds the hashes of all parts, so their order does not matter.
uint64_t rb_credential(const struct rb_handle *handle, const uint64_t key[2])
{
    struct rb_login login = handle->login;
    if (!handle->parsed_url) {
        read_url(&login, handle->url);
    } else if (handle->curl->url_get) {
        read_part(handle, CURLUPART_USER, USER, &login.user);
        read_part(handle, CURLUPART_PASSWORD, PASSWORD, &login.password);
    }
    // With these methods, the server gets only a value derived from the password, which changes with each request.
    bool derived = login.signs || login.methods == (long) CURLAUTH_DIGEST;
    uint64_t parts[] = {login.user, derived ? 0 : login.password, login.bearer,
                        login.asks_netrc ? not_zero(login.netrc) : 0, login.certificate};
    uint64_t sum = 0, part;
    for (unsigned i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        sum += parts[i] ? credential_hash_of(key, PART, &parts[i], sizeof(parts[i])) : 0;
    struct rb_field field;
    for (const struct curl_slist *line = handle->headers; rb_fields_next(&line, &field);)
        if ((part = hash_of_field(&field)))
            sum += credential_hash_of(key, PART, &part, sizeof(part));
    if (sum == 0)
        return RB_TENANT_ANONYMOUS;
    return sum > RB_TENANT_ANONYMOUS ? sum : RB_TENANT_ANONYMOUS + 1;
}

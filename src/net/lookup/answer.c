// SPDX-License-Identifier: MIT
// Converts between struct rb_stale_answer, addrinfo lists and hostents.
#include "net/lookup/answer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "policy/address.h"
#include "real/elf.h"
#include "real/libc.h"

// ---- from addrinfo and hostent

static bool keep_name(struct rb_stale_answer *answer, const char *name)
{
    size_t length = name ? strnlen(name, sizeof(answer->name)) : 0;
    if (length == sizeof(answer->name))
        return false;
    if (name)
        memcpy(answer->name, name, length);
    return true;
}

static void answer_add(struct rb_stale_answer *answer, const struct rb_stale_address *address)
{
    for (uint32_t i = 0; i < answer->count; i++)
        if (memcmp(&answer->addresses[i], address, sizeof(*address)) == 0)
            return;
    if (answer->count < RB_STALE_ADDRESSES)
        answer->addresses[answer->count++] = *address;
}

static void add_sockaddr(struct rb_stale_answer *answer, const struct sockaddr *from)
{
    struct rb_stale_address address = {.family = from->sa_family};
    if (address.family == AF_INET) {
        memcpy(address.bytes, &((const struct sockaddr_in *) from)->sin_addr, sizeof(struct in_addr));
    } else if (address.family == AF_INET6) {
        memcpy(address.bytes, &((const struct sockaddr_in6 *) from)->sin6_addr, sizeof(struct in6_addr));
        address.scope = ((const struct sockaddr_in6 *) from)->sin6_scope_id;
    } else {
        return;
    }
    answer_add(answer, &address);
}

bool rb_answer_from_addrinfo(struct rb_stale_answer *answer, const struct addrinfo *list)
{
    if (!list)
        return false;
    *answer = (struct rb_stale_answer){.flags = list->ai_flags};
    for (const struct addrinfo *at = list; at; at = at->ai_next)
        if (at->ai_addr)
            add_sockaddr(answer, at->ai_addr);
    return answer->count > 0 && keep_name(answer, list->ai_canonname);
}

bool rb_answer_from_hostent(struct rb_stale_answer *answer, const struct hostent *entry)
{
    size_t length = entry->h_addrtype == AF_INET ? sizeof(struct in_addr) : sizeof(struct in6_addr);
    *answer = (struct rb_stale_answer){.count = 0};
    if ((entry->h_addrtype != AF_INET && entry->h_addrtype != AF_INET6) || (size_t) entry->h_length != length)
        return false;
    for (char **at = entry->h_addr_list; *at; at++) {
        struct rb_stale_address address = {.family = (uint32_t) entry->h_addrtype};
        memcpy(address.bytes, *at, length);
        answer_add(answer, &address);
    }
    return answer->count > 0 && keep_name(answer, entry->h_name);
}

// ---- to an addrinfo list

// Makes list elements for one address: getaddrinfo converts the address as text. Returns NULL if getaddrinfo fails.
static struct addrinfo *make_one(const struct rb_stale_address *address, const char *service,
                                 const struct addrinfo *hints)
{
    char literal[INET6_ADDRSTRLEN];
    struct rb_writer writer = rb_writer_on(literal, sizeof(literal));
    struct addrinfo numeric = {.ai_flags = AI_NUMERICHOST, .ai_family = (int) address->family}, *made = NULL;
    if (hints) {
        numeric.ai_flags |= hints->ai_flags & (AI_NUMERICSERV | AI_CANONNAME);
        numeric.ai_socktype = hints->ai_socktype;
        numeric.ai_protocol = hints->ai_protocol;
    }
    rb_address_write_bare(&writer, numeric.ai_family, address->bytes);
    return rb_libc_getaddrinfo(literal, service, &numeric, &made) == 0 ? made : NULL;
}

// Sets ai_flags and the IPv6 scope of all elements. getaddrinfo in make_one was not given these values. Returns the
// last element of the list.
//   unname: remove the canonical names; only the first element of the whole list has one
static struct addrinfo *finish_one(struct addrinfo *list, const struct rb_stale_address *address, int flags,
                                   bool unname)
{
    for (;; list = list->ai_next) {
        list->ai_flags = flags;
        if (unname) {
            free(list->ai_canonname);
            list->ai_canonname = NULL;
        }
        if (list->ai_family == AF_INET6)
            ((struct sockaddr_in6 *) list->ai_addr)->sin6_scope_id = address->scope;
        if (!list->ai_next)
            return list;
    }
}

// Replaces the canonical name of the first element. In glibc, ai_canonname is a block of its own, which freeaddrinfo
// frees. Returns false if there is not enough memory.
static bool name_first(struct addrinfo *first, const char *name)
{
    char *copy = strdup(name);
    if (!copy)
        return false;
    free(first->ai_canonname);
    first->ai_canonname = copy;
    return true;
}

static struct addrinfo *answer_give_up(struct addrinfo *list)
{
    if (list)
        freeaddrinfo(list);
    return NULL;
}

struct addrinfo *rb_answer_to_addrinfo(const struct rb_stale_answer *answer, const char *service,
                                       const struct addrinfo *hints)
{
    // The freeaddrinfo of glibc frees each element of a list separately. The soname of the library that defines
    // freeaddrinfo decides, because compatibility layers of other libcs also export glibc's symbols.
    struct rb_object libc;
    bool by_element = rb_elf_holding((const void *) (uintptr_t) freeaddrinfo, &libc) &&
                      strcmp(rb_elf_soname(&libc), "libc.so.6") == 0;
    bool named = hints && (hints->ai_flags & AI_CANONNAME);
    uint32_t count = by_element ? answer->count : 1;
    struct addrinfo *first = NULL, **end = &first;
    if (answer->count == 0 || (named && !by_element))
        return NULL;
    for (uint32_t i = 0; i < count; i++) {
        *end = make_one(&answer->addresses[i], service, hints);
        if (!*end)
            return answer_give_up(first);
        end = &finish_one(*end, &answer->addresses[i], answer->flags, named && i > 0)->ai_next;
    }
    return !named || name_first(first, answer->name) ? first : answer_give_up(first);
}

// ---- to a hostent

// Takes the next `size` bytes of the buffer and advances *at. Returns NULL if fewer bytes are left.
static void *answer_take(char **at, const char *end, size_t size)
{
    char *taken = *at;
    if ((size_t) (end - taken) < size)
        return NULL;
    *at += size;
    return taken;
}

bool rb_answer_to_hostent(const struct rb_stale_answer *answer, struct hostent *entry, char *buffer, size_t size)
{
    size_t skip = -(uintptr_t) buffer % sizeof(char *), each = answer->addresses[0].family == AF_INET ? 4 : 16;
    char *at = buffer + skip, *end = buffer + size;
    if (size < skip)
        return false;
    char **list = answer_take(&at, end, (answer->count + 2) * sizeof(char *));
    char *addresses = answer_take(&at, end, answer->count * each),
         *name = answer_take(&at, end, strlen(answer->name) + 1);
    if (!list || !addresses || !name)
        return false;
    for (uint32_t i = 0; i < answer->count; i++)
        list[i] = memcpy(addresses + i * each, answer->addresses[i].bytes, each);
    list[answer->count] = list[answer->count + 1] = NULL;
    memcpy(name, answer->name, strlen(answer->name) + 1);
    *entry = (struct hostent){.h_name = name,
                              .h_aliases = &list[answer->count + 1],
                              .h_addrtype = (int) answer->addresses[0].family,
                              .h_length = (int) each,
                              .h_addr_list = list};
    return true;
}

// SPDX-License-Identifier: MIT
// Finds the socket of a connection of OpenSSL that has no descriptor.
#include "wire/bio.h"

#include <string.h>

// The head of a ClientHello in its record (RFC 8446, sections 4.1.2 and 5.1). KEY: the random bytes that are compared.
enum { MESSAGE = 5, CLIENT_HELLO = 1, RANDOM = 11, KEY = 24 };

// Descriptors by the key of their ClientHello. An entry is valid if the link of its descriptor has the key. PROBES: the
// entries in which a key may be.
enum { ENTRIES = 16384, PROBES = 8 };
static _Atomic int descriptors[ENTRIES];

static uint64_t key_of(const char *random)
{
    uint64_t key;
    memcpy(&key, random + KEY, sizeof(key));
    return key;
}

static _Atomic int *entry_at(uint64_t key, unsigned probe)
{
    return &descriptors[(key + probe) % ENTRIES];
}

// Returns the key of the link of a descriptor; 0: none.
static uint64_t key_of_link(int fd)
{
    const struct rb_link *link = fd > 0 && rb_link_on(fd) ? rb_link_of(fd) : NULL;
    return link ? atomic_load_explicit(&link->hello, memory_order_relaxed) : 0;
}

// Returns a descriptor with this key, or 0.
static int find_descriptor(uint64_t key)
{
    for (unsigned i = 0; i < PROBES; i++) {
        int fd = atomic_load_explicit(entry_at(key, i), memory_order_relaxed);
        if (key_of_link(fd) == key)
            return fd;
    }
    return 0;
}

void rb_bio_note_hello(struct rb_link *link, const char *bytes, size_t length)
{
    if (length < RANDOM + RB_BIO_RANDOM || bytes[MESSAGE] != CLIENT_HELLO)
        return;
    uint64_t key = key_of(bytes + RANDOM);
    if (key == 0) // links without a ClientHello have this key
        return;
    // A program that passes on the bytes of another connection has two sockets with one ClientHello. Then none is
    // followed, because each could be the one.
    int other = find_descriptor(key);
    if (other > 0) {
        rb_link_leave(other);
        return;
    }
    for (unsigned i = 0; i < PROBES; i++) {
        _Atomic int *entry = entry_at(key, i);
        int fd = atomic_load_explicit(entry, memory_order_relaxed);
        if (key_of_link(fd) == 0 && atomic_compare_exchange_strong(entry, &fd, link->fd)) {
            atomic_store_explicit(&link->hello, key, memory_order_relaxed);
            return;
        }
    }
}

struct rb_link *rb_bio_claim_random(const char random[RB_BIO_RANDOM])
{
    uint64_t key = key_of(random);
    int fd = key != 0 ? find_descriptor(key) : 0;
    struct rb_link *link = fd > 0 ? rb_link_claim(fd) : NULL;
    if (!link || atomic_load_explicit(&link->hello, memory_order_relaxed) == key)
        return link;
    rb_link_release(link); // the descriptor belongs to another connection meanwhile
    return NULL;
}

struct rb_link *rb_bio_claim(const struct rb_libssl *libssl, const SSL *ssl)
{
    char random[RB_BIO_RANDOM];
    if (!libssl->get_client_random || libssl->get_client_random(ssl, random, sizeof(random)) != sizeof(random))
        return NULL;
    return rb_bio_claim_random(random);
}

// SPDX-License-Identifier: MIT
// A table of names by address. Each address may be in a few neighbouring entries; each entry has a sequence lock.
//
// The words of an entry are stored with release and loaded with acquire instead of using fences. So a reader that sees
// a new word also sees the odd sequence number that was stored before.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

#include "base/hash.h"
#include "net/lookup/names.h"
#include "real/fork.h"
#include "real/kernel.h"
#include "real/system.h"
#include "state/identity.h"

enum { NEIGHBOURS = 4, NAME_WORDS = RB_NAME_SIZE / 8, ADDRESS_WORDS = 2 };

// What an entry holds besides the address and the name.
enum { FLAG_LAST = 1 << 0, FLAG_USED = 1 << 1 };

struct entry {
    _Atomic uint32_t sequence; // odd while the entry is being written
    _Atomic uint32_t order;    // value of `written`, to find the oldest entry
    _Atomic uint64_t flags;    // FLAG_* in the low byte, the address family above
    _Atomic uint64_t address[ADDRESS_WORDS];
    _Atomic uint64_t name[NAME_WORDS];
};

// Shared with forked children, because some programs look up names in a child and connect in the parent.
struct table {
    _Atomic uint32_t written; // entries ever written; 0 makes lookups in the table free
    struct entry entries[RB_NAMES_COUNT];
};

static _Atomic(struct table *) shared;
static _Atomic uint32_t owner; // the effective user who created the table

// Copies a used entry. Skips entries that are being written: a copy with an odd sequence number would stay locked for
// ever.
static void copy_entry(struct entry *to, const struct entry *from)
{
    const _Atomic uint64_t *words = &from->flags;
    uint32_t before = atomic_load_explicit(&from->sequence, memory_order_acquire);
    if (before & 1 || !(atomic_load_explicit(&from->flags, memory_order_acquire) & FLAG_USED))
        return;
    for (unsigned i = 0; i < (sizeof *from - offsetof(struct entry, flags)) / sizeof *words; i++)
        atomic_store_explicit(&(&to->flags)[i], atomic_load_explicit(&words[i], memory_order_acquire),
                              memory_order_relaxed);
    if (atomic_load_explicit(&from->sequence, memory_order_relaxed) != before)
        atomic_store_explicit(&to->flags, 0, memory_order_relaxed);
    atomic_store_explicit(&to->order, atomic_load_explicit(&from->order, memory_order_relaxed), memory_order_relaxed);
}

// Replaces the shared table by a private copy at the same address, with one system call. Without memory, an empty table
// replaces it.
static bool make_private(struct table *table)
{
    uint32_t written = atomic_load_explicit(&table->written, memory_order_relaxed);
    struct table *copy = written > 0 ? rb_system_memory(sizeof *copy) : NULL;
    if (!copy)
        return rb_system_memory_over(table, sizeof *table);
    atomic_store_explicit(&copy->written, written, memory_order_relaxed);
    for (unsigned i = 0; i < RB_NAMES_COUNT; i++)
        copy_entry(&copy->entries[i], &table->entries[i]);
    const int flags = MREMAP_MAYMOVE | MREMAP_FIXED;
    if (rb_kernel(SYS_mremap, copy, sizeof *copy, sizeof *copy, flags, table) == (long) (uintptr_t) table)
        return true;
    rb_system_memory_free(copy, sizeof *copy);
    return rb_system_memory_over(table, sizeof *table);
}

// Makes the table private after a change of the user, so that processes of different users exchange no names. A vfork
// child shares its parent's memory and changes nothing.
static void user_changed(void)
{
    static _Atomic bool apart;
    struct table *table = atomic_load_explicit(&shared, memory_order_acquire);
    if (!table || rb_kernel_euid() == owner || !rb_fork_owns(rb_system_pid()) || atomic_exchange(&apart, true))
        return;
    if (!make_private(table))
        atomic_store(&apart, false);
}

void rb_names_start(void)
{
    struct table *nobody = NULL;
    if (atomic_load_explicit(&shared, memory_order_acquire))
        return;
    struct table *table = rb_system_memory_shared(sizeof *table);
    atomic_store(&owner, rb_kernel_euid());
    rb_identity_notify(user_changed);
    if (table && !atomic_compare_exchange_strong(&shared, &nobody, table))
        rb_system_memory_free(table, sizeof *table);
}

static struct table *names_table(void)
{
    rb_names_start();
    return atomic_load_explicit(&shared, memory_order_acquire);
}

struct key {
    uint64_t address[ADDRESS_WORDS];
    uint64_t family;
};

static struct key names_key_of(const struct rb_target *target)
{
    struct key key = {.family = (uint64_t) target->family << 8};
    memcpy(key.address, target->address, target->family == AF_INET ? 4 : 16);
    return key;
}

static struct entry *names_neighbour(struct table *names, const struct key *key, unsigned i)
{
    uint64_t hash = rb_hash_mix(rb_hash_mix(key->family, key->address[0]), key->address[1]);
    return &names->entries[((hash >> 32) + i) % RB_NAMES_COUNT];
}

static bool names_holds(const struct entry *entry, const struct key *key)
{
    uint64_t flags = atomic_load_explicit(&entry->flags, memory_order_acquire);
    return (flags & FLAG_USED) && (flags & ~(uint64_t) 0xff) == key->family &&
           atomic_load_explicit(&entry->address[0], memory_order_acquire) == key->address[0] &&
           atomic_load_explicit(&entry->address[1], memory_order_acquire) == key->address[1];
}

// Returns the entry to overwrite: the one with this address, else a free one, else the oldest.
static struct entry *names_place_for(struct table *names, const struct key *key)
{
    struct entry *best = NULL;
    uint32_t now = atomic_load_explicit(&names->written, memory_order_relaxed), best_age = 0;
    for (unsigned i = 0; i < NEIGHBOURS; i++) {
        struct entry *entry = names_neighbour(names, key, i);
        bool used = atomic_load_explicit(&entry->flags, memory_order_relaxed) & FLAG_USED;
        uint32_t age = used ? now - atomic_load_explicit(&entry->order, memory_order_relaxed) : UINT32_MAX;
        if (names_holds(entry, key))
            return entry;
        if (!best || age > best_age) {
            best = entry;
            best_age = age;
        }
    }
    return best;
}

static void write_entry(const struct key *key, const char *name, bool last)
{
    struct table *names = names_table();
    struct entry *entry = names ? names_place_for(names, key) : NULL;
    if (!entry)
        return;
    uint64_t words[NAME_WORDS] = {0};
    uint32_t sequence = atomic_load_explicit(&entry->sequence, memory_order_relaxed);
    memcpy(words, name, strnlen(name, RB_NAME_SIZE - 1));
    if (sequence & 1 || !atomic_compare_exchange_strong(&entry->sequence, &sequence, sequence + 1))
        return;
    for (unsigned i = 0; i < ADDRESS_WORDS; i++)
        atomic_store_explicit(&entry->address[i], key->address[i], memory_order_release);
    for (unsigned i = 0; i < NAME_WORDS; i++)
        atomic_store_explicit(&entry->name[i], words[i], memory_order_release);
    atomic_store_explicit(&entry->flags, key->family | FLAG_USED | (last ? FLAG_LAST : 0u), memory_order_release);
    uint32_t order = atomic_fetch_add_explicit(&names->written, 1, memory_order_relaxed);
    atomic_store_explicit(&entry->order, order, memory_order_relaxed);
    atomic_store_explicit(&entry->sequence, sequence + 2, memory_order_release);
}

static bool names_read_entry(const struct entry *entry, const struct key *key, char *name, bool *last)
{
    uint64_t words[NAME_WORDS];
    uint32_t before = atomic_load_explicit(&entry->sequence, memory_order_acquire);
    if (before & 1 || !names_holds(entry, key))
        return false;
    uint64_t flags = atomic_load_explicit(&entry->flags, memory_order_acquire);
    for (unsigned i = 0; i < NAME_WORDS; i++)
        words[i] = atomic_load_explicit(&entry->name[i], memory_order_acquire);
    if (atomic_load_explicit(&entry->sequence, memory_order_relaxed) != before)
        return false;
    memcpy(name, words, sizeof words);
    name[RB_NAME_SIZE - 1] = '\0';
    *last = flags & FLAG_LAST;
    return true;
}

bool rb_names_find(const struct rb_target *target, char *name, bool *last)
{
    struct table *names = atomic_load_explicit(&shared, memory_order_acquire);
    if (!names || atomic_load_explicit(&names->written, memory_order_relaxed) == 0)
        return false;
    struct key key = names_key_of(target);
    for (unsigned i = 0; i < NEIGHBOURS; i++)
        if (names_read_entry(names_neighbour(names, &key, i), &key, name, last))
            return true;
    return false;
}

static bool names_is_numeric(const char *node)
{
    unsigned char scratch[sizeof(struct in6_addr)];
    char plain[INET6_ADDRSTRLEN + 1];
    size_t length = strcspn(node, "%"); // "%" starts a scope
    if (length >= sizeof plain)
        return false;
    memcpy(plain, node, length);
    plain[length] = '\0';
    return inet_pton(AF_INET, plain, scratch) == 1 || inet_pton(AF_INET6, plain, scratch) == 1;
}

// getaddrinfo repeats each address for every socket type, so the last candidate is the last distinct address.
void rb_names_learn_addrinfo(const char *node, const struct addrinfo *list)
{
    struct key last = {0};
    struct rb_target target;
    const char *name = names_is_numeric(node) ? "" : node;
    for (const struct addrinfo *at = list; at; at = at->ai_next)
        if (rb_target_from_sockaddr(&target, at->ai_addr, at->ai_addrlen) == 0)
            last = names_key_of(&target);
    for (const struct addrinfo *at = list; at; at = at->ai_next) {
        if (rb_target_from_sockaddr(&target, at->ai_addr, at->ai_addrlen) != 0)
            continue;
        struct key key = names_key_of(&target);
        write_entry(&key, name, memcmp(&key, &last, sizeof key) == 0);
    }
}

void rb_names_learn_hostent(const char *node, const struct hostent *entry)
{
    struct rb_target target = {.family = entry->h_addrtype};
    const char *name = names_is_numeric(node) ? "" : node;
    if (entry->h_addrtype != AF_INET && entry->h_addrtype != AF_INET6)
        return;
    for (char **address = entry->h_addr_list; *address; address++) {
        memcpy(target.address, *address, target.family == AF_INET ? 4 : 16);
        struct key key = names_key_of(&target);
        write_entry(&key, name, address[1] == NULL);
    }
}

// SPDX-License-Identifier: MIT
// Maps an address to the name that was looked up. The table's entries are guarded by sequence locks (base/seqlock.h).
#include <netinet/in.h>
#include <string.h>

#include "base/hash.h"
#include "base/seqlock.h"
#include "net/lookup/names.h"
#include "policy/address.h"
#include "real/fork.h"
#include "real/kernel.h"
#include "real/pages.h"
#include "real/system.h"
#include "state/identity.h"

// A record of the table: an address, the name that was looked up, and whether the address is the last candidate.
struct record {
    uint64_t family; // AF_INET or AF_INET6, with the bit RECORD_USED set, so that the first word of the key is not 0
    uint64_t address[2];
    uint64_t last; // 1: the last candidate of its lookup
    char name[RB_NAME_SIZE];
};

enum { RECORD_USED = 1 << 8, WORDS = sizeof(struct record) / sizeof(uint64_t), KEY_WORDS = 3 };

_Static_assert(offsetof(struct record, last) == KEY_WORDS * sizeof(uint64_t), "family and address are the key");
_Static_assert(sizeof(struct record) % sizeof(uint64_t) == 0, "a record is copied by words");

// A record as an array of words, which the functions of base/seqlock.h copy.
union record_words {
    struct record record;
    uint64_t words[WORDS];
};

struct entry {
    struct rb_seqlock lock;
    _Atomic uint64_t words[WORDS];
};

// Shared with forked children, because some programs look up names in a child and connect in the parent.
struct table {
    _Atomic uint32_t written; // entries ever written; if it is 0, the table is empty and is not searched
    struct entry entries[RB_NAMES_COUNT];
};

static _Atomic(struct table *) shared;
static _Atomic uint32_t owner; // the effective user who created the table

static struct rb_seqlock_table entries_of(struct table *table)
{
    return (struct rb_seqlock_table){&table->entries[0].lock, &table->written, RB_NAMES_COUNT, WORDS, KEY_WORDS};
}

// Replaces the shared table by a private copy. One mremap moves the copy over the table, so other threads of the
// process find the old or the new table at the address, never an unmapped page. If the table is empty or there is no
// memory for a copy, maps an empty private table there. Returns false if that fails too; the table then stays shared.
static bool make_private(struct table *table)
{
    uint32_t written = atomic_load_explicit(&table->written, memory_order_relaxed);
    struct table *copy = written > 0 ? rb_pages_memory(sizeof(*copy)) : NULL;
    if (!copy)
        return rb_pages_memory_over(table, sizeof(*table));
    struct rb_seqlock_table to = entries_of(copy), from = entries_of(table);
    rb_seqlock_copy(&to, &from);
    const int flags = MREMAP_MAYMOVE | MREMAP_FIXED;
    if (rb_kernel(SYS_mremap, copy, sizeof(*copy), sizeof(*copy), flags, table) == (long) (uintptr_t) table)
        return true;
    rb_pages_memory_free(copy, sizeof(*copy));
    return rb_pages_memory_over(table, sizeof(*table));
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
    struct table *table = rb_pages_memory_shared(sizeof(*table));
    atomic_store(&owner, rb_kernel_euid());
    rb_identity_notify(user_changed);
    if (table && !atomic_compare_exchange_strong(&shared, &nobody, table))
        rb_pages_memory_free(table, sizeof(*table));
}

// Sets the key of the record from the target's address, and the other fields to zero.
static void names_ask(struct record *record, const struct rb_target *target)
{
    *record = (struct record){.family = (uint64_t) target->family | RECORD_USED};
    memcpy(record->address, target->address, target->family == AF_INET ? 4 : 16);
}

static uint64_t names_hash_of(const struct record *record)
{
    return rb_hash_mix(rb_hash_mix(record->family, record->address[0]), record->address[1]);
}

static void write_record(const struct rb_target *target, const char *name, bool last)
{
    union record_words put;
    rb_names_start();
    struct table *names = atomic_load_explicit(&shared, memory_order_acquire);
    if (!names)
        return;
    struct rb_seqlock_table entries = entries_of(names);
    names_ask(&put.record, target);
    put.record.last = last;
    memcpy(put.record.name, name, strnlen(name, RB_NAME_SIZE - 1));
    rb_seqlock_put(&entries, names_hash_of(&put.record), put.words);
}

bool rb_names_find(const struct rb_target *target, char *name, bool *last)
{
    struct table *names = atomic_load_explicit(&shared, memory_order_acquire);
    union record_words question, found;
    if (!names || atomic_load_explicit(&names->written, memory_order_relaxed) == 0)
        return false;
    struct rb_seqlock_table entries = entries_of(names);
    names_ask(&question.record, target);
    if (!rb_seqlock_find(&entries, names_hash_of(&question.record), question.words, found.words))
        return false;
    memcpy(name, found.record.name, RB_NAME_SIZE);
    name[RB_NAME_SIZE - 1] = '\0';
    *last = found.record.last;
    return true;
}

bool rb_names_is_numeric(const char *node)
{
    uint8_t address[16];
    struct rb_slice text = {node, strcspn(node, "%")}; // "%" starts the scope of an IPv6 address (fe80::1%eth0)
    return rb_address_parse(text, address) != 0;
}

// getaddrinfo repeats each address for every socket type, so the last candidate is the last distinct address.
void rb_names_learn_addrinfo(const char *node, const struct addrinfo *list)
{
    struct rb_target target, last = {0};
    const char *name = rb_names_is_numeric(node) ? "" : node;
    for (const struct addrinfo *at = list; at; at = at->ai_next)
        if (rb_target_from_sockaddr(&target, at->ai_addr, at->ai_addrlen) == 0)
            last = target;
    for (const struct addrinfo *at = list; at; at = at->ai_next) {
        if (rb_target_from_sockaddr(&target, at->ai_addr, at->ai_addrlen) != 0)
            continue;
        size_t size = target.family == AF_INET ? 4 : 16;
        bool is_last = target.family == last.family && memcmp(target.address, last.address, size) == 0;
        write_record(&target, name, is_last);
    }
}

void rb_names_learn_hostent(const char *node, const struct hostent *entry)
{
    struct rb_target target = {.family = entry->h_addrtype};
    const char *name = rb_names_is_numeric(node) ? "" : node;
    if (entry->h_addrtype != AF_INET && entry->h_addrtype != AF_INET6)
        return;
    for (char **address = entry->h_addr_list; *address; address++) {
        memcpy(target.address, *address, target.family == AF_INET ? 4 : 16);
        write_record(&target, name, address[1] == NULL);
    }
}

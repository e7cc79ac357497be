// SPDX-License-Identifier: MIT
// Finds the libcurl that a call is meant for.
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "real/elf.h"
#include "real/libcurl.h"
#include "real/pages.h"
#include "real/sandbox.h"
#include "real/system.h"

// OBJECTS is larger than the number of objects of a large desktop program. Further objects are ignored.
enum { OBJECTS = 1024, CACHED = 16 };

static const char marker[] = "curl_easy_perform";

// Checks three symbols: an object that shares only one name with libcurl would lack functions that we call.
static bool has_libcurl(const struct rb_object *object)
{
    return rb_elf_symbol(object, marker) && rb_elf_symbol(object, "curl_easy_init") &&
           rb_elf_symbol(object, "curl_multi_add_handle");
}

// The list of objects and the memory of a search. They are mapped, not on the stack: threads of musl programs have
// small stacks.
struct search {
    struct rb_object objects[OBJECTS];
    unsigned short queue[OBJECTS]; // indexes of objects to visit
    bool seen[OBJECTS];
};

struct object_list {
    struct rb_object *at;
    struct search *search;
    unsigned count;
    unsigned self;               // index of this library, or count
    unsigned long long unloaded; // number of objects that the loader has unloaded so far
};

// All libcurls found so far. Entries are added by compare-and-swap and never removed. A lock would stay held in the
// child if another thread held it during a fork.
_Atomic(struct rb_libcurl *) rb_libcurl_last;

// A calling object that was looked up before. The entry is valid until the loader unloads an object.
struct cached_caller {
    _Atomic uintptr_t start, end;
    _Atomic(const struct rb_libcurl *) library;
    _Atomic unsigned long long unloaded;
};
static struct cached_caller cache[CACHED];
static _Atomic unsigned cache_next;

static int visit(struct dl_phdr_info *info, size_t size, void *context)
{
    struct object_list *list = context;
    if (size >= offsetof(struct dl_phdr_info, dlpi_subs) + sizeof(info->dlpi_subs))
        list->unloaded = info->dlpi_subs;
    if (!list->at)
        return 1;
    if (list->count == OBJECTS || !rb_elf_object(info, &list->at[list->count]))
        return 0;
    if (rb_elf_is_self(&list->at[list->count]))
        list->self = list->count;
    list->count++;
    return 0;
}

static bool is_libcurl(const struct object_list *list, unsigned index)
{
    return index != list->self && has_libcurl(&list->at[index]);
}

// Searches for a libcurl breadth first through DT_NEEDED, starting with the object `from` itself. Returns its index, or
// list->count if there is none.
static unsigned needed_libcurl(const struct object_list *list, unsigned from)
{
    unsigned short *queue = list->search->queue;
    bool *seen = list->search->seen; // all false: there is one search for each mapping
    unsigned head = 0, tail = 0;
    queue[tail++] = (unsigned short) from;
    seen[from] = true;
    while (head < tail) {
        unsigned current = queue[head++];
        if (is_libcurl(list, current))
            return current;
        const char *needed;
        for (unsigned n = 0; (needed = rb_elf_needed(&list->at[current], n)); n++) {
            unsigned i = 0;
            while (i < list->count && strcmp(rb_elf_soname(&list->at[i]), needed) != 0)
                i++;
            if (i < list->count && !seen[i]) {
                seen[i] = true;
                queue[tail++] = (unsigned short) i;
            }
        }
    }
    return list->count;
}

static unsigned choose(const struct object_list *list, unsigned caller)
{
    unsigned only = list->count, next = list->count, loaded = 0;
    if (caller < list->count) {
        unsigned found = needed_libcurl(list, caller);
        if (found < list->count)
            return found;
    }
    for (unsigned i = 0; i < list->count; i++) {
        if (!is_libcurl(list, i))
            continue;
        loaded++;
        only = i;
        if (next == list->count && i > list->self)
            next = i;
    }
    return loaded == 1 ? only : next;
}

static void libcurl_fill(struct rb_libcurl *library, const struct rb_object *object)
{
    *library = (struct rb_libcurl){.start = object->start, .end = object->end};
#define LIBCURL_HANDLE(family, result, name, parameters) library->name = rb_elf_symbol(object, "curl_" #name);
#define LIBCURL_MAKER(family, result, name) library->name = rb_elf_symbol(object, "curl_" #name);
#include "hook/hooks.def"
    library->multi_wakeup = rb_elf_symbol(object, "curl_multi_wakeup");
    library->url_get = rb_elf_symbol(object, "curl_url_get");
    library->free = rb_elf_symbol(object, "curl_free");
}

// Compares every function. After a dlclose, a different libcurl of the same size can be mapped at the same address.
static bool same_library(const struct rb_libcurl *library, const struct rb_object *object)
{
    size_t from = offsetof(struct rb_libcurl, start), to = offsetof(struct rb_libcurl, gone);
    struct rb_libcurl fresh;
    if (library->start != object->start || library->end != object->end)
        return false;
    libcurl_fill(&fresh, object);
    return memcmp((const char *) library + from, (const char *) &fresh + from, to - from) == 0;
}

// Updates `gone` of the known libcurls that overlap `object`. Two objects never share an address, so a libcurl that
// differs from `object` was unloaded. One that equals it is loaded.
static void bury_others(struct rb_libcurl *first, const struct rb_object *object)
{
    for (struct rb_libcurl *library = first; library; library = library->next) {
        bool overlaps = library->start < object->end && object->start < library->end;
        bool gone = overlaps && !same_library(library, object);
        if (overlaps && atomic_load_explicit(&library->gone, memory_order_relaxed) != gone)
            atomic_store_explicit(&library->gone, gone, memory_order_relaxed);
    }
}

static const struct rb_libcurl *known(const struct rb_libcurl *first, const struct rb_object *object)
{
    const struct rb_libcurl *library = first;
    while (library && !same_library(library, object))
        library = library->next;
    return library;
}

// Returns the entry of a libcurl, and makes it if it is new; NULL without memory. Each libcurl has exactly one entry,
// because callers compare owners by pointer.
static const struct rb_libcurl *library_for(const struct rb_object *object)
{
    struct rb_libcurl *first = atomic_load_explicit(&rb_libcurl_last, memory_order_acquire);
    bury_others(first, object);
    const struct rb_libcurl *there = known(first, object);
    struct rb_libcurl *library = there ? NULL : malloc(sizeof(*library));
    if (!library)
        return there;
    libcurl_fill(library, object);
    do {
        library->next = first;
        if (atomic_compare_exchange_weak_explicit(&rb_libcurl_last, &first, library, memory_order_acq_rel,
                                                  memory_order_acquire))
            return library;
    } while (!(there = known(first, object)));
    free(library);
    return there;
}

static const struct rb_libcurl *cached(uintptr_t address, unsigned long long unloaded)
{
    for (unsigned i = 0; i < CACHED; i++) {
        struct cached_caller *entry = &cache[i];
        const struct rb_libcurl *library = atomic_load_explicit(&entry->library, memory_order_acquire);
        if (library && address >= atomic_load_explicit(&entry->start, memory_order_relaxed) &&
            address < atomic_load_explicit(&entry->end, memory_order_relaxed) &&
            atomic_load_explicit(&entry->unloaded, memory_order_relaxed) == unloaded)
            return library;
    }
    return NULL;
}

// An entry is written once; only `unloaded` changes later. So a reader never sees half an entry. When all entries are
// used, further callers are looked up each time.
static void remember(const struct rb_object *caller, const struct rb_libcurl *library, unsigned long long unloaded)
{
    for (unsigned i = 0; i < CACHED; i++) {
        struct cached_caller *entry = &cache[i];
        bool same = atomic_load_explicit(&entry->library, memory_order_acquire) == library &&
                    atomic_load_explicit(&entry->start, memory_order_relaxed) == caller->start &&
                    atomic_load_explicit(&entry->end, memory_order_relaxed) == caller->end;
        if (same) {
            atomic_store_explicit(&entry->unloaded, unloaded, memory_order_relaxed);
            return;
        }
    }
    unsigned slot = atomic_fetch_add_explicit(&cache_next, 1, memory_order_relaxed);
    if (slot >= CACHED) {
        atomic_store_explicit(&cache_next, CACHED, memory_order_relaxed);
        return;
    }
    atomic_store_explicit(&cache[slot].start, caller->start, memory_order_relaxed);
    atomic_store_explicit(&cache[slot].end, caller->end, memory_order_relaxed);
    atomic_store_explicit(&cache[slot].unloaded, unloaded, memory_order_relaxed);
    atomic_store_explicit(&cache[slot].library, library, memory_order_release);
}

static const struct rb_libcurl *libcurl_search(struct search *search, const void *caller)
{
    struct rb_object *objects = search->objects;
    struct object_list list = {.at = objects, .search = search, .self = OBJECTS};
    rb_elf_each(visit, &list);
    uintptr_t address = (uintptr_t) caller;
    unsigned from = 0; // index of the object that contains the caller
    while (from < list.count && (address < objects[from].start || address >= objects[from].end))
        from++;
    unsigned index = choose(&list, from);
    if (index == list.count)
        return NULL;
    const struct rb_libcurl *library = library_for(&objects[index]);
    if (library && from < list.count)
        remember(&objects[from], library, list.unloaded);
    return library;
}

struct lone_libcurl {
    struct rb_object object;
    unsigned loaded;
};

static int visit_for_lone(struct dl_phdr_info *info, size_t size, void *context)
{
    (void) size;
    struct lone_libcurl *lone = context;
    struct rb_object object;
    if (rb_elf_object(info, &object) && !rb_elf_is_self(&object) && has_libcurl(&object)) {
        lone->object = object;
        lone->loaded++;
    }
    return 0;
}

// Returns the only libcurl that is loaded. Needs no list of objects, so it also works when the kernel refuses memory.
// NULL if several are loaded: the wrong one would crash on a handle of another one.
static const struct rb_libcurl *lone_libcurl(void)
{
    struct lone_libcurl lone = {.loaded = 0};
    rb_elf_each(visit_for_lone, &lone);
    return lone.loaded == 1 ? library_for(&lone.object) : NULL;
}

// Searches with static memory, because a seccomp filter may not allow to map any. Only one thread can use it.
static const struct rb_libcurl *search_in_sandbox(const void *caller)
{
    static struct search search;
    static _Atomic bool busy;
    if (atomic_exchange(&busy, true))
        return lone_libcurl();
    memset(search.seen, 0, sizeof(search.seen));
    const struct rb_libcurl *library = libcurl_search(&search, caller);
    atomic_store(&busy, false);
    return library;
}

const struct rb_libcurl *rb_libcurl_of_caller(const void *caller)
{
    struct object_list unlisted = {.at = NULL}; // `visit` reads only the number of unloaded objects
    rb_elf_each(visit, &unlisted);
    const struct rb_libcurl *library = cached((uintptr_t) caller, unlisted.unloaded);
    if (library)
        return library;
    if (rb_sandbox_is_filtered())
        return search_in_sandbox(caller);
    struct search *search = rb_pages_memory(sizeof(*search));
    if (!search)
        return lone_libcurl();
    library = libcurl_search(search, caller);
    rb_pages_memory_free(search, sizeof(*search));
    return library;
}

const struct rb_libcurl *rb_libcurl_at(const void *address)
{
    struct rb_object object = {.base = 0};
    bool found = rb_elf_holding(address, &object) && !rb_elf_is_self(&object) && has_libcurl(&object);
    return found ? library_for(&object) : NULL;
}

bool rb_libcurl_contains(const void *address)
{
    return rb_libcurl_around(address) != NULL;
}

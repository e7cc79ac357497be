// SPDX-License-Identifier: MIT
// Finds the library that a call is meant for.
#include <stdlib.h>
#include <string.h>

#include "real/elf.h"
#include "real/library.h"
#include "real/pages.h"
#include "real/sandbox.h"

// OBJECTS is larger than the number of objects of a large desktop program. Further objects are ignored.
enum { OBJECTS = 1024 };

// Raised before and after each dlclose.
static _Atomic unsigned unloads;

void rb_library_unloading(void)
{
    atomic_fetch_add_explicit(&unloads, 1, memory_order_acq_rel);
}

// Checks several symbols: an object that shares only one name with the library would lack functions that we call.
static bool has_marks(const struct rb_library_kind *kind, const struct rb_object *object)
{
    for (unsigned i = 0; i < RB_LIBRARY_MARKS; i++)
        if (!rb_elf_symbol(object, kind->marks[i]))
            return false;
    return true;
}

// The list of objects and the memory of a search. They are mapped, not on the stack: threads of musl programs have
// small stacks.
struct search {
    struct rb_object objects[OBJECTS];
    unsigned short queue[OBJECTS]; // indexes of objects to visit
    bool seen[OBJECTS];
    bool fits[OBJECTS]; // the object is a library of the kind
};

struct object_list {
    const struct rb_library_kind *kind;
    struct search *search;
    unsigned count;
    unsigned self; // index of this library, or OBJECTS
};

static int visit(struct dl_phdr_info *info, size_t size, void *context)
{
    (void) size;
    struct object_list *list = context;
    struct rb_object *object = &list->search->objects[list->count];
    if (list->count == OBJECTS || !rb_elf_object(info, object))
        return 0;
    bool self = rb_elf_is_self(object);
    if (self)
        list->self = list->count;
    list->search->fits[list->count++] = !self && has_marks(list->kind, object);
    return 0;
}

// Searches for a library breadth first through DT_NEEDED, starting with the object `from` itself. Returns its index, or
// list->count if there is none.
static unsigned needed_library(const struct object_list *list, unsigned from)
{
    const struct rb_object *objects = list->search->objects;
    unsigned short *queue = list->search->queue;
    bool *seen = list->search->seen; // all false: there is one search for each mapping
    unsigned head = 0, tail = 0;
    queue[tail++] = (unsigned short) from;
    seen[from] = true;
    while (head < tail) {
        unsigned current = queue[head++];
        if (list->search->fits[current])
            return current;
        const char *needed;
        for (unsigned n = 0; (needed = rb_elf_needed(&objects[current], n)); n++) {
            unsigned i = 0;
            while (i < list->count && strcmp(rb_elf_soname(&objects[i]), needed) != 0)
                i++;
            if (i < list->count && !seen[i]) {
                seen[i] = true;
                queue[tail++] = (unsigned short) i;
            }
        }
    }
    return list->count;
}

// Returns the index of the object that holds `address`, or list->count.
static unsigned object_holding(const struct object_list *list, uintptr_t address)
{
    const struct rb_object *objects = list->search->objects;
    unsigned i = 0;
    while (i < list->count && (address < objects[i].start || address >= objects[i].end))
        i++;
    return i;
}

static unsigned choose(const struct object_list *list, unsigned caller)
{
    unsigned only = list->count, next = list->count, loaded = 0;
    unsigned found = caller < list->count ? needed_library(list, caller) : list->count;
    if (found < list->count)
        return found;
    for (unsigned i = 0; i < list->count; i++) {
        if (!list->search->fits[i])
            continue;
        loaded++;
        only = i;
        if (next == list->count && i > list->self)
            next = i;
    }
    return loaded == 1 ? only : next;
}

// The pointers to the functions of a record.
static void **functions_of(struct rb_library *library)
{
    return (void **) (void *) (library + 1);
}

// Compares every function. After a dlclose, a different library of the same size can be mapped at the same address.
static bool same_library(const struct rb_library_kind *kind, struct rb_library *library, const struct rb_object *object)
{
    void **functions = functions_of(library);
    if (library->start != object->start || library->end != object->end)
        return false;
    for (unsigned i = 0; i < kind->count; i++)
        if (functions[i] != rb_elf_symbol(object, kind->names[i]))
            return false;
    return true;
}

// Updates `gone` of the known libraries that overlap `object`. Two objects never share an address, so a library that
// differs from `object` was unloaded. One that equals it is loaded.
static void bury_others(const struct rb_library_kind *kind, struct rb_library *first, const struct rb_object *object)
{
    for (struct rb_library *library = first; library; library = library->next) {
        bool overlaps = library->start < object->end && object->start < library->end;
        bool gone = overlaps && !same_library(kind, library, object);
        if (overlaps && atomic_load_explicit(&library->gone, memory_order_relaxed) != gone)
            atomic_store_explicit(&library->gone, gone, memory_order_relaxed);
    }
}

static const struct rb_library *known(const struct rb_library_kind *kind, struct rb_library *first,
                                      const struct rb_object *object)
{
    struct rb_library *library = first;
    while (library && !same_library(kind, library, object))
        library = library->next;
    return library;
}

static struct rb_library *record_of(const struct rb_library_kind *kind, const struct rb_object *object)
{
    struct rb_library *library = malloc(sizeof(*library) + kind->count * sizeof(void *));
    if (!library)
        return NULL;
    *library = (struct rb_library){.start = object->start, .end = object->end};
    for (unsigned i = 0; i < kind->count; i++)
        functions_of(library)[i] = rb_elf_symbol(object, kind->names[i]);
    return library;
}

// Returns the record of a library, and makes it if it is new; NULL without memory. Records are added by
// compare-and-swap and never removed. A lock would stay held in the child if another thread held it during a fork.
static const struct rb_library *library_for(struct rb_library_kind *kind, const struct rb_object *object)
{
    struct rb_library *first = atomic_load_explicit(&kind->last, memory_order_acquire);
    bury_others(kind, first, object);
    const struct rb_library *there = known(kind, first, object);
    struct rb_library *library = there ? NULL : record_of(kind, object);
    if (!library)
        return there;
    do {
        library->next = first;
        if (atomic_compare_exchange_weak_explicit(&kind->last, &first, library, memory_order_acq_rel,
                                                  memory_order_acquire))
            return library;
    } while (!(there = known(kind, first, object)));
    free(library);
    return there;
}

static const struct rb_library *cached(const struct rb_library_kind *kind, uintptr_t address, unsigned unloaded)
{
    for (unsigned i = 0; i < RB_LIBRARY_CALLERS; i++) {
        const struct rb_library_caller *entry = &kind->callers[i];
        const struct rb_library *library = atomic_load_explicit(&entry->library, memory_order_acquire);
        if (library && address >= atomic_load_explicit(&entry->start, memory_order_relaxed) &&
            address < atomic_load_explicit(&entry->end, memory_order_relaxed) &&
            atomic_load_explicit(&entry->unloads, memory_order_relaxed) == unloaded)
            return library;
    }
    return NULL;
}

// An entry is written once; only `unloads` changes later. So a reader never sees half an entry. When all entries are
// used, further callers are looked up each time.
static void remember(struct rb_library_kind *kind, const struct rb_object *caller, const struct rb_library *library,
                     unsigned unloaded)
{
    for (unsigned i = 0; i < RB_LIBRARY_CALLERS; i++) {
        struct rb_library_caller *entry = &kind->callers[i];
        bool same = atomic_load_explicit(&entry->library, memory_order_acquire) == library &&
                    atomic_load_explicit(&entry->start, memory_order_relaxed) == caller->start &&
                    atomic_load_explicit(&entry->end, memory_order_relaxed) == caller->end;
        if (same) {
            atomic_store_explicit(&entry->unloads, unloaded, memory_order_relaxed);
            return;
        }
    }
    unsigned slot = atomic_fetch_add_explicit(&kind->callers_used, 1, memory_order_relaxed);
    if (slot >= RB_LIBRARY_CALLERS) {
        atomic_store_explicit(&kind->callers_used, RB_LIBRARY_CALLERS, memory_order_relaxed);
        return;
    }
    struct rb_library_caller *entry = &kind->callers[slot];
    atomic_store_explicit(&entry->start, caller->start, memory_order_relaxed);
    atomic_store_explicit(&entry->end, caller->end, memory_order_relaxed);
    atomic_store_explicit(&entry->unloads, unloaded, memory_order_relaxed);
    atomic_store_explicit(&entry->library, library, memory_order_release);
}

static const struct rb_library *search_with(struct rb_library_kind *kind, struct search *search, const void *caller,
                                            unsigned unloaded)
{
    struct object_list list = {.kind = kind, .search = search, .self = OBJECTS};
    rb_elf_each(visit, &list);
    unsigned from = object_holding(&list, (uintptr_t) caller);
    unsigned index = choose(&list, from);
    if (index == list.count)
        return NULL;
    const struct rb_library *library = library_for(kind, &search->objects[index]);
    if (library && from < list.count)
        remember(kind, &search->objects[from], library, unloaded);
    return library;
}

struct lone_library {
    const struct rb_library_kind *kind;
    struct rb_object object;
    unsigned loaded;
};

static int visit_for_lone(struct dl_phdr_info *info, size_t size, void *context)
{
    (void) size;
    struct lone_library *lone = context;
    struct rb_object object;
    if (rb_elf_object(info, &object) && !rb_elf_is_self(&object) && has_marks(lone->kind, &object)) {
        lone->object = object;
        lone->loaded++;
    }
    return 0;
}

// Returns the only library that is loaded. Needs no list of objects, so it also works when the kernel refuses memory.
// NULL if several are loaded: the wrong one would crash on a handle of another one.
static const struct rb_library *lone_library(struct rb_library_kind *kind)
{
    struct lone_library lone = {.kind = kind};
    rb_elf_each(visit_for_lone, &lone);
    return lone.loaded == 1 ? library_for(kind, &lone.object) : NULL;
}

// Searches with static memory, because a seccomp filter may not allow to map any. Only one thread can use it.
static const struct rb_library *search_in_sandbox(struct rb_library_kind *kind, const void *caller, unsigned unloaded)
{
    static struct search search;
    static _Atomic bool busy;
    if (atomic_exchange(&busy, true))
        return lone_library(kind);
    memset(search.seen, 0, sizeof(search.seen));
    const struct rb_library *library = search_with(kind, &search, caller, unloaded);
    atomic_store(&busy, false);
    return library;
}

// Not inlined: a call of a known caller needs no stack frame.
static __attribute__((noinline)) const struct rb_library *search_anew(struct rb_library_kind *kind, const void *caller,
                                                                      unsigned unloaded)
{
    if (rb_sandbox_is_filtered())
        return search_in_sandbox(kind, caller, unloaded);
    struct search *search = rb_pages_memory(sizeof(*search));
    if (!search)
        return lone_library(kind);
    const struct rb_library *library = search_with(kind, search, caller, unloaded);
    rb_pages_memory_free(search, sizeof(*search));
    return library;
}

const struct rb_library *rb_library_of_caller(struct rb_library_kind *kind, const void *caller)
{
    unsigned unloaded = atomic_load_explicit(&unloads, memory_order_acquire);
    const struct rb_library *library = cached(kind, (uintptr_t) caller, unloaded);
    return library ? library : search_anew(kind, caller, unloaded);
}

const struct rb_library *rb_library_at(struct rb_library_kind *kind, const void *address)
{
    struct rb_object object = {.base = 0};
    bool found = rb_elf_holding(address, &object) && !rb_elf_is_self(&object) && has_marks(kind, &object);
    return found ? library_for(kind, &object) : NULL;
}

enum { HANDLE_WORDS = 4 };

// Finds the library anew, and notes that it is loaded.
static __attribute__((noinline)) const struct rb_library *find_maker(struct rb_library_kind *kind,
                                                                     const uintptr_t *words, unsigned unloaded)
{
    for (unsigned i = 0; i < HANDLE_WORDS; i++) {
        struct rb_library *library = (struct rb_library *) rb_library_at(kind, (const void *) words[i]);
        if (!library)
            continue;
        atomic_store_explicit(&library->seen, unloaded, memory_order_relaxed);
        return library;
    }
    return NULL;
}

const struct rb_library *rb_library_of_handle(struct rb_library_kind *kind, const void *handle)
{
    unsigned unloaded = atomic_load_explicit(&unloads, memory_order_acquire);
    uintptr_t words[HANDLE_WORDS];
    memcpy(words, handle, sizeof(words));
    for (unsigned i = 0; i < HANDLE_WORDS; i++) {
        const struct rb_library *library = rb_library_around(kind, (const void *) words[i]);
        if (library && atomic_load_explicit(&library->seen, memory_order_relaxed) == unloaded)
            return library;
    }
    return find_maker(kind, words, unloaded);
}

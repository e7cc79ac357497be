// SPDX-License-Identifier: MIT
// Finds the loaded library that a call is meant for. A process may have loaded several libraries of one kind, for
// example two libcurls; this library is linked to none.
//
// RTLD_NEXT could choose the wrong one of two. So the order is: the library that the calling object needs, directly or
// indirectly; the only loaded object that exports the functions of the kind; the next one in load order.
#ifndef RB_REAL_LIBRARY_H
#define RB_REAL_LIBRARY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// One loaded library. The pointers to its functions follow in memory, one for each name of its kind. A function that
// this version lacks is NULL. Never freed; each library has exactly one record, so records are compared by pointer.
struct rb_library {
    struct rb_library *next; // the library found before this one
    uintptr_t start, end;    // addresses that the object spans
    _Atomic bool gone;       // unloaded; another object was found at its address
    _Atomic unsigned seen;   // number of unloads when the library was last found
};

enum { RB_LIBRARY_MARKS = 3, RB_LIBRARY_CALLERS = 16 };

// A calling object that was looked up before. The entry is valid until the program unloads an object.
struct rb_library_caller {
    _Atomic uintptr_t start, end;
    _Atomic(const struct rb_library *) library;
    _Atomic unsigned unloads;
};

// A kind of library. The first three members are constant.
struct rb_library_kind {
    const char *const *names; // the functions of a record
    unsigned count;
    const char *marks[RB_LIBRARY_MARKS]; // an object that exports these functions is a library of this kind
    _Atomic(struct rb_library *) last;   // the library found last
    struct rb_library_caller callers[RB_LIBRARY_CALLERS];
    _Atomic unsigned callers_used;
};

// Returns the library for a call from `caller` (a return address); NULL if none is loaded. Takes the loader's lock if
// the calling object was not looked up before, or if the program has unloaded an object since.
const struct rb_library *rb_library_of_caller(struct rb_library_kind *kind, const void *caller);

// Returns the library that contains `address`, for example a function that dlsym found; NULL if the object is not of
// this kind. Takes the loader's lock.
const struct rb_library *rb_library_at(struct rb_library_kind *kind, const void *address);

// Returns the library that made `handle`, for handles that have an address inside their library among their first four
// words; NULL if there is no such address. `handle` must be readable. Takes the loader's lock only as described for
// rb_library_of_caller, or if the result is NULL.
const struct rb_library *rb_library_of_handle(struct rb_library_kind *kind, const void *handle);

// Makes the look-ups so far invalid. Must be called before and after each dlclose. Takes no lock.
void rb_library_unloading(void);

// Returns true if `address` lies inside this library, that is, if the library itself makes the call. Valid while the
// library is loaded.
static inline bool rb_library_spans(const struct rb_library *library, const void *address)
{
    return (uintptr_t) address >= library->start && (uintptr_t) address < library->end;
}

// Returns the library found so far that contains `address`, or NULL. Costs a few loads; takes no lock.
static inline const struct rb_library *rb_library_around(const struct rb_library_kind *kind, const void *address)
{
    const struct rb_library *library = atomic_load_explicit(&kind->last, memory_order_acquire);
    while (library &&
           (!rb_library_spans(library, address) || atomic_load_explicit(&library->gone, memory_order_relaxed)))
        library = library->next;
    return library;
}

#endif

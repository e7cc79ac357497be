// SPDX-License-Identifier: MIT
// dlopen and dlsym: what they find would go round us, where a library is opened with RTLD_DEEPBIND or a function looked
// up in a library's handle.
//
// The real ones judge their caller by the return address (RUNPATH, RTLD_NEXT, RTLD_DEFAULT), so the hooks end in a jump
// to them. Only a look-up in a handle of a name of ours does not: nobody's return address matters there.
#include <dlfcn.h>
#include <stdatomic.h>
#include <string.h>

#include "hook/curl.h"
#include "hook/hook.h"
#include "real/elf.h"
#include "real/libc.h"

// At -O0, too: an attribute of the call where the compiler has it, else one of the function. What has locals of its own
// stays out of line: no call is a jump while a local could still be referred to.
#if __has_attribute(musttail)
#define ENDS_IN_JUMP
#define JUMP __attribute__((musttail))
#else
#define ENDS_IN_JUMP __attribute__((optimize("O2", "optimize-sibling-calls")))
#define JUMP
#endif
#define OUT_OF_LINE __attribute__((noinline))

// A foreign function interface calls from an object that needs no libcurl, so the return address does not tell which
// one a call without a handle means. Such a function has one copy for each slot, and a slot belongs to one libcurl.
enum { SLOTS = 8 };

static _Atomic(const struct rb_libcurl *) slots[SLOTS];

#define COPY(name, result, n)                                                                                          \
    static result name##_##n(void)                                                                                     \
    {                                                                                                                  \
        return rb_hook_##name(atomic_load_explicit(&slots[n], memory_order_acquire));                                  \
    }

// Defines the copies of a function `result curl_NAME(void)` that call rb_hook_NAME.
#define COPIES(name, result)                                                                                           \
    COPY(name, result, 0)                                                                                              \
    COPY(name, result, 1)                                                                                              \
    COPY(name, result, 2)                                                                                              \
    COPY(name, result, 3)                                                                                              \
    COPY(name, result, 4)                                                                                              \
    COPY(name, result, 5)                                                                                              \
    COPY(name, result, 6)                                                                                              \
    COPY(name, result, 7)                                                                                              \
    static void *const name##_copies[SLOTS] = {name##_0, name##_1, name##_2, name##_3,                                 \
                                               name##_4, name##_5, name##_6, name##_7};

#define LIBCURL_MAKER(family, result, name) COPIES(name, result)
#include "hook/hooks.def"

// What we answer for a name.
struct answer {
    const char *name;
    void *ours;          // NULL: one of the copies
    void *const *copies; // by slot
    bool libcurl;        // stands in front of a libcurl
};

static const struct answer answers[] = {
#define LIBC(family, result, name, ...) {#name, name, NULL, false},
#define LIBC_VARIADIC LIBC
#define LOADER(family, name) {#name, name, NULL, false},
#define LIBCURL_HANDLE(family, result, name, ...) {"curl_" #name, curl_##name, NULL, true},
#define LIBCURL_MAKER(family, result, name) {"curl_" #name, NULL, name##_copies, true},
#include "hook/hooks.def"
};

enum { ANSWERS = sizeof(answers) / sizeof(answers[0]) };

// The first letters of these names, as a set of bits: most look-ups are for other ones.
static uint64_t letter(char c)
{
    return UINT64_C(1) << (c & 63);
}

static uint64_t letters(void)
{
    static _Atomic uint64_t known;
    uint64_t set = atomic_load_explicit(&known, memory_order_relaxed);
    if (set)
        return set;
    for (unsigned i = 0; i < ANSWERS; i++)
        set |= letter(answers[i].name[0]);
    atomic_store_explicit(&known, set, memory_order_relaxed);
    return set;
}

// Differs within a byte or two for most names: cheaper than a call of strcmp for each.
static bool same_text(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return *a == *b;
}

static const struct answer *answer_for(const char *name)
{
    if (!(letters() & letter(name[0])))
        return NULL;
    for (unsigned i = 0; i < ANSWERS; i++)
        if (same_text(name, answers[i].name))
            return &answers[i];
    return NULL;
}

// Whoever exports the name himself stands in front of it as we do: he would get his own callers' calls back.
static bool caller_exports(const void *caller, const char *name)
{
    struct rb_object object = {.base = 0};
    return rb_elf_holding(caller, &object) && rb_elf_symbol(&object, name);
}

// The same libcurl, though two threads that met it at the same time may have entered it twice.
static bool same(const struct rb_libcurl *a, const struct rb_libcurl *b)
{
    return a && b && a->start == b->start && a->end == b->end && a->easy_perform == b->easy_perform;
}

static bool is_free(const struct rb_libcurl *holder)
{
    return !holder || !same(holder, rb_libcurl_at((const void *) holder->easy_perform));
}

// The slot of a libcurl, or SLOTS when all are taken by others. One that was unloaded leaves its slot: its functions
// can be called no more.
static unsigned slot_of(const struct rb_libcurl *curl)
{
    for (unsigned i = 0; i < SLOTS; i++)
        if (same(atomic_load_explicit(&slots[i], memory_order_acquire), curl))
            return i;
    for (unsigned i = 0; i < SLOTS; i++) {
        const struct rb_libcurl *holder = atomic_load_explicit(&slots[i], memory_order_acquire);
        if (is_free(holder) && atomic_compare_exchange_strong(&slots[i], &holder, curl))
            return i;
    }
    return SLOTS;
}

// Our function in place of one of a libcurl's. All of them or none: without a slot its handles are not tracked.
static void *in_front_of_libcurl(const struct answer *answer, void *found)
{
    const struct rb_libcurl *curl = rb_libcurl_at(found);
    unsigned slot = curl ? slot_of(curl) : SLOTS;
    if (slot == SLOTS)
        return found;
    return answer->ours ? answer->ours : answer->copies[slot];
}

static bool is_of(const void *function, const char *soname)
{
    struct rb_object object = {.base = 0};
    return function && rb_elf_holding(function, &object) && strcmp(rb_elf_soname(&object), soname) == 0;
}

// Our function in place of libc's. Not where it would call another one than the program found: then somebody else
// stands between us and libc, and may be the one that asks. Before 2.34 glibc itself has some functions a second time.
static void *in_front_of_libc(const struct answer *answer, void *found)
{
    const void *behind_us = rb_elf_next(answer->name);
    bool libc = found == behind_us || (is_of(behind_us, "libpthread.so.0") && is_of(found, "libc.so.6"));
    return libc ? answer->ours : found;
}

// Undecided counts as on: our functions pass through by themselves, and a handle should not be made behind us that is
// used through us. A look-up decides nothing: the caller may hold a lock of its own, and libcs look names up, too.
static OUT_OF_LINE void *look_up(rb_dlsym_fn *real, const struct answer *answer, void *handle, const void *caller)
{
    void *found = real(handle, answer->name);
    if (!found || rb_process_is_off() || caller_exports(caller, answer->name))
        return found;
    return answer->libcurl ? in_front_of_libcurl(answer, found) : in_front_of_libc(answer, found);
}

RB_HOOK ENDS_IN_JUMP RB_EARLY void *dlsym(void *restrict handle, const char *restrict name)
{
    rb_dlsym_fn *real = rb_libc_dlsym();
    const struct answer *answer = handle == RTLD_DEFAULT || handle == RTLD_NEXT ? NULL : answer_for(name);
    if (!real)
        return NULL;
    if (answer)
        return look_up(real, answer, handle, RB_CALLER);
    JUMP return real(handle, name);
}

// The policy's key `deepbind` concerns these calls of dlopen, so they read the policy. No other one does.
static OUT_OF_LINE int without_deepbind(int flags)
{
    const struct rb_policy *policy = rb_process_active() ? rb_process_policy() : NULL;
    return policy && !rb_policy_process(policy)->deepbind_keep ? flags & ~RTLD_DEEPBIND : flags;
}

RB_HOOK ENDS_IN_JUMP RB_EARLY void *dlopen(const char *file, int flags)
{
    rb_dlopen_fn *real = rb_libc_dlopen();
    if (!real)
        return NULL;
    if (flags & RTLD_DEEPBIND)
        flags = without_deepbind(flags);
    JUMP return real(file, flags);
}

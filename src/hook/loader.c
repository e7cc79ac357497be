// SPDX-License-Identifier: MIT
// dlopen, dlsym and dlclose. Without the first two, two kinds of call would reach libc, libcurl, libssl or libgnutls
// directly: the calls of a library opened with RTLD_DEEPBIND, and calls through a pointer that dlsym found in a
// library's handle.
//
// The real dlopen and dlsym identify their caller by the return address (RUNPATH, RTLD_NEXT, RTLD_DEFAULT). So the
// hooks end in a jump to the real function. The exception is dlsym with a library's handle and the name of a hook: its
// result does not depend on the return address.
//
// After a dlclose, other objects may lie at the addresses that real/library.h remembers.
#include <dlfcn.h>
#include <stdatomic.h>
#include <string.h>

#include "hook/curl.h"
#include "hook/gnutls.h"
#include "hook/hook.h"
#include "hook/ssl.h"
#include "real/elf.h"
#include "real/libc.h"

// A foreign function interface calls from an object that does not need libcurl. If such a call passes no handle, its
// return address does not show which libcurl is meant. So dlsym returns one of several copies of such a function. Each
// copy has a slot, and each slot belongs to one libcurl.
enum { SLOTS = 8 };

static _Atomic(const struct rb_library *) slots[SLOTS];

#define COPY(name, result, n)                                                                                          \
    static result name##_##n(void)                                                                                     \
    {                                                                                                                  \
        const struct rb_library *library = atomic_load_explicit(&slots[n], memory_order_acquire);                      \
        return rb_hook_##name((const struct rb_libcurl *) library);                                                    \
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

// The hook that dlsym returns for a name.
struct answer {
    const char *name;
    void *ours;                   // the hook; NULL: one of the copies
    void *const *copies;          // indexed by slot
    struct rb_library_kind *kind; // NULL: a function of libc
};

static const struct answer answers[] = {
#define LIBC(family, result, name, ...) {#name, name, NULL, NULL},
#define LIBC_VARIADIC LIBC
#define LIBC_REPLACED LIBC
#define LIBC_JUMP LIBC
#define LOADER(family, name) {#name, name, NULL, NULL},
#define LIBCURL_HANDLE(family, result, name, ...) {"curl_" #name, curl_##name, NULL, &rb_libcurl_kind},
#define LIBCURL_MAKER(family, result, name) {"curl_" #name, NULL, name##_copies, &rb_libcurl_kind},
#define LIBSSL(family, result, name, ...) {"SSL_" #name, SSL_##name, NULL, &rb_libssl_kind},
#define LIBGNUTLS(family, result, name, ...) {"gnutls_" #name, gnutls_##name, NULL, &rb_libgnutls_kind},
#include "hook/hooks.def"
};

enum { ANSWERS = sizeof(answers) / sizeof(answers[0]) };

// The bit of a letter in a 64-bit set. dlsym uses the set of the names' first letters to reject most other names
// quickly.
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

static const struct answer *answer_for(const char *name)
{
    if (!(letters() & letter(name[0])))
        return NULL;
    for (unsigned i = 0; i < ANSWERS; i++) {
        // Faster here than strcmp: most names differ in the first two bytes, and there is no call.
        const char *a = name, *b = answers[i].name;
        while (*a && *a == *b)
            a++, b++;
        if (*a == *b)
            return &answers[i];
    }
    return NULL;
}

// Returns the slot of a libcurl, or SLOTS if other libcurls hold all slots. The slot of an unloaded libcurl is reused,
// because its functions can no longer be called.
static unsigned slot_of(const struct rb_library *curl)
{
    for (unsigned i = 0; i < SLOTS; i++)
        if (atomic_load_explicit(&slots[i], memory_order_acquire) == curl)
            return i;
    for (unsigned i = 0; i < SLOTS; i++) {
        const struct rb_library *holder = atomic_load_explicit(&slots[i], memory_order_acquire);
        bool unused = !holder || holder != rb_library_at(&rb_libcurl_kind, (const void *) holder->start);
        if (unused && atomic_compare_exchange_strong(&slots[i], &holder, curl))
            return i;
    }
    return SLOTS;
}

// Returns our hook for a function of a library. If a libcurl gets no slot, returns the real function for every name,
// because handles from a real curl_easy_init are not tracked. A libssl needs no slot, because its connections show it,
// and a process has one libgnutls.
static void *in_front_of_library(const struct answer *answer, void *found)
{
    const struct rb_library *library = rb_library_at(answer->kind, found);
    unsigned slot = library && answer->kind == &rb_libcurl_kind ? slot_of(library) : 0;
    if (!library || slot == SLOTS)
        return found;
    return answer->ours ? answer->ours : answer->copies[slot];
}

static bool is_of(const void *function, const char *soname)
{
    struct rb_object object = {.base = 0};
    return function && rb_elf_holding(function, &object) && strcmp(rb_elf_soname(&object), soname) == 0;
}

// Returns the result of dlsym for the name of a hook.
//
// Does not start the initialisation: the caller may hold a lock of its own, and libc calls dlsym too. As long as it is
// undecided whether the library acts, the hook is returned. The hook itself passes through, and a handle made by the
// real function but used through hooks would not be tracked.
static __attribute__((noinline)) void *look_up(rb_dlsym_fn *real, const struct answer *answer, void *handle,
                                               const void *caller)
{
    struct rb_object object = {.base = 0};
    void *found = real(handle, answer->name);
    if (!found || rb_process_is_off())
        return found;
    // A caller that exports the name too intercepts this function itself. With our hook it would intercept itself and
    // recurse.
    if (rb_elf_holding(caller, &object) && rb_elf_symbol(&object, answer->name))
        return found;
    if (answer->kind)
        return in_front_of_library(answer, found);
    // Return the hook only if it would call the function that dlsym found. Otherwise another library intercepts the
    // function between us and libc, and this library may be the caller. glibc before 2.34 defines some functions in
    // both libpthread and libc; these two count as the same function.
    const void *behind_us = rb_elf_next(answer->name);
    bool libc = found == behind_us || (is_of(behind_us, "libpthread.so.0") && is_of(found, "libc.so.6"));
    return libc ? answer->ours : found;
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

RB_HOOK ENDS_IN_JUMP RB_EARLY void *dlopen(const char *file, int flags)
{
    rb_dlopen_fn *real = rb_libc_dlopen();
    if (!real)
        return NULL;
    if (flags & RTLD_DEEPBIND) { // only such a call needs the policy, for its key `deepbind`
        const struct rb_policy *policy = rb_process_active() ? rb_process_policy() : NULL;
        if (policy && !rb_policy_process(policy)->deepbind_keep)
            flags &= ~RTLD_DEEPBIND;
    }
    JUMP return real(file, flags);
}

// Does not end in a jump: no dlclose uses the return address.
RB_HOOK RB_EARLY int dlclose(void *handle)
{
    rb_dlclose_fn *real = rb_libc_dlclose();
    rb_library_unloading();
    int result = real ? real(handle) : -1;
    rb_library_unloading();
    return result;
}

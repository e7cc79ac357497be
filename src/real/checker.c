// SPDX-License-Identifier: MIT
// Requests to tools that look for data races. The number of a request to valgrind begins with two letters that name the
// tool.
#include "real/checker.h"

#include <sys/mman.h>

// Exported by the runtime of ThreadSanitizer. The library itself is usually not instrumented, but it calls functions of
// libc that the runtime intercepts, such as memcpy. A build for ThreadSanitizer looks for races of the library itself.
#ifdef __SANITIZE_THREAD__
enum { INSTRUMENTED = true };
#else
enum { INSTRUMENTED = false };
#endif

extern void AnnotateBenignRaceSized(const char *file, int line, const volatile void *memory, size_t size,
                                    const char *why) __attribute__((weak));

bool rb_checker_valgrind;

void rb_checker_start(void)
{
    enum { RUNS = 0x1001 };
    struct rb_checker_request request = {{RUNS}};
    rb_checker_valgrind = rb_checker_ask(&request) != 0;
}

bool rb_checker_looks_for_races(void)
{
    return (!INSTRUMENTED && AnnotateBenignRaceSized) || rb_checker_is_valgrind();
}

void rb_checker_share(const void *memory, size_t size)
{
    enum { HELGRIND_IGNORE = 'H' << 24 | 'G' << 16 | 0x127, DRD_IGNORE = 'D' << 24 | 'R' << 16 | 2 };
    struct rb_checker_request request = {{HELGRIND_IGNORE, (uintptr_t) memory, size}};
    rb_checker_ask(&request);
    request.words[0] = DRD_IGNORE;
    rb_checker_ask(&request);
    if (!INSTRUMENTED && AnnotateBenignRaceSized)
        AnnotateBenignRaceSized(__FILE__, __LINE__, memory, size, "rebound");
}

void rb_checker_renew(void *memory, size_t size)
{
    if (INSTRUMENTED) // the runtime sees this call, unlike those of real/kernel.h
        (void) !mmap(memory, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
}

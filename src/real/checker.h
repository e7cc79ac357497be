// SPDX-License-Identifier: MIT
// Tools that check how a program uses memory: valgrind and ThreadSanitizer.
//
// valgrind runs the program on a simulated processor. A program makes a request to valgrind by a sequence of rotations,
// which a real processor executes without effect.
#ifndef RB_REAL_CHECKER_H
#define RB_REAL_CHECKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// The first word is the number of the request, the others are its arguments.
struct rb_checker_request {
    uintptr_t words[6];
};

// Makes a request. Returns valgrind's answer, 0 without valgrind.
#if defined(__clang_analyzer__)

uintptr_t rb_checker_ask(const struct rb_checker_request *request);

#elif defined(__x86_64__) && defined(__LP64__)

static inline uintptr_t rb_checker_ask(const struct rb_checker_request *request)
{
    uintptr_t answer = 0;
    __asm__ volatile("rolq $3, %%rdi\n\t"
                     "rolq $13, %%rdi\n\t"
                     "rolq $61, %%rdi\n\t"
                     "rolq $51, %%rdi\n\t"
                     "xchgq %%rbx, %%rbx"
                     : "+d"(answer)
                     : "a"(request)
                     : "cc", "memory");
    return answer;
}

#elif defined(__i386__)

static inline uintptr_t rb_checker_ask(const struct rb_checker_request *request)
{
    uintptr_t answer = 0;
    __asm__ volatile("roll $3, %%edi\n\t"
                     "roll $13, %%edi\n\t"
                     "roll $29, %%edi\n\t"
                     "roll $19, %%edi\n\t"
                     "xchgl %%ebx, %%ebx"
                     : "+d"(answer)
                     : "a"(request)
                     : "cc", "memory");
    return answer;
}

#elif defined(__aarch64__) && defined(__LP64__)

static inline uintptr_t rb_checker_ask(const struct rb_checker_request *request)
{
    register uintptr_t answer __asm__("x3") = 0;
    register const struct rb_checker_request *argument __asm__("x4") = request;
    __asm__ volatile("ror x12, x12, #3\n\t"
                     "ror x12, x12, #13\n\t"
                     "ror x12, x12, #51\n\t"
                     "ror x12, x12, #61\n\t"
                     "orr x10, x10, x10"
                     : "+r"(answer)
                     : "r"(argument)
                     : "cc", "memory");
    return answer;
}

#else

static inline uintptr_t rb_checker_ask(const struct rb_checker_request *request)
{
    (void) request;
    return 0;
}

#endif

// Set by rb_checker_start.
extern bool rb_checker_valgrind;

// Finds out whether valgrind runs the program, with any of its tools. Called by the library's constructor.
void rb_checker_start(void);

// Returns true if valgrind runs the program. One load.
static inline bool rb_checker_is_valgrind(void)
{
    return __builtin_expect(rb_checker_valgrind, false);
}

// Returns true if a tool that may look for data races watches the program.
bool rb_checker_looks_for_races(void);

// Tells the tools that look for data races (helgrind, drd, ThreadSanitizer) not to check this memory. They do not see
// the atomic operations by which the library's threads and processes share it. Does nothing without such a tool.
//   memory: mapped, until it is unmapped
void rb_checker_share(const void *memory, size_t size);

// Tells ThreadSanitizer that new memory was mapped, where another thread may have used memory that was unmapped. Does
// nothing unless the library itself is built for ThreadSanitizer.
//   memory: mapped privately, without a file, not used yet
void rb_checker_renew(void *memory, size_t size);

#endif

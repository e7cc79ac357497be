// SPDX-License-Identifier: MIT
// Asks the kernel whether pages can be read, and remembers pages that stay readable.
#include "real/memory.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/uio.h>

#include "real/checker.h"
#include "real/elf.h"
#include "real/kernel.h"
#include "real/system.h"

enum { PAGE = 4096, OFFSET = PAGE - 1, NEAR = 64 * PAGE };

// Returns false if memcheck, a tool of valgrind, would report that this memory is used: because the program has not
// allocated it, or, if `initialised`, because a bit of it has no value. True without memcheck.
static bool memcheck_permits(uintptr_t at, size_t size, bool initialised)
{
    enum { GET_BITS = 'M' << 24 | 'C' << 16 | 8, DONE = 1, NOT_ALLOCATED = 3 };
    unsigned char undefined[64] = {0};
    for (size_t part; size > 0; at += part, size -= part) {
        part = size < sizeof(undefined) ? size : sizeof(undefined);
        struct rb_checker_request request = {{GET_BITS, at, (uintptr_t) undefined, part}};
        uintptr_t answer = rb_checker_ask(&request);
        if (answer == NOT_ALLOCATED)
            return false;
        for (size_t i = 0; initialised && answer == DONE && i < part; i++)
            if (undefined[i])
                return false;
    }
    return true;
}

// Without valgrind, passes the word at `at` to the kernel as a set of signals to block, and then restores the signal
// mask. The word remains in the page. Signals that arrive in between are delivered afterwards. valgrind would check
// whether the bytes of the set are initialised. It does not check the remote memory of process_vm_readv, which many
// sandboxes do not permit.
static bool page_can_be_read(uintptr_t at)
{
    uint64_t saved;
    char byte;
    struct iovec here = {&byte, 1}, there = {(void *) at, 1};
    if (rb_checker_is_valgrind())
        return rb_kernel(SYS_process_vm_readv, rb_system_pid(), &here, 1, &there, 1, 0) != -EFAULT;
    long result = rb_kernel(SYS_rt_sigprocmask, SIG_BLOCK, at & -sizeof(saved), &saved, RB_KERNEL_SIGNALS);
    if (result == 0)
        rb_system_release_signals(saved);
    return result != -EFAULT;
}

// Asks for each page from the one of `first` to the one of `last`, both included.
static bool pages_can_be_read(uintptr_t first, uintptr_t last)
{
    bool can = true;
    for (uintptr_t at = first; can && at <= last && at >= first; at = (at | OFFSET) + 1)
        can = page_can_be_read(at);
    return can;
}

// Consecutive pages that were readable: the address of the first page, plus the number of further pages. It is one
// word, so that a signal handler does not see half of a change.
typedef uintptr_t page_range;

// Returns true if the pages of `first` to `last` are in the range or can be read. Extends the range by them if they are
// near, otherwise the range begins anew.
static bool range_includes(page_range *range, uintptr_t first, uintptr_t last)
{
    uintptr_t low = *range & ~(uintptr_t) OFFSET, high = low + (*range & OFFSET) * PAGE;
    first &= ~(uintptr_t) OFFSET;
    last &= ~(uintptr_t) OFFSET;
    if (low && first >= low && last <= high)
        return true;
    bool near = low && first + NEAR >= low && last <= high + NEAR;
    uintptr_t from = near && low < first ? low : first, to = near && high > last ? high : last;
    bool can =
        near ? (from == low || pages_can_be_read(from, low - 1)) && (to == high || pages_can_be_read(high + PAGE, to))
             : pages_can_be_read(first, last);
    if (can && (to - from) / PAGE <= OFFSET)
        *range = from + (to - from) / PAGE;
    return can || (near && pages_can_be_read(first, last));
}

// True for memory that ends near below the program break. The heap cannot have holes, except if the program unmaps a
// part of it.
static bool is_heap(uintptr_t first, uintptr_t last)
{
    enum { LARGEST = 1 << 30 };
    typedef void *break_fn(intptr_t increment);
    static _Atomic(break_fn *) known;
    break_fn *function = atomic_load_explicit(&known, memory_order_relaxed);
    if (!function) {
        function = (break_fn *) rb_elf_libc("sbrk");
        atomic_store_explicit(&known, function, memory_order_relaxed);
    }
    uintptr_t end = function ? (uintptr_t) function(0) : 0;
    return last < end && end - first <= LARGEST;
}

bool rb_memory_is_readable(const void *memory, size_t size)
{
    static __thread page_range stack, heap;
    uintptr_t first = (uintptr_t) memory, last = first + size - 1, frame = (uintptr_t) __builtin_frame_address(0);
    if (size == 0)
        return true;
    if (rb_memory_is_wild(memory) || last < first ||
        (rb_checker_is_valgrind() && !memcheck_permits(first, size, false)))
        return false;
    if (first >= frame && last - frame <= NEAR)
        return range_includes(&stack, frame, last);
    return is_heap(first, last) ? range_includes(&heap, first, last) : pages_can_be_read(first, last);
}

bool rb_memory_is_initialised(const void *memory, size_t size)
{
    return !rb_checker_is_valgrind() || memcheck_permits((uintptr_t) memory, size, true);
}

// SPDX-License-Identifier: MIT
// Reads clocks with the clock_gettime of the vDSO, which is found in the vDSO's symbol table. Without it, makes the
// system call.
#include "real/clock.h"

#include <elf.h>
#include <stdatomic.h>
#include <stddef.h>

#include "real/elf.h"

typedef int read_fn(clockid_t clock, struct rb_kernel_time *out);

static int by_system_call(clockid_t clock, struct rb_kernel_time *out)
{
    return (int) rb_kernel_always(SYS_clock_gettime, clock, out);
}

// Finds the function to read a clock. The vDSO is linked at address 0, so the address of its ELF header is also the
// difference between linked and loaded addresses (dlpi_addr).
//
// The name of the function depends on the architecture (vdso(7)). On 32-bit machines, the functions with these names
// write the kernel's old struct timespec, which is struct rb_kernel_time. __vdso_clock_gettime64 is not used, because
// it writes a struct with a 64-bit time.
static read_fn *clock_find(void)
{
    const ElfW(Ehdr) *header = (const void *) rb_elf_auxiliary(AT_SYSINFO_EHDR);
    struct rb_object vdso;
    if (!header)
        return by_system_call;
    struct dl_phdr_info info = {
        .dlpi_addr = (uintptr_t) header,
        .dlpi_name = "vdso",
        .dlpi_phdr = (const void *) ((const char *) header + header->e_phoff),
        .dlpi_phnum = header->e_phnum,
    };
    if (!rb_elf_object(&info, &vdso))
        return by_system_call;
    void *function = rb_elf_symbol(&vdso, "__vdso_clock_gettime");
    if (!function)
        function = rb_elf_symbol(&vdso, "__kernel_clock_gettime");
    return function ? (read_fn *) function : by_system_call;
}

int rb_clock_read(clockid_t clock, struct rb_kernel_time *out)
{
    static read_fn *_Atomic known;
    read_fn *function = atomic_load_explicit(&known, memory_order_relaxed);
    if (!function) {
        function = clock_find();
        atomic_store_explicit(&known, function, memory_order_relaxed);
    }
    return function(clock, out);
}

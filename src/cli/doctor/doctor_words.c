// SPDX-License-Identifier: MIT
// Names and titles in the output of doctor.
#include <elf.h>
#include <stdio.h>

#include "cli/doctor/doctor.h"

const char *rb_reach_name(enum rb_reach reach)
{
    static const char *const names[RB_REACH_COUNT] = {"unused", "intercepted", "partly", "not", "unknown"};
    return names[reach];
}

const char *rb_kind_name(enum rb_kind kind)
{
    static const char *const names[RB_KIND_COUNT] = {"curl", "http", "connect", "connect.nonblocking", "dns"};
    return names[kind];
}

const char *rb_fate_name(enum rb_fate fate)
{
    static const char *const names[RB_FATE_COUNT] = {NULL, "repeated", "repeated-if-kept", "counted", "not-examined"};
    return names[fate];
}

const char *rb_kind_title(enum rb_kind kind)
{
    static const char *const titles[RB_KIND_COUNT] = {"HTTP by libcurl", "HTTP without libcurl", "blocking connects",
                                                      "non-blocking connects", "name lookups"};
    return titles[kind];
}

const char *rb_role_name(enum rb_role role)
{
    static const char *const names[RB_ROLE_COUNT] = {"program", "libc", "libcurl", "beneath libcurl", "missing"};
    return names[role];
}

const char *rb_doctor_words_machine(const struct rb_elf_file *file, char out[32])
{
    static const struct {
        uint16_t machine;
        const char *name;
    } rows[] = {{EM_386, "i386"},    {EM_X86_64, "x86-64"}, {EM_ARM, "arm"}, {EM_AARCH64, "aarch64"},
                {EM_RISCV, "riscv"}, {EM_PPC64, "ppc64"},   {EM_PPC, "ppc"}, {EM_S390, "s390"},
                {EM_MIPS, "mips"},   {EM_SPARCV9, "sparc"}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (rows[i].machine == file->machine)
            return rows[i].name;
    snprintf(out, 32, "machine %u", file->machine);
    return out;
}

const char *rb_doctor_words_libc(const struct rb_findings *findings)
{
    static const char *const names[] = {"unknown", "glibc", "musl"};
    return names[findings->libc];
}

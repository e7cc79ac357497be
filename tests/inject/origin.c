// SPDX-License-Identifier: MIT
// Finds the caller of a system call by the instruction pointer and by the return addresses on the stack.
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>

#include "origin.h"

enum { MAPPINGS = 256, PATH_ROOM = 256 };

// A mapping of code.
static struct mapping {
    uint64_t from, to;
    char path[PATH_ROOM];
    bool ours, loader;
} mappings[MAPPINGS];
static unsigned mapped;

const char *const origin_names[ORIGINS] = {"program", "library", "libc"};

static pid_t followed;
static const char *our_path;

void origin_follow(pid_t process, const char *library)
{
    followed = process;
    our_path = library;
}

static void read_mappings(void)
{
    char name[64], line[1024];
    snprintf(name, sizeof(name), "/proc/%d/maps", followed);
    mapped = 0;
    FILE *file = fopen(name, "re");
    while (file && mapped < MAPPINGS && fgets(line, sizeof(line), file)) {
        struct mapping *m = &mappings[mapped];
        char rights[8];
        m->path[0] = '\0';
        if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %7s %*s %*s %*s %255s", &m->from, &m->to, rights, m->path) < 3 ||
            !strchr(rights, 'x'))
            continue;
        m->ours = our_path && strcmp(m->path, our_path) == 0;
        m->loader = strstr(m->path, "/ld-") != NULL;
        mapped++;
    }
    if (file)
        fclose(file);
}

static const struct mapping *mapping_at(uint64_t address)
{
    for (unsigned i = 0; i < mapped; i++)
        if (address >= mappings[i].from && address < mappings[i].to)
            return &mappings[i];
    return NULL;
}

// As mapping_at. Code that is not known was mapped since the last look.
static const struct mapping *mapping_now_at(uint64_t address)
{
    if (!mapping_at(address))
        read_mappings();
    return mapping_at(address);
}

// The loader's own calls count for the program: its stack holds addresses of the libraries that it loads.
//
// The first word on the stack that points to code outside of the object at `ip` is taken for the return address into
// that object's caller. A word that an earlier call left there can be mistaken for it. Then a call counts for the wrong
// origin, which makes the sweep less complete but not wrong.
enum origin origin_of(pid_t thread, uint64_t ip, uint64_t sp)
{
    uint64_t words[96];
    const struct mapping *at = mapping_now_at(ip);
    if (!at || at->ours || at->loader)
        return at && at->ours ? ORIGIN_LIBRARY : ORIGIN_PROGRAM;
    struct iovec here = {words, sizeof(words)}, there = {(void *) (uintptr_t) sp, sizeof(words)};
    ssize_t got = process_vm_readv(thread, &here, 1, &there, 1, 0);
    for (ssize_t i = 0; i < got / (ssize_t) sizeof(words[0]); i++) {
        const struct mapping *caller = mapping_at(words[i]);
        if (caller && strcmp(caller->path, at->path) != 0)
            return caller->ours ? ORIGIN_LIBC : ORIGIN_PROGRAM;
    }
    return ORIGIN_PROGRAM;
}

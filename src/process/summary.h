// SPDX-License-Identifier: MIT
// The page on which the processes of `rebound run --summary` count what was done, shared with the watcher that prints
// it.
//
// The command makes the file (mode 0600, RB_SUMMARY_SIZE bytes, in /dev/shm or else /tmp), fills in the header and
// hands its path on in RB_SUMMARY_ENV; the program and its children map it. The layout is the same for 32 and 64 bits
// and holds no pointers: only atomics work between different C libraries.
//
// The end: the process whose pid is main_pid sets `exiting` and waits until `printed`, so that the lines stand on
// stderr before the shell's prompt. Both words are futexes (not private ones); wake after setting them. A process that
// was killed sets nothing: then the watcher notices its end by itself and prints a moment later.
#ifndef RB_OBSERVE_SUMMARY_H
#define RB_OBSERVE_SUMMARY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RB_SUMMARY_ENV "REBOUND_SUMMARY"

enum {
    RB_SUMMARY_MAGIC = 0x4d534252, // "RBSM" in little endian
    RB_SUMMARY_VERSION = 1,
    RB_SUMMARY_POLICIES = 64,
    RB_SUMMARY_NAME_SIZE = 64, // as RB_SECTION_NAME_SIZE, the terminator included
    RB_SUMMARY_LINGER_MS = 250 // how long the end of the program waits for `printed`
};

enum rb_summary_counter {
    RB_SUMMARY_CALLS,     // calls of a matched host
    RB_SUMMARY_RETRIES,   // attempts after the first
    RB_SUMMARY_RECOVERED, // calls that succeeded after the first attempt
    RB_SUMMARY_REFUSED,   // calls that an open breaker ended without an attempt
    RB_SUMMARY_STOPPED,   // calls whose failure was handed to the program
    RB_SUMMARY_COUNTERS
};

// A slot goes from FREE to BUSY by compare-and-swap, then its name is written, then READY is stored with release order.
// The name never changes afterwards. Nobody waits for a BUSY slot: its owner may have died; take it for another name.
enum rb_summary_slot { RB_SUMMARY_FREE, RB_SUMMARY_BUSY, RB_SUMMARY_READY };

struct rb_summary_policy {
    _Alignas(8) char name[RB_SUMMARY_NAME_SIZE];
    _Atomic uint32_t state; // enum rb_summary_slot
    uint32_t reserved;
    _Alignas(8) _Atomic uint64_t counters[RB_SUMMARY_COUNTERS]; // by enum rb_summary_counter
};

struct rb_summary_page {
    uint32_t magic;
    uint32_t version;
    uint32_t size; // of this struct
    _Atomic uint32_t exiting;
    _Atomic uint32_t printed;
    _Atomic int32_t main_pid; // the program's own process: the one that the command became
    _Atomic uint32_t crowded; // 1: no slot was left for some policy
    _Atomic uint32_t changed; // 1: a process changed its effective user, and counts no more
    struct rb_summary_policy policies[RB_SUMMARY_POLICIES];
};

enum { RB_SUMMARY_SIZE = sizeof(struct rb_summary_page) };

_Static_assert(sizeof(struct rb_summary_policy) == 112, "the layout is fixed");
_Static_assert(offsetof(struct rb_summary_page, policies) == 32, "the layout is fixed");
_Static_assert(RB_SUMMARY_SIZE == 32 + 64 * 112, "the layout is fixed");

// Maps the page at `path`. Returns NULL where there is none to use: path NULL, no regular file of the effective user
// with mode 0600 and the right size, other magic or version. The mapping stays for the process's life and is inherited
// by fork. Keeps errno and no descriptor.
struct rb_summary_page *rb_summary_attach(const char *path);

// Gives the page up, because the effective user is not the page's any more. Empty memory of this process alone takes
// its place, so counting on it goes on and reaches nobody, and rb_summary_end does nothing. The page says that counts
// are missing (`changed`). Returns false when the system has no memory: then the page is still mapped.
bool rb_summary_leave(struct rb_summary_page *page);

// Maps the page at `path` again, in the place of one that was given up. Returns false where there is none to use.
bool rb_summary_return(struct rb_summary_page *page, const char *path);

// Adds one to a counter of the policy called `policy`, claiming a slot on first use. When all slots are taken it sets
// `crowded` and counts nothing. Lock-free, async-signal-safe.
void rb_summary_count(struct rb_summary_page *page, const char *policy, enum rb_summary_counter counter);

// At the end of the process: where it is main_pid, sets `exiting` and waits up to RB_SUMMARY_LINGER_MS for `printed`.
// In every other process it does nothing.
void rb_summary_end(struct rb_summary_page *page);

#endif

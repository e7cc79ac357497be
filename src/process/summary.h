// SPDX-License-Identifier: MIT
// The page on which the processes of `rebound run --summary` count their calls. The watcher that prints the counts maps
// it too.
//
// The command creates the file (mode 0600, RB_SUMMARY_SIZE bytes, in /dev/shm or else /tmp), writes the header and
// passes the path in RB_SUMMARY_ENV. The program and its children map the file. The layout is the same for 32 and 64
// bits and holds no pointers. Only atomics are used, because processes may use different C libraries.
//
// At its end the process with pid main_pid sets `exiting` and waits for `printed`, so that the lines appear on stderr
// before the shell's prompt. Both words are shared futexes: wake the waiters after setting them. A killed process sets
// nothing; the watcher notices its end and prints a moment later. If the watcher is a child of the process (because the
// process adopts orphans), the process takes the watcher's exit status, so that no other process gets to see it.
#ifndef RB_PROCESS_SUMMARY_H
#define RB_PROCESS_SUMMARY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/event.h"

#define RB_SUMMARY_ENV "REBOUND_SUMMARY"

enum {
    RB_SUMMARY_MAGIC = 0x4d534252, // "RBSM" in little endian
    RB_SUMMARY_VERSION = 4,
    RB_SUMMARY_POLICIES = 64,
    RB_SUMMARY_HOSTS = 32,
    RB_SUMMARY_HOST_SIZE = 112, // of "host:port", including the terminator
    RB_SUMMARY_NAME_SIZE = 64,  // as RB_SECTION_NAME_SIZE, including the terminator
    RB_SUMMARY_LINGER_MS = 250  // how long the ending program waits for `printed`
};

enum rb_summary_counter {
    RB_SUMMARY_CALLS,     // calls of a matched host
    RB_SUMMARY_RETRIES,   // attempts after the first
    RB_SUMMARY_RECOVERED, // calls that succeeded after the first attempt
    RB_SUMMARY_REFUSED,   // calls that an open breaker ended without an attempt
    RB_SUMMARY_STOPPED,   // calls whose failure the program got
    RB_SUMMARY_STACK,     // of these: calls that were not repeated for RB_REASON_STACK
    RB_SUMMARY_COUNTERS
};

// A slot changes from FREE to BUSY by compare-and-swap. Then its name is written, and READY is stored with release
// order. The name never changes again. No process waits for a BUSY slot, because its owner may have died; it is treated
// as a slot of another name.
enum rb_summary_slot { RB_SUMMARY_FREE, RB_SUMMARY_BUSY, RB_SUMMARY_READY };

struct rb_summary_policy {
    _Alignas(8) char name[RB_SUMMARY_NAME_SIZE];
    _Atomic uint32_t state; // enum rb_summary_slot
    uint32_t reserved;
    _Alignas(8) _Atomic uint64_t counters[RB_SUMMARY_COUNTERS]; // by enum rb_summary_counter
};

// The counters of a host. A group is addressed by its first counter plus an index.
enum {
    RB_SUMMARY_WAY = 0,                                        // [enum rb_way]: HTTP requests
    RB_SUMMARY_NOT_REPEATED = RB_SUMMARY_WAY + RB_WAY_COUNT,   // [enum rb_stack]: failed requests
    RB_SUMMARY_TLS = RB_SUMMARY_NOT_REPEATED + RB_STACK_COUNT, // connections without libcurl that began with TLS
    RB_SUMMARY_TLS_EXAMINED,                                   // of these: with an HTTP request that was seen
    RB_SUMMARY_HOST_COUNTERS
};

// A host with which the program speaks HTTP, or for which it has waited (start.wait). The state is that of a slot of a
// policy.
struct rb_summary_host {
    _Alignas(8) char host[RB_SUMMARY_HOST_SIZE];
    _Atomic uint32_t state;
    uint32_t reserved;
    _Alignas(8) _Atomic uint64_t waited_ms; // the longest wait of a process for the host
    _Atomic uint64_t waits_since_ms;        // rb_system_now_ms at the begin of a wait that goes on; 0: none
    _Atomic uint64_t counters[RB_SUMMARY_HOST_COUNTERS];
};

struct rb_summary_page {
    uint32_t magic;
    uint32_t version;
    uint32_t size; // of this struct
    _Atomic uint32_t exiting;
    _Atomic uint32_t printed; // not 0: the lines are printed; above 1: the watcher's pid, if it is a child
    _Atomic int32_t main_pid; // the process that the command became by execve
    _Atomic uint32_t crowded; // 1: a policy found no free slot
    _Atomic uint32_t changed; // 1: a process changed its effective user and no longer counts
    struct rb_summary_policy policies[RB_SUMMARY_POLICIES];
    struct rb_summary_host hosts[RB_SUMMARY_HOSTS];
};

enum { RB_SUMMARY_SIZE = sizeof(struct rb_summary_page) };

_Static_assert(sizeof(struct rb_summary_policy) == 120, "the layout is fixed");
_Static_assert(offsetof(struct rb_summary_page, policies) == 32, "the layout is fixed");
_Static_assert(sizeof(struct rb_summary_host) == 256, "the layout is fixed");
_Static_assert(RB_SUMMARY_SIZE == 32 + 64 * 120 + 32 * 256, "the layout is fixed");

// Maps the page at `path`. Returns NULL if `path` is NULL, or if the file is not a regular file of the effective user
// with mode 0600, the right size, magic and version. The mapping stays for the life of the process and is inherited by
// fork. Keeps errno; no descriptor stays open.
struct rb_summary_page *rb_summary_attach(const char *path);

// Gives the page up because it does not belong to the new effective user. Private memory replaces it, so later counts
// reach no other process, and rb_summary_end does nothing. `changed` tells the watcher that counts are missing. Returns
// false if there is no memory; then the page is still mapped.
bool rb_summary_give_up(struct rb_summary_page *page);

// Maps the page at `path` again, in place of one that was given up. Returns false if there is no valid page.
bool rb_summary_take_back(struct rb_summary_page *page, const char *path);

// Adds 1 to a counter of the policy `policy`, and claims a slot on first use. If all slots are taken, sets `crowded`
// and counts nothing. Lock-free, async-signal-safe.
void rb_summary_count(struct rb_summary_page *page, const char *policy, enum rb_summary_counter counter);

// Adds 1 to a counter of a host, and claims a slot on first use. If all slots are taken, counts nothing. A longer name
// is cut. Lock-free, async-signal-safe, as are the next two.
//   host: "host:port"
//   counter: RB_SUMMARY_WAY and the others
void rb_summary_count_host(struct rb_summary_page *page, const char *host, unsigned counter);

// Notes that a process waits for a host, so that the wait is known also if a signal kills the process.
void rb_summary_begin_wait(struct rb_summary_page *page, const char *host, uint64_t since_ms);

// Notes that a process has waited for a host. The page keeps the longest wait for each host.
void rb_summary_note_wait(struct rb_summary_page *page, const char *host, uint64_t waited_ms);

// Call at the end of the process. The process main_pid sets `exiting` and waits up to RB_SUMMARY_LINGER_MS for
// `printed`. Other processes do nothing.
void rb_summary_end(struct rb_summary_page *page);

#endif

// SPDX-License-Identifier: MIT
// The shared state of a user's processes: the layout of the mapped file, in the order of this header.
//
//   header | processes | policies (names) | stripes of counters | events | cells
//
// All fields are 64-bit atomics, so the layout is the same for 32 and 64 bits and for every libc, and valid when
// zeroed. There are no pointers. A size or number that the file holds is compared once with the value of this build,
// and is not read from the file again. A process may die between any two stores: data of several words carries a
// checksum, and a reader that finds it wrong skips the data.
#ifndef RB_STATE_LAYOUT_H
#define RB_STATE_LAYOUT_H

#include <stdatomic.h>
#include <stddef.h>

#include "base/path.h"
#include "engine/breaker.h"
#include "engine/budget.h"
#include "engine/call.h"
#include "engine/event.h"
#include "engine/not_before.h"
#include "engine/tenants.h"
#include "policy/policy.h"

enum {
    RB_STATE_VERSION = 7,
    RB_STATE_PROCESSES = 512,
    RB_STATE_POLICIES = 64,
    RB_STATE_STRIPES = 8, // copies of the counters, so that threads count on different cache lines
    RB_STATE_EVENTS = 512,
    RB_STATE_POLICY_SIZE = RB_SECTION_NAME_SIZE, // names with their terminators
    RB_STATE_HOST_SIZE = 128,
    RB_STATE_PROGRAM_SIZE = 32,
    RB_STATE_METHOD_SIZE = 14,
    RB_STATE_PATH_SIZE = RB_PATH_MAX + 1,
    RB_STATE_EVENT_WORDS = 50,
    RB_STATE_TROUBLE_WORDS = 23
};

#define RB_STATE_MAGIC UINT64_C(0x657461747342520a) // "\nRBstate" in little endian

// The number of words for a text of SIZE bytes.
#define RB_STATE_WORDS(size) ((size) / 8)

// ---- counters ----

// How a call of the program ended.
enum rb_result {
    RB_RESULT_SUCCESS,   // the first attempt succeeded
    RB_RESULT_RECOVERED, // a later attempt succeeded
    RB_RESULT_FAILED,    // the program got the failure
    RB_RESULT_REFUSED,   // by an open breaker, without an attempt
    RB_RESULT_STALE,     // the program got the last good answer
    RB_RESULT_COUNT
};

enum { RB_DURATION_BUCKETS = 16 };

// The counters of a policy. A group is addressed by its first counter plus an index.
enum rb_counter {
    RB_COUNTER_CALLS = 0, // [api][result]
    RB_COUNTER_ATTEMPTS = RB_COUNTER_CALLS + RB_API_COUNT * RB_RESULT_COUNT,
    RB_COUNTER_RETRIES,                                          // [enum rb_cause]
    RB_COUNTER_SUPPRESSED = RB_COUNTER_RETRIES + RB_CAUSE_COUNT, // [enum rb_reason]
    RB_COUNTER_BACKOFF_MS = RB_COUNTER_SUPPRESSED + RB_REASON_COUNT,
    RB_COUNTER_TRANSITIONS, // [enum rb_breaker_state that the breaker changed to]
    RB_COUNTER_REJECTED = RB_COUNTER_TRANSITIONS + RB_BREAKER_STATES,
    RB_COUNTER_RESENDS,
    RB_COUNTER_DURATION, // [bucket], counts each call with an attempt once
    RB_COUNTER_DURATION_MS = RB_COUNTER_DURATION + RB_DURATION_BUCKETS, // sum
    RB_COUNTER_COUNT
};

// Returns the inclusive upper bound of a bucket of call durations in milliseconds; UINT64_MAX for the last one.
uint64_t rb_duration_bound_ms(unsigned bucket);

// One stripe of one policy's counters.
struct rb_counters {
    _Alignas(64) _Atomic uint64_t values[RB_COUNTER_COUNT];
};

// ---- parts ----

// The latest lost log line: see state/trouble.h. Texts are padded with zeros.
struct rb_state_trouble {
    uint64_t unix_ms;
    uint64_t process; // as in the table of processes
    uint32_t user;    // the effective user
    uint32_t error;   // enum rb_loss
    char destination[RB_STATE_HOST_SIZE];
    char program[RB_STATE_PROGRAM_SIZE];
};

struct rb_state_log {
    _Atomic uint64_t lost;                          // log lines that could not be written
    _Atomic uint64_t check;                         // checksum of the words; 0: no log is failing
    _Atomic uint64_t words[RB_STATE_TROUBLE_WORDS]; // struct rb_state_trouble, the latest
};

// The words of the header that never change. They are written before the file is visible, and compared as a whole.
struct rb_state_constants {
    uint64_t magic;
    uint64_t version;
    uint64_t sizes[6]; // of header, process, policy, counters, event, cell: size of one in bytes | number << 32
    uint64_t size;     // of the file in bytes
    uint64_t checksum; // of the words above
};

struct rb_state_header {
    struct rb_state_constants constants;
    // Change at run time.
    _Atomic uint64_t boot;       // rb_system_boot() of the last user: boot clocks restart with the kernel
    _Atomic uint64_t created_s;  // seconds since 1970 when it was made or reset
    _Atomic uint64_t event_next; // events begun so far; a reset keeps it, so that followers do not lose their position
    _Atomic uint64_t event_lost; // events whose place already held a newer event, or for which there was no memory
    _Atomic uint64_t evicted;    // cells reassigned to another host
    _Atomic uint64_t crowded;    // calls without a cell, because all cells in reach were open
    _Atomic uint64_t uncounted;  // times that a policy found no free place
    _Atomic uint64_t policies_off; // 0: no policy was ever switched off
    _Atomic uint64_t reload;       // the last reload: seconds since 1970 << 1 | 1 if it succeeded; 0: none yet
    struct rb_state_log log;
    _Atomic uint64_t secret[2]; // random, written when the file is made: the key for hashing credentials
    _Atomic uint64_t reserved[18];
};

// A process in one word: start time in clock ticks since boot, modulo 2^42, << 22 | pid. 0: free.
enum { RB_PROCESS_PID_BITS = 22 };

// The ended calls of a host. A call that succeeds at once changes only one word, because all callers of the host share
// the cache line. Readers add words and never subtract, so sums only grow even if calls are counted while they are
// read.
struct rb_host_counters {
    _Atomic uint64_t calls;       // calls with one attempt or more
    _Atomic uint64_t retries;     // attempts after the first of these calls
    _Atomic uint64_t failures;    // calls whose failure the program got
    _Atomic uint64_t unattempted; // calls that ended before their first attempt
    _Atomic uint64_t rejected;    // of these, the calls that the breaker refused
};

// A policy. Its place is claimed by the hash of the name; the name is valid if the checksum is right.
struct rb_state_policy {
    _Alignas(64) _Atomic uint64_t key; // 0: free
    _Atomic uint64_t off;              // 1: calls pass through
    _Atomic uint64_t check;
    struct rb_host_counters rest; // calls of hosts that have no cell, or have lost it
    _Atomic uint64_t name[RB_STATE_WORDS(RB_STATE_POLICY_SIZE)];
};

// A decision, stored as words: see state/ring.h.
struct rb_state_event {
    _Alignas(64) _Atomic uint64_t number; // counts from 1; 0: none yet
    _Atomic uint64_t check;               // checksum of the number and the words
    _Atomic uint64_t words[RB_STATE_EVENT_WORDS];
};

// The cell of a host (or policy): the data that its calls share.
struct rb_cell {
    _Alignas(64) _Atomic uint64_t key; // 0: free
    _Atomic uint64_t used_ms;          // last use to the second, for eviction
    _Atomic uint64_t check;            // checksum of key and names; 0: the names are not written yet
    _Atomic uint64_t rules;            // rules of the latest user, for display: see rb_state_pack_rules
    _Atomic uint64_t budget_rules;     // ratio << 32 | floor_milli
    struct rb_breaker breaker;
    struct rb_budget budget;
    struct rb_not_before not_before;               // Retry-After for all callers (503)
    struct rb_tenants tenants;                     // Retry-After for single credentials (429)
    _Alignas(64) struct rb_host_counters counters; // on a cache line that calls do not read
    _Atomic uint64_t policy[RB_STATE_WORDS(RB_STATE_POLICY_SIZE)];
    _Atomic uint64_t host[RB_STATE_WORDS(RB_STATE_HOST_SIZE)]; // "host:port"; "" if breaker.scope is policy
};

_Static_assert(sizeof(struct rb_state_header) == 64 * 8, "the layout is fixed");
_Static_assert(sizeof(struct rb_state_policy) == 128, "the layout is fixed");
_Static_assert(sizeof(struct rb_state_event) == 448, "the layout is fixed");
_Static_assert(sizeof(struct rb_counters) == 640, "the layout is fixed");
_Static_assert(sizeof(struct rb_cell) == 1408, "the layout is fixed");

// A mapping of this layout and pointers to its parts. The number of cells is kept outside the mapping, where no other
// process can change it.
struct rb_state {
    struct rb_state_header *header;
    _Atomic uint64_t *processes;
    struct rb_state_policy *policies;
    struct rb_counters *counters; // [policy * RB_STATE_STRIPES + stripe]
    struct rb_state_event *events;
    struct rb_cell *cells;
    uint32_t cell_count;
};

// Returns the size of a state with so many cells, in bytes.
uint64_t rb_state_size(uint32_t cells);

// Sets the pointers to the parts of a mapping of rb_state_size(cells) bytes.
void rb_state_parts(struct rb_state *state, void *memory, uint32_t cells);

// Fills in the constant words of the header.
void rb_state_describe(struct rb_state_constants *constants, uint32_t cells);

enum rb_state_fault { RB_STATE_SOUND, RB_STATE_OTHER_VERSION, RB_STATE_DAMAGED };

// Compares the constant words of a header and the size of its file with those of this build. *cells receives the number
// of cells of a sound file.
enum rb_state_fault rb_state_examine(const struct rb_state_constants *constants, uint64_t file_size, uint32_t *cells);

// Resets everything but the processes, while other processes continue: breakers are closed in a new generation,
// counters are 0.
void rb_state_reset(const struct rb_state *state, uint64_t now_s);

// Copy between plain memory and words of the file, word by word.
void rb_state_store(_Atomic uint64_t *to, unsigned words, const void *from);
void rb_state_load(const _Atomic uint64_t *from, unsigned words, void *to);

// Returns a checksum of plain memory that starts with `seed`; never 0. Each word, beginning with the seed, is mixed
// into the whole sum (multiplier and shift of MurmurHash64A) before the next one, so that a mixture of two entries
// never has a right checksum by cancellation.
uint64_t rb_state_checksum(uint64_t seed, const void *bytes, unsigned words);

// Copies text as stored in the file: cut to size - 1 bytes, but not inside a character, and padded with zeros.
void rb_state_pad(char *out, size_t size, const char *text);

// Returns whether `size` bytes hold a terminated text. Its bytes can be any, so it is shown with base/escape.h.
bool rb_state_is_terminated(const char *bytes, size_t size);

// Packs the part of a breaker's rules that commands display into one word, and unpacks it.
uint64_t rb_state_pack_rules(const struct rb_breaker_rules *rules);
struct rb_breaker_rules rb_state_unpack_rules(uint64_t word);

#endif

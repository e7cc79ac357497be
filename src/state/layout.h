// SPDX-License-Identifier: MIT
// What the processes of a user share, byte by byte: the mapped file, in the order of this header.
//
//   header | processes | policies (names) | stripes of counters | events | cells
//
// Nothing but 64-bit atomics: the same for 32 and 64 bits, for every libc, and valid when zeroed. No pointers; a number
// read from the file is compared with what this build makes of it, once, and never read from there again. A process may
// die between any two stores: what needs several words carries a checksum over them, and who finds it wrong passes on.
#ifndef RB_STATE_LAYOUT_H
#define RB_STATE_LAYOUT_H

#include <stdatomic.h>
#include <stddef.h>

#include "engine/breaker.h"
#include "engine/budget.h"
#include "engine/call.h"
#include "engine/event.h"
#include "engine/not_before.h"
#include "engine/tenants.h"
#include "policy/policy.h"

enum {
    RB_STATE_VERSION = 3,
    RB_STATE_PROCESSES = 512,
    RB_STATE_POLICIES = 64,
    RB_STATE_STRIPES = 8, // copies of the counters: processes count on different lines
    RB_STATE_EVENTS = 512,
    RB_STATE_POLICY_SIZE = RB_SECTION_NAME_SIZE, // names with their terminators
    RB_STATE_HOST_SIZE = 128,
    RB_STATE_PROGRAM_SIZE = 32,
    RB_STATE_EVENT_WORDS = 32,
    RB_STATE_TROUBLE_WORDS = 23
};

#define RB_STATE_MAGIC UINT64_C(0x657461747342520a) // "\nRBstate" in little endian

// Text of SIZE bytes as it stands in the file.
#define RB_STATE_WORDS(size) ((size) / 8)

// ---- counters ----

// How a call of the program ended.
enum rb_result {
    RB_RESULT_SUCCESS,   // at once
    RB_RESULT_RECOVERED, // after an attempt that failed
    RB_RESULT_FAILED,    // the failure was handed to the program
    RB_RESULT_REFUSED,   // by an open breaker, without an attempt
    RB_RESULT_STALE,     // the last good answer stood in
    RB_RESULT_COUNT
};

enum { RB_DURATION_BUCKETS = 16 };

// The counters of a policy by number. Groups begin at their first one.
enum rb_counter {
    RB_COUNTER_CALLS = 0, // [api][result]
    RB_COUNTER_ATTEMPTS = RB_COUNTER_CALLS + RB_API_COUNT * RB_RESULT_COUNT,
    RB_COUNTER_RETRIES,                                          // [enum rb_cause]
    RB_COUNTER_SUPPRESSED = RB_COUNTER_RETRIES + RB_CAUSE_COUNT, // [enum rb_reason]
    RB_COUNTER_BACKOFF_MS = RB_COUNTER_SUPPRESSED + RB_REASON_COUNT,
    RB_COUNTER_TRANSITIONS, // [enum rb_breaker_state], into it
    RB_COUNTER_REJECTED = RB_COUNTER_TRANSITIONS + RB_BREAKER_STATES,
    RB_COUNTER_RESENDS,
    RB_COUNTER_DURATION, // [bucket], each call with an attempt in one of them
    RB_COUNTER_DURATION_MS = RB_COUNTER_DURATION + RB_DURATION_BUCKETS, // sum
    RB_COUNTER_COUNT
};

// Upper bounds of the buckets of call durations in milliseconds, included; the last one has none (UINT64_MAX).
uint64_t rb_duration_bound_ms(unsigned bucket);

// One stripe of one policy's counters.
struct rb_counters {
    _Alignas(64) _Atomic uint64_t values[RB_COUNTER_COUNT];
};

// ---- parts ----

// A line of the log that is lost: see state/trouble.h. Texts are padded with zeros.
struct rb_state_trouble {
    uint64_t unix_ms;
    uint64_t process; // as in the table of processes
    uint32_t user;    // effective
    uint32_t error;   // enum rb_sink_error
    char destination[RB_STATE_HOST_SIZE];
    char program[RB_STATE_PROGRAM_SIZE];
};

struct rb_state_log {
    _Atomic uint64_t lost;                          // lines that no log took
    _Atomic uint64_t check;                         // of the words; 0: there is no trouble
    _Atomic uint64_t words[RB_STATE_TROUBLE_WORDS]; // struct rb_state_trouble, the latest
};

struct rb_state_header {
    // Written before anybody sees the file, and compared as a whole.
    uint64_t magic;
    uint64_t version;
    uint64_t sizes[6]; // of header, process, policy, counters, event, cell: bytes of one | how many << 32
    uint64_t size;     // of the file
    uint64_t checksum; // of the words above
    // Changing.
    _Atomic uint64_t boot;         // which start of the kernel this is of: clocks begin anew with it
    _Atomic uint64_t born_s;       // seconds since 1970 when it was made or reset
    _Atomic uint64_t event_next;   // events ever begun; not even a reset begins anew, for those who follow
    _Atomic uint64_t event_lost;   // events that met a newer one in their place
    _Atomic uint64_t evicted;      // cells given up for another host
    _Atomic uint64_t crowded;      // calls without a cell: all in reach were open
    _Atomic uint64_t uncounted;    // policies for which there was no place
    _Atomic uint64_t policies_off; // 0: no policy was ever switched off
    _Atomic uint64_t reload;       // the last reload: seconds since 1970 << 1 | 1 where it succeeded; 0: none yet
    struct rb_state_log log;
    _Atomic uint64_t secret[2]; // random, written when the file is made: the key of hashes of credentials
    _Atomic uint64_t reserved[18];
};

// A process, in one word: start time in clock ticks since boot, modulo 2^42, << 22 | pid. 0: free.
enum { RB_PROCESS_PID_BITS = 22 };

// The calls of a host that ended. A call that succeeds at once changes one word: all callers of the host share it.
// Readers add words and never subtract them. So the sums only grow, whatever is counted while they are read.
struct rb_host_counters {
    _Atomic uint64_t calls;       // calls with one attempt or more
    _Atomic uint64_t retries;     // attempts after the first of these calls
    _Atomic uint64_t failures;    // calls whose failure was handed to the program
    _Atomic uint64_t unattempted; // calls that ended before their first attempt
    _Atomic uint64_t rejected;    // those of them that the breaker refused
};

// A name is claimed by its hash and believed when the checksum is right.
struct rb_state_policy {
    _Alignas(64) _Atomic uint64_t key; // 0: free
    _Atomic uint64_t off;              // 1: calls pass through
    _Atomic uint64_t check;
    struct rb_host_counters rest; // of calls whose hosts have no cell, or have lost it
    _Atomic uint64_t name[RB_STATE_WORDS(RB_STATE_POLICY_SIZE)];
};

// A decision, as words: see state/ring.h.
struct rb_state_event {
    _Alignas(64) _Atomic uint64_t number; // counts from 1; 0: none yet
    _Atomic uint64_t check;               // of the number and the words
    _Atomic uint64_t words[RB_STATE_EVENT_WORDS];
};

// One host (or policy): what its calls share.
struct rb_cell {
    _Alignas(64) _Atomic uint64_t key; // 0: free
    _Atomic uint64_t used_ms;          // last use to the second, for eviction
    _Atomic uint64_t check;            // of key and names; 0: they are not written yet
    _Atomic uint64_t rules;            // of the latest user, for who looks: see rb_state_pack_rules
    _Atomic uint64_t budget_rules;     // ratio << 32 | floor_milli
    struct rb_breaker breaker;
    struct rb_budget budget;
    struct rb_not_before not_before;               // what the host asked for, whoever calls (503)
    struct rb_tenants tenants;                     // what the host asked of single credentials (429)
    _Alignas(64) struct rb_host_counters counters; // apart from what each call reads
    _Atomic uint64_t policy[RB_STATE_WORDS(RB_STATE_POLICY_SIZE)];
    _Atomic uint64_t host[RB_STATE_WORDS(RB_STATE_HOST_SIZE)]; // "host:port"; "" where breaker.scope is policy
};

_Static_assert(sizeof(struct rb_state_header) == 64 * 8, "the layout is fixed");
_Static_assert(sizeof(struct rb_state_policy) == 128, "the layout is fixed");
_Static_assert(sizeof(struct rb_state_event) == 320, "the layout is fixed");
_Static_assert(sizeof(struct rb_counters) == 576, "the layout is fixed");
_Static_assert(sizeof(struct rb_cell) == 1408, "the layout is fixed");

// A mapping of this layout, and its parts. The number of cells is kept outside the mapping.
struct rb_state {
    struct rb_state_header *header;
    _Atomic uint64_t *processes;
    struct rb_state_policy *policies;
    struct rb_counters *counters; // [policy * RB_STATE_STRIPES + stripe]
    struct rb_state_event *events;
    struct rb_cell *cells;
    uint32_t cell_count;
};

// The size of a state of so many cells, in bytes.
uint64_t rb_state_size(uint32_t cells);

// Finds the parts in a mapping of rb_state_size(cells) bytes.
void rb_state_parts(struct rb_state *state, void *memory, uint32_t cells);

// Writes the words of the header that do not change.
void rb_state_describe(struct rb_state_header *header, uint32_t cells);

enum rb_state_fault { RB_STATE_SOUND, RB_STATE_OTHER_VERSION, RB_STATE_DAMAGED };

// Compares a header, and the size of its file, with what this build would write. *cells receives the number of cells of
// a sound one.
enum rb_state_fault rb_state_examine(const struct rb_state_header *header, uint64_t file_size, uint32_t *cells);

// Forgets everything but the processes, while others go on working: breakers closed in a new generation, counters 0.
void rb_state_forget(const struct rb_state *state, uint64_t now_s);

// Between plain memory and words of the file, one by one.
void rb_state_store(_Atomic uint64_t *to, unsigned words, const void *from);
void rb_state_load(const _Atomic uint64_t *from, unsigned words, void *to);

// A checksum over plain memory, begun with `seed`; never 0. Each word, the seed first, is spread over the whole sum
// (the multiplier and shift of MurmurHash64A) before the next one comes: parts of two entries never make up for each
// other.
uint64_t rb_state_checksum(uint64_t seed, const void *bytes, unsigned words);

// Copies text as the file has it: cut to size - 1 bytes, the rest zeroed.
void rb_state_pad(char *out, size_t size, const char *text);

// Whether `size` bytes hold a terminated text that a terminal may show: no control characters.
bool rb_state_is_text(const char *bytes, size_t size);

// What a reader must know of a breaker's rules, in one word.
uint64_t rb_state_pack_rules(const struct rb_breaker_rules *rules);
struct rb_breaker_rules rb_state_unpack_rules(uint64_t word);

#endif

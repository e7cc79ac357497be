// SPDX-License-Identifier: MIT
// The findings of `rebound doctor` about a command, and its conclusions.
#ifndef RB_CLI_DOCTOR_DOCTOR_H
#define RB_CLI_DOCTOR_DOCTOR_H

#include "cli/doctor/family.h"
#include "cli/doctor/needed.h"
#include "cli/policy/source.h"
#include "cli/run/program.h"

// How completely calls of one kind, or of the whole program, are intercepted.
enum rb_reach {
    RB_REACH_UNUSED, // no such calls were found
    RB_REACH_FULL,
    RB_REACH_PART,
    RB_REACH_NONE,
    RB_REACH_UNKNOWN, // the executable cannot be read
    RB_REACH_COUNT
};

enum rb_kind { RB_KIND_CURL, RB_KIND_HTTP, RB_KIND_CONNECT, RB_KIND_NONBLOCKING, RB_KIND_DNS, RB_KIND_COUNT };

// The role of an object in the program. Only calls of RB_ROLE_PROGRAM are judged.
enum rb_role {
    RB_ROLE_PROGRAM, // the executable, or a library that it uses
    RB_ROLE_LIBC,
    RB_ROLE_LIBCURL,
    RB_ROLE_BENEATH, // needed only by libcurl, so its calls are part of libcurl's
    RB_ROLE_MISSING, // not found
    RB_ROLE_COUNT
};

struct rb_member {
    enum rb_role role;
    bool imports[RB_FAMILY_NAMES_MAX]; // by index in rb_family_table
    bool exports_curl;                 // exports curl_easy_perform
    bool own_curl;                     // contains a libcurl
    bool own_ssl;                      // contains an OpenSSL, and is not libssl itself
    bool own_uring;                    // contains liburing
    bool uv;                           // contains libuv
    bool uv_ring;                      // contains libuv 1.50 or later, which registers sockets by io_uring
    bool go;                           // compiled by Go
    bool java;                         // belongs to a Java runtime
    bool dotnet;                       // starts the runtime of .NET
    bool erlang;                       // the runtime of Erlang
};

// What happens to a response of HTTP/1.x without libcurl that the policy would repeat.
enum rb_fate {
    RB_FATE_NONE, // the program does not connect
    RB_FATE_REPEATED,
    RB_FATE_KEPT,    // repeated if the server keeps the connection open
    RB_FATE_COUNTED, // counted and logged; the program gets it
    RB_FATE_PASSED,  // not examined
    RB_FATE_COUNT
};

// By the way in which the program waits for the response: in a blocking read, poll or select; in an event loop.
struct rb_fates {
    enum rb_fate wait, loop;
};

enum rb_libc { RB_LIBC_OTHER, RB_LIBC_GLIBC, RB_LIBC_MUSL };

enum { RB_DOCTOR_TEXT_SIZE = 512, RB_DOCTOR_NOTES_MAX = 16 };

struct rb_call_reach {
    enum rb_reach reach;
    bool functions[RB_FAMILY_NAMES_MAX]; // functions of this kind that the program imports
    char reason[RB_DOCTOR_TEXT_SIZE];    // "" if everything is intercepted. RB_KIND_HTTP: how responses are repeated
    const char *advice;                  // NULL if there is nothing to do
};

struct rb_findings {
    // About the command.
    const char *wrapper; // the first word of the command if another program is examined; NULL otherwise
    struct rb_program_chain chain;
    struct rb_needed_list list;
    struct rb_member *members; // one for each item of the list
    enum rb_libc libc;
    char libc_version[16]; // for example "2.36"; "" if unknown
    enum rb_obstacle obstacle;
    // About rebound.
    char library[PATH_MAX];              // "" if not found
    struct rb_elf_file library_file;     // zeroes if not found or not an ELF file
    bool in_front[RB_FAMILY_NAMES_MAX];  // functions that the library exports
    const char *preloaded;               // where the library is already listed: "LD_PRELOAD" or "/etc/ld.so.preload"
    struct rb_source source;             // of the policy
    struct rb_pairs pairs;               // REBOUND_SET
    struct rb_policy *policy;            // NULL if it cannot be used
    char remedy[RB_SOURCE_MESSAGE_SIZE]; // what to do if the policy cannot be used
    char left_out[NAME_MAX + 1]; // the name that `programs` or `skip` excludes; "" if the policy covers the program
    // Short answers to both.
    bool readable;         // the executable could be read; otherwise list and members are empty
    bool disabled;         // REBOUND_DISABLE
    bool others_preloaded; // LD_PRELOAD lists other libraries
    bool wrong_pairs;      // the policy cannot be used, and all its errors are in REBOUND_SET
    // Conclusions.
    enum rb_reach reach;
    char reason[RB_DOCTOR_TEXT_SIZE]; // why nothing is intercepted, "" if something is
    const char *advice;
    struct rb_call_reach calls[RB_KIND_COUNT];
    struct rb_fates plain, tls; // of responses without libcurl
    char notes[RB_DOCTOR_NOTES_MAX][RB_DOCTOR_TEXT_SIZE];
    unsigned note_count;
};

// Collects all findings. Reports mistakes in the policy on stderr. Returns 0; -ENOENT with findings->chain.missing if
// an interpreter does not exist; -ENOEXEC if the last file of the chain is not a program; -ENOMEM. Call
// rb_doctor_collect_free in any case.
//   path: the command's file
//   policy: of --policy, or NULL
int rb_doctor_collect(struct rb_findings *findings, const char *path, const char *policy);
void rb_doctor_collect_free(struct rb_findings *findings);

// Computes reach, reason, advice, calls and notes from the findings and from UV_USE_IO_URING.
void rb_doctor_judge(struct rb_findings *findings);

// The executable that is loaded in the end.
const char *rb_doctor_collect_executable(const struct rb_findings *findings);

// Names for JSON ("intercepted", "connect.nonblocking", "libcurl") and titles for text.
const char *rb_reach_name(enum rb_reach reach);
const char *rb_kind_name(enum rb_kind kind);
const char *rb_fate_name(enum rb_fate fate); // NULL for RB_FATE_NONE
const char *rb_kind_title(enum rb_kind kind);
const char *rb_role_name(enum rb_role role);

// The names of an executable's machine and libc, never NULL. out: 32 bytes.
const char *rb_doctor_words_machine(const struct rb_elf_file *file, char out[32]);
const char *rb_doctor_words_libc(const struct rb_findings *findings);

// Writes the names of the functions that are true, separated by ", ". Returns their number.
unsigned rb_functions_list(const bool functions[RB_FAMILY_NAMES_MAX], char *out, size_t size);

// Print the findings. rb_doctor_json returns 0 or -ENOMEM.
void rb_doctor_text(const struct rb_findings *findings);
int rb_doctor_json(const struct rb_findings *findings);

#endif

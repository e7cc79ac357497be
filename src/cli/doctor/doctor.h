// SPDX-License-Identifier: MIT
// What `doctor` finds out about a command, and what follows from it.
#ifndef RB_CLI_DOCTOR_H
#define RB_CLI_DOCTOR_H

#include "cli/doctor/family.h"
#include "cli/doctor/needed.h"
#include "cli/policy/source.h"
#include "cli/run/program.h"

// How far calls of one kind, or of a whole program, are intercepted.
enum rb_reach {
    RB_REACH_UNUSED, // nothing that can be seen makes such calls
    RB_REACH_FULL,
    RB_REACH_PART,
    RB_REACH_NONE,
    RB_REACH_UNKNOWN, // the executable cannot be read
    RB_REACH_COUNT
};

enum rb_kind { RB_KIND_CURL, RB_KIND_CONNECT, RB_KIND_NONBLOCKING, RB_KIND_DNS, RB_KIND_COUNT };

// What an object is to the program. Only calls of RB_ROLE_PROGRAM count.
enum rb_role {
    RB_ROLE_PROGRAM, // the executable, or a library that calls for it
    RB_ROLE_LIBC,
    RB_ROLE_LIBCURL,
    RB_ROLE_BENEATH, // needed by libcurl alone: its calls are part of libcurl's
    RB_ROLE_MISSING, // not found
    RB_ROLE_COUNT
};

struct rb_member {
    enum rb_role role;
    bool imports[RB_FAMILY_NAMES_MAX]; // by index of rb_family_table
    bool exports_curl;                 // curl_easy_perform, for others
    bool own_curl;                     // has a libcurl in itself
    bool own_uring;                    // has liburing in itself
    bool uv;                           // has libuv in itself
    bool go;                           // made by Go's compiler
};

enum rb_libc { RB_LIBC_OTHER, RB_LIBC_GLIBC, RB_LIBC_MUSL };

enum { RB_DOCTOR_TEXT_SIZE = 512, RB_DOCTOR_NOTES_MAX = 16 };

struct rb_call_reach {
    enum rb_reach reach;
    bool functions[RB_FAMILY_NAMES_MAX]; // of this kind, imported by the program
    char reason[RB_DOCTOR_TEXT_SIZE];    // "" where all is well
    const char *advice;                  // NULL where there is nothing to do
};

struct rb_findings {
    // The command.
    struct rb_program_chain chain;
    bool readable; // the executable could be read; list and members are about it
    struct rb_needed_list list;
    struct rb_member *members; // for each of the list
    enum rb_libc libc;
    char libc_version[16]; // "2.36", "" where it is not known
    enum rb_obstacle obstacle;
    // Our side.
    bool disabled;                       // REBOUND_DISABLE
    char library[PATH_MAX];              // "" where none was found
    struct rb_elf_file library_file;     // zeroes: not there, or no ELF file
    bool in_front[RB_FAMILY_NAMES_MAX];  // functions that the library exports
    const char *preloaded;               // where the library is named already: "LD_PRELOAD", "/etc/ld.so.preload"
    bool others_preloaded;               // LD_PRELOAD names something else
    struct rb_source source;             // of the policy
    struct rb_policy *policy;            // NULL: it cannot be used
    char remedy[RB_SOURCE_MESSAGE_SIZE]; // what to do where the policy cannot be used
    bool left_out;                       // `programs` or `skip` leaves the program out
    // What follows.
    enum rb_reach reach;
    char reason[RB_DOCTOR_TEXT_SIZE]; // why nothing can be intercepted, "" where something can
    const char *advice;
    struct rb_call_reach calls[RB_KIND_COUNT];
    char notes[RB_DOCTOR_NOTES_MAX][RB_DOCTOR_TEXT_SIZE];
    unsigned note_count;
};

// Looks at everything. path: the command as found. policy: of --policy, or NULL. Mistakes in the policy are said on
// stderr. Returns 0; -ENOENT with findings->chain.missing when an interpreter is not there; -ENOEXEC when the last file
// of the chain is no program; -ENOMEM. rb_findings_free in any case.
int rb_findings_collect(struct rb_findings *findings, const char *path, const char *policy);
void rb_findings_free(struct rb_findings *findings);

// Draws the conclusions: reach, reason, advice, calls, notes. Looks at nothing but the findings and UV_USE_IO_URING.
void rb_findings_judge(struct rb_findings *findings);

// The executable that is loaded in the end.
const char *rb_findings_executable(const struct rb_findings *findings);

// Words: for JSON ("intercepted", "connect.nonblocking", "libcurl") and for people.
const char *rb_reach_name(enum rb_reach reach);
const char *rb_kind_name(enum rb_kind kind);
const char *rb_kind_title(enum rb_kind kind);
const char *rb_role_name(enum rb_role role);

// The names of an executable's machine and libc, never NULL. out: 32 bytes.
const char *rb_findings_machine(const struct rb_elf_file *file, char out[32]);
const char *rb_findings_libc(const struct rb_findings *findings);

// Writes the names of the functions that are set, separated by ", ". Returns how many there are.
unsigned rb_functions_list(const bool functions[RB_FAMILY_NAMES_MAX], char *out, size_t size);

// The two printers. rb_doctor_json returns 0 or -ENOMEM.
void rb_doctor_text(const struct rb_findings *findings);
int rb_doctor_json(const struct rb_findings *findings);

#endif

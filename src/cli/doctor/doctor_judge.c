// SPDX-License-Identifier: MIT
// Derives conclusions for each kind of call and for the whole program.
#include <elf.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/doctor/doctor.h"
#include "cli/run/preload.h"
#include "policy/key.h"

// The oldest glibc that librebound.so supports; scripts/check-abi enforces it.
enum { GLIBC_MAJOR = 2, GLIBC_MINOR = 17 };

#define FORMATS(n) __attribute__((format(printf, n, (n) + 1)))

unsigned rb_functions_list(const bool functions[RB_FAMILY_NAMES_MAX], char *out, size_t size)
{
    unsigned names, count = 0;
    size_t used = 0;
    const struct rb_family_name *table = rb_family_table(&names);
    out[0] = '\0';
    for (unsigned i = 0; i < names; i++) {
        if (!functions[i])
            continue;
        if (used < size)
            used += (size_t) snprintf(out + used, size - used, "%s%s%s", count ? ", " : "", table[i].name,
                                      table[i].prefix ? "*" : "");
        count++;
    }
    return count;
}

// --- which objects use what

static bool counts(const struct rb_findings *findings, unsigned member)
{
    return findings->members[member].role == RB_ROLE_PROGRAM;
}

// Adds the functions of a family that the program imports. Returns whether there are any.
static bool uses(const struct rb_findings *findings, enum rb_family family, bool functions[RB_FAMILY_NAMES_MAX])
{
    unsigned names;
    bool any = false;
    const struct rb_family_name *table = rb_family_table(&names);
    for (unsigned m = 0; m < findings->list.count; m++) {
        for (unsigned i = 0; counts(findings, m) && i < names; i++) {
            if (table[i].family != family || !findings->members[m].imports[i])
                continue;
            any = true;
            if (functions)
                functions[i] = true;
        }
    }
    return any;
}

// Returns the name of the first object of the program with a property, or NULL.
static const char *first_with(const struct rb_findings *findings, bool (*has)(const struct rb_member *))
{
    for (unsigned m = 0; m < findings->list.count; m++)
        if (counts(findings, m) && has(&findings->members[m]))
            return rb_program_base(findings->list.items[m].name);
    return NULL;
}

static bool has_own_curl(const struct rb_member *member)
{
    return member->own_curl;
}

static bool is_go(const struct rb_member *member)
{
    return member->go;
}

static bool has_own_ssl(const struct rb_member *member)
{
    return member->own_ssl;
}

static bool is_java(const struct rb_member *member)
{
    return member->java;
}

static bool is_erlang(const struct rb_member *member)
{
    return member->erlang;
}

static bool is_dotnet(const struct rb_member *member)
{
    return member->dotnet;
}

static bool has_uv(const struct rb_member *member)
{
    return member->uv;
}

static bool has_uv_ring(const struct rb_member *member)
{
    return member->uv_ring;
}

static bool has_uring(const struct rb_member *member)
{
    unsigned names;
    const struct rb_family_name *table = rb_family_table(&names);
    bool found = member->own_uring;
    for (unsigned i = 0; i < names; i++)
        found = found || (table[i].family == RB_FAMILY_URING && member->imports[i]);
    return found;
}

// --- conclusions

static FORMATS(2) void add_note(struct rb_findings *findings, const char *format, ...)
{
    va_list arguments;
    if (findings->note_count == RB_DOCTOR_NOTES_MAX)
        return;
    va_start(arguments, format);
    vsnprintf(findings->notes[findings->note_count++], RB_DOCTOR_TEXT_SIZE, format, arguments);
    va_end(arguments);
}

// Lowers the reach. Keeps the first reason.
static FORMATS(4) void lower(struct rb_call_reach *call, enum rb_reach reach, const char *advice, const char *format,
                             ...)
{
    va_list arguments;
    if (reach > call->reach)
        call->reach = reach;
    if (call->reason[0])
        return;
    va_start(arguments, format);
    vsnprintf(call->reason, sizeof(call->reason), format, arguments);
    va_end(arguments);
    call->advice = advice;
}

// Lowers the reach for functions that the library does not export.
static void lower_for_missing(const struct rb_findings *findings, struct rb_call_reach *call, enum rb_family family)
{
    bool missing[RB_FAMILY_NAMES_MAX] = {false}, any_there = false;
    char list[RB_DOCTOR_TEXT_SIZE / 2];
    unsigned names;
    const struct rb_family_name *table = rb_family_table(&names);
    for (unsigned i = 0; i < names; i++) {
        if (table[i].family != family || !call->functions[i])
            continue;
        missing[i] = !findings->in_front[i];
        any_there = any_there || findings->in_front[i];
    }
    if (rb_functions_list(missing, list, sizeof(list)) > 0)
        lower(call, any_there ? RB_REACH_PART : RB_REACH_NONE, NULL, "librebound.so does not intercept %s", list);
}

// True if the key's value contains this word in every section (present) or in no section (!present). False if the key
// has no such word.
static bool policy_leaves_out(const struct rb_findings *findings, const char *key_name, const char *word, bool present)
{
    char value[RB_POLICY_PATH_SIZE];
    unsigned count, sections = 0;
    int index = rb_key_find(key_name);
    const struct rb_key *key = index >= 0 ? &rb_key_table(&count)[index] : NULL;
    const struct rb_section *section;
    bool known = false;
    for (const char *const *words = key ? key->words : NULL; words && *words; words++)
        known = known || strcmp(*words, word) == 0;
    if (!known || !findings->policy)
        return false;
    for (; (section = rb_policy_section(findings->policy, sections)); sections++) {
        rb_key_kind_format(key, &section->rules, value, sizeof(value));
        if ((strstr(value, word) != NULL) != present)
            return false;
    }
    return sections > 0;
}

static void lower_for_policy(const struct rb_findings *findings, struct rb_call_reach *call, const char *word)
{
    if (policy_leaves_out(findings, "intercept", word, false))
        lower(call, RB_REACH_NONE, "add it to `intercept` in the policy", "no section of the policy intercepts %s",
              word);
}

static void judge_curl(struct rb_findings *findings)
{
    struct rb_call_reach *call = &findings->calls[RB_KIND_CURL];
    const char *owner = first_with(findings, has_own_curl);
    bool used = uses(findings, RB_FAMILY_CURL, call->functions);
    if (!used && !owner)
        return;
    call->reach = RB_REACH_FULL;
    lower_for_policy(findings, call, "curl");
    if (owner)
        lower(call, used ? RB_REACH_PART : RB_REACH_NONE, "use a build that is linked with the shared libcurl",
              "%s contains its own libcurl and calls it directly", owner);
    lower_for_missing(findings, call, RB_FAMILY_CURL);
}

// Lowers the reach for connects and waits that do not go through libc.
static void lower_for_raw(const struct rb_findings *findings, struct rb_call_reach *call)
{
    const char *go = first_with(findings, is_go), *ring = first_with(findings, has_uring);
    const char *uv = first_with(findings, has_uv), *asked = getenv("UV_USE_IO_URING");
    if (go && findings->members[0].go)
        lower(call, RB_REACH_NONE, "program the retries in Go, or use a proxy that retries",
              "%s was compiled by Go, which makes system calls without libc", go);
    else if (go)
        lower(call, RB_REACH_PART, NULL, "%s was compiled by Go, which makes system calls without libc", go);
    if (ring)
        lower(call, RB_REACH_PART, "switch io_uring off if the program has an option for this",
              "%s can use io_uring, whose operations are not intercepted", ring);
    else if (uv && asked && *asked && strcmp(asked, "0") != 0)
        lower(call, RB_REACH_PART, "unset UV_USE_IO_URING",
              "UV_USE_IO_URING is set: operations of %s in io_uring are not intercepted", uv);
}

static void judge_connects(struct rb_findings *findings)
{
    struct rb_call_reach *call = &findings->calls[RB_KIND_CONNECT];
    if (!uses(findings, RB_FAMILY_CONNECT, call->functions) && !findings->members[0].go)
        return;
    call->reach = RB_REACH_FULL;
    lower_for_policy(findings, call, "connect");
    lower_for_raw(findings, call);
    lower_for_missing(findings, call, RB_FAMILY_CONNECT);
}

static void judge_nonblocking(struct rb_findings *findings)
{
    struct rb_call_reach *call = &findings->calls[RB_KIND_NONBLOCKING];
    bool waits = uses(findings, RB_FAMILY_WAIT, call->functions);
    const char *uv = first_with(findings, has_uv_ring);
    if (findings->calls[RB_KIND_CONNECT].reach == RB_REACH_UNUSED || (!waits && !findings->members[0].go)) {
        memset(call->functions, 0, sizeof(call->functions));
        return;
    }
    call->reach = RB_REACH_FULL;
    lower_for_policy(findings, call, "connect");
    if (policy_leaves_out(findings, "connect.nonblocking", "off", true))
        lower(call, RB_REACH_NONE, "set `connect.nonblocking = park`", "connect.nonblocking is off in the policy");
    lower_for_raw(findings, call);
    if (uv)
        lower(
            call, RB_REACH_PART, NULL,
            "%s contains libuv 1.50 or later, which registers sockets by io_uring if the kernel permits it: then none "
            "of these connects is repeated",
            uv);
    lower_for_missing(findings, call, RB_FAMILY_WAIT);
    uses(findings, RB_FAMILY_SOCKET, call->functions);
}

// --- HTTP without libcurl

// Adds a clause on responses of one kind.
static FORMATS(3) void say_of_http(struct rb_call_reach *call, enum rb_reach reach, const char *format, ...)
{
    va_list arguments;
    size_t used = strlen(call->reason);
    if (reach > call->reach)
        call->reach = reach;
    used += (size_t) snprintf(call->reason + used, sizeof(call->reason) - used, "%s", used > 0 ? "; " : "");
    va_start(arguments, format);
    if (used < sizeof(call->reason))
        vsnprintf(call->reason + used, sizeof(call->reason) - used, format, arguments);
    va_end(arguments);
}

static bool has_ssl_socket(const struct rb_findings *findings, const struct rb_call_reach *call)
{
    int set_fd = rb_family_find("SSL_set_fd");
    return call->functions[set_fd] || uses(findings, RB_FAMILY_SSL_FD, NULL);
}

// Python gives OpenSSL a socket, and in asyncio a buffer in memory. haproxy has functions of its own.
static void judge_openssl(struct rb_findings *findings, struct rb_call_reach *call, bool holds)
{
    bool descriptor = has_ssl_socket(findings, call);
    bool opens = !policy_leaves_out(findings, "http.tls_reconnect", "off", true);
    // In an event loop, a program that can use buffers in memory is judged as if it did.
    bool memory = uses(findings, RB_FAMILY_SSL_BIO, NULL) && !uses(findings, RB_FAMILY_SSL_FD, NULL);
    bool async = !policy_leaves_out(findings, "http.async", "off", true);
    findings->tls.loop = descriptor && holds && (!memory || async) ? RB_FATE_KEPT : RB_FATE_COUNTED;
    findings->tls.wait = !descriptor ? RB_FATE_COUNTED : opens ? RB_FATE_REPEATED : RB_FATE_KEPT;
    if (!descriptor)
        say_of_http(call, RB_REACH_PART, "HTTPS by OpenSSL without a socket is counted, not repeated");
    else if (!opens)
        say_of_http(call, RB_REACH_PART,
                    "HTTPS is not repeated if the server closes the connection, as after a request with Connection: "
                    "close");
    if (descriptor && !opens)
        call->advice =
            call->advice
                ? "in an event loop, set `http.hold` to a time below the program's limit; in other programs, set "
                  "`http.tls_reconnect = on` for HTTPS on connections that the server closes"
                : "set `http.tls_reconnect = on` for HTTPS on connections that the server closes";
}

// Returns true if the program has a TLS that the library cannot see.
static bool judge_own_tls(struct rb_findings *findings, struct rb_call_reach *call)
{
    const char *own = first_with(findings, has_own_ssl), *owner = NULL;
    if (own)
        say_of_http(call, RB_REACH_PART, "HTTPS is not examined, because %s contains its own OpenSSL", own);
    if (first_with(findings, is_java))
        owner = "Java has its own TLS";
    else if (first_with(findings, is_erlang))
        owner = "Erlang has its own TLS";
    else if (first_with(findings, is_dotnet))
        owner = ".NET has its own way to call OpenSSL";
    if (owner)
        say_of_http(call, RB_REACH_PART, "HTTPS is not examined, because %s", owner);
    if (uses(findings, RB_FAMILY_NSS, NULL))
        say_of_http(call, RB_REACH_PART, "HTTPS by NSS is not examined");
    return own || owner;
}

static void judge_https(struct rb_findings *findings, struct rb_call_reach *call, bool openssl, bool holds)
{
    findings->tls = (struct rb_fates){RB_FATE_PASSED, RB_FATE_PASSED};
    bool own = judge_own_tls(findings, call);
    // If functions of the program move the encrypted bytes (wget2), the library may not find the socket of the
    // connection.
    bool flows = uses(findings, RB_FAMILY_OWN_FLOW, NULL);
    if (uses(findings, RB_FAMILY_GNUTLS, NULL)) {
        findings->tls.wait = findings->tls.loop = flows ? RB_FATE_PASSED : RB_FATE_COUNTED;
        say_of_http(call, RB_REACH_PART,
                    flows ? "HTTPS by GnuTLS is not examined" : "HTTPS by GnuTLS is counted, not repeated");
    }
    if (openssl && !own)
        judge_openssl(findings, call, holds);
    if (uses(findings, RB_FAMILY_HTTP2, NULL))
        say_of_http(call, RB_REACH_PART, "HTTP/2 is not examined");
}

static void judge_plain(struct rb_findings *findings, struct rb_call_reach *call, bool holds)
{
    bool waits[RB_FAMILY_NAMES_MAX] = {false};
    const char *loop = first_with(findings, has_uv);
    uses(findings, RB_FAMILY_WAIT, waits);
    bool epoll = waits[rb_family_find("epoll_wait")] || waits[rb_family_find("epoll_pwait")];
    if (!loop && first_with(findings, is_dotnet))
        loop = ".NET";
    findings->plain = (struct rb_fates){RB_FATE_REPEATED, holds ? RB_FATE_REPEATED : RB_FATE_COUNTED};
    if (loop && holds)
        say_of_http(call, RB_REACH_FULL,
                    "a response such as 503 or 429 is repeated on a plain socket within `http.hold`");
    else if (loop)
        say_of_http(call, RB_REACH_PART,
                    "a response such as 503 or 429 is counted, not repeated: the event loop of %s does not show the "
                    "time limit of the request",
                    loop);
    else
        say_of_http(call, RB_REACH_FULL,
                    "a response such as 503 or 429 is repeated on a plain socket%s, if the program waits for it by a "
                    "blocking read, by poll or by select%s",
                    has_ssl_socket(findings, call) ? ", and over OpenSSL on a socket" : "",
                    !epoll  ? ""
                    : holds ? ", or in an event loop (epoll) within `http.hold`"
                            : ", and not in an event loop (epoll)");
    if (!holds && epoll)
        call->reach = RB_REACH_PART;
    if (!holds && (loop || epoll))
        call->advice = "in an event loop, set `http.hold` to a time below the program's limit, or program the retries";
}

// The files do not show whether a program speaks HTTP. So this verdict does not count for that on the whole program.
static void judge_http(struct rb_findings *findings)
{
    struct rb_call_reach *call = &findings->calls[RB_KIND_HTTP];
    bool openssl = uses(findings, RB_FAMILY_SSL, call->functions);
    bool holds = !policy_leaves_out(findings, "http.hold", "off", true);
    if (findings->calls[RB_KIND_CONNECT].reach == RB_REACH_UNUSED) {
        memset(call->functions, 0, sizeof(call->functions));
        return;
    }
    call->reach = RB_REACH_FULL;
    findings->plain = findings->tls = (struct rb_fates){RB_FATE_PASSED, RB_FATE_PASSED};
    lower_for_policy(findings, call, "http");
    if (findings->members[0].go)
        lower_for_raw(findings, call);
    lower_for_missing(findings, &findings->calls[RB_KIND_HTTP], RB_FAMILY_CONNECT);
    if (call->reason[0])
        return;
    judge_plain(findings, call, holds);
    judge_https(findings, call, openssl, holds);
    if (call->reach == RB_REACH_PART && !call->advice)
        call->advice = "where the program speaks HTTP this way, program the retries or use a client with libcurl";
}

static void judge_dns(struct rb_findings *findings)
{
    struct rb_call_reach *call = &findings->calls[RB_KIND_DNS];
    bool others[RB_FAMILY_NAMES_MAX] = {false}, used = uses(findings, RB_FAMILY_DNS, call->functions);
    bool go = findings->members[0].go;
    char list[RB_DOCTOR_TEXT_SIZE / 2];
    uses(findings, RB_FAMILY_RESOLVER, others);
    unsigned resolvers = rb_functions_list(others, list, sizeof(list));
    if (!used && resolvers == 0 && !go)
        return;
    call->reach = RB_REACH_FULL;
    lower_for_policy(findings, call, "dns");
    if (go)
        lower(call, used ? RB_REACH_PART : RB_REACH_NONE, used ? "set GODEBUG=netdns=cgo" : NULL,
              "Go uses its own resolver");
    if (resolvers > 0)
        lower(call, used ? RB_REACH_PART : RB_REACH_NONE, NULL, "some names are looked up without getaddrinfo: %s",
              list);
    lower_for_missing(findings, call, RB_FAMILY_DNS);
}

// --- notes

static void note_loading(struct rb_findings *findings)
{
    bool loader[RB_FAMILY_NAMES_MAX] = {false}, namespace[RB_FAMILY_NAMES_MAX] = {false};
    char list[RB_DOCTOR_TEXT_SIZE / 2];
    uses(findings, RB_FAMILY_LOADER, loader);
    int dlopen = rb_family_find("dlopen"), dlsym = rb_family_find("dlsym");
    bool keep = findings->policy && rb_policy_process(findings->policy)->deepbind_keep;
    bool cured = findings->in_front[dlopen] && !keep;
    if (loader[dlopen])
        add_note(findings,
                 "the program may load plug-ins (dlopen): their calls are not listed here, but are intercepted%s",
                 cured ? ", also with RTLD_DEEPBIND" : ", except with RTLD_DEEPBIND");
    if (loader[dlopen] && keep)
        add_note(findings, "`deepbind = keep` in the policy does not change RTLD_DEEPBIND");
    if (loader[dlsym])
        add_note(findings, "the program looks up functions at run time (dlsym): %s",
                 findings->in_front[dlsym] ? "it gets the functions of rebound"
                                           : "these functions are not intercepted");
    uses(findings, RB_FAMILY_NAMESPACE, namespace);
    if (rb_functions_list(namespace, list, sizeof(list)) > 0)
        add_note(findings, "functions found with %s are not intercepted", list);
}

// The runtime of AddressSanitizer checks whether it is the first library. `rebound run` switches the check off.
static void note_asan(struct rb_findings *findings)
{
    const char *options = getenv("ASAN_OPTIONS");
    bool checked = !options || !strstr(options, "verify_asan_link_order=0");
    for (unsigned i = 1; i < findings->list.count; i++) {
        const char *name = rb_program_base(findings->list.items[i].name);
        if (strncmp(name, "libasan.", 8) != 0 && strncmp(name, "libclang_rt.asan", 16) != 0)
            continue;
        add_note(findings,
                 "the program contains AddressSanitizer (%s): 'rebound run' sets verify_asan_link_order=0 in "
                 "ASAN_OPTIONS, without which the program does not start with a preloaded library",
                 name);
        if (findings->preloaded && checked)
            add_note(findings,
                     "without 'rebound run' the program does not start: librebound.so is listed in %s, and "
                     "ASAN_OPTIONS lacks verify_asan_link_order=0",
                     findings->preloaded);
    }
}

// Names the files that are listed although the program does not need them.
static void note_parts(struct rb_findings *findings)
{
    const struct rb_needed_list *list = &findings->list;
    for (unsigned i = list->count - list->parts; i < list->count; i++)
        if (list->items[i].by == 0)
            add_note(findings, "the calls of %s count as the program's: it loads or starts this file when needed",
                     list->items[i].path);
}

static void note_rest(struct rb_findings *findings)
{
    if (findings->wrapper)
        add_note(findings, "the command %s starts this program; other programs that it starts are not examined",
                 findings->wrapper);
    if (uses(findings, RB_FAMILY_RAW, NULL))
        add_note(
            findings,
            "the program can make system calls without libc (syscall): a connect made this way is not intercepted, and "
            "a "
            "process that waits for its sockets this way repeats no non-blocking connects (`bypassed` in the log)");
    if (first_with(findings, has_uring) || first_with(findings, has_uv))
        add_note(findings,
                 "a process that sets up an io_uring repeats no non-blocking connects from then on (`bypassed` in "
                 "the log)");
    if (uses(findings, RB_FAMILY_SECCOMP, NULL))
        add_note(findings,
                 "the program can install a seccomp filter (seccomp_load): from then on nothing is repeated in its "
                 "process (`sandbox` in the log)");
    if (uses(findings, RB_FAMILY_START, NULL))
        add_note(findings, "the program can start other programs, which also run under rebound: examine each of them "
                           "with 'rebound doctor'");
    if (findings->preloaded)
        add_note(findings, "librebound.so is already listed in %s", findings->preloaded);
    if (findings->others_preloaded)
        add_note(findings, "LD_PRELOAD also lists other libraries, whose functions come before those of rebound");
    for (unsigned i = 0; i < findings->list.count - findings->list.parts; i++)
        if (findings->members[i].role == RB_ROLE_MISSING)
            add_note(findings, "%s was not found, so the program will not start", findings->list.items[i].name);
}

// --- the whole program

static FORMATS(3) void block(struct rb_findings *findings, const char *advice, const char *format, ...)
{
    va_list arguments;
    if (findings->reason[0])
        return;
    va_start(arguments, format);
    vsnprintf(findings->reason, sizeof(findings->reason), format, arguments);
    va_end(arguments);
    findings->advice = advice;
}

static void block_by_library(struct rb_findings *findings)
{
    if (!findings->library[0])
        block(findings, "install rebound: `make install`", "librebound.so is not installed");
    else if (!findings->library_file.data)
        block(findings, "install rebound again: `make install`", "%s cannot be read or is not an ELF file",
              findings->library);
    else if (!rb_preload_can_hold(findings->library))
        block(findings, "install rebound in a directory without spaces and colons",
              "LD_PRELOAD cannot contain a path with a space or a colon: %s", findings->library);
}

// Finds reasons that prevent interception of all calls. The first one is reported.
static void block_all(struct rb_findings *findings)
{
    const char *executable = rb_doctor_collect_executable(findings);
    const char *version = findings->libc_version; // "" if it is not known
    char *rest;
    long major = strtol(version, &rest, 10), minor = *rest == '.' ? strtol(rest + 1, NULL, 10) : 0;
    bool old = *version && (major < GLIBC_MAJOR || (major == GLIBC_MAJOR && minor < GLIBC_MINOR));
    enum rb_obstacle obstacle = findings->obstacle;
    if (obstacle != RB_OBSTACLE_NONE)
        block(findings, rb_obstacle_advice(obstacle), "%s %s",
              obstacle == RB_OBSTACLE_CLEARED ? findings->chain.files[0] : executable, rb_obstacle_text(obstacle));
    if (findings->disabled)
        block(findings, "unset REBOUND_DISABLE", "REBOUND_DISABLE is set");
    block_by_library(findings);
    if (findings->wrong_pairs)
        block(findings, "correct REBOUND_SET", "REBOUND_SET has an error");
    else if (!findings->policy)
        block(findings, findings->remedy, "the policy cannot be used: %s", findings->source.path);
    if (findings->left_out[0])
        block(findings, "change `programs` or `skip` in [rebound]", "the policy excludes programs named %s",
              findings->left_out);
    if (old)
        block(findings, "use a newer system", "glibc %s is older than %d.%d, which librebound.so needs", version,
              GLIBC_MAJOR, GLIBC_MINOR);
}

static void block_calls(struct rb_findings *findings)
{
    bool known = findings->list.count > 0 && findings->obstacle != RB_OBSTACLE_STATIC;
    if (findings->calls[RB_KIND_HTTP].reach != RB_REACH_UNUSED || !known)
        findings->plain = findings->tls = (struct rb_fates){RB_FATE_PASSED, RB_FATE_PASSED};
    for (int kind = 0; kind < RB_KIND_COUNT; kind++) {
        struct rb_call_reach *call = &findings->calls[kind];
        if (known && call->reach == RB_REACH_UNUSED)
            continue;
        call->reach = RB_REACH_NONE;
        snprintf(call->reason, sizeof(call->reason), "%s", findings->reason);
        call->advice = findings->advice;
    }
}

static enum rb_reach judge_sum_up(const struct rb_findings *findings)
{
    bool has[RB_REACH_COUNT] = {false};
    for (int kind = 0; kind < RB_KIND_COUNT; kind++)
        if (kind != RB_KIND_HTTP)
            has[findings->calls[kind].reach] = true;
    if (has[RB_REACH_UNKNOWN])
        return RB_REACH_UNKNOWN;
    if (has[RB_REACH_PART] || (has[RB_REACH_NONE] && has[RB_REACH_FULL]))
        return RB_REACH_PART;
    if (has[RB_REACH_NONE])
        return RB_REACH_NONE;
    return has[RB_REACH_FULL] ? RB_REACH_FULL : RB_REACH_UNUSED;
}

static void judge_calls(struct rb_findings *findings)
{
    judge_curl(findings);
    judge_connects(findings);
    judge_nonblocking(findings);
    judge_http(findings);
    judge_dns(findings);
    note_parts(findings);
    note_loading(findings);
    note_asan(findings);
}

void rb_doctor_judge(struct rb_findings *findings)
{
    if (findings->readable)
        judge_calls(findings);
    else
        for (int kind = 0; kind < RB_KIND_COUNT; kind++)
            lower(&findings->calls[kind], RB_REACH_UNKNOWN, "run 'rebound doctor' as a user who may read the file",
                  "%s cannot be read", rb_doctor_collect_executable(findings));
    note_rest(findings);
    block_all(findings);
    if (findings->reason[0])
        block_calls(findings);
    findings->reach = findings->reason[0] ? RB_REACH_NONE : judge_sum_up(findings);
}

// SPDX-License-Identifier: MIT
// Examines the executable, its libraries, our library and the policy.
#include <elf.h>
#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/doctor/doctor.h"
#include "cli/policy/diagnose.h"
#include "cli/policy/set.h"
#include "cli/run/preload.h"
#include "cli/say.h"

const char *rb_doctor_collect_executable(const struct rb_findings *findings)
{
    return findings->chain.files[findings->chain.count - 1];
}

// --- imports and contents of an object

struct symbol_search {
    struct rb_member *member;
    bool dynamic;
};

static void note_defined(struct rb_member *member, const char *name, bool dynamic)
{
    member->own_ssl = member->own_ssl || strcmp(name, "SSL_read") == 0;
    if (strcmp(name, "curl_easy_perform") == 0) {
        member->exports_curl = member->exports_curl || dynamic;
        member->own_curl = true;
    }
    member->own_uring = member->own_uring || strcmp(name, "io_uring_queue_init") == 0;
    member->uv = member->uv || strcmp(name, "uv_loop_init") == 0;
    member->uv_ring = member->uv_ring || strcmp(name, "uv_thread_setname") == 0;
}

static void note_symbol(void *context, const char *name, bool defined)
{
    const struct symbol_search *search = context;
    if (defined) {
        note_defined(search->member, name, search->dynamic);
        return;
    }
    int index = search->dynamic ? rb_family_find(name) : -1;
    if (index >= 0)
        search->member->imports[index] = true;
}

static bool imports_any(const struct rb_member *member, enum rb_family family)
{
    unsigned count;
    const struct rb_family_name *names = rb_family_table(&count);
    for (unsigned i = 0; i < count; i++)
        if (member->imports[i] && names[i].family == family)
            return true;
    return false;
}

// libcurl contains its version as "libcurl/8.0.1", also in stripped programs.
static bool tells_version(const struct rb_elf_file *file)
{
    static const char begin[] = "libcurl/";
    for (const char *at = NULL; (at = rb_elf_file_find(file, at, begin)); at++) {
        size_t length = sizeof(begin) - 1;
        if (rb_elf_file_left(file, at) > length && at[length] >= '0' && at[length] <= '9')
            return true;
    }
    return false;
}

static void look_at(const struct rb_needed *object, struct rb_member *member)
{
    struct symbol_search search = {member, true};
    rb_elf_file_symbols(&object->file, &object->file.imported_exported, note_symbol, &search);
    search.dynamic = false;
    rb_elf_file_symbols(&object->file, &object->file.own, note_symbol, &search);
    const char *base = rb_program_base(object->name);
    member->go = rb_elf_file_is_go(&object->file);
    member->java = strcmp(base, "libjli.so") == 0 || strcmp(base, "libjvm.so") == 0;
    member->erlang = strncmp(base, "beam.", 5) == 0;
    member->dotnet = rb_elf_file_find(&object->file, NULL, "hostfxr_main") != NULL;
    member->own_ssl = member->own_ssl && strncmp(base, "libssl", 6) != 0;
    member->own_curl = member->own_curl || (!imports_any(member, RB_FAMILY_CURL) && tells_version(&object->file));
}

// --- the role of an object

static bool collect_is_libc(const char *name)
{
    static const char *const names[] = {
        "libc.",    "libpthread.", "libdl.",  "librt.", "libm.",   "libresolv.",        "libanl.",
        "libutil.", "libmvec.",    "libnss_", "ld-",    "libnsl.", "libc_malloc_debug."};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strncmp(name, names[i], strlen(names[i])) == 0)
            return true;
    return false;
}

static enum rb_role role_of(const struct rb_needed *object, const struct rb_member *member)
{
    if (!object->path)
        return RB_ROLE_MISSING;
    if (collect_is_libc(rb_program_base(object->name)))
        return RB_ROLE_LIBC;
    return member->exports_curl ? RB_ROLE_LIBCURL : RB_ROLE_BENEATH; // until another object turns out to need it
}

// Objects needed only through libcurl keep the role RB_ROLE_BENEATH.
static void mark_needs_of(struct rb_findings *findings, unsigned index)
{
    const char *name;
    const struct rb_elf_file *file = &findings->list.items[index].file;
    findings->members[index].role = RB_ROLE_PROGRAM;
    for (unsigned n = 0; (name = rb_elf_file_text(file, DT_NEEDED, n)); n++) {
        int next = rb_needed_index(&findings->list, name);
        if (next > 0 && findings->members[next].role == RB_ROLE_BENEATH)
            mark_needs_of(findings, (unsigned) next);
    }
}

// --- files that well-known programs load or start by themselves

// A pattern is relative to the directory of the executable. If it has a second part, the name of the executable is
// inserted between the two.
static const struct part {
    const char *program; // the name of the executable, without a version at its end
    const char *begin, *end;
} parts[] = {
    {"escript", "../erts-*/bin/beam.smp", NULL},
    {"git", "../lib/git-core/git-remote-http", NULL},
    {"git", "../libexec/git-core/git-remote-http", NULL},
    {"java", "../lib/libnet.so", NULL},
    {"java", "../lib/libnio.so", NULL},
    {"lua", "../lib/*/lua/[5-9]*/socket/core.so", NULL},
    {"lua", "../lib/*/lua/[5-9]*/ssl.so", NULL},
    {"perl", "../lib/*/perl5/[5-9]*/auto/Net/SSLeay/SSLeay.so", NULL},
    {"php", "../lib/php/2*/curl.so", NULL},
    {"php", "../lib/php/extensions/*/curl.so", NULL},
    {"python", "../lib/", "/lib-dynload/_ssl.*.so"},
    {"ruby", "../lib/*/ruby/[2-9]*/socket.so", NULL},
    {"ruby", "../lib/*/ruby/[2-9]*/openssl.so", NULL},
    {"ruby", "../lib/ruby/[2-9]*/*/socket.so", NULL},
    {"ruby", "../lib/ruby/[2-9]*/*/openssl.so", NULL},
};

static int add_part(struct rb_findings *findings, const struct part *part, const char *path)
{
    char pattern[PATH_MAX];
    glob_t found;
    const char *name = rb_program_base(path);
    int length = snprintf(pattern, sizeof(pattern), "%.*s%s%s%s", (int) (name - path), path, part->begin,
                          part->end ? name : "", part->end ? part->end : ""),
        error = 0;
    if (length >= (int) sizeof(pattern) || glob(pattern, 0, NULL, &found) != 0)
        return 0;
    for (size_t i = 0; error == 0 && i < found.gl_pathc; i++)
        error = realpath(found.gl_pathv[i], pattern) ? rb_needed_add(&findings->list, pattern) : 0;
    globfree(&found);
    return error;
}

static int look_at_parts(struct rb_findings *findings)
{
    char real[PATH_MAX];
    int error = 0;
    if (!realpath(rb_doctor_collect_executable(findings), real))
        return 0;
    const char *name = rb_program_base(real);
    for (size_t i = 0; error == 0 && i < sizeof(parts) / sizeof(parts[0]); i++) {
        size_t length = strlen(parts[i].program);
        bool same = strncmp(name, parts[i].program, length) == 0;
        if (same && strspn(name + length, "0123456789.") == strlen(name + length))
            error = add_part(findings, &parts[i], real);
    }
    return error;
}

static int look_at_members(struct rb_findings *findings)
{
    findings->members = calloc(findings->list.count, sizeof(*findings->members));
    if (!findings->members)
        return -ENOMEM;
    for (unsigned i = 0; i < findings->list.count; i++) {
        const struct rb_needed *object = &findings->list.items[i];
        struct rb_member *member = &findings->members[i];
        if (object->path && (i == 0 || !collect_is_libc(rb_program_base(object->name))))
            look_at(object, member);
        member->role = role_of(object, member);
    }
    mark_needs_of(findings, 0);
    for (unsigned i = findings->list.count - findings->list.parts; i < findings->list.count; i++)
        if (findings->list.items[i].by == 0)
            mark_needs_of(findings, i);
    return 0;
}

// --- libc

// glibc contains the text "GNU C Library (...) stable release version 2.36."
static void read_glibc_version(struct rb_findings *findings, const struct rb_elf_file *libc)
{
    static const char banner[] = "release version ";
    const char *at = rb_elf_file_find(libc, NULL, banner);
    size_t length = at ? rb_elf_file_left(libc, at) - (sizeof(banner) - 1) : 0, used = 0;
    for (at += sizeof(banner) - 1; used < length && used < sizeof(findings->libc_version) - 1; used++) {
        bool digit = at[used] >= '0' && at[used] <= '9';
        if (!digit && !(at[used] == '.' && used + 1 < length && at[used + 1] >= '0' && at[used + 1] <= '9'))
            break;
        findings->libc_version[used] = at[used];
    }
}

static void look_at_libc(struct rb_findings *findings)
{
    int index = rb_needed_index(&findings->list, "libc.so.6");
    if (findings->list.musl)
        findings->libc = RB_LIBC_MUSL;
    if (findings->list.musl || index <= 0)
        return;
    findings->libc = RB_LIBC_GLIBC;
    if (findings->list.items[index].path)
        read_glibc_version(findings, &findings->list.items[index].file);
}

// --- library and policy of rebound

static void note_exported(void *context, const char *name, bool defined)
{
    struct rb_findings *findings = context;
    int index = defined ? rb_family_find(name) : -1;
    if (index >= 0)
        findings->in_front[index] = true;
}

static void look_at_library(struct rb_findings *findings)
{
    if (rb_preload_find(findings->library, sizeof(findings->library)) != 0) {
        findings->library[0] = '\0';
        return;
    }
    if (rb_elf_file_open(findings->library, &findings->library_file) == 0)
        rb_elf_file_symbols(&findings->library_file, &findings->library_file.imported_exported, note_exported,
                            findings);
}

static bool system_preloads_us(void)
{
    char list[4096] = "";
    FILE *file = fopen("/etc/ld.so.preload", "re");
    size_t length = file ? fread(list, 1, sizeof(list) - 1, file) : 0;
    if (file)
        fclose(file);
    list[length] = '\0';
    for (char *c = list; *c; c++)
        *c = *c == '\n' || *c == '\t' ? ' ' : *c;
    return rb_preload_names_us(list);
}

static void look_at_environment(struct rb_findings *findings)
{
    const char *list = getenv("LD_PRELOAD");
    findings->disabled = rb_preload_disabled();
    bool named = rb_preload_names_us(list);
    findings->preloaded = named ? "LD_PRELOAD" : system_preloads_us() ? "/etc/ld.so.preload" : NULL;
    char *joined = list ? rb_preload_join(list, "librebound.so") : NULL;
    findings->others_preloaded = joined && strcmp(joined, "librebound.so") != 0;
    free(joined);
}

static void look_at_policy(struct rb_findings *findings, const char *explicit_path)
{
    char real[PATH_MAX], message[RB_SOURCE_MESSAGE_SIZE];
    const char *executable = rb_doctor_collect_executable(findings);
    rb_set_pairs(NULL, &findings->pairs);
    if (rb_source_find(&findings->source, explicit_path) != 0) {
        findings->source = (struct rb_source){.why = "--policy"};
        snprintf(findings->remedy, sizeof(findings->remedy), "name a file by --policy");
        return;
    }
    rb_source_remedy(findings->source.path, findings->remedy);
    if (!rb_source_trusted(findings->source.path, message)) {
        rb_say_error("the policy %s is ignored: %s", findings->source.path, message);
        return;
    }
    int error = rb_policy_load(findings->source.path, &findings->pairs, &findings->policy, rb_diagnose_to_stderr, NULL);
    findings->wrong_pairs = error == -EDOM;
    if (error != 0)
        return;
    const char *name = realpath(executable, real) ? real : executable; // as /proc/self/exe will show it
    const char *started = findings->chain.files[findings->chain.started];
    if (!rb_policy_covers_program(findings->policy, name, started))
        snprintf(findings->left_out, sizeof(findings->left_out), "%s",
                 rb_program_base(rb_policy_covers_program(findings->policy, name, NULL) ? started : name));
}

// --- collecting everything

static int look_at_program(struct rb_findings *findings)
{
    const char *path = rb_doctor_collect_executable(findings);
    struct rb_elf_file program, *library = findings->library_file.data ? &findings->library_file : NULL;
    int error = rb_elf_file_open(path, &program);
    if (error == -ENOEXEC)
        return error;
    findings->readable = error == 0;
    findings->obstacle =
        rb_program_file_obstacle(path, findings->readable ? &program : NULL, library, findings->library);
    if (findings->chain.cleared)
        findings->obstacle = RB_OBSTACLE_CLEARED;
    if (!findings->readable)
        return 0;
    error = rb_needed_walk(path, &program, &findings->list);
    if (error == 0)
        error = look_at_parts(findings);
    if (error == 0)
        error = look_at_members(findings);
    if (error == 0)
        look_at_libc(findings);
    return error;
}

int rb_doctor_collect(struct rb_findings *findings, const char *path, const char *policy)
{
    memset(findings, 0, sizeof(*findings));
    rb_program_follow(path, &findings->chain);
    if (findings->chain.missing)
        return -ENOENT;
    look_at_library(findings);
    int error = look_at_program(findings);
    if (error != 0)
        return error;
    look_at_environment(findings);
    look_at_policy(findings, policy);
    return 0;
}

void rb_doctor_collect_free(struct rb_findings *findings)
{
    rb_elf_file_close(&findings->library_file);
    rb_needed_free(&findings->list);
    rb_policy_free(findings->policy);
    free(findings->members);
    findings->members = NULL;
}

// SPDX-License-Identifier: MIT
// Collects names and finds the most similar one.
#include "cli/state/known.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "policy/builtin.h"
#include "policy/suggest.h"
#include "policy/trust.h"
#include "process/reload.h"
#include "real/system.h"

enum { LISTED_MAX = 12 };

// Without memory, the name is missing from the suggestions.
static void known_add(struct rb_known *known, const char *name)
{
    if (known->count == known->room) {
        unsigned room = 2 * known->room + 16;
        void *larger = reallocarray(known->names, room, sizeof(*known->names));
        if (!larger)
            return;
        known->names = larger;
        known->room = room;
    }
    snprintf(known->names[known->count++], sizeof(*known->names), "%s", name);
}

static int known_by_name(const void *left, const void *right)
{
    return strverscmp(left, right);
}

static void known_sort(struct rb_known *known)
{
    unsigned kept = 0;
    if (known->count > 0)
        qsort(known->names, known->count, sizeof(*known->names), known_by_name);
    for (unsigned i = 0; i < known->count; i++)
        if (kept == 0 || strcmp(known->names[kept - 1], known->names[i]) != 0)
            memmove(known->names[kept++], known->names[i], sizeof(*known->names));
    known->count = kept;
}

// ---- policies ----

// Finds the policy of that user's programs without their environment, which is not known here.
static bool find_policy_of(uid_t user, struct rb_source *source)
{
    const char *named = getenv("REBOUND_POLICY");
    struct passwd *entry = getpwuid(user);
    if (user == geteuid() || (named && *named))
        return rb_source_find(source, NULL) == 0;
    *source = (struct rb_source){.why = "HOME"};
    if (entry)
        snprintf(source->path, sizeof(source->path), "%s/.config/rebound/policy.ini", entry->pw_dir);
    if (entry && access(source->path, F_OK) == 0)
        return true;
    source->why = "/etc";
    if (rb_reload_locate(&(struct rb_reload_places){0}, source->path) == 0)
        return true;
    *source = (struct rb_source){.why = "builtin"};
    snprintf(source->path, sizeof(source->path), "%s", RB_BUILTIN_DEFAULT);
    return true;
}

// Adds the sections of the policy that programs of that user follow. Returns false if the policy cannot be used.
static bool add_sections(struct rb_known *known, uid_t user, struct rb_source *source)
{
    struct rb_policy *policy = NULL;
    struct rb_file_identity identity;
    const struct rb_section *section;
    if (!find_policy_of(user, source))
        return false;
    bool other = user != geteuid() && rb_file_identify(source->path, &identity) == 0;
    bool trusted = other ? rb_trust_judge(&identity, user) == RB_TRUST_OK : rb_source_trusted(source->path, NULL);
    bool usable = trusted && rb_policy_load(source->path, NULL, &policy, NULL, NULL) == 0;
    for (unsigned i = 0; usable && (section = rb_policy_section(policy, i)); i++)
        known_add(known, section->name);
    rb_policy_free(policy);
    return usable;
}

bool rb_known_policies(struct rb_known *known, const struct rb_state_file *file, struct rb_source *source)
{
    struct rb_view_policy used;
    struct rb_view_cell host;
    for (unsigned i = 0; file->present && i < RB_STATE_POLICIES; i++)
        if (rb_view_policy(&file->view, i, &used))
            known_add(known, used.name);
    // A policy is counted when its first call ends. Before that, its name is only in the cell of the host.
    for (uint32_t i = 0; file->present && i < file->view.state.cell_count; i++)
        if (rb_view_cell(&file->view, i, 0, &host))
            known_add(known, host.policy);
    *source = (struct rb_source){.why = ""};
    bool usable = add_sections(known, file->owner, source);
    known_sort(known);
    return usable;
}

// ---- hosts ----

void rb_known_hosts(struct rb_known *known, const struct rb_state_file *file)
{
    struct rb_view_cell host;
    uint64_t now_ms = rb_system_now_ms();
    for (uint32_t i = 0; file->present && i < file->view.state.cell_count; i++)
        if (rb_view_cell(&file->view, i, now_ms, &host))
            known_add(known, *host.host ? host.host : host.policy);
    known_sort(known);
}

// ---- words ----

bool rb_known_has(const struct rb_known *known, const char *name)
{
    for (unsigned i = 0; i < known->count; i++)
        if (strcmp(known->names[i], name) == 0)
            return true;
    return false;
}

// Removes the port after the last colon. The colons of an IPv6 address are in brackets.
static bool known_cut_port(char *host)
{
    char *colon = strrchr(host, ':');
    if (!colon || strchr(colon, ']'))
        return false;
    *colon = '\0';
    return true;
}

// Compares a name. Copies it to `out` if it is the most similar one so far.
static void offer(struct rb_suggestion *search, const char *name, char out[RB_STATE_HOST_SIZE])
{
    unsigned before = search->distance;
    rb_suggest_offer(search, name);
    if (search->distance < before)
        snprintf(out, RB_STATE_HOST_SIZE, "%s", name);
}

const char *rb_known_nearest(const struct rb_known *known, const char *word, char out[RB_STATE_HOST_SIZE])
{
    struct rb_suggestion search = rb_suggest_begin(rb_slice_of(word));
    bool has_port = strchr(word, ':') != NULL;
    for (unsigned i = 0; i < known->count; i++) {
        char bare[RB_STATE_HOST_SIZE];
        offer(&search, known->names[i], out);
        snprintf(bare, sizeof(bare), "%s", known->names[i]);
        if (!has_port && known_cut_port(bare))
            offer(&search, bare, out);
    }
    return search.best ? out : NULL;
}

bool rb_known_list(const struct rb_known *known, char out[RB_KNOWN_LIST_SIZE])
{
    size_t length = 0;
    if (known->count == 0 || known->count > LISTED_MAX)
        return false;
    for (unsigned i = 0; i < known->count && length < RB_KNOWN_LIST_SIZE; i++)
        length +=
            (size_t) snprintf(out + length, RB_KNOWN_LIST_SIZE - length, "%s%s", i > 0 ? ", " : "", known->names[i]);
    return length < RB_KNOWN_LIST_SIZE;
}

void rb_known_free(struct rb_known *known)
{
    free(known->names);
    *known = (struct rb_known){0};
}

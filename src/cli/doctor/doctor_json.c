// SPDX-License-Identifier: MIT
// The findings as JSON. rebound(1) documents the format.
#include "cli/doctor/doctor.h"
#include "cli/json.h"

static void add_functions(cJSON *object, const char *name, const bool functions[RB_FAMILY_NAMES_MAX])
{
    unsigned names;
    const struct rb_family_name *table = rb_family_table(&names);
    cJSON *array = cJSON_AddArrayToObject(object, name);
    for (unsigned i = 0; i < names; i++)
        if (functions[i])
            rb_json_append_text(array, table[i].name);
}

static const char *or_null(const char *text)
{
    return text && *text ? text : NULL;
}

static void add_fates(cJSON *parent, const char *name, const struct rb_fates *fates)
{
    cJSON *object = cJSON_AddObjectToObject(parent, name);
    rb_json_add_text(object, "wait", rb_fate_name(fates->wait));
    rb_json_add_text(object, "loop", rb_fate_name(fates->loop));
}

static void add_calls(cJSON *root, const struct rb_findings *f)
{
    cJSON *calls = cJSON_AddArrayToObject(root, "calls");
    for (int kind = 0; kind < RB_KIND_COUNT; kind++) {
        const struct rb_call_reach *call = &f->calls[kind];
        cJSON *object = cJSON_CreateObject();
        rb_json_add_text(object, "call", rb_kind_name((enum rb_kind) kind));
        rb_json_add_text(object, "verdict", rb_reach_name(call->reach));
        rb_json_add_text(object, "reason", or_null(call->reason));
        rb_json_add_text(object, "advice", call->advice);
        add_functions(object, "functions", call->functions);
        if (kind == RB_KIND_HTTP) {
            add_fates(object, "plain", &f->plain);
            add_fates(object, "tls", &f->tls);
        }
        cJSON_AddItemToArray(calls, object);
    }
}

static void add_program(cJSON *root, const struct rb_findings *f)
{
    cJSON *chain = cJSON_AddArrayToObject(root, "interpreters");
    for (unsigned i = 1; i < f->chain.count; i++) {
        cJSON *object = cJSON_CreateObject();
        rb_json_add_text(object, "file", f->chain.files[i]);
        cJSON_AddItemToArray(chain, object);
    }
    rb_json_add_text(root, "executable", rb_doctor_collect_executable(f));
}

static const char *obstacle_word(enum rb_obstacle obstacle)
{
    static const char *const words[RB_OBSTACLE_COUNT] = {
        [RB_OBSTACLE_STATIC] = "static",
        [RB_OBSTACLE_ALIEN] = "alien",
        [RB_OBSTACLE_SETUID] = "set-uid",
        [RB_OBSTACLE_SETGID] = "set-gid",
        [RB_OBSTACLE_CAPABILITIES] = "capabilities",
        [RB_OBSTACLE_CLEARED] = "cleared environment",
    };
    return words[obstacle];
}

static void add_elf(cJSON *root, const struct rb_findings *f)
{
    char machine[32];
    rb_json_add_text(root, "obstacle", obstacle_word(f->obstacle));
    if (!f->readable) {
        cJSON_AddNullToObject(root, "elf");
        return;
    }
    const struct rb_elf_file *file = &f->list.items[0].file;
    cJSON *elf = cJSON_AddObjectToObject(root, "elf");
    cJSON_AddNumberToObject(elf, "class", file->wide ? 64 : 32);
    rb_json_add_text(elf, "byte_order", file->big ? "big" : "little");
    rb_json_add_text(elf, "machine", rb_doctor_words_machine(file, machine));
    rb_json_add_text(elf, "linker", file->interpreter);
    cJSON_AddBoolToObject(elf, "go", f->members[0].go);
    rb_json_add_text(elf, "libc", f->libc == RB_LIBC_OTHER ? NULL : rb_doctor_words_libc(f));
    rb_json_add_text(elf, "libc_version", or_null(f->libc_version));
}

static void add_ours(cJSON *root, const struct rb_findings *f)
{
    cJSON *library = cJSON_AddObjectToObject(root, "library");
    rb_json_add_text(library, "file", or_null(f->library));
    cJSON_AddBoolToObject(library, "usable", f->library_file.data != NULL);
    rb_json_add_text(library, "preloaded", f->preloaded);
    cJSON_AddBoolToObject(library, "disabled", f->disabled);
    cJSON *policy = cJSON_AddObjectToObject(root, "policy");
    rb_json_add_text(policy, "file", or_null(f->source.path));
    rb_json_add_text(policy, "source", f->source.why);
    rb_json_add_text(policy, "set", f->pairs.environment);
    cJSON_AddBoolToObject(policy, "usable", f->policy != NULL);
    cJSON_AddBoolToObject(policy, "covers", f->policy && !f->left_out[0]);
}

static void add_objects(cJSON *root, const struct rb_findings *f)
{
    cJSON *objects = cJSON_AddArrayToObject(root, "objects");
    for (unsigned i = 0; i < f->list.count; i++) {
        cJSON *object = cJSON_CreateObject();
        rb_json_add_text(object, "name", f->list.items[i].name);
        rb_json_add_text(object, "file", f->list.items[i].path);
        rb_json_add_text(object, "role", rb_role_name(f->members[i].role));
        rb_json_add_text(object, "needed_by", i > 0 ? f->list.items[f->list.items[i].by].name : NULL);
        cJSON_AddBoolToObject(object, "needed", i + f->list.parts < f->list.count);
        cJSON_AddBoolToObject(object, "go", f->members[i].go);
        cJSON_AddBoolToObject(object, "own_libcurl", f->members[i].own_curl && !f->members[i].exports_curl);
        add_functions(object, "functions", f->members[i].imports);
        cJSON_AddItemToArray(objects, object);
    }
}

int rb_doctor_json(const struct rb_findings *f)
{
    cJSON *root = cJSON_CreateObject();
    rb_json_add_text(root, "program", f->chain.files[0]);
    rb_json_add_text(root, "verdict", rb_reach_name(f->reach));
    rb_json_add_text(root, "reason", or_null(f->reason));
    rb_json_add_text(root, "advice", f->advice);
    add_calls(root, f);
    add_program(root, f);
    add_elf(root, f);
    add_ours(root, f);
    add_objects(root, f);
    cJSON *notes = cJSON_AddArrayToObject(root, "notes");
    for (unsigned i = 0; i < f->note_count; i++)
        rb_json_append_text(notes, f->notes[i]);
    return rb_json_print(root);
}

// SPDX-License-Identifier: MIT
// The findings as text: the conclusion, each kind of call, then the details.
#include <stdio.h>
#include <string.h>

#include "cli/doctor/doctor.h"
#include "cli/say.h"

enum { LABEL_WIDTH = 10, KIND_WIDTH = 23, REACH_WIDTH = 17, LINE_WIDTH = 110, FUNCTIONS_SIZE = 2048 };

static const char *const headlines[RB_REACH_COUNT] = {
    [RB_REACH_UNUSED] = "no calls found that rebound can intercept",
    [RB_REACH_FULL] = "will be intercepted",
    [RB_REACH_PART] = "will be intercepted in part",
    [RB_REACH_NONE] = "will not be intercepted",
    [RB_REACH_UNKNOWN] = "cannot be examined",
};

static const char *const verdicts[RB_REACH_COUNT] = {
    [RB_REACH_UNUSED] = "not used",      [RB_REACH_FULL] = "intercepted",  [RB_REACH_PART] = "partly",
    [RB_REACH_NONE] = "not intercepted", [RB_REACH_UNKNOWN] = "not known",
};

static const enum rb_style styles[RB_REACH_COUNT] = {
    [RB_REACH_UNUSED] = RB_STYLE_BOLD, [RB_REACH_FULL] = RB_STYLE_MARK,       [RB_REACH_PART] = RB_STYLE_WARNING,
    [RB_REACH_NONE] = RB_STYLE_ERROR,  [RB_REACH_UNKNOWN] = RB_STYLE_WARNING,
};

static void padded(bool colour, enum rb_style style, const char *text, int width)
{
    rb_say_styled(stdout, colour, style, text);
    printf("%*s", width > (int) strlen(text) ? width - (int) strlen(text) : 1, "");
}

static void doctor_text_label(bool colour, const char *text)
{
    padded(colour, RB_STYLE_BOLD, text, LABEL_WIDTH + 2);
}

// Prints text word by word, in lines that start at column `indent`.
static void wrapped(const char *text, size_t indent)
{
    size_t column = indent;
    while (*text) {
        size_t length = strcspn(text, " ");
        if (column > indent && column + 1 + length > LINE_WIDTH) {
            printf("\n%*s", (int) indent, "");
            column = indent;
        } else if (column > indent) {
            putchar(' ');
            column++;
        }
        column += rb_say_clean_part(stdout, text, length);
        text += length + strspn(text + length, " ");
    }
    putchar('\n');
}

static void print_verdict(const struct rb_findings *f, bool colour)
{
    rb_say_clean(stdout, f->chain.files[0]);
    fputs(": ", stdout);
    rb_say_styled(stdout, colour, styles[f->reach], headlines[f->reach]);
    putchar('\n');
    if (!f->reason[0])
        return;
    fputs("  why  ", stdout);
    wrapped(f->reason, 7);
    if (f->advice) {
        fputs("  do   ", stdout);
        wrapped(f->advice, 7);
    }
}

static void print_calls(const struct rb_findings *f, bool colour)
{
    putchar('\n');
    for (int kind = 0; kind < RB_KIND_COUNT; kind++) {
        const struct rb_call_reach *call = &f->calls[kind];
        bool own = call->reason[0] && strcmp(call->reason, f->reason) != 0;
        padded(false, RB_STYLE_BOLD, rb_kind_title((enum rb_kind) kind), KIND_WIDTH);
        if (!own) {
            rb_say_styled(stdout, colour, styles[call->reach], verdicts[call->reach]);
            putchar('\n');
            continue;
        }
        padded(colour, styles[call->reach], verdicts[call->reach], REACH_WIDTH);
        wrapped(call->reason, KIND_WIDTH + REACH_WIDTH);
        if (call->advice) {
            printf("%*s-> ", KIND_WIDTH + REACH_WIDTH, "");
            wrapped(call->advice, KIND_WIDTH + REACH_WIDTH + 3);
        }
    }
}

static void print_program(const struct rb_findings *f, bool colour)
{
    char machine[32];
    for (unsigned i = 1; i < f->chain.count; i++) {
        doctor_text_label(colour, i == 1 ? "run by" : "");
        wrapped(f->chain.files[i], LABEL_WIDTH + 2);
    }
    if (!f->readable)
        return;
    const struct rb_elf_file *file = &f->list.items[0].file;
    doctor_text_label(colour, "executable");
    printf("%s-bit %s-endian %s, ", file->wide ? "64" : "32", file->big ? "big" : "little",
           rb_doctor_words_machine(file, machine));
    if (f->obstacle == RB_OBSTACLE_STATIC)
        puts(f->members[0].go ? "static, made by Go" : "static");
    else
        printf("%s%s%s%s\n", rb_doctor_words_libc(f), f->libc_version[0] ? " " : "", f->libc_version,
               f->members[0].go ? ", made by Go" : "");
}

static void print_ours(const struct rb_findings *f, bool colour)
{
    doctor_text_label(colour, "library");
    rb_say_clean(stdout, f->library[0] ? f->library : "not found");
    puts(f->preloaded ? " (preloaded already)" : "");
    doctor_text_label(colour, "policy");
    rb_say_clean(stdout, f->source.path);
    printf(" (%s%s)\n", f->policy || f->wrong_pairs ? "" : "cannot be used; ", rb_source_reason(&f->source));
    if (f->pairs.environment) {
        doctor_text_label(colour, "set");
        rb_say_clean(stdout, f->pairs.environment);
        puts(f->wrong_pairs ? " (REBOUND_SET; has an error)" : " (REBOUND_SET)");
    }
}

// Lists the functions of an object that tell whether its calls are intercepted. Returns their number. Leaves out
// functions for descriptors, signals, locks of memory, users, child processes and raw system calls, because most
// programs use them. Leaves out functions that change the network namespace, because the calls after the change are
// intercepted.
static unsigned telling(const struct rb_member *member, char *out, size_t size)
{
    bool functions[RB_FAMILY_NAMES_MAX] = {false};
    unsigned names;
    const struct rb_family_name *table = rb_family_table(&names);
    for (unsigned i = 0; i < names; i++) {
        enum rb_family family = table[i].family;
        functions[i] = member->imports[i] && family != RB_FAMILY_SOCKET && family != RB_FAMILY_NETWORK &&
                       family != RB_FAMILY_MEMORY && family != RB_FAMILY_SIGNAL && family != RB_FAMILY_PRIVILEGE &&
                       family != RB_FAMILY_START && family != RB_FAMILY_PROCESS && family != RB_FAMILY_RAW;
    }
    return rb_functions_list(functions, out, size);
}

static void print_callers(const struct rb_findings *f, bool colour)
{
    char functions[FUNCTIONS_SIZE];
    bool first = true;
    for (unsigned i = 0; i < f->list.count; i++) {
        if (f->members[i].role != RB_ROLE_PROGRAM || telling(&f->members[i], functions, sizeof(functions)) == 0)
            continue;
        doctor_text_label(colour, first ? "callers" : "");
        rb_say_clean(stdout, f->list.items[i].path);
        printf("\n%*s", LABEL_WIDTH + 4, "");
        wrapped(functions, LABEL_WIDTH + 4);
        first = false;
    }
}

void rb_doctor_text(const struct rb_findings *f)
{
    bool colour = rb_say_colour(stdout);
    print_verdict(f, colour);
    print_calls(f, colour);
    putchar('\n');
    print_program(f, colour);
    print_ours(f, colour);
    print_callers(f, colour);
    for (unsigned i = 0; i < f->note_count; i++) {
        doctor_text_label(colour, i == 0 ? "notes" : "");
        wrapped(f->notes[i], LABEL_WIDTH + 2);
    }
}

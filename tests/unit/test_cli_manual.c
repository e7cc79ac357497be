// SPDX-License-Identifier: MIT
// The manual pages explain every reason code and every option of the program.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "document.h"

#include "cli/command.h"
#include "engine/call.h"
#include "process/log.h"

static char manual[128 * 1024];

static void read_manual(const char *path)
{
    document_read(path, manual, sizeof(manual));
}

static void expect(const char *text, const char *what)
{
    if (!strstr(manual, text))
        fail_msg("the manual has no '%s' (%s)", text, what);
}

static void test_reasons(void **state)
{
    (void) state;
    char line[64];
    read_manual(RB_SOURCE_DIR "/config/man/rebound-policy.5.scd");
    for (int reason = RB_REASON_DONE + 1; reason < RB_REASON_COUNT; reason++) {
        snprintf(line, sizeof(line), "\n|  *%s*\n:  ", rb_reason_name((enum rb_reason) reason));
        expect(line, "reason code");
    }
    for (int verdict = RB_VERDICT_RETRY; verdict < RB_VERDICT_COUNT; verdict++) {
        snprintf(line, sizeof(line), "_%s_ (", rb_verdict_name((enum rb_verdict) verdict));
        expect(line, "decision");
    }
}

// The manual and --help name the same options.
static void test_options(void **state)
{
    (void) state;
    char bold[64];
    read_manual(RB_SOURCE_DIR "/config/man/rebound.1.scd");
    for (const struct rb_command *const *command = rb_commands; *command; command++) {
        for (const char *at = (*command)->help; (at = strstr(at, "\n  --")); at += 5) {
            snprintf(bold, sizeof(bold), "*%.*s*", (int) strcspn(at + 3, " "), at + 3);
            expect(bold, (*command)->name);
        }
    }
    for (const char *at = manual; (at = strstr(at, "\n*--")); at += 2) {
        int found = 0;
        snprintf(bold, sizeof(bold), "\n  %.*s ", (int) strcspn(at + 2, "*"), at + 2);
        for (const struct rb_command *const *command = rb_commands; *command; command++)
            found += strstr((*command)->help, bold) != NULL;
        if (found == 0)
            fail_msg("no --help has '%s'", bold + 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reasons),
        cmocka_unit_test(test_options),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

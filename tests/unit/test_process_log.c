// SPDX-License-Identifier: MIT
// Log lines: their fields, and destinations that must not harm the program.
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "process/log.h"

static char directory[] = "/tmp/rebound-log-XXXXXX";
static char path[64];

static const struct rb_event event = {
    .verdict = RB_VERDICT_RETRY,
    .policy = "payments",
    .host = "api.example:443",
    .api = RB_API_CURL,
    .cause = RB_CAUSE_STATUS,
    .status = 503,
    .attempt = 2,
    .delay_ms = 400,
};

static int make_directory(void **state)
{
    (void) state;
    snprintf(path, sizeof(path), "%s/log", mkdtemp(directory));
    return 0;
}

static int remove_directory(void **state)
{
    (void) state;
    unlink(path);
    return rmdir(directory);
}

static const char *contents(void)
{
    static char text[16 * 1024];
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
    fclose(file);
    unlink(path);
    return text;
}

static void assert_holds(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("%s\nstands not in\n%s", part, text);
}

static void test_fields_of_a_retry(void **state)
{
    (void) state;
    rb_log_event(path, "cu\"rl", &event);
    const char *line = contents();
    assert_memory_equal(line, "{\"time\":\"2", 10);
    assert_holds(line, "\"program\":\"cu\\\"rl\",\"policy\":\"payments\",\"host\":\"api.example:443\",\"api\":\"curl\","
                       "\"cause\":\"503\",\"attempt\":2,\"delay_ms\":400,\"decision\":\"retry\"}\n");
}

static void test_fields_of_a_stop(void **state)
{
    (void) state;
    struct rb_event stop = event;
    stop.verdict = RB_VERDICT_STOP;
    stop.cause = RB_CAUSE_REFUSED;
    stop.reason = RB_REASON_BUDGET;
    rb_log_event(path, "curl", &stop);
    assert_holds(contents(), "\"cause\":\"refused\",\"attempt\":2,\"decision\":\"stop\",\"reason\":\"budget\"}\n");
}

static void test_fields_of_a_program_that_speaks_http(void **state)
{
    (void) state;
    struct rb_event stop = event;
    stop.verdict = RB_VERDICT_STOP;
    stop.api = RB_API_HTTP;
    stop.way = RB_WAY_OPENSSL;
    stop.reason = RB_REASON_STACK;
    stop.stack = RB_STACK_LOOP;
    struct rb_request_line line = {{"GET", 3}, {"/a\"b?c", 4}};
    stop.request = &line;
    rb_log_event(path, "python3", &stop);
    assert_holds(
        contents(),
        "\"api\":\"http\",\"way\":\"openssl\",\"method\":\"GET\",\"path\":\"/a\\\"b\",\"cause\":\"503\",\"attempt\":2,"
        "\"decision\":\"stop\",\"reason\":\"stack\",\"stack\":\"event-loop\"}\n");
    stop.reason = RB_REASON_METHOD;
    stop.request = NULL;
    rb_log_event(path, "python3", &stop);
    assert_holds(contents(), "\"reason\":\"method\"}\n");
}

static void test_policy_event_has_the_place(void **state)
{
    (void) state;
    struct rb_diagnostic diagnostic = {.line = 3, .column = 9, .message = "no such key"};
    rb_log_policy(path, "curl", "invalid", "/etc/p.ini", &diagnostic, -EINVAL);
    assert_holds(contents(),
                 "\"decision\":\"policy\",\"reason\":\"invalid\",\"file\":\"/etc/p.ini\",\"line\":3,\"column\":9,"
                 "\"message\":\"no such key\",\"errno\":22}\n");
}

static void test_trouble_names_file_and_user(void **state)
{
    char buffer[512];
    struct rb_text text = {.at = buffer, .size = sizeof(buffer)};
    (void) state;
    rb_log_format_trouble(&text, 1700000000123, 42, "nginx", "/var/log/x", RB_LOSS_DENIED, 33);
    rb_text_bytes(&text, "", 1);
    assert_string_equal(buffer, "{\"time\":\"2023-11-14T22:13:20.123Z\",\"pid\":42,\"program\":\"nginx\","
                                "\"decision\":\"log\",\"reason\":\"denied\",\"file\":\"/var/log/x\",\"uid\":33}");
}

static unsigned lines_of(const char *text)
{
    unsigned count = 0;
    for (; *text; text++)
        count += *text == '\n';
    return count;
}

// Each worker of a daemon writes this line. A line that is already near the end of the file is not written again.
static void test_leaving_is_said_once(void **state)
{
    (void) state;
    errno = 77;
    rb_log_announce_loss(path, "nginx", RB_LOSS_DENIED, 65534);
    rb_log_announce_loss(path, "nginx", RB_LOSS_DENIED, 65534);
    rb_log_announce_loss(path, "nginx", RB_LOSS_DENIED, 655); // not the same, though it begins like it
    rb_log_announce_loss(path, "nginx", RB_LOSS_ABSENT, 655);
    rb_log_event(path, "curl", &event);
    rb_log_announce_loss(path, "another", RB_LOSS_DENIED, 655);
    rb_log_announce_loss("off", "nginx", RB_LOSS_DENIED, 1);
    assert_int_equal(errno, 77);
    assert_int_equal(lines_of(contents()), 4);
    rb_log_announce_loss(path, "nginx", RB_LOSS_DENIED, 65534);
    for (unsigned i = 0; i < 30; i++)
        rb_log_event(path, "curl", &event);
    rb_log_announce_loss(path, "nginx", RB_LOSS_DENIED, 65534);
    assert_int_equal(lines_of(contents()), 32);
}

static void test_off_writes_nothing(void **state)
{
    (void) state;
    assert_int_equal(rb_log_event("off", "curl", &event), RB_LOSS_NONE);
    assert_int_equal(access("off", F_OK), -1);
}

static void test_errno_is_kept_and_failures_are_silent(void **state)
{
    static const struct {
        const char *path;
        enum rb_loss error;
    } places[] = {{"/nowhere/at/all", RB_LOSS_ABSENT}, {"/dev/full", RB_LOSS_FULL}, {"/tmp", RB_LOSS_TYPE}};
    (void) state;
    for (unsigned i = 0; i < 3; i++) {
        errno = ECONNREFUSED;
        assert_int_equal(rb_log_event(places[i].path, "curl", &event), places[i].error);
        assert_int_equal(errno, ECONNREFUSED);
    }
}

static void test_fifo_without_reader_does_not_block(void **state)
{
    (void) state;
    assert_int_equal(mkfifo(path, 0600), 0);
    rb_log_event(path, "curl", &event);
    unlink(path);
}

// A pipe whose reader has gone, and a full one, in place of stderr.
static void test_broken_and_full_stderr(void **state)
{
    int ends[2], saved = dup(STDERR_FILENO);
    (void) state;
    assert_int_equal(pipe(ends), 0);
    dup2(ends[1], STDERR_FILENO);
    rb_sink_start();
    fcntl(ends[1], F_SETFL, O_NONBLOCK);
    while (write(ends[1], "x", 1) == 1)
        continue;
    fcntl(ends[1], F_SETFL, 0);
    assert_int_equal(rb_log_event("stderr", "curl", &event), RB_LOSS_BUSY);
    close(ends[0]);
    assert_int_equal(rb_log_event("stderr", "curl", &event), RB_LOSS_BUSY);
    close(STDERR_FILENO);
    assert_int_equal(rb_log_event("stderr", "curl", &event), RB_LOSS_REPLACED);
    dup2(saved, STDERR_FILENO);
    close(saved);
    close(ends[1]);
}

static void test_file_size_limit_does_not_kill(void **state)
{
    struct rlimit before, none = {0, RLIM_INFINITY};
    (void) state;
    getrlimit(RLIMIT_FSIZE, &before);
    none.rlim_max = before.rlim_max;
    setrlimit(RLIMIT_FSIZE, &none);
    rb_log_event(path, "curl", &event);
    setrlimit(RLIMIT_FSIZE, &before);
    sigset_t pending;
    sigpending(&pending);
    assert_false(sigismember(&pending, SIGXFSZ));
    unlink(path);
}

static void test_a_line_too_long_is_left_out(void **state)
{
    char long_path[3000];
    (void) state;
    memset(long_path, 'a', sizeof(long_path) - 1);
    long_path[sizeof(long_path) - 1] = '\0';
    assert_int_equal(rb_log_policy(path, "curl", "invalid", long_path, NULL, 0), RB_LOSS_FAILED);
    assert_int_equal(access(path, F_OK), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields_of_a_retry),
        cmocka_unit_test(test_fields_of_a_stop),
        cmocka_unit_test(test_fields_of_a_program_that_speaks_http),
        cmocka_unit_test(test_policy_event_has_the_place),
        cmocka_unit_test(test_trouble_names_file_and_user),
        cmocka_unit_test(test_leaving_is_said_once),
        cmocka_unit_test(test_off_writes_nothing),
        cmocka_unit_test(test_errno_is_kept_and_failures_are_silent),
        cmocka_unit_test(test_fifo_without_reader_does_not_block),
        cmocka_unit_test(test_broken_and_full_stderr),
        cmocka_unit_test(test_file_size_limit_does_not_kill),
        cmocka_unit_test(test_a_line_too_long_is_left_out),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}

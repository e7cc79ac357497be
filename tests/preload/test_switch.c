// SPDX-License-Identifier: MIT
// Whether the library acts at all, and by which policy: switched off, without a policy, with a broken one, and with one
// that changes while the program runs.
#include "network.h"

#define LOCAL(attempts)                                                                                                \
    "[local]\nhosts=127.0.0.1\nretry.backoff=fixed\nretry.base=2ms\nretry.jitter=none\nbreaker=off\n"                  \
    "budget.floor=1000/s\nretry.attempts=" attempts "\n"

static void refused_once(void)
{
    struct port port = port_new();
    CHECK_INT(dial_once(&port), ECONNREFUSED);
}

static void check_role(unsigned retries)
{
    CHECK_INT(test_under("refused_once"), 0);
    CHECK_INT(test_log(RETRY, ""), retries);
}

// The kill switch is looked at before anything else.
static void switched_off(void)
{
    setenv("REBOUND_DISABLE", "1", 1);
    check_role(0);
    CHECK_INT(test_log_lines(), 0);
    setenv("REBOUND_DISABLE", "0", 1);
    check_role(2);
}

// Without a policy nothing happens and no file is written.
static void no_policy(void)
{
    unsetenv("REBOUND_POLICY");
    setenv("XDG_CONFIG_HOME", getenv("RB_TEST_DIR"), 1);
    setenv("HOME", getenv("RB_TEST_DIR"), 1);
    if (access("/etc/rebound/policy.ini", F_OK) == 0)
        test_skip("this machine has a policy");
    check_role(0);
    CHECK_INT(access(test_path("log"), F_OK), -1);
}

// The policy of the user's directory is found.
static void by_directory(void)
{
    unsetenv("REBOUND_POLICY");
    setenv("XDG_CONFIG_HOME", test_path("."), 1);
    CHECK_INT(mkdir(test_path("rebound"), 0755), 0);
    CHECK_INT(rename(test_path("policy.ini"), test_path("rebound/policy.ini")), 0);
    check_role(2);
    CHECK_INT(unlink(test_path("rebound/policy.ini")), 0);
    CHECK_INT(rmdir(test_path("rebound")), 0);
}

// A broken policy is used in no part: the program runs without rebound, the log says where the trouble is.
static void broken(void)
{
    refused_once();
    CHECK_INT(test_log(RETRY, ""), 0);
    CHECK_INT(test_log("\"reason\":\"invalid\"", "\"line\":3"), 1);
}

static void missing(void)
{
    CHECK_INT(unlink(test_path("policy.ini")), 0);
    check_role(0);
    CHECK(test_log("\"decision\":\"policy\"", "") == 1);
}

static void directory(void)
{
    setenv("REBOUND_POLICY", getenv("RB_TEST_DIR"), 1);
    check_role(0);
    CHECK(test_log("\"decision\":\"policy\"", "") == 1);
}

// Dials until a call has exactly so many retries: the policy is looked at once a second at most.
static void until_retries_are(const struct port *port, unsigned wanted)
{
    for (unsigned before = 0, got = wanted + 1; got != wanted;) {
        before = test_log(RETRY, "");
        CHECK_INT(dial_once(port), ECONNREFUSED);
        got = test_log(RETRY, "") - before;
        test_pause();
    }
}

static void replace(const char *text)
{
    test_write(test_path("new"), text);
    CHECK_INT(rename(test_path("new"), test_path("policy.ini")), 0);
}

// A new policy comes in force while the program runs; a broken one does not, the last good one stays; and a repaired
// one is found again.
static void reload(void)
{
    struct port port = port_new();
    until_retries_are(&port, 2);
    replace(LOCAL("5"));
    until_retries_are(&port, 4);
    CHECK_INT(test_log("\"reason\":\"reloaded\"", ""), 1);
    replace(LOCAL("7") "nonsense\n");
    while (test_log("\"reason\":\"invalid\"", "\"line\":9") == 0)
        until_retries_are(&port, 4);
    until_retries_are(&port, 4);
    replace(LOCAL("2"));
    until_retries_are(&port, 1);
    CHECK_INT(test_log("\"reason\":\"invalid\"", ""), 1);
}

// A file that vanishes leaves the policy as it is.
static void vanishes(void)
{
    struct port port = port_new();
    until_retries_are(&port, 2);
    CHECK_INT(unlink(test_path("policy.ini")), 0);
    while (test_log("\"reason\":\"unreadable\"", "") == 0)
        until_retries_are(&port, 2);
    until_retries_are(&port, 2);
    replace(LOCAL("4"));
    until_retries_are(&port, 3);
}

// A policy that was broken at the start is taken once it is repaired.
static void repaired(void)
{
    struct port port = port_new();
    CHECK_INT(dial_once(&port), ECONNREFUSED);
    CHECK_INT(test_log(RETRY, ""), 0);
    replace(LOCAL("4"));
    until_retries_are(&port, 3);
}

static const struct test tests[] = {
    {"refused_once", NULL, refused_once},
    {"switched_off", LOCAL("3"), switched_off},
    {"no_policy", LOCAL("3"), no_policy},
    {"by_directory", LOCAL("3"), by_directory},
    {"broken", "[local]\nhosts=127.0.0.1\nretry.attempts=0\n", broken},
    {"missing", LOCAL("3"), missing},
    {"directory", LOCAL("3"), directory},
    {"reload", LOCAL("3"), reload},
    {"vanishes", LOCAL("3"), vanishes},
    {"repaired", "[local\n", repaired},
};

TEST_MAIN(tests)

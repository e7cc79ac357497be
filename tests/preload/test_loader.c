// SPDX-License-Identifier: MIT
// dlopen and dlsym under the library: whose functions a look-up finds, and that all else is as without us.
#include <dlfcn.h>
#include <netdb.h>
#include <poll.h>

#include "network.h"

static const char *object_path(const char *name)
{
    static char paths[2][600];
    static unsigned next;
    const char *directory = getenv("RB_PLUGINS");
    char *path = paths[next++ % 2];
    snprintf(path, sizeof(paths[0]), "%s/object_%s.so", directory ? directory : RB_BUILD_DIR "/preload", name);
    return path;
}

static void *open_object(const char *name)
{
    void *object = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    if (!object)
        test_skip(dlerror());
    return object;
}

// A function of the library's own, past whatever else is preloaded.
static void *of_rebound(const char *name)
{
    const char *path = getenv("RB_PRELOAD"), *colon = strrchr(path, ':');
    void *object = dlopen(colon ? colon + 1 : path, RTLD_NOW | RTLD_NOLOAD);
    void *found = object ? dlsym(object, name) : NULL;
    CHECK(found != NULL);
    return found;
}

static bool is_ours(void *function)
{
    Dl_info here, there;
    CHECK(dladdr(of_rebound("connect"), &here) != 0);
    return dladdr(function, &there) != 0 && here.dli_fbase == there.dli_fbase;
}

// --- dlopen

typedef void *open_fn(const char *name, int flags);

// The neighbour's name means something only beside the caller. The sanitizer's own dlopen is no such caller, so ours is
// called past it.
static void neighbour(void)
{
    void *opener = open_object(object_path("opener"));
    void *(*opens)(open_fn *, const char *, int) = dlsym(opener, "opener_open");
    open_fn *ours = of_rebound("dlopen");
    CHECK(opens != NULL);
    CHECK(ours("object_shim.so", RTLD_NOW) == NULL); // the return address is in this program
    CHECK(dlerror() != NULL);
    CHECK(opens(ours, "object_shim.so", RTLD_NOW) != NULL);
    CHECK(test_is_sanitized() || opens(dlopen, "object_shim.so", RTLD_NOW) != NULL);
    CHECK(opens(ours, "object_shim.so", RTLD_NOW | RTLD_DEEPBIND) != NULL);
}

// Whether a plug-in opened with RTLD_DEEPBIND is bound to us.
static bool deep_is_ours(void)
{
    open_fn *ours = of_rebound("dlopen"); // the sanitizer's own refuses the flag
    void *opener = ours(object_path("opener"), RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND);
    void *(*connects)(void) = opener ? dlsym(opener, "opener_connect") : NULL;
    if (!connects)
        test_skip(dlerror());
    return connects && is_ours(connects());
}

static void deepbind_cleared(void)
{
    CHECK(deep_is_ours());
}

static void deepbind_stays(void)
{
    CHECK(!deep_is_ours());
}

static void deepbind_off(void)
{
    setenv("REBOUND_DISABLE", "1", 1);
    CHECK_INT(test_under("deepbind_stays"), 0);
}

static void program_itself(void)
{
    void *itself = dlopen(NULL, RTLD_NOW);
    CHECK(itself != NULL);
    CHECK(is_ours(dlsym(itself, "connect")));
    CHECK(dlsym(itself, "curl_easy_nothing") == NULL);
    CHECK_INT(dlclose(itself), 0);
}

// --- dlsym

static void in_a_handle(void)
{
    void *libc = open_object("libc.so.6");
    int (*found)(int, const struct sockaddr *, socklen_t) = dlsym(libc, "connect");
    struct port port = port_new();
    struct opener opener = {.port = &port, .count = 1};
    CHECK(is_ours(found));
    CHECK(!is_ours(dlsym(libc, "getpid")));
    CHECK(!is_ours(dlsym(libc, "listen")));
    open_after(&opener);
    int fd = stream();
    CHECK_INT(found(fd, (const struct sockaddr *) &port.address, sizeof(port.address)), 0);
    thread_end(opener.thread);
    CHECK_INT(test_log(RECOVERED, ""), 1);
}

// The return address of the hook's caller decides: seen from the program we come next, seen from ourselves libc does.
static void default_and_next(void)
{
    CHECK(is_ours(dlsym(RTLD_NEXT, "connect")));
    CHECK(is_ours(dlsym(RTLD_DEFAULT, "connect")));
    CHECK(!is_ours(dlsym(RTLD_NEXT, "getpid")));
    CHECK(dlsym(RTLD_DEFAULT, "test_nothing") == NULL);
}

// dlsym answers every function that the library exports with ours.
static void every_name(void)
{
    char *map = test_read(RB_BUILD_DIR "/gen/librebound.map", NULL), line[128];
    void *libc = open_object("libc.so.6"), *curl = open_object("libcurl.so.4");
    unsigned names = 0;
    for (char *at = map; (at = strchr(at, '\n')); at++) {
        if (sscanf(at + 1, " %127[a-z0-9_];", line) != 1 || at[1 + strspn(at + 1, " ") + strlen(line)] != ';')
            continue;
        void *found = dlsym(strncmp(line, "curl_", 5) == 0 ? curl : libc, line);
        if (found && !is_ours(found))
            dprintf(STDERR_FILENO, "%s goes round\n", line);
        CHECK(!found || is_ours(found));
        names++;
    }
    free(map);
    CHECK(names > 10);
}

// A name that we answer means something else in a library of somebody else's.
static void namesake(void)
{
    void *interposer = open_object(object_path("interposer"));
    CHECK(!is_ours(dlsym(interposer, "connect")));
    CHECK(!is_ours(dlsym(open_object(object_path("opener")), "curl_easy_perform")));
}

static void switched_off(void)
{
    CHECK(!is_ours(dlsym(open_object("libc.so.6"), "connect")));
    CHECK(is_ours(dlsym(RTLD_DEFAULT, "connect")));
}

static void off(void)
{
    setenv("REBOUND_DISABLE", "1", 1);
    CHECK_INT(test_under("switched_off"), 0);
}

// --- dlerror

static void tell(int fd, const char *what, const void *found)
{
    const char *error = dlerror();
    dprintf(fd, "%s: %s, %s\n", what, found ? "found" : "not found", error ? error : "no error");
    if (dlerror())
        dprintf(fd, "%s: and another error\n", what);
}

// What the loader says of good and bad look-ups, for our names and others.
static void errors(void)
{
    int fd = test_open_report();
    void *libc = open_object("libc.so.6");
    dlerror();
    tell(fd, "connect", dlsym(libc, "connect"));
    tell(fd, "absent", dlsym(libc, "absent"));
    tell(fd, "of ours, absent", dlsym(libc, "curl_easy_init"));
    tell(fd, "default, absent", dlsym(RTLD_DEFAULT, "curl_absent"));
    tell(fd, "next, absent", dlsym(RTLD_NEXT, "absent"));
    (void) dlsym(libc, "absent");
    tell(fd, "good after bad", dlsym(libc, "connect"));
    (void) dlsym(libc, "absent");
    tell(fd, "other good after bad", dlsym(libc, "getpid"));
    (void) dlsym(libc, "absent");
    tell(fd, "nothing after bad", NULL);
    tell(fd, "no library", dlopen("absent.so", RTLD_NOW));
    close(fd);
}

static void same_errors(void)
{
    test_same_report("errors");
}

// --- another interposer

// Preloads another object before or after us; the sanitizer must stay the first.
static void preload_object(const char *role, bool before, const char *name)
{
    char preload[1800];
    const char *all = getenv("RB_PRELOAD"), *colon = strrchr(all, ':'), *ours = colon ? colon + 1 : all;
    const char *object = object_path(name);
    snprintf(preload, sizeof(preload), "%.*s%s:%s", (int) (ours - all), all, before ? object : ours,
             before ? ours : object);
    CHECK_INT(test_role(role, preload), 0);
}

static void preload_with(const char *role, bool before, const char *way)
{
    setenv("RB_WAY", way, 1);
    preload_object(role, before, "interposer");
}

static int interposer_calls(void)
{
    int (*calls)(void) = dlsym(RTLD_DEFAULT, "interposer_calls");
    CHECK(calls != NULL);
    return calls();
}

static void *interposer_behind(void)
{
    void *(*behind)(void) = dlsym(RTLD_DEFAULT, "interposer_behind");
    CHECK(behind != NULL);
    return behind();
}

// Behind us: it sees every attempt, and finds libc whichever way it looks.
static void interposer_after(void)
{
    struct port port = port_new();
    CHECK_INT(dial_once(&port), ECONNREFUSED);
    CHECK_INT(interposer_calls(), 3);
    CHECK_INT(test_log(RETRY, ""), 2);
    CHECK(!is_ours(interposer_behind()));
    // Our connect would call the interposer's: not what is looked up here.
    CHECK(!is_ours(dlsym(open_object("libc.so.6"), "connect")));
}

static void after_by_next(void)
{
    preload_with("interposer_after", false, "next");
}

static void after_by_handle(void)
{
    preload_with("interposer_after", false, "handle");
}

// In front of us: we are what comes next, and libc is libc for who looks there.
static void interposer_before(void)
{
    struct port port = port_new();
    bool next = strcmp(getenv("RB_WAY"), "next") == 0;
    CHECK_INT(dial_once(&port), ECONNREFUSED);
    CHECK_INT(interposer_calls(), 1);
    CHECK_INT(test_log(RETRY, ""), next ? 2 : 0);
    CHECK_INT(is_ours(interposer_behind()), next);
}

static void before_by_next(void)
{
    preload_with("interposer_before", true, "next");
}

static void before_by_handle(void)
{
    preload_with("interposer_before", true, "handle");
}

// A look-up that came before our constructor ran.
static void looked_up_early(void)
{
    void *(*early)(void) = dlsym(RTLD_DEFAULT, "interposer_early");
    CHECK(early != NULL);
    CHECK(is_ours(early()));
}

static void before_the_constructor(void)
{
    preload_with("looked_up_early", false, "next");
}

// --- one that stands before the system calls

// Blocking connects with and without a limit, one in flight, and a look-up: all that we do by system calls.
static void beside_jealous(void)
{
    unsigned (*calls)(void) = dlsym(RTLD_DEFAULT, "jealous_calls");
    const char *(*last)(void) = dlsym(RTLD_DEFAULT, "jealous_last");
    struct port port = port_new();
    struct addrinfo *found = NULL;
    CHECK(calls && last);
    CHECK_INT(getaddrinfo("localhost", "80", NULL, &found), 0);
    freeaddrinfo(found);
    CHECK_INT(dial_once(&port), ECONNREFUSED);
    CHECK_INT(test_log(RETRY, ""), 2);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    CHECK_INT(connect(fd, (const struct sockaddr *) &port.address, sizeof(port.address)), -1);
    CHECK_INT(errno, EINPROGRESS);
    struct pollfd one = {.fd = fd, .events = POLLOUT};
    CHECK_INT(poll(&one, 1, -1), 1);
    CHECK_INT(test_log(RETRY, ""), 4);
    CHECK_TEXT(last(), "none");
    CHECK_INT(calls(), 0);
}

// The sanitizer's runtime does not bear such a library.
static void skip_sanitized(void)
{
    if (test_is_sanitized())
        test_skip("the sanitizer itself crashes beside this object");
}

static void jealous_after(void)
{
    skip_sanitized();
    preload_object("beside_jealous", false, "jealous");
}

static void jealous_before(void)
{
    skip_sanitized();
    preload_object("beside_jealous", true, "jealous");
}

// Without a policy nothing is done, but the program begins and ends.
static void jealous_without_policy(void)
{
    skip_sanitized();
    setenv("REBOUND_POLICY", "", 1);
    setenv("HOME", "/nonexistent", 1);
    unsetenv("XDG_CONFIG_HOME");
    preload_object("nothing", false, "jealous");
    preload_object("nothing", true, "jealous");
}

static void nothing(void)
{
}

#define LOOKUPS "[local]\nhosts=127.0.0.1\nretry.backoff=fixed\nretry.jitter=none\nbreaker=off\n"
#define QUICK LOOKUPS "retry.base=2ms\n"
#define PATIENT LOOKUPS "retry.base=20ms\nretry.attempts=100\n"

static const struct test tests[] = {
    {"neighbour", QUICK, neighbour},
    {"deepbind_cleared", QUICK, deepbind_cleared},
    {"deepbind_kept", "[rebound]\ndeepbind=keep\n" QUICK, deepbind_stays},
    {"deepbind_skipped", "[rebound]\nskip=test_*\n" QUICK, deepbind_stays},
    {"deepbind_broken", "[rebound]\ndeepbind=kept\n" QUICK, deepbind_stays},
    {"deepbind_off", QUICK, deepbind_off},
    {"program_itself", QUICK, program_itself},
    {"in_a_handle", PATIENT, in_a_handle},
    {"default_and_next", QUICK, default_and_next},
    {"every_name", QUICK, every_name},
    {"namesake", QUICK, namesake},
    {"off", QUICK, off},
    {"same_errors", QUICK, same_errors},
    {"after_by_next", QUICK, after_by_next},
    {"after_by_handle", QUICK, after_by_handle},
    {"before_by_next", QUICK, before_by_next},
    {"before_by_handle", QUICK, before_by_handle},
    {"before_the_constructor", QUICK, before_the_constructor},
    {"jealous_after", QUICK "timeout.connect=1s\n", jealous_after},
    {"jealous_before", QUICK "timeout.connect=1s\n", jealous_before},
    {"jealous_without_policy", QUICK, jealous_without_policy},
    {"deepbind_stays", NULL, deepbind_stays},
    {"switched_off", NULL, switched_off},
    {"errors", NULL, errors},
    {"interposer_after", NULL, interposer_after},
    {"interposer_before", NULL, interposer_before},
    {"looked_up_early", NULL, looked_up_early},
    {"beside_jealous", NULL, beside_jealous},
    {"nothing", NULL, nothing},
};

TEST_MAIN(tests)

// SPDX-License-Identifier: MIT
// Several libcurls in one process: every call reaches the one that owns the handle. This program itself has none; they
// come with plug-ins that see nothing of each other.
#include <dlfcn.h>
#include <sys/mman.h>

#include "network.h"

// The parts of web.h that need no libcurl at link time.
#include "web.h"

struct plugin {
    void *object;
    const char *(*flavour)(void);
    CURL *(*begin)(const char *url);
    int (*perform)(CURL *easy, char *body, size_t size, long *status);
    CURL *(*copy)(CURL *easy);
    void (*end)(CURL *easy);
};

static struct plugin plugin_open(const char *flavour)
{
    char path[600];
    const char *directory = getenv("RB_PLUGINS");
    snprintf(path, sizeof(path), "%s/plugin_%s.so", directory ? directory : RB_BUILD_DIR "/preload", flavour);
    struct plugin plugin = {.object = dlopen(path, RTLD_NOW | RTLD_LOCAL)};
    if (!plugin.object)
        test_skip(dlerror());
    *(void **) &plugin.flavour = dlsym(plugin.object, "plugin_flavour");
    *(void **) &plugin.begin = dlsym(plugin.object, "plugin_begin");
    *(void **) &plugin.perform = dlsym(plugin.object, "plugin_perform");
    *(void **) &plugin.copy = dlsym(plugin.object, "plugin_copy");
    *(void **) &plugin.end = dlsym(plugin.object, "plugin_end");
    CHECK(plugin.flavour && plugin.begin && plugin.perform && plugin.copy && plugin.end);
    return plugin;
}

static void check_good(const struct plugin *plugin, CURL *easy, const char *good)
{
    char text[1000];
    long status = 0;
    CHECK_INT(plugin->perform(easy, text, sizeof(text), &status), CURLE_OK);
    CHECK_INT(status, 200);
    CHECK_TEXT(text, good);
}

// One whole life of a handle, with a retry, a clone and a refusal.
static void check_life(const struct plugin *plugin, const char *key)
{
    char path[64], good[64], text[1000];
    long status;
    struct port nobody = port_new();
    snprintf(path, sizeof(path), "%s/s503/ok", key);
    snprintf(good, sizeof(good), "good %s\n", key);
    CURL *easy = plugin->begin(web_url(path));
    CHECK(easy != NULL);
    check_good(plugin, easy, good);
    CHECK_INT(web_count(key), 2);
    CURL *copy = plugin->copy(easy);
    plugin->end(easy);
    check_good(plugin, copy, good);
    plugin->end(copy);
    easy = plugin->begin(port_url(&nobody, ""));
    CHECK_INT(plugin->perform(easy, text, sizeof(text), &status), CURLE_COULDNT_CONNECT); // a foreign handle gives 3
    plugin->end(easy);
    close(nobody.fd);
}

static void alone(const char *flavour)
{
    web_start();
    struct plugin plugin = plugin_open(flavour);
    check_life(&plugin, "a");
}

// A libcurl that nobody but a plug-in needs, invisible to RTLD_NEXT.
static void openssl_alone(void)
{
    alone("openssl");
}

static void gnutls_alone(void)
{
    alone("gnutls");
}

// Both at once, in either order of loading, their handles alive side by side.
static void both(const char *first, const char *second)
{
    web_start();
    struct plugin one = plugin_open(first), two = plugin_open(second);
    CHECK(strcmp(one.flavour(), two.flavour()) != 0);
    CURL *a = one.begin(web_url("a/s503/ok")), *b = two.begin(web_url("b/s503/ok"));
    check_good(&two, b, "good b\n");
    check_good(&one, a, "good a\n");
    check_life(&one, "c");
    check_life(&two, "d");
    check_good(&one, a, "good a\n");
    one.end(a);
    check_good(&two, b, "good b\n");
    two.end(b);
}

static void openssl_first(void)
{
    both("openssl", "gnutls");
}

static void gnutls_first(void)
{
    both("gnutls", "openssl");
}

// A plug-in that is loaded and dropped again and again, each time elsewhere in memory.
static void loaded_again(void)
{
    enum { TIMES = 20 };
    web_start();
    for (int i = 0; i < TIMES; i++) {
        char path[64], good[64];
        struct plugin plugin = plugin_open(i % 2 ? "openssl" : "gnutls");
        snprintf(path, sizeof(path), "k%d/s503/ok", i);
        snprintf(good, sizeof(good), "good k%d\n", i);
        CURL *easy = plugin.begin(web_url(path));
        CHECK(easy != NULL);
        check_good(&plugin, easy, good);
        plugin.end(easy);
        void *where = (void *) ((uintptr_t) plugin.flavour & ~(uintptr_t) 4095);
        CHECK_INT(dlclose(plugin.object), 0);
        // So that the next one lands elsewhere.
        CHECK(mmap(where, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
    }
    CHECK_INT(test_log(RECOVERED, ""), TIMES);
}

#define OWNERS LOCAL "retry.attempts=2\n"

static const struct test tests[] = {
    {"openssl_alone", OWNERS, openssl_alone}, {"gnutls_alone", OWNERS, gnutls_alone},
    {"openssl_first", OWNERS, openssl_first}, {"gnutls_first", OWNERS, gnutls_first},
    {"loaded_again", OWNERS, loaded_again},
};

TEST_MAIN(tests)

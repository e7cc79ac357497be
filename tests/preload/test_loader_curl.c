// SPDX-License-Identifier: MIT
// libcurls that are reached by dlopen and dlsym alone: opened with RTLD_DEEPBIND, called through looked-up functions.
#include <dlfcn.h>
#include <sys/mman.h>

#include "network.h"

// The parts of web.h that need no libcurl at link time.
#include "web.h"

// --- functions found in a libcurl's handle

struct looked_up {
    void *object;
    CURL *(*init)(void);
    CURLcode (*setopt)(CURL *, CURLoption, ...);
    CURLcode (*perform)(CURL *);
    CURLcode (*getinfo)(CURL *, CURLINFO, ...);
    void (*cleanup)(CURL *);
};

static struct looked_up look_up(const char *library)
{
    struct looked_up curl = {.object = dlopen(library, RTLD_NOW | RTLD_LOCAL)};
    if (!curl.object)
        test_skip(dlerror());
    *(void **) &curl.init = dlsym(curl.object, "curl_easy_init");
    *(void **) &curl.setopt = dlsym(curl.object, "curl_easy_setopt");
    *(void **) &curl.perform = dlsym(curl.object, "curl_easy_perform");
    *(void **) &curl.getinfo = dlsym(curl.object, "curl_easy_getinfo");
    *(void **) &curl.cleanup = dlsym(curl.object, "curl_easy_cleanup");
    CHECK(curl.init && curl.setopt && curl.perform && curl.getinfo && curl.cleanup);
    return curl;
}

// Only pointers are set: the shim has no way to tell.
static CURL *begin(const struct looked_up *curl)
{
    CURL *easy = curl->init();
    CHECK(easy != NULL);
    CHECK_INT(curl->setopt(easy, CURLOPT_PROXY, ""), CURLE_OK);
    return easy;
}

static void aim(const struct looked_up *curl, CURL *easy, const char *url, struct bytes *body)
{
    *body = (struct bytes){.length = 0};
    CHECK_INT(curl->setopt(easy, CURLOPT_URL, url), CURLE_OK);
    CHECK_INT(curl->setopt(easy, CURLOPT_WRITEFUNCTION, bytes_take), CURLE_OK);
    CHECK_INT(curl->setopt(easy, CURLOPT_WRITEDATA, body), CURLE_OK);
}

static CURLcode get(const struct looked_up *curl, CURL *easy, const char *url, struct bytes *body, long *status)
{
    aim(curl, easy, url, body);
    CURLcode code = curl->perform(easy);
    CHECK_INT(curl->getinfo(easy, CURLINFO_RESPONSE_CODE, status), CURLE_OK);
    return code;
}

static struct bytes body;

// A transfer that needs a second attempt, if anybody makes one.
static void check_transfer(const struct looked_up *curl, CURL *easy, const char *key, long wanted)
{
    char path[64], good[64];
    long status = 0;
    snprintf(path, sizeof(path), "%s/s503/ok", key);
    snprintf(good, sizeof(good), wanted == 200 ? "good %s\n" : "status 503\n", key);
    CHECK_INT(get(curl, easy, web_url(path), &body, &status), CURLE_OK);
    CHECK_INT(status, wanted);
    CHECK_TEXT(body.at, good);
    CHECK_INT(web_count(key), wanted == 200 ? 2 : 1);
}

// A handle of another libcurl's gives 3.
static void check_refusal(const struct looked_up *curl, CURL *easy)
{
    long status;
    struct port nobody = port_new();
    CHECK_INT(get(curl, easy, port_url(&nobody, ""), &body, &status), CURLE_COULDNT_CONNECT);
    close(nobody.fd);
}

static void both(const char *first, const char *second)
{
    web_start();
    struct looked_up one = look_up(first), two = look_up(second);
    CURL *a = begin(&one), *b = begin(&two);
    check_transfer(&two, b, "b", 200);
    check_transfer(&one, a, "a", 200);
    check_refusal(&one, a);
    check_refusal(&two, b);
    one.cleanup(a);
    check_transfer(&two, b, "d", 200);
    two.cleanup(b);
}

static void openssl_first(void)
{
    both("libcurl.so.4", "libcurl-gnutls.so.4");
}

static void gnutls_first(void)
{
    both("libcurl-gnutls.so.4", "libcurl.so.4");
}

// --- their multi handles

struct looked_up_multi {
    CURLM *(*init)(void);
    CURLMcode (*add)(CURLM *, CURL *);
    CURLMcode (*perform)(CURLM *, int *);
    CURLMcode (*poll)(CURLM *, struct curl_waitfd *, unsigned, int, int *);
    CURLMsg *(*read)(CURLM *, int *);
    CURLMcode (*remove)(CURLM *, CURL *);
    CURLMcode (*cleanup)(CURLM *);
};

static struct looked_up_multi look_up_multi(const struct looked_up *curl)
{
    struct looked_up_multi multi = {.init = NULL};
    *(void **) &multi.init = dlsym(curl->object, "curl_multi_init");
    *(void **) &multi.add = dlsym(curl->object, "curl_multi_add_handle");
    *(void **) &multi.perform = dlsym(curl->object, "curl_multi_perform");
    *(void **) &multi.poll = dlsym(curl->object, "curl_multi_poll");
    *(void **) &multi.read = dlsym(curl->object, "curl_multi_info_read");
    *(void **) &multi.remove = dlsym(curl->object, "curl_multi_remove_handle");
    *(void **) &multi.cleanup = dlsym(curl->object, "curl_multi_cleanup");
    CHECK(multi.init && multi.add && multi.perform && multi.poll && multi.read && multi.remove && multi.cleanup);
    return multi;
}

// One transfer of a libcurl's; its handles live beside those of another.
static void check_multi(const struct looked_up *curl, const struct looked_up_multi *multi, CURLM *handle,
                        const char *key)
{
    char path[64], good[64];
    int running = 1, left;
    CURL *easy = begin(curl);
    snprintf(path, sizeof(path), "%s/s503/ok", key);
    snprintf(good, sizeof(good), "good %s\n", key);
    body = (struct bytes){.length = 0};
    CHECK_INT(curl->setopt(easy, CURLOPT_URL, web_url(path)), CURLE_OK);
    CHECK_INT(curl->setopt(easy, CURLOPT_WRITEFUNCTION, bytes_take), CURLE_OK);
    CHECK_INT(curl->setopt(easy, CURLOPT_WRITEDATA, &body), CURLE_OK);
    CHECK_INT(multi->add(handle, easy), CURLM_OK);
    while (multi->perform(handle, &running) == CURLM_OK && running)
        CHECK_INT(multi->poll(handle, NULL, 0, 1000, NULL), CURLM_OK);
    CURLMsg *message = multi->read(handle, &left);
    CHECK(message && message->msg == CURLMSG_DONE && message->easy_handle == easy);
    CHECK_INT(message->data.result, CURLE_OK);
    CHECK_TEXT(body.at, good);
    CHECK_INT(web_count(key), 2);
    CHECK_INT(multi->remove(handle, easy), CURLM_OK);
    curl->cleanup(easy);
}

static void multi(void)
{
    web_start();
    struct looked_up one = look_up("libcurl.so.4"), two = look_up("libcurl-gnutls.so.4");
    struct looked_up_multi first = look_up_multi(&one), second = look_up_multi(&two);
    CURLM *a = first.init(), *b = second.init();
    CHECK(a && b);
    check_multi(&two, &second, b, "b");
    check_multi(&one, &first, a, "a");
    CHECK_INT(second.cleanup(b), CURLM_OK);
    CHECK_INT(first.cleanup(a), CURLM_OK);
}

// --- more libcurls than slots

enum { SLOTS = 8, COPIES = SLOTS + 1 };

static const char *copy_path(int n)
{
    char name[32];
    snprintf(name, sizeof(name), "libcurl-%d.so", n);
    return test_path(name);
}

static void copy_libcurl(int n)
{
    Dl_info info;
    size_t length;
    void *object = dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);
    if (!object)
        test_skip(dlerror());
    CHECK(dladdr(dlsym(object, "curl_global_init"), &info) != 0);
    char *bytes = test_read(info.dli_fname, &length);
    int fd = open(copy_path(n), O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
    CHECK(fd >= 0 && write(fd, bytes, length) == (ssize_t) length);
    close(fd);
    free(bytes);
    CHECK_INT(dlclose(object), 0);
}

// Ends a handle and its libcurl; the next one is loaded elsewhere.
static void end(struct looked_up *curl, CURL *easy)
{
    Dl_info info;
    CHECK(dladdr(dlsym(curl->object, "curl_global_init"), &info) != 0);
    curl->cleanup(easy);
    CHECK_INT(dlclose(curl->object), 0);
    CHECK(mmap(info.dli_fbase, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == info.dli_fbase);
}

// The last one has no slot and is passed round whole; a slot is free again when its libcurl is gone.
static void many(void)
{
    struct looked_up curl[COPIES];
    CURL *easy[COPIES];
    char key[16];
    web_start();
    for (int i = 0; i < COPIES; i++) {
        copy_libcurl(i);
        curl[i] = look_up(copy_path(i));
        easy[i] = begin(&curl[i]);
    }
    for (int i = 0; i < COPIES; i++) {
        snprintf(key, sizeof(key), "k%d", i);
        check_transfer(&curl[i], easy[i], key, i < SLOTS ? 200 : 503);
    }
    end(&curl[3], easy[3]);
    end(&curl[SLOTS], easy[SLOTS]);
    CHECK(dlopen(copy_path(SLOTS), RTLD_NOW | RTLD_NOLOAD) == NULL);
    curl[SLOTS] = look_up(copy_path(SLOTS));
    easy[SLOTS] = begin(&curl[SLOTS]);
    check_transfer(&curl[SLOTS], easy[SLOTS], "again", 200);
    check_transfer(&curl[0], easy[0], "first", 200);
}

// --- a libcurl in front of a libcurl

static struct looked_up look_up_shim(void)
{
    char path[600];
    snprintf(path, sizeof(path), "%s/object_shim.so",
             getenv("RB_PLUGINS") ? getenv("RB_PLUGINS") : RB_BUILD_DIR "/preload");
    return look_up(path);
}

// The shim's own look-ups must find what is behind it: with our functions it would call itself for ever.
static void shim(void)
{
    web_start();
    struct looked_up curl = look_up_shim();
    CURL *easy = begin(&curl);
    check_transfer(&curl, easy, "a", 200);
    check_refusal(&curl, easy);
    curl.cleanup(easy);
}

// While the only transfer waits, libcurl's poll returns at once: the loop must not spin.
static void poll_without_wakeup(void)
{
    web_start();
    struct looked_up curl = look_up_shim();
    CURLM *(*init)(void) = dlsym(curl.object, "curl_multi_init");
    CURLMcode (*add)(CURLM *, CURL *) = dlsym(curl.object, "curl_multi_add_handle");
    CURLMcode (*drop)(CURLM *, CURL *) = dlsym(curl.object, "curl_multi_remove_handle");
    CURLMcode (*perform)(CURLM *, int *) = dlsym(curl.object, "curl_multi_perform");
    CURLMcode (*wait)(CURLM *, void *, unsigned, int, int *) = dlsym(curl.object, "curl_multi_poll");
    CURLMcode (*finish)(CURLM *) = dlsym(curl.object, "curl_multi_cleanup");
    CHECK(init && add && drop && perform && wait && finish && !dlsym(curl.object, "curl_multi_wakeup"));
    CURL *easy = begin(&curl);
    CURLM *multi_handle = init();
    int running = 1, turns = 0;
    aim(&curl, easy, web_url("a/s503/ok"), &body);
    CHECK_INT(add(multi_handle, easy), CURLM_OK);
    for (; running > 0; turns++) {
        CHECK_INT(perform(multi_handle, &running), CURLM_OK);
        CHECK_INT(wait(multi_handle, NULL, 0, running > 0 ? 1000 : 0, NULL), CURLM_OK);
    }
    CHECK_TEXT(body.at, "good a\n");
    CHECK_BETWEEN(turns, 3, 60);
    drop(multi_handle, easy);
    curl.cleanup(easy);
    finish(multi_handle);
}

// --- RTLD_DEEPBIND

// Opens a plug-in as PHP opens an extension. The sanitizer's dlopen refuses the flag: ours is called past it.
static void *open_deep(const char *flavour)
{
    char path[600];
    const char *directory = getenv("RB_PLUGINS"), *ours = getenv("RB_PRELOAD"), *colon = strrchr(ours, ':');
    void *library = dlopen(colon ? colon + 1 : ours, RTLD_NOW | RTLD_NOLOAD);
    void *(*open)(const char *, int) = dlopen;
    if (library)
        open = dlsym(library, "dlopen");
    snprintf(path, sizeof(path), "%s/plugin_%s.so", directory ? directory : RB_BUILD_DIR "/preload", flavour);
    void *plugin = open(path, RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND);
    if (!plugin)
        test_skip(dlerror());
    return plugin;
}

// Returns how many requests one transfer of the plug-in took.
static int requests(const char *flavour, const char *key)
{
    char path[64], text[1000];
    long status = 0;
    void *plugin = open_deep(flavour);
    CURL *(*plugin_begin)(const char *) = dlsym(plugin, "plugin_begin");
    int (*perform)(CURL *, char *, size_t, long *) = dlsym(plugin, "plugin_perform");
    void (*plugin_end)(CURL *) = dlsym(plugin, "plugin_end");
    CHECK(plugin_begin && perform && plugin_end);
    snprintf(path, sizeof(path), "%s/s503/ok", key);
    CURL *easy = plugin_begin(web_url(path));
    CHECK_INT(perform(easy, text, sizeof(text), &status), CURLE_OK);
    plugin_end(easy);
    CHECK_INT(status, web_count(key) == 2 ? 200 : 503);
    return web_count(key);
}

static void deepbind(void)
{
    web_start();
    CHECK_INT(requests("openssl", "a"), 2);
    CHECK_INT(requests("gnutls", "b"), 2);
}

// The flag stays: the plug-in goes round us. The sanitizer does not stand that.
static void deepbind_kept(void)
{
    if (test_is_sanitized())
        test_skip("RTLD_DEEPBIND beside a sanitizer");
    web_start();
    CHECK_INT(requests("openssl", "a"), 1);
    CHECK_INT(test_log_lines(), 0);
}

#define LOOKUPS LOCAL "retry.attempts=2\n"

static const struct test tests[] = {
    {"openssl_first", LOOKUPS, openssl_first},
    {"gnutls_first", LOOKUPS, gnutls_first},
    {"multi", LOOKUPS, multi},
    {"many", LOOKUPS, many},
    {"shim", LOOKUPS, shim},
    {"poll_without_wakeup", "[local]\nhosts=127.0.0.1\nretry.backoff=fixed\nretry.base=300ms\nretry.jitter=none\n",
     poll_without_wakeup},
    {"deepbind", LOOKUPS, deepbind},
    {"deepbind_kept", "[rebound]\ndeepbind=keep\n" LOOKUPS, deepbind_kept},
};

TEST_MAIN(tests)

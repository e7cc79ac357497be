// SPDX-License-Identifier: MIT
// Several libssls in one process: each call reaches the libssl that made the connection. The libssls are copies of
// object_libssl.so, so this test needs no OpenSSL.
#include <dlfcn.h>

#include "network.h"

struct ssl_st;

// Copies an object of the build into the directory of the test. In the copy, `from` is replaced by `to`, which has the
// same length; from may be NULL.
static const char *copy_object(const char *name, const char *file, const char *from, const char *to)
{
    char path[600];
    size_t length;
    const char *directory = getenv("RB_PLUGINS");
    snprintf(path, sizeof(path), "%s/object_%s.so", directory ? directory : RB_BUILD_DIR "/preload", name);
    char *bytes = test_read(path, &length), *place = from ? memmem(bytes, length, from, strlen(from)) : NULL;
    CHECK(!from || place);
    if (place)
        memcpy(place, to, strlen(to));
    int fd = open(test_path(file), O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
    CHECK(length > 0 && fd >= 0 && write(fd, bytes, length) == (ssize_t) length);
    close(fd);
    free(bytes);
    return test_path(file);
}

static void *open_object(const char *path, int flags)
{
    void *object = dlopen(path, flags);
    if (!object)
        dprintf(STDERR_FILENO, "%s\n", dlerror());
    CHECK(object != NULL);
    return object;
}

// Opens a libssl with this number. Its file name is also that in the DT_NEEDED entry of the plug-ins that need it.
static void *open_libssl(const char *file, int number, int flags)
{
    void *object = open_object(copy_object("libssl", file, NULL, NULL), flags);
    void (*set_number)(int) = dlsym(object, "libssl_number");
    CHECK(set_number != NULL);
    set_number(number);
    return object;
}

// Opens a plug-in that needs the libssl of this file name.
static void *open_user(const char *file, const char *needed, int flags)
{
    return open_object(copy_object("ssl_user", file, "object_libssl.so", needed), flags);
}

#define ONE "object_libone.so"
#define TWO "object_libtwo.so"

static int call(void *object, const char *name)
{
    int (*function)(void) = dlsym(object, name);
    CHECK(function != NULL);
    return function();
}

static void check_user(void *user, int number)
{
    CHECK_INT(call(user, "user_reads"), number);
    CHECK_INT(call(user, "user_writes"), number);
    CHECK_INT(call(user, "user_pending"), number);
    CHECK_INT(call(user, "user_reads"), number);
}

// --- functions found in a library's handle

struct looked_up {
    struct ssl_st *(*make)(const char *);
    int (*read)(struct ssl_st *, void *, int);
    int (*pending)(const struct ssl_st *);
};

static struct looked_up look_up(void *object)
{
    struct looked_up found = {0};
    *(void **) &found.make = dlsym(object, "SSL_new");
    *(void **) &found.read = dlsym(object, "SSL_read");
    *(void **) &found.pending = dlsym(object, "SSL_pending");
    CHECK(found.make && found.read && found.pending);
    return found;
}

static void check_looked_up(const struct looked_up *library, int number)
{
    char byte;
    struct ssl_st *ssl = library->make("");
    CHECK_INT(library->read(ssl, &byte, 1), number);
    CHECK_INT(library->pending(ssl), number);
}

static bool is_ours(void *function)
{
    Dl_info info;
    return dladdr(function, &info) != 0 && strstr(info.dli_fname, "librebound") != NULL;
}

static void looked_up(void)
{
    struct looked_up one = look_up(open_libssl(ONE, 1, RTLD_NOW | RTLD_LOCAL));
    check_looked_up(&one, 1);
    struct looked_up two = look_up(open_libssl(TWO, 2, RTLD_NOW | RTLD_LOCAL));
    CHECK(is_ours(*(void **) &one.read) && is_ours(*(void **) &two.read) && is_ours(*(void **) &two.pending));
    CHECK(!is_ours(*(void **) &two.make));
    check_looked_up(&two, 2);
    check_looked_up(&one, 1);
}

// A name that this libssl lacks is not found, as without the library.
static void absent(void)
{
    void *one = open_libssl(ONE, 1, RTLD_NOW | RTLD_LOCAL);
    CHECK(dlsym(one, "SSL_read_ex") == NULL);
    CHECK(dlsym(one, "SSL_read") != NULL);
}

// --- plug-ins

// Only the plug-in needs the libssl, and no other object sees it.
static void plugin_alone(void)
{
    copy_object("libssl", ONE, NULL, NULL);
    check_user(open_user("user.so", ONE, RTLD_NOW | RTLD_LOCAL), 1);
}

// Each plug-in has a libssl of its own.
static void plugins(int flags)
{
    open_libssl(ONE, 1, RTLD_NOW | RTLD_LOCAL);
    open_libssl(TWO, 2, RTLD_NOW | RTLD_LOCAL);
    void *one = open_user("one.so", ONE, flags), *two = open_user("two.so", TWO, flags);
    check_user(two, 2);
    check_user(one, 1);
    check_user(two, 2);
    CHECK_INT(call(one, "user_reads_unknown"), 1);
    CHECK_INT(call(two, "user_reads_unknown"), 2);
}

static void plugins_bound_now(void)
{
    plugins(RTLD_NOW | RTLD_LOCAL);
}

static void plugins_bound_lazily(void)
{
    plugins(RTLD_LAZY | RTLD_LOCAL);
}

// The libssl of the program comes first in the order of look-ups. The loader binds the plug-in to this libssl although
// the plug-in needs another one.
static void plugin_in_global(int flags)
{
    open_libssl(TWO, 2, RTLD_NOW | RTLD_GLOBAL);
    open_libssl(ONE, 1, RTLD_NOW | RTLD_LOCAL);
    check_user(open_user("user.so", ONE, flags), 2);
}

static void global_bound_now(void)
{
    plugin_in_global(RTLD_NOW | RTLD_LOCAL);
}

static void global_bound_lazily(void)
{
    plugin_in_global(RTLD_LAZY | RTLD_LOCAL);
}

// After a dlclose, a plug-in with another libssl lies at the same addresses.
static void replaced(void)
{
    enum { TIMES = 6 };
    void *before = NULL;
    int same = 0;
    open_libssl(ONE, 1, RTLD_NOW | RTLD_LOCAL);
    open_libssl(TWO, 2, RTLD_NOW | RTLD_LOCAL);
    for (int i = 0; i < TIMES; i++) {
        char file[16];
        snprintf(file, sizeof(file), "user%d.so", i);
        void *user = open_user(file, i % 2 ? ONE : TWO, RTLD_NOW | RTLD_LOCAL);
        void *here = dlsym(user, "user_reads");
        same += here == before;
        before = here;
        CHECK_INT(call(user, "user_reads_unknown"), i % 2 ? 1 : 2);
        CHECK_INT(dlclose(user), 0);
    }
    if (!same)
        test_skip("each plug-in lies elsewhere");
}

// --- no libssl

static void none(void)
{
    char byte;
    size_t count;
    int (*read_it)(struct ssl_st *, void *, int) = dlsym(RTLD_DEFAULT, "SSL_read");
    int (*read_ex)(struct ssl_st *, void *, size_t, size_t *) = dlsym(RTLD_DEFAULT, "SSL_read_ex");
    int (*pending)(const struct ssl_st *) = dlsym(RTLD_DEFAULT, "SSL_pending");
    CHECK(read_it && read_ex && pending);
    CHECK_INT(read_it(NULL, &byte, 1), -1);
    CHECK_INT(read_ex(NULL, &byte, 1, &count), 0);
    CHECK_INT(pending(NULL), 0);
}

#define ANY "[any]\nhosts=*\n"

static const struct test tests[] = {
    {"looked_up", ANY, looked_up},
    {"absent", ANY, absent},
    {"plugin_alone", ANY, plugin_alone},
    {"plugins_bound_now", ANY, plugins_bound_now},
    {"plugins_bound_lazily", ANY, plugins_bound_lazily},
    {"global_bound_now", ANY, global_bound_now},
    {"global_bound_lazily", ANY, global_bound_lazily},
    {"replaced", ANY, replaced},
    {"none", ANY, none},
};

TEST_MAIN(tests)

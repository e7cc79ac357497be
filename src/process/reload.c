// SPDX-License-Identifier: MIT
// Finds the policy file and reloads it when it changes.
//
// One word, next_check, is both the time of the next check and the claim on it: the thread that moves it forward by
// compare-and-swap does the check. The claim is a lease, because its holder may vanish (a fork in another thread, a
// longjmp out of a signal handler). The lease is renewed right before the new policy is published, so a holder that was
// stopped for longer than its lease changes nothing.
#include "process/reload.h"

#include <errno.h>
#include <stdatomic.h>

#include "base/file.h"
#include "policy/builtin.h"
#include "policy/trust.h"
#include "real/kernel.h"
#include "real/sandbox.h"

// Times in milliseconds.
static const uint64_t CHECK_EVERY = 1000;    // between two checks of the file
static const uint64_t LEASE = 60000;         // for one check and the reload after it
static const uint64_t RETIRED_LEAST = 60000; // the earliest time to free a replaced policy
static const uint64_t RETIRED_MOST = 600000; // after this time the next replacement frees it

enum { RETIRED_MAX = 8, START_TRIES = 3 };

static const char system_path[] = "/etc/rebound/policy.ini";

// A replaced policy that a thread may still use.
struct retired {
    struct rb_policy *policy;
    uint64_t since_ms;
};

static struct {
    _Atomic(struct rb_policy *) current;
    _Atomic uint64_t next_check;
    rb_reload_fn *notify;
    struct rb_pairs pairs;
    _Atomic bool fixed; // a built-in policy that is valid or not loaded yet: there is no file to check
    char path[RB_POLICY_PATH_SIZE];
    // Only the holder of the claim uses the following fields.
    struct rb_file_identity seen; // identity of the file parsed last, valid or not
    int error;                    // result of the last check: 0, or why the file could not be read
    struct retired retired[RETIRED_MAX];
} in_force;

// One check of the file.
struct file_check {
    uint64_t now_ms;
    uint64_t claim; // the value of next_check while this thread holds the claim
};

static void reload_notify(enum rb_reload_event event, const struct rb_diagnostic *diagnostic, int error)
{
    if (in_force.notify)
        in_force.notify(event, in_force.path, diagnostic, error);
}

static bool join(char *out, const char *directory, const char *file)
{
    size_t front = strlen(directory), back = strlen(file);
    if (front + back >= RB_POLICY_PATH_SIZE)
        return false;
    memmove(out, directory, front);
    memcpy(out + front, file, back + 1);
    return true;
}

static bool exists(const char *path)
{
    struct rb_file_identity ignored;
    return rb_file_identify(path, &ignored) == 0;
}

// Relative directories in these variables are ignored (XDG Base Directory Specification).
static int locate_own(const struct rb_reload_places *places, char *out)
{
    bool joined = false;
    if (places->config && places->config[0] == '/')
        joined = join(out, places->config, "/rebound/policy.ini");
    else if (places->home && places->home[0] == '/')
        joined = join(out, places->home, "/.config/rebound/policy.ini");
    return joined && exists(out) ? 0 : -ENOENT;
}

int rb_reload_locate(const struct rb_reload_places *places, char *out)
{
    if (places->named)
        return join(out, "", places->named) ? 0 : -ENAMETOOLONG;
    if (locate_own(places, out) == 0)
        return 0;
    return join(out, "", system_path) && exists(out) ? 0 : -ENOENT;
}

// Stores a replaced policy to be freed later. If all places hold policies that are too young, the policy is never
// freed, because freeing it too early would be worse.
static void retire(struct rb_policy *policy, uint64_t now_ms)
{
    struct retired *oldest = &in_force.retired[0];
    for (struct retired *place = in_force.retired; place < in_force.retired + RETIRED_MAX; place++) {
        if (place->policy && now_ms - place->since_ms >= RETIRED_MOST) {
            rb_policy_free(place->policy);
            *place = (struct retired){NULL, 0};
        }
        oldest = !place->policy || (oldest->policy && place->since_ms < oldest->since_ms) ? place : oldest;
    }
    if (!oldest->policy || now_ms - oldest->since_ms >= RETIRED_LEAST) {
        rb_policy_free(oldest->policy);
        *oldest = (struct retired){policy, now_ms};
    }
}

static bool renew(struct file_check *check)
{
    uint64_t mine = check->claim;
    check->claim += LEASE;
    return atomic_compare_exchange_strong(&in_force.next_check, &mine, check->claim);
}

static int note_error(struct file_check *check, int error, enum rb_reload_event event,
                      const struct rb_diagnostic *diagnostic)
{
    if (renew(check) && in_force.error != error) {
        in_force.error = error;
        reload_notify(event, diagnostic, diagnostic ? 0 : error);
    }
    return error;
}

static int note_unreadable(struct file_check *check, int error)
{
    return note_error(check, error, RB_RELOAD_UNREADABLE, NULL);
}

// Returns 0, or -EPERM after reporting why the file is not used.
static int check_trust(struct file_check *check, const struct rb_file_identity *identity)
{
    uint32_t user = rb_trust_user();
    enum rb_trust trust = rb_trust_judge(identity, user);
    if (trust == RB_TRUST_OK)
        return 0;
    char message[RB_TRUST_SIZE];
    rb_trust_explain(trust, identity, user, message, sizeof(message));
    struct rb_diagnostic diagnostic = {.file = in_force.path, .message = message};
    return note_error(check, -EPERM, RB_RELOAD_UNTRUSTED, &diagnostic);
}

// State of the callback for errors of a parse: only the first error is reported.
struct first_error {
    bool reported;
};

static void tell_first(void *context, const struct rb_diagnostic *diagnostic)
{
    struct first_error *first = context;
    if (!first->reported && !diagnostic->warning) {
        first->reported = true;
        reload_notify(RB_RELOAD_INVALID, diagnostic, -EINVAL);
    }
}

static int load_text(struct file_check *check, struct rb_slice text, const struct rb_file_identity *identity)
{
    struct rb_policy *fresh;
    struct first_error first = {false};
    int result = rb_policy_parse(text, in_force.path, &in_force.pairs, &fresh, tell_first, &first);
    if (result != 0 && result != -EINVAL && result != -EDOM)
        return note_unreadable(check, result);
    if (!renew(check)) {
        rb_policy_free(fresh);
        return -EAGAIN;
    }
    in_force.seen = *identity;
    in_force.error = 0;
    if (result == 0) {
        struct rb_policy *replaced = atomic_exchange_explicit(&in_force.current, fresh, memory_order_acq_rel);
        if (replaced)
            retire(replaced, check->now_ms);
        reload_notify(replaced ? RB_RELOAD_RELOADED : RB_RELOAD_LOADED, NULL, 0);
    }
    return result;
}

static int load_file(struct file_check *check)
{
    struct rb_file_identity identity;
    int result = rb_file_identify(in_force.path, &identity);
    if (result != 0)
        return note_unreadable(check, result);
    if (in_force.error == 0 && rb_file_same(&identity, &in_force.seen))
        return 0;
    // Check before reading, because the file may be large. It may be replaced meanwhile, so the file that was read is
    // checked again below.
    result = check_trust(check, &identity);
    if (result != 0)
        return result;
    struct rb_arena scratch = {0};
    struct rb_slice text;
    result = rb_file_read(in_force.path, &scratch, &text, &identity);
    if (result != 0 && result != -EAGAIN) // the file is being written: the next check reads it
        note_unreadable(check, result);
    result = result ? result : check_trust(check, &identity);
    if (result == 0)
        result = load_text(check, text, &identity);
    rb_arena_release(&scratch);
    return result;
}

// Reports the first error of a built-in policy. No call loads the policy again.
static void tell_unusable(void *context, const struct rb_diagnostic *diagnostic)
{
    (void) context;
    if (!diagnostic->warning && atomic_exchange(&in_force.fixed, false))
        reload_notify(RB_RELOAD_INVALID, diagnostic, -EINVAL);
}

// A built-in policy is loaded on first use, because most programs never need it. Threads that come here at the same
// time each load it; the first one to store its policy wins.
static __attribute__((noinline, cold)) const struct rb_policy *load_builtin(void)
{
    int kept_errno = errno;
    struct rb_policy *fresh, *there = NULL;
    if (rb_policy_load(in_force.path, &in_force.pairs, &fresh, tell_unusable, NULL) == 0) {
        if (atomic_compare_exchange_strong(&in_force.current, &there, fresh)) {
            reload_notify(RB_RELOAD_LOADED, NULL, 0);
        } else {
            rb_policy_free(fresh);
            fresh = there;
        }
    }
    errno = kept_errno;
    return fresh;
}

// Makes the path absolute, because the program may change its working directory. If that directory has no name, the
// path stays relative.
static int keep_path(const char *path)
{
    bool relative = path[0] != '/' && !in_force.fixed;
    long length = relative ? rb_kernel(SYS_getcwd, in_force.path, sizeof(in_force.path) - 1) : 0; // with its NUL
    if (length > 1 && in_force.path[0] == '/') {
        memcpy(in_force.path + length - 1, "/", 2);
        return join(in_force.path, in_force.path, path) ? 0 : -ENAMETOOLONG;
    }
    return join(in_force.path, "", path) ? 0 : -ENAMETOOLONG;
}

int rb_reload_start(const char *path, const char *set, rb_reload_fn *notify)
{
    int kept_errno = errno;
    in_force.notify = notify;
    in_force.pairs = (struct rb_pairs){.environment = set};
    in_force.fixed = rb_builtin_is(path);
    in_force.seen = (struct rb_file_identity){0};
    in_force.error = 0;
    if (in_force.fixed)
        atomic_store(&in_force.current, NULL); // no caller has seen it yet
    int result = keep_path(path);
    if (result == 0 && !in_force.fixed) {
        result = -EAGAIN;
        for (int tries = 0; result == -EAGAIN && tries < START_TRIES; tries++) {
            struct file_check check = {0, LEASE};
            atomic_store(&in_force.next_check, check.claim);
            result = load_file(&check);
        }
    }
    atomic_store(&in_force.next_check, in_force.fixed ? UINT64_MAX : 0);
    errno = kept_errno;
    return result;
}

// Kept out of line: rb_reload_current calls it at most once a second.
static __attribute__((noinline, cold)) void check_again(uint64_t now_ms, uint64_t due)
{
    struct file_check check = {now_ms, now_ms + LEASE};
    if (rb_sandbox_bars_files()) {
        atomic_store(&in_force.next_check, UINT64_MAX);
        return;
    }
    if (!atomic_compare_exchange_strong(&in_force.next_check, &due, check.claim))
        return;
    int kept_errno = errno;
    load_file(&check);
    atomic_compare_exchange_strong(&in_force.next_check, &check.claim, now_ms + CHECK_EVERY);
    errno = kept_errno;
}

const struct rb_policy *rb_reload_current(uint64_t now_ms)
{
    uint64_t due = atomic_load_explicit(&in_force.next_check, memory_order_relaxed);
    if (now_ms >= due)
        check_again(now_ms, due);
    const struct rb_policy *current = atomic_load_explicit(&in_force.current, memory_order_acquire);
    return current || !in_force.fixed ? current : load_builtin();
}

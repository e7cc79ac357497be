// SPDX-License-Identifier: MIT
// The attempts of one name lookup.
#include "net/lookup/lookup.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "base/arithmetic.h"
#include "base/slice.h"
#include "net/lookup/answer.h"
#include "net/lookup/names.h"
#include "process/process.h"
#include "process/starting.h"
#include "real/libc.h"
#include "real/sandbox.h"
#include "real/system.h"
#include "state/cells.h"
#include "state/record.h"

// The result of one call of libc as an EAI_* code. error: errno, for EAI_SYSTEM.
struct verdict {
    int eai;
    int error;
};

// One call of the program. Each intercepted function makes attempts and returns kept answers in its own way.
struct question {
    struct verdict (*attempt)(struct question *question);
    bool (*learn)(const struct question *question,
                  struct rb_stale_answer *answer); // returns false when there is nothing to keep
    bool (*restore)(struct question *question, const struct rb_stale_answer *answer);
    struct rb_stale_key key;
    struct rb_target target;
    enum rb_lookup_caller caller;
    bool restricted; // the lookup leaves out addresses of one family
};

// One call that a section covers.
struct lookup {
    struct question *question;
    bool once;             // no retries, because libcurl's transfer is retried as a whole
    struct rb_rules rules; // a copy, because the policy may be replaced during a wait
    char policy[RB_SECTION_NAME_SIZE];
    struct rb_call call;
    uint64_t total_ms;
    int saved; // errno before the call
};

static void lookup_report(const struct lookup *l, enum rb_verdict verdict, const struct rb_outcome *outcome,
                          uint64_t delay_ms, enum rb_reason reason)
{
    struct rb_event event = {
        .verdict = verdict,
        .policy = l->policy,
        .api = RB_API_DNS,
        .cause = outcome->cause,
        .delay_ms = delay_ms,
        .reason = reason,
    };
    rb_process_report(&event, &l->question->target, &l->call);
}

// ---- which calls are covered

// The port if the service is a number or the name of a URL scheme, else 0.
static uint16_t port_of(const char *service)
{
    uint32_t port = 0;
    if (!service || !*service)
        return 0;
    if (!rb_char_digit(*service))
        return rb_target_port_of_scheme(service);
    for (const char *c = service; *c; c++) {
        if (!rb_char_digit(*c) || port > UINT16_MAX)
            return 0;
        port = port * 10 + (uint32_t) (*c - '0');
    }
    return port <= UINT16_MAX ? (uint16_t) port : 0;
}

static struct rb_target target_of(const char *node, const char *service)
{
    return (struct rb_target){.name = node, .name_length = strlen(node), .port = port_of(service)};
}

// ---- the loop

// Begins a call: copies the rules of the section and finds the retry budget. Lookups of a name on all ports share one
// budget, because the resolver has the load. Lookups use no breaker: a failed lookup says nothing about the host, and a
// lookup must not take the permit of a probe.
static void lookup_begin(struct lookup *l, const struct rb_section *section)
{
    uint64_t now_ms = rb_system_now_ms();
    struct rb_target bare = l->question->target;
    struct rb_cell *cell = NULL;
    bare.port = 0;
    l->rules = section->rules;
    memcpy(l->policy, section->name, strnlen(section->name, sizeof(l->policy) - 1) + 1);
    l->policy[sizeof(l->policy) - 1] = '\0';
    l->once = l->question->caller == RB_LOOKUP_LIBCURL && (l->rules.intercept & RB_INTERCEPT_CURL);
    l->total_ms = rb_arithmetic_min(l->rules.dns_total_ms, l->rules.total_ms);
    if (!l->once)
        cell = rb_cell_get(rb_cell_key(section, &bare, 0), section->name, &section->rules, &bare, now_ms);
    rb_call_begin(&l->call, &l->rules, NULL, cell ? &cell->budget : NULL, l->total_ms, now_ms);
    if (l->question->caller != RB_LOOKUP_LIBCURL) // libcurl joins its resolver thread, so it must not wait
        rb_starting_begin(&l->call, section, &bare);
    if (!l->once)
        rb_process_count_call(l->policy);
}

// True if the name has an address of a family that the program has not asked for. Then the host has started. Some
// programs ask for one family after the other.
static __attribute__((noinline)) bool has_other_address(const struct question *question)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;
    int saved = h_errno;
    if (!question->restricted || rb_libc_getaddrinfo(question->key.node, NULL, &hints, &list) != 0) {
        h_errno = saved;
        return false;
    }
    freeaddrinfo(list);
    h_errno = saved;
    return true;
}

// Retries the lookup while the policy allows. Returns the last result; *reason receives why it was the last.
//
// A running lookup cannot be stopped. Therefore another lookup starts only if it would end before dns.total, assuming
// that it takes as long as the last one.
static struct rb_outcome lookup_repeat(struct lookup *l, enum rb_reason *reason)
{
    uint64_t begun_ms = rb_system_now_ms(), until_ms = rb_arithmetic_add(begun_ms, l->total_ms);
    for (;;) {
        uint64_t started_ms = rb_system_now_ms();
        rb_call_admit(&l->call, started_ms, NULL);
        errno = l->saved;
        struct verdict verdict = l->question->attempt(l->question);
        int left = errno;
        uint64_t ended_ms = rb_system_now_ms();
        struct rb_outcome outcome = rb_classify_eai(verdict.eai, verdict.error);
        l->call.deadline_ms = rb_arithmetic_sub(until_ms, ended_ms - started_ms);
        enum rb_reason blocked = l->once ? RB_REASON_ATTEMPTS : RB_REASON_NONE;
        if (rb_sandbox_is_filtered()) // another thread has installed the filter meanwhile
            blocked = RB_REASON_SANDBOX;
        if (l->call.start && outcome.absent)
            outcome.absent = !has_other_address(l->question);
        if (blocked == RB_REASON_NONE && rb_call_awaits_start(&l->call, &outcome, UINT64_MAX, ended_ms)) {
            until_ms = rb_arithmetic_add(until_ms, ended_ms - started_ms + RB_ABSENT_EVERY_MS);
            rb_process_begin_wait(&l->question->target, &l->call);
            if (rb_starting_wait())
                continue;
            blocked = RB_REASON_INTERRUPTED;
        }
        struct rb_decision decision =
            rb_call_judge(&l->call, &outcome, blocked, true, NULL, ended_ms, rb_system_random());
        *reason = decision.reason;
        if (decision.retry) {
            lookup_report(l, RB_VERDICT_RETRY, &outcome, decision.delay_ms, RB_REASON_NONE);
            rb_system_sleep(decision.delay_ms);
            if (!rb_sandbox_is_filtered())
                continue;
        }
        errno = left;
        return outcome;
    }
}

// ---- kept answers

// Not inlined, so that only policies with dns.stale pay for the large stack frame.
__attribute__((noinline)) static void keep(const struct lookup *l)
{
    struct rb_stale_answer answer;
    if (l->rules.dns_stale_ms == 0 || !l->question->learn(l->question, &answer))
        return;
    answer.learned_ms = rb_system_now_ms();
    rb_stale_put(&l->question->key, &answer);
}

// If the resolver could not be reached, gives the program the last good answer. Returns false if the program must see
// the failure.
__attribute__((noinline)) static bool answer_stale(const struct lookup *l, const struct rb_outcome *outcome)
{
    struct rb_stale_answer answer;
    bool down = outcome->cause == RB_CAUSE_DNS && !outcome->permanent;
    if (!down || l->rules.dns_stale_ms == 0)
        return false;
    return rb_stale_get(&l->question->key, rb_system_now_ms(), l->rules.dns_stale_ms, &answer) &&
           l->question->restore(l->question, &answer);
}

// Not inlined, so that only matched hosts pay for the large stack frame.
__attribute__((noinline)) static void lookup_perform(struct question *question, const struct rb_section *section)
{
    struct lookup l = {.question = question, .saved = errno};
    enum rb_reason reason;
    lookup_begin(&l, section);
    struct rb_outcome outcome = lookup_repeat(&l, &reason);
    int left = errno;
    if (outcome.cause == RB_CAUSE_NONE) {
        keep(&l);
        if (rb_call_attempts(&l.call) > 1) {
            lookup_report(&l, RB_VERDICT_RECOVERED, &outcome, 0, RB_REASON_NONE);
            left = l.saved;
        } else if (l.call.start && rb_absent_is_over(l.call.start, rb_system_now_ms())) {
            rb_process_success(&l.call, l.policy, RB_API_DNS,
                               &question->target); // a connect may come too late for this
        } else if (!l.once) {
            rb_record_success(&l.call, l.policy, RB_API_DNS);
        }
    } else if (answer_stale(&l, &outcome)) {
        lookup_report(&l, RB_VERDICT_STALE, &outcome, 0, RB_REASON_NONE);
        left = l.saved;
    } else if (!l.once) {
        lookup_report(&l, RB_VERDICT_STOP, &outcome, 0, reason);
    }
    errno = left;
}

// The stack frame of the lookup that this thread is retrying, 0 for none. libc may call its own functions through our
// hooks; nested calls must not be retried. A counter would not work, because programs leave lookups by siglongjmp
// (wget). A call from a frame further up the stack shows that the older lookup has ended.
static __thread uintptr_t inside;

// Returns false when the call passes through.
static bool lookup_ask(const struct rb_policy *policy, struct question *question)
{
    uintptr_t here = (uintptr_t) __builtin_frame_address(0);
    const struct rb_section *section =
        inside > here ? NULL : rb_process_match(policy, &question->target, RB_INTERCEPT_DNS);
    if (!section)
        return false;
    inside = here;
    lookup_perform(question, section);
    inside = 0;
    return true;
}

// ---- getaddrinfo

struct info_question {
    struct question common;
    const char *service;
    const struct addrinfo *hints;
    struct addrinfo **result;
    int answer;
};

static struct verdict info_attempt(struct question *question)
{
    struct info_question *q = (struct info_question *) question;
    q->answer = rb_libc_getaddrinfo(q->common.key.node, q->service, q->hints, q->result);
    return (struct verdict){q->answer, errno};
}

static bool info_learn(const struct question *question, struct rb_stale_answer *answer)
{
    return rb_answer_from_addrinfo(answer, *((const struct info_question *) question)->result);
}

static bool info_restore(struct question *question, const struct rb_stale_answer *answer)
{
    struct info_question *q = (struct info_question *) question;
    struct addrinfo *list = rb_answer_to_addrinfo(answer, q->service, q->hints);
    if (!list)
        return false;
    *q->result = list;
    q->answer = 0;
    return true;
}

int rb_lookup_getaddrinfo(const struct rb_policy *policy, enum rb_lookup_caller caller, const char *node,
                          const char *service, const struct addrinfo *hints, struct addrinfo **result)
{
    if (!policy || !node || (hints && (hints->ai_flags & AI_NUMERICHOST)) || rb_names_is_numeric(node))
        return rb_libc_getaddrinfo(node, service, hints, result);
    struct rb_stale_key key = {.node = node, .kind = RB_STALE_ADDRINFO_BARE};
    bool restricted = !hints || hints->ai_family != AF_UNSPEC || (hints->ai_flags & AI_ADDRCONFIG);
    if (hints)
        key = (struct rb_stale_key){node, RB_STALE_ADDRINFO, hints->ai_family, hints->ai_flags};
    struct info_question q = {
        .common = {info_attempt, info_learn, info_restore, key, target_of(node, service), caller, restricted},
        .service = service,
        .hints = hints,
        .result = result,
    };
    return lookup_ask(policy, &q.common) ? q.answer : rb_libc_getaddrinfo(node, service, hints, result);
}

// ---- gethostbyname and gethostbyname2

// Converts h_errno to an EAI_* code.
static struct verdict verdict_of(const struct hostent *found, int host_error, int error)
{
    if (found)
        return (struct verdict){0, 0};
    switch (host_error) {
    case TRY_AGAIN:
        return (struct verdict){EAI_AGAIN, 0};
    case NO_RECOVERY:
        return (struct verdict){EAI_FAIL, 0};
    case NETDB_INTERNAL:
        return (struct verdict){EAI_SYSTEM, error};
    case NO_DATA:
        return (struct verdict){EAI_NODATA, 0};
    default:
        return (struct verdict){EAI_NONAME, 0};
    }
}

static struct question host_question(const char *name, int family, enum rb_lookup_caller caller)
{
    return (struct question){
        .key = {.node = name, .kind = RB_STALE_HOSTENT, .family = family},
        .target = target_of(name, NULL),
        .caller = caller,
        .restricted = true,
    };
}

struct host_question {
    struct question common;
    struct hostent *found;
    int saved; // h_errno before the call
};

static struct hostent *host_by_name(const char *name, int family)
{
    return family == RB_LOOKUP_PLAIN ? rb_libc_gethostbyname(name) : rb_libc_gethostbyname2(name, family);
}

static struct verdict host_attempt(struct question *question)
{
    struct host_question *q = (struct host_question *) question;
    h_errno = q->saved;
    q->found = host_by_name(q->common.key.node, q->common.key.family);
    return verdict_of(q->found, h_errno, errno);
}

static bool host_learn(const struct question *question, struct rb_stale_answer *answer)
{
    return rb_answer_from_hostent(answer, ((const struct host_question *) question)->found);
}

// Kept answers need a static buffer, as gethostbyname returns one. libc's own buffer is not accessible. A second one is
// allowed, because a program must not use a result after its next call.
static bool host_restore(struct question *question, const struct rb_stale_answer *answer)
{
    static struct hostent entry;
    static char buffer[RB_NAME_SIZE + (RB_STALE_ADDRESSES + 3) * (16 + sizeof(char *))];
    if (!rb_answer_to_hostent(answer, &entry, buffer, sizeof(buffer)))
        return false;
    h_errno = ((struct host_question *) question)->saved;
    ((struct host_question *) question)->found = &entry;
    return true;
}

struct hostent *rb_lookup_gethostbyname(const struct rb_policy *policy, enum rb_lookup_caller caller, const char *name,
                                        int family)
{
    if (!policy || !name || rb_names_is_numeric(name))
        return host_by_name(name, family);
    struct host_question q = {.common = host_question(name, family, caller), .saved = h_errno};
    q.common.attempt = host_attempt;
    q.common.learn = host_learn;
    q.common.restore = host_restore;
    return lookup_ask(policy, &q.common) ? q.found : host_by_name(name, family);
}

// ---- gethostbyname_r and gethostbyname2_r

struct host_r_question {
    struct question common;
    struct hostent *entry;
    char *buffer;
    size_t size;
    struct hostent **result;
    int *error;
    int answer;
};

static int host_by_name_r(const char *name, int family, struct hostent *entry, char *buffer, size_t size,
                          struct hostent **result, int *error)
{
    return family == RB_LOOKUP_PLAIN ? rb_libc_gethostbyname_r(name, entry, buffer, size, result, error)
                                     : rb_libc_gethostbyname2_r(name, family, entry, buffer, size, result, error);
}

// A buffer that is too small ends the retries like an answer. The program calls again with a larger one.
static struct verdict host_r_attempt(struct question *question)
{
    struct host_r_question *q = (struct host_r_question *) question;
    q->answer =
        host_by_name_r(q->common.key.node, q->common.key.family, q->entry, q->buffer, q->size, q->result, q->error);
    if (q->answer == ERANGE)
        return (struct verdict){0, 0};
    return verdict_of(q->answer == 0 ? *q->result : NULL, *q->error, q->answer);
}

static bool host_r_learn(const struct question *question, struct rb_stale_answer *answer)
{
    const struct host_r_question *q = (const struct host_r_question *) question;
    return q->answer == 0 && rb_answer_from_hostent(answer, *q->result);
}

static bool host_r_restore(struct question *question, const struct rb_stale_answer *answer)
{
    struct host_r_question *q = (struct host_r_question *) question;
    bool fits = rb_answer_to_hostent(answer, q->entry, q->buffer, q->size);
    *q->result = fits ? q->entry : NULL;
    *q->error = fits ? NETDB_SUCCESS : NETDB_INTERNAL;
    q->answer = fits ? 0 : ERANGE;
    return true;
}

int rb_lookup_gethostbyname_r(const struct rb_policy *policy, enum rb_lookup_caller caller, const char *name,
                              int family, struct hostent *entry, char *buffer, size_t size, struct hostent **result,
                              int *error)
{
    if (!policy || !name || rb_names_is_numeric(name))
        return host_by_name_r(name, family, entry, buffer, size, result, error);
    struct host_r_question q = {
        .common = host_question(name, family, caller),
        .entry = entry,
        .buffer = buffer,
        .size = size,
        .result = result,
        .error = error,
    };
    q.common.attempt = host_r_attempt;
    q.common.learn = host_r_learn;
    q.common.restore = host_r_restore;
    return lookup_ask(policy, &q.common) ? q.answer : host_by_name_r(name, family, entry, buffer, size, result, error);
}

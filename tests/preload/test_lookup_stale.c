// SPDX-License-Identifier: MIT
// The last good answer when the resolver is down: the same list as before, and the program may free it.
#include "resolver.h"

#define STALE "\"decision\":\"stale\""
#define FLAGGED(flag) (&(struct addrinfo){.ai_flags = (flag), .ai_socktype = SOCK_STREAM})

static struct addrinfo *look_up(const char *node, const char *service, const struct addrinfo *hints)
{
    struct addrinfo *list = NULL;
    CHECK_INT(getaddrinfo(node, service, hints, &list), 0);
    return list;
}

static void fails(const char *node, const char *service, const struct addrinfo *hints)
{
    struct addrinfo *list = NULL;
    CHECK_INT(getaddrinfo(node, service, hints, &list), EAI_AGAIN);
}

// Asks while the resolver is up and then while it is down. The lists must be alike.
static void check_same(const char *node, const char *service, const struct addrinfo *hints)
{
    resolver_fails(0, 0, 0);
    struct addrinfo *fresh = look_up(node, service, hints);
    resolver_fails(99, EAI_AGAIN, 0);
    errno = ENOTTY;
    struct addrinfo *stale = look_up(node, service, hints);
    CHECK_INT(errno, ENOTTY);
    CHECK_TEXT(list_text(stale), list_text(fresh));
    freeaddrinfo(fresh);
    freeaddrinfo(stale);
}

static void same_list_inner(void)
{
    static const struct addrinfo any = {0}, stream = {.ai_socktype = SOCK_STREAM},
                                 four = {.ai_family = AF_INET, .ai_protocol = IPPROTO_UDP},
                                 passive = {.ai_flags = AI_PASSIVE | AI_NUMERICSERV, .ai_family = AF_INET6};
    resolver_says("192.0.2.1 2001:db8::1 192.0.2.2", "canonical.test");
    check_same("a.test", "80", NULL);
    check_same("a.test", "80", &any);
    check_same("a.test", NULL, &any);
    check_same("a.test", "http", &stream);
    check_same("a.test", "53", &four);
    check_same("a.test", "53", &passive);
    check_same("b.test", "80", FLAGGED(AI_CANONNAME));
    check_same("b.test", "80", FLAGGED(AI_CANONNAME | AI_V4MAPPED));
    CHECK_INT(test_log(STALE, "\"cause\":\"dns\""), 8);
    CHECK_INT(test_log(STOP, ""), 0);
}
RESOLVER_TEST(same_list)

// The address has a scope where it needs one.
static void scope_inner(void)
{
    resolver_says("fe80::1%1", "a.test");
    check_same("a.test", "80", NULL);
}
RESOLVER_TEST(scope)

// Another service and socket type than before: the answer is the addresses.
static void other_service_inner(void)
{
    const struct addrinfo stream = {.ai_socktype = SOCK_STREAM}, datagram = {.ai_socktype = SOCK_DGRAM};
    resolver_says("192.0.2.1 192.0.2.2", "a.test");
    freeaddrinfo(look_up("a.test", "80", &stream));
    resolver_fails(0, 0, 0);
    struct addrinfo *fresh = look_up("other.test", "53", &datagram);
    resolver_fails(99, EAI_AGAIN, 0);
    struct addrinfo *stale = look_up("A.TEST", "53", &datagram);
    CHECK_TEXT(list_text(stale), list_text(fresh));
    freeaddrinfo(fresh);
    freeaddrinfo(stale);
}
RESOLVER_TEST(other_service)

// POSIX lets a program free parts of a list.
static void freed_in_parts_inner(void)
{
    resolver_says("192.0.2.1 192.0.2.2 192.0.2.3", "a.test");
    freeaddrinfo(look_up("a.test", "80", NULL));
    resolver_fails(99, EAI_AGAIN, 0);
    struct addrinfo *list = look_up("a.test", "80", NULL), *rest = list->ai_next->ai_next;
    list->ai_next->ai_next = NULL;
    freeaddrinfo(rest);
    freeaddrinfo(list);
}
RESOLVER_TEST(freed_in_parts)

// Only what is the same question, and only when the resolver is down.
static void other_questions_inner(void)
{
    const struct addrinfo four = {.ai_family = AF_INET}, configured = {.ai_flags = AI_ADDRCONFIG};
    struct addrinfo *list = NULL;
    freeaddrinfo(look_up("a.test", "80", NULL));
    resolver_fails(99, EAI_AGAIN, 0);
    fails("b.test", "80", NULL);
    fails("a.test.", "80", NULL);
    fails("a.test", "80", &four);
    fails("a.test", "80", &configured);
    CHECK(gethostbyname("a.test") == NULL);
    resolver_fails(99, EAI_NONAME, 0);
    CHECK_INT(getaddrinfo("a.test", "80", NULL, &list), EAI_NONAME);
    CHECK_INT(test_log(STALE, ""), 0);
    resolver_fails(99, EAI_FAIL, 0);
    freeaddrinfo(look_up("a.test", "80", NULL));
    CHECK_INT(test_log(STALE, ""), 1);
}
RESOLVER_TEST(other_questions)

// Every attempt is made first, and what they find is the answer.
static void attempts_first_inner(void)
{
    resolver_says("192.0.2.1", "a.test");
    freeaddrinfo(look_up("a.test", "80", NULL));
    resolver_says("192.0.2.9", "a.test");
    resolver_fails(2, EAI_AGAIN, 0);
    struct addrinfo *list = look_up("a.test", "80", NULL);
    CHECK(strstr(list_text(list), "192.0.2.9") != NULL);
    freeaddrinfo(list);
    CHECK_INT(test_log(STALE, ""), 0);
    resolver_fails(99, EAI_AGAIN, 0);
    list = look_up("a.test", "80", NULL);
    CHECK_INT(resolver_calls(), 3);
    CHECK(strstr(list_text(list), "192.0.2.9") != NULL); // the newest
    freeaddrinfo(list);
    CHECK_INT(test_log(RETRY, ""), 4);
}
RESOLVER_TEST(attempts_first)

// An answer grows old, and giving it does not make it young.
static void too_old_inner(void)
{
    freeaddrinfo(look_up("a.test", "80", NULL));
    uint64_t learned = test_now_ms();
    resolver_fails(9999, EAI_AGAIN, 0);
    struct addrinfo *list;
    unsigned given = 0;
    while (getaddrinfo("a.test", "80", NULL, &list) == 0) {
        given++;
        freeaddrinfo(list);
    }
    CHECK_BETWEEN((long long) (test_now_ms() - learned), 1000, 20000);
    CHECK_INT(test_log(STALE, ""), given);
    CHECK(given > 0);
}
RESOLVER_TEST(too_old)

static void off_inner(void)
{
    freeaddrinfo(look_up("a.test", "80", NULL));
    resolver_fails(99, EAI_AGAIN, 0);
    fails("a.test", "80", NULL);
}
RESOLVER_TEST(off)

// --- gethostbyname and its kin

static void check_entry(const struct hostent *found)
{
    CHECK(found != NULL);
    CHECK_TEXT(found->h_name, "127.0.0.1"); // so the stand-in calls it
    CHECK_INT(found->h_addrtype, AF_INET);
    CHECK_INT(found->h_length, 4);
    CHECK(found->h_aliases[0] == NULL);
    CHECK_INT(*(uint32_t *) (void *) found->h_addr_list[0], htonl(INADDR_LOOPBACK));
    CHECK(found->h_addr_list[1] == NULL);
}

static void hosts_inner(void)
{
    struct hostent entry, *found = NULL;
    char buffer[512];
    int error = -7;
    CHECK(gethostbyname("a.test") && gethostbyname2("a.test", AF_INET));
    resolver_fails(99, EAI_AGAIN, 0);
    h_errno = 77;
    check_entry(gethostbyname("a.test"));
    CHECK_INT(h_errno, 77);
    check_entry(gethostbyname2("a.test", AF_INET));
    for (size_t off = 0; off < sizeof(void *); off++) {
        CHECK_INT(gethostbyname_r("a.test", &entry, buffer + off, sizeof(buffer) - off, &found, &error), 0);
        CHECK(found == &entry);
        CHECK_INT(error, 0);
        check_entry(found);
    }
    CHECK_INT(gethostbyname2_r("a.test", AF_INET, &entry, buffer, 8, &found, &error), ERANGE);
    CHECK(found == NULL);
    CHECK_INT(error, NETDB_INTERNAL);
    CHECK(gethostbyname2("a.test", AF_INET6) == NULL);
}
RESOLVER_TEST(hosts)

#define ROLE(name)                                                                                                     \
    {                                                                                                                  \
#name "_inner", NULL, name##_inner                                                                             \
    }
#define HOST "[local]\nhosts=*.test\nbreaker=off\n" LOOKUP_QUICK

static const struct test tests[] = {
    ROLE(same_list),
    ROLE(scope),
    ROLE(other_service),
    ROLE(freed_in_parts),
    ROLE(other_questions),
    ROLE(attempts_first),
    ROLE(too_old),
    ROLE(off),
    ROLE(hosts),
    {"same_list", HOST "dns.stale=5m\n", same_list},
    {"scope", HOST "dns.stale=5m\n", scope},
    {"other_service", HOST "dns.stale=5m\n", other_service},
    {"freed_in_parts", HOST "dns.stale=5m\n", freed_in_parts},
    {"other_questions", HOST "dns.stale=5m\n", other_questions},
    {"attempts_first", HOST "dns.stale=5m\n", attempts_first},
    {"too_old", HOST "dns.stale=1s\n", too_old},
    {"off", HOST, off},
    {"off_without_dns", HOST "dns.stale=5m\nintercept=curl, connect\n", off},
    {"hosts", HOST "dns.stale=5m\n", hosts},
};

TEST_MAIN(tests)

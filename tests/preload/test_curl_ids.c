// SPDX-License-Identifier: MIT
// The ids of transfers and connections (libcurl 8.2): a repeated attempt takes none of them away from the program.
//
// An older libcurl knows neither. Then the calls are made, and their answers are not compared.
#include "multi.h"

enum { XFER_ID = CURLINFO_OFF_T + 63, CONN_ID = CURLINFO_OFF_T + 64 };

static void check_ids(CURL *easy, curl_off_t transfer, curl_off_t connection)
{
    curl_off_t got_transfer = -1, got_connection = -1;
    CURLcode code = curl_easy_getinfo(easy, (CURLINFO) XFER_ID, &got_transfer);
    CHECK_INT(curl_easy_getinfo(easy, (CURLINFO) CONN_ID, &got_connection), code);
    if (code == CURLE_UNKNOWN_OPTION)
        return;
    CHECK_INT(code, CURLE_OK);
    CHECK_INT(got_transfer, transfer);
    CHECK_INT(got_connection, connection);
}

static void perform_url(CURL *easy, const char *path, curl_off_t transfer, curl_off_t connection)
{
    CHECK_INT(curl_easy_setopt(easy, CURLOPT_URL, web_url(path)), CURLE_OK);
    CHECK_INT(curl_easy_perform(easy), CURLE_OK);
    CHECK_INT(STATUS(easy), 200);
    check_ids(easy, transfer, connection);
}

static struct bytes body, other, third;

// Each handle has a connection cache of its own.
static void own_cache(void)
{
    web_start();
    CURL *first = easy_new("", &body), *second = easy_new("", &other);
    check_ids(first, -1, -1);
    perform_url(first, "a/reset/s503/ok", 0, 0);
    perform_url(first, "b/ok", 1, 0);
    perform_url(first, "c/s503/ok;last", 2, 0);
    perform_url(first, "d/s503/ok", 3, 1);
    perform_url(second, "e/ok", 0, 0);
    curl_easy_reset(first);
    check_ids(first, 3, 1);
    CURL *copy = curl_easy_duphandle(first);
    check_ids(copy, -1, -1);
    curl_easy_cleanup(copy);
    curl_easy_cleanup(first);
    curl_easy_cleanup(second);
}

// Handles that share connections have one sequence of ids, handles that share something else do not.
static void shared_cache(void)
{
    web_start();
    for (int connections = 0; connections < 2; connections++) {
        CURLSH *share = curl_share_init();
        CHECK(share != NULL);
        curl_lock_data what = connections ? CURL_LOCK_DATA_CONNECT : CURL_LOCK_DATA_DNS;
        CHECK_INT(curl_share_setopt(share, CURLSHOPT_SHARE, what), CURLSHE_OK);
        CURL *first = easy_new("", &body), *second = easy_new("", &other);
        CHECK_INT(curl_easy_setopt(first, CURLOPT_SHARE, share), CURLE_OK);
        CHECK_INT(curl_easy_setopt(second, CURLOPT_SHARE, share), CURLE_OK);
        perform_url(first, connections ? "a/resetx2/ok" : "b/resetx2/ok", 0, 0);
        perform_url(second, "c/ok", connections, 0);
        perform_url(second, "c/ok", connections + 1, 0);
        perform_url(first, "c/ok", connections ? 3 : 1, 0);
        CHECK_INT(curl_share_cleanup(share), CURLSHE_IN_USE);
        perform_url(second, "c/ok", connections ? 4 : 2, 0);
        curl_easy_cleanup(first);
        curl_easy_cleanup(second);
        CHECK_INT(curl_share_cleanup(share), CURLSHE_OK);
    }
    CHECK(curl_share_cleanup(NULL) != CURLSHE_OK);
    CHECK(curl_share_setopt(NULL, CURLSHOPT_SHARE, CURL_LOCK_DATA_DNS) != CURLSHE_OK);
}

// The ids are right while the handle is in the multi handle, and after it has left.
static void multi_cache(void)
{
    struct loop loop;
    web_start();
    for (enum loop_kind kind = 0; kind < LOOP_KINDS; kind++) {
        loop_open(&loop, kind);
        CURL *first = easy_new(web_url("a/resetx2/ok"), &body), *next = easy_new(web_url("b/ok"), &other);
        CURL *last = easy_new(web_url("c/ok"), &third);
        loop_add(&loop, first);
        loop_run(&loop);
        check_ids(first, 0, 0);
        loop_add(&loop, next);
        loop_run(&loop);
        check_ids(next, 1, 0);
        loop_remove(&loop, first);
        check_ids(first, 0, 0);
        loop_add(&loop, last);
        loop_run(&loop);
        loop_remove(&loop, last);
        loop_remove(&loop, next);
        check_ids(last, 2, 0);
        loop_close(&loop);
        perform_url(first, "d/ok", 0, 0);
        curl_easy_cleanup(first);
        curl_easy_cleanup(next);
        curl_easy_cleanup(last);
        free(web_ask("reset"));
    }
}

static const struct test tests[] = {
    {"own_cache", LOCAL, own_cache},
    {"shared_cache", LOCAL, shared_cache},
    {"multi_cache", LOCAL, multi_cache},
};

TEST_MAIN(tests)

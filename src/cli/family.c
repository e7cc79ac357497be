// SPDX-License-Identifier: MIT
// The table of functions. Every function in config/librebound.map has its line here.
#include "cli/family.h"

#include <string.h>

static const struct rb_family_name names[] = {
    {"curl_easy_cleanup", RB_FAMILY_CURL, false},
    {"curl_easy_duphandle", RB_FAMILY_CURL, false},
    {"curl_easy_getinfo", RB_FAMILY_CURL, false},
    {"curl_easy_header", RB_FAMILY_CURL, false},
    {"curl_easy_init", RB_FAMILY_CURL, false},
    {"curl_easy_nextheader", RB_FAMILY_CURL, false},
    {"curl_easy_pause", RB_FAMILY_CURL, false},
    {"curl_easy_perform", RB_FAMILY_CURL, false},
    {"curl_easy_reset", RB_FAMILY_CURL, false},
    {"curl_easy_setopt", RB_FAMILY_CURL, false},
    {"curl_multi_add_handle", RB_FAMILY_CURL, false},
    {"curl_multi_cleanup", RB_FAMILY_CURL, false},
    {"curl_multi_info_read", RB_FAMILY_CURL, false},
    {"curl_multi_init", RB_FAMILY_CURL, false},
    {"curl_multi_notify_disable", RB_FAMILY_CURL, false},
    {"curl_multi_notify_enable", RB_FAMILY_CURL, false},
    {"curl_multi_perform", RB_FAMILY_CURL, false},
    {"curl_multi_poll", RB_FAMILY_CURL, false},
    {"curl_multi_remove_handle", RB_FAMILY_CURL, false},
    {"curl_multi_setopt", RB_FAMILY_CURL, false},
    {"curl_multi_socket", RB_FAMILY_CURL, false},
    {"curl_multi_socket_action", RB_FAMILY_CURL, false},
    {"curl_multi_socket_all", RB_FAMILY_CURL, false},
    {"curl_multi_timeout", RB_FAMILY_CURL, false},
    {"curl_multi_wait", RB_FAMILY_CURL, false},
    {"connect", RB_FAMILY_CONNECT, false},
    {"__poll_chk", RB_FAMILY_WAIT, false},
    {"__ppoll_chk", RB_FAMILY_WAIT, false},
    {"epoll_ctl", RB_FAMILY_WAIT, false},
    {"epoll_pwait", RB_FAMILY_WAIT, false},
    {"epoll_pwait2", RB_FAMILY_WAIT, false},
    {"epoll_wait", RB_FAMILY_WAIT, false},
    {"poll", RB_FAMILY_WAIT, false},
    {"ppoll", RB_FAMILY_WAIT, false},
    {"pselect", RB_FAMILY_WAIT, false},
    {"select", RB_FAMILY_WAIT, false},
    {"__read_chk", RB_FAMILY_SOCKET, false},
    {"__recv_chk", RB_FAMILY_SOCKET, false},
    {"__recvfrom_chk", RB_FAMILY_SOCKET, false},
    {"close", RB_FAMILY_SOCKET, false},
    {"close_range", RB_FAMILY_SOCKET, false},
    {"closefrom", RB_FAMILY_SOCKET, false},
    {"dup", RB_FAMILY_SOCKET, false},
    {"dup2", RB_FAMILY_SOCKET, false},
    {"dup3", RB_FAMILY_SOCKET, false},
    {"fcntl", RB_FAMILY_SOCKET, false},
    {"fcntl64", RB_FAMILY_SOCKET, false},
    {"getpeername", RB_FAMILY_SOCKET, false},
    {"getsockopt", RB_FAMILY_SOCKET, false},
    {"read", RB_FAMILY_SOCKET, false},
    {"readv", RB_FAMILY_SOCKET, false},
    {"recv", RB_FAMILY_SOCKET, false},
    {"recvfrom", RB_FAMILY_SOCKET, false},
    {"recvmsg", RB_FAMILY_SOCKET, false},
    {"send", RB_FAMILY_SOCKET, false},
    {"sendmsg", RB_FAMILY_SOCKET, false},
    {"sendto", RB_FAMILY_SOCKET, false},
    {"shutdown", RB_FAMILY_SOCKET, false},
    {"write", RB_FAMILY_SOCKET, false},
    {"writev", RB_FAMILY_SOCKET, false},
    {"getaddrinfo", RB_FAMILY_DNS, false},
    {"gethostbyname", RB_FAMILY_DNS, false},
    {"gethostbyname2", RB_FAMILY_DNS, false},
    {"gethostbyname2_r", RB_FAMILY_DNS, false},
    {"gethostbyname_r", RB_FAMILY_DNS, false},
    {"dlopen", RB_FAMILY_LOADER, false},
    {"dlsym", RB_FAMILY_LOADER, false},
    {"setns", RB_FAMILY_NETWORK, false},
    {"unshare", RB_FAMILY_NETWORK, false},
    {"__sysv_signal", RB_FAMILY_SIGNAL, false},
    {"bsd_signal", RB_FAMILY_SIGNAL, false},
    {"sigaction", RB_FAMILY_SIGNAL, false},
    {"signal", RB_FAMILY_SIGNAL, false},
    {"ssignal", RB_FAMILY_SIGNAL, false},

    {"__res_nquery", RB_FAMILY_RESOLVER, false},
    {"__res_nsearch", RB_FAMILY_RESOLVER, false},
    {"__res_query", RB_FAMILY_RESOLVER, false},
    {"__res_search", RB_FAMILY_RESOLVER, false},
    {"ares_getaddrinfo", RB_FAMILY_RESOLVER, false},
    {"ares_gethostbyname", RB_FAMILY_RESOLVER, false},
    {"ares_query", RB_FAMILY_RESOLVER, false},
    {"ares_search", RB_FAMILY_RESOLVER, false},
    {"ares_send", RB_FAMILY_RESOLVER, false},
    {"getaddrinfo_a", RB_FAMILY_RESOLVER, false},
    {"res_nquery", RB_FAMILY_RESOLVER, false},
    {"res_nsearch", RB_FAMILY_RESOLVER, false},
    {"res_query", RB_FAMILY_RESOLVER, false},
    {"res_search", RB_FAMILY_RESOLVER, false},
    {"io_uring_", RB_FAMILY_URING, true},
    {"syscall", RB_FAMILY_RAW, false},
    {"dlmopen", RB_FAMILY_NAMESPACE, false},
    {"dlvsym", RB_FAMILY_NAMESPACE, false},
    {"uv_loop_init", RB_FAMILY_UV, false},
    {"execl", RB_FAMILY_START, false},
    {"execle", RB_FAMILY_START, false},
    {"execlp", RB_FAMILY_START, false},
    {"execv", RB_FAMILY_START, false},
    {"execve", RB_FAMILY_START, false},
    {"execvp", RB_FAMILY_START, false},
    {"execvpe", RB_FAMILY_START, false},
    {"fexecve", RB_FAMILY_START, false},
    {"popen", RB_FAMILY_START, false},
    {"posix_spawn", RB_FAMILY_START, false},
    {"posix_spawnp", RB_FAMILY_START, false},
    {"system", RB_FAMILY_START, false},
};

enum { NAMES = sizeof names / sizeof names[0] };
_Static_assert((int) NAMES <= (int) RB_FAMILY_NAMES_MAX, "the table fits where its indices are kept");

const struct rb_family_name *rb_family_table(unsigned *count)
{
    *count = NAMES;
    return names;
}

int rb_family_find(const char *name)
{
    for (int i = 0; i < (int) NAMES; i++) {
        size_t length = strlen(names[i].name) + !names[i].prefix;
        if (names[i].name[0] == name[0] && strncmp(names[i].name, name, length) == 0)
            return i;
    }
    return -1;
}

// SPDX-License-Identifier: MIT
// Reads control data (cmsg(3)).
#include "net/rights.h"

#include <stdint.h>
#include <string.h>

#include "real/memory.h"

static void visit_part(const char *part, size_t length, void (*visit)(int fd))
{
    int fd;
    for (size_t at = CMSG_LEN(0); at + sizeof(fd) <= length; at += sizeof(fd)) {
        memcpy(&fd, part + at, sizeof(fd));
        visit(fd);
    }
}

// The lengths have 32 bits in musl, and the padding behind them is undefined. The kernel accepts no length that needs
// more.
static void visit_parts(const char *part, size_t left, void (*visit)(int fd))
{
    struct cmsghdr header;
    while (left >= sizeof(header)) {
        memcpy(&header, part, sizeof(header));
        size_t length = (uint32_t) header.cmsg_len, step = CMSG_ALIGN(length);
        if (length < sizeof(header) || length > left)
            return;
        if (header.cmsg_level == SOL_SOCKET && header.cmsg_type == SCM_RIGHTS)
            visit_part(part, length, visit);
        if (step >= left)
            return;
        part += step;
        left -= step;
    }
}

void rb_rights_visit(const struct msghdr *message, void (*visit)(int fd))
{
    size_t left = rb_memory_is_readable(message, sizeof(*message)) ? (uint32_t) message->msg_controllen : 0;
    if (left >= sizeof(struct cmsghdr) && rb_memory_is_readable(message->msg_control, left))
        visit_parts(message->msg_control, left, visit);
}

void rb_rights_visit_done(const struct msghdr *message, void (*visit)(int fd))
{
    visit_parts(message->msg_control, (uint32_t) message->msg_controllen, visit);
}

void rb_rights_visit_all(const struct mmsghdr *messages, unsigned count, void (*visit)(int fd))
{
    enum { MOST = 1024 }; // the kernel sends no more at once
    for (unsigned i = 0; i < count && i < MOST && rb_memory_is_readable(&messages[i], sizeof(messages[i])); i++)
        rb_rights_visit(&messages[i].msg_hdr, visit);
}

// SPDX-License-Identifier: MIT
// Checks who can write a policy file.
#include "policy/trust.h"

#include <sys/stat.h>

#include "real/kernel.h"

enum { ROOT = 0 };

uint32_t rb_trust_user(void)
{
    struct rb_kernel_users users = rb_kernel_users();
    return users.real == ROOT || users.saved == ROOT ? ROOT : users.effective;
}

enum rb_trust rb_trust_judge(const struct rb_file_identity *file, uint32_t user)
{
    if (file->owner != ROOT && file->owner != user)
        return RB_TRUST_OWNER;
    if (file->mode & S_IWOTH)
        return RB_TRUST_OTHERS;
    return user == ROOT && (file->mode & S_IWGRP) ? RB_TRUST_GROUP : RB_TRUST_OK;
}

static void write_user(struct rb_writer *writer, uint32_t user)
{
    if (user == ROOT) {
        rb_write_text(writer, "root");
        return;
    }
    rb_write_text(writer, "user ");
    rb_write_number(writer, user);
}

void rb_trust_explain(enum rb_trust trust, const struct rb_file_identity *file, uint32_t user, char *out, size_t size)
{
    struct rb_writer writer = rb_writer_on(out, size);
    if (trust == RB_TRUST_OK)
        return;
    if (trust == RB_TRUST_OWNER) {
        rb_write_text(&writer, "the file belongs to ");
        write_user(&writer, file->owner);
    } else {
        rb_write_text(&writer,
                      trust == RB_TRUST_GROUP ? "its group may write the file" : "everybody may write the file");
    }
    rb_write_text(&writer, "; programs of ");
    write_user(&writer, user);
    rb_write_text(&writer, " obey only files ");
    if (user == ROOT)
        rb_write_text(&writer, "that belong to root and that nobody else may write");
    else
        rb_write_text(&writer, "that belong to this user or to root and that others may not write");
}

const char *rb_trust_remedy(enum rb_trust trust)
{
    switch (trust) {
    case RB_TRUST_OWNER:
        return "chown root";
    case RB_TRUST_GROUP:
    case RB_TRUST_OTHERS:
        return "chmod go-w";
    default:
        return "";
    }
}

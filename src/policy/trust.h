// SPDX-License-Identifier: MIT
// Which policy files a process uses: none that a less privileged user can write.
//
// The rule is that of programs that read their configuration as root (OpenSSH, sudo). A process of root uses a file
// that belongs to root and that nobody else may write. A process of another user uses files of its own user and of
// root, unless everybody may write them. A group may write there, because many systems give each user a group of its
// own.
//
// Directories are not checked: a user who can replace a file in a directory becomes the owner of the new file, and the
// rule checks that file.
#ifndef RB_POLICY_TRUST_H
#define RB_POLICY_TRUST_H

#include "base/file.h"

enum rb_trust {
    RB_TRUST_OK,
    RB_TRUST_OWNER,  // the file belongs to neither root nor the user
    RB_TRUST_GROUP,  // its group may write the file, and the process is one of root
    RB_TRUST_OTHERS, // everybody may write the file
};

enum { RB_TRUST_SIZE = 192 }; // for rb_trust_explain

// Returns the user whose files count: root if the real, effective or saved user is root, because such a process can
// become root again; else the effective user. One system call. Async-signal-safe, keeps errno.
uint32_t rb_trust_user(void);

// Checks a file by its owner and mode.
//   file: identity of the descriptor that the text was read from
//   user: from rb_trust_user
enum rb_trust rb_trust_judge(const struct rb_file_identity *file, uint32_t user);

// Writes why the file is not used: one clause about "the file", without a final period. No allocation.
//   trust: from rb_trust_judge; RB_TRUST_OK gives ""
void rb_trust_explain(enum rb_trust trust, const struct rb_file_identity *file, uint32_t user, char *out, size_t size);

// Returns the command that fixes the file ("chown root"); "" for RB_TRUST_OK.
const char *rb_trust_remedy(enum rb_trust trust);

#endif

// SPDX-License-Identifier: MIT
// Whose policy files a process obeys: none that a less privileged user can write.
//
// The rule is that of programs which read their configuration as root (OpenSSH, sudo): a process of root obeys a file
// of root that nobody else may write. A process of another user obeys files of its own user and of root, unless
// everybody may write them. A group is allowed there, because many systems give each user a group of its own.
//
// Directories are not looked at. Whoever can replace a file in a directory puts a file of his own there, and the rule
// judges that file.
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

// The user for whom this process obeys: root if the real, effective or saved user is root, because such a process can
// become root again; else the effective user. One system call. Async-signal-safe, keeps errno.
uint32_t rb_trust_user(void);

// Judges a file by its owner and mode.
//   file: of the open descriptor that the text was read from
//   user: by rb_trust_user
enum rb_trust rb_trust_judge(const struct rb_file_identity *file, uint32_t user);

// Writes why the file is not obeyed: one clause about "the file", without a final dot. No allocation.
//   trust: by rb_trust_judge; "" for RB_TRUST_OK
void rb_trust_explain(enum rb_trust trust, const struct rb_file_identity *file, uint32_t user, char *out, size_t size);

// The command that mends it ("chown root"); "" for RB_TRUST_OK.
const char *rb_trust_remedy(enum rb_trust trust);

#endif

// SPDX-License-Identifier: MIT
// Finds and opens the state file.
#include "cli/state/state_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/policy/source.h"
#include "cli/say.h"

// ---- finding ----

// Mistakes in the policy are reported by `rebound check`. Here, a policy that cannot be used counts as having no
// `state`.
static bool path_by_setting(struct rb_state_file *file, const char *setting)
{
    file->is_default = rb_store_is_default(setting);
    return rb_store_path(setting, file->owner, file->path, sizeof(file->path));
}

static bool path_by_policy(struct rb_state_file *file)
{
    struct rb_source source;
    struct rb_policy *policy = NULL;
    bool named = rb_source_find(&source, NULL) == 0 && rb_source_trusted(source.path, NULL) &&
                 rb_policy_load(source.path, NULL, &policy, NULL, NULL) == 0;
    bool found = path_by_setting(file, named ? rb_policy_process(policy)->state : NULL);
    rb_policy_free(policy);
    return found;
}

// Returns 0, or reports an error and returns an exit status.
static int find_owner(struct rb_state_file *file, const struct rb_state_choice *choice)
{
    uid_t self = geteuid();
    file->owner = self;
    file->any_owner = self == 0 && choice->state && !choice->user && !rb_store_is_default(choice->state);
    file->named_user = choice->user != NULL;
    if (!choice->user)
        return 0;
    if (!rb_user_find(choice->user, &file->owner)) {
        rb_say_error("there is no user '%s'", choice->user);
        rb_say_note("--user takes a login name or a user number");
        return RB_EXIT_ERRORS;
    }
    if (self == 0 || file->owner == self)
        return 0;
    rb_say_error("--user needs root: other users cannot use the state of user '%s'", choice->user);
    rb_say_note("run the command as root or as that user");
    return RB_EXIT_ERRORS;
}

// ---- opening ----

// Records which file was opened. If it was replaced meanwhile, the next look detects it.
static void note_identity(struct rb_state_file *file)
{
    struct stat status;
    bool known = stat(file->path, &status) == 0;
    file->device = known ? status.st_dev : 0;
    file->inode = known ? status.st_ino : 0;
    if (file->any_owner)
        file->owner = lstat(file->path, &status) == 0 ? status.st_uid : geteuid();
}

static void close_view(struct rb_state_file *file)
{
    if (file->present)
        rb_view_close(&file->view);
    file->present = false;
}

static enum rb_store_error reopen(struct rb_state_file *file)
{
    close_view(file);
    note_identity(file);
    enum rb_store_error error = rb_view_open(&file->view, file->path, file->owner, file->writable);
    file->present = error == RB_STORE_SOUND;
    return error;
}

// Prints why an existing file cannot be used. Examines the path again; only the message depends on the result.
static void report_bad_file(const struct rb_state_file *file, enum rb_store_error error)
{
    char owner[RB_USER_LABEL_SIZE];
    struct stat status;
    if (lstat(file->path, &status) != 0) {
        rb_say_error("%s cannot be opened: %s", file->path, strerror(errno));
    } else if (S_ISLNK(status.st_mode)) {
        rb_say_error("%s is a symbolic link, which is not followed", file->path);
        rb_say_note("use the path of its target");
    } else if (!S_ISREG(status.st_mode)) {
        rb_say_error("%s is not a regular file", file->path);
    } else if (status.st_uid != file->owner) {
        rb_say_error("%s belongs to user %s", file->path, rb_user_label(status.st_uid, owner));
        if (geteuid() != 0)
            rb_say_note("only root and its owner can use it");
        else if (file->named_user)
            rb_say_note("--user names another user than the owner of the file");
        else
            rb_say_note("programs of root do not use it; --state %s reads it anyway", file->path);
    } else if ((status.st_mode & 07777) != 0600) {
        rb_say_error("%s has mode %04o; a state has mode 0600", file->path, (unsigned) status.st_mode & 07777);
        rb_say_note("programs do not use the file either; remove it, and the next program creates a new file");
    } else {
        rb_say_error("%s %s", file->path, rb_store_error_text(error));
    }
}

static void say_why_not(const struct rb_state_file *file, enum rb_store_error error)
{
    if (error == RB_STORE_FOREIGN || error == RB_STORE_DENIED) {
        report_bad_file(file, error);
        return;
    }
    rb_say_error("%s %s", file->path, rb_store_error_text(error));
    if (error == RB_STORE_VERSION || error == RB_STORE_DAMAGED)
        rb_say_note("remove the file when no program uses it any more; the next program creates a new file");
}

// Returns 0, or reports an error and returns an exit status. Close the file in both cases.
static int find_and_open(struct rb_state_file *file, const struct rb_state_choice *choice, bool writable)
{
    *file = (struct rb_state_file){.writable = writable};
    int status = find_owner(file, choice);
    if (status != 0)
        return status;
    const char *setting = choice->state || choice->user ? choice->state : getenv("REBOUND_STATE");
    bool by_policy = !choice->user && !(setting && *setting);
    bool found = by_policy ? path_by_policy(file) : path_by_setting(file, setting);
    if (!found) {
        rb_say_error("the state is private: each process has its own, which no command can read");
        rb_say_note("set 'state = shared' in [rebound] of the policy, or leave REBOUND_STATE unset");
        return RB_EXIT_ERRORS;
    }
    enum rb_store_error error = reopen(file);
    if (error == RB_STORE_SOUND || error == RB_STORE_ABSENT)
        return 0;
    say_why_not(file, error);
    return RB_EXIT_ERRORS;
}

int rb_state_file_use(const struct rb_state_choice *choice, bool writable, rb_state_file_action *act,
                      const void *request)
{
    struct rb_state_file file;
    int status = find_and_open(&file, choice, writable);
    if (status == 0)
        status = act(&file, request);
    close_view(&file);
    return status;
}

int rb_state_file_use_default(uid_t owner, rb_state_file_action *act, const void *request)
{
    struct rb_state_file file = {.owner = owner};
    if (!path_by_setting(&file, NULL) || reopen(&file) != RB_STORE_SOUND)
        return -1;
    int status = act(&file, request);
    close_view(&file);
    return status;
}

enum rb_store_error rb_state_file_refresh(struct rb_state_file *file)
{
    struct stat status;
    if (file->is_default) // another default name may apply: a file with an earlier name was removed or created
        path_by_setting(file, NULL);
    bool known = stat(file->path, &status) == 0;
    bool same = known && status.st_dev == file->device && status.st_ino == file->inode;
    return file->present && same && rb_store_is_whole(&file->view.state) ? RB_STORE_SOUND : reopen(file);
}

const char *rb_state_file_whose(const struct rb_state_file *file, char out[RB_STATE_WHOSE_SIZE])
{
    char label[RB_USER_LABEL_SIZE];
    if (file->owner == geteuid())
        *out = '\0';
    else
        snprintf(out, RB_STATE_WHOSE_SIZE, " of user %s", rb_user_label(file->owner, label));
    return out;
}

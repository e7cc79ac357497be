// SPDX-License-Identifier: MIT
// Finding and opening the state file.
#include "cli/state_file.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/say.h"
#include "cli/source.h"

// The program's own words have been said by `rebound check`; here a policy that cannot be used just says nothing.
static bool path_by_setting(struct rb_state_file *file, const char *setting)
{
    file->is_default = rb_store_is_default(setting);
    return rb_store_path(setting, geteuid(), file->path, sizeof file->path);
}

static bool path_by_policy(struct rb_state_file *file)
{
    struct rb_source source;
    struct rb_policy *policy = NULL;
    bool named = rb_source_find(&source, NULL) == 0 && rb_source_trusted(source.path, NULL) &&
                 rb_policy_load(source.path, &policy, NULL, NULL) == 0;
    bool found = path_by_setting(file, named ? rb_policy_process(policy)->state : NULL);
    rb_policy_free(policy);
    return found;
}

static bool find_path(struct rb_state_file *file, const char *setting)
{
    const char *environment = getenv("REBOUND_STATE");
    if (!setting && environment && *environment)
        setting = environment;
    return setting ? path_by_setting(file, setting) : path_by_policy(file);
}

// Programs may have moved on to another name: the file that stood before it in the order is gone, or there is one now.
static void follow(struct rb_state_file *file)
{
    if (file->is_default)
        path_by_setting(file, NULL);
}

// Which file it is that was opened. Should it have been exchanged meanwhile, the next look notices.
static void note_identity(struct rb_state_file *file)
{
    struct stat status;
    bool known = stat(file->path, &status) == 0;
    file->device = known ? status.st_dev : 0;
    file->inode = known ? status.st_ino : 0;
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
    enum rb_store_error error = rb_view_open(&file->view, file->path, geteuid(), file->writable);
    file->present = error == RB_STORE_SOUND;
    return error;
}

// Returns 0, or an exit status. To be closed in either case.
static int find_and_open(struct rb_state_file *file, const char *setting, bool writable)
{
    *file = (struct rb_state_file){.writable = writable};
    if (!find_path(file, setting)) {
        rb_say_error("the state is private: each process keeps its own, and there is nothing to look into");
        rb_say_note("say 'state = shared' in [rebound] of the policy, or leave REBOUND_STATE unset");
        return RB_EXIT_ERRORS;
    }
    enum rb_store_error error = reopen(file);
    if (error == RB_STORE_SOUND || error == RB_STORE_ABSENT)
        return 0;
    rb_say_error("%s %s", file->path, rb_store_error_text(error));
    if (error == RB_STORE_VERSION || error == RB_STORE_DAMAGED)
        rb_say_note("remove it when no program uses it any more; the next one under rebound makes a new one");
    return RB_EXIT_ERRORS;
}

int rb_state_file_use(const char *setting, bool writable, rb_state_file_action *act, const void *request)
{
    struct rb_state_file file;
    int status = find_and_open(&file, setting, writable);
    if (status == 0)
        status = act(&file, request);
    close_view(&file);
    return status;
}

enum rb_store_error rb_state_file_refresh(struct rb_state_file *file)
{
    struct stat status;
    follow(file);
    bool known = stat(file->path, &status) == 0;
    bool same = known && status.st_dev == file->device && status.st_ino == file->inode;
    return file->present && same && rb_store_is_whole(&file->view.state) ? RB_STORE_SOUND : reopen(file);
}

// SPDX-License-Identifier: MIT
// Rewinds uploads for another attempt.
#include "curl/replay.h"

#include <errno.h>
#include <stdio.h>

#include "curl/handle.h"
#include "curl/override.h"

static FILE *file_of(const struct rb_handle *handle)
{
    return handle->read_data_set ? handle->read_data : stdin;
}

void rb_replay_begin(struct rb_replay *replay, struct rb_handle *handle)
{
    *replay = (struct rb_replay){.handle = handle, .upload = rb_handle_upload(handle), .start = -1};
    if (replay->upload != RB_UPLOAD_FILE || !file_of(handle))
        return;
    int saved = errno;
    replay->start = ftello(file_of(handle));
    errno = saved;
}

static size_t on_read(char *bytes, size_t size, size_t count, void *context)
{
    struct rb_replay *replay = context;
    const struct rb_handle *handle = replay->handle;
    void *data = handle->read_data_set ? handle->read_data : stdin;
    replay->taken = true; // set even if the callback fails, because the callback may have read data
    return handle->read ? handle->read(bytes, size, count, data) : fread(bytes, size, count, data);
}

void rb_replay_attempt(struct rb_replay *replay)
{
    struct rb_handle *handle = replay->handle;
    replay->taken = false;
    if (replay->upload != RB_UPLOAD_CALLBACK)
        return;
    handle->curl->easy_setopt(handle->easy, CURLOPT_READFUNCTION, on_read);
    handle->curl->easy_setopt(handle->easy, CURLOPT_READDATA, replay);
    handle->overrides |= RB_OVERRIDE_READ;
}

static bool is_unread(const struct rb_replay *replay, bool never_sent)
{
    switch (replay->upload) {
    case RB_UPLOAD_CALLBACK:
        return !replay->taken;
    case RB_UPLOAD_FILE: // libcurl reads the file itself, so `taken` is not set
        return never_sent && replay->start < 0;
    default:
        return true;
    }
}

bool rb_replay_rewinds(const struct rb_replay *replay)
{
    const struct rb_handle *handle = replay->handle;
    switch (replay->upload) {
    case RB_UPLOAD_CALLBACK:
        return handle->seek || handle->control;
    case RB_UPLOAD_FILE:
        return replay->start >= 0 || handle->seek || handle->control;
    default:
        return true;
    }
}

bool rb_replay_possible(const struct rb_replay *replay, bool never_sent)
{
    return is_unread(replay, never_sent) || rb_replay_rewinds(replay);
}

int rb_replay_rewind(const struct rb_replay *replay, bool never_sent)
{
    const struct rb_handle *handle = replay->handle;
    if (is_unread(replay, never_sent))
        return 0;
    if (handle->seek)
        return handle->seek(handle->seek_data, 0, SEEK_SET) == CURL_SEEKFUNC_OK ? 0 : -EIO;
    if (handle->control)
        return handle->control(handle->easy, CURLIOCMD_RESTARTREAD, handle->control_data) == CURLIOE_OK ? 0 : -EIO;
    if (replay->start < 0)
        return -ESPIPE;
    int saved = errno;
    int answer = fseeko(file_of(handle), replay->start, SEEK_SET);
    errno = saved;
    return answer == 0 ? 0 : -EIO;
}

// SPDX-License-Identifier: MIT
// Keeps the first bytes of uploads and rewinds uploads for another attempt.
#include "curl/replay.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "curl/handle.h"
#include "curl/override.h"
#include "curl/response/response.h"

// --- the kept bytes

// The only place where the record changes. An ENDED record keeps its bytes. A new OPEN record begins without bytes.
static void replay_set_record(struct rb_replay *replay, enum rb_record record)
{
    replay->record = record;
    if (record == RB_RECORD_ENDED)
        return;
    free(replay->kept);
    replay->kept = NULL;
    replay->room = replay->length = replay->at = 0;
    replay->again = false;
}

static bool program_rewinds(const struct rb_replay *replay)
{
    return replay->handle->seek || replay->handle->control;
}

static bool replay_grow(struct rb_replay *replay, size_t need)
{
    size_t room = replay->room ? replay->room : 4096;
    if (need <= replay->room)
        return true;
    while (room < need)
        room *= 2;
    char *larger = need <= RB_REPLAY_MAX ? realloc(replay->kept, room) : NULL;
    if (!larger)
        return false;
    replay->kept = larger;
    replay->room = room;
    return true;
}

// Keeps what the program's callback has supplied. A number above `room` is no length: the callback asks for a pause, or
// fails. If the bytes cannot be kept, no other attempt can follow, so the response need not be held.
static void keep_bytes(struct rb_replay *replay, const char *bytes, size_t length, size_t room)
{
    if (replay->record != RB_RECORD_OPEN || length > room)
        return;
    if (length == 0) {
        replay_set_record(replay, RB_RECORD_ENDED);
        return;
    }
    if (!replay->keeps || !replay_grow(replay, replay->length + length)) {
        replay_set_record(replay, RB_RECORD_LOST);
        if (!program_rewinds(replay) && replay->handle->response)
            rb_response_hold_no_more(replay->handle->response);
        return;
    }
    memcpy(replay->kept + replay->length, bytes, length);
    replay->length += length;
    replay->at = replay->length;
}

// --- our callbacks

// `taken` is set even if the program's callback fails, because the callback may have read data.
static size_t on_read(char *bytes, size_t size, size_t count, void *context)
{
    struct rb_replay *replay = context;
    size_t room = size * count, left = replay->length - replay->at;
    replay->taken = true;
    if (left > 0) {
        size_t part = left < room ? left : room;
        memcpy(bytes, replay->kept + replay->at, part);
        replay->at += part;
        return part;
    }
    if (replay->again && replay->record == RB_RECORD_ENDED)
        return 0;
    size_t given = replay->read ? replay->read(bytes, size, count, replay->read_data)
                                : fread(bytes, size, count, replay->read_data);
    keep_bytes(replay, bytes, given, room);
    return given;
}

// libcurl rewinds the body within an attempt, for example after a redirect, or moves to the place of
// CURLOPT_RESUME_FROM.
static int on_seek(void *context, curl_off_t offset, int origin)
{
    struct rb_replay *replay = context;
    const struct rb_handle *handle = replay->handle;
    bool begins = offset == 0 && origin == SEEK_SET;
    if (!handle->seek && begins && replay->record != RB_RECORD_LOST) {
        replay->at = 0;
        return CURL_SEEKFUNC_OK;
    }
    int answer = handle->seek ? handle->seek(handle->seek_data, offset, origin) : CURL_SEEKFUNC_CANTSEEK;
    if (answer == CURL_SEEKFUNC_OK)
        replay_set_record(replay, begins ? RB_RECORD_OPEN : RB_RECORD_LOST);
    return answer;
}

static curlioerr on_control(CURL *easy, int command, void *context)
{
    struct rb_replay *replay = context;
    const struct rb_handle *handle = replay->handle;
    curlioerr answer = handle->control ? handle->control(easy, command, handle->control_data) : CURLIOE_UNKNOWNCMD;
    if (answer == CURLIOE_OK)
        replay_set_record(replay, command == CURLIOCMD_RESTARTREAD ? RB_RECORD_OPEN : RB_RECORD_LOST);
    return answer;
}

// --- one call

// libcurl rewinds neither its own reading of a pipe nor our callback, so a pipe may get our callback.
void rb_replay_begin(struct rb_replay *replay, struct rb_handle *handle)
{
    *replay = (struct rb_replay){
        .handle = handle,
        .upload = rb_handle_upload(handle),
        .read = handle->read,
        .read_data = handle->read_data_set ? handle->read_data : stdin,
        .start = -1,
    };
    if (replay->upload != RB_UPLOAD_FILE || !replay->read_data)
        return;
    int saved = errno;
    replay->start = ftello(replay->read_data);
    errno = saved;
    if (replay->start < 0 && !program_rewinds(replay))
        replay->upload = RB_UPLOAD_CALLBACK;
}

void rb_replay_attempt(struct rb_replay *replay, bool keeps)
{
    struct rb_handle *handle = replay->handle;
    const struct rb_libcurl *curl = handle->curl;
    replay->taken = false;
    replay->keeps = keeps;
    replay->at = 0;
    replay->again = replay->length > 0 || replay->record == RB_RECORD_ENDED;
    if (replay->upload != RB_UPLOAD_CALLBACK)
        return;
    handle->overrides |= RB_OVERRIDE_READ;
    curl->easy_setopt(handle->easy, CURLOPT_READFUNCTION, on_read);
    curl->easy_setopt(handle->easy, CURLOPT_READDATA, replay);
    // If libcurl could not rewind the body in an earlier attempt, it tries this again at the start of the next one.
    if (handle->seek || (replay->again && !handle->control)) {
        curl->easy_setopt(handle->easy, CURLOPT_SEEKFUNCTION, on_seek);
        curl->easy_setopt(handle->easy, CURLOPT_SEEKDATA, replay);
    }
    if (handle->control) {
        curl->easy_setopt(handle->easy, CURLOPT_IOCTLFUNCTION, on_control);
        curl->easy_setopt(handle->easy, CURLOPT_IOCTLDATA, replay);
    }
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
    switch (replay->upload) {
    case RB_UPLOAD_CALLBACK:
        return program_rewinds(replay) || replay->record != RB_RECORD_LOST;
    case RB_UPLOAD_FILE:
        return replay->start >= 0 || program_rewinds(replay);
    default:
        return true;
    }
}

bool rb_replay_possible(const struct rb_replay *replay, bool never_sent)
{
    return is_unread(replay, never_sent) || rb_replay_rewinds(replay);
}

// After CURL_SEEKFUNC_CANTSEEK, the callback continues where it was. After another error, its place is unknown, so the
// kept bytes are used only if they are the whole body.
int rb_replay_rewind(struct rb_replay *replay, bool never_sent)
{
    const struct rb_handle *handle = replay->handle;
    bool placed = true, rewound = false;
    if (is_unread(replay, never_sent))
        return 0;
    if (handle->seek) {
        int answer = handle->seek(handle->seek_data, 0, SEEK_SET);
        rewound = answer == CURL_SEEKFUNC_OK;
        placed = answer == CURL_SEEKFUNC_CANTSEEK;
    } else if (handle->control) {
        rewound = handle->control(handle->easy, CURLIOCMD_RESTARTREAD, handle->control_data) == CURLIOE_OK;
        placed = false;
    } else if (replay->upload == RB_UPLOAD_FILE) {
        if (replay->start < 0)
            return -ESPIPE;
        int saved = errno;
        int failed = fseeko(replay->read_data, replay->start, SEEK_SET);
        errno = saved;
        return failed ? -EIO : 0;
    }
    bool kept = replay->record == RB_RECORD_ENDED || (placed && replay->record == RB_RECORD_OPEN);
    if (rewound)
        replay_set_record(replay, RB_RECORD_OPEN);
    if (rewound || (kept && replay->upload == RB_UPLOAD_CALLBACK))
        return 0;
    return program_rewinds(replay) ? -EIO : -ESPIPE;
}

void rb_replay_end(struct rb_replay *replay)
{
    free(replay->kept);
}

// SPDX-License-Identifier: MIT
// Reads the targets and the timeout of a command line.
#include "cli/wait/wait_request.h"

#include <errno.h>

#include "cli/say.h"
#include "cli/wait/restart.h"
#include "cli/wait/waiting.h"
#include "policy/value.h"

// Returns 0, or the exit status after an error.
static int read_timeout(const struct rb_wait_request *request, uint64_t *ms)
{
    unsigned offset;
    const char *text = request->timeout;
    *ms = RB_WAIT_REQUEST_DEFAULT_MS;
    const char *wrong = text ? rb_value_limit(text, &offset, "off", RB_WAIT_REQUEST_MIN_MS, UINT64_MAX, ms) : NULL;
    if (!wrong)
        return 0;
    if (wrong == rb_value_out_of_range)
        wrong = "the shortest timeout is 100ms, and 'off' waits without a limit";
    return rb_command_misuse(request->command, "invalid timeout '%s': %s", text, wrong);
}

static int read_targets(const struct rb_wait_request *request, struct rb_wait_state *state)
{
    for (unsigned i = 0; i < request->count; i++) {
        const char *wrong = rb_awaited_parse(request->targets[i], &state->targets[i].awaited);
        if (wrong)
            return rb_command_misuse(request->command, "invalid target '%s': %s; a target is %s", request->targets[i],
                                     wrong, rb_awaited_forms);
    }
    return 0;
}

int rb_wait_request_begin(const struct rb_wait_request *request, struct rb_wait_state **state)
{
    uint64_t limit_ms;
    int status = read_timeout(request, &limit_ms);
    if (status != 0)
        return status;
    if (request->count > RB_WAIT_TARGETS_MAX)
        return rb_command_misuse(request->command, "at most %d targets are possible", RB_WAIT_TARGETS_MAX);
    *state = rb_wait_state_begin(request->count, limit_ms);
    status = read_targets(request, *state);
    if (status == 0)
        rb_restart_without_library(request->argv);
    return status;
}

int rb_wait_request_perform(struct rb_wait_state *state)
{
    int error = rb_waiting_perform(state);
    if (error == -EAGAIN)
        rb_say_error("cannot make a thread for each target");
    return error == 0 ? 0 : error == -ETIMEDOUT ? RB_EXIT_TIMEOUT : RB_EXIT_OWN;
}

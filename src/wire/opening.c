// SPDX-License-Identifier: MIT
// Records the success of a connect late, or gives its call to the first request.
#include "wire/opening.h"

#include <errno.h>

#include "process/process.h"
#include "real/system.h"
#include "state/record.h"

static void opening_enter(struct rb_opening *opening, enum rb_opening_state state)
{
    opening->state = state;
}

void rb_opening_begin(struct rb_opening *opening, const struct rb_call *call, bool counted)
{
    opening->call = *call;
    opening->call.rules = NULL;
    opening->call.start = NULL;
    opening->counted = counted;
    opening_enter(opening, RB_OPENING_MADE);
}

bool rb_opening_take_over(struct rb_opening *opening, struct rb_call *request, const struct rb_target *target,
                          uint64_t now_ms)
{
    opening->call.rules = request->rules;
    bool admitted = rb_call_take_over(request, &opening->call, now_ms);
    opening->call.rules = NULL;
    opening_enter(opening, RB_OPENING_ASKED);
    if (!admitted)
        rb_opening_end(opening, target, true);
    return admitted;
}

void rb_opening_answered(struct rb_opening *opening)
{
    opening_enter(opening, RB_OPENING_NONE);
}

bool rb_opening_return(struct rb_opening *opening, struct rb_call *request)
{
    if (opening->state != RB_OPENING_ASKED)
        return false;
    opening->call.permit = request->permit;
    request->permit.kind = RB_PERMIT_NONE;
    return true;
}

void rb_opening_end(struct rb_opening *opening, const struct rb_target *target, bool closed)
{
    static const struct rb_rules no_rules;
    bool unanswered = closed && opening->state == RB_OPENING_ASKED;
    int saved = errno;
    if (opening->state == RB_OPENING_NONE)
        return;
    opening_enter(opening, RB_OPENING_NONE);
    const struct rb_policy *policy = rb_process_active() ? rb_process_policy() : NULL;
    const struct rb_section *section = policy ? rb_process_match(policy, target, RB_INTERCEPT_CONNECT) : NULL;
    opening->call.rules = section ? &section->rules : &no_rules;
    if (section && !unanswered)
        rb_call_settle(&opening->call, rb_system_now_ms());
    else if (!rb_process_is_off())
        rb_call_abandon(&opening->call, rb_system_now_ms());
    if (section && !opening->counted)
        rb_record_success(&opening->call, section->name, RB_API_CONNECT);
    errno = saved;
}

void rb_opening_forget(struct rb_opening *opening)
{
    opening_enter(opening, RB_OPENING_NONE);
}

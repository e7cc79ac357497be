// SPDX-License-Identifier: MIT
// Reads the value of a variadic option and passes it on. Its type depends on the range of the option's number (curl.h),
// and must be the type that libcurl reads with va_arg.
#ifndef RB_HOOK_OPTION_H
#define RB_HOOK_OPTION_H

#include <stdarg.h>

#include "curl/handle.h"

static inline union rb_option rb_hook_option_read(int option, va_list *arguments)
{
    union rb_option value = {0};
    if (option < CURLOPTTYPE_OBJECTPOINT)
        value.number = va_arg(*arguments, long);
    else if (option >= CURLOPTTYPE_OFF_T && option < CURLOPTTYPE_BLOB)
        value.offset = va_arg(*arguments, curl_off_t);
    else if (option >= CURLOPTTYPE_FUNCTIONPOINT && option < CURLOPTTYPE_OFF_T)
        value.function = va_arg(*arguments, void (*)(void));
    else
        value.pointer = va_arg(*arguments, void *);
    return value;
}

// Calls `setopt(target, option, value)` with the value's type.
#define RB_OPTION_FORWARD(setopt, target, option, value)                                                               \
    ((int) (option) < CURLOPTTYPE_OBJECTPOINT ? (setopt) (target, option, (value).number)                              \
     : (int) (option) >= CURLOPTTYPE_OFF_T && (int) (option) < CURLOPTTYPE_BLOB                                        \
         ? (setopt) (target, option, (value).offset)                                                                   \
     : (int) (option) >= CURLOPTTYPE_FUNCTIONPOINT && (int) (option) < CURLOPTTYPE_OFF_T                               \
         ? (setopt) (target, option, (value).function)                                                                 \
         : (setopt) (target, option, (value).pointer))

#endif

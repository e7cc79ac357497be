// SPDX-License-Identifier: MIT
// Reads numbers of the command line and of file names.
#ifndef RB_CLI_NUMBER_H
#define RB_CLI_NUMBER_H

#include <stdint.h>

// Reads the decimal number at the begin of `text`. Accepts only digits; strtoull would also accept a sign and blanks.
// Returns the text after the number. Returns NULL if there is no digit or the number is larger than `max`; *number is
// then undefined.
const char *rb_number_read(const char *text, uint64_t max, uint64_t *number);

#endif

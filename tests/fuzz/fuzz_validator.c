// SPDX-License-Identifier: MIT
// Fuzzes the reading of validators out of header lines: whatever they say, what is taken from them is inside them and
// agrees with itself.
#include <stdlib.h>
#include <string.h>

#include "curl/response/validator.h"

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void check(const struct rb_validator *validator)
{
    size_t length = strlen(validator->etag);
    require(length < RB_ETAG_SIZE && strlen(validator->coding) < RB_CODING_SIZE);
    require(length == 0 || (length >= 2 && validator->etag[length - 1] == '"'));
    require(!validator->strong || (validator->etag[0] == '"' && strchr(validator->etag + 1, '"')[1] == '\0'));
    require(validator->length >= -1 && validator->total >= -1);
    require(!validator->partial || (validator->first >= 0 && validator->last >= validator->first));
    require(!validator->partial || validator->total == -1 || validator->total > validator->last);
    require(rb_validator_same_content(validator, validator) == (validator->strong && !validator->coding_cut));
    require(!rb_validator_continues(validator, validator, validator->first + 1));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// Each line is put into memory of its own, where reading beyond it shows.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rb_validator validator;
    rb_validator_clear(&validator);
    while (size > 0) {
        const uint8_t *end = memchr(data, '\n', size);
        size_t length = end ? (size_t) (end - data) + 1 : size;
        char *line = malloc(length);
        memcpy(line, data, length);
        rb_validator_note(&validator, line, length);
        free(line);
        check(&validator);
        data += length;
        size -= length;
    }
    return 0;
}

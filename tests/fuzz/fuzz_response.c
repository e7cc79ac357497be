// SPDX-License-Identifier: MIT
// Fuzzes the response on its way to the program: whatever libcurl brings in however many attempts, the program hears
// the last response as if it were the only one.
#include "response_play.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    play_response(data, size);
    return 0;
}

// SPDX-License-Identifier: MIT
// Random calls of several attempts, played as the fuzzer plays them: the same ones each time.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../fuzz/response_play.h"

enum { CALLS = 20000, CHOICES = 512 };

// xorshift64* (Vigna 2016).
static uint8_t draw(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return (uint8_t) (*state * 2685821657736338717U >> 56);
}

static void test_program_hears_one_response(void **state)
{
    (void) state;
    for (unsigned call = 1; call <= CALLS; call++) {
        uint64_t seed = call * 0x9e3779b97f4a7c15U;
        uint8_t choices[CHOICES];
        for (unsigned i = 0; i < CHOICES; i++)
            choices[i] = draw(&seed);
        play_response(choices, CHOICES);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_program_hears_one_response),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

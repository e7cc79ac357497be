// SPDX-License-Identifier: MIT
// Stands for libinih.a where `make check-abi` links the library for another architecture and that libinih.a is not
// installed. Built with the stack protector, as distributions build libinih: then the library needs what the stack
// protector of that architecture needs.
#include <ini.h>

int ini_parse_stream(ini_reader reader, void *stream, ini_handler handler, void *user)
{
    char line[200];
    (void) handler, (void) user;
    return reader(line, sizeof(line), stream) ? -1 : 0;
}

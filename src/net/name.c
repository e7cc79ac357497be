// SPDX-License-Identifier: MIT
// What follows from close and dup for connects in flight and epolls.
#include "net/name.h"

#include "net/flight.h"
#include "net/park.h"
#include "net/watch.h"

void rb_name_closing(int fd)
{
    const struct rb_descriptor *descriptor = rb_descriptor_of(fd);
    if (!descriptor || !rb_watch_known(descriptor) || !rb_flight_is_ours())
        return;
    if (rb_flight_on(fd))
        rb_park_closing(fd);
    rb_watch_close(fd);
}

int rb_name_copied(int fd, int copy)
{
    if (copy >= 0 && copy != fd && rb_flight_on(fd))
        rb_park_copied(fd, copy);
    return copy;
}

// SPDX-License-Identifier: MIT
// Effects of close and dup on connects in flight and on epolls.
#include <fcntl.h>

#include "net/park/name.h"

#include "net/park/flight.h"
#include "net/park/lock.h"
#include "net/park/park.h"
#include "net/park/watch.h"
#include "real/kernel.h"

void rb_name_closing(int fd)
{
    const struct rb_descriptor *descriptor = rb_descriptor_of(fd);
    if (!descriptor || !rb_watch_known(descriptor) || !rb_lock_is_ours())
        return;
    if (rb_flight_on(fd))
        rb_park_closing(fd);
    rb_watch_close(fd);
}

static bool mean_the_same(int fd, int copy)
{
    const struct rb_descriptor *one = rb_descriptor_of(fd), *other = rb_descriptor_of(copy);
    return one && other && rb_flight_on(fd) && atomic_load(&one->slot) == atomic_load(&other->slot);
}

void rb_name_replacing(int fd, int copy)
{
    bool replaces = copy != fd && rb_flight_on(copy) && !mean_the_same(fd, copy);
    if (replaces && rb_kernel(SYS_fcntl, fd, F_GETFD, 0) >= 0) // otherwise dup2 fails and closes nothing
        rb_name_closing(copy);
}

int rb_name_copied(int fd, int copy)
{
    if (copy < 0 || copy == fd || mean_the_same(fd, copy))
        return copy;
    rb_name_closing(copy); // the number was free, so old records of it come from a close that we did not see
    if (rb_flight_on(fd))
        rb_park_copied(fd, copy);
    return copy;
}

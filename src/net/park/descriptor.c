// SPDX-License-Identifier: MIT
// The pages of descriptor records.
#include "net/park/descriptor.h"

#include "real/pages.h"

_Atomic uint32_t rb_descriptor_flights;
_Atomic uint32_t rb_descriptor_unawaited;
_Atomic(struct rb_descriptor *) rb_descriptor_pages[RB_DESCRIPTORS / RB_DESCRIPTOR_PAGE];

struct rb_descriptor *rb_descriptor_make(int fd)
{
    struct rb_descriptor *there = rb_descriptor_of(fd), *nobody = NULL;
    if (there || (unsigned) fd >= RB_DESCRIPTORS)
        return there;
    size_t size = RB_DESCRIPTOR_PAGE * sizeof(struct rb_descriptor);
    struct rb_descriptor *page = rb_pages_memory(size);
    if (!page)
        return NULL;
    if (!atomic_compare_exchange_strong(&rb_descriptor_pages[(unsigned) fd / RB_DESCRIPTOR_PAGE], &nobody, page))
        rb_pages_memory_free(page, size); // another thread has installed its page
    return rb_descriptor_of(fd);
}

// SPDX-License-Identifier: MIT
// Maps files into memory.
#include "cli/doctor/mapping.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static int mapping_map(int fd, struct rb_mapping *mapping)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return -errno;
    if (!S_ISREG(st.st_mode))
        return S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
    if (st.st_size == 0)
        return 0;
    void *data = mmap(NULL, (size_t) st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (data == MAP_FAILED)
        return -errno;
    *mapping = (struct rb_mapping){data, (size_t) st.st_size};
    return 0;
}

int rb_mapping_open(const char *path, struct rb_mapping *mapping)
{
    *mapping = (struct rb_mapping){NULL, 0};
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return -errno;
    int error = mapping_map(fd, mapping);
    close(fd);
    return error;
}

void rb_mapping_close(struct rb_mapping *mapping)
{
    if (mapping->data)
        munmap((void *) mapping->data, mapping->size);
    *mapping = (struct rb_mapping){NULL, 0};
}

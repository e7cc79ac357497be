// SPDX-License-Identifier: MIT
// The library's side of the summary page: maps it, counts on it, reports the end of the program.
#include "process/summary.h"

#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "real/kernel.h"
#include "real/pages.h"
#include "real/system.h"

// From linux/futex.h. Not the private variants, because the watcher is another process.
enum { FUTEX_WAIT_SHARED = 0, FUTEX_WAKE_SHARED = 1 };

enum { PAGE_MODE = 0600 };

// Maps the file, or returns NULL if the file is not a page of the effective user. Another user could truncate the file
// or write to it. A file that is shorter than the page would raise SIGBUS at the first count.
//   place: NULL, or the address of the mapping that the page replaces
static struct rb_summary_page *map(int fd, struct rb_summary_page *place)
{
    struct rb_file_identity identity;
    if (rb_file_identify_open(fd, &identity) != 0 || identity.owner != rb_kernel_euid() ||
        identity.mode != (S_IFREG | PAGE_MODE) || identity.size != RB_SUMMARY_SIZE)
        return NULL;
    struct rb_summary_page *page = rb_pages_make(NULL, RB_SUMMARY_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd);
    bool usable =
        page && page->magic == RB_SUMMARY_MAGIC && page->version == RB_SUMMARY_VERSION && page->size == RB_SUMMARY_SIZE;
    if (page && (place || !usable)) {
        rb_pages_drop(page, RB_SUMMARY_SIZE);
        page = NULL;
    }
    if (usable && place)
        page = rb_pages_make(place, RB_SUMMARY_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd);
    return page;
}

static struct rb_summary_page *summary_map_file(const char *path, struct rb_summary_page *place)
{
    struct rb_summary_page *page = NULL;
    int fd = path ? (int) rb_kernel(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0) : -1;
    if (fd >= 0) {
        page = map(fd, place);
        rb_kernel(SYS_close, fd);
    }
    return page;
}

struct rb_summary_page *rb_summary_attach(const char *path)
{
    return summary_map_file(path, NULL);
}

bool rb_summary_give_up(struct rb_summary_page *page)
{
    atomic_store(&page->changed, 1);
    return rb_pages_memory_over(page, RB_SUMMARY_SIZE);
}

bool rb_summary_take_back(struct rb_summary_page *page, const char *path)
{
    return summary_map_file(path, page) == page;
}

static struct rb_summary_policy *slot_for(struct rb_summary_page *page, const char *policy)
{
    for (unsigned i = 0; i < RB_SUMMARY_POLICIES; i++) {
        struct rb_summary_policy *slot = &page->policies[i];
        uint32_t state = atomic_load_explicit(&slot->state, memory_order_acquire);
        if (state == RB_SUMMARY_FREE && atomic_compare_exchange_strong(&slot->state, &state, RB_SUMMARY_BUSY)) {
            memcpy(slot->name, policy, strnlen(policy, sizeof(slot->name) - 1));
            atomic_store_explicit(&slot->state, RB_SUMMARY_READY, memory_order_release);
            return slot;
        }
        if (state == RB_SUMMARY_READY && strncmp(slot->name, policy, sizeof(slot->name) - 1) == 0)
            return slot;
    }
    return NULL;
}

void rb_summary_count(struct rb_summary_page *page, const char *policy, enum rb_summary_counter counter)
{
    struct rb_summary_policy *slot = slot_for(page, policy);
    if (slot)
        atomic_fetch_add_explicit(&slot->counters[counter], 1, memory_order_relaxed);
    else
        atomic_store_explicit(&page->crowded, 1, memory_order_relaxed);
}

static struct rb_summary_host *host_slot_for(struct rb_summary_page *page, const char *host)
{
    for (unsigned i = 0; i < RB_SUMMARY_HOSTS; i++) {
        struct rb_summary_host *slot = &page->hosts[i];
        uint32_t state = atomic_load_explicit(&slot->state, memory_order_acquire);
        if (state == RB_SUMMARY_FREE && atomic_compare_exchange_strong(&slot->state, &state, RB_SUMMARY_BUSY)) {
            memcpy(slot->host, host, strnlen(host, sizeof(slot->host) - 1));
            atomic_store_explicit(&slot->state, RB_SUMMARY_READY, memory_order_release);
            return slot;
        }
        if (state == RB_SUMMARY_READY && strncmp(slot->host, host, sizeof(slot->host) - 1) == 0)
            return slot;
    }
    return NULL;
}

void rb_summary_count_host(struct rb_summary_page *page, const char *host, unsigned counter)
{
    struct rb_summary_host *slot = host_slot_for(page, host);
    if (slot)
        atomic_fetch_add_explicit(&slot->counters[counter], 1, memory_order_relaxed);
}

void rb_summary_begin_wait(struct rb_summary_page *page, const char *host, uint64_t since_ms)
{
    struct rb_summary_host *slot = host_slot_for(page, host);
    uint64_t none = 0;
    if (slot)
        atomic_compare_exchange_strong(&slot->waits_since_ms, &none, since_ms);
}

void rb_summary_note_wait(struct rb_summary_page *page, const char *host, uint64_t waited_ms)
{
    struct rb_summary_host *slot = host_slot_for(page, host);
    uint64_t longest = slot ? atomic_load_explicit(&slot->waited_ms, memory_order_relaxed) : UINT64_MAX;
    while (waited_ms > longest && !atomic_compare_exchange_weak(&slot->waited_ms, &longest, waited_ms))
        ;
    if (slot)
        atomic_store(&slot->waits_since_ms, 0);
}

static void wait_for(_Atomic uint32_t *word, uint64_t limit_ms)
{
    uint64_t until = rb_system_now_ms() + limit_ms;
    for (uint64_t now = rb_system_now_ms(); now < until && atomic_load(word) == 0; now = rb_system_now_ms()) {
        struct rb_kernel_time left = {0, (long) (until - now) * 1000000};
        rb_kernel(SYS_futex, word, FUTEX_WAIT_SHARED, 0, &left, NULL, 0);
    }
}

void rb_summary_end(struct rb_summary_page *page)
{
    if (atomic_load(&page->main_pid) == rb_system_pid()) {
        atomic_store(&page->exiting, 1);
        rb_kernel(SYS_futex, &page->exiting, FUTEX_WAKE_SHARED, INT_MAX, NULL, NULL, 0);
        wait_for(&page->printed, RB_SUMMARY_LINGER_MS);
        uint32_t watcher = atomic_load(&page->printed);
        if (watcher > 1)
            rb_kernel(SYS_wait4, watcher, NULL, __WCLONE, NULL);
    }
}

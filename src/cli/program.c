// SPDX-License-Identifier: MIT
// Looks at an executable before it is started: dynamic or static, privileged, script.
#include "cli/program.h"

#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

// The kernel reads this much of a script's first line, and follows so many interpreters (binfmt_script, exec).
enum { HEAD_SIZE = 256, INTERPRETERS_MAX = 5 };

static const char default_path[] = "/bin:/usr/bin"; // execvp(3), where PATH is not set

static bool is_executable(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

bool rb_program_find(const char *name, char *out)
{
    const char *path = getenv("PATH");
    if (strchr(name, '/'))
        return snprintf(out, PATH_MAX, "%s", name) < PATH_MAX && is_executable(name);
    for (path = path ? path : default_path; *name; path++) {
        size_t length = strcspn(path, ":");
        const char *slash = length > 0 ? "/" : "";
        if (snprintf(out, PATH_MAX, "%.*s%s%s", (int) length, path, slash, name) < PATH_MAX && is_executable(out))
            return true;
        path += length;
        if (*path == '\0')
            break;
    }
    return false;
}

static ssize_t read_head(const char *path, void *head, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    ssize_t length = fd < 0 ? -1 : read(fd, head, size);
    if (fd >= 0)
        close(fd);
    return length;
}

// --- scripts

static char *next_word(char **rest)
{
    char *word = *rest + strspn(*rest, " \t");
    size_t length = strcspn(word, " \t");
    *rest = word + length + (word[length] != '\0');
    word[length] = '\0';
    return *word ? word : NULL;
}

// Replaces *interpreter by the program that env(1) would start. Options with a value of their own are not understood:
// then env itself stands.
static void see_through_env(char *interpreter, char *rest)
{
    char found[PATH_MAX], *word;
    const char *slash = strrchr(interpreter, '/');
    if (strcmp(slash ? slash + 1 : interpreter, "env") != 0)
        return;
    do {
        word = next_word(&rest);
    } while (word && (word[0] == '-' || strchr(word, '=')));
    if (word && rb_program_find(word, found))
        memcpy(interpreter, found, strlen(found) + 1);
}

// True when `path` is a script; `interpreter` (PATH_MAX bytes) receives what runs it.
static bool read_interpreter(const char *path, char *interpreter)
{
    char head[HEAD_SIZE];
    ssize_t length = read_head(path, head, sizeof head - 1);
    if (length < 3 || head[0] != '#' || head[1] != '!')
        return false;
    head[length] = '\0';
    head[strcspn(head, "\n")] = '\0';
    char *rest = head + 2, *word = next_word(&rest);
    if (!word)
        return false;
    memcpy(interpreter, word, strlen(word) + 1);
    see_through_env(interpreter, rest);
    return true;
}

// --- executables

static bool is_elf(const ElfW(Ehdr) * header, ssize_t length)
{
    return length == (ssize_t) sizeof *header && memcmp(header->e_ident, ELFMAG, SELFMAG) == 0;
}

static bool is_same_kind(const ElfW(Ehdr) * a, const ElfW(Ehdr) * b)
{
    return a->e_ident[EI_CLASS] == b->e_ident[EI_CLASS] && a->e_ident[EI_DATA] == b->e_ident[EI_DATA] &&
           a->e_machine == b->e_machine;
}

// True when no program header names a dynamic linker. The linker itself has none either, but obeys LD_PRELOAD.
static bool is_static(const char *path, const ElfW(Ehdr) * header)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    ElfW(Phdr) segment;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    bool found = fd < 0 || strncmp(name, "ld-", 3) == 0 || strncmp(name, "ld.so", 5) == 0;
    for (unsigned i = 0; !found && i < header->e_phnum; i++) {
        off_t at = (off_t) (header->e_phoff + (size_t) i * header->e_phentsize);
        if (pread(fd, &segment, sizeof segment, at) != (ssize_t) sizeof segment)
            break;
        found = segment.p_type == PT_INTERP;
    }
    if (fd >= 0)
        close(fd);
    return !found;
}

// A mount with nosuid, or a process that gave up new privileges, makes a set-uid program an ordinary one.
static bool gives_no_privileges(const char *path)
{
    struct statvfs fs;
    return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 || (statvfs(path, &fs) == 0 && (fs.f_flag & ST_NOSUID));
}

// The conditions under which the kernel starts a program in secure execution (AT_SECURE, getauxval(3)).
static enum rb_obstacle privilege(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0 || gives_no_privileges(path))
        return RB_OBSTACLE_NONE;
    if ((st.st_mode & S_ISUID) && st.st_uid != getuid())
        return RB_OBSTACLE_SETUID;
    if ((st.st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) && st.st_gid != getgid())
        return RB_OBSTACLE_SETGID;
    if (getuid() != 0 && getxattr(path, "security.capability", NULL, 0) > 0)
        return RB_OBSTACLE_CAPABILITIES;
    return RB_OBSTACLE_NONE;
}

static enum rb_obstacle file_obstacle(const char *path, const char *library)
{
    ElfW(Ehdr) program, own;
    enum rb_obstacle privileged = privilege(path);
    if (privileged != RB_OBSTACLE_NONE)
        return privileged;
    if (!is_elf(&program, read_head(path, &program, sizeof program)))
        return RB_OBSTACLE_NONE;
    if (is_elf(&own, read_head(library, &own, sizeof own)) && !is_same_kind(&program, &own))
        return RB_OBSTACLE_ALIEN;
    return is_static(path, &program) ? RB_OBSTACLE_STATIC : RB_OBSTACLE_NONE;
}

enum rb_obstacle rb_program_obstacle(const char *path, const char *library, char *culprit)
{
    char next[PATH_MAX];
    snprintf(culprit, PATH_MAX, "%s", path);
    for (int i = 0; i < INTERPRETERS_MAX && read_interpreter(culprit, next); i++)
        memcpy(culprit, next, strlen(next) + 1);
    return file_obstacle(culprit, library);
}

const char *rb_obstacle_text(enum rb_obstacle obstacle)
{
    static const char *const texts[RB_OBSTACLE_COUNT] = {
        [RB_OBSTACLE_NONE] = "can be intercepted",
        [RB_OBSTACLE_STATIC] = "is statically linked: no library can be preloaded into it, it runs untouched",
        [RB_OBSTACLE_ALIEN] = "is built for another kind of machine than librebound.so: it runs untouched",
        [RB_OBSTACLE_SETUID] = "is set-uid: the system preloads nothing into it, it runs untouched",
        [RB_OBSTACLE_SETGID] = "is set-gid: the system preloads nothing into it, it runs untouched",
        [RB_OBSTACLE_CAPABILITIES] = "has file capabilities: the system preloads nothing into it, it runs untouched",
    };
    return texts[obstacle];
}

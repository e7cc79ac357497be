// SPDX-License-Identifier: MIT
// Examines an executable before it starts: dynamic or static, privileged, script.
#include "cli/run/program.h"

#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

// The kernel reads this many bytes of a script's first line (binfmt_script).
enum { HEAD_SIZE = 256 };

static const char default_path[] = "/bin:/usr/bin"; // what execvp(3) uses if PATH is not set
static const char shell[] = "/bin/sh";              // what execvp(3) uses for a text file without "#!"

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

const char *rb_program_base(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

// --- commands that start another program

static bool is_assignment(const char *word)
{
    return strchr(word, '=') != NULL;
}

// Copies the first program of a command line of the shell. Returns false if its name has other than plain characters.
static bool first_of_script(const char *text, char *word)
{
    size_t length;
    bool skipped;
    do {
        text += strspn(text, " \t\n");
        length = strcspn(text, " \t\n;|&<>()");
        if (length == 0 || length >= PATH_MAX)
            return false;
        memcpy(word, text, length);
        word[length] = '\0';
        skipped = strcmp(word, "exec") == 0 || (is_assignment(word) && strncmp(word, "PATH=", 5) != 0);
        text += length;
    } while (skipped);
    return strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./+-") == length;
}

// Returns the words of the command that the first program of `command` starts, or NULL.
static char **command_behind(char **command)
{
    static const struct {
        const char *name;
        unsigned operands;
        bool assigns;
        const char *valued; // the options whose value is the next word
    } rows[] = {
        {"env", 0, true, ""},     {"nice", 0, false, "-n"},       {"nohup", 0, false, ""},
        {"setsid", 0, false, ""}, {"timeout", 1, false, "-k -s"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char **word = command + 1;
        if (strcmp(rb_program_base(command[0]), rows[i].name) != 0)
            continue;
        for (; *word && **word == '-'; word++) {
            bool valued = strlen(*word) == 2 && strstr(rows[i].valued, *word);
            if (rows[i].assigns || strcmp(*word, "--help") == 0 || strcmp(*word, "--version") == 0)
                return NULL;
            if (valued && word[1])
                word++;
        }
        for (; rows[i].assigns && *word && is_assignment(*word); word++)
            if (strncmp(*word, "PATH=", 5) == 0)
                return NULL;
        for (unsigned n = 0; *word && n < rows[i].operands; n++)
            word++;
        return *word ? word : NULL;
    }
    return NULL;
}

const char *rb_program_behind(char **command, char *word)
{
    static const char *const shells[] = {"sh", "bash", "dash"};
    for (char **next; (next = command_behind(command));)
        command = next;
    for (size_t i = 0; word && i < sizeof(shells) / sizeof(shells[0]); i++)
        if (strcmp(rb_program_base(command[0]), shells[i]) == 0 && command[1] && strcmp(command[1], "-c") == 0 &&
            command[2] && first_of_script(command[2], word) && rb_program_find(word, (char[PATH_MAX]){0}))
            return word;
    return command[0];
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

static char *program_next_word(char **rest)
{
    char *word = *rest + strspn(*rest, " \t");
    size_t length = strcspn(word, " \t");
    *rest = word + length + (word[length] != '\0');
    word[length] = '\0';
    return *word ? word : NULL;
}

// Replaces *interpreter by the program that env(1) would start; by its name if it is not found. Does not parse options
// with a separate value; then *interpreter stays env.
static void see_through_env(char *interpreter, char *rest, struct rb_program_chain *chain)
{
    char found[PATH_MAX], *word;
    if (strcmp(rb_program_base(interpreter), "env") != 0)
        return;
    do {
        word = program_next_word(&rest);
        if (word && (strcmp(word, "-") == 0 || strcmp(word, "-i") == 0 || strcmp(word, "--ignore-environment") == 0))
            chain->cleared = true;
    } while (word && (word[0] == '-' || strchr(word, '=')));
    if (!word)
        return;
    snprintf(interpreter, PATH_MAX, "%s", rb_program_find(word, found) ? found : word);
    chain->started = chain->count;
}

// True if `path` is a script. `interpreter` (PATH_MAX bytes) receives its interpreter.
static bool read_interpreter(const char *path, char *interpreter, struct rb_program_chain *chain)
{
    char head[HEAD_SIZE];
    ssize_t length = read_head(path, head, sizeof(head) - 1);
    if (length < 3 || head[0] != '#' || head[1] != '!')
        return false;
    head[length] = '\0';
    head[strcspn(head, "\n")] = '\0';
    char *rest = head + 2, *word = program_next_word(&rest);
    if (!word)
        return false;
    memcpy(interpreter, word, strlen(word) + 1);
    see_through_env(interpreter, rest, chain);
    return true;
}

void rb_program_follow(const char *path, struct rb_program_chain *chain)
{
    chain->count = 1;
    chain->started = 0;
    chain->missing = chain->cleared = false;
    snprintf(chain->files[0], PATH_MAX, "%s", path);
    while (chain->count < RB_PROGRAM_CHAIN_MAX) {
        const char *last = chain->files[chain->count - 1];
        chain->missing = !is_executable(last);
        if (chain->missing || !read_interpreter(last, chain->files[chain->count], chain))
            break;
        chain->count++;
    }
    if (chain->count > 1 || chain->missing)
        return;
    // execvp(3) passes a text file that the kernel cannot execute to the shell.
    char head[HEAD_SIZE];
    ssize_t length = read_head(path, head, sizeof(head));
    bool elf = length >= SELFMAG && memcmp(head, ELFMAG, SELFMAG) == 0;
    if (length >= 0 && !elf && !memchr(head, '\0', (size_t) length))
        memcpy(chain->files[chain->started = chain->count++], shell, sizeof(shell));
}

// --- executables

// Checks the conditions for secure execution (AT_SECURE, getauxval(3)), in which LD_PRELOAD is ignored.
static enum rb_obstacle privilege(const char *path)
{
    struct stat st;
    struct statvfs fs;
    // The kernel gives no privileges if the process has no_new_privs or the mount has nosuid.
    bool none = prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 || (statvfs(path, &fs) == 0 && (fs.f_flag & ST_NOSUID));
    if (none || stat(path, &st) != 0)
        return RB_OBSTACLE_NONE;
    if ((st.st_mode & S_ISUID) && st.st_uid != getuid())
        return RB_OBSTACLE_SETUID;
    if ((st.st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) && st.st_gid != getgid())
        return RB_OBSTACLE_SETGID;
    if (getuid() != 0 && getxattr(path, "security.capability", NULL, 0) > 0)
        return RB_OBSTACLE_CAPABILITIES;
    return RB_OBSTACLE_NONE;
}

static void note_connect(void *found, const char *name, bool defined)
{
    *(bool *) found = *(bool *) found || (defined && strcmp(name, "connect") == 0);
}

// Returns true if there is a library for 32-bit programs that fits the program and is not empty.
static bool has_own_library(const struct rb_elf_file *program, const char *place)
{
    char path[PATH_MAX];
    struct rb_elf_file library;
    bool found = false;
    const char *slash = strrchr(place, '/');
    int length = snprintf(path, sizeof(path), "%.*s/classes/lib/i386-linux-gnu/librebound.so",
                          slash ? (int) (slash - place) : 0, place);
    if (!slash || length >= (int) sizeof(path) || rb_elf_file_open(path, &library) != 0)
        return false;
    rb_elf_file_symbols(&library, &library.imported_exported, note_connect, &found);
    found = found && rb_elf_file_same_kind(program, &library);
    rb_elf_file_close(&library);
    return found;
}

enum rb_obstacle rb_program_file_obstacle(const char *path, const struct rb_elf_file *program,
                                          const struct rb_elf_file *library, const char *place)
{
    enum rb_obstacle privileged = privilege(path);
    if (privileged != RB_OBSTACLE_NONE || !program)
        return privileged;
    if (library && !rb_elf_file_same_kind(program, library) && !has_own_library(program, place))
        return RB_OBSTACLE_ALIEN;
    // A dynamic program names its dynamic linker. The dynamic linker itself names none, but honours LD_PRELOAD.
    const char *name = rb_program_base(path);
    bool linker = strncmp(name, "ld-", 3) == 0 || strncmp(name, "ld.so", 5) == 0;
    return program->interpreter || linker ? RB_OBSTACLE_NONE : RB_OBSTACLE_STATIC;
}

enum rb_obstacle rb_program_obstacle(const char *path, const char *library, char *culprit, bool *go)
{
    struct rb_program_chain chain;
    struct rb_elf_file program, own;
    rb_program_follow(path, &chain);
    const char *last = chain.files[chain.count - 1];
    snprintf(culprit, PATH_MAX, "%s", chain.cleared ? path : last);
    *go = false;
    if (chain.cleared)
        return RB_OBSTACLE_CLEARED;
    bool readable = rb_elf_file_open(last, &program) == 0, there = rb_elf_file_open(library, &own) == 0;
    enum rb_obstacle obstacle =
        rb_program_file_obstacle(last, readable ? &program : NULL, there ? &own : NULL, library);
    *go = readable && rb_elf_file_is_go(&program);
    rb_elf_file_close(&program);
    rb_elf_file_close(&own);
    return obstacle;
}

const char *rb_obstacle_text(enum rb_obstacle obstacle)
{
    static const char *const texts[RB_OBSTACLE_COUNT] = {
        [RB_OBSTACLE_NONE] = "can be intercepted",
        [RB_OBSTACLE_STATIC] = "is statically linked: no library can be preloaded into it, so it runs without rebound",
        [RB_OBSTACLE_ALIEN] = "is built for another type of machine than librebound.so, so it runs without rebound",
        [RB_OBSTACLE_SETUID] = "is set-uid: the system preloads nothing into it, so it runs without rebound",
        [RB_OBSTACLE_SETGID] = "is set-gid: the system preloads nothing into it, so it runs without rebound",
        [RB_OBSTACLE_CAPABILITIES] =
            "has file capabilities: the system preloads nothing into it, so it runs without rebound",
        [RB_OBSTACLE_CLEARED] = "starts its interpreter without the environment (env -i), so it runs without rebound",
    };
    return texts[obstacle];
}

const char *rb_obstacle_advice(enum rb_obstacle obstacle)
{
    static const char *const texts[RB_OBSTACLE_COUNT] = {
        [RB_OBSTACLE_STATIC] = "use a build that is dynamically linked",
        [RB_OBSTACLE_ALIEN] = "use a librebound.so built for that type of machine",
        [RB_OBSTACLE_SETUID] = "run it as the user that it changes to, or a copy without the set-uid bit",
        [RB_OBSTACLE_SETGID] = "run it with the group that it changes to, or a copy without the set-gid bit",
        [RB_OBSTACLE_CAPABILITIES] = "run it as root, or a copy without file capabilities",
        [RB_OBSTACLE_CLEARED] = "run the script by its interpreter: COMMAND is then the interpreter, ARG the script",
    };
    return texts[obstacle];
}

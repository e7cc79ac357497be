// SPDX-License-Identifier: MIT
// `rebound top` on a terminal, with ncurses.
#include <curses.h>
#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/escape.h"
#include "cli/command.h"
#include "cli/say.h"
#include "cli/state/screen.h"
#include "real/fault.h"
#include "real/system.h"

enum { RED = 1, YELLOW = 2, SPACE = ' ' };

static volatile sig_atomic_t ending; // the signal that ends the loop, 0 for none

static void on_end(int signal)
{
    ending = signal;
}

// Restores the terminal after a crash, with async-signal-safe calls only. The sequences show the cursor, reset colours
// and leave the alternate screen.
static struct termios before;

static void on_crash(int signal)
{
    static const char restore[] = "\033[0m\033[?25h\033[?1049l\r\n";
    ssize_t written = write(STDOUT_FILENO, restore, sizeof(restore) - 1);
    (void) written;
    tcsetattr(STDIN_FILENO, TCSANOW, &before);
    raise(signal); // SA_RESETHAND has restored the default action
}

static void catch_signals(void)
{
    static const int ends[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT},
                     crashes[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL};
    for (unsigned i = 0; i < sizeof(ends) / sizeof(*ends); i++)
        sigaction(ends[i], &(struct sigaction){.sa_handler = on_end}, NULL);
    for (unsigned i = 0; i < sizeof(crashes) / sizeof(*crashes); i++)
        rb_fault_sigaction(crashes[i],
                           &(struct sigaction){.sa_handler = on_crash, .sa_flags = SA_RESETHAND | SA_NODEFER}, NULL);
}

// Draws a line in the form RB_ESCAPE_TEXT, at most `width` columns of it.
static void curses_put(int row, const char *shown, int width, attr_t style)
{
    attron(style);
    mvaddnstr(row, 0, shown, (int) rb_escape_fitting(shown, width > 0 ? (size_t) width : 0));
    attroff(style);
    clrtoeol();
}

static attr_t style_of(const struct rb_view_cell *host)
{
    switch (rb_snapshot_state(host)) {
    case RB_BREAKER_OPEN:
        return has_colors() ? (attr_t) COLOR_PAIR(RED) : A_BOLD;
    case RB_BREAKER_HALF_OPEN:
        return has_colors() ? (attr_t) COLOR_PAIR(YELLOW) : A_UNDERLINE;
    default:
        return A_NORMAL;
    }
}

static unsigned rows_of_table(void)
{
    return LINES > RB_SCREEN_HEAD + 1 ? (unsigned) LINES - RB_SCREEN_HEAD - 1 : 0;
}

static void draw(struct rb_screen *screen)
{
    unsigned rows = rows_of_table(), count = screen->now->host_count;
    unsigned width = COLS > 0 ? (unsigned) COLS : 1;
    char line[RB_TABLE_LINE];
    unsigned last = count > rows ? count - rows : 0;
    if (screen->first > last)
        screen->first = last;
    erase();
    for (unsigned i = 0; i < RB_SCREEN_HEAD; i++) {
        rb_screen_line(screen, i, width, line);
        curses_put((int) i, line, COLS, i == 0 || i + 1 == RB_SCREEN_HEAD ? A_BOLD : A_NORMAL);
    }
    for (unsigned i = 0; i < rows && screen->first + i < count; i++) {
        const struct rb_view_cell *host = &screen->now->hosts[screen->first + i];
        rb_host_table_row(host, width, line);
        curses_put((int) (RB_SCREEN_HEAD + i), line, COLS, style_of(host));
    }
    rb_screen_keys(screen, line);
    curses_put(LINES - 1, line, COLS - 1, A_REVERSE);
    refresh();
}

static unsigned less(unsigned from, unsigned by)
{
    return from > by ? from - by : 0;
}

// Handles a key. Returns false to quit.
static bool handle_key(struct rb_screen *screen, int key)
{
    unsigned page = rows_of_table();
    switch (key) {
    case 'q':
    case 'Q':
        return false;
    case 's':
        screen->order = (screen->order + 1) % RB_ORDERS;
        break;
    case SPACE:
        screen->paused = !screen->paused;
        break;
    case KEY_UP:
    case 'k':
        screen->first = less(screen->first, 1);
        break;
    case KEY_DOWN:
    case 'j':
        screen->first++;
        break;
    case KEY_PPAGE:
        screen->first = less(screen->first, page);
        break;
    case KEY_NPAGE:
        screen->first += page;
        break;
    case KEY_HOME:
        screen->first = 0;
        break;
    case KEY_END:
        screen->first = screen->now->host_count;
        break;
    default:
        break;
    }
    return true;
}

struct looks {
    struct rb_snapshot *now, *before;
    uint64_t now_ms, before_ms;
};

// Reads the file again. Returns false without memory.
static bool curses_look(struct rb_screen *screen, struct rb_state_file *file, struct looks *looks)
{
    enum rb_store_error error = rb_state_file_refresh(file);
    struct rb_snapshot *fresh = rb_snapshot_take(file, screen->order);
    if (!fresh)
        return false;
    rb_snapshot_free(looks->before);
    looks->before = looks->now;
    looks->before_ms = looks->now_ms;
    looks->now = fresh;
    looks->now_ms = rb_system_now_ms();
    screen->trouble = error == RB_STORE_SOUND || error == RB_STORE_ABSENT ? NULL : rb_store_error_text(error);
    screen->now = looks->now;
    screen->before = looks->before;
    screen->between_ms = looks->now_ms - looks->before_ms;
    return true;
}

// Handles keys until the next look. Returns false when the user quits.
static bool interact(struct rb_screen *screen, uint64_t until_ms)
{
    for (uint64_t now_ms = rb_system_now_ms(); ending == 0; now_ms = rb_system_now_ms()) {
        draw(screen);
        if (now_ms >= until_ms && !screen->paused)
            return true;
        timeout(screen->paused ? -1 : (int) (until_ms - now_ms));
        enum rb_order order = screen->order;
        int key = getch();
        if (key != ERR && !handle_key(screen, key))
            return false;
        if (screen->order != order)
            return true;
    }
    return false;
}

static int curses_watch(struct rb_state_file *file, uint64_t interval_ms)
{
    struct looks looks = {0};
    struct rb_screen screen = {.file = file};
    bool memory;
    do
        memory = curses_look(&screen, file, &looks);
    while (memory && interact(&screen, rb_system_now_ms() + interval_ms));
    rb_snapshot_free(looks.before);
    rb_snapshot_free(looks.now);
    return memory ? 0 : RB_EXIT_ERRORS;
}

static void curses_begin(void)
{
    cbreak();
    noecho();
    keypad(stdscr, TRUE);
    curs_set(0);
    if (has_colors() && rb_say_colour(stdout)) {
        start_color();
        use_default_colors();
        init_pair(RED, COLOR_RED, -1);
        init_pair(YELLOW, COLOR_YELLOW, -1);
    }
}

int rb_screen_curses_run(struct rb_state_file *file, uint64_t interval_ms)
{
    tcgetattr(STDIN_FILENO, &before);
    setlocale(LC_CTYPE, ""); // ncurses needs the character set of the terminal to show names that are not ASCII
    SCREEN *terminal = newterm(NULL, stdout, stdin);
    if (!terminal) {
        rb_say_error("unknown terminal '%s'; 'rebound top --once' needs no terminal",
                     getenv("TERM") ? getenv("TERM") : "");
        return RB_EXIT_ERRORS;
    }
    catch_signals();
    curses_begin();
    int status = curses_watch(file, interval_ms);
    endwin();
    delscreen(terminal);
    if (status != 0)
        rb_say_error("out of memory");
    return ending ? 128 + (int) ending : status;
}

// SPDX-License-Identifier: MIT
// The screen of `rebound top`, drawn by ncurses or as lines of text.
#ifndef RB_CLI_STATE_SCREEN_H
#define RB_CLI_STATE_SCREEN_H

#include "cli/state/host_table.h"
#include "cli/state/snapshot.h"

// The contents of the screen at one moment.
struct rb_screen {
    const struct rb_state_file *file;
    const struct rb_snapshot *now, *before; // rates are computed from the difference; before is NULL at first
    uint64_t between_ms;
    enum rb_order order;
    unsigned first; // first visible row of the table
    bool paused;
    const char *trouble; // message shown instead of the table, NULL for none
};

enum { RB_SCREEN_HEAD = 4 }; // lines above the table

// Writes line `number` of the head, at most `width` columns.
void rb_screen_line(const struct rb_screen *screen, unsigned number, unsigned width, char out[RB_TABLE_LINE]);

// Writes the line below the table, which lists the keys.
void rb_screen_keys(const struct rb_screen *screen, char out[RB_TABLE_LINE]);

// Runs until the user quits or a signal arrives. Restores the terminal in every case. Returns an exit status.
//   interval_ms: time between two looks at the file
int rb_screen_curses_run(struct rb_state_file *file, uint64_t interval_ms);

#endif

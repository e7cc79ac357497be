// SPDX-License-Identifier: MIT
// The screen of `rebound top`: as lines of text, or redrawn in place by ncurses.
#ifndef RB_CLI_SCREEN_H
#define RB_CLI_SCREEN_H

#include "cli/state/host_table.h"
#include "cli/state/snapshot.h"

// What is shown of a state file at one moment.
struct rb_screen {
    const struct rb_state_file *file;
    const struct rb_snapshot *now, *before; // before: NULL at first; rates are of the time between them
    uint64_t between_ms;
    enum rb_order order;
    unsigned first; // row of the table that stands on top
    bool paused;
    const char *trouble; // a sentence to show in place of the table, NULL: none
};

enum { RB_SCREEN_HEAD = 4 }; // lines above the rows

// Writes line `number` of the part above the rows, at most `width` columns.
void rb_screen_line(const struct rb_screen *screen, unsigned number, unsigned width, char out[RB_TABLE_LINE]);

// Writes the line below the rows: the keys.
void rb_screen_keys(const struct rb_screen *screen, char out[RB_TABLE_LINE]);

// Runs until the user leaves or a signal ends it. Whatever happens, the terminal is as before. Returns an exit status.
//   interval_ms: between two looks
int rb_screen_run(struct rb_state_file *file, uint64_t interval_ms);

#endif

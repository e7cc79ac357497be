// SPDX-License-Identifier: MIT
// The tolerance for clock readings of processes that share a state.
//
// A process reads the clock and acts later; it may be stopped or preempted in between. So a stored time that is a
// little ahead of a reading is normal. A time further ahead than the rules allow plus this tolerance comes from another
// clock (a time namespace), from damage, or from other rules.
#ifndef RB_ENGINE_READING_H
#define RB_ENGINE_READING_H

enum { RB_READINGS_APART_MS = 60000 };

#endif

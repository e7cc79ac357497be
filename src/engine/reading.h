// SPDX-License-Identifier: MIT
// How far clock readings of processes that share a state lie apart, for the engine and the state.
//
// A process reads the clock and acts later. It may be stopped or preempted in between, so a time in the state that lies
// a little ahead of a reading is no fault. A time that lies further ahead than the rules allow, and than this, comes
// from another clock (a time namespace), from damage, or from other rules.
#ifndef RB_ENGINE_READING_H
#define RB_ENGINE_READING_H

enum { RB_READINGS_APART_MS = 60000 };

#endif

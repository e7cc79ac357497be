// SPDX-License-Identifier: MIT
// Sections for the code and data that run at every program start. Grouping them reduces the number of pages that are
// touched; a page fault costs about as much as a system call.
#ifndef RB_REAL_SECTION_H
#define RB_REAL_SECTION_H

// For functions called by the constructor. The compiler puts the constructor into the same section.
#define RB_START_CODE __attribute__((section(".text.startup")))

// For the variables of these functions. They lie next to the tables that the loader has written to, and take space in
// the file.
#define RB_START_DATA __attribute__((section(".data.start")))

#endif

// SPDX-License-Identifier: MIT
// Code and data that every program touches when it begins, whatever it does: each set lies together, so that fewer
// pages are touched. A page costs about as much as a system call.
#ifndef RB_REAL_SECTION_H
#define RB_REAL_SECTION_H

// For functions that the constructor calls. The compiler puts constructors into the same section.
#define RB_START_CODE __attribute__((section(".text.startup")))

// For their variables, which lie beside the tables that the loader has written to. They take room in the file.
#define RB_START_DATA __attribute__((section(".data.start")))

#endif

// SPDX-License-Identifier: MIT
// A preloaded library without anything in it: what loading one costs.

extern int bench_nothing;
int bench_nothing;

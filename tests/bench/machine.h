// SPDX-License-Identifier: Apache-2.0
#ifndef PT_TESTS_BENCH_MACHINE_H
#define PT_TESTS_BENCH_MACHINE_H

#include <stdint.h>
#include <time.h>

// What programs that play peers need of the machine.

#define MACHINE_TIME_SIZE 25 // 2026-01-01T00:00:00.000Z, with its NUL

// The clock's time in nanoseconds.
int64_t machine_ns(clockid_t clock);

// Writes nanoseconds since 1970 as RFC 3339 has them, to the millisecond.
void machine_write_time(char text[static MACHINE_TIME_SIZE], int64_t wall_ns);

// As many open files as the process may have.
void machine_raise_file_limit(void);

#endif

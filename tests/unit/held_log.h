// SPDX-License-Identifier: Apache-2.0
#ifndef PT_TESTS_HELD_LOG_H
#define PT_TESTS_HELD_LOG_H

// What is logged is held in memory, where a test counts what it says.

#include "base/log.h"

#include "check.h"

#include <sys/mman.h>
#include <unistd.h>

// Returns its descriptor, to which all is logged until held_log_close().
static inline int held_log_open(void)
{
    int log = memfd_create("log", MFD_CLOEXEC);
    assert_true(log >= 0);
    pt_log_set_descriptor(log);
    return log;
}

// Nothing is logged from now on.
static inline void held_log_close(int log)
{
    pt_log_set_descriptor(-1);
    close(log);
}

// How often it has these words.
static inline unsigned held_log_count(int log, const char *words)
{
    static char text[65536];
    unsigned count = 0;
    ssize_t length = pread(log, text, sizeof(text) - 1, 0);
    assert_true(length >= 0);
    text[length] = '\0';
    for (const char *at = text; (at = strstr(at, words)); at++)
        count++;
    return count;
}

#endif

// SPDX-License-Identifier: Apache-2.0
#include "machine.h"

#include <stdio.h>
#include <sys/resource.h>

#define NS_PER_S INT64_C(1000000000)

int64_t machine_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return now.tv_sec * NS_PER_S + now.tv_nsec;
}

void machine_write_time(char text[static MACHINE_TIME_SIZE], int64_t wall_ns)
{
    time_t seconds = (time_t)(wall_ns / NS_PER_S);
    struct tm parts;
    gmtime_r(&seconds, &parts);
    size_t length = strftime(text, MACHINE_TIME_SIZE, "%Y-%m-%dT%H:%M:%S", &parts);
    snprintf(text + length, MACHINE_TIME_SIZE - length, ".%03uZ",
             (unsigned)(wall_ns / 1000000 % 1000) % 1000);
}

void machine_raise_file_limit(void)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

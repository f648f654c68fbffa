// SPDX-License-Identifier: Apache-2.0
#include "server/api/process_figures.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static double seconds(struct timeval time)
{
    return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

static double count_fds(void)
{
    DIR *dir = opendir("/proc/self/fd");
    int count = 0;
    if (!dir)
        return 0;
    while (readdir(dir))
        count++;
    closedir(dir);
    return count - 3; // ".", ".." and the directory itself
}

// The second number of statm.
static double read_resident_pages(void)
{
    char line[256];
    FILE *file = fopen("/proc/self/statm", "re");
    if (!file)
        return 0;
    const char *second = fgets(line, sizeof(line), file) ? strchr(line, ' ') : NULL;
    fclose(file);
    return second ? (double)strtol(second, NULL, 10) : 0;
}

void pt_process_figures_read(struct pt_process_figures *ret_figures)
{
    struct pt_process_figures figures = {.open_fds = count_fds()};
    struct rusage usage;
    struct rlimit limit;
    if (getrusage(RUSAGE_SELF, &usage) == 0)
        figures.cpu_seconds = seconds(usage.ru_utime) + seconds(usage.ru_stime);
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        figures.max_fds = (double)limit.rlim_cur;
    figures.resident_bytes = read_resident_pages() * (double)sysconf(_SC_PAGESIZE);
    *ret_figures = figures;
}

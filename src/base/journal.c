// SPDX-License-Identifier: Apache-2.0
#include "base/journal.h"

#include "base/text.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool pt_journal_keeps(int fd, char *(*getenv_fn)(const char *name))
{
    struct stat status;
    char place[64];
    const char *stream = getenv_fn("JOURNAL_STREAM");
    if (!stream || fstat(fd, &status) < 0)
        return false;
    snprintf(place, sizeof(place), "%ju:%ju", (uintmax_t)status.st_dev, (uintmax_t)status.st_ino);
    return strcmp(stream, place) == 0;
}

void pt_journal_complain(const char *program, const char *message)
{
    const char *priority = pt_journal_keeps(STDERR_FILENO, getenv) ? "<3>" : "";
    fprintf(stderr, "%s%s: ", priority, program);
    pt_text_print(message, stderr);
    fputc('\n', stderr);
}

// SPDX-License-Identifier: Apache-2.0
#include "agent/check_lines.h"

#include "base/text.h"

void pt_check_line(struct pt_check_lines *lines, const char *mark, const char *what,
                   const char *found)
{
    fprintf(lines->out, "  %-5s ", mark);
    pt_text_print(what, lines->out);
    fputs(": ", lines->out);
    pt_text_print(found, lines->out);
    fputc('\n', lines->out);
}

void pt_check_well(struct pt_check_lines *lines, const char *what, const char *found)
{
    pt_check_line(lines, "ok", what, found);
}

void pt_check_fault(struct pt_check_lines *lines, const char *what, const char *found,
                    const char *advice)
{
    lines->faults++;
    pt_check_line(lines, "FAULT", what, found);
    fprintf(lines->out, "        %s\n", advice);
}

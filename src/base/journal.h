// SPDX-License-Identifier: Apache-2.0
#ifndef PT_BASE_JOURNAL_H
#define PT_BASE_JOURNAL_H

#include <stdbool.h>

// Whether what is written to the descriptor goes to systemd's journal, as $JOURNAL_STREAM says
// (`getenv_fn`: as getenv). The journal reads `<3>` before a line as its priority
// (https://www.freedesktop.org/software/systemd/man/latest/sd-daemon.html).
bool pt_journal_keeps(int fd, char *(*getenv_fn)(const char *name));

// Says on standard error why the program ends, or does not begin; to the journal as an error.
void pt_journal_complain(const char *program, const char *message);

#endif

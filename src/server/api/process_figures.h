// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_API_PROCESS_FIGURES_H
#define PT_SERVER_API_PROCESS_FIGURES_H

struct pt_process_figures {
    double cpu_seconds;
    double resident_bytes;
    double open_fds;
    double max_fds;
};

// Reads what the kernel says of this process; what it does not say is 0.
void pt_process_figures_read(struct pt_process_figures *ret_figures);

// What open_fds is where the kernel does not say it: a short call for each place of the table.
int pt_process_count_fds_one_by_one(void);

#endif

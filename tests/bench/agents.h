// SPDX-License-Identifier: Apache-2.0
#ifndef PT_TESTS_BENCH_AGENTS_H
#define PT_TESTS_BENCH_AGENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Reports as agents send them, for nodes whose pulls go on and are followed by others. The text of
// a node's report is made once; each time only its numbers are exchanged, so that making reports
// costs little beside what the server does.
struct agents {
    int count;
    int first; // number in the first node's name
    int pulls; // of each node
    int layers;
    double pull_seconds; // from the start of one pull to the start of the next
    int interval_ms;     // between two reports of a node
    bool v1;             // only the fields of the established format, as other agents send
    char **requests;     // one HTTP request for each node
    size_t *lengths;
    int64_t *generations; // of each node's pulls
    uint64_t completions; // reported by all nodes
};

int agents_create(struct agents *agents);
void agents_destroy(struct agents *agents);

// Brings the node's report up to date. Its pulls end together: at the time of a report that says
// so, they are counted as completed. One of v1 says so by naming the next pulls only.
void agents_refresh(struct agents *agents, int node, int64_t wall_ns, int64_t started_wall_ns);

#endif

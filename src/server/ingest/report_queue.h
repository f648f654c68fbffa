// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_INGEST_REPORT_QUEUE_H
#define PT_SERVER_INGEST_REPORT_QUEUE_H

#include "base/clock.h"
#include "base/error.h"
#include "pull/report.h"

struct pt_loop;
struct pt_pull_store;
struct pt_request;

// Large reports, one after the other: each is read and applied in small steps, as many as a turn of
// the loop has time for. Those that wait are kept as the bytes that came, which count as bodies
// that are being read, so that only one takes the memory of a report that has been read.
struct pt_report_queue;

// What became of a report. `request` is NULL when its client has gone, else it is to be answered
// now. `report` is NULL when it could not be read. `err` says why when `result` is negative.
typedef void pt_report_done_fn(void *context, struct pt_request *request,
                               const struct pt_report *report, int result,
                               const struct pt_error *err);

// -EPERM, with words, if the report is of another node than the one that its token speaks for;
// NULL: it speaks for any.
PT_MUST_CHECK int pt_report_check_node(const struct pt_report *report, const char *node_name,
                                       struct pt_error *err);

// Loop, clock and store outlive it. NULL when out of memory.
struct pt_report_queue *pt_report_queue_create(struct pt_loop *loop, const struct pt_clock *clock,
                                               struct pt_pull_store *store,
                                               pt_report_done_fn *on_done, void *context);

// The connections are gone: nobody waits any more. What is being applied ends where it is.
void pt_report_queue_destroy(struct pt_report_queue *queue);

// Takes a request, whose body is a report; on_done says later what became of it. `node_name`: as in
// pt_report_check_node. -ENOMEM: there is no memory for it, or bodies have no room.
PT_MUST_CHECK int pt_report_queue_add(struct pt_report_queue *queue, struct pt_request *request,
                                      const char *node_name);

#endif

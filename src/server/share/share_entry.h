// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_SHARE_SHARE_ENTRY_H
#define PT_SERVER_SHARE_SHARE_ENTRY_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pt_resp_value;

// A place in the log: milliseconds of Valkey's clock, then a number within them
// (https://valkey.io/topics/streams-intro/).
struct pt_share_id {
    uint64_t ms;
    uint64_t number;
};

// Less than, equal to or greater than 0, as a stands before, at or behind b.
int pt_share_id_compare(struct pt_share_id a, struct pt_share_id b);

// -EINVAL for what is not `digits-digits`, or no time that nanoseconds can count.
PT_MUST_CHECK int pt_share_id_parse(const char *text, size_t length, struct pt_share_id *ret_id);

// A report of the log, as share_take.lua writes it. Texts are borrowed, of any bytes, and not
// terminated.
struct pt_share_entry {
    struct pt_share_id id;
    int64_t offset, end; // which bytes of the log it takes; -1: not known
    bool is_past;        // it holds a pull that has ended, and says nothing of the node
    uint64_t ended_ms;   // of what is past, by Valkey's clock
    const char *taker;   // run of the server that appended it; NULL: not of the log itself
    size_t taker_length;
    uint64_t number; // among its taker's
    const char *row_ids;
    size_t row_ids_length;
    const char *report;
    size_t report_length;
    const char *waited; // as pt_share_waited_read takes it; NULL: it is not there
    size_t waited_length;
};

// Reads an item of XRANGE's or XREAD's answer. -EPROTO: it is none; -EINVAL: it is no report that
// this version can read, and only id, offset and end are set. Fields that are not known are left
// out: a newer server may write them.
PT_MUST_CHECK int pt_share_entry_read(const struct pt_resp_value *item,
                                      struct pt_share_entry *ret_entry);

// Reads what is kept beside the log, the latest report of a node or one with a pull that has ended:
// a line with the id and, behind a blank, who had waited; one with the row ids; the report.
// -EINVAL.
PT_MUST_CHECK int pt_share_kept_read(const char *text, size_t length,
                                     struct pt_share_entry *ret_entry);

#endif

// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_SHARE_SHARE_ENDS_H
#define PT_SERVER_SHARE_SHARE_ENDS_H

#include "base/buffer.h"
#include "server/share/share_writer.h"
#include "server/store/reader.h"

#include <stddef.h>
#include <stdint.h>

struct pt_report;

// What pulls that have ended leave in the log and beside it: each is a report of its own, with the
// pull as the store has it, so that who reads it later needs nothing else.
struct pt_share_ends {
    struct pt_buffer texts;
    struct pt_share_finished *list; // as pt_share_take has it
    size_t count;
    size_t without_layers; // of these, since they were larger than PT_LIMIT_SHARE_END_BYTES
    char (*ids)[PT_PULL_ID_SIZE];
};

// Writes those of a report's pulls that have ended, until there is no room for more. `row_ids`: as
// pt_store_write_row_ids has written them; `now_ms`: by Valkey's clock. -ENOMEM.
PT_MUST_CHECK int pt_share_ends_write(struct pt_share_ends *ends, const struct pt_pull_store *store,
                                      const struct pt_report *report, const char *row_ids,
                                      int64_t now_ms);
// Writes one that the store has, as ended at `ended_ms`; none if it has neither an id of its
// agent's nor ended as a row that only Kubernetes knows. -ENOMEM, -EMSGSIZE. To be finished in any
// case.
PT_MUST_CHECK int pt_share_ends_write_stored(struct pt_share_ends *ends,
                                             const struct pt_stored_pull *stored, int64_t ended_ms);
void pt_share_ends_finish(struct pt_share_ends *ends);

#endif

// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_SHARE_SHARE_WAITED_H
#define PT_SERVER_SHARE_SHARE_WAITED_H

#include "base/buffer.h"
#include "base/error.h"
#include "pull/join.h"
#include "pull/model.h"

#include <stdbool.h>
#include <stddef.h>

struct yyjson_doc;

// What Kubernetes has said of a pull that has ended, as who had waited for it and for how long: a
// server that starts later cannot hear it any more. Of a row that no agent has reported it is all
// that there is, and holds the row itself. As one line of JSON.
struct pt_share_waited {
    struct pt_join join;
    bool is_row;
    struct pt_pull row; // completed or failed, without layers
    // Used by share_waited.c only: what the texts borrow from.
    struct yyjson_doc *document;
    struct pt_waiting_container *list;
};

// `row` is NULL, or completed or failed. A failure stays in the buffer. share_take.lua reads what a
// row begins with: how much this end weighs against another one of it.
void pt_share_waited_write(const struct pt_join *join, const struct pt_pull *row,
                           struct pt_buffer *out);

// -EINVAL: nobody had waited, or it is not readable; -EBADMSG: likewise, and it is of a row;
// -ENOMEM. To be finished when it is 0.
PT_MUST_CHECK int pt_share_waited_read(const char *json, size_t length,
                                       struct pt_share_waited *ret_waited);

// One that is all zero, too.
void pt_share_waited_finish(struct pt_share_waited *waited);

#endif

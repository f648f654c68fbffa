// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_SHARE_SHARE_QUESTIONS_H
#define PT_SERVER_SHARE_SHARE_QUESTIONS_H

#include "base/error.h"
#include "server/share/share_entry.h"
#include "server/share/share_keys.h"
#include "server/valkey/resp.h"
#include "server/valkey/valkey_link.h"

#include <stdbool.h>
#include <stddef.h>

// What a reader of the log asks Valkey, and where in the answer that stands. Each returns as
// pt_valkey_link_send.
struct pt_share_questions {
    struct pt_valkey_link *link;
    char (*keys)[PT_SHARE_KEY_SIZE]; // as pt_share_keys_write has them
    pt_valkey_reply_fn *on_reply;
    void *context;
};

// The newest entry, in a list; that is empty when there is none.
PT_MUST_CHECK int pt_share_ask_for_newest(const struct pt_share_questions *questions);

// The ids of finished pulls behind the first `rank` of them, the newest first: a list of `most`, or
// PT_LIMIT_SHARE_FINISHED, at most; empty behind the last.
PT_MUST_CHECK int pt_share_ask_for_ids(const struct pt_share_questions *questions, size_t rank,
                                       size_t most);

// Finished pulls by their ids: a list with one at least, the last ones first. What is not kept any
// more is an empty text.
PT_MUST_CHECK int pt_share_ask_for_finished(const struct pt_share_questions *questions,
                                            char (*ids)[PT_PULL_ID_SIZE], size_t count);

// The nodes' latest reports: the next cursor, and a list of some. It begins with the cursor "0",
// and has ended when that comes back.
PT_MUST_CHECK int pt_share_ask_for_latest(const struct pt_share_questions *questions,
                                          const char *cursor);

#define PT_SHARE_CURSOR_SIZE 24

// The reports of that answer, and the next cursor. NULL: it is none.
const struct pt_resp_value *pt_share_read_latest(const struct pt_resp_value *answer,
                                                 char cursor[static PT_SHARE_CURSOR_SIZE]);

// The first entries behind `last`: a list with the stream's name and their list; or nil, when it
// has waited for the first one in vain, for a second or not at all.
PT_MUST_CHECK int pt_share_ask_for_entries(const struct pt_share_questions *questions,
                                           struct pt_share_id last, size_t most, bool waits);

// The entries of that answer, which is not nil. NULL: it is none.
const struct pt_resp_value *pt_share_read_entries(const struct pt_resp_value *answer);

#endif

// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_SHARE_SHARE_PAST_H
#define PT_SERVER_SHARE_SHARE_PAST_H

#include "base/error.h"
#include "base/key_set.h"
#include "server/store/reader.h"

#include <stdbool.h>
#include <stddef.h>

struct pt_resp_value;

// Which of the finished pulls that are kept beside the log are still to be read. A walk goes over
// the ids of all, the newest first, piece by piece, so that those that end meanwhile push the
// others back and none is passed over. A second walk finds what has ended since the first, for the
// first time or once more (one that had failed goes on in its row), and costs little.
struct pt_share_past {
    size_t rank;            // of the next piece
    bool is_over;           // there is none: the owner says so
    struct pt_key_set seen; // in all walks, with when it had ended
    char (*wanted)[PT_PULL_ID_SIZE];
    size_t count; // wanted and not read yet
};

// Whether the pull has to be read no more.
typedef bool pt_share_has_end_fn(void *context, const char *id);

// -ENOMEM.
PT_MUST_CHECK int pt_share_past_init(struct pt_share_past *past);
void pt_share_past_finish(struct pt_share_past *past);

// Begins a walk.
void pt_share_past_walk(struct pt_share_past *past);

// Forgets what walks have seen.
void pt_share_past_forget(struct pt_share_past *past);

// The walk has come to these, at most PT_LIMIT_SHARE_FINISHED, each an id and when it ended: those
// that no walk has seen with that end, and that are not had (NULL: none is), are wanted. Returns
// how many are no ids, which are left out; -EMSGSIZE: there are more; -ENOMEM.
PT_MUST_CHECK int pt_share_past_note(struct pt_share_past *past, const struct pt_resp_value *ends,
                                     pt_share_has_end_fn *has_end, void *context);

// The last `count` of the wanted ones have been read.
void pt_share_past_take(struct pt_share_past *past, size_t count);

#endif

// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_STORE_CHANGE_LOG_H
#define PT_SERVER_STORE_CHANGE_LOG_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// All pulls in the order of their last change, each under the version number that it got there.
// A pull stands in it once: a new change moves it to the end. Versions only grow. The gaps are
// closed little by little, with each change, so that none takes long.
struct pt_stored_pull;

struct pt_change_log {
    struct pt_change {
        uint64_t version;
        struct pt_stored_pull *pull; // NULL: it has moved on
    } * entries;
    size_t count;
    size_t capacity;
    size_t kept, scanned; // being compacted: what stands between the two is void; else 0
    size_t pull_count;
    uint64_t first_version; // versions up to this one are from an earlier run of the server
    uint64_t newest_version;
    bool has_news; // a pull got a version; whoever reports that sets it back
};

// Versions begin above `first_version`, so that a server started later never repeats one.
void pt_change_log_init(struct pt_change_log *log, uint64_t first_version);
void pt_change_log_finish(struct pt_change_log *log);

// Adds a pull with the next version. -ENOMEM leaves everything as it was.
PT_MUST_CHECK int pt_change_log_add(struct pt_change_log *log, struct pt_stored_pull *pull);

// Gives a pull that is in the log the next version; cannot fail.
void pt_change_log_touch(struct pt_change_log *log, struct pt_stored_pull *pull);
void pt_change_log_remove(struct pt_change_log *log, struct pt_stored_pull *pull);

// The first pull that changed after `version`, NULL if there is none. Costs a binary search;
// *ret_cursor is for pt_change_log_next and valid until the log changes.
struct pt_stored_pull *pt_change_log_after(const struct pt_change_log *log, uint64_t version,
                                           size_t *ret_cursor);
struct pt_stored_pull *pt_change_log_next(const struct pt_change_log *log, size_t *cursor);

#endif

// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_SHARE_SHARE_KEYS_H
#define PT_SERVER_SHARE_SHARE_KEYS_H

#include "base/limits.h"
#include "pull/event.h"
#include "server/store/reader.h"

#include <stdint.h>

// The keys in Valkey, each behind the prefix of PULLTRACE_SHARE_PREFIX. The prefix stands in
// braces, so that all are in one hash slot (https://valkey.io/topics/cluster-spec/).
enum pt_share_key {
    PT_SHARE_KEY_LOG,      // stream: the reports, in the order in which every server applies them
    PT_SHARE_KEY_LATEST,   // hash: node -> its newest entry
    PT_SHARE_KEY_SEEN,     // hash: node -> run and sequence of its agent, and when that came
    PT_SHARE_KEY_FINISHED, // hash: row id -> the pull that ended
    PT_SHARE_KEY_ORDER,    // sorted set: row ids by when they ended
    PT_SHARE_KEY_OFFSET,   // number: bytes that were ever appended
    PT_SHARE_KEY_SWEEP,    // cursor: how far `latest` was looked through for nodes that are gone
    PT_SHARE_KEY_KEPT,     // number: bytes of the finished pulls
    PT_SHARE_KEY_COUNT,
};

#define PT_SHARE_KEY_SIZE (PT_LIMIT_SETTING_NAME_BYTES + 16)
#define PT_SHARE_CLAIM_KEY_SIZE (PT_SHARE_KEY_SIZE + PT_PULL_ID_SIZE + 48)

// `prefix` is no longer than its setting may be.
void pt_share_key_write(const char *prefix, enum pt_share_key key,
                        char text[static PT_SHARE_KEY_SIZE]);

// All of them, each at its place.
void pt_share_keys_write(const char *prefix,
                         char texts[static PT_SHARE_KEY_COUNT][PT_SHARE_KEY_SIZE]);

// The key of an outcome that one of the servers counts: who sets it first. `attempt`: how many of
// the row have failed.
void pt_share_claim_key_write(const char *prefix, const char *id, enum pt_event_type type,
                              int64_t attempt, char text[static PT_SHARE_CLAIM_KEY_SIZE]);

#endif

// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_SHARE_SHARE_KEYS_H
#define PT_SERVER_SHARE_SHARE_KEYS_H

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
    PT_SHARE_KEY_COUNT,
};

// Behind the prefix, before what is claimed: who sets such a key first has it.
#define PT_SHARE_CLAIM_KEY "attempt:"

#define PT_SHARE_PREFIX_BYTES 64
#define PT_SHARE_KEY_SIZE (PT_SHARE_PREFIX_BYTES + 16)

void pt_share_key_write(const char *prefix, enum pt_share_key key,
                        char text[static PT_SHARE_KEY_SIZE]);

#endif

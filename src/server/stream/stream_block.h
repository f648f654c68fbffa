// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_STREAM_STREAM_BLOCK_H
#define PT_SERVER_STREAM_STREAM_BLOCK_H

#include "server/stream/event_stream.h"

// Serializes what changed after `from`, up to `to` or until the block is large enough, with ids of
// that run. `scratch` is memory to work in. NULL when out of memory. The caller has the one
// reference.
struct pt_stream_block *pt_stream_block_make(const struct pt_pull_store *store,
                                             const struct pt_stream_request *request,
                                             const char *run, uint64_t from, uint64_t to,
                                             bool of_snapshot, struct pt_buffer *scratch);

// A block of this text, which holds no change; NULL when out of memory.
struct pt_stream_block *pt_stream_block_make_text(const char *text);

#endif

// SPDX-License-Identifier: Apache-2.0
#include "server/stream/stream_block.h"

#include "base/limits.h"
#include "base/memory_share.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_BYTES (128 * 1024) // no further pull is added to a block of this size
#define BLOCK_CHANGES 1024       // changes looked at for one block, sent or not

#define CHUNK_HEAD_SIZE 20

static struct pt_stream_block *make_block(const char *body, size_t length)
{
    char head[CHUNK_HEAD_SIZE];
    int head_length = snprintf(head, sizeof(head), "%zx\r\n", length);
    struct pt_stream_block *block = malloc(sizeof(*block) + (size_t)head_length + length + 2);
    if (!block)
        return NULL;
    *block = (struct pt_stream_block){
        .references = 1, .body_offset = (size_t)head_length, .body_length = length};
    if (length == 0) // an empty chunk would end the answer
        return block;
    memcpy(block->data, head, (size_t)head_length);
    memcpy(block->data + head_length, body, length);
    block->data[(size_t)head_length + length] = '\r';
    block->data[(size_t)head_length + length + 1] = '\n';
    block->length = (size_t)head_length + length + 2;
    return block;
}

struct pt_stream_block *pt_stream_block_make_text(const char *text)
{
    return make_block(text, strlen(text));
}

static int64_t bytes_of(const struct pt_stream_block *block)
{
    return (int64_t)(sizeof(*block) + block->length);
}

void pt_stream_block_count(struct pt_stream_block *block, struct pt_memory_share *memory)
{
    block->memory = memory;
    pt_memory_share_add(memory, bytes_of(block));
}

void pt_stream_block_unref(struct pt_stream_block *block)
{
    if (!block || --block->references > 0)
        return;
    if (block->memory)
        pt_memory_share_add(block->memory, -bytes_of(block));
    free(block);
}

// What all messages of a block have in common.
struct making {
    const struct pt_stream_request *request;
    const char *run;
    uint64_t from;
    bool of_snapshot;
    struct pt_buffer *out;
};

static int begin_message(const struct making *making, uint64_t version)
{
    return pt_buffer_printf(making->out, "id: %s.%llu\ndata: ", making->run,
                            (unsigned long long)version);
}

static enum pt_event_type pull_event_type(const struct pt_stored_pull *stored, uint64_t from,
                                          bool of_snapshot)
{
    // What is learned of a finished pull later, as who had waited, does not end it once more.
    struct pt_pull_versions versions = pt_stored_pull_versions(stored);
    bool is_final = pt_stored_pull_is_final(stored) && (of_snapshot || versions.final > from);
    if (is_final)
        return pt_stored_pull_model(stored)->phase == PT_PULL_FAILED ? PT_EVENT_PULL_FAILED
                                                                     : PT_EVENT_PULL_COMPLETED;
    return !of_snapshot && versions.created > from ? PT_EVENT_PULL_STARTED : PT_EVENT_PULL_PROGRESS;
}

static enum pt_event_type layer_event_type(struct pt_layer_versions versions, uint64_t from)
{
    if (versions.completed > from)
        return PT_EVENT_LAYER_COMPLETED;
    return versions.started > from ? PT_EVENT_LAYER_STARTED : PT_EVENT_LAYER_PROGRESS;
}

// The layers that changed. They carry the id of what was sent before, so that a client which is cut
// off between them and their pull gets all of them again.
static int add_layer_events(const struct making *making, const struct pt_stored_pull *stored,
                            const struct pt_pull_status *status, uint64_t last_version)
{
    int r = 0;
    int64_t reported_at = pt_stored_pull_reported_at(stored);
    for (size_t i = 0; r == 0 && i < status->pull.layer_count; i++) {
        struct pt_layer_versions versions = pt_stored_pull_layer_versions(stored, i);
        if (versions.newest <= making->from || !versions.started)
            continue;
        r = begin_message(making, last_version);
        if (r == 0)
            r = pt_layer_event_encode(layer_event_type(versions, making->from), reported_at, status,
                                      i, making->out);
        if (r == 0)
            r = pt_buffer_append_text(making->out, "\n\n");
    }
    return r;
}

static int add_pull(const struct making *making, const struct pt_stored_pull *stored,
                    uint64_t last_version)
{
    const struct pt_stream_request *request = making->request;
    struct pt_layer_rate rates[PT_LIMIT_LAYERS_PER_PULL];
    struct pt_pull_status status = pt_stored_pull_status(stored, rates);
    int r = 0;
    if (request->layer_events)
        r = add_layer_events(making, stored, &status, last_version);
    if (r < 0 || !request->pull_events)
        return r;
    r = begin_message(making, status.version);
    if (r == 0)
        r = pt_pull_event_encode(pull_event_type(stored, making->from, making->of_snapshot),
                                 pt_stored_pull_reported_at(stored), &status, request->layers,
                                 making->out);
    return r == 0 ? pt_buffer_append_text(making->out, "\n\n") : r;
}

// A stream of active pulls has their end as well, else its reader would never see them go.
static bool is_wanted(const struct pt_stream_request *request, const struct pt_stored_pull *stored,
                      bool of_snapshot)
{
    if (request->filter.status == PT_STATUS_ACTIVE && !of_snapshot)
        return pt_pull_filter_matches_text(&request->filter, stored);
    return pt_pull_filter_matches(&request->filter, stored);
}

struct pt_stream_block *pt_stream_block_make(const struct pt_pull_store *store,
                                             const struct pt_stream_request *request,
                                             const char *run, uint64_t from, uint64_t to,
                                             bool of_snapshot, struct pt_buffer *scratch)
{
    const struct making making = {request, run, from, of_snapshot, scratch};
    size_t cursor;
    uint64_t sent = from;
    bool is_cut = false;
    int changes = 0;
    pt_buffer_clear(scratch);
    const struct pt_stored_pull *stored = pt_store_changed_after(store, from, &cursor);
    for (; stored; stored = pt_store_changed_next(store, &cursor)) {
        uint64_t version = pt_stored_pull_versions(stored).newest;
        if (version > to)
            break;
        is_cut = scratch->length >= BLOCK_BYTES || changes++ == BLOCK_CHANGES;
        if (is_cut)
            break;
        if (is_wanted(request, stored, of_snapshot) && add_pull(&making, stored, sent) < 0)
            return NULL;
        sent = version;
    }
    struct pt_stream_block *block = make_block(scratch->data, scratch->length);
    if (!block)
        return NULL;
    block->of_snapshot = of_snapshot;
    block->is_whole = !stored;
    block->from = from;
    block->to = is_cut ? sent : to;
    return block;
}

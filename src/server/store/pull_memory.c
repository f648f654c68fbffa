// SPDX-License-Identifier: Apache-2.0
#include "server/store/pull_memory.h"

#include "base/limits.h"
#include "pull/pull_fields.h"
#include "server/store/pull_life.h"

#include <errno.h>
#include <string.h>

#define OVERHEAD_BYTES 256 // places in two maps and the change log, and between the blocks
#define NODE_DIVISOR 16
#define MAX_REMOVED 1000      // pulls that go for one, so that a report is bounded work
#define REMOVED_IN_A_STEP 100 // of those

static int64_t text_bytes(const char *text)
{
    return text ? (int64_t)strlen(text) + 1 : 0;
}

static int64_t head_bytes(const struct pt_pull *pull)
{
    return (int64_t)(sizeof(struct pt_stored_pull) + OVERHEAD_BYTES +
                     pt_fields_text_bytes(&pt_pull_fields, pull));
}

// At most: text of media types that is not kept counts as well.
static int64_t layers_bytes(const struct pt_pull *pull)
{
    size_t bytes = pull->layer_count * (sizeof(struct pt_layer) + sizeof(struct pt_layer_versions) +
                                        sizeof(struct pt_layer_track));
    for (size_t i = 0; i < pull->layer_count; i++)
        bytes += pt_fields_text_bytes(&pt_layer_fields, &pull->layers[i]);
    return (int64_t)bytes;
}

void pt_pull_memory_count(struct pt_pull_store *store, struct pt_stored_pull *stored)
{
    size_t tracks = stored->tracks ? stored->pull.layer_count : 0;
    int64_t bytes = head_bytes(&stored->pull) + (int64_t)stored->layers_bytes +
                    (int64_t)(tracks * sizeof(struct pt_layer_track)) + text_bytes(stored->key) +
                    text_bytes(stored->earlier_key) +
                    (stored->join ? (int64_t)pt_join_size(stored->join) : 0);
    pt_memory_share_add(store->memory, bytes - stored->counted_bytes);
    stored->node->bytes += bytes - stored->counted_bytes;
    stored->counted_bytes = bytes;
}

void pt_pull_memory_uncount(struct pt_pull_store *store, struct pt_stored_pull *stored)
{
    pt_memory_share_add(store->memory, -stored->counted_bytes);
    stored->node->bytes -= stored->counted_bytes;
    stored->counted_bytes = 0;
}

int64_t pt_pull_memory_of_node(const struct pt_pull_store *store)
{
    int64_t max_bytes = store->memory->max_bytes;
    if (max_bytes == 0)
        return PT_MEMORY_WITHOUT_END;
    if (max_bytes <= PT_LIMIT_LOWEST_NODE_BYTES)
        return max_bytes;
    int64_t share = max_bytes / NODE_DIVISOR;
    return share > PT_LIMIT_LOWEST_NODE_BYTES ? share : PT_LIMIT_LOWEST_NODE_BYTES;
}

int pt_pull_memory_make_some_room(struct pt_pull_store *store, struct pt_node *node,
                                  const struct pt_stored_pull *stored,
                                  const struct pt_pull *reported, int *removed)
{
    // A pull that is known grows by its layers, once; words that come later are few.
    if (stored && reported->layer_count <= stored->pull.layer_count)
        return 0;
    int64_t bytes =
        head_bytes(reported) + layers_bytes(reported) - (stored ? stored->counted_bytes : 0);
    int64_t max_node_bytes = pt_pull_memory_of_node(store);
    for (int step = 0; *removed < MAX_REMOVED; step++, ++*removed) {
        bool is_node_full = bytes > max_node_bytes - node->bytes;
        if (!is_node_full && pt_memory_share_has_room(store->memory, bytes))
            return 0;
        if (step == REMOVED_IN_A_STEP)
            return -EINPROGRESS;
        struct pt_stored_pull *oldest =
            is_node_full ? TAILQ_FIRST(&node->finished) : TAILQ_FIRST(&store->finished);
        if (!oldest)
            break;
        pt_life_remove(store, oldest);
    }
    pt_memory_share_note_refusal(store->memory);
    return bytes > max_node_bytes - node->bytes ? -EFBIG : -ENOBUFS;
}

int pt_pull_memory_make_room(struct pt_pull_store *store, struct pt_node *node,
                             const struct pt_stored_pull *stored, const struct pt_pull *reported)
{
    int removed = 0, r;
    do
        r = pt_pull_memory_make_some_room(store, node, stored, reported, &removed);
    while (r == -EINPROGRESS);
    return r;
}

// SPDX-License-Identifier: Apache-2.0
#include "server/stream/stream_group.h"

#include "base/clock.h"
#include "base/limits.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CACHE_NS PT_NS_PER_S
#define KEY_BYTES 8192     // of the longest query, with its lengths
#define OVERHEAD_BYTES 256 // a place in the map, and between the blocks

// An address whose clients were the first of some groups.
struct stream_owner {
    size_t group_count;
    char address[];
};

void pt_stream_groups_init(struct pt_stream_groups *groups, struct pt_memory_share *memory)
{
    *groups = (struct pt_stream_groups){.memory = memory};
    pt_map_init(&groups->by_key);
    pt_map_init(&groups->owners);
    TAILQ_INIT(&groups->caching);
    pt_buffer_init(&groups->key, KEY_BYTES);
}

void pt_stream_groups_finish(struct pt_stream_groups *groups)
{
    assert(groups->by_key.count == 0);
    pt_map_finish(&groups->by_key);
    pt_map_finish(&groups->owners);
    pt_buffer_finish(&groups->key);
}

// The request as one text. Lengths keep the values apart, whatever they hold. An image is looked
// for in any capitals, and whoever looks for the same in others shares the blocks.
static int make_key(const struct pt_stream_request *request, struct pt_buffer *out)
{
    const char *const texts[] = {request->filter.node, request->filter.namespace,
                                 request->filter.pod, request->filter.image};
    pt_buffer_clear(out);
    (void)pt_buffer_printf(out, "%d%d%d%d", request->layers, request->pull_events,
                           request->layer_events, (int)request->filter.status);
    size_t image = 0;
    for (size_t i = 0; i < 4; i++) {
        const char *text = texts[i] ? texts[i] : "";
        (void)pt_buffer_printf(out, " %zu:", strlen(text));
        image = out->length;
        (void)pt_buffer_append_text(out, text);
    }
    for (; !out->failure && image < out->length; image++)
        out->data[image] = (char)tolower((unsigned char)out->data[image]);
    return out->failure;
}

static const char *copy_text(const char *text, bool *ok)
{
    char *copy = text ? strdup(text) : NULL;
    *ok &= !text || copy;
    return copy;
}

static void drop_blocks(struct pt_stream_groups *groups, struct pt_stream_group *group)
{
    if (!group->is_caching)
        return;
    for (size_t i = 0; i < PT_STREAM_CACHED_BLOCKS; i++) {
        pt_stream_block_unref(group->blocks[i]);
        group->blocks[i] = NULL;
    }
    group->is_caching = false;
    TAILQ_REMOVE(&groups->caching, group, in_caching);
}

// --- addresses ---

static size_t groups_of(const struct pt_stream_groups *groups, const char *address)
{
    const struct stream_owner *owner = address ? pt_map_get(&groups->owners, address) : NULL;
    return owner ? owner->group_count : 0;
}

// One group more of that address; NULL when out of memory.
static struct stream_owner *add_owner(struct pt_stream_groups *groups, const char *address)
{
    struct stream_owner *owner = pt_map_get(&groups->owners, address);
    if (!owner) {
        size_t size = strlen(address) + 1;
        owner = calloc(1, sizeof(*owner) + size);
        if (owner)
            memcpy(owner->address, address, size);
        if (!owner || pt_map_put(&groups->owners, owner->address, owner) < 0) {
            free(owner);
            return NULL;
        }
    }
    owner->group_count++;
    return owner;
}

static void remove_owner(struct pt_stream_groups *groups, struct stream_owner *owner)
{
    if (!owner || --owner->group_count > 0)
        return;
    pt_map_remove(&groups->owners, owner->address);
    free(owner);
}

// --- groups ---

static void free_group(struct pt_stream_group *group)
{
    free((char *)group->request.filter.node);
    free((char *)group->request.filter.namespace);
    free((char *)group->request.filter.pod);
    free((char *)group->request.filter.image);
    free(group->key);
    free(group);
}

// Its text is there twice: as the key, and in the request. What its address takes is less than the
// overhead has room for.
static int64_t bytes_of(const struct pt_stream_group *group)
{
    return (int64_t)(sizeof(*group) + 2 * strlen(group->key) + OVERHEAD_BYTES);
}

int pt_stream_groups_admit(struct pt_stream_groups *groups, const struct pt_stream_request *request)
{
    if (make_key(request, &groups->key) == 0 && pt_map_get(&groups->by_key, groups->key.data))
        return 0;
    if (groups->by_key.count >= PT_LIMIT_STREAM_FILTERS)
        return -ENOSPC;
    return groups_of(groups, request->address) < PT_LIMIT_STREAM_FILTERS / 2 ? 0 : -EDQUOT;
}

static struct pt_stream_group *create(struct pt_stream_groups *groups,
                                      const struct pt_stream_request *request)
{
    struct pt_stream_group *group = calloc(1, sizeof(*group));
    if (!group)
        return NULL;
    bool ok = true;
    group->request = *request;
    group->request.filter.node = copy_text(request->filter.node, &ok);
    group->request.filter.namespace = copy_text(request->filter.namespace, &ok);
    group->request.filter.pod = copy_text(request->filter.pod, &ok);
    group->request.filter.image = copy_text(request->filter.image, &ok);
    group->request.address = NULL;
    group->key = strdup(groups->key.data);
    if (ok && request->address)
        ok = (group->owner = add_owner(groups, request->address));
    if (!ok || !group->key || pt_map_put(&groups->by_key, group->key, group) < 0) {
        remove_owner(groups, group->owner);
        free_group(group);
        return NULL;
    }
    pt_memory_share_add(groups->memory, bytes_of(group));
    return group;
}

struct pt_stream_group *pt_stream_groups_join(struct pt_stream_groups *groups,
                                              const struct pt_stream_request *request)
{
    if (make_key(request, &groups->key) < 0)
        return NULL;
    struct pt_stream_group *group = pt_map_get(&groups->by_key, groups->key.data);
    if (!group)
        group = create(groups, request);
    if (group)
        group->client_count++;
    return group;
}

void pt_stream_groups_leave(struct pt_stream_groups *groups, struct pt_stream_group *group)
{
    if (--group->client_count > 0)
        return;
    drop_blocks(groups, group);
    pt_map_remove(&groups->by_key, group->key);
    pt_memory_share_add(groups->memory, -bytes_of(group));
    remove_owner(groups, group->owner);
    free_group(group);
}

struct pt_stream_block *pt_stream_group_find_block(struct pt_stream_groups *groups,
                                                   struct pt_stream_group *group, uint64_t from,
                                                   bool of_snapshot, int64_t now_ns)
{
    if (now_ns - group->cached_at >= CACHE_NS)
        drop_blocks(groups, group);
    for (size_t i = 0; i < PT_STREAM_CACHED_BLOCKS; i++) {
        struct pt_stream_block *block = group->blocks[i];
        if (block && block->from == from && block->of_snapshot == of_snapshot)
            return block;
    }
    return NULL;
}

void pt_stream_group_keep_block(struct pt_stream_groups *groups, struct pt_stream_group *group,
                                struct pt_stream_block *block, int64_t now_ns)
{
    pt_stream_block_unref(group->blocks[group->next_block]);
    group->blocks[group->next_block] = block;
    group->next_block = (group->next_block + 1) % PT_STREAM_CACHED_BLOCKS;
    group->cached_at = now_ns;
    if (group->is_caching)
        TAILQ_REMOVE(&groups->caching, group, in_caching);
    group->is_caching = true;
    TAILQ_INSERT_TAIL(&groups->caching, group, in_caching);
}

bool pt_stream_groups_drop_blocks(struct pt_stream_groups *groups, int64_t now_ns, bool need)
{
    bool dropped = false;
    struct pt_stream_group *oldest;
    while ((oldest = TAILQ_FIRST(&groups->caching)) &&
           (now_ns - oldest->cached_at >= CACHE_NS || (need && !dropped))) {
        // The analyzer loses sight of the list's head. NOLINTNEXTLINE(clang-analyzer-unix.Malloc)
        drop_blocks(groups, oldest);
        dropped = true;
    }
    return dropped;
}

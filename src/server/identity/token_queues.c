// SPDX-License-Identifier: Apache-2.0
#include "server/identity/token_queues.h"

#include "base/limits.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct pt_token_queue {
    TAILQ_HEAD(, pt_token_place) places;
    size_t count, bytes;
    TAILQ_ENTRY(pt_token_queue) link;
    char peer[];
};

void pt_token_queues_init(struct pt_token_queues *queues)
{
    *queues = (struct pt_token_queues){0};
    pt_map_init(&queues->by_peer);
    TAILQ_INIT(&queues->in_turn);
}

void pt_token_queues_finish(struct pt_token_queues *queues)
{
    pt_map_finish(&queues->by_peer);
}

bool pt_token_queues_have_room(const struct pt_token_queues *queues, const char *peer, size_t bytes)
{
    const struct pt_token_queue *queue = pt_map_get(&queues->by_peer, peer);
    return queues->bytes + bytes <= PT_LIMIT_WAITING_TOKEN_BYTES &&
           (queue ? queue->bytes : 0) + bytes <= PT_LIMIT_WAITING_TOKEN_BYTES_PER_PEER;
}

// The queue of that address, maybe a new one, which is empty; NULL when out of memory.
static struct pt_token_queue *queue_of(struct pt_token_queues *queues, const char *peer)
{
    struct pt_token_queue *queue = pt_map_get(&queues->by_peer, peer);
    size_t length = strlen(peer);
    if (queue)
        return queue;
    queue = calloc(1, sizeof(*queue) + length + 1);
    if (!queue)
        return NULL;
    memcpy(queue->peer, peer, length + 1);
    if (pt_map_add(&queues->by_peer, queue->peer, queue) < 0) {
        free(queue);
        return NULL;
    }
    TAILQ_INIT(&queue->places);
    TAILQ_INSERT_TAIL(&queues->in_turn, queue, link);
    return queue;
}

int pt_token_queues_enter(struct pt_token_queues *queues, const char *peer,
                          struct pt_token_place *place)
{
    struct pt_token_queue *queue = queue_of(queues, peer);
    if (!queue)
        return -ENOMEM;
    place->queue = queue;
    TAILQ_INSERT_TAIL(&queue->places, place, link);
    queue->count++;
    queue->bytes += place->bytes;
    queues->count++;
    queues->bytes += place->bytes;
    return 0;
}

void pt_token_queues_leave(struct pt_token_queues *queues, struct pt_token_place *place)
{
    struct pt_token_queue *queue = place->queue;
    TAILQ_REMOVE(&queue->places, place, link);
    place->queue = NULL;
    queue->count--;
    queue->bytes -= place->bytes;
    queues->count--;
    queues->bytes -= place->bytes;
    TAILQ_REMOVE(&queues->in_turn, queue, link);
    if (queue->count > 0) {
        TAILQ_INSERT_TAIL(&queues->in_turn, queue, link);
        return;
    }
    pt_map_remove(&queues->by_peer, queue->peer);
    free(queue);
}

void *pt_token_queues_next(const struct pt_token_queues *queues)
{
    const struct pt_token_queue *queue = TAILQ_FIRST(&queues->in_turn);
    return queue ? TAILQ_FIRST(&queue->places)->owner : NULL;
}

size_t pt_token_queues_ahead(const struct pt_token_queues *queues,
                             const struct pt_token_place *place)
{
    if (!place->queue)
        return 0;
    size_t in_turns = place->queue->count * queues->by_peer.count;
    return in_turns < queues->count ? in_turns : queues->count;
}

// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_IDENTITY_TOKEN_QUEUES_H
#define PT_SERVER_IDENTITY_TOKEN_QUEUES_H

#include "base/error.h"
#include "base/map.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>

// What waits until the API server is asked, in a queue for each address that it came from. The
// addresses take turns, so that one with many tokens does not hold up those of the others.

struct pt_token_queue;

// A token's place. Embedded in what waits; all zero is none.
struct pt_token_place {
    void *owner; // what waits
    size_t bytes;
    struct pt_token_queue *queue; // NULL: it waits nowhere
    TAILQ_ENTRY(pt_token_place) link;
};

struct pt_token_queues {
    struct pt_map by_peer;
    TAILQ_HEAD(, pt_token_queue) in_turn; // whose turn is next is first
    size_t count, bytes;                  // of all that waits
};

// An empty one owns nothing; finish only what nothing waits in any more.
void pt_token_queues_init(struct pt_token_queues *queues);
void pt_token_queues_finish(struct pt_token_queues *queues);

// Whether so many bytes more may wait, of all addresses (PT_LIMIT_WAITING_TOKEN_BYTES) and of this
// one (PT_LIMIT_WAITING_TOKEN_BYTES_PER_PEER).
bool pt_token_queues_have_room(const struct pt_token_queues *queues, const char *peer,
                               size_t bytes);

// Goes to the end of its address's queue; owner and bytes are set. The text `peer` is copied.
// -ENOMEM: it waits nowhere.
PT_MUST_CHECK int pt_token_queues_enter(struct pt_token_queues *queues, const char *peer,
                                        struct pt_token_place *place);

// Leaves its queue. The turn of its address is over.
void pt_token_queues_leave(struct pt_token_queues *queues, struct pt_token_place *place);

// Who is next: the owner of the first place of the address whose turn it is; NULL: nobody waits.
void *pt_token_queues_next(const struct pt_token_queues *queues);

// How many others come before it, at most; 0 for one that waits nowhere.
size_t pt_token_queues_ahead(const struct pt_token_queues *queues,
                             const struct pt_token_place *place);

#endif

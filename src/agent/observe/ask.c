// SPDX-License-Identifier: Apache-2.0
#include "agent/observe/ask.h"

#include <errno.h>
#include <stdlib.h>

void pt_asks_init(struct pt_asks *asks, struct pt_containerd *containerd, struct pt_round *round,
                  void (*on_answer)(struct pt_round *round))
{
    *asks = (struct pt_asks){.containerd = containerd, .round = round, .on_answer = on_answer};
    LIST_INIT(&asks->open);
}

static void free_ask(struct pt_ask *ask)
{
    LIST_REMOVE(ask, link);
    free(ask);
}

void pt_asks_finish(struct pt_asks *asks)
{
    struct pt_ask *ask = LIST_FIRST(&asks->open);
    while (ask) {
        struct pt_ask *next = LIST_NEXT(ask, link);
        free(ask);
        ask = next;
    }
}

struct pt_ask *pt_ask_create(struct pt_asks *asks, struct pt_lease *lease, size_t index,
                             void (*take)(struct pt_ask *ask, const void *message))
{
    struct pt_ask *ask = calloc(1, sizeof(*ask));
    if (!ask) {
        asks->has_failed = true;
        pt_error_set(&asks->failure, ENOMEM, "out of memory");
        return NULL;
    }
    *ask = (struct pt_ask){.asks = asks, .lease = lease, .index = index, .take = take};
    LIST_INSERT_HEAD(&asks->open, ask, link);
    return ask;
}

void pt_ask_fail_round(struct pt_ask *ask, const char *what)
{
    ask->asks->has_failed = true;
    pt_error_set(&ask->asks->failure, EIO, "%s: %s", what, ask->status->message);
}

void pt_ask_give_up(struct pt_ask *ask, const struct pt_error *err)
{
    ask->asks->has_failed = true;
    ask->asks->failure = *err;
    free_ask(ask);
}

// containerd could not say now what it may say the next time.
static bool is_passing(int code)
{
    return code == PT_GRPC_CANCELLED || code == PT_GRPC_DEADLINE_EXCEEDED ||
           code == PT_GRPC_RESOURCE_EXHAUSTED || code == PT_GRPC_ABORTED ||
           code == PT_GRPC_INTERNAL || code == PT_GRPC_UNAVAILABLE;
}

void pt_ask_answer(void *context, const struct pt_grpc_status *status, const void *message)
{
    struct pt_ask *ask = context;
    struct pt_asks *asks = ask->asks;
    ask->status = status;
    if (!ask->is_optional && (status->is_transport || is_passing(status->code))) {
        asks->has_failed = true;
        pt_error_set(&asks->failure, EIO, "%s", status->message);
    } else if (!asks->has_failed) {
        ask->take(ask, message);
    }
    free_ask(ask);
    asks->on_answer(asks->round);
}

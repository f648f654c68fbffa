// SPDX-License-Identifier: Apache-2.0
#ifndef PT_AGENT_OBSERVE_ASK_H
#define PT_AGENT_OBSERVE_ASK_H

#include "base/error.h"
#include "containerd/containerd_api.h"

#include <sys/queue.h>

struct pt_ask;
struct pt_lease;
struct pt_round;

// The questions of a round to containerd that are under way, each of them one call.
struct pt_asks {
    struct pt_containerd *containerd;
    struct pt_round *round;
    void (*on_answer)(struct pt_round *round); // a call was answered
    LIST_HEAD(, pt_ask) open;
    bool has_failed; // the round: no answer is taken any more
    struct pt_error failure;
};

struct pt_ask {
    LIST_ENTRY(pt_ask) link;
    struct pt_asks *asks;
    struct pt_lease *lease;
    size_t index;                        // of a layer, a blob, an image or a namespace
    bool is_optional;                    // the round goes on without an answer
    const struct pt_grpc_status *status; // of the answer, while it is taken
    void (*take)(struct pt_ask *ask, const void *message);
};

void pt_asks_init(struct pt_asks *asks, struct pt_containerd *containerd, struct pt_round *round,
                  void (*on_answer)(struct pt_round *round));

// No answer may come any more.
void pt_asks_finish(struct pt_asks *asks);

// Notes a question, whose answer `take` gets unless the round fails before; NULL when out of
// memory. `take` gets NULL when containerd answered with an error, which is an answer too.
struct pt_ask *pt_ask_create(struct pt_asks *asks, struct pt_lease *lease, size_t index,
                             void (*take)(struct pt_ask *ask, const void *message));

// The answer of the call that was made for a question (pt_containerd_answer).
void pt_ask_answer(void *context, const struct pt_grpc_status *status, const void *message);

// The answer is an error where nothing can be concluded from that: the round fails.
void pt_ask_fail_round(struct pt_ask *ask, const char *what);

// The call could not even be started: the round fails.
void pt_ask_give_up(struct pt_ask *ask, const struct pt_error *err);

// Puts a question: `call` with the arguments between containerd and the answer function.
#define PT_ASK(asks, lease, index, take, call, ...)                                                \
    PT_ASK_AS(false, asks, lease, index, take, call, __VA_ARGS__)

// The same where no answer in time means no more than that: `take` gets NULL then.
#define PT_ASK_OPTIONAL(asks, lease, index, take, call, ...)                                       \
    PT_ASK_AS(true, asks, lease, index, take, call, __VA_ARGS__)

#define PT_ASK_AS(optional, asks, lease, index, take, call, ...)                                   \
    do {                                                                                           \
        struct pt_error ask_err;                                                                   \
        struct pt_ask *ask_new = pt_ask_create((asks), (lease), (index), (take));                  \
        if (ask_new)                                                                               \
            ask_new->is_optional = (optional);                                                     \
        if (ask_new && call((asks)->containerd, __VA_ARGS__ __VA_OPT__(, ) pt_ask_answer, ask_new, \
                            &ask_err) < 0)                                                         \
            pt_ask_give_up(ask_new, &ask_err);                                                     \
    } while (0)

#endif

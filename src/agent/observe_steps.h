// SPDX-License-Identifier: Apache-2.0
#ifndef PT_AGENT_OBSERVE_STEPS_H
#define PT_AGENT_OBSERVE_STEPS_H

#include "agent/lease.h"
#include "agent/observe.h"
#include "base/limits.h"
#include "base/map.h"
#include "containerd/containerd_api.h"

#include <sys/queue.h>

// The inside of an observer, shared by observe.c (the course of a round), observe_steps.c (its
// questions), observe_unseen.c and observe_end.c.

#define PT_MAX_IMAGES 64
#define PT_MAX_RECENT 16

struct pt_namespace {
    char *name;
    char *snapshotter; // last seen in use, NULL: none yet
    bool has_pulls;    // in this round
    struct pt_ingest *ingests;
    size_t ingest_count;
    struct pt_map ingest_map;
};

// The questions of a round, in order; each step begins when all answers of the one before are in.
enum pt_step {
    STEP_IDLE,
    STEP_NAMESPACES,
    STEP_LEASES,
    STEP_INGESTS,
    STEP_RESOURCES,
    STEP_ROOTS,
    STEP_BLOBS,
    STEP_DOCUMENTS, // these two again as long as a document names another one
    STEP_LAYERS,
    STEP_SNAPSHOTS,
    STEP_IMAGES,
    STEP_END,
};

struct pt_observer {
    struct pt_observer_options options;
    bool all_namespaces;
    struct pt_namespace *namespaces;
    size_t namespace_count;
    unsigned rounds;
    enum pt_step step;
    bool is_asking; // a step is putting its questions
    size_t pending;
    unsigned turns; // of STEP_BLOBS and STEP_DOCUMENTS in this round
    bool has_failed;
    struct pt_error failure;
    LIST_HEAD(, pt_ask) asks;
    TAILQ_HEAD(, pt_lease) leases;
    struct pt_seen_image images[PT_MAX_IMAGES];
    size_t image_count;
    size_t images_asked; // in this round
    int64_t began_at;    // this round
    int64_t previous_began_at;
    struct pt_recent {
        char digest[PT_LIMIT_DIGEST_BYTES + 1]; // root
        int64_t ended_at;
    } recent[PT_MAX_RECENT]; // pulls that have ended
    size_t next_recent;
};

// One question under way.
struct pt_ask {
    LIST_ENTRY(pt_ask) link;
    struct pt_observer *observer;
    struct pt_lease *lease;
    size_t index;                        // of a layer, a blob or an image
    const struct pt_grpc_status *status; // of the answer, while it is taken
    void (*take)(struct pt_ask *ask, const void *message);
};

// Notes a question, whose answer `take` gets unless the round fails before; NULL when out of
// memory.
struct pt_ask *pt_ask_create(struct pt_observer *observer, struct pt_lease *lease, size_t index,
                             void (*take)(struct pt_ask *ask, const void *message));

// The answer of the call that was made for a question.
void pt_ask_answer(void *context, const struct pt_grpc_status *status, const void *message);

// The answer is an error where nothing can be concluded from that: the round fails.
void pt_ask_fail_round(struct pt_ask *ask, const char *what);

// The call could not even be started: the round fails.
void pt_ask_give_up(struct pt_ask *ask, const struct pt_error *err);

// Puts a question: `call` with the arguments before its answer function.
#define PT_ASK(observer, lease, index, take, call, ...)                                            \
    do {                                                                                           \
        struct pt_error ask_err;                                                                   \
        struct pt_ask *ask_new = pt_ask_create((observer), (lease), (index), (take));              \
        if (ask_new && call((observer)->options.containerd, __VA_ARGS__, pt_ask_answer, ask_new,   \
                            &ask_err) < 0)                                                         \
            pt_ask_give_up(ask_new, &ask_err);                                                     \
    } while (0)

// Puts the questions of the observer's step.
void pt_observer_ask(struct pt_observer *observer);

// Pulls that came and went between two looks (observe_unseen.c): adopt makes leases of the image
// records that no known pull has written, judge drops those that prove to be something else, and
// remember notes a pull that has ended, so that its later records are not taken for another one.
void pt_observer_adopt_images(struct pt_observer *observer);
void pt_observer_judge_unseen(struct pt_observer *observer);
void pt_observer_remember(struct pt_observer *observer, const struct pt_seen_lease *seen);

// How pulls have ended (observe_end.c): asks for the records and configs of those whose lease is
// gone, then judges them. A lease that is gone is told as such once that is decided.
void pt_observer_ask_ends(struct pt_observer *observer);
void pt_observer_judge_ends(struct pt_observer *observer);

void pt_observer_add_namespace(struct pt_observer *observer, const char *name, size_t length);
void pt_namespace_clear_ingests(struct pt_namespace *namespace);

#endif

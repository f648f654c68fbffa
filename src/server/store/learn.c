// SPDX-License-Identifier: Apache-2.0
#include "server/store/learn.h"

#include "server/eta/pull_eta.h"
#include "server/eta/taken.h"

#define LEARNED_FROM_S 2 // a shorter download says little of the speed
#define LOOK_S 0.25      // the first step may have been seen so late
#define LEARNED_FROM_BYTES (3 << 20)
#define SHARED_FROM 0.8    // of the most that the node has had
#define LONGEST_FINISH_S 5 // more is no habit
#define LONGEST_HEARD_NS (PT_NS_PER_S / 2)

static void learn(double *known, double seen, double share)
{
    if (seen > 0)
        *known = *known > 0 ? (1 - share) * *known + share * seen : seen;
}

static void learn_download(struct pt_stored_pull *stored)
{
    double fastest = 0;
    size_t large = 0;
    for (size_t i = 0; i < stored->pull.layer_count; i++) {
        const struct pt_step_rate *steps = &stored->tracks[i].steps;
        struct pt_step_span span = pt_step_rate_span(steps, steps->newest.at);
        double speed = span.bytes / (span.seconds + LOOK_S / 2);
        fastest = span.seconds >= LEARNED_FROM_S && speed > fastest ? speed : fastest;
        large += stored->pull.layers[i].total_bytes >= LEARNED_FROM_BYTES &&
                 !stored->pull.layers[i].cached;
    }
    // What is slower may have been so since others shared the way.
    struct pt_node *node = stored->node;
    bool is_shared = stored->slots > 1 &&
                     fastest * (double)stored->slots >= SHARED_FROM * node->most_bytes_per_second;
    if (stored->registry && fastest > 0) {
        double *known = &stored->registry->connection_bytes_per_second;
        learn(known, fastest, fastest > *known ? 1 : is_shared ? 0.02 : 0.2);
    }
    if (stored->registry && stored->slots > 0)
        stored->registry->seconds_between = pt_pull_seconds_between(
            &stored->pull, stored->tracks, stored->slots, 0, stored->registry->seconds_between);
    // With nobody waiting it was the image that had no more layers. Small ones come unseen.
    size_t known = node->slots ? node->slots : PT_USUAL_SLOTS;
    if ((stored->had_queue && large > stored->slots) || stored->slots > known)
        node->slots = stored->slots;
}

static void learn_extraction(struct pt_pull_store *store, struct pt_stored_pull *stored)
{
    double speed = pt_pull_extract_speed(&stored->pull);
    int64_t last = 0;
    for (size_t i = 0; i < stored->pull.layer_count; i++) {
        int64_t at = stored->pull.layers[i].extract_completed_at;
        last = at > last ? at : last;
    }
    learn(&stored->node->extract_bytes_per_second, speed, 0.5);
    learn(&store->extract_bytes_per_second, speed, 0.1);
    // Its end is known to nobody before it is reported; a machine that is busy then is no habit.
    int64_t heard_ns = stored->reported_at - stored->pull.completed_at;
    heard_ns = heard_ns < 0 ? 0 : heard_ns < LONGEST_HEARD_NS ? heard_ns : LONGEST_HEARD_NS;
    double finish =
        last ? (double)(stored->pull.completed_at + heard_ns - last) / (double)PT_NS_PER_S : 0;
    learn(&stored->node->finish_seconds, finish < LONGEST_FINISH_S ? finish : 0, 0.5);
}

void pt_learn_from_pull(struct pt_pull_store *store, struct pt_stored_pull *stored)
{
    if (stored->of_kubelet || !stored->tracks)
        return;
    learn_download(stored);
    learn_extraction(store, stored);
}

// SPDX-License-Identifier: Apache-2.0
#ifndef PT_TESTS_KUBE_ROWS_FIXTURE_H
#define PT_TESTS_KUBE_ROWS_FIXTURE_H

#include "server/cluster/kube_rows.h"

#include "store_fixture.h"

#define NODE "n1"
#define IMAGE "a.io/b:1"

// A store and a correlation that are brought together, under one clock.
struct pair {
    struct scene scene;
    struct pt_correlate *correlate;
};

static inline void on_join(void *context, const char *node_name, const char *key,
                           const struct pt_join *join)
{
    struct pair *pair = context;
    pt_store_apply_join(pair->scene.store, node_name, key, join);
}

static inline void on_row(void *context, const struct pt_image_row *row)
{
    struct pair *pair = context;
    pt_store_apply_row(pair->scene.store, row);
}

static inline void on_exchange(void *context, const struct pt_row_exchange *exchange)
{
    struct pair *pair = context;
    pt_store_exchange_rows(pair->scene.store, exchange);
}

static inline int set_up(void **state)
{
    struct pair *pair = calloc(1, sizeof(*pair));
    assert_non_null(pair);
    struct pt_correlate_output output = {
        .on_join = on_join, .on_row = on_row, .on_exchange = on_exchange, .context = pair};
    scene_begin(&pair->scene);
    assert_int_equal(pt_correlate_create(&pair->scene.clock, 100, &output, &pair->correlate), 0);
    pt_kube_rows_attach(pair->scene.store, pair->correlate);
    *state = pair;
    return 0;
}

static inline int tear_down(void **state)
{
    struct pair *pair = *state;
    scene_end(&pair->scene);
    pt_correlate_destroy(pair->correlate);
    free(pair);
    return 0;
}

// For the next row of a table.
static inline struct pair *pair_anew(void **state)
{
    tear_down(state);
    set_up(state);
    return *state;
}

static inline void settle(struct pair *pair)
{
    pt_correlate_tick(pair->correlate);
    while (pt_correlate_flush(pair->correlate, 10))
        continue;
}

static inline void pass(struct pair *pair, int seconds)
{
    for (; seconds > 0; seconds--) {
        scene_wait(&pair->scene, 1);
        settle(pair);
    }
}

static inline void a_pod_says(struct pair *pair, const char *uid, const char *image,
                              enum pt_kubelet_word word, const char *error)
{
    static struct pt_kube_pod pod;
    pod = (struct pt_kube_pod){.uid = uid,
                               .name_space = "ns",
                               .name = uid,
                               .node = NODE,
                               .waiting_since = pair->scene.now_ns,
                               .waiting_count = 1};
    pod.waiting[0] = (struct pt_kube_container){
        .name = "c", .image = image, .word = word, .error = error, .is_on_turn = true};
    pt_correlate_pod(pair->correlate, &pod);
    settle(pair);
}

static inline void pod_says(struct pair *pair, enum pt_kubelet_word word, const char *error)
{
    a_pod_says(pair, "u", IMAGE, word, error);
}

// Of the kubelet of NODE, now, about the pod's container.
static inline struct pt_kube_event make_event(const struct pair *pair, const char *uid,
                                              const char *reason, const char *message)
{
    struct pt_kube_event event = {.uid = uid,
                                  .name_space = "ns",
                                  .pod = uid,
                                  .pod_uid = uid,
                                  .node = NODE,
                                  .container = "c",
                                  .last_at = pair->scene.now_ns,
                                  .written_at = pair->scene.now_ns,
                                  .count = 1};
    pt_kubelet_message_parse(reason, message, &event.message);
    return event;
}

// No flush follows.
static inline void hear_event(struct pair *pair, const char *node, const char *reason,
                              const char *message, int count)
{
    struct pt_kube_event event = make_event(pair, "u", reason, message);
    event.node = node;
    event.count = count;
    pt_correlate_event(pair->correlate, &event);
}

static inline void event_says(struct pair *pair, const char *node, const char *reason,
                              const char *message, int count)
{
    hear_event(pair, node, reason, message, count);
    settle(pair);
}

static inline struct pt_pull a_pull(const struct pair *pair, const char *id,
                                    enum pt_pull_phase phase)
{
    struct pt_pull pull = {.id = id,
                           .image_ref = "a.io/b",
                           .repository = "a.io/b",
                           .started_at = pair->scene.now_ns,
                           .phase = phase};
    if (pt_pull_phase_is_final(phase))
        pull.completed_at = pair->scene.now_ns;
    return pull;
}

// The same by the name in its image record.
static inline struct pt_pull a_named_pull(const struct pair *pair, const char *id,
                                          enum pt_pull_phase phase)
{
    struct pt_pull pull = a_pull(pair, id, phase);
    pull.image_ref = IMAGE;
    pull.image_ref_exact = true;
    return pull;
}

static inline void report(struct pair *pair, const char *id, enum pt_pull_phase phase)
{
    struct pt_pull pull = a_pull(pair, id, phase);
    scene_deliver_pulls(&pair->scene, NODE, &pull, 1);
    settle(pair);
}

// The same of a pull that is older than the server.
static inline void report_old(struct pair *pair, const char *id, enum pt_pull_phase phase)
{
    struct pt_pull pull = a_pull(pair, id, phase);
    pull.started_at -= 10 * PT_NS_PER_S;
    scene_deliver_pulls(&pair->scene, NODE, &pull, 1);
    settle(pair);
}

static inline const struct pt_stored_pull *row_of(struct pair *pair, const char *key)
{
    struct pt_node *node = pt_map_get(&pair->scene.store->nodes, NODE);
    return node ? pt_map_get(&node->pulls, key) : NULL;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif

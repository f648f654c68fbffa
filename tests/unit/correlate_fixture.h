// SPDX-License-Identifier: Apache-2.0
#ifndef PT_TESTS_CORRELATE_FIXTURE_H
#define PT_TESTS_CORRELATE_FIXTURE_H

#include "server/correlate/correlate.h"

#include "check.h"

#include <stdio.h>

#define NODE "n1"
#define MAX_NODES 100

// A correlation whose clock stands at `seconds`, and what it said last of each row.
struct scene {
    struct pt_correlate *correlate;
    struct pt_clock clock;
    int64_t seconds;
    int64_t set_seconds; // by which the server's wall clock was set meanwhile
    char shown[20][400];
    char keys[20][200];
    bool is_waited_for[20];
    size_t key_count;
    int64_t failures;                                   // new ones, summed up
    size_t error_length;                                // of the last row
    int64_t pull_ns, image_bytes, started_at, ended_at; // likewise
    int calls;
    bool is_deaf;        // to what it says
    char exchanged[200]; // last
    int dirty;           // how often it said that there is something to flush
};

static inline int64_t scene_now(void *context)
{
    struct scene *scene = context;
    return scene->seconds * PT_NS_PER_S;
}

static inline int64_t scene_wall(void *context)
{
    struct scene *scene = context;
    return (scene->seconds + scene->set_seconds) * PT_NS_PER_S;
}

static inline char *shown_slot(struct scene *scene, const char *key)
{
    for (size_t i = 0; i < scene->key_count; i++) {
        if (strcmp(scene->keys[i], key) == 0)
            return scene->shown[i];
    }
    assert_in_range(scene->key_count, 0, COUNT_OF(scene->keys) - 1);
    snprintf(scene->keys[scene->key_count], sizeof(scene->keys[0]), "%s", key);
    return scene->shown[scene->key_count++];
}

static inline bool *waited_slot(struct scene *scene, const char *key)
{
    size_t slot = (size_t)(shown_slot(scene, key) - scene->shown[0]) / sizeof(scene->shown[0]);
    return &scene->is_waited_for[slot];
}

// `image! <- ns/pod/container, … error (class) attempts next queued`
static inline void describe(char *text, const char *phase, const struct pt_join *join)
{
    int at = sprintf(text, "%s%s%s", phase, join->image_ref ? join->image_ref : "-",
                     join->image_ref_exact ? "!" : "");
    for (size_t i = 0; i < join->waiting_count && at < 250; i++)
        at += snprintf(text + at, (size_t)(400 - at), " %s/%s/%s", join->waiting[i].namespace,
                       join->waiting[i].pod, join->waiting[i].container);
    if (join->error)
        at += sprintf(text + at, " error=%.100s(%s)", join->error,
                      pt_failure_class_name(join->error_class));
    if (join->attempts)
        at += sprintf(text + at, " attempts=%lld", (long long)join->attempts);
    if (join->next_attempt_at)
        at += sprintf(text + at, " next=%lld", (long long)(join->next_attempt_at / PT_NS_PER_S));
    if (join->queued_seconds >= 0)
        sprintf(text + at, " queued=%g", join->queued_seconds);
}

static inline void on_join(void *context, const char *node_name, const char *key,
                           const struct pt_join *join)
{
    struct scene *scene = context;
    if (scene->is_deaf)
        return;
    assert_string_equal(node_name, NODE);
    scene->calls++;
    describe(shown_slot(scene, key), "", join);
    *waited_slot(scene, key) = join->is_waited_for;
}

static inline void on_row(void *context, const struct pt_image_row *row)
{
    struct scene *scene = context;
    char phase[32];
    scene->calls++;
    scene->failures += row->new_failures;
    scene->error_length = row->join.error ? strlen(row->join.error) : 0;
    scene->pull_ns = row->join.pull_ns;
    scene->image_bytes = row->join.image_bytes;
    scene->started_at = row->started_at;
    scene->ended_at = row->ended_at;
    snprintf(phase, sizeof(phase), "%s ", pt_pull_phase_name(row->phase));
    describe(shown_slot(scene, row->key), phase, &row->join);
    *waited_slot(scene, row->key) = row->join.is_waited_for;
}

static inline void on_exchange(void *context, const struct pt_row_exchange *exchange)
{
    struct scene *scene = context;
    snprintf(scene->exchanged, sizeof(scene->exchanged), "%s <> %s, now %s", exchange->pull_key,
             exchange->row_key, exchange->new_row_key);
}

static inline void on_dirty(void *context)
{
    struct scene *scene = context;
    scene->dirty++;
}

static inline void scene_begin(struct scene *scene)
{
    struct pt_correlate_output output = {.on_join = on_join,
                                         .on_row = on_row,
                                         .on_exchange = on_exchange,
                                         .on_dirty = on_dirty,
                                         .context = scene};
    *scene = (struct scene){.seconds = 1000, .clock = {scene_now, scene_wall, scene}};
    assert_int_equal(pt_correlate_create(&scene->clock, MAX_NODES, &output, &scene->correlate), 0);
}

static inline void scene_end(struct scene *scene)
{
    pt_correlate_destroy(scene->correlate);
}

#include "scene_test.h"

static inline void settle(struct scene *scene)
{
    pt_correlate_tick(scene->correlate);
    while (pt_correlate_flush(scene->correlate, 1))
        continue;
}

static inline void pass(struct scene *scene, int seconds)
{
    for (; seconds > 0; seconds--) {
        scene->seconds++;
        settle(scene);
    }
}

static inline void expect(struct scene *scene, const char *key, const char *wanted)
{
    settle(scene);
    check_text(key, shown_slot(scene, key), wanted);
}

static inline struct pt_kube_pod make_pod(const struct scene *scene, const char *name,
                                          const char *image)
{
    struct pt_kube_pod pod = {.uid = name,
                              .name_space = "ns",
                              .name = name,
                              .node = NODE,
                              .waiting_since = scene->seconds * PT_NS_PER_S,
                              .waiting_count = 1};
    pod.waiting[0] = (struct pt_kube_container){
        .name = "c", .image = image, .word = PT_KUBELET_WAITING, .is_on_turn = true};
    return pod;
}

static inline void pod_says(struct scene *scene, const char *name, const char *image,
                            enum pt_kubelet_word word, const char *error)
{
    struct pt_kube_pod pod = make_pod(scene, name, image);
    pod.waiting[0].word = word;
    pod.waiting[0].error = error;
    pt_correlate_pod(scene->correlate, &pod);
}

static inline void pod_waits(struct scene *scene, const char *name, const char *image)
{
    pod_says(scene, name, image, PT_KUBELET_WAITING, NULL);
}

static inline void pod_ends(struct scene *scene, const char *name, enum pt_pod_end end)
{
    pt_correlate_pod_end(scene->correlate, name, end);
}

// Of the pod's container.
static inline struct pt_kube_event make_event(const char *pod, const char *reason,
                                              const char *message, const char *uid, int64_t seconds)
{
    struct pt_kube_event event = {.uid = uid,
                                  .name_space = "ns",
                                  .pod = pod,
                                  .pod_uid = pod,
                                  .node = NODE,
                                  .container = "c",
                                  .first_at = seconds * PT_NS_PER_S,
                                  .last_at = seconds * PT_NS_PER_S,
                                  .written_at = seconds * PT_NS_PER_S,
                                  .count = 1};
    pt_kubelet_message_parse(reason, message, &event.message);
    assert_int_not_equal(event.message.word, PT_KUBELET_OTHER);
    return event;
}

static inline void event_at(struct scene *scene, const char *pod, const char *reason,
                            const char *message, const char *uid, int count, int64_t seconds)
{
    struct pt_kube_event event = make_event(pod, reason, message, uid, seconds);
    event.count = count;
    pt_correlate_event(scene->correlate, &event);
}

static inline void pulling(struct scene *scene, const char *pod, const char *image, int64_t seconds)
{
    char message[300];
    snprintf(message, sizeof(message), "Pulling image \"%s\"", image);
    event_at(scene, pod, "Pulling", message, "pulling", 1, seconds);
}

static inline void failed(struct scene *scene, const char *pod, const char *image,
                          const char *error, int count)
{
    char message[300];
    snprintf(message, sizeof(message), "Failed to pull image \"%s\": %s", image, error);
    event_at(scene, pod, "Failed", message, "failed", count, scene->seconds);
}

static inline void pulled(struct scene *scene, const char *pod, const char *image)
{
    char message[300];
    snprintf(message, sizeof(message), "Successfully pulled image \"%s\" in 1s", image);
    event_at(scene, pod, "Pulled", message, "pulled", 1, scene->seconds);
}

static inline struct pt_pull make_pull(int64_t started, const char *repository, const char *digest)
{
    return (struct pt_pull){.id = "p",
                            .image_ref = repository,
                            .repository = repository,
                            .root_digest = digest,
                            .started_at = started * PT_NS_PER_S,
                            .phase = PT_PULL_DOWNLOADING};
}

// Key of the row that goes on as this pull, NULL: none.
static inline const char *row_taken_by(struct scene *scene, const struct pt_pull *pull)
{
    return pt_correlate_take_over_row(scene->correlate, NODE, pull, &(struct pt_row_taken){0});
}

static inline void pull_runs(struct scene *scene, const char *key, int64_t started,
                             const char *repository, const char *digest)
{
    struct pt_pull pull = make_pull(started, repository, digest);
    pt_correlate_pull(scene->correlate, NODE, key, &pull);
}

static inline void pull_ends(struct scene *scene, const char *key, int64_t started,
                             const char *repository, const char *exact, enum pt_pull_phase phase)
{
    struct pt_pull pull = make_pull(started, repository, NULL);
    pull.phase = phase;
    pull.completed_at = scene->seconds * PT_NS_PER_S;
    if (exact) {
        pull.image_ref = exact;
        pull.image_ref_exact = true;
    }
    pt_correlate_pull(scene->correlate, NODE, key, &pull);
}

// Pod web waits for a.io/b:1, whose pull i1 began at 1000.
static inline void web_is_pulled(struct scene *scene)
{
    pod_waits(scene, "web", "a.io/b:1");
    pull_runs(scene, "i1", 1000, "a.io/b", NULL);
    settle(scene);
}

#endif

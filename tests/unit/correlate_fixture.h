// SPDX-License-Identifier: Apache-2.0
#ifndef PT_TESTS_CORRELATE_FIXTURE_H
#define PT_TESTS_CORRELATE_FIXTURE_H

#include "server/correlate/correlate.h"

#include "check.h"

#include <stdio.h>
#include <stdlib.h>

#define NODE "n1"

// A correlation whose clock stands at `seconds`, and what it told last of each row.
struct fixture {
    struct pt_correlate *correlate;
    int64_t seconds;
    char told[20][400];
    char keys[20][200];
    size_t key_count;
    int64_t failures;    // new ones, summed up
    size_t error_length; // of the last row
    int calls;
};

static inline int64_t fake_now(void *context)
{
    struct fixture *fixture = context;
    return fixture->seconds * PT_NS_PER_S;
}

static struct pt_clock fake_clock = {fake_now, fake_now, NULL};

static inline char *told_slot(struct fixture *fixture, const char *key)
{
    for (size_t i = 0; i < fixture->key_count; i++) {
        if (strcmp(fixture->keys[i], key) == 0)
            return fixture->told[i];
    }
    assert_in_range(fixture->key_count, 0, COUNT_OF(fixture->keys) - 1);
    snprintf(fixture->keys[fixture->key_count], sizeof(fixture->keys[0]), "%s", key);
    return fixture->told[fixture->key_count++];
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
        at += sprintf(text + at, " error=%.100s(%s)", join->error, join->error_class);
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
    struct fixture *fixture = context;
    assert_string_equal(node_name, NODE);
    fixture->calls++;
    describe(told_slot(fixture, key), "", join);
}

static inline void on_row(void *context, const struct pt_image_row *row)
{
    struct fixture *fixture = context;
    char phase[32];
    fixture->calls++;
    fixture->failures += row->new_failures;
    fixture->error_length = row->join.error ? strlen(row->join.error) : 0;
    snprintf(phase, sizeof(phase), "%s ", pt_pull_phase_name(row->phase));
    describe(told_slot(fixture, row->key), phase, &row->join);
}

static inline int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    struct pt_correlate_output output = {.on_join = on_join, .on_row = on_row, .context = fixture};
    fixture->seconds = 1000;
    fake_clock.context = fixture;
    assert_int_equal(pt_correlate_create(&fake_clock, &output, &fixture->correlate), 0);
    *state = fixture;
    return 0;
}

static inline int tear_down(void **state)
{
    struct fixture *fixture = *state;
    pt_correlate_destroy(fixture->correlate);
    free(fixture);
    return 0;
}

static inline void settle(struct fixture *fixture)
{
    pt_correlate_tick(fixture->correlate);
    while (pt_correlate_flush(fixture->correlate, 1))
        continue;
}

static inline void pass(struct fixture *fixture, int seconds)
{
    for (; seconds > 0; seconds--) {
        fixture->seconds++;
        settle(fixture);
    }
}

static inline void expect(struct fixture *fixture, const char *key, const char *wanted)
{
    settle(fixture);
    check_text(key, told_slot(fixture, key), wanted);
}

static inline struct pt_kube_pod make_pod(const struct fixture *fixture, const char *name,
                                          const char *image)
{
    struct pt_kube_pod pod = {.uid = name,
                              .name_space = "ns",
                              .name = name,
                              .node = NODE,
                              .waiting_since = fixture->seconds * PT_NS_PER_S,
                              .waiting_count = 1};
    pod.waiting[0] = (struct pt_kube_container){
        .name = "c", .image = image, .word = PT_KUBELET_WAITING, .is_on_turn = true};
    return pod;
}

static inline void pod_says(struct fixture *fixture, const char *name, const char *image,
                            enum pt_kubelet_word word, const char *error)
{
    struct pt_kube_pod pod = make_pod(fixture, name, image);
    pod.waiting[0].word = word;
    pod.waiting[0].error = error;
    pt_correlate_pod(fixture->correlate, &pod);
}

static inline void pod_waits(struct fixture *fixture, const char *name, const char *image)
{
    pod_says(fixture, name, image, PT_KUBELET_WAITING, NULL);
}

static inline void pod_ends(struct fixture *fixture, const char *name, enum pt_pod_end end)
{
    pt_correlate_pod_end(fixture->correlate, name, end);
}

static inline void event_at(struct fixture *fixture, const char *pod, const char *reason,
                            const char *message, const char *uid, int count, int64_t seconds)
{
    struct pt_kube_event event = {.uid = uid,
                                  .name_space = "ns",
                                  .pod = pod,
                                  .pod_uid = pod,
                                  .node = NODE,
                                  .container = "c",
                                  .first_at = seconds * PT_NS_PER_S,
                                  .last_at = seconds * PT_NS_PER_S,
                                  .count = count};
    pt_kubelet_message_parse(reason, message, &event.message);
    assert_int_not_equal(event.message.word, PT_KUBELET_OTHER);
    pt_correlate_event(fixture->correlate, &event);
}

static inline void pulling(struct fixture *fixture, const char *pod, const char *image,
                           int64_t seconds)
{
    char message[300];
    snprintf(message, sizeof(message), "Pulling image \"%s\"", image);
    event_at(fixture, pod, "Pulling", message, "pulling", 1, seconds);
}

static inline void failed(struct fixture *fixture, const char *pod, const char *image,
                          const char *error, int count)
{
    char message[300];
    snprintf(message, sizeof(message), "Failed to pull image \"%s\": %s", image, error);
    event_at(fixture, pod, "Failed", message, "failed", count, fixture->seconds);
}

static inline void pulled(struct fixture *fixture, const char *pod, const char *image)
{
    char message[300];
    snprintf(message, sizeof(message), "Successfully pulled image \"%s\" in 1s", image);
    event_at(fixture, pod, "Pulled", message, "pulled", 1, fixture->seconds);
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

static inline void pull_runs(struct fixture *fixture, const char *key, int64_t started,
                             const char *repository, const char *digest)
{
    struct pt_pull pull = make_pull(started, repository, digest);
    pt_correlate_pull(fixture->correlate, NODE, key, &pull);
}

static inline void pull_ends(struct fixture *fixture, const char *key, int64_t started,
                             const char *repository, const char *exact, enum pt_pull_phase phase)
{
    struct pt_pull pull = make_pull(started, repository, NULL);
    pull.phase = phase;
    pull.completed_at = fixture->seconds * PT_NS_PER_S;
    if (exact) {
        pull.image_ref = exact;
        pull.image_ref_exact = true;
    }
    pt_correlate_pull(fixture->correlate, NODE, key, &pull);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif

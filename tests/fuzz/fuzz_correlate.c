// SPDX-License-Identifier: Apache-2.0
#include "fuzz_clock.h"
#include "server/correlate/model.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NAMES 4

static const char *const names[NAMES] = {"a", "b", "c", "d"};
static const char *const images[NAMES] = {"a.io/b:1", "a.io/b:2", "nginx", "NO REFERENCE"};
static const char *const repositories[NAMES] = {"a.io/b", "docker.io/library/nginx", "a.io/c",
                                                NULL};
static const char *const keys[NAMES] = {"ia", "ib", "ic", "id"};

// Two that hear the same. The second one looks at all nodes at every tick, and must not come to
// know more by it.
static struct world {
    struct pt_correlate *correlate;
    uint64_t said; // sum of what it has said, in any order
} worlds[2];

static void add_up(struct world *world, const char *node_name, const char *key,
                   const struct pt_join *join, uint64_t more)
{
    uint64_t hash = pt_join_hash(join) + more;
    for (const char *at = node_name; *at; at++)
        hash = hash * 31 + (unsigned char)*at;
    for (const char *at = key; *at; at++)
        hash = hash * 31 + (unsigned char)*at;
    world->said += hash;
}

static void on_join(void *context, const char *node_name, const char *key,
                    const struct pt_join *join)
{
    add_up(context, node_name, key, join, 0);
    assert(node_name && key[0] == 'i');
    assert(!join->error == !join->error_class);
    for (size_t i = 0; i < join->waiting_count; i++)
        assert(join->waiting[i].namespace && join->waiting[i].pod && join->waiting[i].image);
}

static void on_row(void *context, const struct pt_image_row *row)
{
    add_up(context, row->node_name, row->key, &row->join,
           (uint64_t)row->phase + 100 * (uint64_t)row->new_failures + (uint64_t)row->ended_at);
    assert(row->key[0] == 'k' && strcmp(row->key + 1, row->image_ref) == 0);
    assert(row->new_failures == 0 || row->phase == PT_PULL_FAILED);
    assert(row->phase == PT_PULL_QUEUED || row->phase == PT_PULL_RESOLVING ||
           pt_pull_phase_is_final(row->phase));
}

static void on_exchange(void *context, const struct pt_row_exchange *exchange)
{
    (void)context;
    assert(strcmp(exchange->row_key, exchange->new_row_key) != 0);
    assert(exchange->new_row_key[0] == 'k');
    assert(strcmp(exchange->new_row_key + 1, exchange->image_ref) == 0);
}

static void change_pod(struct pt_correlate *correlate, unsigned a, unsigned b)
{
    static const enum pt_kubelet_word words[] = {PT_KUBELET_WAITING, PT_KUBELET_PULL_FAILED,
                                                 PT_KUBELET_BACK_OFF, PT_KUBELET_NEVER_PULL};
    static struct pt_kube_pod pod;
    pod = (struct pt_kube_pod){.uid = names[a % NAMES],
                               .name_space = "ns",
                               .name = names[a % NAMES],
                               .node = names[a % NAMES % 2],
                               .waiting_since = fuzz_now_ns - (int64_t)(b % 16) * PT_NS_PER_S,
                               .waiting_count = 1 + a / NAMES % 2};
    for (size_t i = 0; i < pod.waiting_count; i++)
        pod.waiting[i] = (struct pt_kube_container){.name = names[i],
                                                    .image = images[(b + i) % NAMES],
                                                    .word = words[b / NAMES % 4],
                                                    .error = b & 64 ? "no such host" : NULL,
                                                    .is_on_turn = b & 128};
    pt_correlate_pod(correlate, &pod);
}

static void write_event(struct pt_correlate *correlate, unsigned a, unsigned b)
{
    static const enum pt_kubelet_word words[] = {PT_KUBELET_PULLING,  PT_KUBELET_PULLED,
                                                 PT_KUBELET_PRESENT,  PT_KUBELET_PULL_FAILED,
                                                 PT_KUBELET_BACK_OFF, PT_KUBELET_INVALID_NAME};
    struct pt_kube_event event = {.uid = names[a / 16 % NAMES],
                                  .name_space = "ns",
                                  .pod = names[a % NAMES],
                                  .pod_uid = names[a % NAMES],
                                  .node = names[a % NAMES % 2],
                                  .first_at = fuzz_now_ns - 10 * PT_NS_PER_S,
                                  .last_at = fuzz_now_ns - (int64_t)(b / 32) * PT_NS_PER_S,
                                  .written_at = fuzz_now_ns - (int64_t)(b / 32) * PT_NS_PER_S,
                                  .count = 1 + a / 64};
    if (a & 8)
        event.container[0] = 'a';
    event.kind = a & 8 ? PT_KUBE_CONTAINER : PT_KUBE_IMAGE_VOLUME;
    event.message.word = words[b % 6];
    if (!(b & 16))
        snprintf(event.message.image, sizeof(event.message.image), "%s", images[a / 4 % NAMES]);
    event.message.queued_ns = -1;
    pt_correlate_event(correlate, &event);
}

static void change_pull(struct pt_correlate *correlate, unsigned a, unsigned b)
{
    static const enum pt_pull_phase phases[] = {PT_PULL_DOWNLOADING, PT_PULL_DOWNLOADING,
                                                PT_PULL_COMPLETED, PT_PULL_FAILED};
    struct pt_pull pull = {.id = names[a % NAMES],
                           .image_ref = b & 64 ? images[b % NAMES] : "unknown",
                           .image_ref_exact = b & 64,
                           .repository = repositories[b % NAMES],
                           .started_at = fuzz_now_ns - (int64_t)(b / 16) * PT_NS_PER_S,
                           .completed_at = fuzz_now_ns,
                           .phase = phases[b / 4 % 4]};
    const char *node_name = names[a / NAMES % 2];
    if (a & 128)
        pt_correlate_take_over_row(correlate, node_name, &pull, &(struct pt_row_taken){0});
    pt_correlate_pull(correlate, node_name, keys[a % NAMES], &pull);
}

static void mark_all(struct pt_correlate *correlate)
{
    struct correlate_node *node;
    size_t cursor = 0;
    while ((node = pt_map_next(&correlate->nodes, &cursor)))
        pt_correlate_mark(node);
}

// What stands in a list stands in its map, once.
static void check_maps(struct pt_correlate *correlate)
{
    struct correlate_node *node;
    const struct correlate_image *image;
    const struct correlate_pull *pull;
    size_t cursor = 0;
    while ((node = pt_map_next(&correlate->nodes, &cursor))) {
        size_t image_count = 0, pull_count = 0;
        TAILQ_FOREACH(image, &node->images, link)
        {
            assert(pt_map_get(&node->images_by_key, image->key) == image);
            image_count++;
        }
        TAILQ_FOREACH(pull, &node->pulls, link)
        {
            assert(pt_map_get(&node->pulls_by_key, pull->key) == pull);
            pull_count++;
        }
        assert(image_count == node->images_by_key.count && pull_count == node->pulls_by_key.count);
    }
}

// What is by the clock of the API server or the kubelet is looked at when it would have been due.
static void set_wall(bool forward)
{
    fuzz_set_wall(forward);
    for (size_t w = 0; w < 2; w++)
        mark_all(worlds[w].correlate);
}

static void pass(unsigned seconds)
{
    fuzz_now_ns += (int64_t)seconds * PT_NS_PER_S;
    mark_all(worlds[1].correlate);
    for (size_t w = 0; w < 2; w++) {
        pt_correlate_tick(worlds[w].correlate);
        while (pt_correlate_flush(worlds[w].correlate, 1))
            continue;
        check_maps(worlds[w].correlate);
    }
    assert(worlds[0].said == worlds[1].said);
}

static void happen(struct pt_correlate *correlate, unsigned what, unsigned a, unsigned b)
{
    switch (what) {
    case 0:
        change_pod(correlate, a, b);
        break;
    case 1:
        pt_correlate_pod_end(correlate, names[a % NAMES], b % 3);
        break;
    case 2:
        write_event(correlate, a, b);
        break;
    case 3:
        change_pull(correlate, a, b);
        break;
    default:
        pt_correlate_pull_gone(correlate, names[a % 2], keys[b % NAMES]);
    }
}

static void end_all(struct pt_correlate *correlate)
{
    for (size_t i = 0; i < NAMES; i++) {
        pt_correlate_pod_end(correlate, names[i], PT_POD_DELETED);
        for (size_t n = 0; n < 2; n++)
            pt_correlate_pull_gone(correlate, names[n], keys[i]);
    }
}

// Three bytes are one thing that happens. When all pods and pulls are gone, so is all memory of
// them.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_now_ns = 100000 * PT_NS_PER_S;
    fuzz_wall_hours = 0;
    for (size_t w = 0; w < 2; w++) {
        struct pt_correlate_output output = {.on_join = on_join,
                                             .on_row = on_row,
                                             .on_exchange = on_exchange,
                                             .context = &worlds[w]};
        worlds[w].said = 0;
        int r = pt_correlate_create(&fuzz_clock, 100, &output, &worlds[w].correlate);
        assert(r == 0);
        (void)r;
    }
    for (; size >= 3 && fuzz_now_ns < 200000 * PT_NS_PER_S; data += 3, size -= 3) {
        for (size_t w = 0; w < 2 && data[0] % 6 < 5; w++)
            happen(worlds[w].correlate, data[0] % 6, data[1], data[2]);
        if (data[0] % 6 == 5 && data[2] % 16 == 15)
            set_wall(data[2] & 16);
        if (data[0] % 6 == 5)
            pass(1 + data[1] % 16);
    }
    for (size_t w = 0; w < 2; w++)
        end_all(worlds[w].correlate);
    for (int i = 0; i < 3; i++)
        pass(601);
    for (size_t w = 0; w < 2; w++) {
        assert(pt_correlate_figures(worlds[w].correlate).waiting_containers == 0);
        assert(pt_correlate_figures(worlds[w].correlate).nodes == 0);
        pt_correlate_destroy(worlds[w].correlate);
    }
    return 0;
}

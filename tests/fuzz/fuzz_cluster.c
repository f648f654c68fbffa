// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"
#include "fuzz_clock.h"
#include "server/cluster/kube_rows.h"
#include "source.h"
#include "store_story.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>

// A cluster in which agents, kubelets and the API server do what they do, in any order and at any
// pace: store and correlate together, as the server has them. What is reported is well formed, so
// what is shown has to be: no byte above its total, no percent that falls, one end to a pull, one
// row for a pull, and figures that are the sums of what there is.

#define NODES 2
#define SLOTS 3 // pulls of a node at once
#define PODS 4
#define MAX_STEPS 300
#define HISTORY_NS (300 * PT_NS_PER_S)
#define START (INT64_C(1790000000) * PT_NS_PER_S)

static const char *const node_names[NODES] = {"n1", "n2"};
static const char *const repositories[IMAGES] = {"a.io/b", "a.io/b", "c.io/d"};
static const char *const digests[LAYERS] = {"sha256:a", "sha256:b", "sha256:c"};
static const char *const pod_names[PODS] = {"p1", "p2", "p3", "p4"};

// A pull as its agent knows it.
struct agent_pull {
    bool is_there;
    unsigned image;
    char id[32];
    struct pt_pull pull;
    struct pt_layer layers[LAYERS];
    int64_t end_taken_at; // though its answer was lost; 0: never
};

struct agent {
    struct agent_pull pulls[SLOTS];
    unsigned begun;
};

static struct world {
    struct pt_correlate *correlate;
    struct pt_memory_share memory;
    struct agent agents[NODES];
    unsigned pod_image[PODS]; // that it waits for; IMAGES: none
    unsigned pod_life[PODS];
} world;

static void on_change(void *context)
{
    (void)context;
}

// --- between the two ---

static void on_join(void *context, const char *node_name, const char *key,
                    const struct pt_join *join)
{
    (void)context;
    pt_store_apply_join(store_story.store, node_name, key, join);
}

static void on_row(void *context, const struct pt_image_row *row)
{
    (void)context;
    pt_store_apply_row(store_story.store, row);
}

static void on_exchange(void *context, const struct pt_row_exchange *exchange)
{
    (void)context;
    pt_store_exchange_rows(store_story.store, exchange);
}

static void pass(unsigned tenths)
{
    fuzz_now_ns += (int64_t)tenths * PT_NS_PER_S / 10;
    while (pt_store_sweep(store_story.store))
        continue;
    store_story_forget();
    pt_correlate_tick(world.correlate);
    while (pt_correlate_flush(world.correlate, 10))
        continue;
}

// --- agents ---

static void begin_pull(unsigned node, struct agent_pull *pull, unsigned how)
{
    unsigned number = world.agents[node].begun++;
    *pull = (struct agent_pull){.is_there = true, .image = how % IMAGES};
    snprintf(pull->id, sizeof(pull->id), "lease-%u", number);
    pull->pull = (struct pt_pull){
        .id = pull->id,
        .image_ref = how & 64 ? images[pull->image] : pull->id,
        .image_ref_exact = how & 64,
        .repository = how & 128 ? repositories[pull->image] : NULL,
        .root_digest = how & 32 ? "sha256:r" : NULL,
        .started_at = fuzz_now_ns,
        .phase = PT_PULL_RESOLVING,
        .kind = PT_KIND_PULL,
        .layers = pull->layers,
    };
}

static void read_manifest(struct agent_pull *pull, unsigned how)
{
    if (pull->pull.layer_count > 0)
        return;
    pull->pull.layer_count = 1 + how % LAYERS;
    pull->pull.total_known = true;
    pull->pull.phase = PT_PULL_DOWNLOADING;
    pull->pull.repository = repositories[pull->image];
    for (size_t i = 0; i < pull->pull.layer_count; i++)
        pull->layers[i] = (struct pt_layer){.digest = digests[i],
                                            .total_bytes = 100 * (1 + how / 16),
                                            .total_known = true,
                                            .phase = PT_LAYER_QUEUED};
}

static void fetch(struct agent_pull *pull, unsigned how)
{
    struct pt_layer *layer = &pull->layers[how % LAYERS];
    if (how % LAYERS >= pull->pull.layer_count || pt_layer_is_downloaded(layer))
        return;
    int64_t come = how / LAYERS * INT64_C(20);
    int64_t left = layer->total_bytes - layer->downloaded_bytes;
    come = come < left ? come : left;
    layer->source = PT_SOURCE_FETCHED;
    layer->started_at = layer->started_at ? layer->started_at : fuzz_now_ns;
    layer->downloaded_bytes += come;
    layer->phase = come == left ? PT_LAYER_DOWNLOADED : PT_LAYER_DOWNLOADING;
    layer->completed_at = come == left ? fuzz_now_ns : 0;
    pull->pull.bytes_fetched += come;
}

static void extract(struct agent_pull *pull, unsigned how)
{
    struct pt_layer *layer = &pull->layers[how % LAYERS];
    if (how % LAYERS >= pull->pull.layer_count || !pt_layer_is_downloaded(layer))
        return;
    if (layer->phase == PT_LAYER_DOWNLOADED) {
        layer->phase = PT_LAYER_EXTRACTING;
        layer->extract_started_at = fuzz_now_ns;
    } else if (layer->phase == PT_LAYER_EXTRACTING) {
        layer->phase = PT_LAYER_DONE;
        layer->extract_completed_at = fuzz_now_ns;
    }
}

static void end_pull(struct agent_pull *pull, unsigned how)
{
    pull->pull.completed_at = ++fuzz_now_ns; // no two end at the same moment
    if (how & 1) {
        pull->pull.phase = PT_PULL_FAILED;
        pull->pull.error = how & 2 ? "no such host" : "containerd was restarted during the pull";
        return;
    }
    for (size_t i = 0; i < pull->pull.layer_count; i++) {
        struct pt_layer *layer = &pull->layers[i];
        layer->downloaded_bytes = layer->total_bytes;
        layer->started_at = layer->started_at ? layer->started_at : fuzz_now_ns;
        layer->completed_at = layer->completed_at ? layer->completed_at : fuzz_now_ns;
        layer->phase = PT_LAYER_DONE;
    }
    pull->pull.kind = pull->pull.layer_count == 0 ? PT_KIND_CHECK : PT_KIND_PULL;
    pull->pull.phase = PT_PULL_COMPLETED;
    pull->pull.image_ref = images[pull->image];
    pull->pull.image_ref_exact = true;
}

static void advance(unsigned node, unsigned what, unsigned slot, unsigned how)
{
    struct agent_pull *pull = &world.agents[node].pulls[slot];
    bool is_final = pt_pull_phase_is_final(pull->pull.phase);
    if (!pull->is_there || is_final) {
        if (!pull->is_there && what == 0)
            begin_pull(node, pull, how);
        return;
    }
    switch (what) {
    case 0:
    case 1:
        read_manifest(pull, how);
        break;
    case 2:
        fetch(pull, how);
        break;
    case 3:
        extract(pull, how);
        break;
    default:
        end_pull(pull, how);
    }
}

// Whether the server has taken its end and forgotten it since: reported once more, it would be
// another pull (docs/agent.md).
static bool is_forgotten(const struct agent_pull *pull)
{
    return pull->end_taken_at && fuzz_now_ns - pull->end_taken_at >= HISTORY_NS;
}

// What the server has taken of a pull that has ended is forgotten, as the agent does.
static void report(unsigned node, unsigned how)
{
    struct agent *agent = &world.agents[node];
    struct pt_pull pulls[SLOTS];
    struct pt_report report = {.node_name = node_names[node],
                               .timestamp = fuzz_now_ns,
                               .interval_ms = 1000,
                               .pulls = pulls};
    struct pt_error err;
    for (size_t i = 0; i < SLOTS; i++) {
        agent->pulls[i].is_there &= !is_forgotten(&agent->pulls[i]);
        if (agent->pulls[i].is_there)
            pulls[report.pull_count++] = agent->pulls[i].pull;
    }
    int r = pt_store_apply(store_story.store, &report, &err);
    assert(r == 0 || r == -EAGAIN);
    for (size_t i = 0; r == 0 && i < SLOTS; i++) {
        bool is_lost = how % 8 == 7; // the answer, so that its end is reported once more
        if (!pt_pull_phase_is_final(agent->pulls[i].pull.phase))
            continue;
        agent->pulls[i].is_there &= is_lost;
        if (!agent->pulls[i].end_taken_at)
            agent->pulls[i].end_taken_at = fuzz_now_ns;
    }
}

// --- kubelets ---

static void change_pod(unsigned which, unsigned how)
{
    static struct pt_kube_pod pod;
    static const enum pt_kubelet_word words[] = {PT_KUBELET_WAITING, PT_KUBELET_PULL_FAILED,
                                                 PT_KUBELET_BACK_OFF, PT_KUBELET_WAITING};
    char uid[16];
    snprintf(uid, sizeof(uid), "u%u-%u", which, world.pod_life[which]);
    if (how % 4 == 0 && world.pod_image[which] < IMAGES) {
        world.pod_image[which] = IMAGES;
        world.pod_life[which]++;
        pt_correlate_pod_end(world.correlate, uid, (enum pt_pod_end)(how / 4 % 3));
        return;
    }
    if (world.pod_image[which] == IMAGES)
        world.pod_image[which] = how / 4 % IMAGES;
    enum pt_kubelet_word word = words[how % 4];
    pod = (struct pt_kube_pod){.uid = uid,
                               .name_space = "ns",
                               .name = pod_names[which],
                               .node = node_names[which % NODES],
                               .waiting_since = fuzz_now_ns - (how / 16) * PT_NS_PER_S / 4,
                               .waiting_count = 1};
    pod.waiting[0] =
        (struct pt_kube_container){.name = "c",
                                   .image = images[world.pod_image[which]],
                                   .word = word,
                                   .error = word == PT_KUBELET_WAITING ? NULL : "no such host",
                                   .is_on_turn = true};
    pt_correlate_pod(world.correlate, &pod);
}

static void write_event(unsigned which, unsigned how)
{
    static const enum pt_kubelet_word words[] = {PT_KUBELET_PULLING, PT_KUBELET_PULLED,
                                                 PT_KUBELET_PRESENT, PT_KUBELET_PULL_FAILED,
                                                 PT_KUBELET_BACK_OFF};
    char uid[16], own_uid[16];
    if (world.pod_image[which] == IMAGES)
        return;
    snprintf(uid, sizeof(uid), "u%u-%u", which, world.pod_life[which]);
    snprintf(own_uid, sizeof(own_uid), "e%u-%u", which, how / 5 % 4);
    struct pt_kube_event event = {.uid = own_uid,
                                  .name_space = "ns",
                                  .pod = pod_names[which],
                                  .pod_uid = uid,
                                  .node = node_names[which % NODES],
                                  .container = "c",
                                  .first_at = fuzz_now_ns - PT_NS_PER_S,
                                  .last_at = fuzz_now_ns,
                                  .count = 1 + how / 64};
    event.message = (struct pt_kubelet_message){.word = words[how % 5],
                                                .pull_ns = -1,
                                                .queued_ns = -1,
                                                .image_bytes = how % 5 == 1 ? 300 : -1};
    snprintf(event.message.image, sizeof(event.message.image), "%s",
             images[world.pod_image[which]]);
    event.message.error = how % 5 == 3 ? "no such host" : NULL;
    pt_correlate_event(world.correlate, &event);
}

// --- all of it ---

static void happen(struct source *source)
{
    unsigned what = take_below(source, 12), which = take(source), how = take(source);
    switch (what) {
    case 0:
    case 1:
    case 2:
    case 3:
    case 4:
        advance(which % NODES, what, which / NODES % SLOTS, how);
        break;
    case 5:
    case 6:
        report(which % NODES, how);
        break;
    case 7:
    case 8:
        change_pod(which % PODS, how);
        break;
    case 9:
        write_event(which % PODS, how);
        break;
    case 10:
        pass(which % 32);
        break;
    default:
        pass(which * 10);
    }
}

static void begin(void)
{
    const struct pt_store_settings settings = {100, 10, HISTORY_NS, 60 * PT_NS_PER_S,
                                               &world.memory};
    const struct pt_store_output store_output = {.on_event = store_story_on_event,
                                                 .on_change = on_change};
    const struct pt_correlate_output output = {
        .on_join = on_join, .on_row = on_row, .on_exchange = on_exchange};
    world = (struct world){0};
    fuzz_now_ns = START;
    memset(&store_story, 0, sizeof(store_story));
    for (size_t i = 0; i < PODS; i++)
        world.pod_image[i] = IMAGES;
    pt_memory_share_init(&world.memory, "store", 16 << 20, NULL);
    store_story.store = pt_store_create(&settings, &fuzz_clock, &store_output);
    assert(store_story.store);
    int r = pt_correlate_create(&fuzz_clock, 10, &output, &world.correlate);
    assert(r == 0);
    pt_kube_rows_attach(store_story.store, world.correlate);
}

// When nobody says anything any more, everything goes.
static void end(void)
{
    for (unsigned which = 0; which < PODS; which++) {
        if (world.pod_image[which] < IMAGES)
            change_pod(which, 4 * PT_POD_DELETED);
    }
    for (int i = 0; i < 40; i++) {
        pass(300);
        store_story_check();
    }
    assert(pt_store_figures(store_story.store).pulls == 0);
    assert(pt_correlate_figures(world.correlate).waiting_containers == 0);
    pt_store_set_hooks(store_story.store, NULL);
    pt_store_destroy(store_story.store);
    pt_correlate_destroy(world.correlate);
    assert(world.memory.used_bytes == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct source source = {data, size};
    pt_log_set_descriptor(-1);
    begin();
    for (int i = 0; source.size > 0 && i < MAX_STEPS; i++) {
        happen(&source);
        store_story_check();
    }
    end();
    return 0;
}

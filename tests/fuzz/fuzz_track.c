// SPDX-License-Identifier: Apache-2.0
#include "base/clock.h"
#include "source.h"
#include "tracker_story.h"

// A containerd that does anything in any order: three bytes are one thing that happens. Whatever
// it was, the story of each pull is one that can be.

#define LEASES 4
#define LAYERS 3
#define LAYER_BYTES 200

static char *const ids[LEASES] = {(char *)"a", (char *)"b", (char *)"c", (char *)"d"};
static char *const digests[LAYERS] = {(char *)"sha256:1", (char *)"sha256:2", (char *)"sha256:3"};
static char *const chains[LAYERS] = {(char *)"sha256:7", (char *)"sha256:8", (char *)"sha256:9"};
static char *const roots[2] = {(char *)"sha256:r", (char *)"sha256:s"};
static char *const images[2] = {(char *)"host/app:1", (char *)"host/app:2"};

struct world {
    struct pt_seen_lease leases[LEASES];
    struct pt_seen_layer layers[LEASES][LAYERS];
    bool is_there[LEASES];
    int64_t now;
    int64_t containerd_pid;
    int64_t begun; // leases
    struct pt_seen_image image;
    struct story story;
};

static void look(struct world *world)
{
    struct pt_seen_lease *leases[LEASES];
    struct pt_observation observation = {
        .taken_at = world->now,
        .taken_monotonic = world->now,
        .containerd_pid = world->containerd_pid,
        .leases = leases,
        .images = &world->image,
        .image_count = world->image.name != NULL,
    };
    for (size_t i = 0; i < LEASES; i++) {
        if (world->is_there[i])
            leases[observation.lease_count++] = &world->leases[i];
    }
    pt_tracker_observe(world->story.tracker, &observation);
    story_check(&world->story, world->now);
    world->image.name = NULL;
    for (size_t i = 0; i < LEASES; i++)
        world->is_there[i] &= world->leases[i].fate != PT_LEASE_OVER;
}

static void begin_lease(struct world *world, unsigned which, unsigned how)
{
    struct pt_seen_lease *lease = &world->leases[which];
    *lease = (struct pt_seen_lease){.namespace = (char *)"k8s.io",
                                    .id = ids[which],
                                    .created_at = world->now - how % 32 * PT_NS_PER_S +
                                                  ++world->begun, // no two leases are the same
                                    .root_digest = how & 32 ? roots[how >> 6 & 1] : NULL,
                                    .layers = world->layers[which]};
    world->is_there[which] = true;
}

// The manifest becomes known: its layers do not move any more.
static void read_manifest(struct world *world, unsigned which, unsigned how)
{
    struct pt_seen_lease *lease = &world->leases[which];
    if (!world->is_there[which] || lease->layers_known)
        return;
    lease->layer_count = how % (LAYERS + 1);
    lease->layers_known = how & 8;
    lease->root_digest = lease->root_digest ? lease->root_digest : roots[how >> 4 & 1];
    lease->repository = how & 32 ? (char *)"host/app" : NULL;
    for (size_t i = 0; i < lease->layer_count; i++)
        lease->layers[i] = (struct pt_seen_layer){.digest = digests[i],
                                                  .chain_id = how & 64 ? chains[i] : NULL,
                                                  .size = !lease->layers_known ? -1
                                                          : how & 128          ? INT64_MAX
                                                                               : LAYER_BYTES};
}

static void change_layer(struct world *world, unsigned which, unsigned how)
{
    struct pt_seen_lease *lease = &world->leases[which];
    if (how % LAYERS >= lease->layer_count)
        return;
    struct pt_seen_layer *layer = &lease->layers[how % LAYERS];
    lease->fingerprint += how & 128;
    lease->has_given_up = how == 255;
    layer->owns_ingest = how & 64;
    switch (how / LAYERS % 6) {
    case 0:
        layer->has_ingest = !layer->has_ingest;
        break;
    case 1:
        layer->offset = how;
        break;
    case 2:
        layer->ingest_started_at = world->now - (how & 7) * PT_NS_PER_S;
        break;
    case 3:
        layer->blob_at = world->now - (how & 31) * PT_NS_PER_S;
        break;
    case 4:
        layer->prepared_at = world->now;
        break;
    default:
        layer->extracted_at = world->now - (how & 31) * PT_NS_PER_S;
    }
}

static void see_event(struct world *world, unsigned which, unsigned how)
{
    const struct pt_seen_event event = {
        .kind = (enum pt_seen_event_kind)(which % 3),
        .namespace = how & 1 ? "k8s.io" : "other",
        .subject =
            which % 3 == PT_SEEN_CONTENT_CREATED ? digests[how % LAYERS] : chains[how % LAYERS],
        .at = world->now - (how >> 4) * PT_NS_PER_S,
    };
    pt_tracker_event(world->story.tracker, &event);
}

static void end_lease(struct world *world, unsigned which, unsigned how)
{
    struct pt_seen_lease *lease = &world->leases[which];
    if (!world->is_there[which])
        return;
    lease->fate = PT_LEASE_OVER;
    if (how & 1) {
        lease->image_name = images[how >> 1 & 1];
        lease->image_updated_at = world->now - (how >> 4) * PT_NS_PER_S;
        lease->is_unpacked = how & 4;
        lease->is_accepted = how & 8;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct world world;
    const struct pt_tracker_options options = {.on_change = story_on_change,
                                               .context = &world.story};
    world = (struct world){.now = 100000 * PT_NS_PER_S, .containerd_pid = 1};
    if (pt_tracker_create(&options, &world.story.tracker, NULL) < 0)
        return 0;
    for (; size >= 3; data += 3, size -= 3) {
        unsigned which = data[1] % LEASES;
        switch (data[0] % 9) {
        case 0:
            if (!world.is_there[which])
                begin_lease(&world, which, data[2]);
            break;
        case 1:
            read_manifest(&world, which, data[2]);
            break;
        case 2:
            change_layer(&world, which, data[2]);
            break;
        case 3:
            see_event(&world, data[1], data[2]);
            break;
        case 4:
            world.image = (struct pt_seen_image){.namespace = (char *)"k8s.io",
                                                 .name = images[which % 2],
                                                 .target_digest = roots[data[2] & 1],
                                                 .written_at = world.now};
            break;
        case 5:
            end_lease(&world, which, data[2]);
            break;
        case 6:
            world.containerd_pid = data[1] % 3;
            pt_tracker_disconnected(world.story.tracker);
            break;
        case 7:
            pt_tracker_forget(world.story.tracker, data[2]);
            break;
        default:
            world.now += (data[1] & 1 ? 1 : 100) * PT_NS_PER_MS * (1 + data[2]);
            look(&world);
        }
    }
    pt_tracker_destroy(world.story.tracker);
    return 0;
}

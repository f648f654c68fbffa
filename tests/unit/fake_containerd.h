// SPDX-License-Identifier: Apache-2.0
#ifndef PT_TESTS_FAKE_CONTAINERD_H
#define PT_TESTS_FAKE_CONTAINERD_H

#include "base/buffer.h"
#include "base/clock.h"
#include "containerd/containerd_api.h"

#include "check.h"

#include <stdio.h>
#include <stdlib.h>

// A containerd that does what a test wants. It defines the calls of containerd_api.h, and holds one
// pull of one layer.

#define X8(c) c c c c c c c c
#define D(c) "sha256:" X8(X8(c))
#define MANIFEST D("1")
#define CONFIG D("2")
#define LAYER D("3")
#define DIFF_ID D("4")
#define EXTRACTION "extract-5-abcd " DIFF_ID
#define START (INT64_C(1795230245) * PT_NS_PER_S)
#define BYTES 1000

enum call {
    LIST_NAMESPACES,
    LIST_LEASES,
    LIST_INGESTS,
    LIST_RESOURCES,
    CONTENT_INFO,
    READ_CONTENT,
    STAT_SNAPSHOT,
    SNAPSHOT_USAGE,
    LIST_IMAGES,
    CALL_COUNT,
};

static const char *const call_names[CALL_COUNT] = {
    "ListNamespaces", "ListLeases",   "ListIngests",   "ListResources", "ContentInfo",
    "ReadContent",    "StatSnapshot", "SnapshotUsage", "ListImages",
};

struct pt_containerd {
    enum call broken; // CALL_COUNT: none
    struct pt_grpc_status fault;
    unsigned faults; // that were answered
    int64_t now;
    int64_t set_back;        // how much its clock was, in all
    int64_t offset;          // of the layer's ingest; BYTES: it is content, and extracted
    bool is_over;            // the lease has gone
    bool has_failed;         // and left no image
    bool is_bare;            // the lease holds no manifest: schema 1
    const char *snapshotter; // that brings the layer by itself; NULL: none does
    bool is_committed;       // and has done so
    bool is_blocked;         // in its first call to that, which the lease does not show yet
    bool is_extracting;      // the layer, into a snapshot that the lease holds
    int64_t written;         // into that
    const char *label[2];    // of each snapshot: key and value; NULL: none
    const char *other;       // namespace that had the layer before; NULL: none
    unsigned usages_asked;
    unsigned idle_leases; // besides the pull's, which hold nothing
    int64_t idle_since;   // they were created
    bool is_sandboxes;    // theirs are named as those of image volumes
    bool is_late;         // the first of them is the pull's after all
    unsigned idle_asked;
    unsigned idle_listed;
    unsigned resources_asked; // of the pull's lease
    bool expires;             // the pull's lease has the label by which it does
    const char *place;        // where alone one answers; NULL: everywhere
    const char *connected;    // where the newest one was looked for
    unsigned versions_asked;
    pt_containerd_answer *on_version;
    void *version_context;
    unsigned subscriptions;
    bool refuses_subscriptions;
    unsigned events_break_in; // so many calls of a round; 0: they do not
    void (*on_event)(void *context, const Ctrd__Envelope *envelope);
    void (*on_end)(void *context, const struct pt_grpc_status *status);
    void *events_context;
};

// A clock whose context is the world.
static inline int64_t fake_now(void *context)
{
    return ((struct pt_containerd *)context)->now;
}

static struct pt_containerd *containerd_world; // that pt_containerd_create finds

static const struct pt_grpc_status ok = {PT_GRPC_OK, false, ""};
static const struct pt_grpc_status missing = {PT_GRPC_NOT_FOUND, false, "not found"};

static int answer_with(struct pt_containerd *world, enum call call, pt_containerd_answer *answer,
                       void *context, const void *message)
{
    static const struct pt_grpc_status reset = {PT_GRPC_UNAVAILABLE, true, "connection reset"};
    bool is_fault = call == world->broken;
    if (world->events_break_in && --world->events_break_in == 0)
        world->on_end(world->events_context, &reset);
    world->faults += is_fault;
    if (is_fault)
        answer(context, &world->fault, NULL);
    else
        answer(context, message ? &ok : &missing, message);
    return 0;
}

static Ctrd__Timestamp timestamp(int64_t at)
{
    Ctrd__Timestamp timestamp = CTRD__TIMESTAMP__INIT;
    timestamp.seconds = at / PT_NS_PER_S;
    timestamp.nanos = (int32_t)(at % PT_NS_PER_S);
    return timestamp;
}

// When the last of the pull came, of several the one of that number.
static int64_t come_at(const struct pt_containerd *world, int number)
{
    return world->set_back ? world->now - 4 + number : START + number;
}

int64_t pt_containerd_time(const Ctrd__Timestamp *timestamp)
{
    return timestamp ? timestamp->seconds * PT_NS_PER_S + timestamp->nanos : 0;
}

int64_t pt_containerd_peer(const struct pt_containerd *containerd)
{
    (void)containerd;
    return 1;
}

int pt_containerd_list_namespaces(struct pt_containerd *world, pt_containerd_answer *answer,
                                  void *context, struct pt_error *err)
{
    (void)err;
    Ctrd__Namespace namespace = CTRD__NAMESPACE__INIT;
    Ctrd__Namespace other = CTRD__NAMESPACE__INIT;
    Ctrd__Namespace *list[] = {&namespace, &other};
    Ctrd__ListNamespacesResponse response = CTRD__LIST_NAMESPACES_RESPONSE__INIT;
    namespace.name = (char *)"k8s.io";
    other.name = (char *)world->other;
    response.namespaces = list;
    response.n_namespaces = world->other ? 2 : 1;
    return answer_with(world, LIST_NAMESPACES, answer, context, &response);
}

#define MAX_IDLE_LEASES 2000
#define IDLE_NUMBER_WIDTH 64

int pt_containerd_list_leases(struct pt_containerd *world, const char *namespace,
                              const char *filter, pt_containerd_answer *answer, void *context,
                              struct pt_error *err)
{
    static char ids[MAX_IDLE_LEASES][IDLE_NUMBER_WIDTH + 2];
    static Ctrd__Lease leases[MAX_IDLE_LEASES + 1];
    static Ctrd__Lease *list[MAX_IDLE_LEASES + 1];
    (void)namespace, (void)err;
    Ctrd__Timestamp created_at = timestamp(START);
    Ctrd__Timestamp idle_since = timestamp(world->idle_since);
    Ctrd__ListLeasesResponse response = CTRD__LIST_LEASES_RESPONSE__INIT;
    if (filter)
        check_text("the filter", filter, "labels.\"containerd.io/gc.expire\"");
    unsigned idle = filter ? 0 : world->idle_leases;
    world->idle_listed += idle;
    for (unsigned i = 0; i < idle; i++) {
        ctrd__lease__init(&leases[i]);
        snprintf(ids[i], sizeof(ids[i]), "%s%0*u", world->is_sandboxes ? "" : "i",
                 IDLE_NUMBER_WIDTH, i);
        leases[i].id = ids[i];
        leases[i].created_at = &idle_since;
        list[response.n_leases++] = &leases[i];
    }
    if (!world->is_over && (world->expires || !filter)) {
        Ctrd__Lease *lease = &leases[response.n_leases];
        ctrd__lease__init(lease);
        lease->id = (char *)"lease";
        lease->created_at = &created_at;
        list[response.n_leases++] = lease;
    }
    response.leases = list;
    return answer_with(world, LIST_LEASES, answer, context, &response);
}

int pt_containerd_list_resources(struct pt_containerd *world, const char *namespace,
                                 const char *lease, pt_containerd_answer *answer, void *context,
                                 struct pt_error *err)
{
    (void)namespace, (void)err;
    bool is_idle = strcmp(lease, "lease") != 0;
    bool is_first = strtoul(lease + strspn(lease, "i"), NULL, 10) == 0;
    world->idle_asked += is_idle;
    world->resources_asked += !is_idle;
    bool is_whole = world->offset == BYTES;
    const char *const pairs[][2] = {
        {"content", MANIFEST},
        {"content", CONFIG},
        {is_whole ? "content" : "ingests", is_whole ? LAYER : "layer-" LAYER},
        {"snapshots/overlayfs", EXTRACTION},
    };
    const char *const brought[][2] = {{"content", MANIFEST},
                                      {"content", CONFIG},
                                      {"snapshots/other", D("5")},
                                      {"snapshots/other", DIFF_ID}};
    Ctrd__Resource resources[COUNT_OF(pairs)];
    Ctrd__Resource *list[COUNT_OF(pairs)];
    Ctrd__ListResourcesResponse response = CTRD__LIST_RESOURCES_RESPONSE__INIT;
    size_t count = COUNT_OF(pairs) - (world->is_extracting ? 0 : 1);
    if (world->snapshotter)
        count = world->is_blocked ? 2 : COUNT_OF(brought) - (world->is_committed ? 0 : 1);
    for (size_t i = world->is_bare ? 2 : 0; i < count; i++) {
        Ctrd__Resource *resource = &resources[response.n_resources];
        ctrd__resource__init(resource);
        resource->type = (char *)(world->snapshotter ? brought : pairs)[i][0];
        resource->id = (char *)(world->snapshotter ? brought : pairs)[i][1];
        list[response.n_resources++] = resource;
    }
    if (is_idle && !(world->is_late && is_first))
        response.n_resources = 0;
    response.resources = list;
    return answer_with(world, LIST_RESOURCES, answer, context, &response);
}

int pt_containerd_list_ingests(struct pt_containerd *world, const char *namespace,
                               pt_containerd_answer *answer, void *context, struct pt_error *err)
{
    (void)namespace, (void)err;
    Ctrd__IngestStatus status = CTRD__INGEST_STATUS__INIT;
    Ctrd__IngestStatus *list[] = {&status};
    Ctrd__ListStatusesResponse response = CTRD__LIST_STATUSES_RESPONSE__INIT;
    status.ref = (char *)"layer-" LAYER;
    status.offset = world->offset;
    status.total = BYTES;
    Ctrd__Timestamp now = timestamp(world->now);
    status.updated_at = world->is_late ? &now : NULL;
    response.statuses = list;
    response.n_statuses = world->offset < BYTES && !world->snapshotter ? 1 : 0;
    return answer_with(world, LIST_INGESTS, answer, context, &response);
}

int pt_containerd_content_info(struct pt_containerd *world, const char *namespace,
                               const char *digest, pt_containerd_answer *answer, void *context,
                               struct pt_error *err)
{
    (void)err;
    bool is_other = world->other && strcmp(namespace, world->other) == 0;
    Ctrd__Timestamp created_at = timestamp(is_other                     ? START - 1
                                           : strcmp(digest, LAYER) == 0 ? come_at(world, 1)
                                                                        : START + 1);
    Ctrd__ContentInfo__LabelsEntry entries[2];
    Ctrd__ContentInfo__LabelsEntry *labels[] = {&entries[0], &entries[1]};
    Ctrd__ContentInfo info = CTRD__CONTENT_INFO__INIT;
    Ctrd__ContentInfoResponse response = CTRD__CONTENT_INFO_RESPONSE__INIT;
    ctrd__content_info__labels_entry__init(&entries[0]);
    ctrd__content_info__labels_entry__init(&entries[1]);
    entries[0].key = (char *)"containerd.io/distribution.source.registry.example";
    entries[0].value = (char *)"app";
    bool is_config = strcmp(digest, CONFIG) == 0;
    entries[1].key = (char *)(is_config ? "containerd.io/gc.ref.snapshot.overlayfs"
                                        : "containerd.io/gc.ref.content.config");
    entries[1].value = (char *)(is_config ? DIFF_ID : CONFIG);
    info.created_at = &created_at;
    info.size = 100;
    info.labels = labels;
    info.n_labels = is_config && world->offset < BYTES ? 1 : 2;
    response.info = &info;
    bool is_there = strcmp(digest, LAYER) != 0 || world->offset == BYTES;
    return answer_with(world, CONTENT_INFO, answer, context, is_there ? &response : NULL);
}

int pt_containerd_read_content(struct pt_containerd *world, const char *namespace,
                               const char *digest, int64_t limit, pt_containerd_answer *answer,
                               void *context, struct pt_error *err)
{
    (void)namespace, (void)limit, (void)err;
    static char json[1024];
    if (strcmp(digest, MANIFEST) == 0)
        snprintf(json, sizeof(json),
                 "{\"config\":{\"digest\":\"%s\"},\"layers\":[{\"digest\":\"%s\",\"size\":%d}]}",
                 CONFIG, LAYER, BYTES);
    else
        snprintf(json, sizeof(json), "{\"rootfs\":{\"diff_ids\":[\"%s\"]}}", DIFF_ID);
    const struct pt_buffer text = {.data = json, .length = strlen(json)};
    return answer_with(world, READ_CONTENT, answer, context, &text);
}

int pt_containerd_stat_snapshot(struct pt_containerd *world, const char *namespace,
                                const char *snapshotter, const char *key,
                                pt_containerd_answer *answer, void *context, struct pt_error *err)
{
    (void)namespace, (void)err;
    Ctrd__Timestamp created_at = timestamp(come_at(world, 2));
    Ctrd__SnapshotInfo info = CTRD__SNAPSHOT_INFO__INIT;
    Ctrd__SnapshotInfo__LabelsEntry label = CTRD__SNAPSHOT_INFO__LABELS_ENTRY__INIT;
    Ctrd__SnapshotInfo__LabelsEntry *labels[] = {&label};
    Ctrd__StatSnapshotResponse response = CTRD__STAT_SNAPSHOT_RESPONSE__INIT;
    bool is_extraction = strcmp(key, EXTRACTION) == 0;
    if (!is_extraction)
        check_text("the lowest chain ID", key, DIFF_ID);
    info.kind = is_extraction ? CTRD__SNAPSHOT_KIND__SNAPSHOT_ACTIVE
                              : CTRD__SNAPSHOT_KIND__SNAPSHOT_COMMITTED;
    info.created_at = &created_at;
    label.key = (char *)world->label[0];
    label.value = (char *)world->label[1];
    info.labels = labels;
    info.n_labels = world->label[0] ? 1 : 0;
    response.info = &info;
    if (world->snapshotter) {
        bool is_there = world->is_committed && strcmp(snapshotter, world->snapshotter) == 0;
        return answer_with(world, STAT_SNAPSHOT, answer, context, is_there ? &response : NULL);
    }
    return answer_with(world, STAT_SNAPSHOT, answer, context,
                       is_extraction == world->is_extracting && world->offset == BYTES ? &response
                                                                                       : NULL);
}

int pt_containerd_snapshot_usage(struct pt_containerd *world, const char *namespace,
                                 const char *snapshotter, const char *key,
                                 pt_containerd_answer *answer, void *context, struct pt_error *err)
{
    (void)namespace, (void)snapshotter, (void)err;
    Ctrd__UsageResponse response = CTRD__USAGE_RESPONSE__INIT;
    check_text("what is extracted into", key, EXTRACTION);
    world->usages_asked++;
    response.size = world->written;
    return answer_with(world, SNAPSHOT_USAGE, answer, context, &response);
}

int pt_containerd_list_images(struct pt_containerd *world, const char *namespace,
                              const char *target_digest, pt_containerd_answer *answer,
                              void *context, struct pt_error *err)
{
    (void)namespace, (void)target_digest, (void)err;
    Ctrd__Timestamp updated_at = timestamp(come_at(world, 3));
    Ctrd__Image image = CTRD__IMAGE__INIT;
    Ctrd__Image *list[] = {&image};
    Ctrd__ListImagesResponse response = CTRD__LIST_IMAGES_RESPONSE__INIT;
    image.name = (char *)"registry.example/app:1";
    image.updated_at = &updated_at;
    response.images = list;
    response.n_images = world->is_over && !world->has_failed ? 1 : 0;
    return answer_with(world, LIST_IMAGES, answer, context, &response);
}

int pt_containerd_get_image(struct pt_containerd *world, const char *namespace, const char *name,
                            pt_containerd_answer *answer, void *context, struct pt_error *err)
{
    (void)world, (void)namespace, (void)name, (void)answer, (void)context, (void)err;
    fail_msg("no event has named an image");
    return 0;
}

// --- what is there besides the calls of a round ---

int pt_containerd_create(struct pt_http_client *http, const char *socket_path,
                         const char *socket_directories, struct pt_containerd **ret_containerd,
                         struct pt_error *err)
{
    (void)http, (void)socket_directories, (void)err;
    *ret_containerd = containerd_world;
    containerd_world->connected = socket_path;
    return 0;
}

void pt_containerd_destroy(struct pt_containerd *world)
{
    (void)world;
}

// The answer is the test's.
int pt_containerd_version(struct pt_containerd *world, pt_containerd_answer *answer, void *context,
                          struct pt_error *err)
{
    if (world->place && strcmp(world->connected, world->place) != 0)
        return pt_error_set(err, ENOENT, "%s does not exist", world->connected);
    world->versions_asked++;
    world->on_version = answer;
    world->version_context = context;
    return 0;
}

int pt_containerd_subscribe(struct pt_containerd *world,
                            void (*on_event)(void *context, const Ctrd__Envelope *envelope),
                            void (*on_end)(void *context, const struct pt_grpc_status *status),
                            void *context, struct pt_error *err)
{
    if (world->refuses_subscriptions)
        return pt_error_set(err, ENOMEM, "out of memory");
    world->subscriptions++;
    world->on_event = on_event;
    world->on_end = on_end;
    world->events_context = context;
    return 0;
}

// --- what the test lets it do ---

static inline void answer_version(struct pt_containerd *world, const char *version)
{
    Ctrd__VersionResponse response = CTRD__VERSION_RESPONSE__INIT;
    response.version = (char *)version;
    world->on_version(world->version_context, &ok, &response);
}

static inline void refuse_version(struct pt_containerd *world, const char *message)
{
    const struct pt_grpc_status status = {PT_GRPC_UNAVAILABLE, true, message};
    world->on_version(world->version_context, &status, NULL);
}

static inline void break_events(struct pt_containerd *world)
{
    const struct pt_grpc_status status = {PT_GRPC_UNAVAILABLE, true, "connection reset"};
    world->on_end(world->events_context, &status);
}

// An event of the namespace k8s.io, packed into so many bytes.
static inline void emit(struct pt_containerd *world, const char *topic, uint8_t *bytes,
                        size_t length)
{
    Ctrd__Any any = CTRD__ANY__INIT;
    Ctrd__Envelope envelope = CTRD__ENVELOPE__INIT;
    any.value.len = length;
    any.value.data = bytes;
    envelope.namespace_ = (char *)"k8s.io";
    envelope.topic = (char *)topic;
    envelope.event = &any;
    world->on_event(world->events_context, &envelope);
}

static inline void emit_content(struct pt_containerd *world, const char *digest)
{
    Ctrd__ContentCreateEvent event = CTRD__CONTENT_CREATE_EVENT__INIT;
    uint8_t bytes[256];
    event.digest = (char *)digest;
    emit(world, "/content/create", bytes, ctrd__content_create_event__pack(&event, bytes));
}

static inline void emit_removal(struct pt_containerd *world, const char *key)
{
    Ctrd__SnapshotRemoveEvent event = CTRD__SNAPSHOT_REMOVE_EVENT__INIT;
    uint8_t bytes[256];
    event.key = (char *)key;
    emit(world, "/snapshot/remove", bytes, ctrd__snapshot_remove_event__pack(&event, bytes));
}

static inline void emit_image(struct pt_containerd *world, const char *name)
{
    Ctrd__ImageEvent event = CTRD__IMAGE_EVENT__INIT;
    uint8_t bytes[256];
    event.name = (char *)name;
    emit(world, "/images/create", bytes, ctrd__image_event__pack(&event, bytes));
}

#endif

// SPDX-License-Identifier: Apache-2.0
#include "agent/observe/events.h"
#include "agent/observe/round.h"
#include "base/clock.h"
#include "base/log.h"
#include "containerd/containerd_api.h"
#include "source.h"
#include "tracker_story.h"

#include <stdio.h>

// A containerd whose answers are the input's: bytes that are no message, messages with any field,
// errors, in any order, or none; and what it might really say of a few images. Every parser of
// containerd's answers, labels, references and documents is behind the real calls, from the gRPC
// message on. A round ends in any case, and its pulls are such as can be.

#define X8(c) c c c c c c c c
#define D(c) "sha256:" X8(X8(c))
#define START (INT64_C(1795230245) * PT_NS_PER_S)
#define MAX_CALLS 2000 // of a round, whatever is answered
#define MAX_ROUNDS 40
#define COUNT_OF(list) (sizeof(list) / sizeof((list)[0]))
#define ANY(source, list) (list)[take_below((source), COUNT_OF(list))]

static const char *const digests[] = {D("1"), D("2"), D("3"), D("4"), D("5"), "sha256:zz"};
static const char *const namespaces[] = {"k8s.io", "other", "moby", "\xff\x9b"};
static const char *const lease_ids[] = {"a", "b", "c", X8(X8("0"))};
static const char *const names[] = {"host/app:1", "host/app:2", "host/app@" D("1"), "UPPER",
                                    "nginx"};
static const char *const snapshotters[] = {"overlayfs", "stargz", "nydus", "erofs", "gcfs"};
static const char *const labels[][2] = {
    {"containerd.io/distribution.source.host", "app"},
    {"containerd.io/distribution.source.host:5000", "a,b,c"},
    {"containerd.io/gc.ref.content.config", D("2")},
    {"containerd.io/gc.ref.content.m.0", D("1")},
    {"containerd.io/gc.ref.content.l.0", D("3")},
    {"containerd.io/gc.ref.snapshot.overlayfs", D("4")},
    {"containerd.io/uncompressed", D("4")},
    {"containerd.io/snapshot/cri.image-ref", "host/app:1"},
    {"containerd.io/snapshot/remote", "1"},
    {"containerd.io/snapshot/nydus-data", "true"},
    {"io.cri-containerd.image", "managed"},
};

static struct world {
    struct source source;
    struct lease_row {
        bool was_listed[COUNT_OF(lease_ids)];
        int lives[COUNT_OF(lease_ids)];
    } lease_rows[COUNT_OF(namespaces) + 1];
    size_t asked_namespace; // its row, the last one for all others
    int64_t now;
    struct call {
        struct pt_grpc_options options;
        size_t row;     // of its namespace
        size_t lease;   // that it asks for, if what one holds
    } calls[MAX_CALLS]; // that are not answered yet
    size_t call_count;
    struct pt_grpc_options subscription;
    bool is_subscribed;
    unsigned ends; // of the round under way
    struct story story;
    struct pt_round *round;
} world;

// --- in place of the client that calls go through ---

static size_t row_of(const char *namespace)
{
    size_t row = 0;
    while (row < COUNT_OF(namespaces) && namespace && strcmp(namespaces[row], namespace) != 0)
        row++;
    return row;
}

static size_t lease_of(const struct pt_grpc_options *options)
{
    size_t lease = COUNT_OF(lease_ids);
    if (!strstr(options->method, "/ListResources"))
        return lease;
    Ctrd__ListResourcesRequest *request =
        ctrd__list_resources_request__unpack(NULL, options->message_length, options->message);
    assert(request);
    while (lease > 0 && strcmp(lease_ids[lease - 1], request->id) != 0)
        lease--;
    assert(lease > 0);
    ctrd__list_resources_request__free_unpacked(request, NULL);
    return lease - 1;
}

int __wrap_pt_grpc_client_create(struct pt_http_client *http, const char *socket_path,
                                 int (*check_peer)(void *context, int fd, struct pt_error *err),
                                 void *check_context, struct pt_grpc_client **ret_client,
                                 struct pt_error *err);
void __wrap_pt_grpc_client_destroy(struct pt_grpc_client *client);
int __wrap_pt_grpc_call_start(struct pt_grpc_client *client, const struct pt_grpc_options *options,
                              struct pt_error *err);
int __wrap_pt_socket_check_path(const char *path, const char *directories, struct pt_error *err);

int __wrap_pt_grpc_client_create(struct pt_http_client *http, const char *socket_path,
                                 int (*check_peer)(void *context, int fd, struct pt_error *err),
                                 void *check_context, struct pt_grpc_client **ret_client,
                                 struct pt_error *err)
{
    (void)http, (void)socket_path, (void)check_peer, (void)check_context, (void)err;
    *ret_client = NULL;
    return 0;
}

void __wrap_pt_grpc_client_destroy(struct pt_grpc_client *client)
{
    (void)client;
    world.call_count = 0;
    world.is_subscribed = false;
}

int __wrap_pt_grpc_call_start(struct pt_grpc_client *client, const struct pt_grpc_options *options,
                              struct pt_error *err)
{
    (void)client;
    assert(options->message_length <= PT_LIMIT_GRPC_MESSAGE_BYTES);
    if (strstr(options->method, "Subscribe")) {
        world.subscription = *options;
        world.is_subscribed = true;
        return 0;
    }
    if (world.call_count == MAX_CALLS)
        return pt_error_set(err, ENOBUFS, "too many calls");
    world.calls[world.call_count++] =
        (struct call){*options, row_of(options->namespace), lease_of(options)};
    return 0;
}

int __wrap_pt_socket_check_path(const char *path, const char *directories, struct pt_error *err)
{
    (void)path, (void)directories, (void)err;
    return 0;
}

// --- what a containerd might say ---

// Messages of one answer and their parts; all live until the next one.
static struct parts {
    Ctrd__Timestamp times[32];
    size_t time_count;
    char texts[32][160];
    size_t text_count;
    union {
        Ctrd__ContentInfo__LabelsEntry content;
        Ctrd__Image__LabelsEntry image;
        Ctrd__SnapshotInfo__LabelsEntry snapshot;
    } labels[32];
    void *label_list[32];
    size_t label_count;
} parts;

static Ctrd__Timestamp *some_time(struct source *source)
{
    unsigned how = take(source);
    if (how == 255 || parts.time_count == COUNT_OF(parts.times))
        return NULL;
    Ctrd__Timestamp *time = &parts.times[parts.time_count++];
    ctrd__timestamp__init(time);
    int64_t at = START + (how % 128 - INT64_C(32)) * PT_NS_PER_S / 4;
    time->seconds = how == 254 ? take_number(source) : at / PT_NS_PER_S;
    time->nanos = how == 254 ? (int32_t)take_number(source) : (int32_t)(at % PT_NS_PER_S);
    return time;
}

static char *joined(const char *prefix, const char *text)
{
    char *both = parts.texts[parts.text_count++ % COUNT_OF(parts.texts)];
    snprintf(both, sizeof(parts.texts[0]), "%s%s", prefix, text);
    return both;
}

static int64_t some_bytes(struct source *source)
{
    unsigned how = take(source);
    return how == 255 ? take_number(source) : how * INT64_C(40);
}

static size_t answer_namespaces(struct source *source, uint8_t *bytes)
{
    Ctrd__Namespace list[2] = {CTRD__NAMESPACE__INIT, CTRD__NAMESPACE__INIT};
    Ctrd__Namespace *pointers[] = {&list[0], &list[1]};
    Ctrd__ListNamespacesResponse response = CTRD__LIST_NAMESPACES_RESPONSE__INIT;
    response.n_namespaces = 1 + take_below(source, 2);
    response.namespaces = pointers;
    list[0].name = (char *)namespaces[0];
    list[1].name = (char *)ANY(source, namespaces);
    return ctrd__list_namespaces_response__pack(&response, bytes);
}

static void end_lease(struct lease_row *row, size_t lease)
{
    row->lives[lease] += row->was_listed[lease];
    row->was_listed[lease] = false;
}

// A lease that was not listed once never comes back: the next of its name was created later.
static size_t answer_leases(struct source *source, uint8_t *bytes)
{
    Ctrd__Lease list[COUNT_OF(lease_ids)];
    Ctrd__Lease *pointers[COUNT_OF(lease_ids)];
    Ctrd__Timestamp times[COUNT_OF(lease_ids)];
    Ctrd__ListLeasesResponse response = CTRD__LIST_LEASES_RESPONSE__INIT;
    unsigned which = take(source);
    struct lease_row *row = &world.lease_rows[world.asked_namespace];
    for (size_t i = 0; i < COUNT_OF(lease_ids); i++) {
        bool is_listed = which >> i & 1;
        if (!is_listed)
            end_lease(row, i);
        row->was_listed[i] = is_listed;
        if (!is_listed)
            continue;
        ctrd__lease__init(&list[i]);
        ctrd__timestamp__init(&times[i]);
        times[i].seconds = START / PT_NS_PER_S + row->lives[i] + (int64_t)i;
        list[i].id = (char *)lease_ids[i];
        list[i].created_at = &times[i];
        pointers[response.n_leases++] = &list[i];
    }
    response.leases = pointers;
    return ctrd__list_leases_response__pack(&response, bytes);
}

static char *some_reference(struct source *source)
{
    static const char *const prefixes[] = {"layer-",  "manifest-", "index-",
                                           "config-", "unknown-",  "host/app/layer-"};
    const char *prefix = ANY(source, prefixes);
    return joined(prefix, ANY(source, digests));
}

static size_t answer_resources(struct source *source, uint8_t *bytes)
{
    Ctrd__Resource list[8];
    Ctrd__Resource *pointers[8];
    Ctrd__ListResourcesResponse response = CTRD__LIST_RESOURCES_RESPONSE__INIT;
    response.n_resources = take_below(source, COUNT_OF(list) + 1);
    for (size_t i = 0; i < response.n_resources; i++) {
        unsigned how = take(source);
        pointers[i] = &list[i];
        ctrd__resource__init(&list[i]);
        list[i].type = (char *)(how % 3 == 0 ? "content" : "ingests");
        if (how % 3 == 0)
            list[i].id = (char *)ANY(source, digests);
        else if (how % 3 == 1)
            list[i].id = some_reference(source);
        else {
            list[i].type = joined("snapshots/", ANY(source, snapshotters));
            list[i].id = joined(how & 8 ? "extract-5-abcd " : "", ANY(source, digests));
        }
    }
    response.resources = pointers;
    return ctrd__list_resources_response__pack(&response, bytes);
}

static size_t answer_ingests(struct source *source, uint8_t *bytes)
{
    Ctrd__IngestStatus list[4];
    Ctrd__IngestStatus *pointers[4];
    Ctrd__ListStatusesResponse response = CTRD__LIST_STATUSES_RESPONSE__INIT;
    response.n_statuses = take_below(source, COUNT_OF(list) + 1);
    for (size_t i = 0; i < response.n_statuses; i++) {
        pointers[i] = &list[i];
        ctrd__ingest_status__init(&list[i]);
        list[i].ref = some_reference(source);
        list[i].offset = some_bytes(source);
        list[i].total = some_bytes(source);
        list[i].started_at = some_time(source);
        list[i].updated_at = some_time(source);
    }
    response.statuses = pointers;
    return ctrd__list_statuses_response__pack(&response, bytes);
}

// Labels of all messages are alike but for their type.
static void *some_labels(struct source *source, const ProtobufCMessageDescriptor *type,
                         size_t *ret_count)
{
    size_t count = take_below(source, 5);
    void *list = &parts.label_list[parts.label_count];
    for (size_t i = 0; i < count; i++) {
        const char *const *label = ANY(source, labels);
        Ctrd__ContentInfo__LabelsEntry *entry = &parts.labels[parts.label_count].content;
        ctrd__content_info__labels_entry__init(entry);
        entry->base.descriptor = type;
        entry->key = (char *)label[0];
        entry->value = (char *)label[1];
        parts.label_list[parts.label_count++] = entry;
    }
    *ret_count = count;
    return list;
}

static size_t answer_info(struct source *source, uint8_t *bytes)
{
    Ctrd__ContentInfo info = CTRD__CONTENT_INFO__INIT;
    Ctrd__ContentInfoResponse response = CTRD__CONTENT_INFO_RESPONSE__INIT;
    info.size = some_bytes(source);
    info.created_at = some_time(source);
    info.labels =
        some_labels(source, &ctrd__content_info__labels_entry__descriptor, &info.n_labels);
    response.info = &info;
    return ctrd__content_info_response__pack(&response, bytes);
}

static size_t write_descriptors(struct source *source, char *text, size_t size, bool is_bare)
{
    size_t used = 0;
    for (unsigned i = take_below(source, 5); i > 0 && used < size; i--) {
        const char *digest = ANY(source, digests);
        used += (size_t)snprintf(text + used, size - used,
                                 is_bare ? "\"%s\"%s"
                                         : "{\"digest\":\"%s\",\"size\":1000,\"platform\":"
                                           "{\"os\":\"linux\",\"architecture\":\"amd64\"}}%s",
                                 digest, i > 1 ? "," : "");
    }
    return used;
}

static size_t answer_content(struct source *source, uint8_t *bytes)
{
    static const char *const forms[][2] = {
        {"{\"config\":{\"digest\":\"" D("2") "\"},\"layers\":[", "]}"},
        {"{\"manifests\":[", "]}"},
        {"{\"rootfs\":{\"diff_ids\":[", "]}}"},
    };
    static char list[2000], text[2100];
    Ctrd__ReadContentResponse response = CTRD__READ_CONTENT_RESPONSE__INIT;
    size_t form = take_below(source, COUNT_OF(forms) + 1);
    list[0] = '\0';
    if (form == COUNT_OF(forms)) {
        response.data.data = (uint8_t *)take_bytes(source, 8, &response.data.len);
    } else {
        write_descriptors(source, list, sizeof(list), form == 2);
        snprintf(text, sizeof(text), "%s%s%s", forms[form][0], list, forms[form][1]);
        response.data.data = (uint8_t *)text;
        response.data.len = strlen(text);
    }
    return ctrd__read_content_response__pack(&response, bytes);
}

static void fill_image(struct source *source, Ctrd__Image *image, Ctrd__Descriptor *target)
{
    ctrd__image__init(image);
    ctrd__descriptor__init(target);
    image->name = (char *)ANY(source, names);
    image->updated_at = some_time(source);
    image->target = target;
    target->digest = (char *)ANY(source, digests);
    image->labels = some_labels(source, &ctrd__image__labels_entry__descriptor, &image->n_labels);
}

static size_t answer_image(struct source *source, uint8_t *bytes)
{
    Ctrd__Image image;
    Ctrd__Descriptor target;
    Ctrd__GetImageResponse response = CTRD__GET_IMAGE_RESPONSE__INIT;
    fill_image(source, &image, &target);
    response.image = &image;
    return ctrd__get_image_response__pack(&response, bytes);
}

static size_t answer_images(struct source *source, uint8_t *bytes)
{
    Ctrd__Image images[2];
    Ctrd__Descriptor targets[2];
    Ctrd__Image *pointers[] = {&images[0], &images[1]};
    Ctrd__ListImagesResponse response = CTRD__LIST_IMAGES_RESPONSE__INIT;
    response.n_images = take_below(source, 3);
    for (size_t i = 0; i < response.n_images; i++)
        fill_image(source, &images[i], &targets[i]);
    response.images = pointers;
    return ctrd__list_images_response__pack(&response, bytes);
}

static size_t answer_snapshot(struct source *source, uint8_t *bytes)
{
    Ctrd__SnapshotInfo info = CTRD__SNAPSHOT_INFO__INIT;
    Ctrd__StatSnapshotResponse response = CTRD__STAT_SNAPSHOT_RESPONSE__INIT;
    info.kind = (Ctrd__SnapshotKind)take_below(source, 5);
    info.parent = (char *)(take(source) & 1 ? D("4") : "");
    info.created_at = some_time(source);
    info.labels =
        some_labels(source, &ctrd__snapshot_info__labels_entry__descriptor, &info.n_labels);
    response.info = &info;
    return ctrd__stat_snapshot_response__pack(&response, bytes);
}

static size_t answer_usage(struct source *source, uint8_t *bytes)
{
    Ctrd__UsageResponse response = CTRD__USAGE_RESPONSE__INIT;
    response.size = some_bytes(source);
    return ctrd__usage_response__pack(&response, bytes);
}

static const struct {
    const char *method; // end of its name
    size_t (*write)(struct source *source, uint8_t *bytes);
} answers[] = {
    {"Namespaces/List", answer_namespaces}, {"Leases/List", answer_leases},
    {"/ListResources", answer_resources},   {"/ListStatuses", answer_ingests},
    {"Content/Info", answer_info},          {"Content/Read", answer_content},
    {"Images/Get", answer_image},           {"Images/List", answer_images},
    {"Snapshots/Stat", answer_snapshot},    {"Snapshots/Usage", answer_usage},
};

static size_t write_answer(struct source *source, const struct call *call, uint8_t *bytes)
{
    const char *method = call->options.method;
    parts.time_count = parts.text_count = parts.label_count = 0;
    world.asked_namespace = call->row;
    for (size_t i = 0; i < COUNT_OF(answers); i++) {
        size_t length = strlen(answers[i].method);
        if (strcmp(method + strlen(method) - length, answers[i].method) == 0)
            return answers[i].write(source, bytes);
    }
    abort();
}

// --- how it answers ---

static void answer_call(struct source *source, const struct call *asked)
{
    static uint8_t bytes[16 * 1024];
    static const struct pt_grpc_status ok = {PT_GRPC_OK, false, ""};
    const struct pt_grpc_options *call = &asked->options;
    struct pt_grpc_status status = {PT_GRPC_NOT_FOUND, false, "not found"};
    unsigned how = take(source);
    int r = 0;
    if (how % 8 == 0) {
        if (how)
            status = (struct pt_grpc_status){(int)(how / 8 % 19), how > 150, "\x1b[2J\xff"};
        status.code += status.code == PT_GRPC_OK;
        if (status.code == PT_GRPC_NOT_FOUND && asked->lease < COUNT_OF(lease_ids))
            end_lease(&world.lease_rows[asked->row], asked->lease);
        call->on_end(call->context, &status);
        return;
    }
    if (how % 8 == 1 && !strstr(call->method, "Leases/List")) {
        size_t length;
        const uint8_t *raw = take_bytes(source, how & 8 ? 4 : 1, &length);
        r = call->on_message(call->context, raw, length);
        if (r == 0 && how & 16)
            r = call->on_message(call->context, raw, length);
    } else {
        size_t length = write_answer(source, asked, bytes);
        r = call->on_message(call->context, bytes, length);
    }
    status = (struct pt_grpc_status){PT_GRPC_INTERNAL, true, "bad message"};
    call->on_end(call->context, r < 0 ? &status : &ok);
}

// Answers calls in any order until there are none, or so many.
static void answer_calls(struct source *source, size_t most)
{
    for (; world.call_count > 0 && most > 0; most--) {
        size_t which = take_below(source, world.call_count);
        const struct call call = world.calls[which];
        memmove(&world.calls[which], &world.calls[which + 1],
                (world.call_count - which - 1) * sizeof(call));
        world.call_count--;
        answer_call(source, &call);
    }
    assert(most > 0 || world.call_count < MAX_CALLS);
}

static void emit_event(struct source *source)
{
    static const char *const topics[] = {"/snapshot/prepare", "/snapshot/commit", "/content/create",
                                         "/images/create", "/images/update"};
    uint8_t bytes[1024], inner[512];
    Ctrd__Any any = CTRD__ANY__INIT;
    Ctrd__Envelope envelope = CTRD__ENVELOPE__INIT;
    Ctrd__SnapshotPrepareEvent event = CTRD__SNAPSHOT_PREPARE_EVENT__INIT;
    parts.time_count = parts.text_count = parts.label_count = 0;
    envelope.timestamp = some_time(source);
    envelope.namespace_ = (char *)ANY(source, namespaces);
    size_t topic = take_below(source, COUNT_OF(topics));
    envelope.topic = (char *)topics[topic];
    // The first field of each is its subject.
    event.key = topic < 1 ? joined("extract-1-x ", ANY(source, digests)) : NULL;
    if (topic == 1)
        event.parent = (char *)ANY(source, digests);
    if (topic > 1)
        event.key = (char *)(topic == 2 ? ANY(source, digests) : ANY(source, names));
    any.value.len = ctrd__snapshot_prepare_event__pack(&event, inner);
    any.value.data = inner;
    envelope.event = &any;
    size_t length = ctrd__envelope__pack(&envelope, bytes);
    int r = world.subscription.on_message(world.subscription.context, bytes, length);
    assert(r == 0);
}

static void emit_raw_event(struct source *source)
{
    size_t length;
    const uint8_t *bytes = take_bytes(source, 2, &length);
    (void)!world.subscription.on_message(world.subscription.context, bytes, length);
}

// --- what is behind the calls ---

static int64_t fake_now(void *context)
{
    (void)context;
    return world.now;
}

static void on_observation(void *context, const struct pt_observation *observation)
{
    (void)context;
    world.ends++;
    for (size_t i = 0; i < observation->lease_count; i++) {
        const struct pt_seen_lease *lease = observation->leases[i];
        assert(lease->namespace && lease->id && lease->layer_count <= PT_LIMIT_LAYERS_PER_PULL);
        for (size_t k = 0; k < lease->layer_count; k++)
            assert(lease->layers[k].digest && lease->layers[k].size <= PT_LIMIT_SIZE_BYTES);
    }
    pt_tracker_observe(world.story.tracker, observation);
}

static void on_failure(void *context, const char *message)
{
    (void)context, (void)message;
    world.ends++;
}

static void on_event(void *context, const struct pt_seen_event *event)
{
    (void)context;
    pt_round_note_event(world.round, event);
    pt_tracker_event(world.story.tracker, event);
}

static void on_image(void *context, const char *namespace, const char *name, bool is_repull,
                     int64_t at)
{
    (void)context;
    pt_round_note_image(world.round, namespace, name, is_repull, at);
}

static void on_broken(void *context, const char *message)
{
    (void)context, (void)message;
}

// One look: its answers come, and in between what else may happen. It ends once.
static void look(struct source *source)
{
    unsigned how = take(source);
    world.ends = 0;
    pt_round_start(world.round);
    answer_calls(source, how & 1 ? MAX_CALLS * 10 : how / 2 % 8);
    if (how & 16 && world.is_subscribed)
        emit_event(source);
    answer_calls(source, MAX_CALLS * 10);
    assert(world.call_count == 0 && !pt_round_is_busy(world.round) && world.ends == 1);
    story_check(&world.story, world.now);
}

static void happen(struct source *source)
{
    for (int rounds = 0; source->size > 0 && rounds < MAX_ROUNDS;) {
        switch (take_below(source, 8)) {
        case 0:
            emit_raw_event(source);
            break;
        case 1:
            emit_event(source);
            break;
        case 2:
            pt_tracker_disconnected(world.story.tracker);
            break;
        case 3:
            pt_tracker_forget(world.story.tracker, take(source));
            break;
        case 4:
            world.now += (1 + take(source)) * PT_NS_PER_S;
            break;
        default:
            look(source);
            world.now += (1 + take(source) % 32) * 100 * PT_NS_PER_MS;
            rounds++;
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pt_containerd *containerd;
    struct pt_containerd_events *events;
    const struct pt_clock clock = {fake_now, fake_now, NULL};
    const struct pt_tracker_options tracker = {.on_change = story_on_change,
                                               .context = &world.story};
    pt_log_set_descriptor(-1);
    world = (struct world){.source = {data, size}, .now = START + PT_NS_PER_S};
    if (pt_containerd_create(NULL, "socket", "/", &containerd, NULL) < 0)
        return 0;
    const struct pt_round_options round = {.containerd = containerd,
                                           .clock = &clock,
                                           .namespaces = take(&world.source) & 1 ? "*" : "k8s.io",
                                           .on_observation = on_observation,
                                           .on_failure = on_failure};
    const struct pt_containerd_events_options options = {.containerd = containerd,
                                                         .on_event = on_event,
                                                         .on_image = on_image,
                                                         .on_broken = on_broken};
    int r = pt_tracker_create(&tracker, &world.story.tracker, NULL);
    assert(r == 0);
    r = pt_round_create(&round, &world.round, NULL);
    assert(r == 0);
    r = pt_containerd_events_create(&options, &events, NULL);
    assert(r == 0);
    pt_containerd_events_start(events);
    happen(&world.source);
    pt_containerd_destroy(containerd);
    pt_containerd_events_destroy(events);
    pt_round_destroy(world.round);
    pt_tracker_destroy(world.story.tracker);
    return 0;
}

// SPDX-License-Identifier: Apache-2.0
#include "agent/observe/events.h"
#include "agent/observe/steps.h"
#include "base/clock.h"
#include "base/log.h"
#include "containerd/containerd_api.h"
#include "containerd_answers.h"
#include "fuzz_clock.h"
#include "source.h"
#include "tracker_story.h"

// A containerd whose answers are the input's: bytes that are no message, messages with any field,
// errors, in any order, or none; and what it might really say of a few images. Every parser of
// containerd's answers, labels, references and documents is behind the real calls, from the gRPC
// message on. A round ends in any case, and its pulls are such as can be.
#define MAX_CALLS 2000 // of a round, whatever is answered
#define MAX_ROUNDS 40

static struct world {
    struct source source;
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

// --- how it answers ---

static void answer_call(struct source *source, const struct call *asked)
{
    static uint8_t bytes[ANSWER_BYTES];
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
            end_lease(&lease_rows[asked->row], asked->lease);
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
        size_t length = write_answer(source, call->method, asked->row, bytes);
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
    struct pt_seen_event seen = *event;
    pt_round_note_event(world.round, &seen);
    pt_tracker_event(world.story.tracker, &seen);
}

static void on_image(void *context, const struct pt_seen_image *image)
{
    (void)context;
    pt_round_note_image(world.round, image);
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
    assert(world.call_count == 0 && world.round->step == STEP_IDLE && world.ends == 1);
    story_check(&world.story, fuzz_now_ns);
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
            fuzz_now_ns += (1 + take(source)) * PT_NS_PER_S;
            break;
        default:
            look(source);
            fuzz_now_ns += (1 + take(source) % 32) * 100 * PT_NS_PER_MS;
            rounds++;
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pt_containerd *containerd;
    struct pt_containerd_events *events;
    const struct pt_tracker_options tracker = {.on_change = story_on_change,
                                               .context = &world.story};
    pt_log_set_descriptor(-1);
    world = (struct world){.source = {data, size}};
    fuzz_now_ns = START + PT_NS_PER_S;
    memset(lease_rows, 0, sizeof(lease_rows));
    if (pt_containerd_create(NULL, "socket", "/", &containerd, NULL) < 0)
        return 0;
    const struct pt_round_options round = {.containerd = containerd,
                                           .clock = &fuzz_clock,
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
    struct pt_error err;
    r = pt_containerd_events_start(events, &err);
    assert(r == 0);
    happen(&world.source);
    pt_containerd_destroy(containerd);
    pt_containerd_events_destroy(events);
    pt_round_destroy(world.round);
    pt_tracker_destroy(world.story.tracker);
    return 0;
}

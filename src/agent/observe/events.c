// SPDX-License-Identifier: Apache-2.0
#include "agent/observe/events.h"

#include "containerd/containerd_api.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct pt_containerd_events {
    struct pt_containerd_events_options options;
    bool is_standing;
};

// `extract-<number>-<random> <chain ID>`; other keys are those of containers.
static const char *chain_of_key(const char *key)
{
    const char *space = strchr(key, ' ');
    return strncmp(key, "extract-", 8) == 0 && space ? space + 1 : NULL;
}

static void emit_event(struct pt_containerd_events *events, const Ctrd__Envelope *envelope,
                       struct pt_seen_event *event)
{
    if (!event->subject)
        return;
    event->namespace = envelope->namespace_;
    event->at = pt_containerd_time(envelope->timestamp);
    events->options.on_event(events->options.context, event);
}

static void emit(struct pt_containerd_events *events, enum pt_seen_event_kind kind,
                 const Ctrd__Envelope *envelope, const char *subject)
{
    struct pt_seen_event event = {.kind = kind, .subject = subject};
    emit_event(events, envelope, &event);
}

static void take_prepare(struct pt_containerd_events *events, const Ctrd__Envelope *envelope)
{
    const ProtobufCBinaryData *value = &envelope->event->value;
    Ctrd__SnapshotPrepareEvent *event =
        ctrd__snapshot_prepare_event__unpack(NULL, value->len, value->data);
    if (!event)
        return;
    struct pt_seen_event seen = {
        .kind = PT_SEEN_SNAPSHOT_PREPARED,
        .subject = chain_of_key(event->key),
        .is_apart = !event->parent || !event->parent[0],
    };
    emit_event(events, envelope, &seen);
    ctrd__snapshot_prepare_event__free_unpacked(event, NULL);
}

static void take_commit(struct pt_containerd_events *events, const Ctrd__Envelope *envelope)
{
    const ProtobufCBinaryData *value = &envelope->event->value;
    Ctrd__SnapshotCommitEvent *event =
        ctrd__snapshot_commit_event__unpack(NULL, value->len, value->data);
    if (!event)
        return;
    emit(events, PT_SEEN_SNAPSHOT_COMMITTED, envelope, event->name);
    ctrd__snapshot_commit_event__free_unpacked(event, NULL);
}

// What is extracted into goes with the pull that has failed.
static void take_remove(struct pt_containerd_events *events, const Ctrd__Envelope *envelope)
{
    const ProtobufCBinaryData *value = &envelope->event->value;
    Ctrd__SnapshotRemoveEvent *event =
        ctrd__snapshot_remove_event__unpack(NULL, value->len, value->data);
    if (!event)
        return;
    emit(events, PT_SEEN_EXTRACTION_REMOVED, envelope, chain_of_key(event->key));
    ctrd__snapshot_remove_event__free_unpacked(event, NULL);
}

static void take_content(struct pt_containerd_events *events, const Ctrd__Envelope *envelope)
{
    const ProtobufCBinaryData *value = &envelope->event->value;
    Ctrd__ContentCreateEvent *event =
        ctrd__content_create_event__unpack(NULL, value->len, value->data);
    if (!event)
        return;
    emit(events, PT_SEEN_CONTENT_CREATED, envelope, event->digest);
    ctrd__content_create_event__free_unpacked(event, NULL);
}

static size_t count_cri_labels(const Ctrd__ImageEvent *event)
{
    size_t count = 0;
    for (size_t i = 0; i < event->n_labels; i++)
        count += strncmp(event->labels[i]->key, "io.cri-containerd.", 18) == 0;
    return count;
}

static void take_image(struct pt_containerd_events *events, const Ctrd__Envelope *envelope)
{
    const ProtobufCBinaryData *value = &envelope->event->value;
    Ctrd__ImageEvent *event = ctrd__image_event__unpack(NULL, value->len, value->data);
    if (!event)
        return;
    size_t cri_labels = count_cri_labels(event);
    const struct pt_seen_image image = {
        .namespace = envelope->namespace_,
        .name = event->name,
        .written_at = pt_containerd_time(envelope->timestamp),
        // A pull writes it with none but the CRI plugin's labels; other updates set labels.
        .is_repull =
            strcmp(envelope->topic, "/images/update") == 0 && cri_labels == event->n_labels,
        .is_bare = cri_labels == 0,
    };
    events->options.on_image(events->options.context, &image);
    ctrd__image_event__free_unpacked(event, NULL);
}

static void on_envelope(void *context, const Ctrd__Envelope *envelope)
{
    static const struct {
        const char *topic;
        void (*take)(struct pt_containerd_events *events, const Ctrd__Envelope *envelope);
    } topics[] = {
        {"/snapshot/prepare", take_prepare}, {"/snapshot/commit", take_commit},
        {"/content/create", take_content},   {"/images/create", take_image},
        {"/images/update", take_image},      {"/snapshot/remove", take_remove},
    };
    for (size_t i = 0; envelope->event && i < sizeof(topics) / sizeof(topics[0]); i++) {
        if (strcmp(envelope->topic, topics[i].topic) == 0)
            topics[i].take(context, envelope);
    }
}

static void on_end(void *context, const struct pt_grpc_status *status)
{
    struct pt_containerd_events *events = context;
    events->is_standing = false;
    events->options.on_broken(events->options.context, status->message);
}

int pt_containerd_events_create(const struct pt_containerd_events_options *options,
                                struct pt_containerd_events **ret_events, struct pt_error *err)
{
    struct pt_containerd_events *events = calloc(1, sizeof(*events));
    if (!events)
        return pt_error_set(err, ENOMEM, "out of memory");
    events->options = *options;
    *ret_events = events;
    return 0;
}

void pt_containerd_events_destroy(struct pt_containerd_events *events)
{
    free(events);
}

int pt_containerd_events_start(struct pt_containerd_events *events, struct pt_error *err)
{
    if (events->is_standing)
        return 0;
    int r = pt_containerd_subscribe(events->options.containerd, on_envelope, on_end, events, err);
    events->is_standing = r == 0;
    return r;
}

// SPDX-License-Identifier: Apache-2.0
#include "containerd/containerd_api.h"

#include "base/clock.h"
#include "base/limits.h"
#include "containerd/arena.h"
#include "containerd/socket_check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#define MAX_REQUEST_BYTES (16 * 1024)

struct pt_containerd {
    struct pt_grpc_client *grpc;
    LIST_HEAD(, call) calls;
    char *socket_path;
    char *socket_directories;
    int64_t peer;
};

// A call under way, from the start to its answer.
struct call {
    LIST_ENTRY(call) link;
    const ProtobufCMessageDescriptor *response;
    ProtobufCMessage *message; // of a unary call, in the arena
    struct pt_arena arena;
    struct pt_buffer content; // of a read
    pt_containerd_answer *answer;
    void (*on_event)(void *context, const Ctrd__Envelope *envelope);
    void (*on_end)(void *context, const struct pt_grpc_status *status);
    void *context;
};

static struct call *new_call(struct pt_containerd *containerd, void *context)
{
    struct call *call = calloc(1, sizeof(*call));
    if (!call)
        return NULL;
    call->context = context;
    pt_buffer_init(&call->content, PT_LIMIT_MANIFEST_BYTES);
    pt_arena_init(&call->arena);
    LIST_INSERT_HEAD(&containerd->calls, call, link);
    return call;
}

static void release_call(struct call *call)
{
    pt_arena_finish(&call->arena);
    pt_buffer_finish(&call->content);
    free(call);
}

static void free_call(struct call *call)
{
    LIST_REMOVE(call, link);
    release_call(call);
}

// --- the connection ---

static int check_peer(void *context, int fd, struct pt_error *err)
{
    struct pt_containerd *containerd = context;
    pid_t pid;
    int r = pt_socket_check_peer(fd, &pid, err);
    if (r == 0)
        containerd->peer = pid ? pid : pt_socket_check_making(containerd->socket_path);
    return r;
}

int pt_containerd_create(struct pt_http_client *http, const char *socket_path,
                         const char *socket_directories, struct pt_containerd **ret_containerd,
                         struct pt_error *err)
{
    struct pt_containerd *containerd = calloc(1, sizeof(*containerd));
    if (!containerd)
        return pt_error_set(err, ENOMEM, "out of memory");
    containerd->socket_path = strdup(socket_path);
    containerd->socket_directories = strdup(socket_directories);
    int r = containerd->socket_path && containerd->socket_directories
                ? pt_grpc_client_create(http, socket_path, check_peer, containerd,
                                        &containerd->grpc, err)
                : pt_error_set(err, ENOMEM, "out of memory");
    if (r < 0)
        pt_containerd_destroy(containerd);
    else
        *ret_containerd = containerd;
    return r;
}

void pt_containerd_destroy(struct pt_containerd *containerd)
{
    if (!containerd)
        return;
    pt_grpc_client_destroy(containerd->grpc);
    struct call *call = LIST_FIRST(&containerd->calls);
    while (call) {
        struct call *next = LIST_NEXT(call, link);
        release_call(call);
        call = next;
    }
    free(containerd->socket_path);
    free(containerd->socket_directories);
    free(containerd);
}

int64_t pt_containerd_peer(const struct pt_containerd *containerd)
{
    return containerd->peer;
}

// --- calls ---

static int on_message(void *context, const uint8_t *bytes, size_t length)
{
    struct call *call = context;
    if (call->message)
        return -EPROTO; // a unary call has one answer
    call->message =
        protobuf_c_message_unpack(call->response, &call->arena.allocator, length, bytes);
    return call->message ? 0 : -EBADMSG;
}

static void answer(struct call *call, const struct pt_grpc_status *status, const void *message)
{
    call->answer(call->context, status, status->code == PT_GRPC_OK ? message : NULL);
    free_call(call);
}

static void on_unary_end(void *context, const struct pt_grpc_status *status)
{
    static const struct pt_grpc_status empty = {PT_GRPC_UNKNOWN, true, "the answer is empty"};
    struct call *call = context;
    if (status->code == PT_GRPC_OK && !call->message)
        status = &empty;
    answer(call, status, call->message);
}

// The socket is checked before each call, so that one replaced meanwhile is noticed. `call` is
// consumed: freed when this fails.
static int start(struct pt_containerd *containerd, struct call *call,
                 struct pt_grpc_options *options, const ProtobufCMessage *request,
                 struct pt_error *err)
{
    uint8_t bytes[MAX_REQUEST_BYTES];
    int r = pt_socket_check_path(containerd->socket_path, containerd->socket_directories, err);
    if (r == 0 && protobuf_c_message_get_packed_size(request) > sizeof(bytes))
        r = pt_error_set(err, EMSGSIZE, "the request is too large");
    if (r == 0) {
        options->message = bytes;
        options->message_length = protobuf_c_message_pack(request, bytes);
        options->context = call;
        r = pt_grpc_call_start(containerd->grpc, options, err);
    }
    if (r < 0)
        free_call(call);
    return r;
}

static int call_for(struct pt_containerd *containerd, const char *namespace, const char *method,
                    const void *request, const ProtobufCMessageDescriptor *response,
                    size_t max_message_bytes, pt_containerd_answer *answer_fn, void *context,
                    struct pt_error *err)
{
    struct call *call = new_call(containerd, context);
    if (!call)
        return pt_error_set(err, ENOMEM, "out of memory");
    call->response = response;
    call->answer = answer_fn;
    struct pt_grpc_options options = {
        .method = method,
        .namespace = namespace,
        .timeout_ms = PT_LIMIT_GRPC_CALL_MS,
        .max_message_bytes = max_message_bytes,
        .on_message = on_message,
        .on_end = on_unary_end,
    };
    return start(containerd, call, &options, request, err);
}

static int call_unary(struct pt_containerd *containerd, const char *namespace, const char *method,
                      const void *request, const ProtobufCMessageDescriptor *response,
                      pt_containerd_answer *answer_fn, void *context, struct pt_error *err)
{
    return call_for(containerd, namespace, method, request, response, PT_LIMIT_GRPC_MESSAGE_BYTES,
                    answer_fn, context, err);
}

int pt_containerd_version(struct pt_containerd *containerd, pt_containerd_answer *answer_fn,
                          void *context, struct pt_error *err)
{
    const Ctrd__Empty request = CTRD__EMPTY__INIT;
    return call_unary(containerd, NULL, "/containerd.services.version.v1.Version/Version", &request,
                      &ctrd__version_response__descriptor, answer_fn, context, err);
}

int pt_containerd_list_namespaces(struct pt_containerd *containerd, pt_containerd_answer *answer_fn,
                                  void *context, struct pt_error *err)
{
    const Ctrd__ListNamespacesRequest request = CTRD__LIST_NAMESPACES_REQUEST__INIT;
    return call_unary(containerd, NULL, "/containerd.services.namespaces.v1.Namespaces/List",
                      &request, &ctrd__list_namespaces_response__descriptor, answer_fn, context,
                      err);
}

int pt_containerd_list_leases(struct pt_containerd *containerd, const char *namespace,
                              const char *filter, pt_containerd_answer *answer_fn, void *context,
                              struct pt_error *err)
{
    Ctrd__ListLeasesRequest request = CTRD__LIST_LEASES_REQUEST__INIT;
    request.filters = (char **)&filter;
    request.n_filters = filter ? 1 : 0;
    return call_for(containerd, namespace, "/containerd.services.leases.v1.Leases/List", &request,
                    &ctrd__list_leases_response__descriptor, PT_LIMIT_LEASES_BYTES, answer_fn,
                    context, err);
}

int pt_containerd_list_resources(struct pt_containerd *containerd, const char *namespace,
                                 const char *lease, pt_containerd_answer *answer_fn, void *context,
                                 struct pt_error *err)
{
    Ctrd__ListResourcesRequest request = CTRD__LIST_RESOURCES_REQUEST__INIT;
    request.id = (char *)lease;
    return call_unary(containerd, namespace, "/containerd.services.leases.v1.Leases/ListResources",
                      &request, &ctrd__list_resources_response__descriptor, answer_fn, context,
                      err);
}

int pt_containerd_list_ingests(struct pt_containerd *containerd, const char *namespace,
                               pt_containerd_answer *answer_fn, void *context, struct pt_error *err)
{
    const Ctrd__ListStatusesRequest request = CTRD__LIST_STATUSES_REQUEST__INIT;
    return call_unary(containerd, namespace, "/containerd.services.content.v1.Content/ListStatuses",
                      &request, &ctrd__list_statuses_response__descriptor, answer_fn, context, err);
}

int pt_containerd_content_info(struct pt_containerd *containerd, const char *namespace,
                               const char *digest, pt_containerd_answer *answer_fn, void *context,
                               struct pt_error *err)
{
    Ctrd__ContentInfoRequest request = CTRD__CONTENT_INFO_REQUEST__INIT;
    request.digest = (char *)digest;
    return call_unary(containerd, namespace, "/containerd.services.content.v1.Content/Info",
                      &request, &ctrd__content_info_response__descriptor, answer_fn, context, err);
}

int pt_containerd_get_image(struct pt_containerd *containerd, const char *namespace,
                            const char *name, pt_containerd_answer *answer_fn, void *context,
                            struct pt_error *err)
{
    Ctrd__GetImageRequest request = CTRD__GET_IMAGE_REQUEST__INIT;
    request.name = (char *)name;
    return call_unary(containerd, namespace, "/containerd.services.images.v1.Images/Get", &request,
                      &ctrd__get_image_response__descriptor, answer_fn, context, err);
}

int pt_containerd_list_images(struct pt_containerd *containerd, const char *namespace,
                              const char *target_digest, pt_containerd_answer *answer_fn,
                              void *context, struct pt_error *err)
{
    char filter[PT_LIMIT_DIGEST_BYTES + 32];
    char *filters[] = {filter};
    Ctrd__ListImagesRequest request = CTRD__LIST_IMAGES_REQUEST__INIT;
    if (target_digest) {
        snprintf(filter, sizeof(filter), "target.digest==%s", target_digest);
        request.n_filters = 1;
        request.filters = filters;
    }
    size_t limit = target_digest ? PT_LIMIT_GRPC_MESSAGE_BYTES : PT_LIMIT_IMAGE_RECORDS_BYTES;
    return call_for(containerd, namespace, "/containerd.services.images.v1.Images/List", &request,
                    &ctrd__list_images_response__descriptor, limit, answer_fn, context, err);
}

int pt_containerd_stat_snapshot(struct pt_containerd *containerd, const char *namespace,
                                const char *snapshotter, const char *key,
                                pt_containerd_answer *answer_fn, void *context,
                                struct pt_error *err)
{
    Ctrd__StatSnapshotRequest request = CTRD__STAT_SNAPSHOT_REQUEST__INIT;
    request.snapshotter = (char *)snapshotter;
    request.key = (char *)key;
    return call_unary(containerd, namespace, "/containerd.services.snapshots.v1.Snapshots/Stat",
                      &request, &ctrd__stat_snapshot_response__descriptor, answer_fn, context, err);
}

int pt_containerd_snapshot_usage(struct pt_containerd *containerd, const char *namespace,
                                 const char *snapshotter, const char *key,
                                 pt_containerd_answer *answer_fn, void *context,
                                 struct pt_error *err)
{
    Ctrd__UsageRequest request = CTRD__USAGE_REQUEST__INIT;
    request.snapshotter = (char *)snapshotter;
    request.key = (char *)key;
    return call_unary(containerd, namespace, "/containerd.services.snapshots.v1.Snapshots/Usage",
                      &request, &ctrd__usage_response__descriptor, answer_fn, context, err);
}

// --- streams ---

static int on_content(void *context, const uint8_t *bytes, size_t length)
{
    struct call *call = context;
    Ctrd__ReadContentResponse *part = ctrd__read_content_response__unpack(NULL, length, bytes);
    if (!part)
        return -EBADMSG;
    int r = pt_buffer_append(&call->content, part->data.data, part->data.len);
    ctrd__read_content_response__free_unpacked(part, NULL);
    return r;
}

static void on_content_end(void *context, const struct pt_grpc_status *status)
{
    struct call *call = context;
    answer(call, status, &call->content);
}

int pt_containerd_read_content(struct pt_containerd *containerd, const char *namespace,
                               const char *digest, int64_t limit, pt_containerd_answer *answer_fn,
                               void *context, struct pt_error *err)
{
    struct call *call = new_call(containerd, context);
    if (!call)
        return pt_error_set(err, ENOMEM, "out of memory");
    call->answer = answer_fn;
    Ctrd__ReadContentRequest request = CTRD__READ_CONTENT_REQUEST__INIT;
    request.digest = (char *)digest;
    request.size = limit;
    struct pt_grpc_options options = {
        .method = "/containerd.services.content.v1.Content/Read",
        .namespace = namespace,
        .timeout_ms = PT_LIMIT_GRPC_CALL_MS,
        .max_message_bytes = PT_LIMIT_GRPC_MESSAGE_BYTES,
        .on_message = on_content,
        .on_end = on_content_end,
    };
    return start(containerd, call, &options, &request.base, err);
}

static int on_envelope(void *context, const uint8_t *bytes, size_t length)
{
    struct call *call = context;
    Ctrd__Envelope *envelope = ctrd__envelope__unpack(NULL, length, bytes);
    if (!envelope)
        return -EBADMSG;
    call->on_event(call->context, envelope);
    ctrd__envelope__free_unpacked(envelope, NULL);
    return 0;
}

static void on_subscription_end(void *context, const struct pt_grpc_status *status)
{
    struct call *call = context;
    call->on_end(call->context, status);
    free_call(call);
}

int pt_containerd_subscribe(struct pt_containerd *containerd,
                            void (*on_event)(void *context, const Ctrd__Envelope *envelope),
                            void (*on_end)(void *context, const struct pt_grpc_status *status),
                            void *context, struct pt_error *err)
{
    static const char *const filters[] = {
        "topic==\"/images/create\"",    "topic==\"/images/update\"",
        "topic==\"/snapshot/prepare\"", "topic==\"/snapshot/commit\"",
        "topic==\"/content/create\"",   "topic==\"/snapshot/remove\",event.key~=\"extract-\"",
    };
    struct call *call = new_call(containerd, context);
    if (!call)
        return pt_error_set(err, ENOMEM, "out of memory");
    call->on_event = on_event;
    call->on_end = on_end;
    Ctrd__SubscribeRequest request = CTRD__SUBSCRIBE_REQUEST__INIT;
    request.n_filters = sizeof(filters) / sizeof(filters[0]);
    request.filters = (char **)filters;
    struct pt_grpc_options options = {
        .method = "/containerd.services.events.v1.Events/Subscribe",
        .max_message_bytes = PT_LIMIT_GRPC_MESSAGE_BYTES,
        .on_message = on_envelope,
        .on_end = on_subscription_end,
    };
    return start(containerd, call, &options, &request.base, err);
}

int64_t pt_containerd_time(const Ctrd__Timestamp *timestamp)
{
    if (!timestamp || timestamp->seconds <= 0 || timestamp->seconds > INT64_MAX / PT_NS_PER_S - 1 ||
        timestamp->nanos < 0 || timestamp->nanos >= PT_NS_PER_S)
        return 0;
    return timestamp->seconds * PT_NS_PER_S + timestamp->nanos;
}

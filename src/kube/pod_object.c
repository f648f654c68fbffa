// SPDX-License-Identifier: Apache-2.0
#include "kube/kube_object.h"

#include "kube/object_fields.h"
#include "pull/image_ref.h"

#include <errno.h>
#include <string.h>

#define HASH_DIGITS 32

static bool equal(const char *a, const char *b)
{
    return a && b && strcmp(a, b) == 0;
}

// The element of an array whose `key` is `value`; NULL if there is none.
static yyjson_val *find_by(yyjson_val *array, const char *key, const char *value)
{
    size_t index, max;
    yyjson_val *element;
    yyjson_arr_foreach(array, index, max, element)
    {
        if (equal(pt_kube_text(element, key), value))
            return element;
    }
    return NULL;
}

static int64_t waiting_since(yyjson_val *metadata, yyjson_val *status)
{
    yyjson_val *scheduled = find_by(yyjson_obj_get(status, "conditions"), "type", "PodScheduled");
    int64_t at = equal(pt_kube_text(scheduled, "status"), "True")
                     ? pt_kube_time(scheduled, "lastTransitionTime")
                     : 0;
    return at ? at : pt_kube_time(metadata, "creationTimestamp");
}

static enum pt_kube_sandbox sandbox_of(yyjson_val *status)
{
    yyjson_val *conditions = yyjson_obj_get(status, "conditions");
    const char *stands =
        pt_kube_text(find_by(conditions, "type", "PodReadyToStartContainers"), "status");
    if (equal(stands, "True"))
        return PT_KUBE_SANDBOX_READY;
    return equal(stands, "False") ? PT_KUBE_SANDBOX_MISSING : PT_KUBE_SANDBOX_UNKNOWN;
}

static struct pt_kube_container *add_waiting(struct pt_kube_pod *pod)
{
    if (pod->waiting_count == PT_LIMIT_CONTAINERS_PER_POD)
        return NULL;
    struct pt_kube_container *container = &pod->waiting[pod->waiting_count++];
    *container = (struct pt_kube_container){0};
    return container;
}

static bool is_same_image(const char *a, const char *b)
{
    struct pt_image_ref of_a, of_b;
    if (strcmp(a, b) == 0)
        return true;
    if (pt_image_ref_parse(a, &of_a) < 0 || pt_image_ref_parse(b, &of_b) < 0)
        return false;
    bool is_same_tag = strcmp(of_a.tag, of_b.tag) == 0;
    return strcmp(of_a.host, of_b.host) == 0 && strcmp(of_a.path, of_b.path) == 0 &&
           strcmp(of_a.digest, of_b.digest) == 0 &&
           (is_same_tag || *of_a.digest); // runtimes leave out the tag before a digest
}

// Of a container that has never run the status names the image that the kubelet was asked for;
// later it is whatever name the runtime knows it by.
static const char *status_image(yyjson_val *status)
{
    if (yyjson_get_int(yyjson_obj_get(status, "restartCount")) > 0 ||
        yyjson_obj_size(yyjson_obj_get(status, "lastState")) > 0)
        return NULL;
    const char *image = pt_kube_short_text(status, "image", PT_LIMIT_REFERENCE_BYTES);
    return image && *image ? image : NULL;
}

// A failure of the image that the container had before its pod was given another one.
static bool is_of_other_image(const char *image, yyjson_val *status,
                              const struct pt_kubelet_message *message)
{
    const char *before = status_image(status);
    return (*message->image && !is_same_image(message->image, image)) ||
           (before && !is_same_image(before, image));
}

// Where both are of one image, the volume comes first, so that the container's own was not asked
// for.
static bool is_of_volume(const struct pt_kubelet_message *message, const char *image,
                         const struct pt_kube_container *volume)
{
    const char *error = message->error ? message->error : "";
    return is_same_image(image, volume->image) ||
           (*message->image && is_same_image(message->image, volume->image)) ||
           (strstr(error, volume->image) && !strstr(error, image));
}

// Whether the failure is the container's own. The kubelet gives that of a volume's image as the
// waiting reason of the containers that mount it: it goes to the volume that its words name. Words
// that name neither may be of either; events, and the back-off, name it.
static bool is_own_failure(struct pt_kube_pod *pod, yyjson_val *spec, const char *image,
                           const struct pt_kubelet_message *message)
{
    yyjson_val *mounts = yyjson_obj_get(spec, "volumeMounts");
    bool is_own = true;
    bool is_named = *message->image || (message->error && strstr(message->error, image));
    if (!pt_kubelet_word_is_failure(message->word))
        return true;
    for (size_t i = 0; i < pod->waiting_count; i++) {
        struct pt_kube_container *volume = &pod->waiting[i];
        if (volume->kind != PT_KUBE_IMAGE_VOLUME)
            continue;
        if (is_of_volume(message, image, volume)) {
            volume->word = message->word;
            volume->error = message->error;
            return false;
        }
        if (!is_named && find_by(mounts, "name", volume->name)) {
            volume->may_have_failed = true;
            is_own = false;
        }
    }
    return is_own;
}

// Which containers the kubelet starts now.
struct turn {
    bool has_come;
    int64_t at; // the last init container let the next ones, 0: none stands before
};

// A container that waits for something else than its image, as after a crash, is left out.
static void add_container(struct pt_kube_pod *pod, yyjson_val *spec, yyjson_val *status,
                          enum pt_kube_container_kind kind, struct turn turn)
{
    const char *name = pt_kube_name(spec, "name");
    const char *image = pt_kube_short_text(spec, "image", PT_LIMIT_REFERENCE_BYTES);
    yyjson_val *state = yyjson_obj_get(status, "state");
    yyjson_val *waiting = yyjson_obj_get(state, "waiting");
    struct pt_kubelet_message message = {.word = PT_KUBELET_WAITING};
    if (!name || !image || yyjson_obj_get(state, "running") || yyjson_obj_get(state, "terminated"))
        return;
    // The kubelet has said nothing of it yet: it waits all the same.
    if (waiting && pt_kube_text(waiting, "reason"))
        pt_kubelet_state_parse(pt_kube_text(waiting, "reason"), pt_kube_text(waiting, "message"),
                               &message);
    if (message.word == PT_KUBELET_OTHER)
        return;
    bool is_own = is_own_failure(pod, spec, image, &message);
    if (!is_own || is_of_other_image(image, status, &message)) {
        message.word = PT_KUBELET_WAITING;
        message.error = NULL;
    }
    struct pt_kube_container *container = add_waiting(pod);
    if (!container)
        return;
    container->name = name;
    container->image = image;
    container->kind = kind;
    container->word = message.word;
    container->error = message.error;
    container->is_on_turn = turn.has_come && is_own;
    container->turn_at = turn.at;
}

static void add_containers(struct pt_kube_pod *pod, yyjson_val *specs, yyjson_val *statuses,
                           enum pt_kube_container_kind kind, struct turn turn)
{
    size_t index, max;
    yyjson_val *spec;
    yyjson_arr_foreach(specs, index, max, spec)
    {
        yyjson_val *status = find_by(statuses, "name", pt_kube_text(spec, "name"));
        add_container(pod, spec, status, kind, turn);
    }
}

// An init container lets the next one start: it has ended well, or is a sidecar that has started.
static bool is_passed(yyjson_val *spec, yyjson_val *status)
{
    yyjson_val *terminated = yyjson_obj_get(yyjson_obj_get(status, "state"), "terminated");
    if (terminated)
        return yyjson_get_int(yyjson_obj_get(terminated, "exitCode")) == 0;
    return equal(pt_kube_text(spec, "restartPolicy"), "Always") &&
           yyjson_is_true(yyjson_obj_get(status, "started"));
}

// When an init container that is passed ended or, a sidecar, was started. No field says when the
// startup probe of one succeeded.
static int64_t passed_at(yyjson_val *spec, yyjson_val *status)
{
    yyjson_val *state = yyjson_obj_get(status, "state");
    int64_t at = pt_kube_time(yyjson_obj_get(state, "terminated"), "finishedAt");
    if (at)
        return at;
    return yyjson_obj_get(spec, "startupProbe")
               ? PT_KUBE_JUST_NOW
               : pt_kube_time(yyjson_obj_get(state, "running"), "startedAt");
}

// Returns whether all of them are passed, so that the main containers are on turn.
static struct turn add_init_containers(struct pt_kube_pod *pod, yyjson_val *specs,
                                       yyjson_val *statuses)
{
    size_t index, max;
    yyjson_val *spec;
    struct turn turn = {.has_come = true};
    yyjson_arr_foreach(specs, index, max, spec)
    {
        yyjson_val *status = find_by(statuses, "name", pt_kube_text(spec, "name"));
        add_container(pod, spec, status, PT_KUBE_INIT_CONTAINER, turn);
        turn.has_come = turn.has_come && is_passed(spec, status);
        int64_t at = turn.has_come ? passed_at(spec, status) : 0;
        if (at > turn.at || (at && turn.at == PT_KUBE_JUST_NOW))
            turn.at = at;
    }
    return turn;
}

static bool any_has_started(yyjson_val *statuses)
{
    size_t index, max;
    yyjson_val *status;
    yyjson_arr_foreach(statuses, index, max, status)
    {
        yyjson_val *state = yyjson_obj_get(status, "state");
        if (yyjson_obj_get(state, "running") || yyjson_obj_get(state, "terminated") ||
            yyjson_obj_size(yyjson_obj_get(status, "lastState")) > 0)
            return true;
    }
    return false;
}

static void add_image_volumes(struct pt_kube_pod *pod, yyjson_val *volumes)
{
    size_t index, max;
    yyjson_val *volume;
    yyjson_arr_foreach(volumes, index, max, volume)
    {
        const char *reference = pt_kube_short_text(yyjson_obj_get(volume, "image"), "reference",
                                                   PT_LIMIT_REFERENCE_BYTES);
        const char *name = pt_kube_name(volume, "name");
        struct pt_kube_container *container = reference && name ? add_waiting(pod) : NULL;
        if (!container)
            continue;
        container->name = name;
        container->image = reference;
        container->kind = PT_KUBE_IMAGE_VOLUME;
        container->word = PT_KUBELET_WAITING;
        container->is_on_turn = true;
    }
}

// The kubelet pulls the images of volumes before it starts any container, and then starts those
// that do not mount what has failed.
static void leave_out_volumes_that_are_there(struct pt_kube_pod *pod)
{
    size_t kept = 0;
    for (size_t i = 0; i < pod->waiting_count; i++) {
        const struct pt_kube_container *waiting = &pod->waiting[i];
        if (waiting->kind != PT_KUBE_IMAGE_VOLUME || waiting->word != PT_KUBELET_WAITING ||
            waiting->may_have_failed)
            pod->waiting[kept++] = *waiting;
    }
    pod->waiting_count = kept;
}

// A static pod is listed as a mirror of it, whose uid is its own; events name the static pod's, the
// hash of its manifest (https://kubernetes.io/docs/reference/labels-annotations-taints/). A uid
// that another pod could have is not taken from an annotation, which anybody may write.
static const char *uid_of(yyjson_val *metadata)
{
    const char *hash =
        pt_kube_name(yyjson_obj_get(metadata, "annotations"), "kubernetes.io/config.mirror");
    bool is_hash =
        hash && strlen(hash) == HASH_DIGITS && strspn(hash, "0123456789abcdef") == HASH_DIGITS;
    return is_hash ? hash : pt_kube_name(metadata, "uid");
}

int pt_kube_pod_decode(yyjson_val *object, struct pt_kube_pod *ret_pod)
{
    yyjson_val *metadata = yyjson_obj_get(object, "metadata");
    yyjson_val *spec = yyjson_obj_get(object, "spec");
    yyjson_val *status = yyjson_obj_get(object, "status");
    const char *phase = pt_kube_text(status, "phase");
    struct pt_kube_pod *pod = ret_pod;
    pod->uid = uid_of(metadata);
    pod->name_space = pt_kube_name(metadata, "namespace");
    pod->name = pt_kube_name(metadata, "name");
    pod->node = pt_kube_name(spec, "nodeName");
    pod->waiting_since = waiting_since(metadata, status);
    pod->is_leaving = yyjson_obj_get(metadata, "deletionTimestamp") || equal(phase, "Failed");
    pod->sandbox = sandbox_of(status);
    pod->waiting_count = 0;
    if (!pod->uid || !pod->name_space || !pod->name)
        return -EINVAL;
    if (!pod->node || pod->is_leaving || equal(phase, "Succeeded"))
        return 0;
    yyjson_val *init_statuses = yyjson_obj_get(status, "initContainerStatuses");
    yyjson_val *statuses = yyjson_obj_get(status, "containerStatuses");
    add_image_volumes(pod, yyjson_obj_get(spec, "volumes"));
    struct turn turn =
        add_init_containers(pod, yyjson_obj_get(spec, "initContainers"), init_statuses);
    add_containers(pod, yyjson_obj_get(spec, "containers"), statuses, PT_KUBE_CONTAINER, turn);
    add_containers(pod, yyjson_obj_get(spec, "ephemeralContainers"),
                   yyjson_obj_get(status, "ephemeralContainerStatuses"),
                   PT_KUBE_EPHEMERAL_CONTAINER, (struct turn){.has_come = true});
    if (any_has_started(init_statuses) || any_has_started(statuses))
        leave_out_volumes_that_are_there(pod);
    return 0;
}

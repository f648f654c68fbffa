// SPDX-License-Identifier: Apache-2.0
#ifndef PT_KUBE_KUBE_OBJECT_H
#define PT_KUBE_KUBE_OBJECT_H

#include "base/error.h"
#include "base/limits.h"
#include "kube/kubelet_message.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <yyjson.h>

// What Pulltrace reads of pods and events. Text is borrowed from the JSON; NULL when not said.

enum pt_kube_container_kind {
    PT_KUBE_CONTAINER,
    PT_KUBE_INIT_CONTAINER, // sidecars too
    PT_KUBE_EPHEMERAL_CONTAINER,
    PT_KUBE_IMAGE_VOLUME,
    PT_KUBE_SANDBOX, // what all containers of the pod stand in
};

// Whether the pod's sandbox and network stand, by its condition PodReadyToStartContainers.
enum pt_kube_sandbox {
    PT_KUBE_SANDBOX_UNKNOWN, // kubelets before 1.29 do not say
    PT_KUBE_SANDBOX_MISSING,
    PT_KUBE_SANDBOX_READY,
};

// When the last init container let the next ones, where no field of its status says so: it is a
// sidecar with a startup probe, and the pod has come as soon as that had succeeded.
#define PT_KUBE_JUST_NOW INT64_MAX

// A container, or a volume, that cannot start before its image is on the node.
struct pt_kube_container {
    const char *name;
    const char *image; // as the pod's spec names it
    enum pt_kube_container_kind kind;
    enum pt_kubelet_word word; // PT_KUBELET_WAITING, or the failure that the kubelet reports
    const char *error;         // its words, or NULL
    bool may_have_failed;      // a volume: of it or of who mounts it, the words do not say which
    bool is_on_turn;           // no init container stands before it
    int64_t turn_at; // wall_ns of the node, or PT_KUBE_JUST_NOW: the last one let it; 0: none did
};

struct pt_kube_pod {
    const char *uid; // as events name it
    const char *name_space;
    const char *name;
    const char *node;      // NULL: not scheduled
    int64_t waiting_since; // wall_ns: scheduled, else created
    bool is_leaving;       // deleted, evicted or otherwise failed: it waits for nothing any more
    enum pt_kube_sandbox sandbox;
    struct pt_kube_container waiting[PT_LIMIT_CONTAINERS_PER_POD];
    size_t waiting_count;
};

// Reads a pod (https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/) and
// finds what waits in it. -EINVAL if it has no uid, namespace or name. Texts that are too long
// count as missing.
PT_MUST_CHECK int pt_kube_pod_decode(yyjson_val *object, struct pt_kube_pod *ret_pod);

// An event of the kubelet about a pod's image.
struct pt_kube_event {
    const char *uid; // of the event
    const char *name_space;
    const char *pod;
    const char *pod_uid;
    const char *node;   // of the kubelet that wrote it; empty if nothing says so
    bool is_listed;     // it was written before the list that holds it
    char container[64]; // empty: of the pod as a whole, as for an image volume
    enum pt_kube_container_kind kind;
    int64_t first_at;   // wall_ns
    int64_t last_at;    // wall_ns
    int64_t written_at; // wall_ns of the API server's clock, as those two are of the node's
    int64_t count;      // how often it has occurred, 1 to PT_LIMIT_EVENT_COUNT
    struct pt_kubelet_message message;
};

// Reads an event (https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/
// in its core/v1 form). message.word is PT_KUBELET_OTHER if it is not about a pod's image; nothing
// else is set then. -EINVAL if it lacks what names the pod.
PT_MUST_CHECK int pt_kube_event_decode(yyjson_val *object, struct pt_kube_event *ret_event);

#endif

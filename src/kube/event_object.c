// SPDX-License-Identifier: Apache-2.0
#include "kube/kube_object.h"

#include "base/clock.h"
#include "base/saturate.h"
#include "kube/object_fields.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// `spec.initContainers{name}`; anything else leaves the event to the pod as a whole.
static void read_field_path(const char *path, struct pt_kube_event *event)
{
    static const struct {
        const char *prefix;
        enum pt_kube_container_kind kind;
    } prefixes[] = {
        {"spec.containers{", PT_KUBE_CONTAINER},
        {"spec.initContainers{", PT_KUBE_INIT_CONTAINER},
        {"spec.ephemeralContainers{", PT_KUBE_EPHEMERAL_CONTAINER},
    };
    event->container[0] = '\0';
    event->kind = PT_KUBE_IMAGE_VOLUME;
    for (size_t i = 0; path && i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
        size_t length = strlen(prefixes[i].prefix);
        if (strncmp(path, prefixes[i].prefix, length) != 0)
            continue;
        const char *name = path + length;
        size_t name_length = strcspn(name, "}");
        if (name[name_length] != '}' || name_length == 0 || name_length >= sizeof(event->container))
            return;
        snprintf(event->container, sizeof(event->container), "%.*s", (int)name_length, name);
        event->kind = prefixes[i].kind;
    }
}

// The kubelet names an event after its pod and the nanoseconds when it first occurred, in
// hexadecimal digits: `web-0.18ec58ff9f40bac8`. 0 if the name says something else.
static int64_t time_in_name(yyjson_val *metadata)
{
    const char *name = pt_kube_name(metadata, "name");
    const char *digits = name ? strrchr(name, '.') : NULL;
    char *end;
    if (!digits || strlen(++digits) != 16 || strspn(digits, "0123456789abcdef") != 16)
        return 0;
    unsigned long long at = strtoull(digits, &end, 16);
    return at <= INT64_MAX ? (int64_t)at : 0;
}

// Times of whole seconds, which those in an event are, become exact where the name agrees.
static void sharpen_times(yyjson_val *object, struct pt_kube_event *event)
{
    int64_t exact_at = time_in_name(yyjson_obj_get(object, "metadata"));
    int64_t second = exact_at - exact_at % PT_NS_PER_S;
    if (event->last_at == second)
        event->last_at = exact_at;
    if (event->first_at == second)
        event->first_at = exact_at;
}

static void read_times(yyjson_val *object, struct pt_kube_event *event)
{
    yyjson_val *series = yyjson_obj_get(object, "series");
    int64_t created_at = pt_kube_time(yyjson_obj_get(object, "metadata"), "creationTimestamp");
    int64_t event_time = pt_kube_time(object, "eventTime");
    event->first_at = pt_kube_time(object, "firstTimestamp");
    if (!event->first_at)
        event->first_at = event_time ? event_time : created_at;
    event->last_at = pt_kube_time(series, "lastObservedTime");
    if (!event->last_at)
        event->last_at = pt_kube_time(object, "lastTimestamp");
    if (!event->last_at)
        event->last_at = event->first_at;
    event->written_at = created_at ? created_at : event->last_at;
    if (created_at && event->last_at > event->first_at)
        pt_add_saturated(&event->written_at, event->last_at - event->first_at);
    sharpen_times(object, event);
    event->count = yyjson_get_sint(yyjson_obj_get(series ? series : object, "count"));
    if (event->count < 1)
        event->count = 1;
    if (event->count > PT_LIMIT_EVENT_COUNT)
        event->count = PT_LIMIT_EVENT_COUNT;
}

// The node of the kubelet that wrote it. Empty: nothing says so, since it was no kubelet (what
// attaches volumes runs on no node), or a virtual one; NULL: it is no name.
static const char *node_of(yyjson_val *object)
{
    yyjson_val *source = yyjson_obj_get(object, "source");
    const char *node = pt_kube_name(source, "host");
    if (node && *node)
        return node;
    bool is_said = !node && yyjson_obj_get(source, "host");
    node = pt_kube_name(object, "reportingInstance");
    if (!node && !is_said && !yyjson_obj_get(object, "reportingInstance"))
        return "";
    return node;
}

int pt_kube_event_decode(yyjson_val *object, struct pt_kube_event *ret_event)
{
    yyjson_val *about = yyjson_obj_get(object, "involvedObject");
    const char *kind = pt_kube_text(about, "kind");
    struct pt_kube_event *event = ret_event;
    pt_kubelet_message_parse(pt_kube_text(object, "reason"), pt_kube_text(object, "message"),
                             &event->message);
    if (!kind || strcmp(kind, "Pod") != 0)
        event->message.word = PT_KUBELET_OTHER;
    if (event->message.word == PT_KUBELET_OTHER)
        return 0;
    event->uid = pt_kube_name(yyjson_obj_get(object, "metadata"), "uid");
    event->name_space = pt_kube_name(about, "namespace");
    event->pod = pt_kube_name(about, "name");
    event->pod_uid = pt_kube_name(about, "uid");
    event->node = node_of(object);
    if (!event->uid || !event->name_space || !event->pod || !event->pod_uid || !event->node)
        return -EINVAL;
    event->is_listed = false;
    read_field_path(pt_kube_text(about, "fieldPath"), event);
    read_times(object, event);
    return 0;
}

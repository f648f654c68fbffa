// SPDX-License-Identifier: Apache-2.0
#ifndef PT_TESTS_FUZZ_CONTAINERD_ANSWERS_H
#define PT_TESTS_FUZZ_CONTAINERD_ANSWERS_H

#include "base/clock.h"
#include "containerd/containerd.pb-c.h"
#include "source.h"

#include <stdio.h>

// What a containerd might say of a few images to each call, by decisions of the input: whole
// messages, with fields that are as they may be or out of range.

#define ANSWER_BYTES (16 * 1024)
#define X8(c) c c c c c c c c
#define D(c) "sha256:" X8(X8(c))
#define START (INT64_C(1795230245) * PT_NS_PER_S)

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

// Which leases each namespace has listed last, and how many of each name have gone.
struct lease_row {
    bool was_listed[COUNT_OF(lease_ids)];
    int lives[COUNT_OF(lease_ids)];
};
static struct lease_row lease_rows[COUNT_OF(namespaces) + 1]; // the last one is of all others
static size_t asked_row;

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

static inline Ctrd__Timestamp *some_time(struct source *source)
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

static inline char *joined(const char *prefix, const char *text)
{
    char *both = parts.texts[parts.text_count++ % COUNT_OF(parts.texts)];
    snprintf(both, sizeof(parts.texts[0]), "%s%s", prefix, text);
    return both;
}

static inline int64_t some_bytes(struct source *source)
{
    unsigned how = take(source);
    return how == 255 ? take_number(source) : how * INT64_C(40);
}

static inline size_t answer_namespaces(struct source *source, uint8_t *bytes)
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

static inline void end_lease(struct lease_row *row, size_t lease)
{
    row->lives[lease] += row->was_listed[lease];
    row->was_listed[lease] = false;
}

// A lease that was not listed once never comes back: the next of its name was created later.
static inline size_t answer_leases(struct source *source, uint8_t *bytes)
{
    Ctrd__Lease list[COUNT_OF(lease_ids)];
    Ctrd__Lease *pointers[COUNT_OF(lease_ids)];
    Ctrd__Timestamp times[COUNT_OF(lease_ids)];
    Ctrd__ListLeasesResponse response = CTRD__LIST_LEASES_RESPONSE__INIT;
    unsigned which = take(source);
    struct lease_row *row = &lease_rows[asked_row];
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

static inline char *some_reference(struct source *source)
{
    static const char *const prefixes[] = {"layer-",  "manifest-", "index-",
                                           "config-", "unknown-",  "host/app/layer-"};
    const char *prefix = ANY(source, prefixes);
    return joined(prefix, ANY(source, digests));
}

static inline size_t answer_resources(struct source *source, uint8_t *bytes)
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

static inline size_t answer_ingests(struct source *source, uint8_t *bytes)
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
static inline void *some_labels(struct source *source, const ProtobufCMessageDescriptor *type,
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

static inline size_t answer_info(struct source *source, uint8_t *bytes)
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

static inline size_t write_descriptors(struct source *source, char *text, size_t size, bool is_bare)
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

static inline size_t answer_content(struct source *source, uint8_t *bytes)
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

static inline void fill_image(struct source *source, Ctrd__Image *image, Ctrd__Descriptor *target)
{
    ctrd__image__init(image);
    ctrd__descriptor__init(target);
    image->name = (char *)ANY(source, names);
    image->updated_at = some_time(source);
    image->target = target;
    target->digest = (char *)ANY(source, digests);
    image->labels = some_labels(source, &ctrd__image__labels_entry__descriptor, &image->n_labels);
}

static inline size_t answer_image(struct source *source, uint8_t *bytes)
{
    Ctrd__Image image;
    Ctrd__Descriptor target;
    Ctrd__GetImageResponse response = CTRD__GET_IMAGE_RESPONSE__INIT;
    fill_image(source, &image, &target);
    response.image = &image;
    return ctrd__get_image_response__pack(&response, bytes);
}

static inline size_t answer_images(struct source *source, uint8_t *bytes)
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

static inline size_t answer_snapshot(struct source *source, uint8_t *bytes)
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

static inline size_t answer_usage(struct source *source, uint8_t *bytes)
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

// Writes what the namespace of that row says to a call; returns its length.
static inline size_t write_answer(struct source *source, const char *method, size_t row,
                                  uint8_t bytes[static ANSWER_BYTES])
{
    parts.time_count = parts.text_count = parts.label_count = 0;
    asked_row = row;
    for (size_t i = 0; i < COUNT_OF(answers); i++) {
        size_t length = strlen(answers[i].method);
        if (strcmp(method + strlen(method) - length, answers[i].method) == 0)
            return answers[i].write(source, bytes);
    }
    abort();
}

#endif

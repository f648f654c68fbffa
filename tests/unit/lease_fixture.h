// SPDX-License-Identifier: Apache-2.0
#ifndef PT_TESTS_LEASE_FIXTURE_H
#define PT_TESTS_LEASE_FIXTURE_H

// A lease, and the documents of an image for two machines that it may hold.

#include "agent/observe/lease.h"

#include "architecture.h"
#include "base/limits.h"
#include "check.h"

#include <stdio.h>
#include <stdlib.h>

// Digests by a letter: D("a") is 64 times that letter.
#define X8(c) c c c c c c c c
#define D(c) "sha256:" X8(X8(c))

#define INDEX D("1")
#define NATIVE D("2") // manifest of this machine's platform
#define OTHER D("3")  // of another one
#define NATIVE_CONFIG D("4")
#define OTHER_CONFIG D("5")
#define EMPTY D("6") // an image without layers
#define EMPTY_CONFIG D("7")
#define ARTIFACT D("8") // whose config is none
#define ARTIFACT_CONFIG D("9")

#define ENTRY(digest, architecture)                                                                \
    "{\"digest\":\"" digest "\",\"platform\":{\"os\":\"linux\",\"architecture\":\"" architecture   \
    "\"}}"
#define LAYER(digest) "{\"digest\":\"" digest "\",\"size\":100}"

static const struct {
    const char *digest;
    const char *json;
} documents[] = {
    {INDEX, "{\"manifests\":[" ENTRY(OTHER, "none") "," ENTRY(NATIVE, ARCHITECTURE) "]}"},
    {NATIVE, "{\"config\":{\"digest\":\"" NATIVE_CONFIG
             "\"},\"layers\":[" LAYER(D("a")) "," LAYER(D("b")) "]}"},
    {OTHER, "{\"config\":{\"digest\":\"" OTHER_CONFIG
            "\"},\"layers\":[" LAYER(D("a")) "," LAYER(D("c")) "," LAYER(D("d")) "]}"},
    {NATIVE_CONFIG, "{\"os\":\"linux\",\"architecture\":\"arm64\",\"variant\":\"v8\",\"rootfs\":{"
                    "\"diff_ids\":[\"" D("e") "\",\"" D("f") "\"]}}"},
    {OTHER_CONFIG, "{\"rootfs\":{\"diff_ids\":[\"" D("e") "\",\"" D("f") "\",\"" D("0") "\"]}}"},
    {EMPTY, "{\"config\":{\"digest\":\"" EMPTY_CONFIG "\"},\"layers\":[]}"},
    {EMPTY_CONFIG, "{\"rootfs\":{\"diff_ids\":[]}}"},
    {ARTIFACT, "{\"config\":{\"digest\":\"" ARTIFACT_CONFIG "\"},\"layers\":[" LAYER(D("d")) "]}"},
    {ARTIFACT_CONFIG, "{}"},
};

// Shows the lease what it holds: pairs of type and id, ended by NULL.
static inline void hold(struct pt_lease *lease, const char *const *pairs)
{
    Ctrd__Resource resources[16];
    Ctrd__Resource *pointers[16];
    Ctrd__ListResourcesResponse response = CTRD__LIST_RESOURCES_RESPONSE__INIT;
    for (; pairs[0]; pairs += 2) {
        Ctrd__Resource *resource = &resources[response.n_resources];
        *resource = (Ctrd__Resource)CTRD__RESOURCE__INIT;
        resource->type = (char *)pairs[0];
        resource->id = (char *)pairs[1];
        pointers[response.n_resources++] = resource;
    }
    response.resources = pointers;
    pt_lease_take_resources(lease, &response);
}

// Reads what the lease wants to have read, as the observer does, until nothing more is wanted. It
// comes from these repositories, or if NULL is containerd's own.
static inline void read_documents(struct pt_lease *lease, const char *repositories)
{
    for (int turn = 0; turn < 4; turn++) {
        for (size_t i = 0; i < lease->blob_count; i++) {
            struct pt_blob *blob = &lease->blobs[i];
            bool has_children = strchr("12368", blob->digest[7]) != NULL;
            Ctrd__ContentInfo__LabelsEntry entries[2];
            Ctrd__ContentInfo__LabelsEntry *labels[2];
            Ctrd__ContentInfo info = CTRD__CONTENT_INFO__INIT;
            ctrd__content_info__labels_entry__init(&entries[0]);
            ctrd__content_info__labels_entry__init(&entries[1]);
            entries[0].key = (char *)"containerd.io/distribution.source.registry.example";
            entries[0].value = (char *)repositories;
            entries[1].key = (char *)"containerd.io/gc.ref.content.config";
            entries[1].value = (char *)"";
            info.labels = labels;
            if (repositories)
                labels[info.n_labels++] = &entries[0];
            if (has_children)
                labels[info.n_labels++] = &entries[1];
            info.size = 100;
            pt_blob_take_info(blob, &info);
        }
        for (size_t i = 0; i < lease->blob_count; i++) {
            struct pt_blob *blob = &lease->blobs[i];
            if (!pt_lease_wants(lease, blob))
                continue;
            for (size_t k = 0; k < COUNT_OF(documents); k++) {
                if (strcmp(documents[k].digest, blob->digest) != 0)
                    continue;
                pt_lease_take_document(lease, blob, documents[k].json, strlen(documents[k].json));
                check_int(blob->digest, blob->stage, PT_BLOB_READ);
            }
        }
        pt_lease_settle(lease);
    }
}

static inline struct pt_lease *make_lease(void)
{
    struct pt_lease *lease = pt_lease_create("k8s.io", "lease", 1000);
    assert_non_null(lease);
    lease->seen.fate = PT_LEASE_LISTED;
    return lease;
}

static const char *layers_of(const struct pt_lease *lease)
{
    static char text[32];
    size_t length = 0;
    for (size_t i = 0; i < lease->seen.layer_count; i++)
        text[length++] = lease->seen.layers[i].digest[7];
    text[length] = '\0';
    return text;
}

#endif

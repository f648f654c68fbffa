// SPDX-License-Identifier: Apache-2.0
#include "agent/observe/lease.h"

#include "architecture.h"
#include "base/limits.h"
#include "check.h"

#include <stdio.h>
#include <stdlib.h>

// What a hostile index costs: how much of its documents is read and kept, and how much work it is
// to settle them. The linker puts the function below in the place of strcmp, to count that work.

#define MANIFESTS 500
#define LAYERS 512

static uint64_t comparisons;

int __real_strcmp(const char *a, const char *b);
int __wrap_strcmp(const char *a, const char *b);

int __wrap_strcmp(const char *a, const char *b)
{
    comparisons++;
    return __real_strcmp(a, b);
}

// The index is manifest 0, a manifest layer 0 of its own, and a config layer LAYERS + 1.
static const char *digest_of(unsigned manifest, unsigned layer)
{
    static char digests[4][PT_CHAIN_ID_SIZE];
    static unsigned turn;
    char *digest = digests[turn++ % 4];
    snprintf(digest, PT_CHAIN_ID_SIZE, "sha256:%056x%04x%04x", 0u, manifest, layer);
    return digest;
}

// An index of which the manifest with number `native` (0: all, -1: none) is for this machine.
static size_t write_index(char *text, size_t size, int native)
{
    size_t length = (size_t)snprintf(text, size, "{\"manifests\":[");
    for (unsigned i = 1; i <= MANIFESTS; i++)
        length += (size_t)snprintf(
            text + length, size - length,
            "%s{\"digest\":\"%s\",\"platform\":{\"os\":\"linux\",\"architecture\":\"%s\"}}",
            i > 1 ? "," : "", digest_of(i, 0),
            native == 0 || native == (int)i ? ARCHITECTURE : "none");
    return length + (size_t)snprintf(text + length, size - length, "]}");
}

static size_t write_manifest(char *text, size_t size, unsigned manifest)
{
    size_t length = (size_t)snprintf(text, size, "{\"config\":{\"digest\":\"%s\"},\"layers\":[",
                                     digest_of(manifest, LAYERS + 1));
    for (unsigned i = 1; i <= LAYERS; i++)
        length += (size_t)snprintf(text + length, size - length, "%s{\"digest\":\"%s\",\"size\":1}",
                                   i > 1 ? "," : "", digest_of(manifest, i));
    return length + (size_t)snprintf(text + length, size - length, "]}");
}

// What the test's registry is like, and what the lease has read of it.
struct scene {
    struct pt_lease *lease;
    int native;
    int64_t size; // of each manifest, as containerd says
    unsigned read;
    unsigned first_manifest; // that was read
};

static unsigned number_of(const struct pt_blob *blob)
{
    char text[5] = "";
    memcpy(text, blob->digest + strlen("sha256:") + 56, 4);
    return (unsigned)strtoul(text, NULL, 16);
}

static bool is_config(const struct pt_blob *blob)
{
    return strtoul(blob->digest + strlen("sha256:") + 60, NULL, 16) == LAYERS + 1;
}

static void take_info(struct scene *scene, struct pt_blob *blob)
{
    Ctrd__ContentInfo__LabelsEntry entries[2];
    Ctrd__ContentInfo__LabelsEntry *labels[] = {&entries[0], &entries[1]};
    Ctrd__ContentInfo info = CTRD__CONTENT_INFO__INIT;
    ctrd__content_info__labels_entry__init(&entries[0]);
    ctrd__content_info__labels_entry__init(&entries[1]);
    bool is_index = number_of(blob) == 0;
    entries[0].key = (char *)(is_index ? "containerd.io/gc.ref.content.m.0"
                                       : "containerd.io/gc.ref.content.config");
    entries[0].value = (char *)"";
    entries[1].key = (char *)"containerd.io/distribution.source.registry.example";
    entries[1].value = (char *)"app";
    info.labels = labels;
    info.n_labels = 2;
    info.size = is_index || is_config(blob) ? 100 : scene->size;
    pt_blob_take_info(blob, &info);
}

static void read_blob(struct scene *scene, struct pt_blob *blob, unsigned round)
{
    static char text[1024 * 1024];
    unsigned manifest = number_of(blob);
    blob->read_in = round;
    if (is_config(blob)) {
        pt_lease_take_document(scene->lease, blob, "{}", 2);
        return;
    }
    scene->read++;
    if (manifest && !scene->first_manifest)
        scene->first_manifest = manifest;
    size_t length = manifest ? write_manifest(text, sizeof(text), manifest)
                             : write_index(text, sizeof(text), scene->native);
    pt_lease_take_document(scene->lease, blob, text, length);
}

// One turn of reading as a round has it.
static void turn(struct scene *scene, unsigned round)
{
    struct pt_lease *lease = scene->lease;
    for (size_t i = 0; i < lease->blob_count; i++) {
        if (pt_blob_is_unsettled(&lease->blobs[i]))
            take_info(scene, &lease->blobs[i]);
    }
    pt_lease_choose_documents(lease, round);
    for (size_t i = 0; i < lease->blob_count; i++) {
        if (lease->blobs[i].is_due)
            read_blob(scene, &lease->blobs[i], round);
    }
    pt_lease_settle(lease);
}

// The lease holds so many of the manifests.
static void begin_with(struct scene *scene, int native, int64_t size, unsigned manifests)
{
    *scene = (struct scene){.native = native, .size = size};
    scene->lease = pt_lease_create("k8s.io", "lease", 1000);
    assert_non_null(scene->lease);
    scene->lease->seen.fate = PT_LEASE_LISTED;
    for (unsigned i = 1; i <= manifests; i++)
        pt_lease_add_blob(scene->lease, digest_of(i, 0));
}

// It holds them all and, last, the index.
static void begin(struct scene *scene, int native, int64_t size)
{
    begin_with(scene, native, size, MANIFESTS);
    pt_lease_add_blob(scene->lease, digest_of(0, 0));
}

static void a_settle_is_work_in_proportion(void **state)
{
    (void)state;
    const struct {
        const char *name;
        int native;
    } rows[] = {{"all are for this machine", 0}, {"one is", 250}, {"none is", -1}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct scene scene;
        begin(&scene, rows[i].native, 1000);
        for (unsigned k = 1; k <= 4; k++)
            turn(&scene, k);
        comparisons = 0;
        pt_lease_settle(scene.lease);
        if (comparisons > 4 * (PT_LIMIT_LEASE_DOCUMENT_ITEMS + MANIFESTS + LAYERS))
            fail_msg("%s: %llu comparisons", rows[i].name, (unsigned long long)comparisons);
        check_int(rows[i].name, (int64_t)scene.lease->seen.layer_count, LAYERS);
        check_int(rows[i].name, scene.lease->seen.layers_known, true);
        pt_lease_destroy(scene.lease);
    }
}

static void what_a_lease_may_name_is_limited(void **state)
{
    (void)state;
    struct scene scene;
    begin(&scene, 0, 1000);
    for (unsigned k = 1; k <= 4; k++)
        turn(&scene, k);
    assert_true(scene.lease->document_items <= PT_LIMIT_LEASE_DOCUMENT_ITEMS);
    check_int("names", (int64_t)scene.lease->names.count <= PT_LIMIT_LEASE_DOCUMENT_ITEMS + 8, 1);
    check_int("left out", (int64_t)scene.lease->documents_left_out, MANIFESTS - 7);
    pt_lease_destroy(scene.lease);
}

static void bytes_are_limited_before_they_are_read(void **state)
{
    (void)state;
    struct scene scene;
    begin(&scene, 0, PT_LIMIT_MANIFEST_BYTES - 100);
    for (unsigned k = 1; k <= 4; k++)
        turn(&scene, k);
    check_int("read", scene.read, 1 + 4);
    check_int("bytes", scene.lease->document_bytes <= PT_LIMIT_LEASE_DOCUMENT_BYTES, true);
    check_int("left out", (int64_t)scene.lease->documents_left_out, MANIFESTS - 4);
    pt_lease_destroy(scene.lease);
}

// Whatever stands before it in the index and in the lease.
static void what_is_for_this_machine_is_read_first(void **state)
{
    (void)state;
    struct scene scene;
    begin(&scene, MANIFESTS, PT_LIMIT_MANIFEST_BYTES);
    turn(&scene, 1);
    check_int("first the index alone", scene.read, 1);
    turn(&scene, 1);
    check_int("then one manifest", scene.read, 2);
    check_int("which is this machine's", scene.first_manifest, MANIFESTS);
    turn(&scene, 1);
    check_text("which is shown", scene.lease->seen.manifest_digest, digest_of(MANIFESTS, 0));
    pt_lease_destroy(scene.lease);
}

// The index, and what is for this machine, may come when others are read already.
static void others_leave_room(void **state)
{
    (void)state;
    struct scene scene;
    begin_with(&scene, MANIFESTS, PT_LIMIT_MANIFEST_BYTES, MANIFESTS - 1);
    turn(&scene, 1);
    check_int("half of the bytes", scene.read, 2);
    pt_lease_add_blob(scene.lease, digest_of(0, 0));
    pt_lease_add_blob(scene.lease, digest_of(MANIFESTS, 0));
    turn(&scene, 2);
    turn(&scene, 2);
    check_text("this machine's", scene.lease->seen.manifest_digest, digest_of(MANIFESTS, 0));
    pt_lease_destroy(scene.lease);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_settle_is_work_in_proportion),
        cmocka_unit_test(what_a_lease_may_name_is_limited),
        cmocka_unit_test(bytes_are_limited_before_they_are_read),
        cmocka_unit_test(what_is_for_this_machine_is_read_first),
        cmocka_unit_test(others_leave_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

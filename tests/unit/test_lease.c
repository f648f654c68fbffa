// SPDX-License-Identifier: Apache-2.0
#include "lease_fixture.h"

// containerd 1 fetches the manifest of one platform, containerd 2 those of all of them.
static const struct {
    const char *name;
    const char *resources[17];
    const char *layers; // their letters
    const char *manifest;
    const char *platform;
} platforms[] = {
    {"one manifest",
     {"content", INDEX, "content", OTHER, "content", D("c"), NULL},
     "acd",
     OTHER,
     "linux/none"},
    {"all of them, no layer yet",
     {"content", INDEX, "content", OTHER, "content", NATIVE, NULL},
     "ab",
     NATIVE,
     "linux/" ARCHITECTURE},
    {"a layer that both have",
     {"content", INDEX, "content", OTHER, "content", NATIVE, "content", D("a"), NULL},
     "ab",
     NATIVE,
     "linux/" ARCHITECTURE},
    {"a layer of this platform",
     {"content", INDEX, "content", OTHER, "content", NATIVE, "content", D("b"), NULL},
     "ab",
     NATIVE,
     "linux/" ARCHITECTURE},
    {"a layer of another platform",
     {"content", INDEX, "content", OTHER, "content", NATIVE, "content", D("c"), NULL},
     "acd",
     OTHER,
     "linux/none"},
    {"layers of all platforms",
     {"content", INDEX, "content", OTHER, "content", NATIVE, "content", D("b"), "content", D("c"),
      NULL},
     "acdb",
     OTHER,
     "linux/none"},
    {"no index, but its config", {"content", NATIVE, NULL}, "ab", NATIVE, "linux/arm64/v8"},
};

static void the_platform_that_is_fetched(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(platforms); i++) {
        struct pt_lease *lease = make_lease();
        hold(lease, platforms[i].resources);
        read_documents(lease, "app");
        check_text(platforms[i].name, layers_of(lease), platforms[i].layers);
        check_text(platforms[i].name, lease->seen.manifest_digest, platforms[i].manifest);
        check_text(platforms[i].name, lease->seen.platform, platforms[i].platform);
        check_int(platforms[i].name, lease->is_pull, true);
        check_int(platforms[i].name, lease->seen.layers_known, true);
        pt_lease_destroy(lease);
    }
}

// containerd 2 fetches them in any order.
static void this_platform_comes_after_another(void **state)
{
    (void)state;
    static const char *const before[] = {"content", INDEX, "content", OTHER, NULL};
    static const char *const after[] = {"content", INDEX,  "content", OTHER,
                                        "content", NATIVE, NULL};
    struct pt_lease *lease = make_lease();
    hold(lease, before);
    read_documents(lease, "app");
    check_text("another one alone", layers_of(lease), "");
    check_int("another one alone", lease->seen.layers_known, false);
    hold(lease, after);
    read_documents(lease, "app");
    check_text("this one too", layers_of(lease), "ab");
    check_text("this one too", lease->seen.manifest_digest, NATIVE);
    check_int("this one too", lease->seen.layers_known, true);
    pt_lease_destroy(lease);
}

static void another_platform_shows_itself_later(void **state)
{
    (void)state;
    static const char *const before[] = {"content", INDEX,  "content", OTHER,
                                         "content", NATIVE, NULL};
    static const char *const after[] = {"content", INDEX,     "content",       OTHER, "content",
                                        NATIVE,    "ingests", "layer-" D("d"), NULL};
    struct pt_lease *lease = make_lease();
    hold(lease, before);
    read_documents(lease, "app");
    check_text("by its platform", layers_of(lease), "ab");
    hold(lease, after);
    read_documents(lease, "app");
    check_text("by its layers", layers_of(lease), "acd");
    static const char *const committed[] = {"content", INDEX,     "content", OTHER, "content",
                                            NATIVE,    "content", D("d"),    NULL};
    hold(lease, committed);
    read_documents(lease, "app");
    check_text("and stays so", layers_of(lease), "acd");
    pt_lease_destroy(lease);
}

static void chains_follow_the_config(void **state)
{
    (void)state;
    static const char *const resources[] = {"content", NATIVE, "content", NATIVE_CONFIG, NULL};
    char second[PT_CHAIN_ID_SIZE];
    char key[160];
    struct pt_lease *lease = make_lease();
    hold(lease, resources);
    read_documents(lease, "app");
    assert_int_equal(pt_chain_id(D("e"), D("f"), second), 0);
    check_text("the lowest", lease->seen.layers[0].chain_id, D("e"));
    check_text("on top of it", lease->seen.layers[1].chain_id, second);
    assert_ptr_equal(pt_lease_next_to_extract(lease, 0), &lease->seen.layers[0]);
    snprintf(key, sizeof(key), "extract-5-abcd %s", second);
    const char *const extracting[] = {"content", NATIVE, "snapshots/native", key, NULL};
    hold(lease, extracting);
    check_text("its key", lease->notes[1].extract_key, key);
    check_text("snapshotter", lease->snapshotter, "native");
    lease->seen.layers[0].extracted_at = 5;
    assert_ptr_equal(pt_lease_next_to_extract(lease, 0), &lease->seen.layers[1]);
    lease->seen.layers[1].extracted_at = 6;
    assert_null(pt_lease_next_to_extract(lease, 0));
    pt_lease_destroy(lease);
}

// What is extracted into goes when the layer is done, or when nobody goes on with it.
static void an_extraction_that_is_given_up(void **state)
{
    (void)state;
    char key[160];
    struct pt_lease *lease = make_lease();
    static const char *const without[] = {"content", NATIVE, "content", NATIVE_CONFIG, NULL};
    const char *const with[] = {"content", NATIVE, "snapshots/native", key, NULL};
    snprintf(key, sizeof(key), "extract-5-abcd %s", D("e"));
    hold(lease, without);
    read_documents(lease, "app");
    const struct pt_layer_notes *notes = lease->notes;
    check_int("not begun", notes->extraction == PT_EXTRACTION_GIVEN_UP, false);
    hold(lease, with);
    check_int("under way", notes->extraction == PT_EXTRACTION_GIVEN_UP, false);
    hold(lease, without);
    check_int("gone", notes->extraction == PT_EXTRACTION_GIVEN_UP, true);
    hold(lease, without);
    check_int("stays so", notes->extraction == PT_EXTRACTION_GIVEN_UP, true);
    hold(lease, with);
    check_int("begun again", notes->extraction == PT_EXTRACTION_GIVEN_UP, false);
    pt_lease_destroy(lease);
}

// Which of several repositories is pulled from now nothing says, so none is guessed.
// Layers seemed to be there by the snapshotter that was assumed.
static void another_snapshotter_has_extracted_nothing_yet(void **state)
{
    (void)state;
    static const struct {
        const char *name, *scanned, *type;
        int64_t extracted_at;
    } rows[] = {
        {"it is the one", "overlayfs", "snapshots/overlayfs", 900},
        {"it is another", "overlayfs", "snapshots/other", 0},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct pt_lease *lease = make_lease();
        hold(lease, (const char *const[]){"content", NATIVE, "content", NATIVE_CONFIG, NULL});
        read_documents(lease, "app");
        check_int(rows[i].name, (int64_t)lease->seen.layer_count, 2);
        lease->seen.layers[0].extracted_at = lease->seen.layers[1].extracted_at = 900;
        pt_lease_set_text(&lease->scanned, rows[i].scanned);
        lease->is_scanned = true;
        hold(lease, (const char *const[]){"content", NATIVE, "content", NATIVE_CONFIG, rows[i].type,
                                          "extract-5-abcd " D("e"), NULL});
        check_int(rows[i].name, lease->seen.layers[0].extracted_at, rows[i].extracted_at);
        check_int(rows[i].name, lease->seen.layers[1].extracted_at, rows[i].extracted_at);
        check_int(rows[i].name, lease->is_scanned, false);
        pt_lease_destroy(lease);
    }
}

static void a_repository_is_exact_or_unknown(void **state)
{
    (void)state;
    static const char *const resources[] = {"content", NATIVE, NULL};
    struct pt_lease *lease = make_lease();
    hold(lease, resources);
    read_documents(lease, "team/app");
    check_text("one", lease->seen.repository, "registry.example/team/app");
    pt_lease_destroy(lease);
    lease = make_lease();
    hold(lease, resources);
    read_documents(lease, "team/app,team/fork");
    check_text("two", lease->seen.repository, NULL);
    pt_lease_destroy(lease);
}

// Without a manifest that can be read, as with schema 1, the ingests are all that is known.
static void layers_without_a_manifest(void **state)
{
    (void)state;
    static const char *const resources[] = {"ingests", "layer-" D("a"),  "ingests", "layer-" D("b"),
                                            "ingests", "config-" D("4"), NULL};
    struct pt_ingest ingest = {.digest = (char *)D("a"), .offset = 50, .total = 70};
    struct pt_map ingests;
    struct pt_lease *lease = make_lease();
    pt_map_init(&ingests);
    assert_int_equal(pt_map_put(&ingests, ingest.digest, &ingest), 0);
    hold(lease, resources);
    pt_lease_settle(lease);
    pt_lease_take_ingests(lease, &ingests);
    check_text("layers", layers_of(lease), "ab");
    check_int("is a pull", lease->is_pull, true);
    check_int("not all", lease->seen.layers_known, false);
    check_int("total of the ingest", lease->seen.layers[0].size, 70);
    check_int("offset", lease->seen.layers[0].offset, 50);
    check_int("no total", lease->seen.layers[1].size, -1);
    pt_map_finish(&ingests);
    pt_lease_destroy(lease);
}

// containerd has the total from a registry's header.
// As containerd does of a descriptor with the annotation org.opencontainers.image.ref.name.
static void an_ingest_may_have_a_name(void **state)
{
    (void)state;
    struct pt_lease *lease = make_lease();
    hold(lease, (const char *const[]){"content", NATIVE, "content", NATIVE_CONFIG, NULL});
    read_documents(lease, "app");
    hold(lease, (const char *const[]){"content", NATIVE, "content", NATIVE_CONFIG, "ingests",
                                      "layer-my-base@" D("b"), NULL});
    check_int("the first layer", lease->seen.layers[0].owns_ingest, false);
    check_int("the second layer", lease->seen.layers[1].owns_ingest, true);
    pt_lease_destroy(lease);
}

static void sizes_that_no_layer_has_are_unknown(void **state)
{
    (void)state;
    static const char *const resources[] = {"ingests", "layer-" D("a"), NULL};
    static const struct {
        const char *what;
        int64_t offset, total;
        int64_t wanted_offset, wanted_size;
    } cases[] = {
        {"largest", PT_LIMIT_SIZE_BYTES, PT_LIMIT_SIZE_BYTES, PT_LIMIT_SIZE_BYTES,
         PT_LIMIT_SIZE_BYTES},
        {"one more", PT_LIMIT_SIZE_BYTES + 1, PT_LIMIT_SIZE_BYTES + 1, 0, -1},
        {"no end", INT64_MAX, INT64_MAX, 0, -1},
        {"negative", -1, -1, 0, -1},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct pt_ingest ingest = {
            .digest = (char *)D("a"), .offset = cases[i].offset, .total = cases[i].total};
        struct pt_map ingests;
        struct pt_lease *lease = make_lease();
        pt_map_init(&ingests);
        assert_int_equal(pt_map_put(&ingests, ingest.digest, &ingest), 0);
        hold(lease, resources);
        pt_lease_settle(lease);
        pt_lease_take_ingests(lease, &ingests);
        check_int(cases[i].what, lease->seen.layers[0].offset, cases[i].wanted_offset);
        check_int(cases[i].what, lease->seen.layers[0].size, cases[i].wanted_size);
        pt_map_finish(&ingests);
        pt_lease_destroy(lease);
    }
}

// The lease has gone before containerd's own manifest was seen in it.
static void a_root_by_its_image_record(void **state)
{
    (void)state;
    static const char *const resources[] = {"ingests", "layer-" D("c"), "ingests", "layer-" D("a"),
                                            NULL};
    static const struct {
        const char *what;
        const char *repositories;
        const char *guesses[2];
        const char *root;
        const char *layers;
    } cases[] = {
        {"has all layers", NULL, {NATIVE, OTHER}, OTHER, "acd"},
        {"lacks a layer", NULL, {NATIVE, INDEX}, NULL, "ca"},
        {"is a registry's", "team/app", {OTHER, INDEX}, NULL, "ca"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct pt_lease *lease = make_lease();
        hold(lease, resources);
        lease->seen.fate = PT_LEASE_MISSED;
        for (size_t k = 0; k < 2; k++)
            pt_lease_guess_root(lease, cases[i].guesses[k]);
        read_documents(lease, cases[i].repositories);
        check_text(cases[i].what, lease->seen.root_digest, cases[i].root);
        check_text(cases[i].what, layers_of(lease), cases[i].layers);
        check_int(cases[i].what, lease->seen.layers_known, cases[i].root != NULL);
        pt_lease_destroy(lease);
    }
}

static void label_as_unpacked(struct pt_lease *lease, const char *config)
{
    Ctrd__ContentInfo__LabelsEntry entry;
    Ctrd__ContentInfo__LabelsEntry *labels[] = {&entry};
    Ctrd__ContentInfo info = CTRD__CONTENT_INFO__INIT;
    ctrd__content_info__labels_entry__init(&entry);
    entry.key = (char *)"containerd.io/gc.ref.snapshot.native";
    entry.value = (char *)D("e");
    info.labels = labels;
    info.n_labels = 1;
    info.size = 100;
    struct pt_blob *blob = pt_lease_find_blob(lease, config);
    assert_non_null(blob);
    pt_blob_take_info(blob, &info);
}

// A pull for another platform that was over before any of its layers was seen.
static void the_platform_that_was_unpacked(void **state)
{
    (void)state;
    static const char *const resources[] = {"content", INDEX, NULL};
    struct pt_lease *lease = make_lease();
    hold(lease, resources);
    lease->seen.fate = PT_LEASE_MISSED;
    read_documents(lease, "app");
    check_text("at first", layers_of(lease), "ab");
    check_int("is not unpacked", pt_lease_is_unpacked(lease), false);
    lease->seen.fate = PT_LEASE_GONE;
    read_documents(lease, "app");
    label_as_unpacked(lease, OTHER_CONFIG);
    pt_lease_settle(lease);
    check_text("when it is over", layers_of(lease), "acd");
    check_text("its manifest", lease->seen.manifest_digest, OTHER);
    check_int("is unpacked", pt_lease_is_unpacked(lease), true);
    pt_lease_destroy(lease);
}

static void what_is_unpacked(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        const char *resources[13];
        const char *labelled[2]; // configs
        bool is_unpacked;
    } cases[] = {
        {"fetched", {"content", NATIVE, NULL}, {NULL}, false},
        {"unpacked", {"content", NATIVE, NULL}, {NATIVE_CONFIG}, true},
        {"one platform of two",
         {"content", INDEX, "content", OTHER, "content", NATIVE, "content", D("b"), "content",
          D("c"), NULL},
         {NATIVE_CONFIG},
         false},
        {"both platforms",
         {"content", INDEX, "content", OTHER, "content", NATIVE, "content", D("b"), "content",
          D("c"), NULL},
         {NATIVE_CONFIG, OTHER_CONFIG},
         true},
        {"no layers", {"content", EMPTY, NULL}, {NULL}, true},
        {"no image", {"content", ARTIFACT, NULL}, {NULL}, false},
        {"nothing that can be read", {"content", D("f"), NULL}, {NULL}, false},
        {"a config whose manifest cannot be read", {"content", D("f"), NULL}, {D("f")}, true},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct pt_lease *lease = make_lease();
        hold(lease, cases[i].resources);
        read_documents(lease, "app");
        for (size_t k = 0; k < COUNT_OF(cases[i].labelled) && cases[i].labelled[k]; k++)
            label_as_unpacked(lease, cases[i].labelled[k]);
        check_int(cases[i].what, pt_lease_is_unpacked(lease), cases[i].is_unpacked);
        pt_lease_destroy(lease);
    }
}

static void other_work_is_no_pull(void **state)
{
    (void)state;
    static const char *const resources[] = {"ingests", "import-blob-3", "snapshots/overlayfs",
                                            "container-1", NULL};
    struct pt_lease *lease = make_lease();
    hold(lease, resources);
    pt_lease_settle(lease);
    check_int("no pull", lease->is_pull, false);
    pt_lease_destroy(lease);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_platform_that_is_fetched),
        cmocka_unit_test(this_platform_comes_after_another),
        cmocka_unit_test(another_platform_shows_itself_later),
        cmocka_unit_test(chains_follow_the_config),
        cmocka_unit_test(an_extraction_that_is_given_up),
        cmocka_unit_test(another_snapshotter_has_extracted_nothing_yet),
        cmocka_unit_test(a_repository_is_exact_or_unknown),
        cmocka_unit_test(layers_without_a_manifest),
        cmocka_unit_test(an_ingest_may_have_a_name),
        cmocka_unit_test(sizes_that_no_layer_has_are_unknown),
        cmocka_unit_test(a_root_by_its_image_record),
        cmocka_unit_test(the_platform_that_was_unpacked),
        cmocka_unit_test(what_is_unpacked),
        cmocka_unit_test(other_work_is_no_pull),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: Apache-2.0
#include "server/share/share_ends.h"
#include "server/share/share_entry.h"

#include "pull/report.h"
#include "server/share/share_waited.h"

#include "store_fixture.h"

#define NAME_BYTES 200

// A pull whose layers say so much that an answer has no room for as many as are read at once.
static void a_pull_that_is_too_large_is_kept_without_its_layers(void **state)
{
    struct scene *scene = *state;
    static struct pt_layer layers[PT_LIMIT_LAYERS_PER_PULL];
    static char digests[PT_LIMIT_LAYERS_PER_PULL][NAME_BYTES + 1];
    for (size_t i = 0; i < COUNT_OF(layers); i++) {
        snprintf(digests[i], sizeof(digests[i]), "sha256:%0*zu", NAME_BYTES - 7, i);
        layers[i] = make_layer(digests[i], 100);
        layers[i].media_type = digests[i];
    }
    struct pt_pull pulls[] = {
        make_pull("large", "large:1", layers, COUNT_OF(layers)),
        make_pull("small", "small:1", layers, 100),
    };
    for (size_t i = 0; i < COUNT_OF(pulls); i++) {
        pulls[i].phase = PT_PULL_COMPLETED;
        pulls[i].completed_at = SCENE_START + PT_NS_PER_S;
    }
    const struct pt_report report = {
        .node_name = "n1", .timestamp = scene->now_ns, .pulls = pulls, .pull_count = 2};
    struct pt_buffer ids;
    struct pt_share_ends ends;
    pt_buffer_init(&ids, 1024);
    scene_deliver_pulls(scene, "n1", pulls, COUNT_OF(pulls));
    assert_int_equal(pt_store_write_row_ids(scene->store, &report, &ids), 0);
    assert_int_equal(pt_share_ends_write(&ends, scene->store, &report, ids.data, 1000), 0);
    check_int("ends", (int64_t)ends.count, 2);
    check_int("without layers", (int64_t)ends.without_layers, 1);
    static const size_t kept_layers[] = {0, 100};
    for (size_t i = 0; i < ends.count; i++) {
        struct pt_share_entry entry;
        struct pt_report kept;
        struct pt_error err;
        assert_in_range(ends.list[i].json_length, 1, PT_LIMIT_SHARE_END_BYTES);
        assert_int_equal(pt_share_kept_read(ends.list[i].json, ends.list[i].json_length, &entry),
                         0);
        assert_int_equal(pt_report_decode(entry.report, entry.report_length, &kept, &err), 0);
        check_text("id", kept.pulls[0].id, pulls[i].id);
        check_int("layers", (int64_t)kept.pulls[0].layer_count, (int64_t)kept_layers[i]);
        pt_report_finish(&kept);
    }
    pt_share_ends_finish(&ends);
    pt_buffer_finish(&ids);
}

// Nor does it keep those behind it from being kept.
static void a_pull_that_too_many_pods_wait_for_is_kept_without_them(void **state)
{
    struct scene *scene = *state;
    static struct pt_waiting_container waiting[PT_LIMIT_CONTAINERS_PER_NODE];
    static char name[NAME_BYTES + 1];
    static const bool are_kept[] = {false, true};
    memset(name, 'x', NAME_BYTES);
    for (size_t i = 0; i < COUNT_OF(waiting); i++)
        waiting[i] = (struct pt_waiting_container){name, name, name, name};
    const struct pt_join joins[] = {
        {.waiting = waiting, .waiting_count = COUNT_OF(waiting), .queued_seconds = -1},
        {.waiting = waiting, .waiting_count = 1, .queued_seconds = -1},
    };
    struct pt_pull pulls[] = {make_pull("1", "many:1", scene->layers, 1),
                              make_pull("2", "few:1", scene->layers, 1)};
    const struct pt_report report = {.node_name = "n1", .pulls = pulls, .pull_count = 2};
    struct pt_buffer ids;
    struct pt_share_ends ends;
    pt_buffer_init(&ids, 1024);
    scene_deliver_pulls(scene, "n1", pulls, COUNT_OF(pulls));
    pt_store_apply_join(scene->store, "n1", "i1", &joins[0]);
    pt_store_apply_join(scene->store, "n1", "i2", &joins[1]);
    for (size_t i = 0; i < COUNT_OF(pulls); i++)
        pulls[i].phase = PT_PULL_FAILED;
    scene_deliver_pulls(scene, "n1", pulls, COUNT_OF(pulls));
    assert_int_equal(pt_store_write_row_ids(scene->store, &report, &ids), 0);
    assert_int_equal(pt_share_ends_write(&ends, scene->store, &report, ids.data, 1000), 0);
    check_int("ends", (int64_t)ends.count, 2);
    check_int("without layers", (int64_t)ends.without_layers, 1);
    for (size_t i = 0; i < ends.count; i++) {
        struct pt_share_entry entry;
        assert_in_range(ends.list[i].json_length, 1, PT_LIMIT_SHARE_END_BYTES);
        assert_int_equal(pt_share_kept_read(ends.list[i].json, ends.list[i].json_length, &entry),
                         0);
        check_int(pulls[i].image_ref, entry.waited != NULL, are_kept[i]);
    }
    pt_share_ends_finish(&ends);
    pt_buffer_finish(&ids);
}

static struct pt_image_row make_row(enum pt_pull_phase phase, size_t pods)
{
    static struct pt_waiting_container waiting[PT_LIMIT_CONTAINERS_PER_NODE];
    static char name[NAME_BYTES + 1];
    memset(name, 'x', NAME_BYTES);
    for (size_t i = 0; i < COUNT_OF(waiting); i++)
        waiting[i] = (struct pt_waiting_container){name, name, name, name};
    return (struct pt_image_row){.node_name = "n1",
                                 .key = "ka.io/b:1",
                                 .image_ref = "a.io/b:1",
                                 .phase = phase,
                                 .started_at = SCENE_START,
                                 .ended_at = SCENE_START + PT_NS_PER_S,
                                 .join = {.waiting = waiting,
                                          .waiting_count = pods,
                                          .is_waited_for = phase == PT_PULL_QUEUED,
                                          .attempts = 7,
                                          .queued_seconds = -1}};
}

// It stands in no report, so that a server that does not know of such rows finds no pull there.
static void a_row_that_no_agent_reported_is_kept_beside_an_empty_report(void **state)
{
    static const struct {
        const char *name;
        enum pt_pull_phase phase;
        size_t pods;
        bool is_kept, has_pods;
    } cases[] = {
        {"failed", PT_PULL_FAILED, 1, true, true},
        {"completed", PT_PULL_COMPLETED, 2, true, true},
        {"more pods than are kept", PT_PULL_FAILED, PT_LIMIT_CONTAINERS_PER_NODE, true, false},
        {"cancelled", PT_PULL_CANCELLED, 1, false, false},
        {"queued", PT_PULL_QUEUED, 1, false, false},
    };
    struct scene *scene = *state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct pt_share_ends ends;
        struct pt_share_entry entry;
        struct pt_share_waited waited;
        struct pt_report report;
        struct pt_error err;
        scene_restart(scene);
        struct pt_image_row row = make_row(PT_PULL_QUEUED, 1);
        pt_store_apply_row(scene->store, &row);
        row = make_row(cases[i].phase, cases[i].pods);
        pt_store_apply_row(scene->store, &row);
        const struct pt_stored_pull *stored = TAILQ_FIRST(&scene->store->all);
        assert_int_equal(pt_share_ends_write_stored(&ends, stored, 1000), 0);
        check_int(cases[i].name, (int64_t)ends.count, cases[i].is_kept);
        if (cases[i].is_kept) {
            const char *text = ends.list[0].json;
            assert_int_equal(pt_share_kept_read(text, ends.list[0].json_length, &entry), 0);
            assert_in_range(ends.list[0].json_length, 1, PT_LIMIT_SHARE_END_BYTES);
            check_int(cases[i].name, (int64_t)entry.id.ms, 1000);
            assert_memory_equal(entry.row_ids, stored->id, PT_PULL_ID_LENGTH);
            assert_int_equal(pt_report_decode(entry.report, entry.report_length, &report, &err), 0);
            check_text("node", report.node_name, "n1");
            check_int("pulls", (int64_t)report.pull_count, 0);
            pt_report_finish(&report);
            assert_int_equal(pt_share_waited_read(entry.waited, entry.waited_length, &waited), 0);
            check_int("row", waited.is_row, true);
            check_int("phase", waited.row.phase, cases[i].phase);
            check_int("attempts", waited.join.attempts, 7);
            check_int("pods", (int64_t)waited.join.waiting_count,
                      (int64_t)(cases[i].has_pods ? cases[i].pods : 0));
            pt_share_waited_finish(&waited);
        }
        pt_share_ends_finish(&ends);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCENE_TEST(a_pull_that_is_too_large_is_kept_without_its_layers),
        SCENE_TEST(a_pull_that_too_many_pods_wait_for_is_kept_without_them),
        SCENE_TEST(a_row_that_no_agent_reported_is_kept_beside_an_empty_report),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

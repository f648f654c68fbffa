// SPDX-License-Identifier: Apache-2.0
#include "agent/report_pulls.h"

#include "base/buffer.h"
#include "base/log.h"
#include "pull/report.h"
#include "track_fixture.h"

#include <string.h>

// Each image is called by a letter.
#define REPOSITORY "registry.example/"

struct letter {
    char id[2], digest[80], repository[sizeof(REPOSITORY) + 1];
};

// Each fetches a layer of its own.
static void begin_pulls(struct scene *scene, const char *letters)
{
    static struct letter kept[MAX_LEASES];
    for (size_t i = 0; letters[i]; i++) {
        struct letter *letter = &kept[i];
        struct pt_seen_lease *lease;
        snprintf(letter->id, sizeof(letter->id), "%c", letters[i]);
        snprintf(letter->digest, sizeof(letter->digest), "sha256:%064x", (unsigned)letters[i]);
        snprintf(letter->repository, sizeof(letter->repository), REPOSITORY "%c", letters[i]);
        lease = add_lease(scene, letter->id, (double)i / 10);
        add_layers(lease, 1);
        lease->layers[0].digest = lease->layers[0].chain_id = letter->digest;
        lease->root_digest = lease->manifest_digest = letter->digest;
        lease->repository = letter->repository;
        fetch(lease, 0, 100);
    }
    observe(scene, 1);
}

static void finish_pulls(struct scene *scene, const char *letters)
{
    for (size_t i = 0; letters[i]; i++) {
        char id[2], name[sizeof(REPOSITORY) + 8];
        snprintf(id, sizeof(id), "%c", letters[i]);
        snprintf(name, sizeof(name), REPOSITORY "%c:1", letters[i]);
        pull_at_once(scene, id, name, 2 + (double)i);
    }
}

// The letters of the pulls in the next report, in its order.
static const char *next_report(struct pt_report_pulls *pulls, size_t max_bytes)
{
    static char letters[MAX_LEASES + 1];
    const struct pt_report head = {.node_name = "node", .timestamp = NOW};
    struct pt_report report;
    struct pt_buffer out;
    size_t count = 0;
    pt_buffer_init(&out, max_bytes);
    assert_int_equal(pt_report_begin(&head, &out), 0);
    assert_int_equal(pt_report_pulls_add(pulls, &out), 0);
    assert_int_equal(pt_report_end(&out), 0);
    assert_int_equal(pt_report_decode(out.data, out.length, &report, NULL), 0);
    for (; count < report.pull_count; count++)
        letters[count] = report.pulls[count].image_ref[sizeof(REPOSITORY) - 1];
    letters[count] = '\0';
    pt_report_finish(&report);
    pt_buffer_finish(&out);
    return letters;
}

static void begin(struct scene *scene, struct pt_report_pulls *pulls)
{
    pt_log_set_descriptor(-1);
    scene_begin(scene);
    pt_report_pulls_init(pulls, scene->tracker, "http://server");
}

static void active_ones_go_on_where_the_last_report_stopped(void **state)
{
    (void)state;
    struct scene scene;
    struct pt_report_pulls pulls;
    begin(&scene, &pulls);
    begin_pulls(&scene, "abcde");
    pulls.most = 2;
    static const char *const wanted[] = {"ab", "cdea", "bcdea"};
    for (size_t i = 0; i < COUNT_OF(wanted); i++) {
        check_text("report", next_report(&pulls, PT_LIMIT_REPORT_BYTES), wanted[i]);
        check_int("dropped", pt_report_pulls_note_taken(&pulls), false); // they grow
    }
    scene_end(&scene);
}

static void finished_ones_come_first_and_are_forgotten_when_they_are_taken(void **state)
{
    (void)state;
    struct scene scene;
    struct pt_report_pulls pulls;
    begin(&scene, &pulls);
    begin_pulls(&scene, "xy");
    finish_pulls(&scene, "abc");
    pulls.most = 2;
    check_text("oldest first", next_report(&pulls, PT_LIMIT_REPORT_BYTES), "ab");
    check_int("kept", (int64_t)pt_tracker_finished_count(scene.tracker), 3);
    (void)pt_report_pulls_note_taken(&pulls);
    check_int("two are forgotten", (int64_t)pt_tracker_finished_count(scene.tracker), 1);
    check_text("then the others", next_report(&pulls, PT_LIMIT_REPORT_BYTES), "cxy");
    check_text("once more, as it was not taken", next_report(&pulls, PT_LIMIT_REPORT_BYTES), "cxy");
    scene_end(&scene);
}

static void what_has_no_room_comes_with_the_next(void **state)
{
    (void)state;
    struct scene scene;
    struct pt_report_pulls pulls;
    begin(&scene, &pulls);
    begin_pulls(&scene, "abc");
    const char *first = next_report(&pulls, 1500);
    size_t count = strlen(first);
    assert_in_range(count, 1, 2);
    const char after = (char)('a' + count);
    check_int("goes on", next_report(&pulls, 1500)[0], after);
    scene_end(&scene);
}

// Of each row the server refuses all reports that hold `bad`.
static void one_that_is_refused_is_found_by_halves(void **state)
{
    (void)state;
    for (const char *bad = "abcdefgh"; *bad; bad++) {
        struct scene scene;
        struct pt_report_pulls pulls;
        bool is_dropped = false;
        begin(&scene, &pulls);
        begin_pulls(&scene, "abcdefgh");
        for (int i = 0; i < 20 && !is_dropped; i++) {
            if (strchr(next_report(&pulls, PT_LIMIT_REPORT_BYTES), *bad))
                pt_report_pulls_note_refused(&pulls);
            else
                is_dropped = pt_report_pulls_note_taken(&pulls);
        }
        check_int("dropped", is_dropped, true);
        for (int i = 0; i < 8; i++) {
            assert_null(strchr(next_report(&pulls, PT_LIMIT_REPORT_BYTES), *bad));
            check_int("no other is", pt_report_pulls_note_taken(&pulls), false);
        }
        check_int("the others", (int64_t)strlen(next_report(&pulls, PT_LIMIT_REPORT_BYTES)), 7);
        scene_end(&scene);
    }
}

// It is the server's fault, or the node's, and no pull's.
static void a_server_that_refuses_a_report_without_pulls_costs_none(void **state)
{
    (void)state;
    struct scene scene;
    struct pt_report_pulls pulls;
    begin(&scene, &pulls);
    begin_pulls(&scene, "abcd");
    static const char *const wanted[] = {"abcd", "ab", "a", "a", "", "abcd", "ab"};
    for (size_t i = 0; i < COUNT_OF(wanted); i++) {
        check_text("report", next_report(&pulls, PT_LIMIT_REPORT_BYTES), wanted[i]);
        pt_report_pulls_note_refused(&pulls);
    }
    scene_end(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(active_ones_go_on_where_the_last_report_stopped),
        cmocka_unit_test(finished_ones_come_first_and_are_forgotten_when_they_are_taken),
        cmocka_unit_test(what_has_no_room_comes_with_the_next),
        cmocka_unit_test(one_that_is_refused_is_found_by_halves),
        cmocka_unit_test(a_server_that_refuses_a_report_without_pulls_costs_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

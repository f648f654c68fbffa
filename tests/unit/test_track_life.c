// SPDX-License-Identifier: Apache-2.0
#include "base/limits.h"
#include "track_fixture.h"

// Which leases are pulls that live: what was left behind, given up, restarted, waited for.

static void what_was_left_behind_is_no_pull(void **state)
{
    struct scene *scene = *state;
    struct pt_seen_lease *lease = add_lease(scene, "a", -3600);
    add_layers(lease, 1);
    fetch(lease, 0, 400);
    for (int second = 0; second < 5; second++)
        observe(scene, second);
    check_int("not shown", first_pull(scene) == NULL, true);
    end_lease(lease, NULL, 0);
    observe(scene, 5);
    check_int("its end is no news", scene->failed + scene->completed, 0);
}

static void it_is_one_as_soon_as_it_moves(void **state)
{
    struct scene *scene = *state;
    struct pt_seen_lease *lease = add_lease(scene, "a", -3600);
    add_layers(lease, 1);
    fetch(lease, 0, 400);
    observe(scene, 0);
    check_int("not yet", scene->started, 0);
    fetch(lease, 0, 401);
    observe(scene, 1);
    check_int("moves", scene->started, 1);
    check_int("its own start", first_pull(scene)->started_at, at(-3600));
}

static void one_that_just_moved_is_shown_at_once(void **state)
{
    struct scene *scene = *state;
    struct pt_seen_lease *lease = add_lease(scene, "a", -3600);
    add_layers(lease, 1);
    fetch(lease, 0, 400);
    lease->layers[0].ingest_updated_at = at(-2);
    observe(scene, 0);
    check_int("shown", scene->started, 1);
}

// The clock was set back by an hour before the agent began: what was there has a time that is to
// come.
static void what_is_from_before_the_clock_was_set_back_is_no_pull(void **state)
{
    struct scene *scene = *state;
    struct pt_seen_lease *lease = add_lease(scene, "a", 3000);
    add_layers(lease, 1);
    fetch(lease, 0, 400);
    lease->layers[0].ingest_updated_at = at(3100);
    observe(scene, 0);
    check_int("not shown", scene->started, 0);
    fetch(lease, 0, 401);
    observe(scene, 1);
    check_int("moves", scene->started, 1);
}

// It has never moved before our eyes; that it became an image has a time of containerd's clock.
static void an_end_is_news_however_the_clock_was_set(void **state)
{
    static const struct {
        const char *name;
        double set_seconds, updated_seconds; // the image's record, by the clock of then
        bool is_news;
    } rows[] = {
        {"not set", 0, 8.5, true},           {"not set, an image of before", 0, -1, false},
        {"back", -3600, 8.5 - 3600, true},   {"back, an image of before", -3600, -7200, false},
        {"forward", 3600, 8.5 + 3600, true}, {"forward, an image of before", 3600, -1, false},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct scene *scene = scene_anew(state);
        struct pt_seen_lease *lease = add_lease(scene, "a", -3600);
        add_layers(lease, 1);
        observe(scene, 0);
        observe(scene, 5);
        check_int(rows[i].name, scene->started, 0);
        scene->set_seconds = rows[i].set_seconds;
        end_lease(lease, "registry.example/app:1", rows[i].updated_seconds);
        observe(scene, 9);
        check_int(rows[i].name, scene->completed, rows[i].is_news);
    }
}

// Of one that gets so little that no look sees it: it may be at work, whoever has begun it.
static void one_that_is_too_slow_to_be_seen_is_waited_for(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        int64_t size, offset;
        double piece_seconds; // that each of the first pieces took
        int64_t given_up_after;
        const char *words;
    } rows[] = {
        {"no piece has come", 100 << 20, 0, 0, 3600, "for 60 minutes"},
        {"a piece each 12 minutes", 100 << 20, 2 << 20, 720, 2160, "for 36 minutes"},
        {"a piece each second", 100 << 20, 5 << 20, 1, 600, "for 10 minutes"},
        {"smaller than a piece", 1000, 400, 1, 600, "for 10 minutes"},
        {"it is all there", 1000, 1000, 1, 600, "for 10 minutes"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct scene scene;
        scene_begin(&scene);
        struct pt_seen_lease *lease = add_lease(&scene, "a", 0);
        add_layers(lease, 1);
        lease->layers[0].size = rows[i].size;
        lease->layers[0].has_ingest = lease->layers[0].owns_ingest = true;
        lease->layers[0].ingest_started_at = at(0);
        int64_t pieces = rows[i].offset >> 20 ? rows[i].offset >> 20 : 1;
        double moved = rows[i].piece_seconds * (double)pieces;
        observe(&scene, 0);
        lease->layers[0].offset = rows[i].offset;
        lease->layers[0].ingest_updated_at = at(moved);
        observe(&scene, moved);
        observe(&scene, moved + (double)rows[i].given_up_after - 1);
        check_int(rows[i].what, scene.failed, 0);
        observe(&scene, moved + (double)rows[i].given_up_after + 1);
        check_int(rows[i].what, scene.failed, 1);
        if (!strstr(scene.last_error, rows[i].words))
            fail_msg("%s: %s", rows[i].what, scene.last_error);
        scene_end(&scene);
    }
}

// Its client was killed, and the agent was started again soon after.
static void one_that_has_just_stopped_is_no_pull(void **state)
{
    struct scene *scene = *state;
    struct pt_seen_lease *lease = add_lease(scene, "a", -9);
    add_layers(lease, 1);
    fetch(lease, 0, 400);
    lease->layers[0].ingest_updated_at = at(-4);
    for (int second = 0; second < 700; second++)
        observe(scene, second);
    check_int("shown", scene->started, 0);
}

static void one_that_ended_well_unmoved_is_reported(void **state)
{
    struct scene *scene = *state;
    struct pt_seen_lease *lease = add_lease(scene, "a", -3600);
    add_layers(lease, 1);
    lease->layers[0].blob_at = at(-100);
    observe(scene, 0);
    lease->layers[0].extracted_at = at(3);
    end_lease(lease, "registry.example/app:1", 3);
    observe(scene, 4);
    check_int("completed", scene->completed, 1);
}

// The same lease gives the same id, whoever looks: nothing is reported twice after a restart.
static void ids_outlive_the_agent(void **state)
{
    (void)state;
    char ids[2][32];
    for (int run = 0; run < 2; run++) {
        struct scene scene;
        scene_begin(&scene);
        add_layers(add_lease(&scene, "a", -1), 1);
        observe(&scene, run);
        snprintf(ids[run], sizeof(ids[run]), "%s", first_pull(&scene)->id);
        scene_end(&scene);
    }
    check_text("same", ids[0], ids[1]);
    struct scene scene;
    scene_begin(&scene);
    add_layers(add_lease(&scene, "b", -1), 1);
    add_layers(add_lease(&scene, "a", -2), 1);
    observe(&scene, 0);
    const struct pt_tracked *first = pt_tracker_next(scene.tracker, NULL);
    const struct pt_tracked *second = pt_tracker_next(scene.tracker, first);
    assert_string_not_equal(first->pull.id, ids[0]);
    assert_string_not_equal(second->pull.id, ids[0]);
    scene_end(&scene);
}

// The second lease has no ingest of its own while the first one writes the layer.
static void one_that_waits_for_another_lives(void **state)
{
    struct scene *scene = *state;
    struct pt_seen_lease *writer = new_pull(scene, 1);
    struct pt_seen_lease *waiter = add_lease(scene, "b", 0.6);
    add_layers(waiter, 1);
    for (int second = 1; second <= 1300; second += 100) {
        fetch(writer, 0, second / 2 + 1);
        waiter->layers[0].has_ingest = true;
        waiter->layers[0].offset = writer->layers[0].offset;
        observe(scene, second);
    }
    check_int("nobody failed", scene->failed, 0);
    const struct pt_tracked *first = pt_tracker_next(scene->tracker, NULL);
    const struct pt_tracked *second = pt_tracker_next(scene->tracker, first);
    check_int("it shows the same bytes", second->pull.layers[0].downloaded_bytes,
              first->pull.layers[0].downloaded_bytes);
}

// A killed client leaves its lease; when the image is pulled anew, the newer lease has the ingest.
static void one_whose_ingest_a_newer_pull_has_is_dead(void **state)
{
    struct scene *scene = *state;
    struct pt_seen_lease *killed = begin_pull(scene, 1, 400);
    struct pt_seen_lease *newer = add_lease(scene, "b", 5);
    add_layers(newer, 1);
    fetch(newer, 0, 450);
    fetch(killed, 0, 450);
    observe(scene, 6);
    check_int("failed", scene->failed, 1);
    check_int("two were started", scene->started, 2);
    for (int second = 7; second < 10; second++) {
        fetch(newer, 0, 450 + second);
        fetch(killed, 0, 450 + second);
        observe(scene, second);
    }
    pt_tracker_forget(scene->tracker, UINT64_MAX);
    observe(scene, 10);
    check_int("it is not found anew", scene->started, 2);
    check_int("emitted once", scene->failed, 1);
    end_lease(newer, "registry.example/app:1", 11);
    commit(newer, 0, 10.5);
    observe(scene, 12);
    check_int("the newer one completes", scene->completed, 1);
}

// A ctr that is killed leaves its lease; containerd 2 then stops extracting for it.
static void one_whose_extraction_was_given_up_fails_soon(void **state)
{
    struct scene *scene = *state;
    struct pt_seen_lease *lease = begin_pull(scene, 1, 400);
    lease->has_given_up = true;
    lease->fingerprint++;
    observe(scene, 2);
    observe(scene, 5);
    check_int("it may yet end by itself", scene->failed, 0);
    observe(scene, 5.1);
    check_int("failed", scene->failed, 1);
    assert_non_null(strstr(scene->last_error, "has given up its extraction"));
    observe(scene, 6);
    check_int("it is not found anew", scene->started, 1);
}

static void one_that_stands_still_is_given_up_in_the_end(void **state)
{
    struct scene *scene = *state;
    begin_pull(scene, 1, 400);
    observe(scene, 600);
    check_int("stalled, not failed", scene->failed, 0);
    observe(scene, 602);
    check_int("failed", scene->failed, 1);
    check_text("words", scene->last_error, "abandoned: nothing has moved for 10 minutes");
}

// A slow one is waited for as long as its pieces take, of those that came in its time.
static void one_that_is_slow_is_waited_for(void **state)
{
    static const struct {
        const char *name;
        double begun;
        int64_t first_mebibytes, second_mebibytes;
        double second_at, updated; // the second look, and when containerd has written last by then
        unsigned failed;           // ten minutes after it
    } rows[] = {
        {"quick pieces", 0.6, 1, 9, 100, 100, 1},
        {"slow pieces", 0.6, 1, 2, 800, 800, 0},
        {"nothing but what was left over", -5000, 8, 8, 2, -4000, 0},
        {"one slow piece and what was left over", -5000, 8, 9, 400, 400, 0},
        {"one quick piece and what was left over", -5000, 8, 9, 100, 100, 1},
        {"a time far ahead", 0.6, 1, 2, 100, 4.6e9, 0},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct scene scene;
        scene_begin(&scene);
        struct pt_seen_lease *lease = new_pull(&scene, 1);
        lease->layers[0].size = INT64_C(100) << 20;
        fetch(lease, 0, rows[i].first_mebibytes << 20);
        lease->layers[0].ingest_started_at = at(rows[i].begun);
        lease->layers[0].ingest_updated_at = at(rows[i].begun);
        observe(&scene, 1);
        lease->layers[0].offset = rows[i].second_mebibytes << 20;
        lease->layers[0].ingest_updated_at = at(rows[i].updated);
        observe(&scene, rows[i].second_at);
        observe(&scene, rows[i].second_at + 602);
        check_int(rows[i].name, scene.failed, rows[i].failed);
        scene_end(&scene);
    }
    (void)state;
}

// A large layer is extracted, or another snapshotter fetches it inside of a call.
static void one_that_may_be_at_work_is_not_given_up(void **state)
{
    static const struct {
        const char *name;
        int64_t written_each_minute;
        bool may_be_silent;
        unsigned failed;
    } rows[] = {
        {"nothing is written", 0, false, 1},
        {"something is", 4096, false, 0},
        {"its snapshotter may be silent", 0, true, 0},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct scene scene;
        scene_begin(&scene);
        struct pt_seen_lease *lease = begin_pull(&scene, 1, 400);
        commit(lease, 0, 2);
        lease->may_be_silent = rows[i].may_be_silent;
        for (int minute = 0; minute < 60; minute++) {
            lease->written_bytes = minute < 7 ? 0 : 1000 + minute * rows[i].written_each_minute;
            observe(&scene, 2 + minute * 60.0);
        }
        check_int(rows[i].name, scene.failed, rows[i].failed);
        scene_end(&scene);
    }
    (void)state;
}

static void a_restart_of_containerd_fails_what_does_not_move(void **state)
{
    struct scene *scene = *state;
    struct pt_seen_lease *lease = begin_pull(scene, 1, 400);
    pt_tracker_disconnected(scene->tracker);
    scene->containerd_pid = 200;
    lease->fingerprint++; // its garbage collection may have changed what the lease holds
    observe(scene, 10);
    observe(scene, 12);
    check_int("some time is left", scene->failed, 0);
    observe(scene, 14);
    check_int("failed", scene->failed, 1);
    check_text("words", scene->last_error, "containerd was restarted during the pull");
}

// In an orderly way it takes back the leases first.
static void a_restart_of_containerd_ends_what_has_no_lease(void **state)
{
    struct scene *scene = *state;
    struct pt_seen_lease *lease = begin_pull(scene, 1, 400);
    pt_tracker_disconnected(scene->tracker);
    scene->containerd_pid = 200;
    end_lease(lease, NULL, 0);
    observe(scene, 10);
    check_int("failed", scene->failed, 1);
    check_text("words", scene->last_error, "containerd was restarted during the pull");
}

static void what_moves_after_a_restart_goes_on(void **state)
{
    struct scene *scene = *state;
    struct pt_seen_lease *lease = begin_pull(scene, 1, 400);
    pt_tracker_disconnected(scene->tracker);
    scene->containerd_pid = 200;
    observe(scene, 10);
    fetch(lease, 0, 500);
    observe(scene, 11);
    observe(scene, 20);
    check_int("goes on", scene->failed, 0);
}

// Only our connection broke: the same process answers again.
static void the_same_containerd_is_no_restart(void **state)
{
    static const int64_t pids[] = {100, -1795230245000000000}; // one is not visible
    for (size_t i = 0; i < COUNT_OF(pids); i++) {
        struct scene scene;
        scene_begin(&scene);
        scene.containerd_pid = pids[i];
        struct pt_seen_lease *lease = begin_pull(&scene, 1, 400);
        pt_tracker_disconnected(scene.tracker);
        observe(&scene, 10);
        observe(&scene, 100);
        check_int("stalled, not failed", scene.failed, 0);
        end_lease(lease, NULL, 0);
        observe(&scene, 110);
        check_int("failed in the end", scene.failed, 1);
        assert_null(strstr(scene.last_error, "restarted"));
        scene_end(&scene);
    }
    (void)state;
}

// In a PID namespace of its own the agent cannot see containerd's process, nor here its socket.
static void without_a_pid_a_break_counts_as_a_restart_after_a_while(void **state)
{
    struct scene *scene = *state;
    scene->containerd_pid = 0;
    begin_pull(scene, 1, 400);
    pt_tracker_disconnected(scene->tracker);
    observe(scene, 2);
    observe(scene, 16);
    check_int("not yet", scene->failed, 0);
    observe(scene, 18);
    check_int("failed", scene->failed, 1);
}

// The first look behind a break is one at what was there before, as the first of all is ...
static void what_has_begun_and_stands_still_in_a_break_is_no_pull(void **state)
{
    struct scene *scene = *state;
    observe(scene, 0);
    pt_tracker_disconnected(scene->tracker);
    struct pt_seen_lease *lease = add_lease(scene, "left", 20);
    add_layers(lease, 1);
    observe(scene, 60);
    check_int("none", scene->started, 0);
    fetch(lease, 0, 100);
    observe(scene, 61);
    check_int("until it moves", scene->started, 1);
}

// ... but what has become an image meanwhile has done so in the agent's time.
static void what_ends_well_in_a_break_is_a_pull(void **state)
{
    struct scene *scene = *state;
    struct pt_seen_lease *lease = add_lease(scene, "dormant", -60);
    add_layers(lease, 1);
    observe(scene, 0);
    observe(scene, 10);
    check_int("dormant", scene->started, 0);
    pt_tracker_disconnected(scene->tracker);
    end_lease(lease, "a", 20);
    observe(scene, 60);
    check_int("completed", scene->completed, 1);
}

static void finished_pulls_stay_until_they_are_forgotten(void **state)
{
    struct scene *scene = *state;
    observe(scene, 0);
    for (int i = 0; i < 3; i++) {
        char id[2] = {(char)('a' + i), '\0'};
        pull_at_once(scene, id, NULL, i + 1);
    }
    check_int("three", (int64_t)pt_tracker_finished_count(scene->tracker), 3);
    const struct pt_tracked *second =
        pt_tracker_next(scene->tracker, pt_tracker_next(scene->tracker, NULL));
    pt_tracker_forget(scene->tracker, second->finished);
    check_int("one", (int64_t)pt_tracker_finished_count(scene->tracker), 1);
    check_int("the last one", first_pull(scene)->started_at, at(2.8));
}

static void the_newest_finished_pulls_are_kept(void **state)
{
    struct scene *scene = *state;
    observe(scene, 0);
    for (int i = 0; i < PT_LIMIT_FINISHED_PULLS + 5; i++) {
        char id[16];
        snprintf(id, sizeof(id), "%d", i);
        pull_at_once(scene, id, NULL, i + 1);
    }
    check_int("bounded", (int64_t)pt_tracker_finished_count(scene->tracker),
              PT_LIMIT_FINISHED_PULLS);
    check_int("the oldest went", first_pull(scene)->started_at, at(5.8));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCENE_TEST(what_was_left_behind_is_no_pull),
        SCENE_TEST(it_is_one_as_soon_as_it_moves),
        SCENE_TEST(one_that_just_moved_is_shown_at_once),
        SCENE_TEST(what_is_from_before_the_clock_was_set_back_is_no_pull),
        SCENE_TEST(an_end_is_news_however_the_clock_was_set),
        SCENE_TEST(one_that_has_just_stopped_is_no_pull),
        cmocka_unit_test(one_that_is_too_slow_to_be_seen_is_waited_for),
        SCENE_TEST(one_that_ended_well_unmoved_is_reported),
        cmocka_unit_test(ids_outlive_the_agent),
        SCENE_TEST(one_that_waits_for_another_lives),
        SCENE_TEST(one_whose_ingest_a_newer_pull_has_is_dead),
        SCENE_TEST(one_whose_extraction_was_given_up_fails_soon),
        SCENE_TEST(one_that_stands_still_is_given_up_in_the_end),
        cmocka_unit_test(one_that_may_be_at_work_is_not_given_up),
        SCENE_TEST(a_restart_of_containerd_fails_what_does_not_move),
        SCENE_TEST(a_restart_of_containerd_ends_what_has_no_lease),
        SCENE_TEST(what_moves_after_a_restart_goes_on),
        SCENE_TEST(the_same_containerd_is_no_restart),
        SCENE_TEST(one_that_is_slow_is_waited_for),
        SCENE_TEST(without_a_pid_a_break_counts_as_a_restart_after_a_while),
        SCENE_TEST(what_has_begun_and_stands_still_in_a_break_is_no_pull),
        SCENE_TEST(what_ends_well_in_a_break_is_a_pull),
        SCENE_TEST(finished_pulls_stay_until_they_are_forgotten),
        SCENE_TEST(the_newest_finished_pulls_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

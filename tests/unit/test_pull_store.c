// SPDX-License-Identifier: Apache-2.0
#include "store_fixture.h"

#include "pull/legacy_report.h"

#include <stdlib.h>

static void a_pull_goes_from_start_to_completion(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, 10, 10);
    struct pt_layer layers[] = {make_layer("sha256:a", 10), make_layer("sha256:b", 0)};
    struct pt_pull pull = make_pull("lease-1", "app:1", layers, 2);
    assert_int_equal(fixture_tell(&f, "n1", &pull, 1), 0);
    check_int("started", f.started, 1);
    const struct pt_stored_pull *stored = fixture_last(&f);
    check_real("percent", stored->percent_floor, 5);
    uint64_t version = stored->version;

    layers[0].downloaded_bytes = 60;
    assert_int_equal(fixture_tell(&f, "n1", &pull, 1), 0);
    assert_true(stored->version > version);
    check_real("percent", stored->percent_floor, 30);
    check_real("speed", pt_stored_pull_speed(stored), 50);

    layers[0] = make_layer("sha256:a", 100);
    layers[1] = make_layer("sha256:b", 100);
    pull.phase = PT_PULL_COMPLETED;
    assert_int_equal(fixture_tell(&f, "n1", &pull, 1), 0);
    assert_int_equal(fixture_tell(&f, "n1", &pull, 1), 0); // until the agent knows it has arrived
    check_int("completed once", f.completed, 1);
    check_int("active", (int64_t)f.store.active_count, 0);
    check_int("received", (int64_t)f.store.received_bytes, 200);
    check_real("speed", pt_stored_pull_speed(stored), 0);
    fixture_finish(&f);
}

// Two images with a base layer in common: each shows all of its bytes, the node received them once.
static void a_layer_of_two_pulls_is_received_once(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, 10, 10);
    struct sharing_pulls it;
    make_sharing_pulls(&it);
    assert_int_equal(fixture_tell(&f, "n1", it.pulls, 2), 0);
    const struct pt_stored_pull *stored = fixture_last(&f);
    it.first[0].downloaded_bytes = it.second[0].downloaded_bytes = 40;
    it.first[1].downloaded_bytes = 10;
    assert_int_equal(fixture_tell(&f, "n1", it.pulls, 2), 0);
    check_real("speed of the second pull", pt_stored_pull_speed(stored), 40);
    check_real("speed of the node", pt_node_speed(stored->node), 50);
    check_int("received", (int64_t)f.store.received_bytes, 50);
    fixture_finish(&f);
}

static void a_report_that_changes_nothing_gives_no_version(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, 10, 10);
    struct pt_layer layer = make_layer("sha256:a", 100);
    struct pt_pull pull = make_pull("lease-1", "app:1", &layer, 1);
    pull.phase = PT_PULL_EXTRACTING;
    assert_int_equal(fixture_tell(&f, "n1", &pull, 1), 0);
    uint64_t version = f.store.changes.newest_version;
    assert_int_equal(fixture_tell(&f, "n1", &pull, 1), 0);
    check_int("version", (int64_t)f.store.changes.newest_version, (int64_t)version);
    fixture_finish(&f);
}

static void a_pull_first_seen_at_its_end_is_started_and_ended(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, 10, 10);
    struct pt_pull pull = make_pull("lease-1", "app:1", NULL, 0);
    pull.phase = PT_PULL_FAILED;
    pull.error = "manifest unknown";
    assert_int_equal(fixture_tell(&f, "n1", &pull, 1), 0);
    check_int("started", f.started, 1);
    check_int("failed", f.failed, 1);
    check_text("error", fixture_last(&f)->pull.error, "manifest unknown");
    fixture_finish(&f);
}

static void percent_does_not_fall(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, 10, 10);
    struct pt_layer layers[] = {make_layer("sha256:a", 80), make_layer("sha256:b", 20)};
    struct pt_pull pull = make_pull("lease-1", "app:1", layers, 2);
    assert_int_equal(fixture_tell(&f, "n1", &pull, 1), 0);
    layers[0].downloaded_bytes = 0; // the layer's download began anew
    assert_int_equal(fixture_tell(&f, "n1", &pull, 1), 0);
    struct pt_layer_rate rates[2];
    struct pt_pull_status status = pt_stored_pull_status(fixture_last(&f), rates);
    check_real("percent", status.totals.percent, 50);
    check_int("bytes", status.totals.downloaded_bytes, 20);
    check_int("received", (int64_t)f.store.received_bytes, 100);
    fixture_finish(&f);
}

// Reports that come late, twice, or after the node's clock was set.
static void rates_bear_jitter(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        double after; // seconds since the report before, on the server
        double skew;  // of the node's clock
        int64_t bytes;
        double wanted;
    } steps[] = {
        {"first", 1, 0, 0, 0},
        {"steady", 1, 0, 10, 10},
        {"delayed by 0.8 s on its way", 1.8, -0.8, 20, 10},
        {"next in time", 1, -0.8, 30, 10},
        {"set back by an hour", 1, -3600, 40, 0},
        {"steady again", 1, -3600, 50, 10},
    };
    struct fixture f;
    fixture_init(&f, 10, 10);
    struct pt_layer layer = make_layer("sha256:a", 0);
    struct pt_pull pull = make_pull("lease-1", "app:1", &layer, 1);
    for (size_t i = 0; i < COUNT_OF(steps); i++) {
        f.now_ns += (int64_t)((steps[i].after - 1) * 1e9);
        f.node_skew_ns = (int64_t)(steps[i].skew * 1e9);
        layer.downloaded_bytes = steps[i].bytes;
        assert_int_equal(fixture_tell(&f, "n1", &pull, 1), 0);
        check_real(steps[i].name, pt_stored_pull_speed(fixture_last(&f)), steps[i].wanted);
    }
    fixture_finish(&f);
}

static void a_late_report_turns_nothing_back(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, 10, 10);
    struct pt_layer layer = make_layer("sha256:a", 50);
    struct pt_pull pull = make_pull("lease-1", "app:1", &layer, 1);
    assert_int_equal(fixture_tell(&f, "n1", &pull, 1), 0);
    f.node_skew_ns = -3 * PT_NS_PER_S;
    layer.downloaded_bytes = 30;
    assert_int_equal(fixture_tell(&f, "n1", &pull, 1), 0);
    check_int("bytes", fixture_last(&f)->pull.layers[0].downloaded_bytes, 50);
    pull.phase = PT_PULL_FAILED; // but how it ended is true whenever it comes
    assert_int_equal(fixture_tell(&f, "n1", &pull, 1), 0);
    check_int("failed", f.failed, 1);
    fixture_finish(&f);
}

static void a_stall_is_told_with_its_seconds(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, 10, 10);
    struct pt_layer layer = make_layer("sha256:a", 50);
    struct pt_pull pull = make_pull("lease-1", "app:1", &layer, 1);
    for (int second = 0; second <= 8; second++) {
        uint64_t version = f.store.changes.newest_version;
        assert_int_equal(fixture_tell(&f, "n1", &pull, 1), 0);
        struct pt_layer_rate rate;
        struct pt_pull_status status = pt_stored_pull_status(fixture_last(&f), &rate);
        check_real("stalled", status.stalled_seconds, second < 5 ? 0 : second);
        if (second >= 5)
            assert_true(f.store.changes.newest_version > version);
    }
    layer.downloaded_bytes++;
    assert_int_equal(fixture_tell(&f, "n1", &pull, 1), 0);
    struct pt_layer_rate rate;
    check_real("moves", pt_stored_pull_status(fixture_last(&f), &rate).stalled_seconds, 0);
    fixture_finish(&f);
}

// --- agents that send only the first fields of the format ---

static struct pt_pull make_legacy(const char *image, struct pt_layer *layers, size_t count)
{
    struct pt_pull pull = make_pull(NULL, image, layers, count);
    pull.repository = NULL;
    pull.phase = PT_PULL_UNKNOWN;
    for (size_t i = 0; i < count; i++)
        layers[i].phase = PT_LAYER_UNKNOWN;
    return pull;
}

static void absence_completes_a_legacy_pull(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, 10, 10);
    struct pt_layer layers[] = {make_layer("sha256:a", 10), make_layer("sha256:b", 0)};
    struct pt_pull pulls[] = {make_legacy("app:1", layers, 2), make_pull("own", "app:2", NULL, 0)};
    assert_int_equal(fixture_tell(&f, "n1", pulls, 2), 0);
    check_int("started", f.started, 2);
    assert_int_equal(fixture_tell(&f, "n1", NULL, 0), 0);
    check_int("completed", f.completed, 1); // our own agent's goes on
    const struct pt_stored_pull *stored = fixture_last(&f);
    check_text("image", stored->pull.image_ref, "app:1");
    check_real("percent", stored->percent_floor, 5);
    struct pt_layer_rate rates[2];
    struct pt_pull_status status = pt_stored_pull_status(stored, rates);
    check_real("percent told", status.totals.percent, 100);
    check_int("layers done", (int64_t)status.totals.layers_done, 2);
    check_int("received", (int64_t)f.store.received_bytes, 200);
    fixture_finish(&f);
}

static void layers_that_a_legacy_agent_leaves_out_are_done(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, 10, 10);
    struct pt_layer layers[] = {make_layer("sha256:a", 90), make_layer("sha256:b", 0)};
    struct pt_pull pull = make_legacy("app:1", layers, 2);
    assert_int_equal(fixture_tell(&f, "n1", &pull, 1), 0);
    pull = make_legacy("app:1", &layers[1], 1);
    assert_int_equal(fixture_tell(&f, "n1", &pull, 1), 0);
    const struct pt_stored_pull *stored = fixture_last(&f);
    check_int("layers", (int64_t)stored->pull.layer_count, 2);
    check_text("the one left out", stored->pull.layers[1].digest, "sha256:a");
    check_int("its phase", stored->pull.layers[1].phase, PT_LAYER_DOWNLOADED);
    check_int("its bytes", stored->pull.layers[1].downloaded_bytes, 100);
    fixture_finish(&f);
}

static void content_without_a_name_is_one_pull(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, 10, 10);
    struct pt_layer layers[] = {make_layer("sha256:a", 10), make_layer("sha256:b", 20),
                                make_layer("sha256:a", 10)};
    struct pt_pull pulls[] = {make_legacy("layer-sha256:a", &layers[0], 1),
                              make_legacy("sha256:b", &layers[1], 1),
                              make_legacy("config-sha256:c", &layers[2], 1)};
    assert_int_equal(fixture_tell(&f, "n1", pulls, 3), 0);
    check_int("pulls", f.started, 1);
    const struct pt_stored_pull *stored = fixture_last(&f);
    check_text("name", stored->pull.image_ref, PT_MERGED_IMAGE_REF);
    check_int("layers", (int64_t)stored->pull.layer_count, 2);

    // An image that somebody named so is another pull.
    struct pt_pull named = make_legacy(PT_MERGED_IMAGE_REF, NULL, 0);
    assert_int_equal(fixture_tell(&f, "n1", &named, 1), 0);
    check_int("pulls", f.started, 2);
    check_int("the merged one has completed", f.completed, 1);
    fixture_finish(&f);
}

static void a_legacy_pull_that_comes_again_is_the_same_or_another(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, 10, 10);
    struct pt_layer layer = make_layer("sha256:a", 10);
    struct pt_pull pull = make_legacy("app:1", &layer, 1);
    assert_int_equal(fixture_tell(&f, "n1", &pull, 1), 0);
    assert_int_equal(fixture_tell(&f, "n1", NULL, 0), 0);
    assert_int_equal(fixture_tell(&f, "n1", &pull, 1), 0); // one report had missed it
    check_int("started", f.started, 1);
    check_int("active", (int64_t)f.store.active_count, 1);
    assert_int_equal(fixture_tell(&f, "n1", NULL, 0), 0);
    pull.started_at += 60 * PT_NS_PER_S;
    assert_int_equal(fixture_tell(&f, "n1", &pull, 1), 0);
    check_int("another", f.started, 2);
    check_int("pulls", (int64_t)f.store.pulls.count, 2);
    fixture_finish(&f);
}

// --- identities ---

static void agents_cannot_take_each_others_pulls(void **state)
{
    (void)state;
    static const struct {
        const char *name, *node, *id, *image;
    } evil[] = {
        {"the same id on another node", "n2", "lease-1", "app:1"},
        {"node and id shifted", "n", "1lease-1", "app:1"},
        {"an image named like the key", "n1", NULL, "ilease-1"},
        {"an id named like the merged key", "n1", "m", "app:1"},
        {"an id with odd characters", "n1", "../../x?y#z\n", "app:1"},
    };
    struct fixture f;
    fixture_init(&f, 20, 20);
    struct pt_pull pull = make_pull("lease-1", "app:1", NULL, 0);
    assert_int_equal(fixture_tell(&f, "n1", &pull, 1), 0);
    char first_id[PT_PULL_ID_SIZE];
    strcpy(first_id, f.last_id);
    for (size_t i = 0; i < COUNT_OF(evil); i++) {
        int started = f.started;
        pull = make_pull(evil[i].id, evil[i].image, NULL, 0);
        assert_int_equal(fixture_tell(&f, evil[i].node, &pull, 1), 0);
        check_int(evil[i].name, f.started, started + 1);
        assert_string_not_equal(f.last_id, first_id);
        check_int("only hexadecimal digits", (int64_t)strspn(f.last_id, "0123456789abcdef"), 32);
    }
    fixture_finish(&f);
}

static void an_id_survives_a_restart_of_the_server(void **state)
{
    (void)state;
    char ids[2][PT_PULL_ID_SIZE];
    for (size_t i = 0; i < 2; i++) {
        struct fixture f;
        fixture_init(&f, 10, 10);
        f.now_ns += (int64_t)i * 3600 * PT_NS_PER_S;
        struct pt_pull pull = make_pull("lease-1", "app:1", NULL, 0);
        assert_int_equal(fixture_tell(&f, "n1", &pull, 1), 0);
        strcpy(ids[i], f.last_id);
        fixture_finish(&f);
    }
    assert_string_equal(ids[0], ids[1]);
}

// --- time ---

static void finished_pulls_stay_for_their_time(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, 10, 10);
    struct pt_pull pull = make_pull("lease-1", "app:1", NULL, 0);
    pull.phase = PT_PULL_COMPLETED;
    assert_int_equal(fixture_tell(&f, "n1", &pull, 1), 0);
    fixture_wait(&f, 1799);
    assert_non_null(fixture_last(&f));
    check_int("durations", (int64_t)f.store.durations.count, 1);
    fixture_wait(&f, 2);
    assert_null(fixture_last(&f));
    check_int("completed", (int64_t)f.store.completed_count, 0);
    check_int("durations", (int64_t)f.store.durations.count, 0);
    fixture_wait(&f, 1);
    check_int("a node without pulls goes as well", (int64_t)f.store.nodes.count, 0);
    fixture_finish(&f);
}

static void a_silent_node_is_told_and_its_pulls_become_stale(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, 10, 10);
    struct pt_layer layer = make_layer("sha256:a", 10);
    struct pt_pull pull = make_pull("lease-1", "app:1", &layer, 1);
    assert_int_equal(fixture_tell(&f, "n1", &pull, 1), 0);
    layer.downloaded_bytes = 20;
    assert_int_equal(fixture_tell(&f, "n1", &pull, 1), 0);
    const struct pt_stored_pull *stored = fixture_last(&f);
    fixture_wait(&f, 29);
    check_int("not yet silent", (int64_t)f.store.silent_count, 0);
    uint64_t version = stored->version;
    fixture_wait(&f, 2);
    check_int("silent", (int64_t)f.store.silent_count, 1);
    check_real("no speed is known", pt_stored_pull_speed(stored), 0);
    assert_true(stored->version > version);
    fixture_wait(&f, 568);
    check_int("not yet stale", f.failed, 0);
    fixture_wait(&f, 2);
    check_int("stale", f.failed, 1);
    check_text("class", stored->error_class, PT_ERROR_CLASS_STALE);
    check_text("words", stored->pull.error, "the node's agent has not reported for 10m");

    layer.downloaded_bytes = 30; // the node comes back and the pull goes on
    assert_int_equal(fixture_tell(&f, "n1", &pull, 1), 0);
    check_int("silent", (int64_t)f.store.silent_count, 0);
    check_int("active again", (int64_t)f.store.active_count, 1);
    check_int("failures kept", (int64_t)f.store.failed_count, 0);
    assert_null(stored->pull.error);
    assert_null(stored->error_class);
    fixture_finish(&f);
}

static void a_stuck_pull_comes_back_when_it_moves(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, 10, 10);
    struct pt_layer layer = make_layer("sha256:a", 50);
    struct pt_pull pull = make_pull("lease-1", "app:1", &layer, 1);
    for (int i = 0; i < 610; i++) {
        assert_int_equal(fixture_tell(&f, "n1", &pull, 1), 0);
        fixture_wait(&f, 0);
    }
    check_int("failed once", f.failed, 1);
    layer.downloaded_bytes = 51;
    assert_int_equal(fixture_tell(&f, "n1", &pull, 1), 0);
    check_int("active again", (int64_t)f.store.active_count, 1);
    fixture_finish(&f);
}

// It ended while the node's agent was not running; the one that runs now does not know it.
static void one_that_its_agent_has_lost_is_given_up(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, 10, 10);
    struct pt_layer layer = make_layer("sha256:a", 50);
    struct pt_pull pulls[] = {make_pull("lease-1", "app:1", &layer, 1),
                              make_pull("lease-2", "app:2", &layer, 1)};
    assert_int_equal(fixture_tell(&f, "n1", pulls, 2), 0);
    for (int second = 1; second < 60; second++)
        assert_int_equal(fixture_tell(&f, "n1", &pulls[1], 1), 0);
    check_int("not yet", f.failed, 0);
    assert_int_equal(fixture_tell(&f, "n1", &pulls[1], 1), 0);
    check_int("given up", f.failed, 1);
    check_int("the other one goes on", (int64_t)f.store.active_count, 1);
    layer.downloaded_bytes = 60;
    assert_int_equal(fixture_tell(&f, "n1", pulls, 2), 0);
    check_int("unless it is named again", (int64_t)f.store.active_count, 2);
    fixture_finish(&f);
}

static void what_does_not_move_becomes_stale(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        enum pt_pull_phase phase;
        bool named;
        const char *error; // NULL: it goes on
    } cases[] = {
        {"download without a byte", PT_PULL_DOWNLOADING, true, "no progress for 10m"},
        {"no longer named", PT_PULL_DOWNLOADING, false,
         "the node's agent no longer reports this pull"},
        {"a long extraction", PT_PULL_EXTRACTING, true, NULL},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct fixture f;
        fixture_init(&f, 10, 10);
        struct pt_layer layer = make_layer("sha256:a", 50);
        struct pt_pull pull = make_pull("lease-1", "app:1", &layer, 1);
        pull.phase = cases[i].phase;
        assert_int_equal(fixture_tell(&f, "n1", &pull, 1), 0);
        for (int second = 0; second < 605; second += 5) {
            fixture_wait(&f, 4);
            assert_int_equal(fixture_tell(&f, "n1", &pull, cases[i].named ? 1 : 0), 0);
        }
        check_text(cases[i].name, fixture_last(&f)->pull.error, cases[i].error);
        fixture_finish(&f);
    }
}

// --- limits ---

static void limits_have_their_answers(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, 2, 2);
    struct pt_pull pulls[] = {make_pull("1", "a", NULL, 0), make_pull("2", "b", NULL, 0),
                              make_pull("3", "c", NULL, 0)};
    pulls[0].phase = PT_PULL_COMPLETED;
    check_int("finished ones make room", fixture_tell(&f, "n1", pulls, 3), 0);
    check_int("pulls", (int64_t)f.store.pulls.count, 2);
    check_int("all active", fixture_tell(&f, "n2", pulls, 1), -EDQUOT);
    check_text("words", f.err.message, "the server holds its maximum of 2 pulls");
    check_int("a third node", fixture_tell(&f, "n3", NULL, 0), -ENOSPC);
    f.now_ns -= 1600 * PT_NS_PER_MS;
    check_int("400 ms after the last", fixture_tell(&f, "n2", NULL, 0), -EAGAIN);
    f.now_ns -= 900 * PT_NS_PER_MS;
    check_int("500 ms after the last", fixture_tell(&f, "n2", NULL, 0), 0);
    fixture_finish(&f);
}

// How soon a report may follow another depends on the interval that it says its agent has.
static const struct {
    const char *name;
    int64_t interval_ms;
    int64_t after_ms;
    int result;
} distances[] = {
    {"none said, too soon", 0, 499, -EAGAIN},
    {"none said", 0, 500, 0},
    {"ten seconds, too soon", 10000, 499, -EAGAIN},
    {"a quarter second, too soon", 250, 124, -EAGAIN},
    {"a quarter second", 250, 125, 0},
    {"a millisecond, too soon", 1, 99, -EAGAIN},
    {"a millisecond", 1, 100, 0},
    {"the longest", INT64_MAX / 4096, 499, -EAGAIN},
};

static void reports_keep_their_distance(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, 2, 2);
    for (size_t i = 0; i < COUNT_OF(distances); i++) {
        assert_int_equal(fixture_tell(&f, "n1", NULL, 0), 0);
        f.now_ns += distances[i].after_ms * PT_NS_PER_MS;
        const struct pt_report report = {
            .node_name = "n1", .timestamp = f.now_ns, .interval_ms = distances[i].interval_ms};
        check_int(distances[i].name, pt_store_apply(&f.store, &report, &f.err),
                  distances[i].result);
    }
    fixture_finish(&f);
}

static void pinned_pulls_outlive_their_removal(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, 10, 10);
    struct pt_pull pull = make_pull("lease-1", "app:1", NULL, 0);
    pull.phase = PT_PULL_COMPLETED;
    assert_int_equal(fixture_tell(&f, "n1", &pull, 1), 0);
    struct pt_stored_pull *stored = pt_store_find(&f.store, f.last_id);
    pt_stored_pull_pin(stored);
    fixture_wait(&f, 1801);
    assert_null(fixture_last(&f));
    check_text("still readable", stored->pull.image_ref, "app:1");
    check_text("with its node", stored->node->name, "n1");
    pt_stored_pull_unpin(stored);
    fixture_wait(&f, 1);
    check_int("nodes", (int64_t)f.store.nodes.count, 0);
    fixture_finish(&f);
}

static void layers_that_come_and_go_keep_their_numbers(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, 10, 10);
    struct pt_layer layers[] = {make_layer("sha256:b", 20), make_layer("sha256:c", 30)};
    layers[1].media_type = "application/x-unheard-of";
    struct pt_pull pull = make_pull("lease-1", "app:1", layers, 2);
    assert_int_equal(fixture_tell(&f, "n1", &pull, 1), 0);
    uint64_t started = fixture_last(&f)->tracks[1].started_version;
    struct pt_layer more[] = {make_layer("sha256:a", 5), layers[1], layers[0],
                              make_layer("sha256:a", 5)};
    pull = make_pull("lease-1", "app:1", more, 4);
    assert_int_equal(fixture_tell(&f, "n1", &pull, 1), 0);
    const struct pt_stored_pull *stored = fixture_last(&f);
    check_int("layers", (int64_t)stored->pull.layer_count, 4);
    check_text("digest", stored->pull.layers[1].digest, "sha256:c");
    check_text("media type", stored->pull.layers[1].media_type, "application/x-unheard-of");
    check_int("began when it did", (int64_t)stored->tracks[1].started_version, (int64_t)started);
    check_int("what is new was received, and once", (int64_t)f.store.received_bytes, 55);
    fixture_finish(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pull_goes_from_start_to_completion),
        cmocka_unit_test(a_layer_of_two_pulls_is_received_once),
        cmocka_unit_test(a_report_that_changes_nothing_gives_no_version),
        cmocka_unit_test(a_pull_first_seen_at_its_end_is_started_and_ended),
        cmocka_unit_test(percent_does_not_fall),
        cmocka_unit_test(rates_bear_jitter),
        cmocka_unit_test(a_late_report_turns_nothing_back),
        cmocka_unit_test(a_stall_is_told_with_its_seconds),
        cmocka_unit_test(absence_completes_a_legacy_pull),
        cmocka_unit_test(layers_that_a_legacy_agent_leaves_out_are_done),
        cmocka_unit_test(content_without_a_name_is_one_pull),
        cmocka_unit_test(a_legacy_pull_that_comes_again_is_the_same_or_another),
        cmocka_unit_test(agents_cannot_take_each_others_pulls),
        cmocka_unit_test(an_id_survives_a_restart_of_the_server),
        cmocka_unit_test(finished_pulls_stay_for_their_time),
        cmocka_unit_test(a_silent_node_is_told_and_its_pulls_become_stale),
        cmocka_unit_test(a_stuck_pull_comes_back_when_it_moves),
        cmocka_unit_test(one_that_its_agent_has_lost_is_given_up),
        cmocka_unit_test(what_does_not_move_becomes_stale),
        cmocka_unit_test(limits_have_their_answers),
        cmocka_unit_test(reports_keep_their_distance),
        cmocka_unit_test(pinned_pulls_outlive_their_removal),
        cmocka_unit_test(layers_that_come_and_go_keep_their_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

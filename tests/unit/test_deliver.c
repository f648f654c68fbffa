// SPDX-License-Identifier: Apache-2.0
#include "base/limits.h"
#include "base/log.h"
#include "fake_delivery.h"

#include <errno.h>

#define URL "http://127.0.0.1:8080/"
#define IMAGE "registry.example/app:1"

static const struct {
    int status; // 0: not reached
    bool is_taken;
} answers[] = {{200, true},  {204, true},  {0, false},   {301, false}, {400, false}, {401, false},
               {404, false}, {413, false}, {429, false}, {500, false}, {503, false}};

static void a_finished_pull_stays_until_it_is_taken(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(answers); i++) {
        struct delivery d;
        char name[16];
        snprintf(name, sizeof(name), "%d", answers[i].status);
        delivery_begin(&d, URL, NULL);
        pull_at_once(&d.scene, "a", IMAGE, 1);
        delivery_run(&d, true);
        check_int(name, delivery_names(&d, IMAGE), true);
        delivery_answer(&d, answers[i].status, NULL);
        delivery_wait(&d, 10000);
        delivery_run(&d, false);
        check_int("reported again", d.reports, 2);
        check_int(name, delivery_names(&d, IMAGE), !answers[i].is_taken);
        delivery_end(&d);
    }
}

static void an_answer_that_does_not_end_is_none(void **state)
{
    (void)state;
    const struct pt_http_result result = {.status = 200, .error = -EMSGSIZE, .message = "long"};
    struct delivery d;
    delivery_begin(&d, URL, NULL);
    pull_at_once(&d.scene, "a", IMAGE, 1);
    delivery_run(&d, true);
    assert_in_range(d.options.max_response_bytes, 1, PT_LIMIT_REPORT_ANSWER_BYTES);
    d.is_in_flight = false;
    d.options.on_done(d.options.context, &result);
    delivery_wait(&d, 10000);
    check_int("reported again", delivery_names(&d, IMAGE), true);
    delivery_end(&d);
}

static void the_runtime_is_the_one_that_has_answered(void **state)
{
    (void)state;
    struct delivery d;
    delivery_begin(&d, URL, NULL);
    delivery_run(&d, true);
    check_text("none yet", d.report.runtime_name, NULL);
    delivery_answer(&d, 200, NULL);
    pt_deliverer_set_runtime(d.deliverer, "containerd", "1.7.2");
    delivery_wait(&d, 10000);
    delivery_run(&d, false);
    check_text("its name", d.report.runtime_name, "containerd");
    check_text("its version", d.report.runtime_version, "1.7.2");
    delivery_answer(&d, 200, NULL);
    delivery_end(&d);
}

static void reports_are_numbered(void **state)
{
    (void)state;
    struct delivery d;
    char run[PT_LIMIT_RUN_BYTES + 1];
    delivery_begin(&d, URL, NULL);
    delivery_run(&d, true);
    check_int("first", d.report.sequence, 1);
    snprintf(run, sizeof(run), "%s", d.report.run);
    delivery_answer(&d, 503, NULL);
    delivery_wait(&d, 60000);
    check_int("second", d.report.sequence, 2);
    check_text("of one run", d.report.run, run);
    delivery_answer(&d, 200, NULL);
    delivery_end(&d);
}

// Of what came with a report that was not taken, or comes meanwhile, no server has heard.
static void what_no_server_has_taken_is_said(void **state)
{
    (void)state;
    struct delivery d;
    delivery_begin(&d, URL, NULL);
    struct pt_seen_lease *lease = begin_pull(&d.scene, 1, 300);
    delivery_run(&d, true);
    check_int("all", d.report.pulls[0].bytes_unreported, 300);
    fetch(lease, 0, 500);
    observe(&d.scene, 2);
    delivery_answer(&d, 503, NULL);
    delivery_wait(&d, 60000);
    check_int("still all", d.report.pulls[0].bytes_unreported, 500);
    fetch(lease, 0, 600);
    observe(&d.scene, 3);
    delivery_answer(&d, 200, NULL);
    delivery_wait(&d, 60000);
    check_int("what came meanwhile", d.report.pulls[0].bytes_unreported, 100);
    delivery_answer(&d, 200, NULL);
    delivery_wait(&d, 60000);
    check_int("none", d.report.pulls[0].bytes_unreported, 0);
    check_int("of", d.report.pulls[0].bytes_fetched, 600);
    delivery_end(&d);
}

// What ended while a report was on its way is not taken with that one.
static void one_that_finishes_meanwhile_comes_with_the_next(void **state)
{
    (void)state;
    struct delivery d;
    delivery_begin(&d, URL, NULL);
    pull_at_once(&d.scene, "a", IMAGE, 1);
    delivery_run(&d, true);
    pull_at_once(&d.scene, "b", "registry.example/other:1", 2);
    delivery_run(&d, true);
    check_int("one at a time", d.reports, 1);
    delivery_answer(&d, 200, NULL);
    delivery_wait(&d, 1000);
    check_int("first", delivery_names(&d, IMAGE), false);
    check_int("second", delivery_names(&d, "registry.example/other:1"), true);
    delivery_answer(&d, 200, NULL);
    check_int("all confirmed", (int64_t)pt_tracker_finished_count(d.scene.tracker), 0);
    delivery_end(&d);
}

static void what_does_not_fit_comes_with_the_next_report(void **state)
{
    (void)state;
    enum { PULLS = 900 };
    static bool is_reported[PULLS];
    struct delivery d;
    size_t count = 0;
    char image[1000] = IMAGE; // a name that takes two bytes for each of its own
    memset(image + strlen(image), '"', sizeof(image) - 1 - strlen(image));
    delivery_begin(&d, URL, NULL);
    for (int i = 0; i < PULLS; i++) {
        char id[16];
        snprintf(id, sizeof(id), "%d", i);
        pull_at_once(&d.scene, id, image, i + 1);
    }
    delivery_run(&d, true);
    while (count < PULLS) {
        size_t before = count;
        for (size_t i = 0; i < d.report.pull_count; i++) {
            int64_t second = (d.report.pulls[i].started_at - NOW) / PT_NS_PER_S;
            assert_in_range(second, 0, PULLS - 1);
            check_int("reported once", is_reported[second], false);
            is_reported[second] = true;
            count++;
        }
        assert_int_not_equal(count, before);
        delivery_answer(&d, 200, NULL);
        delivery_wait(&d, 1500);
    }
    assert_in_range(d.reports, 2, 8);
    delivery_end(&d);
}

// A pull of so many layers whose media types are 255 times this character, which has failed.
static void pull_of_layers(struct scene *scene, const char *id, size_t count, char character,
                           double seconds)
{
    static struct pt_seen_layer layers[600];
    static char digests[COUNT_OF(layers)][PT_LIMIT_DIGEST_BYTES];
    static char media_type[256];
    struct pt_seen_lease *lease = add_lease(scene, id, seconds - 0.2);
    memset(media_type, character, sizeof(media_type) - 1);
    for (size_t i = 0; i < count; i++) {
        snprintf(digests[i], sizeof(digests[i]), "sha512:%0128zu", i);
        layers[i] = (struct pt_seen_layer){
            .digest = digests[i], .media_type = media_type, .size = PT_LIMIT_SIZE_BYTES};
    }
    add_layers(lease, 0);
    lease->layers = layers;
    lease->layer_count = count;
    end_lease(lease, NULL, seconds - 0.05);
    observe(scene, seconds);
}

// Each character takes six bytes.
static void what_has_to_be_escaped_is_counted_as_it_is_written(void **state)
{
    (void)state;
    enum { PULLS = 17 };
    struct delivery d;
    size_t count = 0;
    delivery_begin(&d, URL, NULL);
    for (int i = 0; i < PULLS; i++) {
        char id[16];
        snprintf(id, sizeof(id), "%d", i);
        pull_of_layers(&d.scene, id, 80, '\x01', i + 1);
    }
    delivery_run(&d, true);
    for (int i = 0; i < 4 && d.is_in_flight; i++) {
        count += d.report.pull_count;
        delivery_answer(&d, 200, NULL);
        delivery_wait(&d, 1500);
    }
    check_int("all", (int64_t)count, PULLS);
    check_int("forgotten", (int64_t)pt_tracker_finished_count(d.scene.tracker), 0);
    delivery_end(&d);
}

static void a_pull_that_is_too_large_alone_stops_no_other(void **state)
{
    (void)state;
    struct delivery d;
    delivery_begin(&d, URL, NULL);
    pull_of_layers(&d.scene, "large", 600, '\x01', 1);
    pull_at_once(&d.scene, "a", IMAGE, 2);
    delivery_run(&d, true);
    check_int("pulls", (int64_t)d.report.pull_count, 1);
    check_int("the other", delivery_names(&d, IMAGE), true);
    delivery_answer(&d, 200, NULL);
    check_int("both are done", (int64_t)pt_tracker_finished_count(d.scene.tracker), 0);
    delivery_end(&d);
}

// A server of another version than ours refuses each report with such a pull in it.
static void a_pull_that_is_refused_stops_no_other(void **state)
{
    (void)state;
    static const char bad[] = "registry.example/bad:1";
    for (size_t place = 0; place < 10; place++) {
        struct delivery d;
        size_t taken = 0;
        int64_t began_ms;
        delivery_begin(&d, URL, NULL);
        for (size_t i = 0; i < 10; i++) {
            char id[2] = {(char)('a' + i), '\0'};
            pull_at_once(&d.scene, id, i == place ? bad : IMAGE, (double)i + 1);
        }
        began_ms = d.now_ms;
        delivery_run(&d, true);
        while (pt_tracker_finished_count(d.scene.tracker) && d.now_ms < began_ms + 120000) {
            bool is_taken = !delivery_names(&d, bad);
            taken += is_taken ? d.report.pull_count : 0;
            delivery_answer(&d, is_taken ? 200 : 400, NULL);
            while (!d.is_in_flight)
                delivery_wait(&d, 100);
        }
        check_int("the others, each once", (int64_t)taken, 9);
        check_int("done", (int64_t)pt_tracker_finished_count(d.scene.tracker), 0);
        assert_in_range(d.reports, 2, 20);
        delivery_answer(&d, 200, NULL);
        delivery_end(&d);
    }
}

// The same of pulls that go on: the bad one stays away from then on.
static void an_active_pull_that_is_refused_stops_no_other(void **state)
{
    (void)state;
    struct delivery d;
    delivery_begin(&d, URL, NULL);
    static const char *const ids[] = {"a", "b", "c"};
    static const char *const digests[] = {DIGEST(0), DIGEST(1), DIGEST(2)};
    for (size_t i = 0; i < COUNT_OF(ids); i++) {
        struct pt_seen_lease *lease = add_lease(&d.scene, ids[i], 0.5);
        add_layers(lease, 1);
        lease->layers[0].digest = (char *)digests[i];
        lease->repository = (char *)(i == 1 ? "registry.example/bad" : "registry.example/app");
        fetch(lease, 0, 10);
    }
    observe(&d.scene, 1);
    delivery_run(&d, true);
    for (int i = 0; i < 30; i++) {
        delivery_answer(&d, delivery_names(&d, "registry.example/bad") ? 400 : 200, NULL);
        while (!d.is_in_flight)
            delivery_wait(&d, 100);
    }
    check_int("the others", (int64_t)d.report.pull_count, 2);
    check_int("bad", delivery_names(&d, "registry.example/bad"), false);
    delivery_answer(&d, 200, NULL);
    delivery_end(&d);
}

// What refuses reports without any pull, too, refuses for another reason than a pull.
static void who_refuses_everything_gets_everything_later(void **state)
{
    (void)state;
    static const int statuses[] = {400, 413};
    for (size_t i = 0; i < COUNT_OF(statuses); i++) {
        struct delivery d;
        delivery_begin(&d, URL, NULL);
        for (int pull = 0; pull < 5; pull++) {
            char id[2] = {(char)('a' + pull), '\0'};
            pull_at_once(&d.scene, id, IMAGE, pull + 1);
        }
        delivery_run(&d, true);
        for (int report = 0; report < 40; report++) {
            delivery_answer(&d, statuses[i], NULL);
            while (!d.is_in_flight)
                delivery_wait(&d, 100);
        }
        size_t count = 0;
        for (int report = 0; report < 5; report++) {
            count += d.report.pull_count;
            delivery_answer(&d, 200, NULL);
            while (!d.is_in_flight)
                delivery_wait(&d, 100);
        }
        check_int("all", (int64_t)count, 5);
        delivery_answer(&d, 200, NULL);
        delivery_end(&d);
    }
}

// A server, or a proxy before it, may take less than the agent would send.
static void a_report_that_is_too_large_is_made_smaller(void **state)
{
    (void)state;
    struct delivery d;
    delivery_begin(&d, URL, NULL);
    for (int i = 0; i < 300; i++) {
        char id[16];
        snprintf(id, sizeof(id), "%d", i);
        pull_at_once(&d.scene, id, IMAGE, i + 1);
    }
    delivery_run(&d, true);
    size_t first = d.report.pull_count;
    for (int i = 0; i < 3; i++) {
        delivery_answer(&d, 413, NULL);
        delivery_wait(&d, 10000);
    }
    assert_in_range(d.report.pull_count, 1, first / 2);
    delivery_end(&d);
}

int main(void)
{
    pt_log_set_descriptor(-1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_finished_pull_stays_until_it_is_taken),
        cmocka_unit_test(an_answer_that_does_not_end_is_none),
        cmocka_unit_test(the_runtime_is_the_one_that_has_answered),
        cmocka_unit_test(reports_are_numbered),
        cmocka_unit_test(what_no_server_has_taken_is_said),
        cmocka_unit_test(one_that_finishes_meanwhile_comes_with_the_next),
        cmocka_unit_test(what_does_not_fit_comes_with_the_next_report),
        cmocka_unit_test(a_report_that_is_too_large_is_made_smaller),
        cmocka_unit_test(what_has_to_be_escaped_is_counted_as_it_is_written),
        cmocka_unit_test(a_pull_that_is_too_large_alone_stops_no_other),
        cmocka_unit_test(a_pull_that_is_refused_stops_no_other),
        cmocka_unit_test(an_active_pull_that_is_refused_stops_no_other),
        cmocka_unit_test(who_refuses_everything_gets_everything_later),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

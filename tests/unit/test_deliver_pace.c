// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"
#include "fake_delivery.h"

#define URL "http://127.0.0.1:8080/"
#define IMAGE "registry.example/app:1"

// --- when the server is away or refuses ---

static void retries_become_rarer(void **state)
{
    (void)state;
    static const int64_t gaps[] = {1000, 2000, 4000, 8000, 8000, 8000};
    struct delivery d;
    delivery_begin(&d, URL, NULL);
    pull_at_once(&d.scene, "a", IMAGE, 1);
    delivery_run(&d, true);
    for (size_t i = 0; i < COUNT_OF(gaps); i++) {
        delivery_answer(&d, 0, NULL);
        delivery_wait(&d, 9000);
        check_int("gap", d.sent_ms[i + 1] - d.sent_ms[i], gaps[i]);
        d.sent_ms[i + 1] = d.now_ms; // the answer comes later than the report was sent
    }
    delivery_answer(&d, 200, NULL);
    pull_at_once(&d.scene, "b", IMAGE, 2);
    delivery_run(&d, true);
    delivery_wait(&d, 700);
    delivery_answer(&d, 500, NULL);
    unsigned reports = d.reports;
    delivery_wait(&d, 1100);
    check_int("after a success at once again", d.reports, reports + 1);
    delivery_end(&d);
}

static const struct {
    const char *value;
    int64_t wait_ms;
} retry_after[] = {
    {"3", 3000}, {"30", 30000}, {"86400", 60000}, // nobody may silence a node for a day
    {"0", 1000}, {"-5", 1000},  {"Wed, 21 Oct 2026 07:28:00 GMT", 1000},
};

static void the_server_says_when_to_come_back(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(retry_after); i++) {
        struct delivery d;
        delivery_begin(&d, URL, NULL);
        pull_at_once(&d.scene, "a", IMAGE, 1);
        delivery_run(&d, true);
        delivery_answer(&d, i % 2 ? 503 : 429, retry_after[i].value);
        delivery_wait(&d, retry_after[i].wait_ms - 1);
        delivery_run(&d, true);
        check_int(retry_after[i].value, d.reports, 1);
        delivery_wait(&d, 1);
        check_int(retry_after[i].value, d.reports, 2);
        delivery_end(&d);
    }
}

static void away_for_minutes_loses_nothing(void **state)
{
    (void)state;
    struct delivery d;
    delivery_begin(&d, URL, NULL);
    for (int second = 1; second <= 300; second++) {
        char id[16];
        snprintf(id, sizeof(id), "%d", second);
        if (second % 10 == 0)
            pull_at_once(&d.scene, id, IMAGE, second);
        delivery_run(&d, second % 10 == 0);
        if (d.is_in_flight)
            delivery_answer(&d, 0, NULL);
        delivery_wait(&d, 1000);
        if (d.is_in_flight)
            delivery_answer(&d, 0, NULL);
    }
    assert_in_range(d.reports, 30, 60); // one each 8 s
    while (!d.is_in_flight)
        delivery_wait(&d, 1000);
    check_int("all in one", (int64_t)d.report.pull_count, 30);
    delivery_answer(&d, 200, NULL);
    delivery_wait(&d, 11000);
    check_int("each once", (int64_t)d.report.pull_count, 0);
    delivery_end(&d);
}

// --- when to report ---

static void much_news_is_one_report(void **state)
{
    (void)state;
    struct delivery d;
    delivery_begin(&d, URL, NULL);
    delivery_run(&d, false);
    delivery_answer(&d, 200, NULL);
    for (int i = 0; i < 10; i++) {
        char id[2] = {(char)('a' + i), '\0'};
        delivery_wait(&d, 10);
        pull_at_once(&d.scene, id, IMAGE, i + 1);
        delivery_run(&d, true);
    }
    check_int("not before its time", d.reports, 1);
    delivery_wait(&d, 1000);
    check_int("one", d.reports, 2);
    check_int("after 600 ms", d.sent_ms[1] - d.sent_ms[0], 600);
    check_int("with all", (int64_t)d.report.pull_count, 10);
    delivery_end(&d);
}

static void a_short_pull_does_not_wait_for_a_long_interval(void **state)
{
    (void)state;
    struct delivery d;
    delivery_begin(&d, URL, NULL);
    d.pace_ms = 10000;
    delivery_run(&d, false);
    delivery_answer(&d, 200, NULL);
    delivery_wait(&d, 3000);
    pull_at_once(&d.scene, "a", IMAGE, 1);
    delivery_run(&d, true);
    check_int("at once", d.sent_ms[1] - d.sent_ms[0], 3000);
    check_int("reported", delivery_names(&d, IMAGE), true);
    delivery_end(&d);
}

static void a_heartbeat_when_nothing_is_pulled(void **state)
{
    (void)state;
    struct delivery d;
    delivery_begin(&d, URL, NULL);
    for (int second = 0; second < 60; second++) {
        delivery_run(&d, false); // a look each second
        if (d.is_in_flight)
            delivery_answer(&d, 200, NULL);
        delivery_wait(&d, 1000);
    }
    check_int("each 10 s", d.reports, 6);
    delivery_end(&d);
}

// With a look each second; each report is answered with `status`.
static unsigned reports_in(struct delivery *d, int seconds, int status)
{
    unsigned before = d->reports;
    for (int second = 0; second < seconds; second++) {
        delivery_run(d, false);
        if (d->is_in_flight)
            delivery_answer(d, status, NULL);
        delivery_wait(d, 1000);
    }
    return d->reports - before;
}

static void the_server_may_ask_for_a_longer_heartbeat(void **state)
{
    (void)state;
    static const struct {
        const char *asked;
        int in_two_minutes;
    } cases[] = {
        {"20", 6}, {"30", 4}, {"600", 3}, {"1", 12}, {"0", 12}, {"-5", 12}, {"often", 12},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct delivery d;
        delivery_begin(&d, URL, NULL);
        d.heartbeat = cases[i].asked;
        check_int(cases[i].asked, reports_in(&d, 120, 200), cases[i].in_two_minutes);
        d.heartbeat = NULL;
        (void)reports_in(&d, 45, 200);
        check_int("as usual again", reports_in(&d, 60, 200), 6);
        delivery_end(&d);
    }
}

static void what_is_pulled_does_not_wait_for_a_long_heartbeat(void **state)
{
    (void)state;
    struct delivery d;
    delivery_begin(&d, URL, NULL);
    d.heartbeat = "45";
    check_int("heartbeat", reports_in(&d, 5, 200), 1);
    pull_at_once(&d.scene, "a", IMAGE, 1);
    delivery_run(&d, true);
    check_int("at once", d.reports, 2);
    check_int("reported", delivery_names(&d, IMAGE), true);
    delivery_answer(&d, 200, NULL);
    delivery_end(&d);
}

static const struct {
    const char *name;
    int64_t pace_ms;
    int64_t answered_after_ms;
    int status;
    unsigned reports; // in ten seconds
} paces[] = {
    {"usual", 1000, 5, 200, 10},
    {"a fast pull", 250, 5, 200, 40},
    {"a server that has much to do", 250, 300, 200, 16},
    {"a server of old that refuses", 250, 5, 429, 3}, // 1, 2 and 4 s
};

// Looks come at the pace, and so do reports as long as the server bears that.
static void reports_follow_the_pace(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(paces); i++) {
        struct delivery d;
        delivery_begin(&d, URL, NULL);
        d.pace_ms = paces[i].pace_ms;
        fetch(add_lease(&d.scene, "a", 0.5), 0, 0);
        observe(&d.scene, 1);
        int64_t end_ms = d.now_ms + 10000;
        while (d.now_ms < end_ms) {
            int64_t shortest_ms = pt_deliverer_shortest_ms(d.deliverer);
            d.pace_ms = shortest_ms > paces[i].pace_ms ? shortest_ms : paces[i].pace_ms;
            delivery_run(&d, false);
            if (d.is_in_flight) {
                check_int("as it says", d.report.interval_ms, d.pace_ms);
                d.now_ms += paces[i].answered_after_ms;
                delivery_answer(&d, paces[i].status, NULL);
                d.now_ms -= paces[i].answered_after_ms;
            }
            delivery_wait(&d, d.pace_ms);
            if (d.is_in_flight)
                delivery_answer(&d, paces[i].status, NULL);
        }
        if (d.reports + 1 < paces[i].reports || d.reports > paces[i].reports + 1)
            fail_msg("%s: got %u reports, wanted %u", paces[i].name, d.reports, paces[i].reports);
        delivery_end(&d);
    }
}

static void it_gets_faster_again_after_a_while(void **state)
{
    (void)state;
    struct delivery d;
    delivery_begin(&d, URL, NULL);
    delivery_run(&d, false);
    delivery_wait(&d, 5000);
    delivery_answer(&d, 200, NULL);
    check_int("a usual one may take its time", pt_deliverer_shortest_ms(d.deliverer), 0);
    d.pace_ms = 250;
    delivery_run(&d, true);
    delivery_wait(&d, 251);
    delivery_answer(&d, 200, NULL);
    check_int("calm", pt_deliverer_shortest_ms(d.deliverer), 600);
    delivery_wait(&d, 30000);
    check_int("no more", pt_deliverer_shortest_ms(d.deliverer), 0);
    delivery_end(&d);
}

// --- the end ---

static void on_flushed(void *context)
{
    ((struct delivery *)context)->flushed++;
}

static void what_has_finished_is_reported_before_the_end(void **state)
{
    (void)state;
    struct delivery d;
    delivery_begin(&d, URL, NULL);
    pt_deliverer_flush(d.deliverer, on_flushed, &d);
    check_int("nothing to report", d.flushed, 1);
    delivery_run(&d, false);
    pull_at_once(&d.scene, "a", IMAGE, 1);
    pt_deliverer_flush(d.deliverer, on_flushed, &d);
    delivery_answer(&d, 200, NULL);
    check_int("the report in flight lacked it", d.flushed, 1);
    delivery_wait(&d, 700);
    check_int("reported", delivery_names(&d, IMAGE), true);
    delivery_answer(&d, 200, NULL);
    check_int("flushed", d.flushed, 2);
    pull_at_once(&d.scene, "b", IMAGE, 2);
    delivery_run(&d, true);
    delivery_wait(&d, 700);
    delivery_answer(&d, 0, NULL);
    pt_deliverer_flush(d.deliverer, on_flushed, &d);
    check_int("a server that is away is not waited for", d.flushed, 3);
    delivery_end(&d);
}

int main(void)
{
    pt_log_set_descriptor(-1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(retries_become_rarer),
        cmocka_unit_test(the_server_says_when_to_come_back),
        cmocka_unit_test(away_for_minutes_loses_nothing),
        cmocka_unit_test(much_news_is_one_report),
        cmocka_unit_test(a_short_pull_does_not_wait_for_a_long_interval),
        cmocka_unit_test(a_heartbeat_when_nothing_is_pulled),
        cmocka_unit_test(the_server_may_ask_for_a_longer_heartbeat),
        cmocka_unit_test(what_is_pulled_does_not_wait_for_a_long_heartbeat),
        cmocka_unit_test(reports_follow_the_pace),
        cmocka_unit_test(it_gets_faster_again_after_a_while),
        cmocka_unit_test(what_has_finished_is_reported_before_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

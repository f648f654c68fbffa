// SPDX-License-Identifier: Apache-2.0
#include "base/limits.h"
#include "base/log.h"
#include "base/secret_file.h"
#include "fake_delivery.h"

#include <sys/mman.h>
#include <unistd.h>

#define URL "http://127.0.0.1:8080/"
#define IMAGE "registry.example/app:1"

// --- at least once, shown once ---

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

// --- the token ---

static const struct {
    const char *url;
    unsigned warnings;
} clear_urls[] = {
    {"http://server.example:8080", 1}, {"http://10.0.0.1", 1}, {"http://localhost.example", 1},
    {"https://server.example", 0},     {"http://[::1]:80", 0}, {"http://127.0.0.1:8080", 0},
    {"http://localhost:8080", 0},
};

static void a_token_in_clear_is_warned_of_once(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(clear_urls); i++) {
        struct delivery d;
        struct pt_secret *token;
        char text[4096] = "";
        unsigned warnings = 0;
        int log = memfd_create("log", MFD_CLOEXEC);
        pt_log_set_descriptor(log);
        assert_int_equal(pt_secret_create("hush", NULL, &token, NULL), 0);
        delivery_begin(&d, clear_urls[i].url, token);
        for (int report = 0; report < 3; report++) {
            delivery_run(&d, true);
            check_text("sent", d.authorization, "Bearer hush");
            delivery_answer(&d, 200, NULL);
            delivery_wait(&d, 10000);
            if (d.is_in_flight)
                delivery_answer(&d, 200, NULL);
        }
        delivery_end(&d);
        pt_secret_destroy(token);
        pt_log_set_descriptor(-1);
        assert_true(pread(log, text, sizeof(text) - 1, 0) >= 0);
        close(log);
        for (const char *at = text; (at = strstr(at, "server.token_in_clear")); at++)
            warnings++;
        check_int(clear_urls[i].url, warnings, clear_urls[i].warnings);
        check_int("never in the log", strstr(text, "hush") != NULL, false);
    }
}

// The rows are one story: what is sent, and how it is answered.
static const struct {
    const char *name, *sent;
    int status;
} offers[] = {
    {"its own first", "Bearer own", 200},          {"and again", "Bearer own", 503},
    {"not for want of a server", "Bearer own", 0}, {"nor for another's node", "Bearer own", 403},
    {"until it is refused", "Bearer own", 401},    {"then the shared one", "Bearer shared", 200},
    {"which stays", "Bearer shared", 500},         {"as long as it is taken", "Bearer shared", 401},
    {"then its own again", "Bearer own", 200},
};

// A delivery that has the ServiceAccount's token, and a shared one.
struct with_tokens {
    struct delivery d;
    struct pt_secret *own, *shared;
};

// `shared`: NULL for none.
static void with_tokens_begin(struct with_tokens *self, const char *shared)
{
    assert_int_equal(pt_secret_create("own", NULL, &self->own, NULL), 0);
    assert_int_equal(pt_secret_create(shared, NULL, &self->shared, NULL), 0);
    delivery_begin_with(&self->d, URL, self->own, self->shared);
}

static void with_tokens_end(struct with_tokens *self)
{
    delivery_answer(&self->d, 200, NULL);
    delivery_end(&self->d);
    pt_secret_destroy(self->own);
    pt_secret_destroy(self->shared);
}

static void answer_until_the_next(struct delivery *d, int status)
{
    delivery_answer(d, status, NULL);
    for (int wait = 0; wait < 60 && !d->is_in_flight; wait++)
        delivery_wait(d, 1000);
}

static void the_other_token_is_offered_when_one_is_refused(void **state)
{
    (void)state;
    struct with_tokens tokens;
    struct delivery *d = &tokens.d;
    with_tokens_begin(&tokens, "shared");
    delivery_run(d, true);
    for (size_t i = 0; i < COUNT_OF(offers); i++) {
        check_text(offers[i].name, d->authorization, offers[i].sent);
        answer_until_the_next(d, offers[i].status);
    }
    with_tokens_end(&tokens);
}

// The server takes neither: both are offered by turns for as long as that lasts.
static void tokens_that_are_both_refused_are_logged_once(void **state)
{
    (void)state;
    struct with_tokens tokens;
    struct delivery *d = &tokens.d;
    static char log[65536];
    int ends[2];
    size_t lines = 0;
    assert_int_equal(pipe(ends), 0);
    with_tokens_begin(&tokens, "shared");
    pt_log_set_descriptor(ends[1]);
    delivery_run(d, true);
    for (size_t i = 0; i < 10; i++) {
        check_text("by turns", d->authorization, i % 2 == 0 ? "Bearer own" : "Bearer shared");
        answer_until_the_next(d, 401);
    }
    pt_log_set_descriptor(-1);
    close(ends[1]);
    assert_true(read(ends[0], log, sizeof(log) - 1) > 0);
    for (const char *at = log; (at = strstr(at, "server.token_refused")); at++)
        lines++;
    check_int("lines", (int64_t)lines, 1);
    close(ends[0]);
    with_tokens_end(&tokens);
}

static void a_refused_token_without_another_is_sent_again(void **state)
{
    (void)state;
    struct with_tokens tokens;
    struct delivery *d = &tokens.d;
    with_tokens_begin(&tokens, NULL);
    delivery_run(d, true);
    delivery_answer(d, 401, NULL);
    delivery_wait(d, 10000);
    check_text("again", d->authorization, "Bearer own");
    with_tokens_end(&tokens);
}

int main(void)
{
    pt_log_set_descriptor(-1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_finished_pull_stays_until_it_is_taken),
        cmocka_unit_test(the_runtime_is_the_one_that_has_answered),
        cmocka_unit_test(reports_are_numbered),
        cmocka_unit_test(one_that_finishes_meanwhile_comes_with_the_next),
        cmocka_unit_test(what_does_not_fit_comes_with_the_next_report),
        cmocka_unit_test(a_report_that_is_too_large_is_made_smaller),
        cmocka_unit_test(what_has_to_be_escaped_is_counted_as_it_is_written),
        cmocka_unit_test(a_pull_that_is_too_large_alone_stops_no_other),
        cmocka_unit_test(a_pull_that_is_refused_stops_no_other),
        cmocka_unit_test(an_active_pull_that_is_refused_stops_no_other),
        cmocka_unit_test(who_refuses_everything_gets_everything_later),
        cmocka_unit_test(retries_become_rarer),
        cmocka_unit_test(the_server_says_when_to_come_back),
        cmocka_unit_test(away_for_minutes_loses_nothing),
        cmocka_unit_test(much_news_is_one_report),
        cmocka_unit_test(a_short_pull_does_not_wait_for_a_long_interval),
        cmocka_unit_test(a_heartbeat_when_nothing_is_pulled),
        cmocka_unit_test(reports_follow_the_pace),
        cmocka_unit_test(it_gets_faster_again_after_a_while),
        cmocka_unit_test(what_has_finished_is_reported_before_the_end),
        cmocka_unit_test(a_token_in_clear_is_warned_of_once),
        cmocka_unit_test(the_other_token_is_offered_when_one_is_refused),
        cmocka_unit_test(tokens_that_are_both_refused_are_logged_once),
        cmocka_unit_test(a_refused_token_without_another_is_sent_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

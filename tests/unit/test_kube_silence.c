// SPDX-License-Identifier: Apache-2.0

// A watch behind a proxy that holds the connection and passes nothing: the API server's end of the
// watch, which is due after a minute or so, does not come.

#include "kube/kube_watch.h"

#include "base/clock.h"

#include "check.h"
#include "fake_watch.h"

#include <stdlib.h>

static void on_list(void *context)
{
    (void)context;
}

static int on_object(void *context, enum pt_kube_change change, yyjson_val *object)
{
    (void)context, (void)change, (void)object;
    return 0;
}

static int64_t now = PT_NS_PER_S;

static int64_t read_now(void *context)
{
    (void)context;
    return now;
}

static uint32_t any_bits(void)
{
    return UINT32_MAX;
}

static void end_with(int error)
{
    const struct pt_http_result result = {
        .error = error, .status = error ? 0 : 200, .message = "nothing came"};
    end_answer(&result);
}

static void answer_begins(void)
{
    fake_watch.request.on_header(fake_watch.request.context, "Date", "today");
}

static int64_t asked_for_s(void)
{
    const char *at = strstr(fake_watch.path, "timeoutSeconds=");
    return at ? atoi(at + strlen("timeoutSeconds=")) : -1;
}

// Listed, and its watch under way.
static struct pt_kube_watch *begin(const struct pt_kube_client *client)
{
    static const struct pt_kube_watch_handler handler = {
        .on_list_begin = on_list, .on_object = on_object, .on_list_end = on_list};
    struct pt_kube_watch *watch;
    fake_watch = (struct fake_watch){0};
    assert_int_equal(pt_kube_watch_create(client, "events", NULL, NULL, &handler, &watch, NULL), 0);
    answer_begins();
    assert_int_equal(send_data("{\"metadata\":{\"resourceVersion\":\"7\"},\"items\":[]}"), 0);
    end_with(0);
    assert_true(fake_watch.is_in_flight && !fake_watch.is_list);
    return watch;
}

static const struct pt_clock fake_clock = {read_now, read_now, NULL};
static const struct pt_kube_client client = {.clock = &fake_clock, .random = any_bits};

static void silence_is_noticed_within_two_minutes(void **state)
{
    (void)state;
    struct pt_kube_watch *watch = begin(&client);
    assert_in_range(asked_for_s(), 60, 90);
    assert_in_range(fake_watch.request.timeout_ms, 1000 * asked_for_s() + 10000, 120000);
    assert_false(fake_watch.request.fresh_connection);
    answer_begins();
    assert_true(pt_kube_watch_state(watch)->is_watching);

    // Nothing more: another connection is asked, from where it was, and for a short while.
    for (int i = 0; i < 3; i++) {
        end_with(-ETIMEDOUT);
        assert_false(pt_kube_watch_state(watch)->is_watching);
        assert_int_equal(pt_kube_watch_state(watch)->failures, i + 1);
        fire_timer();
        assert_true(fake_watch.request.fresh_connection);
        assert_non_null(strstr(fake_watch.path, "resourceVersion=7"));
        assert_in_range(fake_watch.request.timeout_ms, 1000 * asked_for_s() + 5000, 20000);
    }
    answer_begins();
    assert_true(pt_kube_watch_state(watch)->is_watching);
    assert_int_equal(send_data("{\"type\":\"BOOKMARK\",\"object\":{\"metadata\":"
                               "{\"resourceVersion\":\"8\"}}}"),
                     0);
    now += 20 * PT_NS_PER_S;
    end_with(0);
    assert_true(fake_watch.is_in_flight && !fake_watch.is_list);
    assert_true(pt_kube_watch_state(watch)->is_watching);
    assert_false(fake_watch.request.fresh_connection);
    assert_in_range(asked_for_s(), 60, 90);
    pt_kube_watch_destroy(watch);
}

static void who_refuses_or_breaks_off_is_there(void **state)
{
    (void)state;
    struct pt_kube_watch *watch = begin(&client);
    end_with(-ECONNRESET);
    fire_timer();
    assert_false(fake_watch.request.fresh_connection);
    assert_in_range(asked_for_s(), 60, 90);
    pt_kube_watch_destroy(watch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(silence_is_noticed_within_two_minutes),
        cmocka_unit_test(who_refuses_or_breaks_off_is_there),
    };
    return cmocka_run_group_tests_name("kube_silence", tests, NULL, NULL);
}

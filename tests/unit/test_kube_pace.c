// SPDX-License-Identifier: Apache-2.0

// What an API server, or a proxy before it, makes of each request costs neither side more than
// about one request a second: every one here is answered within milliseconds, and wants another at
// once.

#include "kube/kube_watch.h"

#include "base/clock.h"
#include "base/log.h"

#include "check.h"
#include "fake_watch.h"

#define ANSWER_NS (5 * PT_NS_PER_MS)
#define MINUTE_NS (60 * PT_NS_PER_S)

static int64_t now;

static int64_t read_now(void *context)
{
    (void)context;
    return now;
}

static void on_list(void *context)
{
    (void)context;
}

static int on_object(void *context, enum pt_kube_change change, yyjson_val *object)
{
    (void)context, (void)change, (void)object;
    return 0;
}

static uint32_t no_bits(void)
{
    return 0;
}

#define LIST "{\"metadata\":{\"resourceVersion\":\"7\"},\"items\":[{\"metadata\":{}}]}"
#define ERROR(code) "{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"code\":" code "}}\n"
#define MESSAGE(type)                                                                              \
    "{\"type\":\"" type "\",\"object\":{\"metadata\":{\"resourceVersion\":\"8\"}}}\n"

struct row {
    const char *name;
    const char *list, *watch; // bodies
    int list_status, watch_status, error;
};

static const struct row rows[] = {
    {"a watch ends without a word", LIST, "", 200, 200, 0},
    {"behind a bookmark", LIST, MESSAGE("BOOKMARK"), 200, 200, 0},
    {"behind a change", LIST, MESSAGE("MODIFIED"), 200, 200, 0},
    {"it breaks off behind a change", LIST, MESSAGE("MODIFIED"), 200, 200, -ECONNRESET},
    {"its version has expired", LIST, "", 200, 410, 0},
    {"that is said behind a change", LIST, MESSAGE("MODIFIED") ERROR("410"), 200, 200, 0},
    {"another error behind a change", LIST, MESSAGE("MODIFIED") ERROR("500"), 200, 200, 0},
    {"a list with objects has expired", LIST, "", 410, 200, 0},
    {"a list says so itself", "{\"kind\":\"Status\",\"code\":410,\"items\":[{\"metadata\":{}}]}",
     "", 200, 200, 0},
    {"pages of nothing",
     "{\"metadata\":{\"resourceVersion\":\"7\",\"continue\":\"c\"},\"items\":[]}", "", 200, 200, 0},
    {"refused", LIST, "", 200, 403, 0},
};

static void answer(const struct row *row)
{
    bool is_list = fake_watch.is_list;
    int r = 0;
    now += ANSWER_NS;
    fake_watch.request.on_header(fake_watch.request.context, "Date", "today");
    const char *body = is_list ? row->list : row->watch;
    if (*body)
        r = send_data(body);
    const struct pt_http_result result = {.error = r < 0     ? r
                                                   : is_list ? 0
                                                             : row->error,
                                          .status = is_list ? row->list_status : row->watch_status,
                                          .message = "it ended"};
    end_answer(&result);
}

static void no_answer_makes_it_ask_again_and_again(void **state)
{
    (void)state;
    static const struct pt_kube_watch_handler handler = {
        .on_list_begin = on_list, .on_object = on_object, .on_list_end = on_list};
    static const struct pt_clock clock = {read_now, read_now, NULL};
    static const struct pt_kube_client client = {.clock = &clock, .random = no_bits};
    pt_log_set_descriptor(-1);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct pt_kube_watch *watch;
        int64_t asked = 0;
        now = PT_NS_PER_S;
        fake_watch = (struct fake_watch){0};
        assert_int_equal(pt_kube_watch_create(&client, "pods", NULL, NULL, &handler, &watch, NULL),
                         0);
        while (now < PT_NS_PER_S + MINUTE_NS) {
            if (fake_watch.is_in_flight) {
                asked++;
                answer(&rows[i]);
                continue;
            }
            now += fake_watch.timer_delay_ms * PT_NS_PER_MS;
            fire_timer();
        }
        pt_kube_watch_destroy(watch);
        if (asked < 5 || asked > 62)
            fail_msg("%s: %lld requests in a minute", rows[i].name, (long long)asked);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_answer_makes_it_ask_again_and_again),
    };
    return cmocka_run_group_tests_name("kube_pace", tests, NULL, NULL);
}

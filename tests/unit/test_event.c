// SPDX-License-Identifier: Apache-2.0
#include "event_reader.h"

#include "check.h"

#define T INT64_C(1795230245000000000)

static struct pt_layer layers[] = {
    {.digest = "sha256:cc",
     .media_type = "m",
     .total_bytes = 100,
     .downloaded_bytes = 40,
     .total_known = true,
     .phase = PT_LAYER_DOWNLOADING,
     .started_at = T},
    {.digest = "sha256:dd",
     .total_bytes = 100,
     .downloaded_bytes = 100,
     .total_known = true,
     .phase = PT_LAYER_EXISTS,
     .cached = true},
};
static const struct pt_layer_rate rates[] = {{12.7}, {0}};
static const struct pt_pull pull = {
    .id = "agent-id",
    .image_ref = "ghcr.io/acme/app:1",
    .repository = "ghcr.io/acme/app",
    .root_digest = "sha256:aa",
    .phase = PT_PULL_DOWNLOADING,
    .started_at = T,
    .total_known = true,
    .image_ref_exact = true,
    .layers = layers,
    .layer_count = 2,
};

static struct pt_pull_status make_status(void)
{
    struct pt_pull_status status = pt_pull_status_make(&pull);
    status.id = "p1";
    status.node_name = "node-1";
    status.layer_rates = rates;
    status.bytes_per_second = 12.7;
    return status;
}

static void check_encoded(int r, struct pt_buffer *text, const char *wanted)
{
    assert_int_equal(r, 0);
    assert_string_equal(text->data, wanted);
    pt_buffer_finish(text);
}

static void a_pull_event_holds_the_status(void **state)
{
    (void)state;
    struct pt_pull_status status = make_status();
    struct pt_waiting_container waiting = {"shop", "web-1", "main", "acme/app:1"};
    status.eta_seconds = 4.724;
    status.queued_seconds = 0;
    status.attempts = 2;
    status.version = 77;
    status.waiting = &waiting;
    status.waiting_count = 1;
    status.is_waited_for = true;
    status.hold_up = (struct pt_hold_up){PT_HOLD_UP_SLOW, T, NULL, 70, 80};
    struct pt_buffer text;
    pt_buffer_init(&text, 4096);
    check_encoded(
        pt_pull_event_encode(PT_EVENT_PULL_PROGRESS, T, &status, false, &text), &text,
        "{\"schemaVersion\":\"v1\",\"timestamp\":\"2026-11-21T03:04:05.000Z\","
        "\"type\":\"pull.progress\",\"nodeName\":\"node-1\",\"pull\":{\"id\":\"p1\","
        "\"nodeName\":\"node-1\",\"imageRef\":\"ghcr.io/acme/app:1\",\"imageRefExact\":true,"
        "\"registry\":\"ghcr.io\",\"repository\":\"ghcr.io/acme/app\",\"rootDigest\":\"sha256:aa\","
        "\"phase\":\"downloading\",\"totalBytes\":200,\"downloadedBytes\":140,\"cachedBytes\":100,"
        "\"bytesFetched\":0,\"extractedBytes\":0,\"bytesPerSec\":12,\"percent\":70,\"layerCount\":"
        "2,\"layersDone\":1,"
        "\"layersExtracted\":1,"
        "\"totalKnown\":true,\"etaSeconds\":4.72,\"queuedSeconds\":0,"
        "\"startedAt\":\"2026-11-21T03:04:05.000Z\",\"attempts\":2,\"version\":77,\"waiting\":true,"
        "\"holdUp\":{\"kind\":\"slow\",\"since\":\"2026-11-21T03:04:05.000Z\","
        "\"nodeBytesPerSec\":70,\"registryBytesPerSec\":80},"
        "\"pods\":[{\"namespace\":\"shop\",\"podName\":\"web-1\",\"container\":\"main\","
        "\"image\":\"acme/app:1\"}]}}");
}

static void layers_come_on_request(void **state)
{
    (void)state;
    struct pt_pull_status status = make_status();
    struct pt_buffer without, with;
    pt_buffer_init(&without, 4096);
    pt_buffer_init(&with, 4096);
    assert_int_equal(pt_pull_status_encode(&status, false, &without), 0);
    assert_null(strstr(without.data, "\"layers\""));
    assert_int_equal(pt_pull_status_encode(&status, true, &with), 0);
    assert_non_null(strstr(with.data, "\"layers\":[{\"pullId\":\"p1\",\"digest\":\"sha256:cc\""));
    assert_non_null(strstr(with.data, "\"cached\":true"));
    pt_buffer_finish(&without);
    pt_buffer_finish(&with);
}

static void a_layer_event_holds_one_layer(void **state)
{
    (void)state;
    struct pt_pull_status status = make_status();
    struct pt_buffer text;
    pt_buffer_init(&text, 4096);
    check_encoded(pt_layer_event_encode(PT_EVENT_LAYER_STARTED, T, &status, 0, &text), &text,
                  "{\"schemaVersion\":\"v1\",\"timestamp\":\"2026-11-21T03:04:05.000Z\","
                  "\"type\":\"layer.started\",\"nodeName\":\"node-1\",\"layer\":{\"pullId\":\"p1\","
                  "\"digest\":\"sha256:cc\",\"mediaType\":\"m\",\"totalBytes\":100,"
                  "\"downloadedBytes\":40,\"totalKnown\":true,\"phase\":\"downloading\","
                  "\"startedAt\":\"2026-11-21T03:04:05.000Z\",\"bytesPerSec\":12,\"percent\":40}}");
}

static void check_holds(const struct pt_pull_status *status, bool with_layers, const char *wanted)
{
    struct pt_buffer text;
    pt_buffer_init(&text, 4096);
    assert_int_equal(pt_pull_status_encode(status, with_layers, &text), 0);
    if (!strstr(text.data, wanted))
        fail_msg("wanted %s in %s", wanted, text.data);
    pt_buffer_finish(&text);
}

// An agent's words can hold any bytes; what is written stays JSON.
static void text_that_is_no_utf8_is_cleaned(void **state)
{
    (void)state;
    struct pt_pull bad = {.image_ref = "a\xff\"b", .repository = "h\xff/p", .started_at = T};
    struct pt_pull_status status = pt_pull_status_make(&bad);
    check_holds(&status, true, "\"imageRef\":\"a?\\\"b\"");
    check_holds(&status, true, "\"repository\":\"h?/p\"");
}

// Controls of one byte and of two are escaped, and so are quotes; letters beyond ASCII are not.
static void text_is_escaped(void **state)
{
    (void)state;
    struct pt_pull odd = {.image_ref = "\"\\\b\f\n\r\t\x1b\x7f\xc2\x9b \xc3\xa9\xe2\x82\xac/",
                          .started_at = T};
    struct pt_pull_status status = pt_pull_status_make(&odd);
    check_holds(&status, true,
                "\"imageRef\":\"\\\"\\\\\\b\\f\\n\\r\\t\\u001B\\u007f\\u009b "
                "\xc3\xa9\xe2\x82\xac/\"");
}

static const struct {
    double seconds;
    const char *text;
} numbers[] = {
    {0, "\"etaSeconds\":0,"},
    {0.004, "\"etaSeconds\":0,"},
    {0.005, "\"etaSeconds\":0.01,"},
    {4.7, "\"etaSeconds\":4.7,"},
    {12.345, "\"etaSeconds\":12.35,"},
    {99.999, "\"etaSeconds\":100,"},
    {1e300, "\"etaSeconds\":90071992547409.92,"},
};

static void numbers_have_two_decimals_at_most(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        struct pt_pull_status status = make_status();
        status.eta_seconds = numbers[i].seconds;
        check_holds(&status, false, numbers[i].text);
    }
}

// Speeds of two reports a nanosecond apart.
static void a_speed_without_bounds_is_no_negative_number(void **state)
{
    (void)state;
    struct pt_pull_status status = make_status();
    status.bytes_per_second = 1e300;
    check_holds(&status, false, "\"bytesPerSec\":9007199254740992,");
}

// A reader that asked for no layers knows how many there are, and may pass the pull on.
static void a_pull_that_came_without_layers_goes_on_without(void **state)
{
    (void)state;
    const struct pt_pull_status status = make_status();
    struct pt_buffer text, again;
    struct read_event event;
    pt_buffer_init(&text, 4096);
    pt_buffer_init(&again, 4096);
    assert_int_equal(pt_pull_status_encode(&status, false, &text), 0);
    assert_int_equal(status_decode(text.data, text.length, &event, NULL), 0);
    check_int("layers", (int64_t)event.pull.pull.layer_count, (int64_t)status.pull.layer_count);
    assert_null(event.pull.pull.layers);
    assert_int_equal(pt_pull_status_encode(&event.pull, true, &again), 0);
    assert_null(strstr(again.data, "\"layers\""));
    event_finish(&event);
    pt_buffer_finish(&text);
    pt_buffer_finish(&again);
}

static void what_is_no_event_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        const char *error;
    } cases[] = {
        {"7", "must be an object"},
        {"{\"schemaVersion\":\"v1\",\"type\":\"layer.progress\"}", "must be an object"},
        {"{\"schemaVersion\":\"v1\",\"type\":\"layer.progress\",\"layer\":[]}",
         "must be an object"},
        {"{\"schemaVersion\":\"v1\",\"type\":\"pull.progress\",\"pull\":null}",
         "must be an object"},
        {"{\"schemaVersion\":\"v1\",\"type\":\"pull.paused\"}", "type: unknown"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct read_event event;
        struct pt_error err;
        int r = event_decode(cases[i].json, strlen(cases[i].json), &event, &err);
        check_int(cases[i].json, r, -EINVAL);
        check_text(cases[i].json, err.message, cases[i].error);
    }
}

static void types_have_the_names_of_the_wire(void **state)
{
    (void)state;
    static const char *const names[] = {"pull.started",   "pull.progress", "pull.completed",
                                        "pull.failed",    "layer.started", "layer.progress",
                                        "layer.completed"};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        assert_string_equal(pt_event_type_name((enum pt_event_type)i), names[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pull_event_holds_the_status),
        cmocka_unit_test(layers_come_on_request),
        cmocka_unit_test(a_layer_event_holds_one_layer),
        cmocka_unit_test(text_that_is_no_utf8_is_cleaned),
        cmocka_unit_test(text_is_escaped),
        cmocka_unit_test(numbers_have_two_decimals_at_most),
        cmocka_unit_test(a_speed_without_bounds_is_no_negative_number),
        cmocka_unit_test(a_pull_that_came_without_layers_goes_on_without),
        cmocka_unit_test(what_is_no_event_is_refused),
        cmocka_unit_test(types_have_the_names_of_the_wire),
    };
    return cmocka_run_group_tests_name("event", tests, NULL, NULL);
}

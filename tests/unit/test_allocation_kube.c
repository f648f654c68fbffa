// SPDX-License-Identifier: Apache-2.0
#include "base/clock.h"
#include "kube/json_splitter.h"
#include "kube/kube_config.h"
#include "kube/pod_watch.h"

#include "../fuzz/input_file.h"
#include "fake_watch.h"
#include "scarce_memory.h"

// --- small parsers ---

static int on_object(void *context, const char *json, size_t length)
{
    (void)context, (void)json, (void)length;
    return 0;
}

static int split_a_list(void)
{
    static const char list[] =
        "{\"metadata\":{\"resourceVersion\":\"7\"},\"items\":[{\"a\":1},{}]}";
    struct pt_json_splitter splitter;
    int r = 0;
    pt_json_splitter_init(&splitter, true, 1000, 1000);
    splitter.on_object = on_object;
    for (size_t i = 0; r == 0 && i < strlen(list); i++)
        r = pt_json_splitter_feed(&splitter, list + i, 1);
    pt_json_splitter_finish(&splitter);
    return r;
}

static const char kubeconfig[] =
    "current-context: a\n"
    "contexts: [{name: a, context: {cluster: c, user: u}}]\n"
    "clusters: [{name: c, cluster: {server: 'https://h:6443/', certificate-authority-data: "
    "aGk=}}]\n"
    "users: [{name: u, user: {client-certificate-data: aGk=, client-key-data: aGk=}}]\n";

static char *no_variable(const char *name)
{
    (void)name;
    return NULL;
}

static int read_kubeconfig(void)
{
    struct pt_kube_config config;
    struct pt_error err;
    const struct input_file file = input_file_open(kubeconfig, strlen(kubeconfig));
    const struct pt_kube_settings settings = {.kubeconfig = file.path};
    int r = pt_kube_config_load(&settings, no_variable, "/nowhere", &config, &err);
    if (r == 0)
        pt_kube_config_finish(&config);
    input_file_close(&file);
    return r;
}

// --- a watch, whose requests and timer are the test's ---

static struct {
    unsigned waiting, listed;
} seen;

static void on_waiting(void *context, const struct pt_kube_pod *pod)
{
    (void)context;
    assert_string_equal(pod->uid, "u");
    seen.waiting++;
}

static void on_end(void *context, const char *uid, enum pt_pod_end end)
{
    (void)context, (void)uid, (void)end;
}

static void on_listed(void *context)
{
    (void)context;
    seen.listed++;
}

static uint32_t no_chance(void)
{
    return 1;
}

#define POD                                                                                        \
    "{\"metadata\":{\"uid\":\"u\",\"namespace\":\"n\",\"name\":\"p\",\"resourceVersion\":\"7\"},"  \
    "\"spec\":{\"nodeName\":\"n1\",\"containers\":[{\"name\":\"c\",\"image\":\"a\"}]},\"status\":" \
    "{"                                                                                            \
    "\"phase\":\"Pending\",\"containerStatuses\":[{\"name\":\"c\",\"state\":{\"waiting\":{"        \
    "\"reason\":\"ErrImagePull\",\"message\":\"no such host\"}}}]}}"

#define LIST "{\"metadata\":{\"resourceVersion\":\"7\",\"continue\":\"\"},\"items\":[" POD "]}"
#define MESSAGE "{\"type\":\"MODIFIED\",\"object\":" POD "}"

// The request that is in flight is answered; if there is none the timer fires.
static void answer(void)
{
    struct pt_http_result result = {.status = 200, .message = ""};
    if (!fake_watch.is_in_flight) {
        fire_timer();
        return;
    }
    int r = send_data(fake_watch.is_list ? LIST : MESSAGE);
    if (r < 0)
        result = (struct pt_http_result){.error = r, .message = "no memory"};
    end_answer(&result);
}

// Whatever was lost: once there is memory again, the next list brings the pod.
static int follow_pods(void)
{
    const struct pt_kube_client client = {.clock = pt_clock_system(), .random = no_chance};
    const struct pt_pod_watch_handler handler = {
        .on_waiting = on_waiting, .on_end = on_end, .on_listed = on_listed};
    struct pt_pod_watch *watch;
    memset(&seen, 0, sizeof(seen));
    fake_watch = (struct fake_watch){.is_refused = allocation_fails};
    int r = pt_pod_watch_create(&client, "n", &handler, &watch, NULL);
    if (r < 0)
        return r;
    answer();
    answer();
    memory_is_back();
    unsigned waiting = seen.waiting;
    for (int i = 0; i < 6 && (seen.waiting == waiting || seen.listed == 0); i++)
        answer();
    assert_true(seen.waiting > waiting && seen.listed > 0);
    pt_pod_watch_destroy(watch);
    assert_false(fake_watch.is_in_flight || fake_watch.is_timer_set);
    return 0;
}

static void every_failure_is_an_error_or_mended(void **state)
{
    (void)state;
    static const struct scarce_row rows[] = {
        SCARCE_ROW(split_a_list, false),
        SCARCE_ROW(read_kubeconfig, false),
        SCARCE_ROW(follow_pods, true),
    };
    scarce_sweep(rows, COUNT_OF(rows));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_failure_is_an_error_or_mended),
    };
    return cmocka_run_group_tests_name("allocation_kube", tests, NULL, NULL);
}

// SPDX-License-Identifier: Apache-2.0
#include "base/buffer.h"
#include "base/http_client.h"
#include "base/log.h"

#include "check.h"

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

// The client against a real HTTP server on the same loop.
struct fixture {
    struct event_base *base;
    struct evhttp *server;
    struct pt_http_client *client;
    struct evhttp_request *held; // a request that the server leaves without an answer
    int port;
};

// What came of one request.
struct outcome {
    struct fixture *fixture;
    struct pt_http_request *request;
    struct pt_http_request *other; // cancelled by the first piece of this one's answer
    struct pt_buffer body;
    char answer_header[64];
    char message[256];
    int error;
    int status;
    int done_count;
    int refuse_with; // on_data returns this
    bool cancel_on_data;
};

static void answer_echo(struct evhttp_request *request, void *context)
{
    (void)context;
    struct evbuffer *reply = evbuffer_new();
    const char *header = evhttp_find_header(evhttp_request_get_input_headers(request), "X-Ask");
    evbuffer_add_printf(reply, "%d ", (int)evhttp_request_get_command(request));
    evbuffer_add_buffer(reply, evhttp_request_get_input_buffer(request));
    evhttp_add_header(evhttp_request_get_output_headers(request), "X-Answer",
                      header ? header : "-");
    evhttp_send_reply(request, 200, "OK", reply);
    evbuffer_free(reply);
}

static void answer_missing(struct evhttp_request *request, void *context)
{
    (void)context;
    evhttp_send_error(request, 404, "Not Found");
}

static void answer_never(struct evhttp_request *request, void *context)
{
    struct fixture *fixture = context;
    fixture->held = request;
}

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    fixture->base = event_base_new();
    fixture->server = evhttp_new(fixture->base);
    evhttp_set_cb(fixture->server, "/echo", answer_echo, fixture);
    evhttp_set_cb(fixture->server, "/never", answer_never, fixture);
    evhttp_set_gencb(fixture->server, answer_missing, fixture);
    struct evhttp_bound_socket *bound =
        evhttp_bind_socket_with_handle(fixture->server, "127.0.0.1", 0);
    struct sockaddr_storage address;
    socklen_t length = sizeof(address);
    getsockname(evhttp_bound_socket_get_fd(bound), (struct sockaddr *)&address, &length);
    fixture->port = ntohs(((struct sockaddr_in *)&address)->sin_port);
    *state = fixture;
    return pt_http_client_create(fixture->base, &fixture->client, NULL);
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    pt_http_client_destroy(fixture->client);
    evhttp_free(fixture->server);
    event_base_free(fixture->base);
    free(fixture);
    return 0;
}

static void on_header(void *context, const char *name, const char *value)
{
    struct outcome *outcome = context;
    if (strcasecmp(name, "X-Answer") == 0)
        snprintf(outcome->answer_header, sizeof(outcome->answer_header), "%s", value);
}

static int on_data(void *context, const char *data, size_t length)
{
    struct outcome *outcome = context;
    if (outcome->cancel_on_data)
        pt_http_request_cancel(outcome->request);
    if (outcome->other)
        pt_http_request_cancel(outcome->other);
    outcome->other = NULL;
    pt_buffer_append(&outcome->body, data, length);
    return outcome->refuse_with;
}

static void on_done(void *context, const struct pt_http_result *result)
{
    struct outcome *outcome = context;
    outcome->done_count++;
    outcome->error = result->error;
    outcome->status = result->status;
    snprintf(outcome->message, sizeof(outcome->message), "%s", result->message);
    event_base_loopbreak(outcome->fixture->base);
}

static void start(struct fixture *fixture, const char *path, struct pt_http_options options,
                  struct outcome *outcome)
{
    char url[128];
    snprintf(url, sizeof(url), "http://127.0.0.1:%d%s", fixture->port, path);
    if (!options.url)
        options.url = url;
    options.on_header = on_header;
    options.on_data = on_data;
    options.on_done = on_done;
    options.context = outcome;
    outcome->fixture = fixture;
    pt_buffer_init(&outcome->body, 1 << 20);
    assert_int_equal(pt_http_client_start(fixture->client, &options, &outcome->request, NULL), 0);
    assert_int_equal(outcome->done_count, 0);
}

// Runs the loop until on_done, ten seconds at the most.
static void run(struct fixture *fixture)
{
    struct timeval limit = {10, 0};
    event_base_loopexit(fixture->base, &limit);
    event_base_dispatch(fixture->base);
}

static void posts_and_reads(void **state)
{
    struct fixture *fixture = *state;
    static const char *const headers[] = {"X-Ask: yes", NULL};
    struct outcome outcome = {0};
    start(fixture, "/echo",
          (struct pt_http_options){.body = "a\0b", .body_length = 3, .headers = headers}, &outcome);
    run(fixture);
    assert_int_equal(outcome.done_count, 1);
    assert_int_equal(outcome.error, 0);
    assert_int_equal(outcome.status, 200);
    assert_int_equal(outcome.body.length, 5);
    assert_memory_equal(outcome.body.data, "2 a\0b", 5); // 2: EVHTTP_REQ_POST
    assert_string_equal(outcome.answer_header, "yes");
    pt_buffer_finish(&outcome.body);
}

static void a_status_of_failure_is_an_answer(void **state)
{
    struct fixture *fixture = *state;
    struct outcome outcome = {0};
    start(fixture, "/nothing-here", (struct pt_http_options){0}, &outcome);
    run(fixture);
    assert_int_equal(outcome.error, 0);
    assert_int_equal(outcome.status, 404);
    pt_buffer_finish(&outcome.body);
}

static void a_closed_port_is_refused(void **state)
{
    struct fixture *fixture = *state;
    struct outcome outcome = {0};
    start(fixture, NULL, (struct pt_http_options){.url = "http://127.0.0.1:1/"}, &outcome);
    run(fixture);
    assert_int_equal(outcome.error, -ECONNREFUSED);
    assert_int_equal(outcome.status, 0);
    assert_true(outcome.message[0]);
    pt_buffer_finish(&outcome.body);
}

static void only_http_is_spoken(void **state)
{
    struct fixture *fixture = *state;
    struct outcome outcome = {0};
    start(fixture, NULL, (struct pt_http_options){.url = "file:///etc/hostname"}, &outcome);
    run(fixture);
    assert_true(outcome.error < 0);
    assert_int_equal(outcome.body.length, 0);
    pt_buffer_finish(&outcome.body);
}

static void a_silent_server_times_out(void **state)
{
    struct fixture *fixture = *state;
    struct outcome outcome = {0};
    start(fixture, "/never", (struct pt_http_options){.timeout_ms = 50}, &outcome);
    run(fixture);
    assert_int_equal(outcome.error, -ETIMEDOUT);
    pt_buffer_finish(&outcome.body);
}

static void a_large_answer_is_cut_off(void **state)
{
    struct fixture *fixture = *state;
    struct outcome outcome = {0};
    start(
        fixture, "/echo",
        (struct pt_http_options){.body = "0123456789", .body_length = 10, .max_response_bytes = 8},
        &outcome);
    run(fixture);
    assert_int_equal(outcome.error, -EMSGSIZE);
    assert_string_equal(outcome.message, "the answer is larger than 8 bytes");
    pt_buffer_finish(&outcome.body);
}

static void the_reader_may_refuse(void **state)
{
    struct fixture *fixture = *state;
    struct outcome outcome = {.refuse_with = -EPROTO};
    start(fixture, "/echo", (struct pt_http_options){0}, &outcome);
    run(fixture);
    assert_int_equal(outcome.error, -EPROTO);
    pt_buffer_finish(&outcome.body);
}

static int refuse_peer(void *context, int fd, struct pt_error *err)
{
    (void)context;
    assert_true(fd >= 0);
    return pt_error_set(err, EPERM, "not this peer");
}

static void nothing_is_sent_to_a_refused_peer(void **state)
{
    struct fixture *fixture = *state;
    struct outcome outcome = {0};
    start(fixture, "/never", (struct pt_http_options){.check_peer = refuse_peer}, &outcome);
    run(fixture);
    assert_int_equal(outcome.error, -EPERM);
    assert_string_equal(outcome.message, "not this peer");
    assert_null(fixture->held);
    pt_buffer_finish(&outcome.body);
}

static void a_cancelled_request_says_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct outcome cancelled = {0}, other = {0};
    start(fixture, "/echo", (struct pt_http_options){0}, &cancelled);
    start(fixture, "/echo", (struct pt_http_options){0}, &other);
    pt_http_request_cancel(cancelled.request);
    run(fixture);
    assert_int_equal(other.done_count, 1);
    assert_int_equal(cancelled.done_count, 0);
    assert_int_equal(cancelled.body.length, 0);
    pt_buffer_finish(&other.body);
    pt_buffer_finish(&cancelled.body);
}

static void a_callback_may_cancel_itself_and_others(void **state)
{
    struct fixture *fixture = *state;
    struct outcome self = {.cancel_on_data = true}, waiting = {0}, last = {0};
    start(fixture, "/never", (struct pt_http_options){0}, &waiting);
    self.other = waiting.request;
    start(fixture, "/echo", (struct pt_http_options){0}, &self);
    struct timeval soon = {0, 200000};
    event_base_loopexit(fixture->base, &soon);
    event_base_dispatch(fixture->base);
    assert_int_equal(self.done_count, 0);
    assert_int_equal(waiting.done_count, 0);
    assert_true(self.body.length > 0);
    start(fixture, "/echo", (struct pt_http_options){0}, &last);
    run(fixture);
    assert_int_equal(last.done_count, 1);
    pt_buffer_finish(&self.body);
    pt_buffer_finish(&waiting.body);
    pt_buffer_finish(&last.body);
}

// tear_down destroys the client while this request waits; sanitizers say if anything is left.
static void destroying_cancels_what_is_under_way(void **state)
{
    struct fixture *fixture = *state;
    static struct outcome outcome;
    outcome = (struct outcome){0};
    start(fixture, "/never", (struct pt_http_options){0}, &outcome);
    event_base_loop(fixture->base, EVLOOP_ONCE);
    assert_int_equal(outcome.done_count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(posts_and_reads, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_status_of_failure_is_an_answer, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_closed_port_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(only_http_is_spoken, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_silent_server_times_out, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_large_answer_is_cut_off, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_reader_may_refuse, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nothing_is_sent_to_a_refused_peer, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_cancelled_request_says_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_callback_may_cancel_itself_and_others, set_up, tear_down),
        cmocka_unit_test_setup_teardown(destroying_cancels_what_is_under_way, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("http_client", tests, NULL, NULL);
}

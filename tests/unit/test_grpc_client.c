// SPDX-License-Identifier: Apache-2.0
#include "base/http_client.h"
#include "containerd/grpc_client.h"

#include "check.h"

// When a connection is given up because of a call whose time is over. The linker puts the functions
// below in the place of the HTTP client's: what comes over the connection is the test's.

enum { VERSION, STREAM, SLOW, OTHER, CALLS };

static struct pt_http_options requests[8];
static bool are_cancelled[8];
static size_t request_count;

int __wrap_pt_http_client_start(struct pt_http_client *client,
                                const struct pt_http_options *options,
                                struct pt_http_request **ret_request, struct pt_error *err);
void __wrap_pt_http_request_cancel(struct pt_http_request *request);

int __wrap_pt_http_client_start(struct pt_http_client *client,
                                const struct pt_http_options *options,
                                struct pt_http_request **ret_request, struct pt_error *err)
{
    (void)client, (void)err;
    assert_true(request_count < COUNT_OF(requests));
    requests[request_count] = *options;
    *ret_request = (struct pt_http_request *)&requests[request_count++];
    return 0;
}

void __wrap_pt_http_request_cancel(struct pt_http_request *request)
{
    are_cancelled[(const struct pt_http_options *)request - requests] = true;
}

struct end {
    bool has_come;
    bool is_transport;
    int code;
};

static int on_message(void *context, const uint8_t *message, size_t length)
{
    (void)context, (void)message, (void)length;
    return 0;
}

static void on_end(void *context, const struct pt_grpc_status *status)
{
    *(struct end *)context = (struct end){true, status->is_transport, status->code};
}

static void start(struct pt_grpc_client *client, struct end *end, int64_t timeout_ms)
{
    const struct pt_grpc_options options = {
        .method = "/a.Service/Method",
        .message = (const uint8_t *)"",
        .timeout_ms = timeout_ms,
        .max_message_bytes = 1000,
        .on_message = on_message,
        .on_end = on_end,
        .context = end,
    };
    *end = (struct end){0};
    assert_int_equal(pt_grpc_call_start(client, &options, NULL), 0);
}

static void answer(size_t index)
{
    const struct pt_http_result well = {.status = 200};
    requests[index].on_header(requests[index].context, "grpc-status", "0");
    requests[index].on_done(requests[index].context, &well);
}

static void stream_message(size_t index)
{
    static const char frame[] = {0, 0, 0, 0, 1, 'x'};
    assert_int_equal(requests[index].on_data(requests[index].context, frame, sizeof(frame)), 0);
}

static void fail_request(size_t index, int error)
{
    const struct pt_http_result result = {.error = -error, .message = "no answer"};
    requests[index].on_done(requests[index].context, &result);
}

// A client with a connection that has answered, over which a stream stands.
static struct pt_grpc_client *begin(struct end ends[static CALLS])
{
    struct pt_grpc_client *client;
    request_count = 0;
    memset(are_cancelled, 0, sizeof(are_cancelled));
    assert_int_equal(pt_grpc_client_create(NULL, "/a.sock", NULL, NULL, &client, NULL), 0);
    start(client, &ends[VERSION], 5000);
    answer(VERSION);
    start(client, &ends[STREAM], 0);
    return client;
}

static const struct {
    const char *name;
    bool streams_before, streams, answers; // what comes besides, before and after the call is sent
    int error;
    bool is_given_up;
} rows[] = {
    {"nothing has come since", true, false, false, ETIMEDOUT, true},
    {"a message of the stream has", false, true, false, ETIMEDOUT, false},
    {"the answer to another one has", false, false, true, ETIMEDOUT, false},
    {"it broke", false, true, true, ECONNRESET, true},
};

static void a_slow_call_alone_leaves_the_connection(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct end ends[CALLS];
        struct pt_grpc_client *client = begin(ends);
        if (rows[i].streams_before)
            stream_message(STREAM);
        start(client, &ends[SLOW], 5000);
        start(client, &ends[OTHER], 5000);
        if (rows[i].streams)
            stream_message(STREAM);
        if (rows[i].answers)
            answer(OTHER);
        fail_request(SLOW, rows[i].error);
        check_int(rows[i].name, ends[SLOW].has_come, true);
        check_int(rows[i].name, ends[SLOW].is_transport, rows[i].is_given_up);
        check_int(rows[i].name, ends[SLOW].code,
                  rows[i].is_given_up ? PT_GRPC_UNKNOWN : PT_GRPC_DEADLINE_EXCEEDED);
        check_int(rows[i].name, ends[STREAM].has_come, rows[i].is_given_up);
        check_int(rows[i].name, are_cancelled[STREAM], rows[i].is_given_up);
        pt_grpc_client_destroy(client);
    }
}

// It says nothing of a connection that was made since, whatever has come over that one.
static void a_late_end_of_an_old_connection_leaves_the_new_one(void **state)
{
    (void)state;
    struct end ends[CALLS + 2];
    struct pt_grpc_client *client = begin(ends);
    start(client, &ends[SLOW], 5000);
    start(client, &ends[OTHER], 5000);
    fail_request(OTHER, ETIMEDOUT);
    check_int("given up", ends[STREAM].has_come, true);
    start(client, &ends[CALLS], 5000);
    fail_request(SLOW, ETIMEDOUT);
    check_int("the old one", ends[SLOW].is_transport, true);
    answer(CALLS);
    start(client, &ends[CALLS + 1], 0);
    check_int("a stream stands", ends[CALLS + 1].has_come, false);
    pt_grpc_client_destroy(client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_slow_call_alone_leaves_the_connection),
        cmocka_unit_test(a_late_end_of_an_old_connection_leaves_the_new_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

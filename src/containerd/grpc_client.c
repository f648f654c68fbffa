// SPDX-License-Identifier: Apache-2.0
#include "containerd/grpc_client.h"

#include "base/http_client.h"
#include "base/limits.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/queue.h>

#define MAX_STATUS_TEXT 512

TAILQ_HEAD(call_list, pt_grpc_call);

struct pt_grpc_client {
    struct pt_http_client *http;
    char *socket_path;
    int (*check_peer)(void *context, int fd, struct pt_error *err);
    void *check_context;
    struct call_list running;
    struct call_list waiting;
    size_t unary_running;
    bool is_connected;   // an answer has come and the connection has not broken since
    unsigned connection; // its number: one that has failed is never used again
    uint64_t heard;      // pieces of answers and streams that have come over that one
};

struct pt_grpc_call {
    TAILQ_ENTRY(pt_grpc_call) link;
    struct pt_grpc_client *client;
    struct pt_http_request *request; // NULL while it waits
    unsigned connection;             // the number of the one that it goes over
    uint64_t heard;                  // the client's count when it was sent
    const char *method;
    char *namespace;
    struct pt_buffer body;
    int64_t timeout_ms;
    struct pt_grpc_parser parser;
    int code; // of grpc-status, -1 until it came
    char text[MAX_STATUS_TEXT];
    int (*on_message)(void *context, const uint8_t *message, size_t length);
    void (*on_end)(void *context, const struct pt_grpc_status *status);
    void *context;
};

static bool is_unary(const struct pt_grpc_call *call)
{
    return call->timeout_ms > 0;
}

static void free_call(struct pt_grpc_call *call)
{
    pt_grpc_parser_finish(&call->parser);
    pt_buffer_finish(&call->body);
    free(call->namespace);
    free(call);
}

static void start_waiting(struct pt_grpc_client *client);
static void give_connection_up(struct pt_grpc_client *client, const struct pt_grpc_status *status);

static void end_call(struct pt_grpc_call *call, const struct pt_grpc_status *status)
{
    struct pt_grpc_client *client = call->client;
    TAILQ_REMOVE(&client->running, call, link);
    if (is_unary(call))
        client->unary_running--;
    bool is_of_now = call->connection == client->connection;
    if (is_of_now)
        client->is_connected = !status->is_transport;
    if (is_of_now && status->is_transport)
        give_connection_up(client, status);
    start_waiting(client);
    call->on_end(call->context, status);
    free_call(call);
}

static struct pt_grpc_call *find_forsaken_stream(const struct pt_grpc_client *client)
{
    struct pt_grpc_call *call;
    TAILQ_FOREACH(call, &client->running, link)
    {
        // The analyzer loses sight of the list's head. NOLINTNEXTLINE(clang-analyzer-unix.Malloc)
        if (!is_unary(call) && call->connection != client->connection)
            return call;
    }
    return NULL;
}

// Calls with a limit of time end by themselves. A stream would wait for ever for what never comes.
static void give_connection_up(struct pt_grpc_client *client, const struct pt_grpc_status *status)
{
    struct pt_grpc_call *call;
    client->connection++;
    while ((call = find_forsaken_stream(client))) {
        pt_http_request_cancel(call->request);
        end_call(call, status);
    }
}

static void note_heard(const struct pt_grpc_call *call)
{
    if (call->connection == call->client->connection)
        call->client->heard++;
}

// Where others were answered meanwhile, a call that was not is slow, and its connection well.
static bool is_slow_alone(const struct pt_grpc_call *call, int error)
{
    return error == -ETIMEDOUT && is_unary(call) && call->connection == call->client->connection &&
           call->heard != call->client->heard;
}

static void on_header(void *context, const char *name, const char *value)
{
    struct pt_grpc_call *call = context;
    note_heard(call);
    if (strcasecmp(name, "grpc-status") == 0)
        call->code = pt_grpc_status_parse(value);
    else if (strcasecmp(name, "grpc-message") == 0)
        pt_grpc_message_decode(value, call->text, sizeof(call->text));
}

static int on_data(void *context, const char *data, size_t length)
{
    struct pt_grpc_call *call = context;
    note_heard(call);
    return pt_grpc_parser_feed(&call->parser, data, length, call->on_message, call->context);
}

static void on_done(void *context, const struct pt_http_result *result)
{
    struct pt_grpc_call *call = context;
    struct pt_grpc_status status = {.code = PT_GRPC_UNKNOWN, .is_transport = true};
    char text[MAX_STATUS_TEXT];
    status.message = text;
    if (call->code >= 0 && (result->error == 0 || call->code != PT_GRPC_OK)) {
        status.is_transport = false;
        status.code = call->code;
        snprintf(text, sizeof(text), "%s", call->text);
        if (call->code == PT_GRPC_OK && pt_grpc_parser_is_torn(&call->parser)) {
            status.code = PT_GRPC_UNKNOWN;
            status.is_transport = true;
            snprintf(text, sizeof(text), "the answer ended in the middle of a message");
        }
    } else if (result->error) {
        // What we refused of an answer is no fault of the connection.
        status.is_transport = result->error != -EMSGSIZE && result->error != -EBADMSG;
        if (result->error == -EMSGSIZE)
            status.code = PT_GRPC_TOO_LARGE;
        if (is_slow_alone(call, result->error)) {
            status.is_transport = false;
            status.code = PT_GRPC_DEADLINE_EXCEEDED;
        }
        snprintf(text, sizeof(text), "%s", result->message);
    } else {
        snprintf(text, sizeof(text), "the answer of %s has no gRPC status (HTTP status %d)",
                 call->method, result->status);
    }
    end_call(call, &status);
}

static int check_peer(void *context, int fd, struct pt_error *err)
{
    const struct pt_grpc_client *client = ((struct pt_grpc_call *)context)->client;
    return client->check_peer(client->check_context, fd, err);
}

static int send_call(struct pt_grpc_call *call, struct pt_error *err)
{
    struct pt_grpc_client *client = call->client;
    char url[256];
    char namespace[PT_LIMIT_NAME_BYTES + 32];
    char timeout[48];
    const char *headers[7] = {"content-type: application/grpc", "te: trailers",
                              ("user-agent: pulltrace-agent/" PT_VERSION), "host: localhost"};
    size_t count = 4;
    // libcurl reuses connections by the host's name, also one on which nothing comes any more.
    call->connection = client->connection;
    call->heard = client->heard;
    snprintf(url, sizeof(url), "http://containerd-%u%s", call->connection, call->method);
    if (call->namespace) {
        snprintf(namespace, sizeof(namespace), "containerd-namespace: %s", call->namespace);
        headers[count++] = namespace;
    }
    if (call->timeout_ms) {
        snprintf(timeout, sizeof(timeout), "grpc-timeout: %lldm", (long long)call->timeout_ms);
        headers[count++] = timeout;
    }
    const struct pt_http_options options = {
        .url = url,
        .unix_socket = client->socket_path,
        .headers = headers,
        .body = call->body.data,
        .body_length = call->body.length,
        .http2 = true,
        .http2_connected = client->is_connected,
        .fresh_connection = !client->is_connected,
        .connect_timeout_ms = PT_LIMIT_GRPC_CONNECT_MS,
        .timeout_ms = call->timeout_ms,
        .check_peer = client->check_peer ? check_peer : NULL,
        .on_header = on_header,
        .on_data = on_data,
        .on_done = on_done,
        .context = call,
    };
    int r = pt_http_client_start(client->http, &options, &call->request, err);
    if (r < 0)
        return r;
    TAILQ_INSERT_TAIL(&client->running, call, link);
    if (is_unary(call))
        client->unary_running++;
    pt_buffer_finish(&call->body);
    return 0;
}

// The first call makes the connection that the others share.
static bool must_wait(const struct pt_grpc_client *client, const struct pt_grpc_call *call)
{
    size_t limit = client->is_connected ? PT_LIMIT_GRPC_CALLS : 1;
    return is_unary(call) && client->unary_running >= limit;
}

static void start_waiting(struct pt_grpc_client *client)
{
    while (!TAILQ_EMPTY(&client->waiting)) {
        struct pt_grpc_call *call = TAILQ_FIRST(&client->waiting);
        // The analyzer loses sight of the list's head. NOLINTNEXTLINE(clang-analyzer-unix.Malloc)
        if (must_wait(client, call))
            return;
        TAILQ_REMOVE(&client->waiting, call, link);
        struct pt_error err;
        if (send_call(call, &err) == 0)
            continue;
        const struct pt_grpc_status status = {PT_GRPC_UNKNOWN, true, err.message};
        call->on_end(call->context, &status);
        free_call(call);
    }
}

int pt_grpc_client_create(struct pt_http_client *http, const char *socket_path,
                          int (*check)(void *context, int fd, struct pt_error *err),
                          void *check_context, struct pt_grpc_client **ret_client,
                          struct pt_error *err)
{
    struct pt_grpc_client *client = calloc(1, sizeof(*client));
    if (client)
        client->socket_path = strdup(socket_path);
    if (!client || !client->socket_path) {
        free(client);
        return pt_error_set(err, ENOMEM, "out of memory");
    }
    TAILQ_INIT(&client->running);
    TAILQ_INIT(&client->waiting);
    client->http = http;
    client->check_peer = check;
    client->check_context = check_context;
    *ret_client = client;
    return 0;
}

static void drop_calls(struct call_list *calls)
{
    struct pt_grpc_call *call = TAILQ_FIRST(calls);
    while (call) {
        struct pt_grpc_call *next = TAILQ_NEXT(call, link);
        if (call->request)
            pt_http_request_cancel(call->request);
        free_call(call);
        call = next;
    }
}

void pt_grpc_client_destroy(struct pt_grpc_client *client)
{
    if (!client)
        return;
    drop_calls(&client->waiting);
    drop_calls(&client->running);
    free(client->socket_path);
    free(client);
}

static int fill_body(struct pt_grpc_call *call, const struct pt_grpc_options *options)
{
    uint8_t header[PT_GRPC_FRAME_HEADER_BYTES];
    pt_grpc_frame_header((uint32_t)options->message_length, header);
    pt_buffer_init(&call->body, PT_GRPC_FRAME_HEADER_BYTES + options->message_length);
    pt_buffer_append(&call->body, header, sizeof(header));
    return pt_buffer_append(&call->body, options->message, options->message_length);
}

int pt_grpc_call_start(struct pt_grpc_client *client, const struct pt_grpc_options *options,
                       struct pt_error *err)
{
    struct pt_grpc_call *call = calloc(1, sizeof(*call));
    if (!call)
        return pt_error_set(err, ENOMEM, "out of memory");
    call->client = client;
    call->method = options->method;
    call->timeout_ms = options->timeout_ms;
    call->code = -1;
    call->on_message = options->on_message;
    call->on_end = options->on_end;
    call->context = options->context;
    pt_grpc_parser_init(&call->parser, options->max_message_bytes);
    int r = fill_body(call, options);
    if (r == 0 && options->namespace && !(call->namespace = strdup(options->namespace)))
        r = -ENOMEM;
    if (r < 0) {
        free_call(call);
        return pt_error_set(err, -r, "the call cannot be made: %s", strerror(-r));
    }
    if (!is_unary(call) && !client->is_connected) {
        free_call(call);
        return pt_error_set(err, ENOTCONN, "no connection stands yet");
    }
    if (must_wait(client, call)) {
        TAILQ_INSERT_TAIL(&client->waiting, call, link);
    } else if ((r = send_call(call, err)) < 0) {
        free_call(call);
        return r;
    }
    return 0;
}

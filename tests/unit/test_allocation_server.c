// SPDX-License-Identifier: Apache-2.0
#include "base/loop.h"
#include "server/api/pull_list.h"
#include "server/cluster/kube_rows.h"
#include "server/http/http_connection.h"
#include "server/http/http_reply.h"
#include "server/http/request_parser.h"
#include "server/stream/event_stream.h"

#include "store_fixture.h"

#include "scarce_memory.h"

#include <event2/event.h>
#include <sys/socket.h>
#include <unistd.h>

// --- requests ---

static int parse_a_request(void)
{
    static const char text[] = "POST /api/v1/report HTTP/1.1\r\nHost: x\r\nA: b\r\n"
                               "Content-Length: 4\r\n\r\n{\"a\"";
    struct pt_request_parser parser;
    struct pt_request_budget budget = {0};
    enum pt_parse_result result = PT_PARSE_MORE;
    pt_request_parser_init(&parser, &budget);
    for (size_t i = 0; result <= PT_PARSE_HEAD && i < strlen(text); i++) {
        size_t used;
        result = pt_request_parser_feed(&parser, text + i, 1, &used);
    }
    assert_true(result == PT_PARSE_WHOLE || result == PT_PARSE_REFUSED);
    if (result == PT_PARSE_REFUSED)
        check_int("it is the server's fault", parser.refusal / 100, 5);
    pt_request_parser_clear(&parser);
    check_int("what the request took", budget.bytes, 0);
    pt_request_budget_finish(&budget);
    return result == PT_PARSE_WHOLE ? 0 : -ENOMEM;
}

static void on_request(void *context, struct pt_request *request, int refusal)
{
    (void)context;
    if (refusal)
        pt_reply_refusal(request, refusal);
    else if (request->body_length > 0)
        pt_reply_taken(request);
    else
        pt_reply_error(request, PT_PROBLEM_NOT_FOUND, 0, "there is nothing here");
}

static bool wants_body(void *context, struct pt_request *request)
{
    (void)context, (void)request;
    return true;
}

static void turn(struct pt_loop *loop)
{
    for (int i = 0; i < 4; i++)
        event_base_loop(pt_loop_base(loop), EVLOOP_ONCE | EVLOOP_NONBLOCK);
}

// Two requests on a new connection; returns how many answers came, each of them whole.
static int ask(struct pt_connections *connections, struct pt_loop *loop)
{
    static const char requests[] = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
                                   "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}";
    char text[4096];
    int pair[2], answers = 0;
    const struct sockaddr address = {.sa_family = AF_UNIX};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    pt_connections_add(connections, pair[1], &address, NULL);
    (void)!send(pair[0], requests, strlen(requests), MSG_NOSIGNAL);
    turn(loop);
    ssize_t n = recv(pair[0], text, sizeof(text) - 1, MSG_DONTWAIT);
    text[n > 0 ? n : 0] = '\0';
    for (const char *at = text; *at && (at = strstr(at, "HTTP/1.1 ")); at++)
        answers++;
    if (n > 0)
        assert_memory_equal(text, "HTTP/1.1 ", 9);
    close(pair[0]);
    turn(loop);
    return answers;
}

// Memory is short while a client asks: it is answered or its connection ends, and the next client
// finds all as it was.
static int answer_requests(void)
{
    static struct pt_connections connections; // it holds a large block
    const struct pt_connection_handler handler = {on_request, wants_body, NULL};
    const struct scarce_memory scarce = scarce_memory;
    struct pt_memory_share memory, answers;
    struct pt_loop *loop;
    memory_is_back();
    assert_int_equal(pt_loop_create(&loop, NULL), 0);
    pt_memory_share_init(&memory, "connections", 1 << 20, NULL);
    pt_memory_share_init(&answers, "answers", 1 << 20, NULL);
    assert_int_equal(pt_connections_init(&connections, loop, pt_clock_system(), &handler, 4, NULL),
                     0);
    pt_connections_set_memory(&connections, &memory, &answers);
    scarce_memory = scarce;
    (void)ask(&connections, loop);
    memory_is_back();
    check_int("answers when there is memory", ask(&connections, loop), 2);
    check_int("connections", (int64_t)connections.figures.open, 0);
    check_int("memory of connections", memory.used_bytes, 0);
    check_int("memory of answers", answers.used_bytes, 0);
    pt_connections_finish(&connections);
    pt_loop_destroy(loop);
    return 0;
}

// --- store, correlate, stream and list ---

struct server {
    struct scene scene;
    struct pt_correlate *correlate;
    struct pt_event_stream *stream;
    size_t sent;
};

static void on_join(void *context, const char *node_name, const char *key,
                    const struct pt_join *join)
{
    pt_store_apply_join(((struct server *)context)->scene.store, node_name, key, join);
}

static void on_row(void *context, const struct pt_image_row *row)
{
    pt_store_apply_row(((struct server *)context)->scene.store, row);
}

static void on_exchange(void *context, const struct pt_row_exchange *exchange)
{
    pt_store_exchange_rows(((struct server *)context)->scene.store, exchange);
}

static size_t pending(void *context)
{
    (void)context;
    return 0;
}

static void send_block(void *context, struct pt_stream_block *block)
{
    ((struct server *)context)->sent += block->length;
    pt_stream_block_unref(block);
}

static bool make_room(void *context)
{
    (void)context;
    return false;
}

static void server_end(struct server *server)
{
    pt_event_stream_destroy(server->stream);
    if (server->scene.store)
        pt_store_set_hooks(server->scene.store, NULL);
    pt_store_destroy(server->scene.store);
    pt_correlate_destroy(server->correlate);
}

static int server_begin(struct server *server)
{
    static const struct pt_stream_output stream_output = {pending, send_block, make_room};
    const struct pt_store_settings settings = {100, 10, HISTORY_NS, STALE_NS,
                                               &server->scene.memory};
    const struct pt_store_output output = {
        .on_event = scene_on_event, .on_change = scene_on_change, .context = &server->scene};
    const struct pt_correlate_output conclusions = {
        .on_join = on_join, .on_row = on_row, .on_exchange = on_exchange, .context = server};
    *server = (struct server){.scene = {.now_ns = SCENE_START}};
    server->scene.clock = (struct pt_clock){scene_now, scene_now, &server->scene};
    server->scene.layers[0] = make_layer("sha256:a", 0);
    server->scene.pull = make_pull("lease-1", "app:1", server->scene.layers, 1);
    server->scene.store = pt_store_create(&settings, &server->scene.clock, &output);
    int r = server->scene.store ? 0 : -ENOMEM;
    if (r == 0)
        r = pt_correlate_create(&server->scene.clock, 10, &conclusions, &server->correlate);
    if (r == 0)
        r = pt_event_stream_create(server->scene.store, &server->scene.clock, 4, &stream_output,
                                   &server->stream);
    if (r < 0)
        server_end(server);
    else
        pt_kube_rows_attach(server->scene.store, server->correlate);
    return r;
}

static int server_report(struct server *server, int64_t bytes)
{
    server->scene.layers[0] = make_layer("sha256:a", bytes);
    return scene_report(&server->scene, "n1", &server->scene.pull, 1);
}

static void wait_for_images(struct server *server)
{
    static const char *const images[] = {"docker.io/library/app:1", "c.io/other:1"};
    static struct pt_kube_pod pod;
    for (size_t i = 0; i < COUNT_OF(images); i++) {
        pod = (struct pt_kube_pod){.uid = images[i],
                                   .name_space = "ns",
                                   .name = i == 0 ? "one" : "other",
                                   .node = "n1",
                                   .waiting_since = SCENE_START,
                                   .waiting_count = 1};
        pod.waiting[0] = (struct pt_kube_container){.name = "c",
                                                    .image = images[i],
                                                    .word = PT_KUBELET_PULL_FAILED,
                                                    .error = "no such host",
                                                    .is_on_turn = true};
        pt_correlate_pod(server->correlate, &pod);
    }
}

static void settle(struct server *server)
{
    scene_wait(&server->scene, 1);
    pt_correlate_tick(server->correlate);
    while (pt_correlate_flush(server->correlate, 10))
        continue;
}

static int list_pulls(struct server *server)
{
    struct pt_query query;
    struct pt_pull_list_request request;
    struct pt_memory_share memory = {.max_bytes = 1 << 20};
    struct pt_pull_lists lists = {.memory = &memory};
    struct pt_pull_list list;
    char *cursor = NULL;
    assert_int_equal(pt_query_parse("sort=imageRef&limit=1", &query, NULL), 0);
    assert_int_equal(pt_pull_list_request_read(&query, &request, NULL), 0);
    int r = pt_pull_list_begin(server->scene.store, &request, &lists, &list, NULL);
    if (r < 0)
        return r;
    do
        r = pt_pull_list_scan(&list);
    while (r > 0);
    while (r == 0 && pt_pull_list_next(&list))
        continue;
    if (r == 0)
        r = pt_pull_list_cursor(&list, &cursor);
    free(cursor);
    pt_pull_list_finish(&list);
    check_int("memory of lists", memory.used_bytes, 0);
    check_int("bytes of lists", lists.bytes, 0);
    return r;
}

static int follow(struct server *server, struct pt_stream_client **ret_client)
{
    static const struct pt_stream_request request = {
        .layers = true, .pull_events = true, .layer_events = true, .hello = true};
    *ret_client = NULL;
    int r = pt_event_stream_join(server->stream, &request, server, ret_client, NULL);
    pt_event_stream_flush(server->stream);
    for (int i = 0; i < 10 && pt_event_stream_pump(server->stream); i++)
        continue;
    return r;
}

// What is shown once there is memory: the pull, and a row for the image that nobody pulls. A row
// for which there was none comes with its next change; if correlate had none to note the pull, the
// image of its pod has a row besides.
static void check_all_is_there(struct server *server)
{
    struct pt_stream_client *client;
    for (int bytes = 20; bytes <= 60; bytes += 20) {
        check_int("report", server_report(server, bytes), 0);
        wait_for_images(server);
        settle(server);
        settle(server);
    }
    size_t pulls = pt_store_figures(server->scene.store).pulls;
    assert_true(pulls == 2 || (scarce_memory.has_failed && pulls >= 1 && pulls <= 3));
    check_int("pulls under way", (int64_t)pt_store_figures(server->scene.store).under_way, 1);
    check_int("list", list_pulls(server), 0);
    server->sent = 0;
    check_int("stream", follow(server, &client), 0);
    assert_true(server->sent > 0);
    pt_event_stream_leave(client);
    scene_wait(&server->scene, 1);
    server->scene.pull.phase = PT_PULL_COMPLETED;
    server->scene.pull.completed_at = server->scene.now_ns;
    check_int("the end", server_report(server, 100), 0);
    check_int("completed", server->scene.completed, 1);
}

// Memory is short in the first seconds of a server.
static int begin_a_server(void)
{
    struct server server;
    struct pt_stream_client *client;
    int r = server_begin(&server);
    if (r < 0)
        return r;
    r = server_report(&server, 10);
    assert_true(r == 0 || r == -ENOMEM);
    wait_for_images(&server);
    settle(&server);
    r = list_pulls(&server);
    assert_true(r == 0 || r == -ENOMEM);
    r = follow(&server, &client);
    assert_true(r == 0 || r == -ENOMEM);
    memory_is_back();
    if (client)
        pt_event_stream_leave(client);
    check_all_is_there(&server);
    server_end(&server);
    return 0;
}

// A pull that has ended comes again, with a layer more: readers know its row, so that it stays.
static int a_shown_pull_comes_again(void)
{
    const struct scarce_memory scarce = scarce_memory;
    struct scene scene;
    memory_is_back();
    scene_begin(&scene);
    scene.pull.id = NULL; // of an agent that ends it by leaving it out
    scene_deliver(&scene);
    scene_deliver_pulls(&scene, "n1", NULL, 0);
    check_int("completed", scene.completed, 1);
    scene_two_layers(&scene, 100, 10);
    scarce_memory = scarce;
    int r = scene_report(&scene, "n1", &scene.pull, 1);
    memory_is_back();
    assert_true(r == 0 || r == -ENOMEM);
    assert_non_null(scene_last(&scene));
    scene_deliver(&scene);
    check_int("pulls", (int64_t)pt_store_figures(scene.store).pulls, 1);
    check_int("layers", (int64_t)scene_last(&scene)->pull.layer_count, 2);
    scene_end(&scene);
    return r;
}

static void every_failure_is_an_error_or_mended(void **state)
{
    (void)state;
    static const struct scarce_row rows[] = {
        SCARCE_ROW(parse_a_request, false),
        SCARCE_ROW(answer_requests, true),
        SCARCE_ROW(begin_a_server, true),
        SCARCE_ROW(a_shown_pull_comes_again, true),
    };
    scarce_sweep(rows, COUNT_OF(rows));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_failure_is_an_error_or_mended),
    };
    event_set_mem_functions(__wrap_malloc, __wrap_realloc, free); // as scarce
    return cmocka_run_group_tests_name("allocation_server", tests, NULL, NULL);
}

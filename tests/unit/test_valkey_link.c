// SPDX-License-Identifier: Apache-2.0

// Something that is no Valkey: it takes whatever is sent, and answers with the bytes of a case.

#include "base/clock.h"
#include "base/http_client.h"
#include "base/limits.h"
#include "base/loop.h"
#include "base/secret_file.h"
#include "base/timer.h"
#include "server/valkey/resp.h"
#include "server/valkey/valkey_link.h"
#include "server/valkey/valkey_url.h"

#include "check.h"

#include <arpa/inet.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SILENCE_MS 60
#define PATIENCE_MS 10000

struct scene {
    struct pt_loop *loop;
    struct pt_http_client *client;
    struct pt_secret *password;
    struct pt_valkey_url url;
    struct pt_valkey_link *link;
    int listener, peer; // -1: not connected
    int openings, answers, nobody_knows;
    char why[256];
};

static void on_open(void *context)
{
    struct scene *scene = context;
    scene->openings++;
}

static void on_closed(void *context, const char *why)
{
    struct scene *scene = context;
    snprintf(scene->why, sizeof(scene->why), "%s", why);
}

static bool on_reply(void *context, struct pt_resp_value *reply)
{
    struct scene *scene = context;
    scene->answers += reply != NULL;
    scene->nobody_knows += !reply;
    return false;
}

static int set_up(void **state)
{
    struct scene *scene = calloc(1, sizeof(*scene));
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    struct pt_error err;
    char url[64];
    scene->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    scene->peer = -1;
    assert_int_equal(bind(scene->listener, (struct sockaddr *)&address, size), 0);
    assert_int_equal(getsockname(scene->listener, (struct sockaddr *)&address, &size), 0);
    assert_int_equal(listen(scene->listener, 8), 0);
    snprintf(url, sizeof(url), "valkey://127.0.0.1:%d", ntohs(address.sin_port));
    assert_int_equal(pt_valkey_url_parse(url, &scene->url, &err), 0);
    assert_int_equal(pt_loop_create(&scene->loop, &err), 0);
    assert_int_equal(pt_http_client_create(pt_loop_base(scene->loop), &scene->client, &err), 0);
    assert_int_equal(pt_secret_create("", "", &scene->password, &err), 0);
    const struct pt_valkey_link_options options = {
        .client = scene->client,
        .url = &scene->url,
        .password = scene->password,
        .max_pending_bytes = 16 << 20,
        .max_reply_bytes = 1 << 20,
        .max_silence_ms = SILENCE_MS,
        .on_open = on_open,
        .on_closed = on_closed,
        .context = scene,
    };
    scene->link = pt_valkey_link_create(pt_loop_base(scene->loop), pt_clock_system(), &options);
    assert_non_null(scene->link);
    *state = scene;
    return 0;
}

static int tear_down(void **state)
{
    struct scene *scene = *state;
    pt_valkey_link_destroy(scene->link);
    pt_http_client_destroy(scene->client);
    pt_secret_destroy(scene->password);
    pt_loop_destroy(scene->loop);
    if (scene->peer >= 0)
        close(scene->peer);
    close(scene->listener);
    free(scene);
    return 0;
}

// Takes what the link has sent.
static void turn(struct scene *scene)
{
    static const struct timeval longest = {.tv_usec = 500};
    char taken[65536];
    event_base_loopexit(pt_loop_base(scene->loop), &longest);
    event_base_loop(pt_loop_base(scene->loop), EVLOOP_ONCE);
    while (scene->peer >= 0 && recv(scene->peer, taken, sizeof(taken), MSG_DONTWAIT) > 0)
        continue;
}

#define RUN_UNTIL(scene, condition)                                                                \
    do {                                                                                           \
        int64_t end_ = pt_clock_monotonic_ns(pt_clock_system()) + PATIENCE_MS * PT_NS_PER_MS;      \
        while (!(condition)) {                                                                     \
            if (pt_clock_monotonic_ns(pt_clock_system()) > end_)                                   \
                fail_msg("waited in vain: %s", #condition);                                        \
            turn(scene);                                                                           \
        }                                                                                          \
    } while (0)

static void say(const struct scene *scene, const char *bytes)
{
    (void)!send(scene->peer, bytes, strlen(bytes), MSG_NOSIGNAL);
}

// A new connection, greeted.
static void meet(struct scene *scene)
{
    int openings = scene->openings;
    if (scene->peer >= 0)
        close(scene->peer);
    scene->peer = -1;
    RUN_UNTIL(scene, (scene->peer = accept4(scene->listener, NULL, NULL, SOCK_NONBLOCK)) >= 0);
    say(scene, "+OK\r\n");
    RUN_UNTIL(scene, scene->openings > openings);
    scene->why[0] = '\0';
    scene->answers = scene->nobody_knows = 0;
}

static int ask(struct scene *scene)
{
    const struct pt_valkey_argument ping = pt_valkey_text("PING");
    return pt_valkey_link_send(scene->link, &ping, 1, on_reply, scene);
}

static void each_fault_ends_the_connection_and_is_named(void **state)
{
    static const struct {
        const char *bytes, *why;
        int answers;
    } cases[] = {
        {"$-2\r\n", "what it sends is no answer of this protocol", 0},
        {"*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n",
         "what it sends is no answer of this protocol", 0},
        {"$99999999\r\n", "an answer is larger than what was asked for can be", 0},
        {"*99999999\r\n", "an answer is larger than what was asked for can be", 0},
        {"+OK\r\n+OK\r\n", "it answers what nobody asked", 1},
        {"+OK\r\n-MOVED 1 a:1\r\n", "MOVED 1 a:1", 1},
        {"", "it does not answer", 0},
        {"$100\r\nx", "it does not answer", 0},
    };
    struct scene *scene = *state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        meet(scene);
        assert_int_equal(ask(scene), 0);
        say(scene, cases[i].bytes);
        RUN_UNTIL(scene, *scene->why);
        check_text(cases[i].bytes, scene->why, cases[i].why);
        check_int(cases[i].bytes, scene->answers, cases[i].answers);
        check_int(cases[i].bytes, scene->nobody_knows, 1 - cases[i].answers);
    }
}

static void one_that_goes_away_is_tried_again(void **state)
{
    struct scene *scene = *state;
    meet(scene);
    close(scene->peer);
    scene->peer = -1;
    RUN_UNTIL(scene, *scene->why);
    check_text("why", scene->why, "it closed the connection");
    assert_int_equal(ask(scene), -ENOTCONN);
    meet(scene);
    assert_int_equal(ask(scene), 0);
    say(scene, "+PONG\r\n");
    RUN_UNTIL(scene, scene->answers == 1);
}

// A byte now and then is no silence, and no answer.
static void what_does_not_come_to_its_end_is_given_up(void **state)
{
    struct scene *scene = *state;
    meet(scene);
    assert_int_equal(ask(scene), 0);
    say(scene, "$100000\r\n");
    int64_t began = pt_clock_monotonic_ns(pt_clock_system());
    for (int64_t end = began + PATIENCE_MS * PT_NS_PER_MS; !*scene->why; turn(scene)) {
        assert_true(pt_clock_monotonic_ns(pt_clock_system()) < end);
        say(scene, "x");
    }
    check_text("why", scene->why, "an answer does not come to its end");
}

static void what_waits_for_answers_is_bounded(void **state)
{
    struct scene *scene = *state;
    meet(scene);
    for (int i = 0; i < PT_LIMIT_SHARE_COMMANDS; i++)
        assert_int_equal(ask(scene), 0);
    assert_int_equal(ask(scene), -ENOBUFS);
    RUN_UNTIL(scene, *scene->why);
    assert_int_equal(scene->nobody_knows, PT_LIMIT_SHARE_COMMANDS);
    meet(scene);
    assert_int_equal(ask(scene), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_fault_ends_the_connection_and_is_named, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(one_that_goes_away_is_tried_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_does_not_come_to_its_end_is_given_up, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_waits_for_answers_is_bounded, set_up, tear_down),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

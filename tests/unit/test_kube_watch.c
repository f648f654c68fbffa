// SPDX-License-Identifier: Apache-2.0
#include "kube/kube_watch.h"

#include "base/clock.h"
#include "base/limits.h"
#include "kube/object_fields.h"

#include "held_log.h"

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>

#define DEADLINE_S 10

// How the API server answers one request.
struct answer {
    const char *wanted_uri; // must occur in what is asked
    int status;             // 0: 200
    int64_t takes_s;        // the clock jumps so far
    const char *retry_after;
    const char *pieces[4]; // of the body, sent one by one
    bool is_reset;         // the connection breaks behind the pieces
};

// The watch against a real HTTP server on the same loop, which follows a script.
struct fixture {
    struct event_base *base;
    struct evhttp *server;
    struct pt_http_client *http;
    struct pt_kube_config config;
    struct pt_kube_client client;
    struct pt_kube_watch *watch;
    const struct answer *script;
    size_t answer_count;
    size_t asked;
    struct evhttp_request *held;
    char said[4000]; // what the handler was called with
    char wrong_uri[1000];
};

static int64_t passed_ns; // what the tests let the clock jump

static int64_t jumping_now(void *context)
{
    (void)context;
    return pt_clock_monotonic_ns(pt_clock_system()) + passed_ns;
}

static const struct pt_clock jumping_clock = {jumping_now, jumping_now, NULL};

static void send_piece(struct evhttp_request *request, const char *text)
{
    struct evbuffer *piece = evbuffer_new();
    evbuffer_add(piece, text, strlen(text));
    evhttp_send_reply_chunk(request, piece);
    evbuffer_free(piece);
}

static void on_reset(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    evhttp_connection_free(evhttp_request_get_connection(context));
}

static void on_request(struct evhttp_request *request, void *context)
{
    struct fixture *fixture = context;
    const char *uri = evhttp_request_get_uri(request);
    if (fixture->asked >= fixture->answer_count) {
        fixture->held = request; // the script is over
        fixture->asked++;
        return;
    }
    const struct answer *answer = &fixture->script[fixture->asked++];
    if (!strstr(uri, answer->wanted_uri) && !*fixture->wrong_uri)
        snprintf(fixture->wrong_uri, sizeof(fixture->wrong_uri), "%s is not in %s",
                 answer->wanted_uri, uri);
    passed_ns += answer->takes_s * PT_NS_PER_S;
    if (answer->retry_after)
        evhttp_add_header(evhttp_request_get_output_headers(request), "Retry-After",
                          answer->retry_after);
    evhttp_send_reply_start(request, answer->status ? answer->status : 200, "Said");
    for (size_t i = 0; i < COUNT_OF(answer->pieces) && answer->pieces[i]; i++)
        send_piece(request, answer->pieces[i]);
    if (answer->is_reset) {
        struct timeval soon = {0, 20000}; // when the pieces are out
        event_base_once(fixture->base, -1, EV_TIMEOUT, on_reset, request, &soon);
        return;
    }
    evhttp_send_reply_end(request);
}

static void note(struct fixture *fixture, const char *what, yyjson_val *object)
{
    const char *name = pt_kube_text(yyjson_obj_get(object, "metadata"), "name");
    strcat(fixture->said, what);
    strcat(fixture->said, name ? name : "");
    strcat(fixture->said, " ");
}

static void on_list_begin(void *context)
{
    note(context, "[", NULL);
}

static void on_list_end(void *context)
{
    note(context, "]", NULL);
}

static int on_object(void *context, enum pt_kube_change change, yyjson_val *object)
{
    static const char *const marks[] = {"+", "~", "-"};
    note(context, marks[change], object);
    return yyjson_obj_get(object, "metadata") ? 0 : -EINVAL;
}

static uint32_t no_chance(void)
{
    return 0;
}

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    fixture->base = event_base_new();
    fixture->server = evhttp_new(fixture->base);
    evhttp_set_gencb(fixture->server, on_request, fixture);
    struct evhttp_bound_socket *bound =
        evhttp_bind_socket_with_handle(fixture->server, "127.0.0.1", 0);
    struct sockaddr_storage address;
    socklen_t length = sizeof(address);
    getsockname(evhttp_bound_socket_get_fd(bound), (struct sockaddr *)&address, &length);
    int r = asprintf(&fixture->config.url, "http://127.0.0.1:%d",
                     ntohs(((struct sockaddr_in *)&address)->sin_port));
    assert_true(r > 0);
    assert_int_equal(pt_secret_create("sesame", NULL, &fixture->config.token, NULL), 0);
    assert_int_equal(pt_http_client_create(fixture->base, &fixture->http, NULL), 0);
    fixture->client = (struct pt_kube_client){.base = fixture->base,
                                              .http = fixture->http,
                                              .config = &fixture->config,
                                              .clock = &jumping_clock,
                                              .random = no_chance};
    pt_log_set_descriptor(-1);
    passed_ns = 0;
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    pt_kube_watch_destroy(fixture->watch);
    pt_http_client_destroy(fixture->http);
    evhttp_free(fixture->server);
    event_base_free(fixture->base);
    pt_kube_config_finish(&fixture->config);
    free(fixture);
    return 0;
}

static void on_tick(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    (void)context;
}

// Runs until the script has been asked for one request more than it has, and checks what came.
static void run_script(struct fixture *fixture, const struct answer *script, size_t count,
                       const char *wanted)
{
    struct pt_kube_watch_handler handler = {.on_list_begin = on_list_begin,
                                            .on_object = on_object,
                                            .on_list_end = on_list_end,
                                            .context = fixture};
    fixture->script = script;
    fixture->answer_count = count;
    assert_int_equal(pt_kube_watch_create(&fixture->client, "pods", "team a", "a=b", &handler,
                                          &fixture->watch, NULL),
                     0);
    struct event *tick = event_new(fixture->base, -1, EV_PERSIST, on_tick, NULL);
    struct timeval every = {0, 20000};
    event_add(tick, &every);
    struct timeval start, now;
    evutil_gettimeofday(&start, NULL);
    do {
        event_base_loop(fixture->base, EVLOOP_ONCE);
        evutil_gettimeofday(&now, NULL);
    } while ((strcmp(fixture->said, wanted) != 0 || fixture->asked <= count) &&
             !*fixture->wrong_uri && now.tv_sec - start.tv_sec < DEADLINE_S);
    event_free(tick);
    check_text("URI", fixture->wrong_uri, "");
    check_text("said", fixture->said, wanted);
    check_int("requests", (int64_t)fixture->asked, (int64_t)count + 1);
}

#define LIST(version, items)                                                                       \
    "{\"metadata\":{\"resourceVersion\":\"" version "\"},\"items\":[" items "]}"
#define ITEM(name) "{\"metadata\":{\"name\":\"" name "\"}}"
#define CHANGE(type, name, version)                                                                \
    "{\"type\":\"" type "\",\"object\":{\"metadata\":{\"name\":\"" name                            \
    "\",\"resourceVersion\":\"" version "\"}}}\n"
#define LIST_URI "/api/v1/namespaces/team%20a/pods?fieldSelector=a%3Db&limit=500"
#define WATCH_URI "watch=1&allowWatchBookmarks=true&timeoutSeconds=60&resourceVersion="

static void lists_in_pages_and_watches_from_there(void **state)
{
    static const struct answer script[] = {
        {LIST_URI, .pieces = {"{\"metadata\":{\"resourceVersion\":\"7\",\"continue\":\"a/b\"},"
                              "\"items\":[" ITEM("p") "]}"}},
        {LIST_URI "&continue=a%2Fb", .pieces = {LIST("7", ITEM("q"))}},
        {WATCH_URI "7", .takes_s = 70,
         .pieces = {CHANGE("ADDED", "r", "8") "{\"type\":\"MODI",
                    "FIED\",\"object\":{\"metadata\":{\"name\":\"p\",\"resourceVersion\":\"9\"}}}",
                    CHANGE("DELETED", "q", "10"), CHANGE("BOOKMARK", "none", "40/x")}},
    };
    struct fixture *fixture = *state;
    run_script(fixture, script, COUNT_OF(script), "[ +p +q ] +r ~p -q ");
    const struct pt_kube_watch_state *watch = pt_kube_watch_state(fixture->watch);
    assert_true(watch->is_listed);
    assert_true(watch->is_watching);
    assert_int_equal(watch->lists, 1);
    assert_int_equal(watch->failures, 0);
    // The clean end is followed by a watch from the bookmark.
    assert_non_null(strstr(evhttp_request_get_uri(fixture->held), "resourceVersion=40%2Fx"));
    assert_string_equal(
        evhttp_find_header(evhttp_request_get_input_headers(fixture->held), "Authorization"),
        "Bearer sesame");
}

static void lists_again_when_the_version_has_expired(void **state)
{
    static const struct answer script[] = {
        {LIST_URI, .pieces = {LIST("1", ITEM("p"))}},
        {WATCH_URI "1", .takes_s = 70,
         .pieces = {CHANGE("MODIFIED", "p", "2"),
                    "{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"code\":410}}"}},
        {LIST_URI, .pieces = {LIST("5", ITEM("q"))}},
        {WATCH_URI "5", .status = 410, .pieces = {"{\"kind\":\"Status\",\"code\":410}"}},
        {LIST_URI, .pieces = {LIST("6", "")}},
        // A second time in a row it waits first.
        {WATCH_URI "6", .status = 410},
        {LIST_URI, .pieces = {LIST("7", "")}},
    };
    struct fixture *fixture = *state;
    run_script(fixture, script, COUNT_OF(script), "[ +p ] ~p [ +q ] [ ] [ ] ");
    assert_int_equal(pt_kube_watch_state(fixture->watch)->failures, 1);
}

// Where nothing changes no message comes; that a watch was served shows that the list had helped.
static void a_quiet_collection_may_expire_again(void **state)
{
    static const struct answer script[] = {
        {LIST_URI, .pieces = {LIST("1", "")}}, {WATCH_URI "1", .takes_s = 70},
        {WATCH_URI "1", .status = 410},        {LIST_URI, .pieces = {LIST("2", "")}},
        {WATCH_URI "2", .takes_s = 70},        {WATCH_URI "2", .status = 410},
        {LIST_URI, .pieces = {LIST("3", "")}},
    };
    struct fixture *fixture = *state;
    run_script(fixture, script, COUNT_OF(script), "[ ] [ ] [ ] ");
    assert_int_equal(pt_kube_watch_state(fixture->watch)->failures, 0);
}

static void lists_anew_when_a_page_has_expired(void **state)
{
    static const struct answer script[] = {
        {LIST_URI, .pieces = {"{\"metadata\":{\"resourceVersion\":\"7\",\"continue\":\"c\"},"
                              "\"items\":[" ITEM("p") "]}"}},
        {"continue=c", .status = 410, .pieces = {"{\"kind\":\"Status\",\"code\":410}"}},
        {"limit=500", .pieces = {LIST("9", ITEM("q"))}},
    };
    run_script(*state, script, COUNT_OF(script), "[ +p [ +q ] ");
}

static void goes_on_after_a_reset_from_where_it_was(void **state)
{
    static const struct answer script[] = {
        {LIST_URI, .pieces = {LIST("1", "")}},
        {WATCH_URI "1", .pieces = {CHANGE("ADDED", "p", "2") "{\"type\":\"ADD"}, .is_reset = true},
        {WATCH_URI "2", .pieces = {CHANGE("ADDED", "q", "3")}},
    };
    struct fixture *fixture = *state;
    run_script(fixture, script, COUNT_OF(script), "[ ] +p +q ");
    assert_int_equal(pt_kube_watch_state(fixture->watch)->failures, 1);
}

static void asks_again_for_a_page_that_was_not_answered(void **state)
{
    static const struct answer script[] = {
        {LIST_URI, .pieces = {"{\"metadata\":{\"resourceVersion\":\"7\",\"continue\":\"c\"},"
                              "\"items\":[" ITEM("p") "]}"}},
        {"continue=c", .status = 503, .pieces = {"<html>no</html>"}},
        {"continue=c", .pieces = {LIST("7", ITEM("q"))}},
    };
    run_script(*state, script, COUNT_OF(script), "[ +p +q ] ");
}

static void waits_as_long_as_the_answer_asks(void **state)
{
    static const struct answer script[] = {
        {LIST_URI, .status = 429, .retry_after = "2"},
        {LIST_URI, .pieces = {LIST("1", "")}},
    };
    struct timeval start, end, took;
    evutil_gettimeofday(&start, NULL);
    run_script(*state, script, COUNT_OF(script), "[ [ ] ");
    evutil_gettimeofday(&end, NULL);
    evutil_timersub(&end, &start, &took);
    assert_in_range(took.tv_sec * 1000 + took.tv_usec / 1000, 1950, 1000 * DEADLINE_S);
}

static void skips_wrong_json_and_goes_on(void **state)
{
    static const struct answer script[] = {
        {LIST_URI,
         .pieces = {LIST("1", "{\"metadata\":nonsense},{\"metadata\":{\"name\":\"\xff\"}},"
                              "{\"lacks\":\"all\"}," ITEM("p"))}},
        {WATCH_URI "1", .pieces = {"{\"type\":\"ADDED\",\"object\":{oops}}", "{\"type\":\"ADDED\"}",
                                   CHANGE("ADDED", "q", "2")}},
    };
    struct fixture *fixture = *state;
    run_script(fixture, script, COUNT_OF(script), "[ + +p ] +q ");
    assert_int_equal(pt_kube_watch_state(fixture->watch)->bad_objects, 5);
}

static void skips_an_object_that_is_too_large(void **state)
{
    static char huge[PT_LIMIT_KUBE_OBJECT_BYTES + 100] = "{\"type\":\"ADDED\",\"object\":{\"x\":\"";
    memset(huge + strlen(huge), 'x', PT_LIMIT_KUBE_OBJECT_BYTES);
    const struct answer script[] = {
        {LIST_URI, .pieces = {LIST("1", "")}},
        {WATCH_URI "1", .pieces = {huge, "\"}}", CHANGE("ADDED", "q", "2")}},
    };
    struct fixture *fixture = *state;
    run_script(fixture, script, COUNT_OF(script), "[ ] +q ");
    assert_int_equal(pt_kube_watch_state(fixture->watch)->too_large_objects, 1);
}

static void gives_up_an_answer_with_too_many_objects_that_are_none(void **state)
{
    static char items[4 * PT_LIMIT_KUBE_BAD_OBJECTS + 1], changes[sizeof(items)];
    for (size_t at = 0; at < sizeof(items) - 1; at += 4) {
        memcpy(items + at, "{x},", 4);
        memcpy(changes + at, "{x}\n", 4);
    }
    static const char begin[] = "{\"metadata\":{\"resourceVersion\":\"1\"},\"items\":[";
    const struct answer script[] = {
        {LIST_URI, .pieces = {begin, items, "{x}," ITEM("p") "]}"}},
        {LIST_URI, .pieces = {begin, items, ITEM("p") "]}"}},
        {WATCH_URI "1", .pieces = {changes, CHANGE("ADDED", "q", "2")}},
        {WATCH_URI "2", .pieces = {changes, "{x}", CHANGE("ADDED", "r", "3")}},
        {LIST_URI, .pieces = {LIST("3", "")}},
    };
    struct fixture *fixture = *state;
    int log = held_log_open();
    run_script(fixture, script, COUNT_OF(script), "[ [ +p ] +q [ ] ");
    check_int("logged", held_log_count(log, "too many of the answer's objects are none"), 2);
    held_log_close(log);
    assert_int_equal(pt_kube_watch_state(fixture->watch)->failures, 2);
}

static void gives_up_a_list_that_does_not_end(void **state)
{
    static const struct answer script[] = {
        {LIST_URI, .takes_s = 601,
         .pieces = {"{\"metadata\":{\"resourceVersion\":\"7\",\"continue\":\"c\"},\"items\":[]}"}},
        {LIST_URI, .pieces = {LIST("8", ITEM("p"))}},
    };
    struct fixture *fixture = *state;
    run_script(fixture, script, COUNT_OF(script), "[ [ +p ] ");
    assert_int_equal(pt_kube_watch_state(fixture->watch)->failures, 1);
}

static void does_not_follow_a_redirect(void **state)
{
    static const struct answer script[] = {
        {LIST_URI, .status = 302, .pieces = {"<html>log in first</html>"}},
        {LIST_URI, .pieces = {LIST("8", "")}},
    };
    struct fixture *fixture = *state;
    run_script(fixture, script, COUNT_OF(script), "[ [ ] ");
    assert_int_equal(pt_kube_watch_state(fixture->watch)->failures, 1);
}

static void begins_anew_when_a_stream_is_no_json(void **state)
{
    static const struct answer script[] = {
        {LIST_URI, .pieces = {LIST("1", "")}},
        {WATCH_URI "1", .pieces = {CHANGE("ADDED", "p", "2"), "garbage"}},
        {LIST_URI, .pieces = {LIST("3", ITEM("p"))}},
    };
    run_script(*state, script, COUNT_OF(script), "[ ] +p [ +p ] ");
}

static void bears_a_list_that_breaks_off_or_lacks_its_version(void **state)
{
    static const struct answer script[] = {
        {LIST_URI, .pieces = {"{\"metadata\":{},\"items\":[" ITEM("p")}},
        {LIST_URI, .pieces = {"{\"items\":[]}"}},
        {LIST_URI, .pieces = {LIST("3", ITEM("q"))}},
    };
    run_script(*state, script, COUNT_OF(script), "[ +p [ [ +q ] ");
}

static void does_not_spin_when_watches_end_at_once(void **state)
{
    static const struct answer script[] = {
        {LIST_URI, .pieces = {LIST("1", "")}},
        {WATCH_URI "1", .status = 200},
        {WATCH_URI "1", .status = 200},
    };
    struct fixture *fixture = *state;
    run_script(fixture, script, COUNT_OF(script), "[ ] ");
    assert_int_equal(pt_kube_watch_state(fixture->watch)->failures, 2);
}

static void says_that_it_is_not_current_without_rights(void **state)
{
    static const struct answer script[] = {
        {LIST_URI, .status = 403,
         .pieces = {"{\"kind\":\"Status\",\"message\":\"pods is forbidden\",\"code\":403}"}},
    };
    struct fixture *fixture = *state;
    run_script(fixture, script, COUNT_OF(script), "[ [ ");
    assert_false(pt_kube_watch_state(fixture->watch)->is_listed);
    assert_false(pt_kube_watch_state(fixture->watch)->is_watching);
}

static void reports_an_outage_once_and_its_end(void **state)
{
    static const struct answer script[] = {
        {LIST_URI, .status = 503, .pieces = {"{\"kind\":\"Status\",\"message\":\"after 17 ms\"}"}},
        {LIST_URI, .status = 503, .pieces = {"{\"kind\":\"Status\",\"message\":\"after 404 ms\"}"}},
        {LIST_URI, .pieces = {LIST("1", "")}},
    };
    int log = held_log_open();
    run_script(*state, script, COUNT_OF(script), "[ [ [ ] ");
    assert_int_equal(held_log_count(log, "\n"), 2);
    held_log_close(log);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(lists_in_pages_and_watches_from_there),
        TEST(lists_again_when_the_version_has_expired),
        TEST(a_quiet_collection_may_expire_again),
        TEST(lists_anew_when_a_page_has_expired),
        TEST(goes_on_after_a_reset_from_where_it_was),
        TEST(asks_again_for_a_page_that_was_not_answered),
        TEST(waits_as_long_as_the_answer_asks),
        TEST(skips_wrong_json_and_goes_on),
        TEST(skips_an_object_that_is_too_large),
        TEST(gives_up_an_answer_with_too_many_objects_that_are_none),
        TEST(gives_up_a_list_that_does_not_end),
        TEST(does_not_follow_a_redirect),
        TEST(begins_anew_when_a_stream_is_no_json),
        TEST(bears_a_list_that_breaks_off_or_lacks_its_version),
        TEST(does_not_spin_when_watches_end_at_once),
        TEST(says_that_it_is_not_current_without_rights),
        TEST(reports_an_outage_once_and_its_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

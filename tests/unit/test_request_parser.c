// SPDX-License-Identifier: Apache-2.0
#include "server/http/request_parser.h"

#include "base/limits.h"
#include "check.h"

#include <stdio.h>
#include <string.h>

#define GET "GET / HTTP/1.1\r\nHost: x\r\n"
#define POST "POST /api/v1/report HTTP/1.1\r\nHost: x\r\n"
#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"

static struct pt_request_budget budget;

// Feeds the text in pieces of that size, up to the end of the first request, and says how much of
// it that was.
static enum pt_parse_result feed(struct pt_request_parser *parser, const char *text, size_t length,
                                 size_t piece, size_t *ret_used)
{
    enum pt_parse_result result = PT_PARSE_MORE;
    size_t at = 0, used;
    while (at < length && (result == PT_PARSE_MORE || result == PT_PARSE_HEAD)) {
        size_t n = piece < length - at ? piece : length - at;
        result = pt_request_parser_feed(parser, text + at, n, &used);
        at += used;
    }
    *ret_used = at;
    return result;
}

static void a_request_is_read_however_it_is_cut(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum pt_http_method method;
        const char *path, *query, *body;
        bool http_1_0, keeps_alive;
    } cases[] = {
        {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", PT_HTTP_GET, "/", NULL, "", false, true},
        {"\r\nGET /a?b=1&c=%20 HTTP/1.1\r\nHost: x\r\n\r\n", PT_HTTP_GET, "/a", "b=1&c=%20", "",
         false, true},
        {"\r\n\r\nGET /a?b=:// HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", PT_HTTP_GET, "/a", "b=://", "",
         false, true},
        {"GET http://host:80/a?b HTTP/1.1\r\nHost: HOST:80\r\n\r\n", PT_HTTP_GET, "/a", "b", "",
         false, true},
        {"GET http://host HTTP/1.1\r\nHost: host\r\n\r\n", PT_HTTP_GET, "/", NULL, "", false, true},
        {"GET HTTPS://host?/b HTTP/1.0\r\n\r\n", PT_HTTP_GET, "/", "/b", "", true, false},
        {"HEAD /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", PT_HTTP_HEAD, "/a", NULL, "",
         false, false},
        {"GET /a HTTP/1.0\r\n\r\n", PT_HTTP_GET, "/a", NULL, "", true, false},
        {"GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", PT_HTTP_GET, "/a", NULL, "", true,
         true},
        {"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", PT_HTTP_OTHER, "*", NULL, "", false, true},
        {"CONNECT host:443 HTTP/1.1\r\nHost: x\r\n\r\n", PT_HTTP_OTHER, "host:443", NULL, "", false,
         false},
        {"GET /a HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n", PT_HTTP_GET,
         "/a", NULL, "", false, true},
        {POST "Content-Length: 2\r\n\r\n{}", PT_HTTP_POST, "/api/v1/report", NULL, "{}", false,
         true},
        {POST "Content-Length: 0\r\n\r\n", PT_HTTP_POST, "/api/v1/report", NULL, "", false, true},
        {POST "Transfer-Encoding: chunked\r\n\r\n3;x=y\r\n{\"a\r\n3\r\n\":1\r\n1\r\n}\r\n0\r\n"
              "Trailer: x\r\n\r\n",
         PT_HTTP_POST, "/api/v1/report", NULL, "{\"a\":1}", false, true},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char both[512];
        size_t length = strlen(cases[i].text);
        snprintf(both, sizeof(both), "%sGET /next HTTP/1.1\r\n", cases[i].text);
        for (size_t piece = 1; piece <= strlen(both); piece++) {
            struct pt_request_parser parser;
            size_t used;
            pt_request_parser_init(&parser, &budget);
            assert_int_equal(feed(&parser, both, strlen(both), piece, &used), PT_PARSE_WHOLE);
            const struct pt_request *request = parser.request;
            assert_int_equal(used, length);
            assert_int_equal(request->method, cases[i].method);
            check_text(cases[i].text, request->path, cases[i].path);
            check_text(cases[i].text, request->query, cases[i].query);
            assert_int_equal(request->body_length, strlen(cases[i].body));
            assert_memory_equal(request->body, cases[i].body, request->body_length);
            assert_int_equal(request->http_1_0, cases[i].http_1_0);
            assert_int_equal(request->keeps_alive, cases[i].keeps_alive);
            pt_request_parser_clear(&parser);
        }
    }
}

static void headers_are_found_by_name(void **state)
{
    (void)state;
    static const char text[] = "GET / HTTP/1.1\r\nHost: x\r\nEmpty:\r\nX-Long:  a, b \r\n"
                               "Accept: one\r\naccept: two\r\n\r\n";
    for (size_t piece = 1; piece < sizeof(text); piece++) {
        struct pt_request_parser parser;
        size_t used;
        pt_request_parser_init(&parser, &budget);
        assert_int_equal(feed(&parser, text, sizeof(text) - 1, piece, &used), PT_PARSE_WHOLE);
        check_text("Host", pt_request_header(parser.request, "HOST"), "x");
        check_text("Empty", pt_request_header(parser.request, "Empty"), "");
        check_text("X-Long", pt_request_header(parser.request, "x-long"), "a, b");
        check_text("Accept", pt_request_header(parser.request, "Accept"), "one");
        check_text("none", pt_request_header(parser.request, "X"), NULL);
        pt_request_parser_clear(&parser);
    }
}

static void what_is_no_request_is_refused(void **state)
{
    (void)state;
    static char many[PT_REQUEST_MAX_HEADERS * 8 + 64] = "GET / HTTP/1.1\r\nHost: x\r\n";
    static char large[2 * PT_LIMIT_REQUEST_HEADER_BYTES] = "GET / HTTP/1.1\r\nHost: x\r\nX: ";
    static char far[2 * PT_LIMIT_REQUEST_HEADER_BYTES] = "GET /";
    char body[80];
    for (int i = 0; i <= PT_REQUEST_MAX_HEADERS; i++)
        strcat(many, "X: y\r\n");
    memset(large + strlen(large), 'x', sizeof(large) - 1 - strlen(large));
    memset(far + strlen(far), 'x', sizeof(far) - 1 - strlen(far));
    snprintf(body, sizeof(body), POST "Content-Length: %d\r\n\r\n", PT_LIMIT_REPORT_BYTES + 1);
    const struct {
        const char *text;
        int wanted;
    } cases[] = {
        {"\x16\x03\x01", 400},
        {"BREW / HTTP/1.1\r\n\r\n", 400},
        {"GET /\r\n\r\n", 505},
        {"GET / HTTP/2.0\r\n\r\n", 505},
        {"GET / HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: x\r\nX: a\x01\r\n\r\n", 400},
        {POST "Content-Length: -5\r\n\r\n", 400},
        {POST "Content-Length: 1\r\nContent-Length: 2\r\n\r\n", 400},
        {POST "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
        {POST "Transfer-Encoding: chunked\r\n\r\nx\r\n", 400},
        {POST "Content-Length: 99999999999999999999\r\n\r\n", 400},
        {POST "Content-Length: 5\r\nExpect: tea\r\n\r\n", 417},
        {POST "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n", 413},
        {CHUNKED "1\r\n{\r\n100000\r\n", 413},
        {body, 413},
        {many, 431},
        {large, 431},
        {far, 431},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        for (size_t piece = 1; piece <= PT_LIMIT_REQUEST_HEADER_BYTES; piece *= 7) {
            struct pt_request_parser parser;
            size_t used;
            pt_request_parser_init(&parser, &budget);
            if (feed(&parser, cases[i].text, strlen(cases[i].text), piece, &used) !=
                PT_PARSE_REFUSED)
                fail_msg("\"%.60s\" in pieces of %zu was not refused", cases[i].text, piece);
            if (parser.refusal != cases[i].wanted)
                fail_msg("\"%.60s\" in pieces of %zu: %d instead of %d", cases[i].text, piece,
                         parser.refusal, cases[i].wanted);
            pt_request_parser_clear(&parser);
        }
    }
}

// Each of these some server reads otherwise than its proxy, or some proxy otherwise than its
// server.
static void framing_that_can_be_read_in_two_ways_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *text;
    } cases[] = {
        {"a space before the method", " GET / HTTP/1.1\r\nHost: x\r\n\r\n"},
        {"a bare LF before the method", "\nGET / HTTP/1.1\r\nHost: x\r\n\r\n"},
        {"a bare CR before the method", "\rGET / HTTP/1.1\r\nHost: x\r\n\r\n"},
        {"two spaces before the target", "GET  / HTTP/1.1\r\nHost: x\r\n\r\n"},
        {"two spaces behind the target", "GET /  HTTP/1.1\r\nHost: x\r\n\r\n"},
        {"another protocol", "GET / RTSP/1.0\r\nHost: x\r\n\r\n"},
        {"yet another protocol", "SOURCE / ICE/1.0\r\nHost: x\r\n\r\n"},
        {"a fragment", "GET /a#b HTTP/1.1\r\nHost: x\r\n\r\n"},
        {"a fragment behind a query", "GET /a?b#c HTTP/1.1\r\nHost: x\r\n\r\n"},
        {"a target of another host", "GET http://y/a HTTP/1.1\r\nHost: x\r\n\r\n"},
        {"a target of another port", "GET http://x:80/a HTTP/1.1\r\nHost: x\r\n\r\n"},
        {"a target with a user", "GET http://a@x/a HTTP/1.1\r\nHost: x\r\n\r\n"},
        {"a target without a host", "GET http:///a HTTP/1.1\r\nHost:\r\n\r\n"},
        {"a target of another scheme", "GET ftp://x/a HTTP/1.1\r\nHost: x\r\n\r\n"},
        {"a Host that is none", "GET / HTTP/1.1\r\nHost: x\"y\r\n\r\n"},
        {"a Host beyond ASCII", "GET / HTTP/1.1\r\nHost: x\xff\r\n\r\n"},
        {"a Host with a port that is none", "GET / HTTP/1.1\r\nHost: x:a\r\n\r\n"},
        {"a Host with an open bracket", "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n"},
        {"space before the colon of a coding",
         POST "Transfer-Encoding : chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"},
        {"space before the colon of a length", POST "Content-Length : 2\r\n\r\n{}"},
        {"name with a space", GET "Foo Bar: a\r\n\r\n"},
        {"name that is no token", GET "Foo(Bar): a\r\n\r\n"},
        {"empty name", GET ": a\r\n\r\n"},
        {"folded value", GET "X: y\r\n Transfer-Encoding: chunked\r\n\r\n"},
        {"folded coding", POST "Transfer-Encoding:\r\n chunked\r\n\r\n"},
        {"line that begins with a space", "GET / HTTP/1.1\r\n X: y\r\nHost: x\r\n\r\n"},
        {"no Host", "GET / HTTP/1.1\r\n\r\n"},
        {"two Hosts", GET "Host: y\r\n\r\n"},
        {"two Hosts in HTTP/1.0", "GET / HTTP/1.0\r\nHost: x\r\nHost: x\r\n\r\n"},
        {"a Host that is a list", "GET / HTTP/1.1\r\nHost: x, y\r\n\r\n"},
        {"a Host with a user", "GET / HTTP/1.1\r\nHost: x@y\r\n\r\n"},
        {"a coding before chunked", POST "Transfer-Encoding: gzip, chunked\r\n\r\n"},
        {"a coding behind chunked", POST "Transfer-Encoding: chunked, identity\r\n\r\n"},
        {"another coding", POST "Transfer-Encoding: identity\r\n\r\n"},
        {"almost a coding", POST "Transfer-Encoding: xchunked\r\n\r\n"},
        {"two codings", POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"},
        {"a coding in HTTP/1.0",
         "POST / HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n"},
        {"chunk without its end", CHUNKED "2\r\n{}XX0\r\n\r\n"},
        {"chunk ended by a bare LF", CHUNKED "2\r\n{}\n0\r\n\r\n"},
        {"chunk size ended by a bare LF", CHUNKED "2\n{}\r\n0\r\n\r\n"},
        {"chunk extension ended by a bare LF", CHUNKED "2;a\n{}\r\n0\r\n\r\n"},
        {"chunk size with a space", CHUNKED "2 \r\n{}\r\n0\r\n\r\n"},
        {"chunk size with a sign", CHUNKED "-2\r\n{}\r\n0\r\n\r\n"},
        {"chunk size as in C", CHUNKED "0x2\r\n{}\r\n0\r\n\r\n"},
        {"chunk size that overflows", CHUNKED "10000000000000002\r\n{}\r\n0\r\n\r\n"},
        {"header ended by a bare LF", "GET / HTTP/1.1\r\nHost: x\nX: y\r\n\r\n"},
        {"bare CR in a value", GET "X: a\rTransfer-Encoding: chunked\r\n\r\n"},
        {"two CR", GET "X: a\r\r\n\r\n"},
        {"length as a list", POST "Content-Length: 2, 2\r\n\r\n{}"},
        {"length twice", POST "Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}"},
        {"length with a sign", POST "Content-Length: +2\r\n\r\n{}"},
        {"length as in C", POST "Content-Length: 0x2\r\n\r\n{}"},
        {"length with a space in it", POST "Content-Length: 1 2\r\n\r\n"},
        {"empty length", POST "Content-Length:\r\n\r\n"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        size_t length = strlen(cases[i].text);
        for (size_t piece = 1; piece <= length; piece++) {
            struct pt_request_parser parser;
            size_t used;
            pt_request_parser_init(&parser, &budget);
            if (feed(&parser, cases[i].text, length, piece, &used) != PT_PARSE_REFUSED)
                fail_msg("%s, in pieces of %zu: was not refused", cases[i].name, piece);
            check_int(cases[i].name, parser.refusal, 400);
            pt_request_parser_clear(&parser);
        }
    }
}

// What comes before and behind the head counts as well, though nothing keeps it.
static void trailers_chunk_extensions_and_empty_lines_are_bounded(void **state)
{
    (void)state;
    static const char *const begins[] = {CHUNKED "0\r\n", CHUNKED "1;", "\r\n"};
    static const char *const lines[] = {"Trailer: 0123456789\r\n", "name=value;", "\r\n\r\n"};
    for (size_t i = 0; i < COUNT_OF(begins); i++) {
        struct pt_request_parser parser;
        size_t used, sent = 0;
        pt_request_parser_init(&parser, &budget);
        enum pt_parse_result result = feed(&parser, begins[i], strlen(begins[i]), SIZE_MAX, &used);
        while (result != PT_PARSE_REFUSED && sent < 4 * PT_LIMIT_REQUEST_HEADER_BYTES) {
            result = feed(&parser, lines[i], strlen(lines[i]), SIZE_MAX, &used);
            sent += strlen(lines[i]);
        }
        check_int(begins[i], result, PT_PARSE_REFUSED);
        check_int(begins[i], parser.refusal, 431);
        assert_true(sent > PT_LIMIT_REQUEST_HEADER_BYTES / 2);
        pt_request_parser_clear(&parser);
    }
}

static void a_head_is_whole_before_its_body(void **state)
{
    (void)state;
    static const struct {
        const char *head, *body;
    } cases[] = {
        {POST "Content-Length: 2\r\n\r\n", "{}"},
        {CHUNKED, "2\r\n{}\r\n0\r\n\r\n"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct pt_request_parser parser;
        char both[256];
        size_t used, head = strlen(cases[i].head), body = strlen(cases[i].body);
        snprintf(both, sizeof(both), "%s%s", cases[i].head, cases[i].body);
        pt_request_parser_init(&parser, &budget);
        check_int("head", pt_request_parser_feed(&parser, both, head + body, &used), PT_PARSE_HEAD);
        check_int("bytes of the head", (int64_t)used, (int64_t)head);
        check_text("path", parser.request->path, "/api/v1/report");
        check_int("body", pt_request_parser_feed(&parser, both + head, body, &used),
                  PT_PARSE_WHOLE);
        check_int("bytes of the body", (int64_t)used, (int64_t)body);
        pt_request_parser_clear(&parser);
    }
}

static void all_bodies_together_are_bounded(void **state)
{
    (void)state;
    static const char length[] = POST "Content-Length: 1000\r\n\r\n";
    static const char *const cases[] = {length, CHUNKED "3e8\r\n{\"a"};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct pt_request_parser parser;
        size_t used;
        budget.body_bytes = PT_LIMIT_BODIES_BYTES - 1;
        budget.refused_bodies = 0;
        pt_request_parser_init(&parser, &budget);
        check_int(cases[i], feed(&parser, cases[i], strlen(cases[i]), 1000, &used),
                  PT_PARSE_REFUSED);
        check_int(cases[i], parser.refusal, 503);
        check_int(cases[i], (int64_t)budget.refused_bodies, 1);
        pt_request_parser_clear(&parser);
        check_int(cases[i], (int64_t)budget.body_bytes, PT_LIMIT_BODIES_BYTES - 1);
        check_int(cases[i], (int64_t)budget.head_bytes, 0);
    }
    budget.body_bytes = 0;
    budget.refused_bodies = 0;
}

static void what_is_kept_is_counted(void **state)
{
    (void)state;
    struct pt_request_parser parser;
    size_t used;
    pt_request_parser_init(&parser, &budget);
    static const char begun[] = POST "Content-Length: 1000\r\n\r\n{\"nodeName\"";
    check_int("begun", feed(&parser, begun, strlen(begun), SIZE_MAX, &used), PT_PARSE_MORE);
    check_int("bytes of the body", (int64_t)budget.body_bytes, 11);
    check_int("bytes of the head", (int64_t)budget.head_bytes,
              (int64_t)strlen("/api/v1/reportHostxContent-Length1000"));
    pt_request_parser_clear(&parser);
    check_int("cleared body", (int64_t)budget.body_bytes, 0);
    check_int("cleared head", (int64_t)budget.head_bytes, 0);
}

// The memory of a request is used again for the next one.
static void nothing_of_a_request_is_left_to_the_next(void **state)
{
    (void)state;
    static const char first[] = "POST /a?b HTTP/1.0\r\nHost: x\r\nAuthorization: Bearer t\r\n"
                                "Content-Length: 2\r\n\r\n{}";
    static const char next[] = "GET / HTTP/1.1\r\nHost: y\r\nAccept: z\r\n\r\n";
    struct pt_request_parser parser;
    size_t used;
    pt_request_parser_init(&parser, &budget);
    assert_int_equal(feed(&parser, first, strlen(first), 5, &used), PT_PARSE_WHOLE);
    const struct pt_request *request = parser.request;
    parser.request->is_admitted = parser.request->is_refused = parser.request->is_extra = true;
    memcpy(parser.request->admission, "key", 4);
    pt_request_add_reply_header(parser.request, "Retry-After", "1");
    pt_request_parser_clear(&parser);
    assert_int_equal(feed(&parser, next, strlen(next), SIZE_MAX, &used), PT_PARSE_WHOLE);
    assert_ptr_equal(parser.request, request);
    check_text("Authorization", pt_request_header(request, "Authorization"), NULL);
    check_text("Host", pt_request_header(request, "host"), "y");
    check_text("query", request->query, NULL);
    check_text("body", request->body, "");
    check_text("admission", request->admission, "");
    check_int("reply headers", (int64_t)request->reply_headers.length, 0);
    check_int("length of the body", (int64_t)request->body_length, 0);
    assert_false(request->is_admitted || request->is_refused || request->is_extra);
    assert_false(request->http_1_0);
    pt_request_parser_clear(&parser);
}

static void the_memory_of_a_long_head_is_not_kept(void **state)
{
    (void)state;
    static char text[10000] = GET "Long: ";
    size_t at = strlen(text);
    memset(text + at, 'x', sizeof(text) - at - 5);
    memcpy(text + sizeof(text) - 5, "\r\n\r\n", 5);
    struct pt_request_parser parser;
    size_t used;
    pt_request_parser_init(&parser, &budget);
    assert_int_equal(feed(&parser, text, strlen(text), SIZE_MAX, &used), PT_PARSE_WHOLE);
    pt_request_parser_clear(&parser);
    assert_non_null(budget.spare);
    check_int("bytes kept", (int64_t)budget.spare->text.capacity, 0);
    check_int("bytes counted", budget.bytes, 0);
}

static void a_chunked_body_is_bounded(void **state)
{
    (void)state;
    static char chunk[64 * 1024 + 16] = "10000\r\n";
    struct pt_request_parser parser;
    size_t used;
    enum pt_parse_result result;
    pt_request_parser_init(&parser, &budget);
    assert_int_equal(feed(&parser, CHUNKED, strlen(CHUNKED), 1000, &used), PT_PARSE_HEAD);
    size_t at = strlen(chunk);
    memset(chunk + at, ' ', 64 * 1024);
    memcpy(chunk + at + 64 * 1024, "\r\n", 2);
    for (int i = 0; i < PT_LIMIT_REPORT_BYTES / (64 * 1024); i++) {
        result = feed(&parser, chunk, at + 64 * 1024 + 2, 10000, &used);
        assert_int_equal(result, PT_PARSE_MORE);
    }
    result = feed(&parser, chunk, at + 64 * 1024 + 2, 10000, &used);
    assert_int_equal(result, PT_PARSE_REFUSED);
    assert_int_equal(parser.refusal, 413);
    pt_request_parser_clear(&parser);
}

static void who_waits_for_an_interim_answer_is_known(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool wanted;
    } cases[] = {
        {POST "Content-Length: 5\r\nExpect: 100-Continue\r\n\r\n", true},
        {POST "Content-Length: 5\r\n\r\n", false},
        {"POST / HTTP/1.0\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n", false},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct pt_request_parser parser;
        size_t used;
        pt_request_parser_init(&parser, &budget);
        assert_int_equal(feed(&parser, cases[i].text, strlen(cases[i].text), 7, &used),
                         PT_PARSE_HEAD);
        assert_int_equal(parser.continue_wanted, cases[i].wanted);
        pt_request_parser_clear(&parser);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_is_read_however_it_is_cut),
        cmocka_unit_test(headers_are_found_by_name),
        cmocka_unit_test(what_is_no_request_is_refused),
        cmocka_unit_test(framing_that_can_be_read_in_two_ways_is_refused),
        cmocka_unit_test(trailers_chunk_extensions_and_empty_lines_are_bounded),
        cmocka_unit_test(a_head_is_whole_before_its_body),
        cmocka_unit_test(all_bodies_together_are_bounded),
        cmocka_unit_test(what_is_kept_is_counted),
        cmocka_unit_test(nothing_of_a_request_is_left_to_the_next),
        cmocka_unit_test(the_memory_of_a_long_head_is_not_kept),
        cmocka_unit_test(a_chunked_body_is_bounded),
        cmocka_unit_test(who_waits_for_an_interim_answer_is_known),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    pt_request_budget_finish(&budget);
    return failed;
}

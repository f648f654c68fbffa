// SPDX-License-Identifier: Apache-2.0
#include "server/http/request_parser.h"

#include "base/limits.h"
#include "check.h"

#include <stdio.h>
#include <string.h>

#define POST "POST /api/v1/report HTTP/1.1\r\n"

// Feeds the text in pieces of that size, up to the end of the first request, and tells how much of
// it that was.
static enum pt_parse_result feed(struct pt_request_parser *parser, const char *text, size_t length,
                                 size_t piece, size_t *ret_used)
{
    enum pt_parse_result result = PT_PARSE_MORE;
    size_t at = 0, used;
    while (at < length && result == PT_PARSE_MORE) {
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
        {"\r\nGET /a?b=1&c=%20 HTTP/1.1\r\n\r\n", PT_HTTP_GET, "/a", "b=1&c=%20", "", false, true},
        {"GET /a?b#c HTTP/1.1\r\n\r\n", PT_HTTP_GET, "/a", "b", "", false, true},
        {"GET http://host:80/a?b HTTP/1.1\r\n\r\n", PT_HTTP_GET, "/a", "b", "", false, true},
        {"GET http://host HTTP/1.1\r\n\r\n", PT_HTTP_GET, "/", NULL, "", false, true},
        {"HEAD /a HTTP/1.1\r\nConnection: close\r\n\r\n", PT_HTTP_HEAD, "/a", NULL, "", false,
         false},
        {"GET /a HTTP/1.0\r\n\r\n", PT_HTTP_GET, "/a", NULL, "", true, false},
        {"GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", PT_HTTP_GET, "/a", NULL, "", true,
         true},
        {"OPTIONS * HTTP/1.1\r\n\r\n", PT_HTTP_OTHER, "*", NULL, "", false, true},
        {"CONNECT host:443 HTTP/1.1\r\n\r\n", PT_HTTP_OTHER, "host:443", NULL, "", false, false},
        {"GET /a HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n", PT_HTTP_GET, "/a", NULL,
         "", false, true},
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
            pt_request_parser_init(&parser);
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
        pt_request_parser_init(&parser);
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
    static char many[PT_REQUEST_MAX_HEADERS * 8 + 64] = "GET / HTTP/1.1\r\n";
    static char large[2 * PT_LIMIT_REQUEST_HEADER_BYTES] = "GET / HTTP/1.1\r\nX: ";
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
        {"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nX: a\x01\r\n\r\n", 400},
        {POST "Content-Length: -5\r\n\r\n", 400},
        {POST "Content-Length: 1\r\nContent-Length: 2\r\n\r\n", 400},
        {POST "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
        {POST "Transfer-Encoding: chunked\r\n\r\nx\r\n", 400},
        {POST "Content-Length: 99999999999999999999\r\n\r\n", 400},
        {POST "Content-Length: 5\r\nExpect: tea\r\n\r\n", 417},
        {body, 413},
        {many, 431},
        {large, 431},
        {far, 431},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        for (size_t piece = 1; piece <= PT_LIMIT_REQUEST_HEADER_BYTES; piece *= 7) {
            struct pt_request_parser parser;
            size_t used;
            pt_request_parser_init(&parser);
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

static void a_chunked_body_is_bounded(void **state)
{
    (void)state;
    static char chunk[64 * 1024 + 16] = "10000\r\n";
    struct pt_request_parser parser;
    size_t used;
    enum pt_parse_result result;
    pt_request_parser_init(&parser);
    static const char head[] = POST "Transfer-Encoding: chunked\r\n\r\n";
    assert_int_equal(feed(&parser, head, sizeof(head) - 1, 1000, &used), PT_PARSE_MORE);
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

static void who_waits_to_be_told_is_known(void **state)
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
        pt_request_parser_init(&parser);
        assert_int_equal(feed(&parser, cases[i].text, strlen(cases[i].text), 7, &used),
                         PT_PARSE_MORE);
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
        cmocka_unit_test(a_chunked_body_is_bounded),
        cmocka_unit_test(who_waits_to_be_told_is_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: Apache-2.0
#include "base/limits.h"
#include "server/http/request_parser.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct pt_request_parser *parser)
{
    const struct pt_request *request = parser->request;
    assert(request->body_length <= PT_LIMIT_REPORT_BYTES);
    assert(request->header_count <= PT_REQUEST_MAX_HEADERS);
    assert(strlen(request->path) > 0);
    for (size_t i = 0; i < request->header_count; i++) {
        const char *name = request->text.data + request->headers[i].name;
        assert(pt_request_header(request, name) != NULL);
    }
}

// The first byte says in what pieces the rest arrives: requests are read or refused, in bounds.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pt_request_parser parser;
    struct pt_request_budget budget = {0};
    pt_request_parser_init(&parser, &budget);
    size_t piece = size > 0 ? data[0] + 1u : 1;
    for (size_t at = 1; at < size;) {
        size_t used, n = piece < size - at ? piece : size - at;
        enum pt_parse_result result =
            pt_request_parser_feed(&parser, (const char *)data + at, n, &used);
        if (result == PT_PARSE_REFUSED) {
            assert(parser.refusal >= 400);
            break;
        }
        assert(used > 0 && used <= n);
        at += used;
        if (result == PT_PARSE_WHOLE) {
            check(&parser);
            pt_request_parser_clear(&parser);
        }
    }
    pt_request_parser_clear(&parser);
    assert(budget.head_bytes == 0 && budget.body_bytes == 0);
    pt_request_budget_finish(&budget);
    return 0;
}

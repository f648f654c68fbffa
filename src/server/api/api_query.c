// SPDX-License-Identifier: Apache-2.0
#include "server/api/api_query.h"

#include "server/http/http_reply.h"
#include "server/http/http_request.h"

bool pt_api_read_query(struct pt_request *request, struct pt_query *query)
{
    struct pt_error err;
    if (pt_query_parse(request->query, query, &err) == 0)
        return true;
    pt_reply_error(request, 400, 0, "%s", err.message);
    return false;
}

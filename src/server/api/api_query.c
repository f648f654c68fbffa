// SPDX-License-Identifier: Apache-2.0
#include "server/api/api_query.h"

#include "base/name_list.h"
#include "server/http/http_reply.h"
#include "server/http/http_request.h"

bool pt_api_admits_query(struct pt_request *request, const char *known)
{
    struct pt_query query;
    if (!request->query)
        return true;
    if (!pt_api_read_query(request, &query))
        return false;
    for (size_t i = 0; i < query.count; i++) {
        const char *name = query.parameters[i].name;
        if (pt_name_list_has(known, name))
            continue;
        pt_reply_error(request, PT_PROBLEM_UNKNOWN_PARAMETER, 0,
                       "there is no parameter \"%.64s\" here; there is %s", name,
                       *known ? known : "none");
        return false;
    }
    return true;
}

bool pt_api_read_query(struct pt_request *request, struct pt_query *query)
{
    struct pt_error err;
    if (pt_query_parse(request->query, query, &err) == 0)
        return true;
    pt_reply_error(request, PT_PROBLEM_PARAMETER, 0, "%s", err.message);
    return false;
}

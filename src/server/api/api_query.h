// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_API_API_QUERY_H
#define PT_SERVER_API_API_QUERY_H

#include "base/query.h"

#include <stdbool.h>

struct pt_request;

// Reads the request's query; answers 400 and returns false when it is not valid.
bool pt_api_read_query(struct pt_request *request, struct pt_query *query);

#endif

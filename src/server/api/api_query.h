// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_API_API_QUERY_H
#define PT_SERVER_API_API_QUERY_H

#include "base/query.h"

#include <stdbool.h>

struct pt_request;

// Whether the request's query has no other parameters than the known ones (comma-separated, "":
// there are none); answers 400 if not.
bool pt_api_admits_query(struct pt_request *request, const char *known);

// Reads the request's query; answers 400 and returns false when it is not valid.
bool pt_api_read_query(struct pt_request *request, struct pt_query *query);

#endif
